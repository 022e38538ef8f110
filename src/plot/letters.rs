//! Text as shares of pixels, from the outlines of the window's typeface.

use skrifa::{
    FontRef, MetadataProvider,
    instance::{LocationRef, Size},
    outline::{DrawSettings, OutlinePen},
};

/// Inter Regular, the typeface of the window.
pub const INTER: &[u8] = include_bytes!("../../assets/fonts/Inter-Regular.otf");

/// Lines across a pixel that are looked at; each tells its share exactly.
const LINES: usize = 4;
/// Pieces of a curve.
const PIECES: u8 = 6;

/// A run of text as a mask.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Mask {
    /// `(height, width)`, from the top: how much of each pixel is ink, from 0 to 1.
    pub(super) shares: Vec<f32>,
    pub(super) width: usize,
    pub(super) height: usize,
    /// Row of the baseline.
    pub(super) baseline: usize,
    /// Where the next letter would stand, in pixels.
    pub(super) advance: f32,
}

/// Draws a line of text, `size` pixels from line to line. What the typeface lacks is left out.
pub(super) fn draw(text: &str, size: f32) -> Mask {
    let Ok(font) = FontRef::new(INTER) else { return Mask::default() };
    let (scale, location) = (Size::new(size), LocationRef::default());
    let (metrics, glyphs) = (font.glyph_metrics(scale, location), font.outline_glyphs());
    let mut outline = Outline::default();
    for glyph in text.chars().filter_map(|letter| font.charmap().map(letter)) {
        if let Some(drawn) = glyphs.get(glyph) {
            // A letter that cannot be drawn keeps its room.
            let _ = drawn.draw(DrawSettings::unhinted(scale, location), &mut outline);
        }
        outline.left += metrics.advance_width(glyph).unwrap_or(0.0);
    }
    let baseline = size.ceil() as usize;
    let (width, height) =
        (outline.left.ceil() as usize + 1, baseline + (size * 0.35).ceil() as usize);
    let mut mask =
        Mask { shares: vec![0.0; width * height], width, height, baseline, advance: outline.left };
    outline.fill(&mut mask);
    mask
}

/// Lines around the letters; y goes up from the baseline.
#[derive(Default)]
struct Outline {
    edges: Vec<[(f32, f32); 2]>,
    left: f32,
    start: (f32, f32),
    at: (f32, f32),
}

impl Outline {
    fn edge_to(&mut self, to: (f32, f32)) {
        self.edges.push([self.at, to]);
        self.at = to;
    }

    /// The curve through points that depend on how far along it is.
    fn curve(&mut self, point: impl Fn(f32) -> (f32, f32)) {
        for piece in 1..=PIECES {
            self.edge_to(point(f32::from(piece) / f32::from(PIECES)));
        }
    }

    /// Fills what the lines go around, by the direction they go in.
    fn fill(&self, mask: &mut Mask) {
        for line in 0..mask.height * LINES {
            let y = mask.baseline as f32 - (line as f32 + 0.5) / LINES as f32;
            let mut crossings: Vec<(f32, i32)> = Vec::new();
            for &[(x0, y0), (x1, y1)] in &self.edges {
                if (y0 <= y) != (y1 <= y) {
                    let x = x0 + (y - y0) / (y1 - y0) * (x1 - x0);
                    crossings.push((x, if y0 < y1 { 1 } else { -1 }));
                }
            }
            crossings.sort_by(|a, b| a.0.total_cmp(&b.0));
            let row = line / LINES * mask.width;
            let (mut winding, mut from) = (0, 0.0);
            for (x, direction) in crossings {
                if winding == 0 {
                    from = x;
                }
                winding += direction;
                if winding == 0 {
                    cover(&mut mask.shares[row..row + mask.width], from, x);
                }
            }
        }
    }
}

/// Adds a line's share of the pixels between two places.
fn cover(row: &mut [f32], from: f32, to: f32) {
    let first = from.max(0.0) as usize;
    for (at, share) in row.iter_mut().enumerate().skip(first) {
        let (left, right) = (from.max(at as f32), to.min(at as f32 + 1.0));
        if right <= left {
            break;
        }
        *share = (*share + (right - left) / LINES as f32).min(1.0);
    }
}

impl OutlinePen for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.at = (x + self.left, y);
        self.start = self.at;
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.edge_to((x + self.left, y));
    }

    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        let (from, control, to) = (self.at, (cx + self.left, cy), (x + self.left, y));
        self.curve(|t| blend(blend(from, control, t), blend(control, to, t), t));
    }

    fn curve_to(&mut self, cx0: f32, cy0: f32, cx1: f32, cy1: f32, x: f32, y: f32) {
        let from = self.at;
        let [a, b, to] = [(cx0, cy0), (cx1, cy1), (x, y)].map(|(x, y)| (x + self.left, y));
        self.curve(|t| {
            let (p, q, r) = (blend(from, a, t), blend(a, b, t), blend(b, to, t));
            blend(blend(p, q, t), blend(q, r, t), t)
        });
    }

    fn close(&mut self) {
        self.edge_to(self.start);
    }
}

fn blend(a: (f32, f32), b: (f32, f32), t: f32) -> (f32, f32) {
    (a.0 + (b.0 - a.0) * t, a.1 + (b.1 - a.1) * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_have_ink_where_they_are_and_none_beside() {
        let bar = draw("l", 20.0);
        let inked = bar.shares.iter().filter(|share| **share > 0.5).count();
        assert!((10..60).contains(&inked), "a stem of twenty pixels' size has {inked}");
        let mask = draw("  ", 20.0);
        assert!(mask.shares.iter().all(|share| *share == 0.0) && mask.advance > 5.0);
        assert!(draw("mm", 20.0).advance > 1.9 * draw("m", 20.0).advance);
    }
}

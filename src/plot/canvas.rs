//! Pixels that are painted on with shares of a colour.

use super::letters;
use crate::dsp::Picture;

/// Red, green, blue.
pub(super) type Color = [u8; 3];

/// Where text stands beside its anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Left,
    Middle,
    Right,
}

/// A picture under way, white at first.
pub(super) struct Canvas {
    picture: Picture,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { picture: Picture { width, height, rgba: vec![0xff; width * height * 4] } }
    }

    pub(super) fn into_picture(self) -> Picture {
        self.picture
    }

    fn blend(&mut self, x: isize, y: isize, color: Color, share: f32) {
        let Picture { width, height, rgba } = &mut self.picture;
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        if x >= *width || y >= *height {
            return;
        }
        let pixel = &mut rgba[(y * *width + x) * 4..][..3];
        for (value, ink) in pixel.iter_mut().zip(color) {
            let (below, above) = (f32::from(*value), f32::from(ink));
            *value = (below + (above - below) * share.clamp(0.0, 1.0)).round() as u8;
        }
    }

    /// A line of text whose baseline is at `y`.
    pub(super) fn text(
        &mut self,
        text: &str,
        x: f32,
        y: f32,
        size: f32,
        anchor: Anchor,
        color: Color,
    ) {
        let mask = letters::draw(text, size);
        let left = match anchor {
            Anchor::Left => x,
            Anchor::Middle => x - mask.advance / 2.0,
            Anchor::Right => x - mask.advance,
        };
        let (left, top) = (left.round() as isize, y.round() as isize - mask.baseline as isize);
        for (at, &share) in mask.shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            let (column, row) = ((at % mask.width) as isize, (at / mask.width) as isize);
            self.blend(left + column, top + row, color, share);
        }
    }

    /// A rectangle, with soft edges where it ends within a pixel.
    pub(super) fn fill(&mut self, x: [f32; 2], y: [f32; 2], color: Color) {
        let share = |range: [f32; 2], at: isize| {
            (range[1].min(at as f32 + 1.0) - range[0].max(at as f32)).max(0.0)
        };
        for row in y[0].floor() as isize..y[1].ceil() as isize {
            for column in x[0].floor() as isize..x[1].ceil() as isize {
                self.blend(column, row, color, share(x, column) * share(y, row));
            }
        }
    }

    /// A filled circle.
    pub(super) fn dot(&mut self, x: f32, y: f32, radius: f32, color: Color) {
        let reach = radius.ceil() as isize + 1;
        for row in y as isize - reach..=y as isize + reach {
            for column in x as isize - reach..=x as isize + reach {
                let (dx, dy) = (column as f32 + 0.5 - x, row as f32 + 0.5 - y);
                self.blend(column, row, color, radius + 0.5 - dx.hypot(dy));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_is_not_painted_and_does_no_harm() {
        let mut canvas = Canvas::new(10, 10);
        canvas.dot(-3.0, 40.0, 2.0, [0; 3]);
        canvas.fill([8.0, 90.0], [2.0, 3.0], [0; 3]);
        canvas.text("a long line", -20.0, 5.0, 14.0, Anchor::Left, [0; 3]);
        let picture = canvas.into_picture();
        assert_eq!(&picture.rgba[(2 * 10 + 9) * 4..][..3], [0; 3]);
        assert_eq!(picture.rgba.len(), 400);
    }
}

//! A mel spectrogram as textures: one column per frame, cut so that none is wider than the card
//! allows, added to as sentences arrive.

use eframe::egui::{
    Color32, ColorImage, Context, Painter, Rect, TextureFilter, TextureHandle, TextureOptions,
    TextureWrapMode, pos2, vec2,
};

use super::{
    mel_view_scale::{Colors, MelScale},
    time_axis::{Ticks, TimeAxis},
    time_axis_paint::{Ink, Side, paint_y_tick, upwards},
};
use crate::{domain::MelSpectrogram, settings::ColorMap};

/// Frames that are turned into textures in one frame of the window at most.
const FRAMES_AT_ONCE: usize = 4096;

/// Widest texture, even where the card would take wider ones: a small upload each.
const WIDEST: usize = 2048;

/// Points between two numbers on an axis.
const TICK_GAP: f32 = 15.0;

/// Round frequencies in Hz, the most wanted first.
const ROUND_HZ: [f64; 17] = [
    1000.0, 4000.0, 2000.0, 8000.0, 500.0, 250.0, 100.0, 3000.0, 6000.0, 1500.0, 750.0, 5000.0,
    7000.0, 300.0, 200.0, 400.0, 600.0,
];

/// Exact cells when large, no flicker when small.
const OPTIONS: TextureOptions = TextureOptions {
    magnification: TextureFilter::Nearest,
    minification: TextureFilter::Linear,
    wrap_mode: TextureWrapMode::ClampToEdge,
    mipmap_mode: Some(TextureFilter::Linear),
};

/// A run of frames on the card.
struct Tile {
    start_secs: f64,
    frame_secs: f64,
    n_frames: usize,
    n_mels: usize,
    texture: TextureHandle,
}

/// A mel and when it begins.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// Where its first frame begins.
    pub start_secs: f64,
    /// Its frames.
    pub mel: &'a MelSpectrogram,
}

/// See the module.
#[derive(Default)]
pub struct MelView {
    colors: Option<Colors>,
    tiles: Vec<Tile>,
    /// Pieces before the one that is being brought onto the card.
    n_pieces: usize,
    /// Frames of that one that are on it.
    n_frames: usize,
}

impl MelView {
    /// Forgets the mel; the next one is another.
    pub fn clear(&mut self) {
        self.tiles.clear();
        self.n_pieces = 0;
        self.n_frames = 0;
    }

    /// The colours in use; those of `map`, from now on.
    pub fn colors(&mut self, map: ColorMap) -> &Colors {
        if self.colors.as_ref().is_none_or(|colors| colors.map != map) {
            self.clear();
        }
        self.colors.get_or_insert_with(|| Colors::new(map)).refreshed(map)
    }

    /// Brings what is new in `pieces` onto the card, a bounded part of it at once; says whether
    /// more waits for the next frame.
    pub fn sync<'a>(
        &mut self,
        ctx: &Context,
        map: ColorMap,
        pieces: impl Iterator<Item = Piece<'a>>,
    ) -> bool {
        self.colors(map);
        let Some(colors) = &self.colors else { return false };
        let widest = ctx.input(|input| input.max_texture_side).min(WIDEST);
        let mut room = FRAMES_AT_ONCE;
        let mut pieces = pieces.skip(self.n_pieces).peekable();
        while let Some(piece) = pieces.next() {
            let n_frames = piece.mel.n_frames();
            while self.n_frames < n_frames {
                if room == 0 {
                    return true;
                }
                let n = (n_frames - self.n_frames).min(widest).min(room);
                let image = image(piece.mel, self.n_frames, n, colors);
                let frame_secs = piece.mel.config.frame_secs();
                self.tiles.push(Tile {
                    start_secs: piece.start_secs + self.n_frames as f64 * frame_secs,
                    frame_secs,
                    n_frames: n,
                    n_mels: piece.mel.config.n_mels,
                    texture: ctx.load_texture("mel", image, OPTIONS),
                });
                self.n_frames += n;
                room -= n;
            }
            // The last piece may have grown by the next time.
            if pieces.peek().is_some() {
                self.n_pieces += 1;
                self.n_frames = 0;
            }
        }
        false
    }

    /// Paints the visible part.
    pub fn paint(&self, painter: &Painter, plot: Rect, axis: TimeAxis, bands: TimeAxis) {
        let painter = painter.with_clip_rect(plot.intersect(painter.clip_rect()));
        for tile in &self.tiles {
            let end_secs = tile.start_secs + tile.n_frames as f64 * tile.frame_secs;
            if end_secs < axis.start || tile.start_secs > axis.end {
                continue;
            }
            // Only what is seen: a screen coordinate far outside would lose its precision.
            let (from, to) = (tile.start_secs.max(axis.start), end_secs.min(axis.end));
            let x = |secs: f64| axis.to_screen(secs, plot.x_range());
            let u = |secs: f64| ((secs - tile.start_secs) / (end_secs - tile.start_secs)) as f32;
            let v = |band: f64| 1.0 - (band / tile.n_mels as f64) as f32;
            let rect = Rect::from_min_max(pos2(x(from), plot.top()), pos2(x(to), plot.bottom()));
            let uv = Rect::from_min_max(pos2(u(from), v(bands.end)), pos2(u(to), v(bands.start)));
            painter.image(tile.texture.id(), rect, uv, Color32::WHITE);
        }
    }
}

/// A run of frames as pixels, low bands at the bottom.
fn image(mel: &MelSpectrogram, first: usize, n_frames: usize, colors: &Colors) -> ColorImage {
    let n_mels = mel.config.n_mels;
    let mut image = ColorImage::filled([n_frames, n_mels], Color32::BLACK);
    for column in 0..n_frames {
        for (band, &level_ln) in mel.frame(first + column).iter().enumerate() {
            image.pixels[(n_mels - 1 - band) * n_frames + column] = colors.of(level_ln);
        }
    }
    image
}

/// Paints frequencies at the left of a mel and band numbers at its right.
pub fn paint_band_axes(
    painter: &Painter,
    plot: Rect,
    bands: TimeAxis,
    scale: &MelScale,
    ink: &Ink,
) {
    let y_of = |band: f64| bands.to_screen(band, upwards(plot));
    let mut taken: Vec<f32> = Vec::with_capacity(ROUND_HZ.len());
    for hz in ROUND_HZ {
        let band = scale.band(hz);
        let y = y_of(band);
        if bands.contains(band) && taken.iter().all(|other| (other - y).abs() >= TICK_GAP) {
            taken.push(y);
            paint_y_tick(painter, plot, Side::Left, y, &hz_label(hz), ink);
        }
    }
    let max_ticks = (plot.height() / (1.6 * TICK_GAP)) as usize;
    if max_ticks == 0 {
        return;
    }
    let ticks = Ticks::new(bands.start, bands.end, max_ticks);
    // A band is a cell: its number stands at its middle.
    for band in ticks.values().filter(|band| band.fract() == 0.0) {
        if bands.contains(band + 0.5) {
            paint_y_tick(painter, plot, Side::Right, y_of(band + 0.5), &format!("{band}"), ink);
        }
    }
}

fn hz_label(hz: f64) -> String {
    if hz >= 1000.0 { format!("{} k", hz / 1000.0) } else { format!("{hz}") }
}

/// Where the colour bar stands beside a plot.
pub fn color_bar_rect(plot: Rect) -> Rect {
    Rect::from_min_size(
        pos2(plot.right() + 26.0, plot.top() + 14.0),
        vec2(10.0, (plot.height() - 14.0).max(1.0)),
    )
}

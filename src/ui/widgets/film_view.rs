//! Small pictures side by side, as on a strip of film, each with what it shows under it.

use std::sync::Arc;

use eframe::egui::{
    Align2, Color32, ColorImage, Context, Painter, Rect, TextureHandle, TextureOptions, pos2, vec2,
};

use super::{
    mel_view_scale::map_of,
    time_axis_paint::{Ink, paint_frame},
};
use crate::{
    domain::{Glimpse, GlimpseKind},
    dsp,
    settings::ColorMap,
};

/// Height of the line under the pictures.
const LINE: f32 = 15.0;

/// Between two pictures.
const GAP: f32 = 6.0;

/// The pictures of one sentence on the card.
#[derive(Default)]
pub struct FilmView {
    shown: Option<(ColorMap, Arc<[Glimpse]>)>,
    textures: Vec<TextureHandle>,
}

impl FilmView {
    /// Brings other pictures onto the card, if they are others.
    pub fn sync(&mut self, ctx: &Context, map: ColorMap, glimpses: &Arc<[Glimpse]>) {
        let is_same =
            |shown: &(ColorMap, Arc<[Glimpse]>)| shown.0 == map && Arc::ptr_eq(&shown.1, glimpses);
        if self.shown.as_ref().is_some_and(is_same) {
            return;
        }
        let texture = |glimpse: &Glimpse| {
            ctx.load_texture("glimpse", image(glimpse, map), TextureOptions::LINEAR)
        };
        self.textures = glimpses.iter().map(texture).collect();
        self.shown = Some((map, Arc::clone(glimpses)));
    }

    /// Paints them over the whole plot.
    pub fn paint(&self, painter: &Painter, plot: Rect, ink: &Ink) {
        let Some((_, glimpses)) = &self.shown else { return };
        let n = glimpses.len().max(1) as f32;
        let size = vec2((plot.width() - GAP * (n - 1.0)) / n, plot.height() - LINE);
        if size.min_elem() <= 1.0 {
            return;
        }
        for (at, (glimpse, texture)) in glimpses.iter().zip(&self.textures).enumerate() {
            let min = pos2(plot.left() + at as f32 * (size.x + GAP), plot.top());
            let rect = Rect::from_min_size(min, size);
            let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            painter.image(texture.id(), rect, whole, Color32::WHITE);
            paint_frame(painter, rect, ink);
            let under = pos2(rect.center().x, rect.bottom() + 1.0);
            let words = in_words(glimpse);
            painter.text(under, Align2::CENTER_TOP, words, ink.small.clone(), ink.muted);
        }
    }
}

/// What a picture shows.
pub fn in_words(glimpse: &Glimpse) -> String {
    match glimpse.kind {
        GlimpseKind::FlowStep { time } if time <= 0.0 => "t = 0, noise".to_owned(),
        GlimpseKind::FlowStep { time } if time >= 1.0 => "t = 1, mel".to_owned(),
        GlimpseKind::FlowStep { time } => format!("t = {time:.2}"),
        GlimpseKind::EncoderCbhg => format!(
            "Encoder CBHG: {} channels (upwards) × {} symbols, from −1 to 1",
            glimpse.height, glimpse.width
        ),
        // A long one is thinned, so its columns are not counted.
        GlimpseKind::PostnetCbhg => format!(
            "Post-net CBHG: {} channels (upwards) over the frames, from −1 to 1",
            glimpse.height
        ),
    }
}

fn image(glimpse: &Glimpse, map: ColorMap) -> ColorImage {
    let (width, height) = (glimpse.width.max(1), glimpse.height.max(1));
    let map = map_of(map);
    let mut image = ColorImage::filled([width, height], Color32::BLACK);
    for (column, levels) in glimpse.levels.chunks_exact(height).enumerate() {
        for (row, &level) in levels.iter().enumerate() {
            let share = f32::from(level) / 255.0;
            let [r, g, b] = match glimpse.kind {
                GlimpseKind::FlowStep { .. } => map.rgb(share),
                GlimpseKind::EncoderCbhg | GlimpseKind::PostnetCbhg => {
                    dsp::diverging_rgb(2.0 * share - 1.0)
                }
            };
            image.pixels[(height - 1 - row) * width + column] = Color32::from_rgb(r, g, b);
        }
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_row_is_at_the_bottom() {
        let glimpse = Glimpse::encoder_cbhg(&[-1.0, 1.0, 0.0, 0.0], 2);
        let image = image(&glimpse, ColorMap::Magma);
        let color = |share| {
            let [r, g, b] = dsp::diverging_rgb(share);
            Color32::from_rgb(r, g, b)
        };
        assert_eq!((image.pixels[0], image.pixels[2]), (color(1.0), color(-1.0)));
    }

    #[test]
    fn noise_and_mel_are_named() {
        let words = |time| in_words(&Glimpse::flow_step(time, &[0.0; 80], 80));
        assert_eq!([0.0, 0.25, 1.0].map(words), ["t = 0, noise", "t = 0.25", "t = 1, mel"]);
    }
}

//! The difference of two takes, below them.

use eframe::egui::{
    Align2, Color32, ColorImage, Context, Mesh, Rangef, Rect, Role, Sense, Shape, TextureHandle,
    TextureOptions, Ui, WidgetInfo, pos2, vec2,
};

use super::{Place, block::Scene};
use crate::{
    dsp::{self, WIDEST_DB},
    ui::{
        speak::{
            difference::{Difference, Pair, Shown},
            state::SpeakState,
        },
        theme::{self, Hue},
        widgets::{
            mel_view::{color_bar_rect, paint_band_axes},
            mel_view_scale::MelScale,
            time_axis::TimeAxis,
            time_axis_paint::{
                Ink, Side, paint_frame, paint_ground, paint_hover, paint_playhead, paint_y_tick,
                paint_y_title, plot_rect, upwards,
            },
        },
    },
};

/// Colours of the bar beside the plot; between them it blends.
const BAR_STOPS: u32 = 32;

/// The pictures of a difference on the card.
#[derive(Default)]
pub(super) struct Apart {
    pair: Option<Pair>,
    textures: Vec<TextureHandle>,
}

impl Apart {
    /// Brings a new difference onto the card.
    fn sync(&mut self, ctx: &Context, pair: Pair, shown: &Shown) {
        if self.pair == Some(pair) {
            return;
        }
        self.pair = Some(pair);
        let texture = |strip: &crate::ui::speak::difference::Strip| {
            let size = [strip.picture.width, strip.picture.height];
            let image = ColorImage::from_rgba_unmultiplied(size, &strip.picture.rgba);
            ctx.load_texture("difference", image, TextureOptions::NEAREST)
        };
        self.textures = shown.strips.iter().map(texture).collect();
    }

    /// Draws it at its place.
    pub(super) fn ui(&mut self, ui: &Ui, scene: &Scene<'_>, place: &Place, area: Rect) {
        let Scene { state, ink, .. } = scene;
        let panel = Rect::from_x_y_ranges(area.x_range(), place.panels);
        let plot = plot_rect(panel);
        let (painter, time) = (ui.painter(), state.view.time);
        let at_cursor = scene.pointed.and_then(|pointed| Some((pointed.secs, pointed.band?)));
        let words = in_words(state, at_cursor);
        let whole = painter.with_clip_rect(place.head.intersect(painter.clip_rect()));
        let at = place.head.left_center() + vec2(8.0, 0.0);
        whole.text(at, Align2::LEFT_CENTER, &words, ink.small.clone(), ink.text);
        paint_ground(painter, plot, ink);
        paint_y_title(painter, panel, "Mel band (Hz)", ink);
        if let Difference::Done(pair, Ok(shown)) = &state.difference {
            self.sync(ui.ctx(), *pair, shown);
            self.paint(ui, scene, plot, shown);
            if let Some(piece) = state.selected_take().and_then(|take| take.pieces.first()) {
                let scale = MelScale::new(&piece.spoken.mel.config);
                paint_band_axes(painter, plot, state.view.bands, &scale, ink);
            }
            paint_bar(ui, color_bar_rect(plot), ink);
        }
        let inside = painter.with_clip_rect(plot.intersect(painter.clip_rect()));
        let x = |secs| time.to_screen(secs, plot.x_range());
        // On white the cursors of the mel would not be seen.
        let dark = Ink { muted: Color32::BLACK, ..ink.clone() };
        if let Some(pointed) = scene.pointed {
            paint_hover(&inside, plot, x(pointed.secs), &dark);
        }
        paint_playhead(&inside, plot, x(scene.cursor_secs), ink);
        paint_frame(painter, plot, ink);
        let response = ui.interact(plot, ui.scope_id().with("difference"), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &words));
    }

    fn paint(&self, ui: &Ui, scene: &Scene<'_>, plot: Rect, shown: &Shown) {
        let (axis, bands) = (scene.state.view.time, scene.state.view.bands);
        let painter = ui.painter().with_clip_rect(plot.intersect(ui.clip_rect()));
        let n_mels = shown.difference.n_mels as f64;
        for (strip, texture) in shown.strips.iter().zip(&self.textures) {
            let end = strip.start_secs + strip.picture.width as f64 * strip.frame_secs;
            let (from, to) = (strip.start_secs.max(axis.start), end.min(axis.end));
            if from >= to {
                continue;
            }
            let x = |secs: f64| axis.to_screen(secs, plot.x_range());
            let u = |secs: f64| ((secs - strip.start_secs) / (end - strip.start_secs)) as f32;
            let v = |band: f64| 1.0 - (band / n_mels) as f32;
            let rect = Rect::from_x_y_ranges(Rangef::new(x(from), x(to)), plot.y_range());
            let uv = Rect::from_min_max(pos2(u(from), v(bands.end)), pos2(u(to), v(bands.start)));
            painter.image(texture.id(), rect, uv, Color32::WHITE);
        }
    }
}

/// Whose difference, and how great it is.
fn in_words(state: &SpeakState, at_cursor: Option<(f64, f64)>) -> String {
    let Some([first, second]) = state.pair() else {
        return "Difference: tick a second take in the list".to_owned();
    };
    let names = format!("{} less {}", first.name, second.name);
    match &state.difference {
        Difference::Off => String::new(),
        Difference::Waiting => format!("{names}: when both are made"),
        Difference::Computing => format!("{names}: comparing…"),
        Difference::Done(_, Err(why)) => format!("{names} cannot be compared: {why}"),
        Difference::Done(_, Ok(shown)) => {
            let difference = &shown.difference;
            let here = at_cursor.and_then(|(secs, band)| shown.db_at(secs, band));
            let here = here.map_or_else(String::new, |db| format!("; here {} dB", signed(db)));
            format!(
                "{names}: mean |Δ| {:.1} dB, mean Δ {} dB, {}{here}",
                difference.mean_abs_db,
                signed(difference.mean_db),
                difference.aligned_by.label()
            )
        }
    }
}

/// A number with its sign, and a real minus; what rounds to nothing has none.
fn signed(db: f32) -> String {
    let digits = format!("{:.1}", db.abs());
    match digits.as_str() {
        "0.0" => digits,
        _ if db < 0.0 => format!("−{digits}"),
        _ => format!("+{digits}"),
    }
}

fn paint_bar(ui: &Ui, bar: Rect, ink: &Ink) {
    let painter = ui.painter();
    let mut mesh = Mesh::default();
    for at in 0..=BAR_STOPS {
        let share = at as f32 / BAR_STOPS as f32;
        let [r, g, b] = dsp::diverging_rgb(2.0 * share - 1.0);
        let y = bar.bottom() - bar.height() * share;
        mesh.colored_vertex(pos2(bar.left(), y), Color32::from_rgb(r, g, b));
        mesh.colored_vertex(pos2(bar.right(), y), Color32::from_rgb(r, g, b));
        if at > 0 {
            mesh.add_triangle(2 * at - 2, 2 * at - 1, 2 * at);
            mesh.add_triangle(2 * at - 1, 2 * at, 2 * at + 1);
        }
    }
    painter.add(Shape::mesh(mesh));
    paint_frame(painter, bar, ink);
    let widest = f64::from(WIDEST_DB);
    let levels = TimeAxis { start: -widest, end: widest };
    for (db, label) in
        [(-widest, format!("−{widest}")), (0.0, "0".into()), (widest, format!("+{widest}"))]
    {
        paint_y_tick(painter, bar, Side::Right, levels.to_screen(db, upwards(bar)), &label, ink);
    }
    let at = pos2(bar.left(), bar.top() - 1.0);
    let muted = theme::color(Hue::Muted, ui.visuals());
    painter.text(at, Align2::LEFT_BOTTOM, "Δ dB", ink.small.clone(), muted);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_written_out_unless_there_is_nothing_to_sign() {
        assert_eq!([-0.04, 0.04, -3.25, 12.0].map(signed), ["0.0", "0.0", "−3.2", "+12.0"]);
    }
}

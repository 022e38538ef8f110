//! Prosody edited on the panels: bars dragged up and down, phonemes drawn longer.

use eframe::egui::{
    Align2, CursorIcon, PointerButton, Rangef, Rect, Response, Stroke, StrokeKind, Ui, pos2,
};

use super::{Stage, block::Scene};
use crate::ui::{
    speak::{
        edits::Quality,
        lanes::Lane,
        state::SpeakState,
        take::{Take, TakeId},
    },
    theme::{self, Hue},
    widgets::{
        alignment_view::visible,
        prosody_view::round_range,
        time_axis::TimeAxis,
        time_axis_paint::{Ink, upwards},
    },
};

/// What is being dragged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drag {
    take: TakeId,
    symbol: usize,
    quality: Quality,
    /// Where it began.
    from_secs: f64,
    /// The value then.
    value: f32,
    /// The axis then; it must not move under the pointer.
    axis: TimeAxis,
}

/// What is edited on a panel.
pub(super) fn quality_of(lane: Lane) -> Option<Quality> {
    match lane {
        Lane::Phonemes => Some(Quality::Duration),
        Lane::Pitch => Some(Quality::Pitch),
        Lane::Energy => Some(Quality::Energy),
        _ => None,
    }
}

/// The y axis of pitch, or of energy.
pub(super) fn values(take: &Take, quality: Quality) -> TimeAxis {
    match quality {
        Quality::Energy => round_range(0.0, take.energy_max),
        _ => round_range(take.f0_range[0], take.f0_range[1]),
    }
}

impl Stage {
    /// Edits where the user drags, if editing is on; says whether the drag is an edit.
    pub(super) fn edit(
        &mut self,
        ui: &Ui,
        state: &mut SpeakState,
        (id, lane): (TakeId, Lane),
        response: &Response,
        plot_x: Rangef,
    ) -> bool {
        let Some(quality) = quality_of(lane).filter(|_| state.editing) else { return false };
        if state.why_not_edit(id, quality).is_some() {
            return false;
        }
        let time = state.view.time;
        if response.hovered() {
            ui.set_cursor_icon(match quality {
                Quality::Duration => CursorIcon::ResizeHorizontal,
                _ => CursorIcon::ResizeVertical,
            });
        }
        if response.drag_started_by(PointerButton::Primary)
            && let Some(origin) = ui.input(|input| input.pointer.press_origin())
            && let Some(take) = state.takes.iter_mut().find(|take| take.id == id)
        {
            let from_secs = time.at_screen(origin.x, plot_x);
            let symbol = take.phoneme_at(from_secs);
            let value = symbol.and_then(|symbol| take.value(symbol, quality));
            if let (Some(symbol), Some(value)) = (symbol, value) {
                take.begin_edit();
                let axis = values(take, quality);
                self.edited = Some(Drag { take: id, symbol, quality, from_secs, value, axis });
            }
        }
        let Some(drag) = self.edited.filter(|it| it.take == id && it.quality == quality) else {
            // Nothing selects here while editing is on.
            return response.dragged_by(PointerButton::Primary);
        };
        if let Some(at) = response.interact_pointer_pos()
            && let Some(take) = state.takes.iter_mut().find(|take| take.id == id)
        {
            let value = match quality {
                Quality::Duration => {
                    let by_secs = time.at_screen(at.x, plot_x) - drag.from_secs;
                    let frame_secs = take.frame_secs();
                    drag.value + (by_secs / frame_secs).round() as f32
                }
                _ => drag.axis.at_screen(at.y, upwards(response.rect)) as f32,
            };
            take.edit(drag.symbol, quality, value);
        }
        if response.drag_stopped_by(PointerButton::Primary) {
            self.edited = None;
        }
        true
    }
}

/// Marks what is edited on a panel, and says why nothing can be.
pub(super) fn paint_edits(ui: &Ui, scene: &Scene<'_>, take: &Take, lane: Lane, plot: Rect) {
    let Some(quality) = quality_of(lane) else { return };
    let Scene { state, ink, .. } = scene;
    if state.editing
        && let Some(why) = state.why_not_edit(take.id, quality)
    {
        let inside = ui.painter().with_clip_rect(plot.intersect(ui.clip_rect()));
        let at = pos2(plot.left() + 4.0, plot.top() + 2.0);
        let galley = inside.layout_no_wrap(why.to_owned(), ink.small.clone(), ink.text);
        inside.rect_filled(Rect::from_min_size(at, galley.size()).expand(2.0), 2.0, ink.ground);
        inside.galley(at, galley, ink.text);
        return;
    }
    if take.edits.given().is_none() {
        return;
    }
    let accent = theme::color(Hue::Accent, ui.visuals());
    let painter = ui.painter().with_clip_rect(plot.intersect(ui.clip_rect()));
    let axis = values(take, quality);
    let (first, seen) = visible(&take.phonemes, state.view.time);
    for (symbol, phoneme) in (first..).zip(seen) {
        let spoken = take.spoken_value(symbol, quality);
        let (Some(value), Some(spoken)) = (take.value(symbol, quality), spoken) else { continue };
        if (value - spoken).abs() < 1e-6 {
            continue;
        }
        let x = |secs: f64| state.view.time.to_screen(secs, plot.x_range());
        let x = Rangef::new(x(phoneme.start_secs), x(phoneme.end_secs));
        if quality == Quality::Duration {
            paint_longer(&painter, plot, x, value - spoken, accent, ink);
            continue;
        }
        let y = axis.to_screen(f64::from(value), upwards(plot));
        let bar = Rect::from_x_y_ranges(x, Rangef::new(y - 3.0, y + 3.0));
        painter.rect_stroke(bar, 1.0, Stroke::new(1.5, accent), StrokeKind::Middle);
    }
}

/// A phoneme that will have more frames, or fewer: underlined, with how many.
fn paint_longer(
    painter: &eframe::egui::Painter,
    plot: Rect,
    x: Rangef,
    by: f32,
    accent: eframe::egui::Color32,
    ink: &Ink,
) {
    painter.hline(x, plot.bottom() - 1.0, Stroke::new(2.0, accent));
    let sign = if by < 0.0 { "−" } else { "+" };
    let text = format!("{sign}{}", by.abs());
    let galley = painter.layout_no_wrap(text, ink.small.clone(), accent);
    let at = Align2::CENTER_TOP.anchor_size(pos2(x.center(), plot.top()), galley.size());
    painter.rect_filled(at, 2.0, ink.ground);
    painter.galley(at.min, galley, accent);
}

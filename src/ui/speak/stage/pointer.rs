//! What pointer and wheel do on the panels: seek, select, scroll, zoom, resize.

use eframe::egui::{
    CursorIcon, Key, PointerButton, Pos2, Rangef, Rect, Response, Role, Sense, Ui, WidgetInfo,
};

use super::{Stage, Wish, block::Placed};
use crate::ui::{
    speak::{
        lanes::{GAP, Lane},
        playback::What,
        state::{Selection, SpeakState},
        take::{Take, TakeId},
    },
    theme::{self, Hue},
    widgets::{
        alignment_view::interval_at,
        mel_view::color_bar_rect,
        time_axis_paint::{plot_rect, upwards},
    },
};

/// Points of a wheel's turn that zoom by a factor of e.
const POINTS_PER_E: f32 = 200.0;

/// What the pointer points at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pointed {
    pub(super) secs: f64,
    /// On a mel alone: the place on its band axis.
    pub(super) band: Option<f64>,
}

impl Stage {
    /// What lies under the pointer, if it is over the panels and nothing covers them; `mels` are
    /// the plots that have bands.
    pub(super) fn pointed(
        &self,
        ui: &Ui,
        state: &SpeakState,
        mels: &[Rect],
        over: Rect,
        plot_x: Rangef,
    ) -> Option<Pointed> {
        let at = ui.input(|input| input.pointer.hover_pos())?;
        let is_dragging = self.drag_from.is_some();
        let is_over = ui.rect_contains_pointer(over) && plot_x.contains(at.x);
        if !is_dragging && !is_over {
            return None;
        }
        let limits = state.limits();
        let secs = state.view.time.at_screen(at.x, plot_x).clamp(0.0, limits.full);
        let on_mel = mels.iter().find(|plot| plot.y_range().contains(at.y) && !is_dragging);
        let band = on_mel.map(|plot| state.view.bands.at_screen(at.y, upwards(*plot)));
        Some(Pointed { secs, band })
    }

    /// Clicks and drags on a panel of a take, or on the ruler (`None`), which is the selected take's.
    pub(super) fn press(
        &mut self,
        ui: &Ui,
        state: &mut SpeakState,
        on: Option<(TakeId, Lane)>,
        response: &Response,
        plot_x: Rangef,
    ) -> Option<Wish> {
        let full = state.limits().full;
        let time = state.view.time;
        let secs_at = |at: Pos2| time.at_screen(at.x, plot_x).clamp(0.0, full);
        let pans = response.dragged_by(PointerButton::Middle)
            || response.dragged_by(PointerButton::Secondary)
            || on.is_none() && response.dragged_by(PointerButton::Primary);
        if pans {
            let points = f64::from(response.drag_delta().x);
            state.pan_time(-points / f64::from(plot_x.span()) * time.span());
            ui.set_cursor_icon(CursorIcon::Grabbing);
            return None;
        }
        if let Some(on) = on
            && self.edit(ui, state, on, response, plot_x)
        {
            return None;
        }
        let (origin, shift) =
            ui.input(|input| (input.pointer.press_origin(), input.modifiers.shift));
        if response.drag_started_by(PointerButton::Primary) {
            self.drag_from = origin.map(secs_at);
        }
        if response.drag_stopped_by(PointerButton::Primary) {
            self.drag_from = None;
        }
        let at = secs_at(response.interact_pointer_pos()?);
        if let Some(from) = self.drag_from {
            state.selection = Some(Selection::between(from, at));
            return None;
        }
        let id = on.map_or(state.selected, |(take, _)| Some(take))?;
        let take = state.takes.iter().find(|take| take.id == id)?;
        let interval = on.and_then(|(_, lane)| interval_under(take, lane, at));
        let wish = |what| Some(Wish { take: id, what });
        if let Some((start_secs, end_secs)) = interval.filter(|_| response.double_clicked()) {
            state.selection = Some(Selection { start_secs, end_secs });
            return wish(What::Selection);
        }
        if !response.clicked() {
            return None;
        }
        if shift {
            let anchor = state.selection.map_or(state.cursor_secs, |selection| {
                let to_start = (at - selection.start_secs).abs();
                let to_end = (at - selection.end_secs).abs();
                if to_start < to_end { selection.end_secs } else { selection.start_secs }
            });
            state.selection = Some(Selection::between(anchor, at));
            return None;
        }
        state.selection = None;
        state.paused_secs = None;
        state.cursor_secs = interval.map_or(at, |(start_secs, _)| start_secs);
        wish(if interval.is_some() {
            What::From(state.cursor_secs)
        } else {
            What::Seek(state.cursor_secs)
        })
    }
}

/// The handles between the panels of a take.
pub(super) fn handles_ui(
    ui: &Ui,
    state: &mut SpeakState,
    take: TakeId,
    area: Rect,
    panels: Rangef,
) {
    let places = state.layout().place(panels);
    for pair in places.windows(2) {
        let (lane, above) = pair[0];
        if state.layout().split(lane).is_none() {
            continue;
        }
        let y = Rangef::new(above.max, above.max + GAP);
        let rect = Rect::from_x_y_ranges(area.x_range(), y);
        let name = ui.scope_id().with(("handle", take, lane));
        let handle = ui.interact(rect, name, Sense::DRAG);
        if handle.hovered() || handle.dragged() {
            ui.set_cursor_icon(CursorIcon::ResizeVertical);
            let accent = theme::color(Hue::Accent, ui.visuals());
            let line = Rect::from_x_y_ranges(plot_rect(area).x_range(), y.shrink(GAP / 3.0));
            ui.painter().rect_filled(line, 1.0, accent);
        }
        if handle.dragged() {
            state.layout_mut().drag(lane, handle.drag_delta().y, panels.span());
        }
    }
}

/// Wheel: scrolls time; with Ctrl zooms it; with Alt zooms frequency.
pub(super) fn wheel(
    ui: &Ui,
    state: &mut SpeakState,
    over: Rect,
    pointed: Option<Pointed>,
    lanes: &[Placed],
) {
    let Some(pointed) = pointed.filter(|_| ui.rect_contains_pointer(over)) else { return };
    let (scroll, zoom, alt) = ui.input(|input| {
        (input.smooth_scroll_delta(), f64::from(input.zoom_delta()), input.modifiers.alt)
    });
    if (zoom - 1.0).abs() > f64::EPSILON {
        state.zoom_time(zoom, pointed.secs);
    }
    let points = scroll.x + scroll.y;
    if points == 0.0 {
        return;
    }
    if alt {
        let middle = f64::midpoint(state.view.bands.start, state.view.bands.end);
        let factor = f64::from((points / POINTS_PER_E).exp());
        state.zoom_bands(factor, pointed.band.unwrap_or(middle));
    } else if let Some(placed) = lanes.first() {
        let secs_per_point = state.view.time.span() / f64::from(placed.plot.width());
        state.pan_time(-f64::from(points) * secs_per_point);
    }
}

/// The colour bar beside each mel turns between dB and the natural logarithm.
pub(super) fn unit_ui(ui: &Ui, state: &mut SpeakState, lanes: &[Placed]) {
    for placed in lanes.iter().filter(|placed| placed.lane == Lane::Mel) {
        let mut rect = color_bar_rect(placed.plot);
        rect.min.y = placed.plot.top();
        rect.max.x = placed.panel.right();
        let response = ui.interact(rect, ui.scope_id().with(("unit", placed.take)), Sense::click());
        let unit = state.level_unit;
        response.widget_info(|| {
            WidgetInfo::labeled(Role::Button, true, format!("Levels in {}", unit.label()))
        });
        let is_chosen = response.has_focus() && ui.input(|input| input.key_pressed(Key::Enter))
            || response.clicked();
        if is_chosen {
            state.level_unit = unit.other();
        }
        response.on_hover_text(format!(
            "Level of a mel cell in {}; click for {}",
            unit.label(),
            unit.other().label()
        ));
    }
}

/// Start and end of the word or phoneme at a time, on the panels that show them.
fn interval_under(take: &Take, lane: Lane, secs: f64) -> Option<(f64, f64)> {
    let tier = match lane {
        Lane::Words => &take.words,
        Lane::Phonemes | Lane::Alignment => &take.phonemes,
        _ => return None,
    };
    let interval = &tier[interval_at(tier, secs)?];
    Some((interval.start_secs, interval.end_secs))
}

//! The panels of the selected take over one time base, and what the pointer does on them.

use eframe::egui::{
    Align2, Context, CursorIcon, Id, Key, PointerButton, Pos2, Rangef, Rect, Response, Role, Sense,
    Ui, WidgetInfo, pos2,
};

use super::{
    lanes::{GAP, Lane},
    playback::What,
    readout::Readout,
    state::{Selection, SpeakState},
    take::{Phase, Take, TakeId},
    transport::readout_ui,
};
use crate::{
    settings::ColorMap,
    ui::{
        theme::{self, Hue},
        widgets::{
            alignment_view::{interval_at, paint_alignment, paint_tier},
            mel_view::{MelView, Piece, color_bar_rect, paint_band_axes},
            mel_view_scale::{MelScale, paint_color_bar},
            prosody_view::{CurveView, Track, round_range},
            time_axis_paint::{
                Ink, RULER_HEIGHT, paint_frame, paint_ground, paint_hover, paint_playhead,
                paint_playhead_handle, paint_ruler, paint_selection, paint_y_title, plot_rect,
                upwards,
            },
            waveform_view::WaveformView,
        },
    },
};

/// Height of the read-out above the panels.
const READOUT_HEIGHT: f32 = 18.0;

/// Points of a wheel's turn that zoom by a factor of e.
const POINTS_PER_E: f32 = 200.0;

/// What the panels keep from frame to frame: drawings, and a drag under way.
#[derive(Default)]
pub struct Stage {
    shown: Option<TakeId>,
    waveform: WaveformView,
    mel: MelView,
    pitch: CurveView,
    energy: CurveView,
    /// Where the selection that is being dragged began, in seconds.
    drag_from: Option<f64>,
}

/// What the pointer points at.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pointed {
    secs: f64,
    /// On the mel alone: the place on its band axis.
    band: Option<f64>,
}

/// A panel's place on the screen.
struct Placed {
    lane: Lane,
    panel: Rect,
    plot: Rect,
    response: Response,
}

impl Stage {
    /// Draws the panels of the selected take; says what should be played, if the user asked.
    pub fn ui(
        &mut self,
        ui: &mut Ui,
        state: &mut SpeakState,
        playhead_secs: Option<f64>,
        map: ColorMap,
    ) -> Option<What> {
        let take = state.selected_take()?;
        if self.shown != Some(take.id) {
            *self = Self { shown: Some(take.id), ..Self::default() };
        }
        let area = ui.available_rect_before_wrap();
        let readout = Rect::from_min_max(area.min, pos2(area.right(), area.top() + READOUT_HEIGHT));
        let ruler = Rect::from_min_max(pos2(area.left(), area.bottom() - RULER_HEIGHT), area.max);
        let panels = Rangef::new(readout.bottom() + 2.0, ruler.top() - 2.0);
        ui.advance_cursor_after_rect(area);
        if area.height() < RULER_HEIGHT + READOUT_HEIGHT || area.width() < 240.0 {
            return None;
        }

        handles_ui(ui, state, area, panels);
        let lanes: Vec<Placed> = (state.lanes.place(panels).into_iter())
            .map(|(lane, y)| place(ui, state, area, lane, y))
            .collect();
        let ruler_response =
            ui.interact(ruler, ui.scope_id().with("ruler"), Sense::CLICK | Sense::DRAG);
        let plot_x = plot_rect(area).x_range();
        let over = Rect::from_min_max(pos2(area.left(), panels.min), area.max);
        let pointed = self.pointed(ui, state, &lanes, over, plot_x);

        let mut wants = None;
        for placed in &lanes {
            wants = wants.or(self.press(ui, state, Some(placed.lane), &placed.response, plot_x));
        }
        wants = wants.or(self.press(ui, state, None, &ruler_response, plot_x));
        wheel(ui, state, over, pointed, &lanes);
        unit_ui(ui, state, &lanes);

        let take = state.selected_take()?;
        let pieces = take
            .pieces
            .iter()
            .map(|piece| Piece { start_secs: piece.start_secs, mel: &piece.spoken.mel });
        if self.mel.sync(ui.ctx(), map, pieces) {
            ui.ctx().request_repaint();
        }
        let cursor_secs = playhead_secs.or(state.paused_secs).unwrap_or(state.cursor_secs);
        self.paint(ui, state, take, &lanes, ruler, cursor_secs, pointed, map);
        let at = pointed.unwrap_or(Pointed { secs: cursor_secs, band: None });
        readout_ui(ui, readout, &Readout::new(take, at.secs, at.band));
        wants
    }

    /// What lies under the pointer, if it is over the panels and nothing covers them.
    fn pointed(
        &self,
        ui: &Ui,
        state: &SpeakState,
        lanes: &[Placed],
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
        let on_mel = lanes.iter().find(|placed| {
            placed.lane == Lane::Mel && placed.plot.y_range().contains(at.y) && !is_dragging
        });
        let band = on_mel.map(|placed| state.view.bands.at_screen(at.y, upwards(placed.plot)));
        Some(Pointed { secs, band })
    }

    /// Clicks and drags on a panel, or on the ruler (`None`).
    fn press(
        &mut self,
        ui: &Ui,
        state: &mut SpeakState,
        lane: Option<Lane>,
        response: &Response,
        plot_x: Rangef,
    ) -> Option<What> {
        let full = state.limits().full;
        let time = state.view.time;
        let secs_at = |at: Pos2| time.at_screen(at.x, plot_x).clamp(0.0, full);
        let pans = response.dragged_by(PointerButton::Middle)
            || response.dragged_by(PointerButton::Secondary)
            || lane.is_none() && response.dragged_by(PointerButton::Primary);
        if pans {
            let points = f64::from(response.drag_delta().x);
            state.pan_time(-points / f64::from(plot_x.span()) * time.span());
            ui.set_cursor_icon(CursorIcon::Grabbing);
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
        let interval = interval_under(state.selected_take()?, lane, at);
        if let Some((start_secs, end_secs)) = interval.filter(|_| response.double_clicked()) {
            state.selection = Some(Selection { start_secs, end_secs });
            return Some(What::Selection);
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
        Some(if interval.is_some() {
            What::From(state.cursor_secs)
        } else {
            What::Seek(state.cursor_secs)
        })
    }

    #[expect(clippy::too_many_arguments, reason = "a frame is painted from all that is known")]
    fn paint(
        &mut self,
        ui: &Ui,
        state: &SpeakState,
        take: &Take,
        lanes: &[Placed],
        ruler: Rect,
        cursor_secs: f64,
        pointed: Option<Pointed>,
        map: ColorMap,
    ) {
        let ink = Ink::of(ui);
        let painter = ui.painter();
        let time = state.view.time;
        let plot_x = plot_rect(ruler).x_range();
        let selection = state.selection.map(|selection| {
            Rangef::new(
                time.to_screen(selection.start_secs, plot_x),
                time.to_screen(selection.end_secs, plot_x),
            )
        });
        let x = time.to_screen(cursor_secs, plot_x);
        let hover = pointed.map(|pointed| time.to_screen(pointed.secs, plot_x));
        for placed in lanes {
            self.paint_lane(ui, state, take, placed, pointed, map, &ink);
            let inside = painter.with_clip_rect(placed.plot.intersect(painter.clip_rect()));
            if let Some(selection) = selection {
                paint_selection(&inside, placed.plot, selection, &ink);
            }
            if let Some(hover) = hover {
                paint_hover(&inside, placed.plot, hover, &ink);
            }
            paint_playhead(&inside, placed.plot, x, &ink);
            paint_frame(painter, placed.plot, &ink);
        }
        paint_ruler(painter, ruler, time, &ink);
        paint_playhead_handle(painter, ruler, x, &ink);
    }

    #[expect(clippy::too_many_arguments, reason = "a panel is painted from all that is known")]
    fn paint_lane(
        &mut self,
        ui: &Ui,
        state: &SpeakState,
        take: &Take,
        placed: &Placed,
        pointed: Option<Pointed>,
        map: ColorMap,
        ink: &Ink,
    ) {
        let (painter, plot, time) = (ui.painter(), placed.plot, state.view.time);
        let hue = |hue| theme::color(hue, ui.visuals());
        paint_ground(painter, plot, ink);
        if !matches!(placed.lane, Lane::Words | Lane::Phonemes) {
            paint_y_title(painter, placed.panel, placed.lane.title(), ink);
        }
        let marked = pointed.map(|pointed| pointed.secs);
        match placed.lane {
            Lane::Waveform => {
                let color = hue(Hue::Wave);
                self.waveform.paint(painter, plot, time, &take.waveform, color, ink);
            }
            Lane::Mel => {
                self.mel.paint(painter, plot, time, state.view.bands);
                if let Some(piece) = take.pieces.first() {
                    let scale = MelScale::new(&piece.spoken.mel.config);
                    paint_band_axes(painter, plot, state.view.bands, &scale, ink);
                    let colors = self.mel.colors(map);
                    paint_color_bar(painter, color_bar_rect(plot), colors, state.level_unit, ink);
                }
            }
            Lane::Words | Lane::Phonemes => {
                let words = placed.lane == Lane::Words;
                let tier = if words { &take.words } else { &take.phonemes };
                paint_tier(painter, plot, time, tier, marked, ink);
                let (font, muted) = (ink.small.clone(), ink.muted);
                if tier.is_empty() && take.phase == Phase::Restored {
                    let words = "Not kept in a WAV; speak with its settings to have them";
                    painter.text(plot.center(), Align2::CENTER_CENTER, words, font.clone(), muted);
                }
                let at = pos2(plot.left() - 6.0, plot.center().y);
                painter.text(at, Align2::RIGHT_CENTER, placed.lane.title(), font, muted);
            }
            Lane::Alignment => {
                let looked = take.looked();
                paint_alignment(painter, plot, time, &take.phonemes, &looked, ink.accent, ink);
            }
            Lane::Pitch => {
                let values = round_range(take.f0_range[0], take.f0_range[1]);
                let tracks = take.pieces.iter().map(|piece| Track {
                    start_secs: piece.start_secs,
                    frame_secs: piece.spoken.mel.config.frame_secs(),
                    values: &piece.f0_hz,
                });
                let (steps, color) = (&take.f0_steps, hue(Hue::Pitch));
                let rev = take.revision;
                self.pitch.paint(painter, plot, time, values, tracks, steps, color, rev, ink);
            }
            Lane::Energy => {
                let values = round_range(0.0, take.energy_max);
                let tracks = take.pieces.iter().map(|piece| Track {
                    start_secs: piece.start_secs,
                    frame_secs: piece.spoken.mel.config.frame_secs(),
                    values: &piece.spoken.energy,
                });
                let (steps, color) = (&take.energy_steps, hue(Hue::Energy));
                let rev = take.revision;
                self.energy.paint(painter, plot, time, values, tracks, steps, color, rev, ink);
            }
        }
    }
}

/// A panel at its place, with its name for those who do not see it.
fn place(ui: &Ui, state: &SpeakState, area: Rect, lane: Lane, y: Rangef) -> Placed {
    let panel = Rect::from_x_y_ranges(area.x_range(), y);
    let plot = plot_rect(panel);
    let response = ui.interact(plot, ui.scope_id().with(lane), Sense::CLICK | Sense::DRAG);
    response.widget_info(|| {
        let text = state.selected_take().map_or_else(String::new, |take| described(take, lane));
        WidgetInfo::labeled(Role::Image, true, text)
    });
    Placed { lane, panel, plot, response }
}

/// A panel in words.
fn described(take: &Take, lane: Lane) -> String {
    let secs = take.duration_secs();
    match lane {
        Lane::Waveform => format!("Waveform, {secs:.1} s"),
        Lane::Mel => format!("Mel spectrogram, {secs:.1} s, {} frames", take.n_frames()),
        Lane::Words => {
            let words: Vec<&str> = take.words.iter().map(|word| word.label.as_str()).collect();
            format!("Words: {}", words.join(" "))
        }
        Lane::Phonemes => format!("Phonemes: {}", take.phonemes.len()),
        Lane::Alignment if take.looked().is_empty() => {
            format!("Alignment of {} phonemes", take.phonemes.len())
        }
        Lane::Alignment => format!("Attention to {} phonemes", take.phonemes.len()),
        Lane::Pitch => match take.f0_range {
            [low, high] if low <= high => format!("F0 curve, {low:.0} to {high:.0} Hz"),
            _ => "F0 curve, nothing voiced".to_owned(),
        },
        Lane::Energy => format!("Energy curve, up to {:.1}", take.energy_max),
    }
}

/// The handles between the panels.
fn handles_ui(ui: &Ui, state: &mut SpeakState, area: Rect, panels: Rangef) {
    let places = state.lanes.place(panels);
    for pair in places.windows(2) {
        let (lane, above) = pair[0];
        if state.lanes.split(lane).is_none() {
            continue;
        }
        let y = Rangef::new(above.max, above.max + GAP);
        let rect = Rect::from_x_y_ranges(area.x_range(), y);
        let handle = ui.interact(rect, ui.scope_id().with(("handle", lane)), Sense::DRAG);
        if handle.hovered() || handle.dragged() {
            ui.set_cursor_icon(CursorIcon::ResizeVertical);
            let accent = theme::color(Hue::Accent, ui.visuals());
            let line = Rect::from_x_y_ranges(plot_rect(area).x_range(), y.shrink(GAP / 3.0));
            ui.painter().rect_filled(line, 1.0, accent);
        }
        if handle.dragged() {
            state.lanes.drag(lane, handle.drag_delta().y, panels.span());
        }
    }
}

/// Wheel: scrolls time; with Ctrl zooms it; with Alt zooms frequency.
fn wheel(ui: &Ui, state: &mut SpeakState, over: Rect, pointed: Option<Pointed>, lanes: &[Placed]) {
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

/// The colour bar turns between dB and the natural logarithm.
fn unit_ui(ui: &Ui, state: &mut SpeakState, lanes: &[Placed]) {
    let Some(placed) = lanes.iter().find(|placed| placed.lane == Lane::Mel) else { return };
    let mut rect = color_bar_rect(placed.plot);
    rect.min.y = placed.plot.top();
    rect.max.x = placed.panel.right();
    let response = ui.interact(rect, ui.scope_id().with("unit"), Sense::click());
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

/// Start and end of the word or phoneme at a time, on the panels that show them.
fn interval_under(take: &Take, lane: Option<Lane>, secs: f64) -> Option<(f64, f64)> {
    let tier = match lane? {
        Lane::Words => &take.words,
        Lane::Phonemes | Lane::Alignment => &take.phonemes,
        _ => return None,
    };
    let interval = &tier[interval_at(tier, secs)?];
    Some((interval.start_secs, interval.end_secs))
}

/// Keeps the panels' layout from one start of the program to the next.
pub fn remember_lanes(ctx: &Context, state: &SpeakState) {
    ctx.data_mut(|data| data.insert_persisted(lanes_id(), state.lanes));
}

/// The panels' layout as it was kept.
pub fn recall_lanes(ctx: &Context, state: &mut SpeakState) {
    if let Some(lanes) = ctx.data_mut(|data| data.get_persisted(lanes_id())) {
        state.lanes = lanes;
    }
}

fn lanes_id() -> Id {
    Id::unique("speak-lanes")
}

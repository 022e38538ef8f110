//! The panels of one take.

use eframe::egui::{
    Align2, Context, Rangef, Rect, Response, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2,
};

use super::{
    editing::{paint_edits, values},
    pointer::Pointed,
};
use crate::{
    domain::Glimpse,
    settings::ColorMap,
    ui::{
        speak::{
            edits::Quality,
            faults::{Fault, Faults},
            lanes::Lane,
            state::SpeakState,
            take::{Phase, Take, TakeId},
        },
        theme::{self, Hue},
        widgets::{
            alignment_view::{paint_alignment, paint_tier},
            attention_view::{
                AttentionView, Hatch, LINE, paint_row, paint_steps, paint_stretch, paint_symbols,
                paint_weight_bar, step_title,
            },
            film_view::{self, FilmView},
            mel_view::{MelView, Piece, color_bar_rect, paint_band_axes},
            mel_view_scale::{MelScale, paint_color_bar},
            prosody_view::{CurveView, Track},
            time_axis_paint::{
                Ink, paint_frame, paint_ground, paint_hover, paint_playhead, paint_selection,
                paint_y_title, plot_rect,
            },
            waveform_view::WaveformView,
        },
    },
};

/// What all panels of a frame are painted from.
pub(super) struct Scene<'a> {
    pub(super) state: &'a SpeakState,
    pub(super) pointed: Option<Pointed>,
    pub(super) cursor_secs: f64,
    pub(super) map: ColorMap,
    pub(super) ink: Ink,
}

/// A panel's place on the screen.
pub(super) struct Placed {
    pub(super) take: TakeId,
    pub(super) lane: Lane,
    pub(super) panel: Rect,
    pub(super) plot: Rect,
    pub(super) response: Response,
}

/// What is drawn of a take, kept from frame to frame.
pub(super) struct Block {
    pub(super) take: TakeId,
    waveform: WaveformView,
    mel: MelView,
    attention: AttentionView,
    film: FilmView,
    pitch: CurveView,
    energy: CurveView,
}

impl Block {
    pub(super) fn new(take: TakeId) -> Self {
        Self {
            take,
            waveform: WaveformView::default(),
            mel: MelView::default(),
            attention: AttentionView::default(),
            film: FilmView::default(),
            pitch: CurveView::default(),
            energy: CurveView::default(),
        }
    }

    /// Brings what is new of the take onto the card; says whether more waits for the next frame.
    pub(super) fn sync(&mut self, ctx: &Context, map: ColorMap, take: &Take) -> bool {
        let pieces = take
            .pieces
            .iter()
            .map(|piece| Piece { start_secs: piece.start_secs, mel: &piece.spoken.mel });
        self.attention.sync(ctx, map, &take.looked());
        self.mel.sync(ctx, map, pieces)
    }

    /// Paints the panels, and the cursors over them.
    pub(super) fn paint(&mut self, ui: &Ui, scene: &Scene<'_>, take: &Take, lanes: &[&Placed]) {
        let painter = ui.painter();
        let Scene { state, ink, .. } = scene;
        let time = state.view.time;
        for placed in lanes {
            self.paint_lane(ui, scene, take, placed);
            paint_edits(ui, scene, take, placed.lane, placed.plot);
            let inside = painter.with_clip_rect(placed.plot.intersect(painter.clip_rect()));
            let x = |secs| time.to_screen(secs, placed.plot.x_range());
            if let Some(selection) = state.selection {
                let selected = Rangef::new(x(selection.start_secs), x(selection.end_secs));
                paint_selection(&inside, placed.plot, selected, ink);
            }
            if let Some(pointed) = scene.pointed {
                paint_hover(&inside, placed.plot, x(pointed.secs), ink);
            }
            paint_playhead(&inside, placed.plot, x(scene.cursor_secs), ink);
            paint_frame(painter, placed.plot, ink);
        }
    }

    fn paint_lane(&mut self, ui: &Ui, scene: &Scene<'_>, take: &Take, placed: &Placed) {
        let Scene { state, ink, .. } = scene;
        let (painter, plot, time) = (ui.painter(), placed.plot, state.view.time);
        let hue = |hue| theme::color(hue, ui.visuals());
        paint_ground(painter, plot, ink);
        if !matches!(placed.lane, Lane::Words | Lane::Phonemes) {
            paint_y_title(painter, placed.panel, placed.lane.title(), ink);
        }
        match placed.lane {
            Lane::Waveform => {
                let color = match state.system_of(take) {
                    Some(system) => theme::system_color(system, ui.visuals()),
                    None => hue(Hue::Wave),
                };
                self.waveform.paint(painter, plot, time, &take.waveform, color, ink);
            }
            Lane::Mel => {
                self.mel.paint(painter, plot, time, state.view.bands);
                if let Some(piece) = take.pieces.first() {
                    let scale = MelScale::new(&piece.spoken.mel.config);
                    paint_band_axes(painter, plot, state.view.bands, &scale, ink);
                    let colors = self.mel.colors(scene.map);
                    paint_color_bar(painter, color_bar_rect(plot), colors, state.level_unit, ink);
                }
            }
            Lane::Words | Lane::Phonemes => {
                let words = placed.lane == Lane::Words;
                let tier = if words { &take.words } else { &take.phonemes };
                let marked = scene.pointed.map(|pointed| pointed.secs);
                paint_tier(painter, plot, time, tier, marked, ink);
                let (font, muted) = (ink.small.clone(), ink.muted);
                if tier.is_empty() && take.phase == Phase::Restored {
                    let words = "Not kept in a WAV; speak with its settings to have them";
                    painter.text(plot.center(), Align2::CENTER_CENTER, words, font.clone(), muted);
                }
                let at = pos2(plot.left() - 6.0, plot.center().y);
                painter.text(at, Align2::RIGHT_CENTER, placed.lane.title(), font, muted);
            }
            Lane::Alignment => match &take.faults {
                Some(faults) => self.paint_attention(ui, scene, take, faults, plot),
                None => paint_alignment(painter, plot, time, &take.phonemes, ink.accent, ink),
            },
            Lane::Pitch => {
                let values = values(take, Quality::Pitch);
                let tracks = take.pieces.iter().map(|piece| Track {
                    start_secs: piece.start_secs,
                    frame_secs: piece.spoken.mel.config.frame_secs(),
                    values: &piece.f0_hz,
                });
                let (steps, color) = (&take.f0_steps, hue(Hue::Pitch));
                let rev = (take.revision, take.edit_revision);
                self.pitch.paint(painter, plot, time, values, tracks, steps, color, rev, ink);
            }
            Lane::Inside => {
                let here = scene.pointed.map_or(scene.cursor_secs, |pointed| pointed.secs);
                if let Some(glimpses) = glimpses_at(take, here) {
                    self.film.sync(ui.ctx(), scene.map, glimpses);
                    self.film.paint(painter, plot, ink);
                } else {
                    let (at, font) = (plot.center(), ink.small.clone());
                    painter.text(at, Align2::CENTER_CENTER, NO_GLIMPSES, font, ink.muted);
                }
            }
            Lane::Energy => {
                let values = values(take, Quality::Energy);
                let tracks = take.pieces.iter().map(|piece| Track {
                    start_secs: piece.start_secs,
                    frame_secs: piece.spoken.mel.config.frame_secs(),
                    values: &piece.spoken.energy,
                });
                let (steps, color) = (&take.energy_steps, hue(Hue::Energy));
                let rev = (take.revision, take.edit_revision);
                self.energy.paint(painter, plot, time, values, tracks, steps, color, rev, ink);
            }
        }
    }
}

impl Block {
    /// Where the voice looked: below a line of words and one of the decoder's steps, if there is
    /// room for them.
    fn paint_attention(
        &self,
        ui: &Ui,
        scene: &Scene<'_>,
        take: &Take,
        faults: &Faults,
        mut plot: Rect,
    ) {
        let Scene { state, ink, .. } = scene;
        let (painter, time) = (ui.painter(), state.view.time);
        let looked = take.looked();
        let bad = theme::color(Hue::Bad, ui.visuals());
        if let Some(first) = looked.first().filter(|_| plot.height() > 5.0 * LINE) {
            let (words, below) = plot.split_top_bottom_at_y(plot.top() + LINE);
            let (steps, below) = below.split_top_bottom_at_y(words.bottom() + LINE);
            let at = words.right_center() - vec2(4.0, 0.0);
            let title = step_title(first.attention.frames_per_step);
            let title = painter.text(at, Align2::RIGHT_CENTER, title, ink.small.clone(), ink.muted);
            let color = if faults.marks.is_empty() { ink.muted } else { bad };
            let room = words.with_max_x(title.left() - 8.0);
            let inside = painter.with_clip_rect(room.intersect(painter.clip_rect()));
            let at = words.left_center() + vec2(4.0, 0.0);
            let text = format!("Attention: {}", faults.words);
            inside.text(at, Align2::LEFT_CENTER, text, ink.small.clone(), color);
            paint_steps(painter, steps, time, &looked, ink);
            plot = below;
        }
        let x = |secs: f64| time.to_screen(secs, plot.x_range());
        let here = scene.pointed.map_or(scene.cursor_secs, |pointed| pointed.secs);
        // Each sentence fills the height; the symbols at the left are those of the one under the
        // cursor, or of the first that is seen.
        let mut labelled = None;
        for (n, looked) in looked.iter().enumerate() {
            let Some(rows) = self.attention.rows(n, time, &take.phonemes, looked) else { continue };
            self.attention.paint(painter, plot, time, n, rows, looked);
            if labelled.is_none() || looked.start_secs <= here {
                labelled = Some(rows);
            }
            let left = x(looked.start_secs);
            if plot.x_range().contains(left) {
                painter.vline(left, plot.y_range(), Stroke::new(1.0, ink.line));
            }
            let end = looked.start_secs + looked.attention.n_steps() as f64 * looked.step_secs;
            let width = Rangef::new(left.max(plot.left()), x(end).min(plot.right()));
            let sentence = Rect::from_x_y_ranges(width, plot.y_range());
            let height = plot.height() / (rows[1] - rows[0]) as f32;
            for mark in &faults.marks {
                if let Fault::Skip(symbol) = mark.fault
                    && (rows[0]..rows[1]).contains(&symbol)
                {
                    let y = plot.bottom() - ((symbol - rows[0]) as f32 + 0.5) * height;
                    paint_row(painter, sentence, y, mark.fault.label(), bad, ink);
                }
            }
        }
        if let Some(rows) = labelled {
            paint_symbols(painter, plot, rows, &take.phonemes, ink);
        }
        for mark in &faults.marks {
            let when = Rangef::new(x(mark.start_secs), x(mark.end_secs));
            let label = mark.fault.label();
            match mark.fault {
                Fault::Skip(_) => (),
                Fault::Stall => paint_stretch(painter, plot, when, Hatch::Rising, label, bad, ink),
                Fault::Repeat | Fault::EarlyStop => {
                    paint_stretch(painter, plot, when, Hatch::Falling, label, bad, ink);
                }
            }
        }
        let mut bar = color_bar_rect(plot);
        bar.min.y = plot.top();
        paint_weight_bar(painter, bar, scene.map, ink);
    }
}

/// The panels of a take at their places between `y.min` and `y.max`, with their names for those who
/// do not see them.
pub(super) fn place(ui: &Ui, state: &SpeakState, id: TakeId, area: Rect, y: Rangef) -> Vec<Placed> {
    let take = state.takes.iter().find(|take| take.id == id);
    let place = |(lane, y)| {
        let panel = Rect::from_x_y_ranges(area.x_range(), y);
        let plot = plot_rect(panel);
        let name = ui.scope_id().with((id, lane));
        let response = ui.interact(plot, name, Sense::CLICK | Sense::DRAG);
        response.widget_info(|| {
            let mut text = take.map_or_else(String::new, |take| described(take, lane));
            if let Some(take) = take.filter(|_| !state.compared.is_empty()) {
                text = format!("{}: {text}", take.name);
            }
            WidgetInfo::labeled(Role::Image, true, text)
        });
        Placed { take: id, lane, panel, plot, response }
    };
    state.layout().place(y).into_iter().map(place).collect()
}

/// What voices that do not let be seen what they make have in its place.
const NO_GLIMPSES: &str =
    "Matcha-TTS shows its steps from noise to mel here, a Tacotron its CBHG's output";

/// What the voice made on the way to the sentence that is heard at a time, or to the first.
fn glimpses_at(take: &Take, secs: f64) -> Option<&std::sync::Arc<[Glimpse]>> {
    let piece = take.piece_at(secs).or(take.pieces.first())?;
    Some(&piece.spoken.glimpses).filter(|glimpses| !glimpses.is_empty())
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
        Lane::Alignment => match &take.faults {
            None => format!("Alignment of {} phonemes", take.phonemes.len()),
            Some(faults) => {
                format!("Attention to {} phonemes: {}", take.phonemes.len(), faults.words)
            }
        },
        Lane::Pitch => match take.f0_range {
            [low, high] if low <= high => format!("F0 curve, {low:.0} to {high:.0} Hz"),
            _ => "F0 curve, nothing voiced".to_owned(),
        },
        Lane::Inside => match glimpses_at(take, 0.0) {
            None => format!("Inside: {NO_GLIMPSES}"),
            Some(glimpses) => {
                let words: Vec<String> = glimpses.iter().map(film_view::in_words).collect();
                format!("Inside: {}", words.join("; "))
            }
        },
        Lane::Energy => format!("Energy curve, up to {:.1}", take.energy_max),
    }
}

//! What the Speak page knows: text, options, takes, the view. Plain data, told of events.

use std::time::{Duration, Instant};

use super::{
    files::Restored,
    lanes::LaneLayout,
    take::{Phase, Take, TakeId},
};
use crate::{
    audio::Loops,
    domain::{Progress, SpeechRecord, Stage},
    engine::{Error, ErrorKind, SpeakEvent, SpeakRequest, Speech},
    settings,
    ui::{
        Toast,
        widgets::{
            mel_view_scale::LevelUnit,
            time_axis::{Limits, TimeAxis},
        },
    },
};

/// What stands in the text field at the first start: Harvard sentences, list 1.
pub const FIRST_TEXT: &str =
    "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background.";

/// A stretch of time, start before end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Selection {
    /// In seconds.
    pub start_secs: f64,
    /// In seconds.
    pub end_secs: f64,
}

impl Selection {
    /// Between two times, whichever comes first.
    pub fn between(a: f64, b: f64) -> Self {
        Self { start_secs: a.min(b), end_secs: a.max(b) }
    }

    /// Seconds from start to end.
    pub fn duration_secs(&self) -> f64 {
        self.end_secs - self.start_secs
    }
}

/// What is seen of the selected take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Seconds from left to right.
    pub time: TimeAxis,
    /// Mel bands from bottom to top.
    pub bands: TimeAxis,
    /// Whether all of the take is shown, also when it grows.
    pub fitted: bool,
}

/// A take that is being made.
#[derive(Debug, Clone, PartialEq)]
pub struct Speaking {
    /// Which.
    pub take: TakeId,
    /// When synthesis began (models loaded).
    pub since: Instant,
    /// What is being done.
    pub progress: Option<Progress>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct SpeakState {
    /// What will be spoken.
    pub text: String,
    /// How it will be spoken; the window saves it.
    pub options: settings::Speak,
    /// What has been spoken, oldest first.
    pub takes: Vec<Take>,
    /// The take that is shown.
    pub selected: Option<TakeId>,
    /// Deleted takes and where they stood, the last one on top.
    pub removed: Vec<(usize, Take)>,
    /// What is seen of it.
    pub view: View,
    /// Where Play begins, in seconds.
    pub cursor_secs: f64,
    /// Where playing was paused, in seconds.
    pub paused_secs: Option<f64>,
    /// The stretch that S plays.
    pub selection: Option<Selection>,
    /// Whether what plays begins again.
    pub loops: Loops,
    /// Which panels there are, and how high.
    pub lanes: LaneLayout,
    /// dB or natural logarithm.
    pub level_unit: LevelUnit,
    /// The take being made.
    pub speaking: Option<Speaking>,
    /// Why Speak cannot be pressed.
    pub blocked: Option<&'static str>,
    next_id: u64,
}

impl SpeakState {
    /// A page as it is at the start.
    pub fn new(options: settings::Speak) -> Self {
        Self {
            text: FIRST_TEXT.to_owned(),
            options,
            takes: Vec::new(),
            selected: None,
            removed: Vec::new(),
            view: View {
                time: TimeAxis::fit(Limits::secs(0.0)),
                bands: TimeAxis::fit(Limits::bands(80)),
                fitted: true,
            },
            cursor_secs: 0.0,
            paused_secs: None,
            selection: None,
            loops: Loops::Once,
            lanes: LaneLayout::default(),
            level_unit: LevelUnit::default(),
            speaking: None,
            blocked: None,
            next_id: 1,
        }
    }

    /// What Speak would ask for now.
    pub fn request(&self) -> SpeakRequest {
        SpeakRequest {
            text: self.text.clone(),
            voice: self.options.voice.clone(),
            vocoder: self.options.vocoder.clone(),
            controls: self.options.controls,
            options: self.options.options,
            seed: self.options.seed,
        }
    }

    /// Begins a take, selects it and shows all of it as it grows. `record` is what is known of its
    /// making beforehand, for a take that is stopped half-way.
    pub fn begin(&mut self, request: SpeakRequest, record: SpeechRecord, now: Instant) -> TakeId {
        let id = self.fresh_id();
        let mut take = Take::new(id, Some(request));
        take.record = Some(record);
        self.add(take);
        self.speaking = Some(Speaking { take: id, since: now, progress: None });
        id
    }

    /// Adds a take that was read from a file, and takes over its text and options if it has them.
    pub(super) fn restore(&mut self, name: String, restored: Restored) {
        let Restored { waveform, record, heard, f0_hz } = restored;
        let id = self.fresh_id();
        let request = record.as_ref().map(|record| SpeakRequest {
            text: record.text.clone(),
            voice: record.voice.clone(),
            vocoder: record.vocoder.clone(),
            controls: record.controls,
            options: record.options,
            seed: record.seed,
        });
        let mut take = Take::new(id, request);
        take.name = name;
        take.push_sentence(heard.into());
        take.set_pitch(0, f0_hz);
        take.waveform = waveform.into();
        take.record = record;
        take.phase = Phase::Restored;
        self.add(take);
        self.use_settings(id);
    }

    /// Puts a take at the end of the list and shows it.
    pub(super) fn add(&mut self, take: Take) {
        let id = take.id;
        self.takes.push(take);
        self.select(id);
    }

    /// An id that no take has or had.
    pub(super) fn fresh_id(&mut self) -> TakeId {
        let id = TakeId(self.next_id);
        self.next_id += 1;
        id
    }

    /// Takes in what the engine says of the take being made.
    pub fn apply(&mut self, event: SpeakEvent, now: Instant) {
        let Some(speaking) = &mut self.speaking else { return };
        let Some(take) = self.takes.iter_mut().find(|take| take.id == speaking.take) else {
            return;
        };
        match event {
            SpeakEvent::Progress(progress) => {
                if matches!(progress.stage, Stage::Load | Stage::Queue) {
                    speaking.since = now;
                }
                speaking.progress = Some(progress);
            }
            SpeakEvent::Sentence(sentence) => take.push_sentence(sentence),
            SpeakEvent::Samples { sample_rate, samples } => {
                take.first_audio.get_or_insert(now.saturating_duration_since(speaking.since));
                take.push_samples(sample_rate, &samples);
            }
            SpeakEvent::Pitch { sentence_idx, f0_hz } => take.set_pitch(sentence_idx, f0_hz),
        }
        if self.selected == Some(speaking.take) {
            self.refit();
        }
    }

    /// The end of the take being made; says what the user should hear of it.
    pub fn finish(&mut self, outcome: Result<Speech, Error>) -> Option<Toast> {
        let id = self.speaking.take()?.take;
        let take = self.takes.iter_mut().find(|take| take.id == id)?;
        match outcome {
            Ok(speech) => {
                take.phase = Phase::Done;
                take.first_audio = Some(speech.timing.first_audio);
                take.timing = Some(speech.timing);
                take.record = Some(speech.record);
                take.n_sentences = speech.n_sentences;
                take.waveform = speech.waveform;
                take.revision += 1;
                self.refit_if_selected(id);
                None
            }
            Err(error) => {
                let was_stopped = error.kind() == ErrorKind::Cancelled;
                self.end_early(id, if was_stopped { Phase::Stopped } else { Phase::Failed });
                (!was_stopped).then(|| Toast::error(explain(&error)))
            }
        }
    }

    /// The engine went away without a word.
    pub fn lose(&mut self) -> Option<Toast> {
        let id = self.speaking.take()?.take;
        self.end_early(id, Phase::Failed);
        Some(Toast::error(
            "Speech ended before its time.\nThe engine's thread is gone; the text is kept.\n\
             Start Formant again.",
        ))
    }

    /// Marks the take being made as stopped at once; what was made of it is kept.
    pub fn stop_speaking(&mut self) {
        if let Some(speaking) = self.speaking.take() {
            self.end_early(speaking.take, Phase::Stopped);
        }
    }

    /// Keeps what was made of a take; a take without anything goes.
    fn end_early(&mut self, id: TakeId, phase: Phase) {
        let Some(idx) = self.idx_of(id) else { return };
        if !self.takes[idx].is_empty() {
            self.takes[idx].phase = phase;
            return;
        }
        self.takes.remove(idx);
        if self.selected == Some(id) {
            self.selected = None;
            if let Some(last) = self.takes.last() {
                self.select(last.id);
            }
        }
    }

    /// Where a take stands in the list.
    pub fn idx_of(&self, id: TakeId) -> Option<usize> {
        self.takes.iter().position(|take| take.id == id)
    }

    /// The take that is shown.
    pub fn selected_take(&self) -> Option<&Take> {
        self.selected.and_then(|id| self.takes.iter().find(|take| take.id == id))
    }

    /// The take that is shown, to be changed.
    pub fn selected_take_mut(&mut self) -> Option<&mut Take> {
        self.selected.and_then(|id| self.takes.iter_mut().find(|take| take.id == id))
    }

    /// Shows a take, all of it.
    pub fn select(&mut self, id: TakeId) {
        if self.selected == Some(id) {
            return;
        }
        self.selected = Some(id);
        self.selection = None;
        self.cursor_secs = 0.0;
        self.paused_secs = None;
        self.fit();
    }

    /// Shows the take before or after.
    pub fn select_neighbour(&mut self, by: isize) {
        let Some(idx) = self.selected.and_then(|id| self.idx_of(id)) else { return };
        let neighbour = idx.checked_add_signed(by).and_then(|idx| self.takes.get(idx));
        if let Some(id) = neighbour.map(|take| take.id) {
            self.select(id);
        }
    }

    /// Takes a take out of the list; it can be put back.
    pub fn delete(&mut self, id: TakeId) {
        let Some(idx) = self.idx_of(id) else { return };
        let take = self.takes.remove(idx);
        self.removed.push((idx, take));
        if self.selected == Some(id) {
            self.selected = None;
            let neighbour = self.takes.get(idx).or(self.takes.last());
            if let Some(id) = neighbour.map(|take| take.id) {
                self.select(id);
            }
        }
    }

    /// Puts the take deleted last back where it stood.
    pub fn undo_delete(&mut self) {
        let Some((idx, take)) = self.removed.pop() else { return };
        let id = take.id;
        self.takes.insert(idx.min(self.takes.len()), take);
        self.select(id);
    }

    /// Text, options and seed of a take become those of the next one.
    pub fn use_settings(&mut self, id: TakeId) {
        let take = self.takes.iter().find(|take| take.id == id);
        let Some(request) = take.and_then(|take| take.request.as_ref()) else { return };
        self.text.clone_from(&request.text);
        self.options = settings::Speak {
            voice: request.voice.clone(),
            vocoder: request.vocoder.clone(),
            controls: request.controls,
            options: request.options,
            seed: request.seed,
        };
    }

    /// How far the view of the selected take may go.
    pub fn limits(&self) -> Limits {
        Limits::secs(self.selected_take().map_or(0.0, Take::duration_secs))
    }

    /// Mel bands of the selected take.
    pub fn n_mels(&self) -> usize {
        let piece = self.selected_take().and_then(|take| take.pieces.first());
        piece.map_or(80, |piece| piece.spoken.mel.config.n_mels)
    }

    /// Shows all of the selected take.
    pub fn fit(&mut self) {
        self.view.fitted = true;
        self.view.time = TimeAxis::fit(self.limits());
        self.view.bands = TimeAxis::fit(Limits::bands(self.n_mels()));
    }

    /// Shows the selection alone.
    pub fn fit_selection(&mut self) {
        if let Some(selection) = self.selection {
            self.view.fitted = false;
            let axis = TimeAxis { start: selection.start_secs, end: selection.end_secs };
            self.view.time = axis.zoomed(1.0, selection.start_secs, self.limits());
        }
    }

    /// Zooms time around `anchor_secs`.
    pub fn zoom_time(&mut self, factor: f64, anchor_secs: f64) {
        let limits = self.limits();
        self.view.time = self.view.time.zoomed(factor, anchor_secs, limits);
        self.view.fitted = self.view.time.span() >= limits.full;
    }

    /// Scrolls in time.
    pub fn pan_time(&mut self, by_secs: f64) {
        self.view.time = self.view.time.panned(by_secs, self.limits());
    }

    /// Zooms the mel's bands around `anchor`.
    pub fn zoom_bands(&mut self, factor: f64, anchor: f64) {
        let limits = Limits::bands(self.n_mels());
        self.view.bands = self.view.bands.zoomed(factor, anchor, limits);
    }

    fn refit_if_selected(&mut self, id: TakeId) {
        if self.selected == Some(id) {
            self.refit();
        }
    }

    /// A view of everything stays one while the take grows; another stays within the take.
    fn refit(&mut self) {
        let limits = self.limits();
        self.view.time = if self.view.fitted {
            TimeAxis::fit(limits)
        } else {
            self.view.time.panned(0.0, limits)
        };
    }

    /// Seconds of sound of the take being made, and how long that took.
    pub fn live_rtf(&self, now: Instant) -> Option<f64> {
        let speaking = self.speaking.as_ref()?;
        let take = self.takes.iter().find(|take| take.id == speaking.take)?;
        let made_secs = take.waveform.duration_secs();
        let elapsed: Duration = now.saturating_duration_since(speaking.since);
        (made_secs > 0.0).then(|| elapsed.as_secs_f64() / made_secs)
    }

    /// Share of the sentences of the take being made that have sounded, or of a model's loading.
    pub fn fraction(&self) -> Option<f32> {
        let speaking = self.speaking.as_ref()?;
        let take = self.takes.iter().find(|take| take.id == speaking.take)?;
        if take.pieces.is_empty() {
            let progress = speaking.progress.as_ref()?;
            return (progress.total > 0).then(|| progress.done as f32 / progress.total as f32);
        }
        let frames = take.pieces.last().map_or(0, |piece| piece.spoken.mel.n_frames());
        let last = take.pieces.last()?;
        let mel_secs = frames as f64 * last.spoken.mel.config.frame_secs();
        let sounded =
            ((take.waveform.duration_secs() - last.start_secs) / mel_secs.max(1e-9)) as f32;
        let n_before = (take.pieces.len() - 1) as f32;
        Some((n_before + sounded.clamp(0.0, 1.0)) / take.n_sentences.max(1) as f32)
    }
}

/// An error as the window tells it: what happened, why, what to do.
fn explain(error: &Error) -> String {
    let advice = match error.kind() {
        ErrorKind::NotFound => "Open the Models page to fetch or restore it; the text is kept.",
        ErrorKind::BadRequest => {
            "Change the text or the options and speak again; the text is kept."
        }
        ErrorKind::Busy => "Wait for a job to end and speak again; the text is kept.",
        ErrorKind::Cancelled | ErrorKind::Internal => "Try again; the text is kept.",
    };
    format!("Speech could not be made.\n{error}.\n{advice}")
}

#[cfg(test)]
mod tests;

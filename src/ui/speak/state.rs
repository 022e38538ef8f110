//! What the Speak page knows: text, options, takes, the view. Plain data, told of events.

mod choosing;
mod editing;
mod making;

use std::{collections::VecDeque, time::Instant};

use super::{
    dictionary::DictionaryState,
    difference::Difference,
    lanes::LaneLayout,
    take::{Take, TakeId},
};
use crate::{
    audio::Loops,
    domain::{GivenProsody, ModelKind, PhoneTiming, Progress},
    engine::SpeakRequest,
    settings,
    ui::widgets::{
        mel_view_scale::LevelUnit,
        time_axis::{Limits, TimeAxis},
    },
};

/// What stands in the text field at the first start: Harvard sentences, list 1.
pub const FIRST_TEXT: &str =
    "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background.";

/// More takes than this under each other would be too low to read.
pub const MAX_SHOWN: usize = 4;

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

/// What is seen of the takes that are shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Seconds from left to right.
    pub time: TimeAxis,
    /// Mel bands from bottom to top.
    pub bands: TimeAxis,
    /// Whether all of the longest take is shown, also when it grows.
    pub fitted: bool,
}

/// Durations, pitch and energy that take the place of what a voice would predict.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// Where they come from, for people.
    pub source: String,
    /// When each phone is to be heard.
    pub timing: Option<PhoneTiming>,
    /// Sentence by sentence.
    pub prosody: Vec<GivenProsody>,
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
    /// What the next takes are given in place of predictions.
    pub given: Option<Given>,
    /// Pronunciations of the user's own.
    pub dictionary: DictionaryState,
    /// Ids of all voices in the library's order, which decides their colours.
    pub systems: Vec<String>,
    /// What they are.
    pub kinds: Vec<ModelKind>,
    /// Whether drags on the panels of prosody edit it.
    pub editing: bool,
    /// What has been spoken, oldest first.
    pub takes: Vec<Take>,
    /// The take that plays and that is told of in full.
    pub selected: Option<TakeId>,
    /// Takes that are shown beside it, over the same time base.
    pub compared: Vec<TakeId>,
    /// What the selected take has more, or less, than the one beside it.
    pub difference: Difference,
    /// Deleted takes and where they stood, the last one on top.
    pub removed: Vec<(usize, Take)>,
    /// What is seen of the takes that are shown.
    pub view: View,
    /// Where Play begins, in seconds.
    pub cursor_secs: f64,
    /// Where playing was paused, in seconds.
    pub paused_secs: Option<f64>,
    /// The stretch that S plays.
    pub selection: Option<Selection>,
    /// Whether what plays begins again.
    pub loops: Loops,
    /// Which panels there are of a take that is shown alone, and how high.
    pub lanes: LaneLayout,
    /// Which panels there are of each take that is compared, and how high.
    pub compared_lanes: LaneLayout,
    /// dB or natural logarithm.
    pub level_unit: LevelUnit,
    /// The take being made.
    pub speaking: Option<Speaking>,
    /// Takes that will be made after it, in order.
    pub waiting: VecDeque<TakeId>,
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
            given: None,
            dictionary: DictionaryState::default(),
            systems: Vec::new(),
            kinds: Vec::new(),
            editing: false,
            takes: Vec::new(),
            selected: None,
            compared: Vec::new(),
            difference: Difference::default(),
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
            compared_lanes: LaneLayout::compared(),
            level_unit: LevelUnit::default(),
            speaking: None,
            waiting: VecDeque::new(),
            blocked: None,
            next_id: 1,
        }
    }

    /// What Speak would ask of the first system now.
    pub fn request(&self) -> SpeakRequest {
        self.request_to(&self.options.voice)
    }

    /// What Speak would ask for now: the same of each system.
    pub fn requests(&self) -> Vec<SpeakRequest> {
        let voices = std::iter::once(&self.options.voice).chain(&self.options.beside);
        voices.map(|voice| self.request_to(voice)).collect()
    }

    fn request_to(&self, voice: &str) -> SpeakRequest {
        SpeakRequest {
            text: self.text.clone(),
            voice: voice.to_owned(),
            vocoder: self.options.vocoder.clone(),
            controls: self.options.controls,
            options: self.options.options,
            given: self.given.as_ref().map_or_else(Vec::new, |given| given.prosody.clone()),
            timing: self.given.as_ref().and_then(|given| given.timing.clone()),
            pronunciations: self.dictionary.ahead_of_file(),
            seed: self.options.seed,
        }
    }

    /// The place of a take's system among all, which is that of its colour; `None` for a sound whose
    /// system nobody knows.
    pub fn system_of(&self, take: &Take) -> Option<usize> {
        let voice = &take.request.as_ref()?.voice;
        self.systems.iter().position(|system| system == voice)
    }

    /// The panels in use: those of one take, or of each that is compared.
    pub fn layout(&self) -> &LaneLayout {
        if self.compared.is_empty() { &self.lanes } else { &self.compared_lanes }
    }

    /// The panels in use, to be changed.
    pub fn layout_mut(&mut self) -> &mut LaneLayout {
        if self.compared.is_empty() { &mut self.lanes } else { &mut self.compared_lanes }
    }

    /// How far the view may go: to the end of the longest take that is shown.
    pub fn limits(&self) -> Limits {
        let shown = self.takes.iter().filter(|take| self.shows(take.id));
        Limits::secs(shown.map(Take::duration_secs).fold(0.0, f64::max))
    }

    /// Mel bands of the selected take.
    pub fn n_mels(&self) -> usize {
        let piece = self.selected_take().and_then(|take| take.pieces.first());
        piece.map_or(80, |piece| piece.spoken.mel.config.n_mels)
    }

    /// Shows all of the takes that are shown.
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

    /// A view of everything stays one while a take grows, comes or goes; another stays within what
    /// is shown.
    fn refit(&mut self) {
        let limits = self.limits();
        self.view.time = if self.view.fitted {
            TimeAxis::fit(limits)
        } else {
            self.view.time.panned(0.0, limits)
        };
    }
}

#[cfg(test)]
mod tests;

//! Replies spoken while they are written: each piece of text is made into sound in turn and
//! joined to one stream, so that no gap or overlap is heard between pieces.

use std::{collections::VecDeque, time::Duration};

use super::{Activity, Toast};
use crate::{
    audio::{Fate, Player, SoundId},
    engine::{Client, EngineJob, ErrorKind, SpeakEvent, SpeakRequest, Speech},
    job::Update,
    settings,
};

/// How often an open stream is looked at for its end.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Default)]
pub(super) struct ReadAloud {
    waiting: VecDeque<String>,
    job: Option<EngineJob<SpeakEvent, Speech>>,
    stream: Option<Stream>,
}

/// The sound card's stream as this queue fills it.
struct Stream {
    sound: SoundId,
    sample_rate: u32,
    n_pushed: usize,
}

impl ReadAloud {
    /// Speaks `text` after everything before it.
    pub(super) fn push(&mut self, text: String) {
        if !text.trim().is_empty() {
            self.waiting.push_back(text);
        }
    }

    /// Silence, now; what waits is forgotten.
    pub(super) fn hush(&mut self, player: &mut Player) {
        self.waiting.clear();
        self.job = None;
        if let Some(stream) = self.stream.take() {
            player.stop(stream.sound);
        }
    }

    /// Whether anything is spoken or waits to be.
    pub(super) fn is_active(&self) -> bool {
        self.job.is_some() || self.stream.is_some() || !self.waiting.is_empty()
    }

    /// Moves on: takes in samples, begins the next piece, ends the stream. Returns what went wrong.
    pub(super) fn logic(
        &mut self,
        engine: &Client,
        speak: &settings::Speak,
        player: &mut Player,
    ) -> Option<Toast> {
        let trouble = self.drain(player);
        if trouble.is_some() {
            self.waiting.clear();
        }
        if self.job.is_none()
            && let Some(text) = self.waiting.pop_front()
        {
            self.job = Some(engine.speak(SpeakRequest {
                text,
                voice: speak.voice.clone(),
                vocoder: speak.vocoder.clone(),
                controls: speak.controls,
                options: speak.options,
                given: Vec::new(),
                timing: None,
                pronunciations: None,
                seed: speak.seed,
            }));
        }
        self.follow(player);
        trouble
    }

    fn drain(&mut self, player: &mut Player) -> Option<Toast> {
        while let Some(update) = self.job.as_ref()?.poll() {
            match update {
                Update::Event(SpeakEvent::Samples { sample_rate, samples }) => {
                    self.sound(sample_rate, &samples, player);
                }
                Update::Event(_) => (),
                Update::Done(outcome) => {
                    self.job = None;
                    let error = outcome.err().filter(|error| error.kind() != ErrorKind::Cancelled);
                    return error.map(|error| Toast::error(format!("Cannot read aloud: {error}")));
                }
                Update::Lost => {
                    self.job = None;
                    let text = "Reading aloud stopped: the engine gave no answer; try again";
                    return Some(Toast::error(text));
                }
            }
        }
        None
    }

    fn sound(&mut self, sample_rate: u32, samples: &[f32], player: &mut Player) {
        let stream = match &mut self.stream {
            Some(stream) if stream.sample_rate == sample_rate => stream,
            stream => {
                let sound = player.begin_stream(sample_rate);
                stream.insert(Stream { sound, sample_rate, n_pushed: 0 })
            }
        };
        player.push(stream.sound, samples);
        stream.n_pushed += samples.len();
    }

    /// Ends the stream once all of it was heard and nothing follows; gives way to whoever else
    /// began to play, or stopped the sound.
    fn follow(&mut self, player: &mut Player) {
        let Some(stream) = &self.stream else { return };
        let is_last = self.job.is_none() && self.waiting.is_empty();
        if player.fate(stream.sound) != Fate::Playing {
            *self = Self::default();
        } else if is_last && player.position(stream.sound) >= Some(stream.n_pushed) {
            player.end_stream(stream.sound);
            self.stream = None;
        }
    }

    /// For the status strip.
    pub(super) fn activity(&self, stop: &'static str) -> Option<Activity> {
        if !self.is_active() {
            return None;
        }
        let mut figures = Vec::new();
        if !self.waiting.is_empty() {
            figures.push(("in line", self.waiting.len().to_string()));
        }
        Some(Activity {
            label: "Reading aloud".to_owned(),
            fraction: None,
            figures,
            stop: Some(stop),
        })
    }
}

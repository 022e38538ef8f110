//! A take: one press of Speak, what was asked for and all that came of it.

use std::{sync::Arc, time::Duration};

use super::{edits::Edits, faults::Faults};
use crate::{
    domain::{
        MelConfig, Pronunciations, SpeechRecord, SpeechTiming, SpeechWarning, Waveform, WordOrigin,
        parse_arpabet,
    },
    engine::{SpeakRequest, SpokenSentence},
    ui::widgets::{
        alignment_view::{Interval, IntervalKind, Looked, interval_at},
        prosody_view::Step,
    },
};

/// Letters of a text that stand for it in the list.
const SNIPPET_CHARS: usize = 60;

/// Tells takes apart; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TakeId(pub u64);

/// How far a take has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Others are made before it.
    Waiting,
    /// It grows.
    Speaking,
    /// It is whole.
    Done,
    /// The user stopped it; what was made is kept.
    Stopped,
    /// It ended with an error; what was made is kept.
    Failed,
    /// It was read from a file.
    Restored,
}

impl Phase {
    /// In the list, where there is something to say.
    pub fn label(self) -> Option<&'static str> {
        match self {
            Self::Waiting => Some("Waiting"),
            Self::Speaking => Some("Speaking"),
            Self::Done => None,
            Self::Stopped => Some("Stopped"),
            Self::Failed => Some("Failed"),
            Self::Restored => Some("From file"),
        }
    }
}

/// A sentence at its place in the take.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Where its sound begins.
    pub start_secs: f64,
    /// Frames of the take before it.
    pub first_frame: usize,
    /// Mel, phonemes, prosody.
    pub spoken: Arc<SpokenSentence>,
    /// Pitch measured in its sound, Hz per frame; empty until it stands.
    pub f0_hz: Vec<f32>,
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Take {
    /// Tells it apart.
    pub id: TakeId,
    /// What the user calls it.
    pub name: String,
    /// What was asked for; `None` for a sound that Formant did not make.
    pub request: Option<SpeakRequest>,
    /// The beginning of its text, on one line.
    pub snippet: String,
    /// How far it has come.
    pub phase: Phase,
    /// Its sound; grows while it is spoken.
    pub waveform: Arc<Waveform>,
    /// Its sentences, in order.
    pub pieces: Vec<Piece>,
    /// How many sentences its text has; zero while unknown.
    pub n_sentences: usize,
    /// All its phonemes on the time base.
    pub phonemes: Vec<Interval>,
    /// All its words on the time base.
    pub words: Vec<Interval>,
    /// Predicted pitch on the time base, in Hz.
    pub f0_steps: Vec<Step>,
    /// Predicted energy on the time base.
    pub energy_steps: Vec<Step>,
    /// Lowest and highest voiced pitch, measured or predicted, in Hz.
    pub f0_range: [f32; 2],
    /// Highest energy, measured or predicted.
    pub energy_max: f32,
    /// Prosody that the user changed, for the next take.
    pub edits: Edits,
    /// Counts changes of what is edited.
    pub edit_revision: u64,
    /// What went wrong where the voice looked; `None` for voices that do not look.
    pub faults: Option<Faults>,
    /// From the start of synthesis to the first samples.
    pub first_audio: Option<Duration>,
    /// How long each part took.
    pub timing: Option<SpeechTiming>,
    /// What made it.
    pub record: Option<SpeechRecord>,
    /// What is not as it should be.
    pub warnings: Vec<SpeechWarning>,
    /// Counts changes of what is drawn.
    pub revision: u64,
}

impl Take {
    /// A take without anything in it yet.
    pub fn new(id: TakeId, request: Option<SpeakRequest>) -> Self {
        let snippet = request.as_ref().map_or_else(String::new, |request| snippet(&request.text));
        Self {
            id,
            name: format!("Take {}", id.0),
            request,
            snippet,
            phase: Phase::Speaking,
            waveform: Arc::default(),
            pieces: Vec::new(),
            n_sentences: 0,
            phonemes: Vec::new(),
            words: Vec::new(),
            f0_steps: Vec::new(),
            energy_steps: Vec::new(),
            f0_range: [f32::INFINITY, f32::NEG_INFINITY],
            energy_max: 0.0,
            edits: Edits::default(),
            edit_revision: 0,
            faults: None,
            first_audio: None,
            timing: None,
            record: None,
            warnings: Vec::new(),
            revision: 0,
        }
    }

    /// Length of its sound, or of its mel while that runs ahead.
    pub fn duration_secs(&self) -> f64 {
        let mel_end = self.pieces.last().map_or(0.0, |piece| {
            let mel = &piece.spoken.mel;
            piece.start_secs + mel.n_frames() as f64 * mel.config.frame_secs()
        });
        self.waveform.duration_secs().max(mel_end)
    }

    /// From one mel frame to the next.
    pub fn frame_secs(&self) -> f64 {
        let first = self.pieces.first().map(|piece| &piece.spoken.mel.config);
        first.map_or_else(|| MelConfig::default().frame_secs(), MelConfig::frame_secs)
    }

    /// Mel frames of all its sentences.
    pub fn n_frames(&self) -> usize {
        self.pieces.last().map_or(0, |piece| piece.first_frame + piece.spoken.mel.n_frames())
    }

    /// Whether there is anything to see or hear.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.waveform.samples.is_empty()
    }

    /// Synthesis time over the duration of the sound.
    pub fn rtf(&self) -> Option<f64> {
        self.timing.and_then(|timing| timing.rtf(&self.waveform))
    }

    /// The next sentence, which begins where the sound made so far ends; or more of the last one.
    pub fn push_sentence(&mut self, spoken: Arc<SpokenSentence>) {
        let grown = self.pieces.pop_if(|last| last.spoken.sentence_idx == spoken.sentence_idx);
        let (start_secs, first_frame) = match &grown {
            Some(piece) => {
                self.forget_intervals(&piece.spoken);
                (piece.start_secs, piece.first_frame)
            }
            None => (self.waveform.duration_secs(), self.n_frames()),
        };
        self.n_sentences = spoken.n_sentences;
        self.place_intervals(start_secs, &spoken);
        for &energy in &spoken.energy {
            self.energy_max = self.energy_max.max(energy);
        }
        let is_whole = spoken.is_whole;
        self.pieces.push(Piece { start_secs, first_frame, spoken, f0_hz: Vec::new() });
        // What grows is not looked through before it is whole.
        if is_whole || self.faults.is_none() {
            self.faults = Faults::of(&self.pieces);
        }
        self.revision += 1;
    }

    /// Takes back what was placed last, for a sentence that comes again.
    fn forget_intervals(&mut self, spoken: &SpokenSentence) {
        let n_phonemes = spoken.phonemes.phonemes.len();
        self.phonemes.truncate(self.phonemes.len() - n_phonemes);
        self.words.truncate(self.words.len() - spoken.phonemes.words.len());
        if spoken.prosody.is_some() {
            self.f0_steps.truncate(self.f0_steps.len() - n_phonemes);
            self.energy_steps.truncate(self.energy_steps.len() - n_phonemes);
        }
    }

    /// The next samples.
    pub fn push_samples(&mut self, sample_rate: u32, samples: &[f32]) {
        let waveform = Arc::make_mut(&mut self.waveform);
        waveform.sample_rate = sample_rate;
        waveform.samples.extend_from_slice(samples);
        self.revision += 1;
    }

    /// The pitch of a sentence that is spoken.
    pub fn set_pitch(&mut self, sentence_idx: usize, f0_hz: Vec<f32>) {
        for &hz in f0_hz.iter().filter(|hz| **hz > 0.0) {
            self.f0_range = [self.f0_range[0].min(hz), self.f0_range[1].max(hz)];
        }
        let mut pieces = self.pieces.iter_mut();
        if let Some(piece) = pieces.find(|piece| piece.spoken.sentence_idx == sentence_idx) {
            piece.f0_hz = f0_hz;
        }
        self.revision += 1;
    }

    fn place_intervals(&mut self, start_secs: f64, spoken: &SpokenSentence) {
        let frame_secs = spoken.mel.config.frame_secs();
        let boundaries = spoken.alignment.boundaries();
        let secs = |idx: usize| {
            let frame_idx = boundaries.get(idx).or(boundaries.last()).copied().unwrap_or(0);
            start_secs + frame_idx as f64 * frame_secs
        };
        for (idx, phoneme) in spoken.phonemes.phonemes.iter().enumerate() {
            let (start_secs, end_secs) = (secs(idx), secs(idx + 1));
            self.phonemes.push(Interval {
                start_secs,
                end_secs,
                label: shown(&phoneme.symbol),
                kind: match phoneme.word_idx {
                    Some(_) => IntervalKind::Spoken,
                    None => IntervalKind::Pause,
                },
            });
            if let Some(prosody) = &spoken.prosody {
                let value = |values: &[f32]| values.get(idx).copied().unwrap_or(0.0);
                let (f0_hz, energy) = (value(&prosody.f0_hz), value(&prosody.energy));
                self.f0_steps.push(Step { start_secs, end_secs, value: f0_hz });
                self.energy_steps.push(Step { start_secs, end_secs, value: energy });
                if f0_hz > 0.0 {
                    self.f0_range = [self.f0_range[0].min(f0_hz), self.f0_range[1].max(f0_hz)];
                }
                self.energy_max = self.energy_max.max(energy);
            }
        }
        for word in &spoken.phonemes.words {
            self.words.push(Interval {
                start_secs: secs(word.phonemes.start),
                end_secs: secs(word.phonemes.end),
                label: word.text.clone(),
                kind: match word.origin {
                    WordOrigin::Dictionary => IntervalKind::Spoken,
                    WordOrigin::Guessed => IntervalKind::Guessed,
                    WordOrigin::Own | WordOrigin::Inline => IntervalKind::Own,
                },
            });
        }
    }

    /// Where the voice looked, sentence by sentence; nothing for voices that do not look.
    pub fn looked(&self) -> Vec<Looked<'_>> {
        let mut first_phoneme = 0;
        let mut looked = Vec::new();
        for Piece { start_secs, spoken, .. } in &self.pieces {
            if let Some(attention) = &spoken.attention {
                let frames = attention.frames_per_step as f64;
                let step_secs = frames * spoken.mel.config.frame_secs();
                let start_secs = *start_secs;
                looked.push(Looked { start_secs, step_secs, first_phoneme, attention });
            }
            first_phoneme += spoken.phonemes.phonemes.len();
        }
        looked
    }

    /// The sentence that is heard at a time.
    pub fn piece_at(&self, secs: f64) -> Option<&Piece> {
        let after = self.pieces.partition_point(|piece| piece.start_secs <= secs);
        self.pieces.get(after.checked_sub(1)?)
    }

    /// The index of the phoneme at a time.
    pub fn phoneme_at(&self, secs: f64) -> Option<usize> {
        interval_at(&self.phonemes, secs)
    }

    /// The word at a time, or the next one, and its phonemes as they may be typed; no phonemes of a voice that does not
    /// speak ARPAbet with stress.
    pub fn word_at(&self, secs: f64) -> Option<(String, String)> {
        let idx = self.words.partition_point(|word| word.end_secs <= secs);
        let sequences = self.pieces.iter().map(|piece| &piece.spoken.phonemes);
        let mut words =
            sequences.flat_map(|sequence| sequence.words.iter().map(move |word| (sequence, word)));
        let (sequence, word) = words.nth(idx)?;
        let text = Pronunciations::key(&word.text).ok()?;
        let symbols = &sequence.phonemes[word.phonemes.clone()];
        let symbols: Vec<&str> = symbols.iter().map(|phoneme| phoneme.symbol.as_str()).collect();
        let phonemes = symbols.join(" ");
        Some((text, if parse_arpabet(&phonemes).is_ok() { phonemes } else { String::new() }))
    }

    /// Every word as ARPAbet: phonemes a space apart, words two, a line for each sentence.
    pub fn arpabet(&self) -> String {
        let sentences = self.pieces.iter().map(|piece| {
            let phonemes = &piece.spoken.phonemes;
            let words = phonemes.words.iter().map(|word| {
                let range = word.phonemes.start.min(phonemes.phonemes.len())
                    ..word.phonemes.end.min(phonemes.phonemes.len());
                let symbols = phonemes.phonemes[range].iter();
                symbols.map(|phoneme| phoneme.symbol.as_str()).collect::<Vec<_>>().join(" ")
            });
            words.collect::<Vec<_>>().join("  ")
        });
        sentences.collect::<Vec<_>>().join("\n")
    }
}

/// A symbol as it is shown: a space would be nothing to see.
fn shown(symbol: &str) -> String {
    if symbol.trim().is_empty() { "␣".to_owned() } else { symbol.to_owned() }
}

/// The beginning of a text, on one line.
fn snippet(text: &str) -> String {
    let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = words.char_indices().nth(SNIPPET_CHARS) {
        words.truncate(end);
        words.push('…');
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::speak::example;

    #[test]
    fn a_sentence_that_comes_again_takes_the_place_of_the_first() {
        let mut take = example::take(12.0);
        let (before, last) = (take.clone(), take.pieces.last().unwrap().spoken.clone());
        take.push_sentence(Arc::clone(&last));
        assert_eq!((&take.phonemes, &take.words), (&before.phonemes, &before.words));
        assert_eq!(take.f0_steps, before.f0_steps);
        assert_eq!(take.pieces.len(), before.pieces.len());
        assert_eq!(take.n_frames(), before.n_frames());
    }

    #[test]
    fn a_long_text_is_cut_between_letters() {
        assert_eq!(snippet("Grüße \n an  alle"), "Grüße an alle");
        let long = snippet(&"ü".repeat(100));
        assert_eq!(long.chars().count(), SNIPPET_CHARS + 1);
    }
}

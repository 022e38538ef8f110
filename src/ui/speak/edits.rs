//! Prosody that is edited phoneme by phoneme: what the next take is given in place of predictions,
//! with undo and redo.

use super::take::{Piece, Take};
use crate::domain::{GivenProsody, ModelKind};

/// Edits that can be taken back.
const MAX_UNDO: usize = 500;

/// Frames that an edited phoneme may have; more than two seconds is no sound of speech.
const MAX_FRAMES: u32 = 200;

/// What can be edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quality {
    /// Frames.
    Duration,
    /// Hz.
    Pitch,
    /// L2 norm.
    Energy,
}

/// The edits of a take.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Edits {
    /// As the take was given it.
    base: Vec<GivenProsody>,
    /// With the edits; empty while there are none.
    given: Option<Vec<GivenProsody>>,
    past: Vec<Option<Vec<GivenProsody>>>,
    future: Vec<Option<Vec<GivenProsody>>>,
}

impl Edits {
    /// Of a take that was given `base`.
    pub fn new(base: Vec<GivenProsody>) -> Self {
        Self { base, ..Self::default() }
    }

    /// What a take with these edits is to be given; `None` if nothing was edited.
    pub fn given(&self) -> Option<&[GivenProsody]> {
        self.given.as_deref()
    }

    /// Whether there is anything to take back.
    pub fn can_undo(&self) -> bool {
        !self.past.is_empty()
    }

    /// Whether there is anything to do once more.
    pub fn can_redo(&self) -> bool {
        !self.future.is_empty()
    }

    /// From here on, changes are one edit, until this is called again.
    fn mark(&mut self) {
        if self.past.len() == MAX_UNDO {
            self.past.remove(0);
        }
        self.past.push(self.given.clone());
        self.future.clear();
    }
}

/// Whether a kind of voice takes over an edited quality; if not, why.
///
/// # Errors
/// Why not, and what would.
pub fn heeds(kind: ModelKind, quality: Quality) -> Result<(), &'static str> {
    match (kind, quality) {
        (ModelKind::FastSpeech2, _) | (ModelKind::Matcha, Quality::Duration) => Ok(()),
        (ModelKind::Matcha, _) => {
            Err("Matcha-TTS takes durations over, but neither pitch nor energy; FastSpeech 2 does")
        }
        _ => Err(
            "A Tacotron finds its prosody while it speaks and takes none over; FastSpeech 2 does",
        ),
    }
}

/// A phoneme of a take: its sentence, and its place in it.
fn place(pieces: &[Piece], mut symbol: usize) -> Option<(usize, usize)> {
    for (sentence, piece) in pieces.iter().enumerate() {
        let n = piece.spoken.phonemes.phonemes.len();
        if symbol < n {
            return Some((sentence, symbol));
        }
        symbol -= n;
    }
    None
}

impl Take {
    /// The value of a phoneme as it is edited, or else as it was spoken; `None` where it has none,
    /// as a voiceless one has no pitch.
    pub fn value(&self, symbol: usize, quality: Quality) -> Option<f32> {
        let (sentence, at) = place(&self.pieces, symbol)?;
        let spoken = &self.pieces[sentence].spoken;
        let given = self.edits.given().and_then(|given| given.get(sentence));
        let predicted = match quality {
            Quality::Duration => spoken.alignment.durations.get(at).map(|&frames| frames as f32),
            Quality::Pitch => spoken.prosody.as_ref()?.f0_hz.get(at).copied(),
            Quality::Energy => spoken.prosody.as_ref()?.energy.get(at).copied(),
        }?;
        let edited = given.and_then(|given| match quality {
            Quality::Duration => given.durations.as_ref()?.get(at).map(|&frames| frames as f32),
            Quality::Pitch => given.f0_hz.as_ref()?.get(at).copied().filter(|hz| *hz > 0.0),
            Quality::Energy => given.energy.as_ref()?.get(at).copied(),
        });
        match quality {
            Quality::Pitch if predicted <= 0.0 => None,
            _ => Some(edited.unwrap_or(predicted)),
        }
    }

    /// The value with which a phoneme was spoken.
    pub fn spoken_value(&self, symbol: usize, quality: Quality) -> Option<f32> {
        let (sentence, at) = place(&self.pieces, symbol)?;
        let spoken = &self.pieces[sentence].spoken;
        match quality {
            Quality::Duration => spoken.alignment.durations.get(at).map(|&frames| frames as f32),
            Quality::Pitch => spoken.prosody.as_ref()?.f0_hz.get(at).copied(),
            Quality::Energy => spoken.prosody.as_ref()?.energy.get(at).copied(),
        }
    }

    /// Begins an edit: what [`Take::edit`] changes from here on is undone at once.
    pub fn begin_edit(&mut self) {
        self.edits.mark();
    }

    /// Gives a phoneme another value, where it has one.
    pub fn edit(&mut self, symbol: usize, quality: Quality, value: f32) {
        if self.value(symbol, quality).is_none() || !value.is_finite() {
            return;
        }
        let Some((sentence, at)) = place(&self.pieces, symbol) else { return };
        let spoken = &self.pieces[sentence].spoken;
        let Edits { base, given, .. } = &mut self.edits;
        let given = given.get_or_insert_with(|| base.clone());
        if given.len() < self.pieces.len() {
            given.resize(self.pieces.len(), GivenProsody::default());
        }
        let given = &mut given[sentence];
        let n = spoken.phonemes.phonemes.len();
        match (quality, &spoken.prosody) {
            (Quality::Duration, _) => {
                let durations = &spoken.alignment.durations;
                let frames = given.durations.get_or_insert_with(|| durations.clone());
                frames[at] = (value.round().max(0.0) as u32).min(MAX_FRAMES);
            }
            (Quality::Pitch, _) => {
                // Zero leaves what is predicted.
                given.f0_hz.get_or_insert_with(|| vec![0.0; n])[at] = value.max(1.0);
            }
            (Quality::Energy, Some(prosody)) => {
                let energy = given.energy.get_or_insert_with(|| prosody.energy.clone());
                energy[at] = value.max(0.0);
            }
            (Quality::Energy, None) => return,
        }
        self.show_edits();
    }

    /// Takes the last edit back.
    pub fn undo_edit(&mut self) {
        if let Some(before) = self.edits.past.pop() {
            let now = std::mem::replace(&mut self.edits.given, before);
            self.edits.future.push(now);
            self.show_edits();
        }
    }

    /// Does once more what was taken back last.
    pub fn redo_edit(&mut self) {
        if let Some(after) = self.edits.future.pop() {
            let now = std::mem::replace(&mut self.edits.given, after);
            self.edits.past.push(now);
            self.show_edits();
        }
    }

    /// The curves' bars stand where the edits put them.
    fn show_edits(&mut self) {
        let values = |take: &Self, quality| -> Vec<f32> {
            let symbols = 0..take.phonemes.len();
            symbols.map(|symbol| take.value(symbol, quality).unwrap_or(0.0)).collect()
        };
        let (f0_hz, energy) = (values(self, Quality::Pitch), values(self, Quality::Energy));
        for (step, hz) in self.f0_steps.iter_mut().zip(f0_hz) {
            step.value = hz;
        }
        for (step, energy) in self.energy_steps.iter_mut().zip(energy) {
            step.value = energy;
        }
        self.edit_revision += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::speak::example;

    #[test]
    fn an_edit_is_what_the_next_take_is_given_and_nothing_else_is() {
        let mut take = example::take(11.0);
        assert_eq!(take.edits.given(), None);
        let in_first = take.pieces[0].spoken.phonemes.phonemes.len();
        let durations = take.pieces[1].spoken.alignment.durations.clone();
        take.begin_edit();
        take.edit(in_first + 1, Quality::Duration, 30.0);
        take.edit(in_first + 1, Quality::Pitch, 220.0);
        let given = take.edits.given().unwrap();
        assert!(given[0].is_empty() && given[2].is_empty());
        let mut expected = durations.clone();
        expected[1] = 30;
        assert_eq!(given[1].durations, Some(expected));
        let f0_hz = given[1].f0_hz.as_ref().unwrap();
        assert!(f0_hz.iter().enumerate().all(|(at, hz)| *hz == if at == 1 { 220.0 } else { 0.0 }));
        assert_eq!(given[1].energy, None);
        assert!((take.f0_steps[in_first + 1].value - 220.0).abs() < 1e-6, "the bar did not move");
    }

    #[test]
    fn edits_are_undone_and_done_again_one_by_one() {
        let mut take = example::take(2.0);
        let untouched = (take.edits.given.clone(), take.f0_steps.clone());
        for hz in [150.0, 180.0] {
            take.begin_edit();
            // One drag has many values.
            take.edit(1, Quality::Pitch, hz - 10.0);
            take.edit(1, Quality::Pitch, hz);
        }
        let hz = |take: &Take| take.value(1, Quality::Pitch).unwrap();
        take.undo_edit();
        assert_eq!(hz(&take), 150.0);
        take.undo_edit();
        assert_eq!((take.edits.given.clone(), take.f0_steps.clone()), untouched);
        assert!(!take.edits.can_undo());
        take.redo_edit();
        take.redo_edit();
        assert_eq!(hz(&take), 180.0);
        take.undo_edit();
        take.begin_edit();
        take.edit(1, Quality::Energy, 2.0);
        assert!(!take.edits.can_redo(), "what was undone before another edit is gone");
    }

    #[test]
    fn a_voiceless_phoneme_has_no_pitch_to_edit() {
        let mut take = example::take(2.0);
        let voiceless = take.f0_steps.iter().position(|step| step.value == 0.0).unwrap();
        take.begin_edit();
        take.edit(voiceless, Quality::Pitch, 200.0);
        assert_eq!(take.edits.given(), None);
        take.edit(voiceless, Quality::Duration, -3.0);
        assert_eq!(take.value(voiceless, Quality::Duration), Some(0.0));
        take.edit(9999, Quality::Duration, 3.0);
    }

    #[test]
    fn a_take_that_was_given_something_is_edited_from_there() {
        let mut take = example::take(2.0);
        let base = GivenProsody { f0_hz: Some(vec![90.0; 99]), ..GivenProsody::default() };
        take.edits = Edits::new(vec![base]);
        take.begin_edit();
        take.edit(0, Quality::Pitch, 100.0);
        let f0_hz = take.edits.given().unwrap()[0].f0_hz.clone().unwrap();
        assert_eq!(f0_hz[..3], [100.0, 90.0, 90.0]);
    }

    #[test]
    fn who_heeds_what_is_said() {
        assert!(heeds(ModelKind::FastSpeech2, Quality::Energy).is_ok());
        assert!(heeds(ModelKind::Matcha, Quality::Duration).is_ok());
        assert!(heeds(ModelKind::Matcha, Quality::Pitch).unwrap_err().contains("Matcha"));
        assert!(heeds(ModelKind::Tacotron2, Quality::Duration).unwrap_err().contains("Tacotron"));
    }
}

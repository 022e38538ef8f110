//! What is wrong with where a decoder looked: sounds it passed over, said again or could not leave.
//!
//! Sources: focus rate, "FastSpeech", <https://arxiv.org/abs/1905.09263>, §2.3; diagonal rate, "Almost
//! Unsupervised Text to Speech and Automatic Speech Recognition", <https://arxiv.org/abs/1905.06791>,
//! §4.3, with a band of two phonemes to either side. The faults are told by the phoneme that each
//! step looks at most.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Attention, PhonemeSequence};

/// A phoneme that never has this share of a step was not said.
const LEAST_COVERAGE: f32 = 0.1;
/// Phonemes that the look must go back by to say something again.
const BACK: usize = 2;
/// Steps after which a look back is no wavering between neighbours.
const SETTLED_STEPS: usize = 3;
/// Nobody holds a sound for longer, in seconds.
const LONGEST_HOLD_SECS: f64 = 1.5;
/// Phonemes at the end, silence among them, that a decoder may leave out or rest on.
const LAST: usize = 4;
/// Phonemes to either side of the diagonal that count as on it.
const BAND: usize = 2;

/// What is wrong with where a decoder looked, and how sure it was.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AttentionDiagnosis {
    /// Mean over the steps of the greatest weight: one for a decoder that always looks at one
    /// phoneme.
    pub focus_rate: f32,
    /// Share of the weights within two phonemes of the straight line from first to last.
    pub diagonal_rate: f32,
    /// Of the greatest weights that spoken phonemes ever have, the smallest.
    pub coverage: f32,
    /// Spoken phonemes that were passed over.
    pub skipped: Vec<usize>,
    /// Steps that look back at what was said before.
    pub repeats: Vec<Range<usize>>,
    /// Steps that rest on one phoneme for too long.
    pub stalls: Vec<Range<usize>>,
    /// The phoneme looked at last, if the decoder stopped there too early.
    pub early_stop: Option<usize>,
}

impl AttentionDiagnosis {
    /// Looks through the attention of one sentence, whose steps last `step_secs` each.
    /// `is_spoken` tells the phonemes that must be heard from pauses, marks and edges; those it
    /// does not tell of are not missed.
    pub fn of(attention: &Attention, is_spoken: &[bool], step_secs: f64) -> Self {
        let (n_steps, n_phonemes) = (attention.n_steps(), attention.n_phonemes);
        if n_steps == 0 || n_phonemes == 0 {
            return Self::default();
        }
        let looks: Vec<usize> = (0..n_steps).map(|step| strongest(attention.step(step))).collect();
        let mut greatest = vec![0.0_f32; n_phonemes];
        for step in 0..n_steps {
            for (greatest, &weight) in greatest.iter_mut().zip(attention.step(step)) {
                *greatest = greatest.max(weight);
            }
        }
        let spoken = || (0..n_phonemes).filter(|&at| is_spoken.get(at) == Some(&true));
        let focus = looks.iter().enumerate().map(|(step, &at)| attention.step(step)[at]);
        Self {
            focus_rate: focus.sum::<f32>() / n_steps as f32,
            diagonal_rate: diagonal_rate(attention),
            coverage: spoken().map(|at| greatest[at]).fold(f32::INFINITY, f32::min).min(1.0),
            skipped: spoken().filter(|&at| greatest[at] < LEAST_COVERAGE).collect(),
            repeats: repeats(&looks),
            stalls: stalls(&looks, n_phonemes, step_secs),
            early_stop: looks.last().copied().filter(|last| last + LAST < n_phonemes),
        }
    }

    /// The same for a sentence, whose spoken phonemes are those of its words.
    pub fn of_sentence(
        attention: &Attention,
        phonemes: &PhonemeSequence,
        seconds_per_frame: f64,
    ) -> Self {
        let is_spoken: Vec<bool> =
            phonemes.phonemes.iter().map(|phoneme| phoneme.word_idx.is_some()).collect();
        Self::of(attention, &is_spoken, attention.frames_per_step as f64 * seconds_per_frame)
    }

    /// Whether anything went wrong.
    pub fn is_faulty(&self) -> bool {
        !(self.skipped.is_empty() && self.repeats.is_empty() && self.stalls.is_empty())
            || self.early_stop.is_some()
    }

    /// What went wrong in a few words: `skips, stalls`; `None` if nothing did.
    pub fn faults(&self) -> Option<String> {
        let faults = [
            ("skips", !self.skipped.is_empty()),
            ("repeats", !self.repeats.is_empty()),
            ("stalls", !self.stalls.is_empty()),
            ("stops early", self.early_stop.is_some()),
        ];
        let names: Vec<&str> =
            faults.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

/// The first of the greatest.
fn strongest(weights: &[f32]) -> usize {
    let mut best = 0;
    for (at, &weight) in weights.iter().enumerate() {
        if weight > weights[best] {
            best = at;
        }
    }
    best
}

fn diagonal_rate(attention: &Attention) -> f32 {
    let (n_steps, n_phonemes) = (attention.n_steps(), attention.n_phonemes);
    let slope = (n_phonemes - 1) as f64 / (n_steps - 1).max(1) as f64;
    let on_band = |step: usize| -> f32 {
        let centre = (slope * step as f64).round_ties_even() as usize;
        let band = centre.saturating_sub(BAND)..(centre + BAND + 1).min(n_phonemes);
        attention.step(step)[band].iter().sum()
    };
    (0..n_steps).map(on_band).sum::<f32>() / n_steps as f32
}

fn repeats(looks: &[usize]) -> Vec<Range<usize>> {
    let (mut farthest, mut since) = (looks[0], 0);
    runs(looks.iter().enumerate().map(|(step, &at)| {
        if at > farthest {
            (farthest, since) = (at, step);
        }
        at + BACK <= farthest && step - since >= SETTLED_STEPS
    }))
}

fn stalls(looks: &[usize], n_phonemes: usize, step_secs: f64) -> Vec<Range<usize>> {
    let mut start = 0;
    let mut found = Vec::new();
    for step in 1..=looks.len() {
        if looks.get(step) == Some(&looks[start]) {
            continue;
        }
        // From the first step on a phoneme to the last; silence at the end may last.
        let held_secs = (step - 1 - start) as f64 * step_secs;
        if looks[start] + 2 < n_phonemes && held_secs > LONGEST_HOLD_SECS {
            found.push(start..step);
        }
        start = step;
    }
    found
}

/// The stretches over which something holds.
fn runs(holds: impl Iterator<Item = bool>) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, _) in holds.enumerate().filter(|(_, holds)| *holds) {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end = at + 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP_SECS: f64 = 0.1;

    /// A decoder that looks at nothing but one phoneme a step.
    fn diagnose(looks: &[usize], n_phonemes: usize) -> AttentionDiagnosis {
        let mut weights = vec![0.0; looks.len() * n_phonemes];
        for (row, &at) in weights.chunks_exact_mut(n_phonemes).zip(looks) {
            row[at] = 1.0;
        }
        let attention = Attention { weights, n_phonemes, frames_per_step: 1 };
        AttentionDiagnosis::of(&attention, &vec![true; n_phonemes], STEP_SECS)
    }

    #[test]
    fn a_straight_way_has_no_fault() {
        let diagnosis = diagnose(&[0, 1, 2, 3, 4, 5, 6, 7], 8);
        assert!(!diagnosis.is_faulty(), "{diagnosis:?}");
        let rates = (diagnosis.focus_rate, diagnosis.diagonal_rate, diagnosis.coverage);
        assert_eq!(rates, (1.0, 1.0, 1.0));
        assert_eq!(diagnosis.faults(), None);
    }

    #[test]
    fn what_is_passed_over_is_named_unless_it_is_silent() {
        let diagnosis = diagnose(&[0, 1, 3, 4, 5, 6, 7], 8);
        assert_eq!((diagnosis.skipped.as_slice(), diagnosis.coverage), ([2].as_slice(), 0.0));
        let attention = Attention {
            weights: vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0],
            n_phonemes: 3,
            frames_per_step: 1,
        };
        let pause = AttentionDiagnosis::of(&attention, &[true, false, true], STEP_SECS);
        assert!(pause.skipped.is_empty());
    }

    #[test]
    fn going_back_is_a_repeat_once_the_decoder_had_settled_ahead() {
        let wavering = diagnose(&[0, 1, 2, 3, 1, 3, 4, 5, 6, 7], 8);
        assert!(wavering.repeats.is_empty());
        let again = diagnose(&[0, 1, 2, 3, 3, 3, 3, 1, 2, 1, 3, 4, 5, 6, 7], 8);
        assert_eq!(again.repeats, [7..8, 9..10]);
        assert_eq!(again.faults().unwrap(), "repeats");
    }

    #[test]
    fn resting_is_a_stall_except_at_the_end() {
        let mut looks = vec![0, 1, 2];
        looks.extend([3; 17]);
        looks.extend([4, 5, 6, 7]);
        assert_eq!(diagnose(&looks, 8).stalls, std::slice::from_ref(&(3..20)));
        looks.remove(4);
        assert!(diagnose(&looks, 8).stalls.is_empty(), "fifteen steps of a tenth are 1.5 seconds");
        let mut looks: Vec<usize> = (0..8).collect();
        looks.extend([7; 40]);
        assert!(diagnose(&looks, 8).stalls.is_empty());
    }

    #[test]
    fn stopping_before_the_last_words_is_told_with_where() {
        let diagnosis = diagnose(&[0, 1, 2, 3], 8);
        assert_eq!(diagnosis.early_stop, Some(3));
        assert_eq!(diagnosis.faults().unwrap(), "skips, stops early");
        assert_eq!(diagnose(&[0, 1, 2, 3, 4], 8).early_stop, None);
    }

    #[test]
    fn nothing_has_no_fault() {
        assert!(!AttentionDiagnosis::of(&Attention::default(), &[], STEP_SECS).is_faulty());
        assert!(!diagnose(&[0], 1).is_faulty());
    }
}

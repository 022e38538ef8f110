//! What went wrong with a voice's attention, on the time base and in words.

use super::take::Piece;
use crate::domain::{Attention, AttentionDiagnosis};

/// What is marked over the attention.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// What is wrong.
    pub fault: Fault,
    /// From when; where a phoneme was passed over, the start of its sentence.
    pub start_secs: f64,
    /// Until when.
    pub end_secs: f64,
}

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The phoneme at this place among all of the take was passed over.
    Skip(usize),
    /// The voice looked back at what it had said.
    Repeat,
    /// The voice rested on one phoneme.
    Stall,
    /// The voice ended before its text did.
    EarlyStop,
}

impl Fault {
    /// As it is written beside its mark.
    pub fn label(self) -> &'static str {
        match self {
            Self::Skip(_) => "skip",
            Self::Repeat => "repeat",
            Self::Stall => "stall",
            Self::EarlyStop => "early stop",
        }
    }
}

/// The faults of a take.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    /// Sentence by sentence.
    pub marks: Vec<Mark>,
    /// All of them in a line.
    pub words: String,
}

impl Faults {
    /// Of the sentences that are whole; `None` if no voice looked at anything.
    pub fn of(pieces: &[Piece]) -> Option<Self> {
        let mut marks = Vec::new();
        let mut words = Vec::new();
        let mut first_phoneme = 0;
        let mut has_attention = false;
        for (n, piece) in pieces.iter().enumerate() {
            let n_phonemes = piece.spoken.phonemes.phonemes.len();
            if let Some(attention) = &piece.spoken.attention {
                has_attention = true;
                let frame_secs = piece.spoken.mel.config.frame_secs();
                if piece.spoken.is_whole {
                    let phonemes = &piece.spoken.phonemes;
                    let found = AttentionDiagnosis::of_sentence(attention, phonemes, frame_secs);
                    let sentence = (pieces.len() > 1).then_some(n + 1);
                    words.extend(in_words(piece, &found, sentence));
                    marks.extend(marks_of(piece, &found, first_phoneme));
                }
            }
            first_phoneme += n_phonemes;
        }
        let is_whole = pieces.last().is_some_and(|piece| piece.spoken.is_whole);
        has_attention.then(|| Self {
            marks,
            words: match (words.is_empty(), is_whole) {
                (false, _) => words.join("; "),
                (true, true) => "no skips, repeats or stalls".to_owned(),
                (true, false) => "speaking".to_owned(),
            },
        })
    }
}

/// When steps of a sentence are heard.
fn secs(piece: &Piece, step: usize) -> f64 {
    let frames = piece.spoken.attention.as_ref().map_or(1, |it| it.frames_per_step);
    piece.start_secs + (step * frames) as f64 * piece.spoken.mel.config.frame_secs()
}

fn marks_of(piece: &Piece, found: &AttentionDiagnosis, first_phoneme: usize) -> Vec<Mark> {
    let n_steps = piece.spoken.attention.as_ref().map_or(0, Attention::n_steps);
    let mark = |fault, steps: &std::ops::Range<usize>| Mark {
        fault,
        start_secs: secs(piece, steps.start),
        end_secs: secs(piece, steps.end),
    };
    let skips = found.skipped.iter().map(|at| mark(Fault::Skip(first_phoneme + at), &(0..n_steps)));
    let repeats = found.repeats.iter().map(|steps| mark(Fault::Repeat, steps));
    let stalls = found.stalls.iter().map(|steps| mark(Fault::Stall, steps));
    let stop = found.early_stop.map(|_| mark(Fault::EarlyStop, &(n_steps..n_steps)));
    skips.chain(repeats).chain(stalls).chain(stop).collect()
}

/// The faults of a sentence; `None` if it has none.
fn in_words(piece: &Piece, found: &AttentionDiagnosis, sentence: Option<usize>) -> Option<String> {
    if !found.is_faulty() {
        return None;
    }
    let mut parts = Vec::new();
    if !found.skipped.is_empty() {
        parts.push(format!("skips {}", skipped(piece, &found.skipped)));
    }
    let stretches = |steps: &[std::ops::Range<usize>]| {
        let stretch = |steps: &std::ops::Range<usize>| {
            format!("{:.2}–{:.2} s", secs(piece, steps.start), secs(piece, steps.end))
        };
        steps.iter().map(stretch).collect::<Vec<_>>().join(", ")
    };
    if !found.repeats.is_empty() {
        parts.push(format!("repeats at {}", stretches(&found.repeats)));
    }
    if !found.stalls.is_empty() {
        parts.push(format!("stalls at {}", stretches(&found.stalls)));
    }
    if let Some(last) = found.early_stop {
        let n = piece.spoken.phonemes.phonemes.len();
        parts.push(format!("stops early, at symbol {} of {n}", last + 1));
    }
    let parts = parts.join(", ");
    Some(sentence.map_or_else(|| parts.clone(), |n| format!("sentence {n} {parts}")))
}

/// Words with the numbers of their symbols that were passed over.
fn skipped(piece: &Piece, skipped: &[usize]) -> String {
    let sequence = &piece.spoken.phonemes;
    let mut groups: Vec<(Option<usize>, Vec<usize>)> = Vec::new();
    for &at in skipped {
        let word = sequence.phonemes.get(at).and_then(|phoneme| phoneme.word_idx);
        match groups.last_mut() {
            Some((last, symbols)) if *last == word => symbols.push(at),
            _ => groups.push((word, vec![at])),
        }
    }
    let name = |(word, symbols): &(Option<usize>, Vec<usize>)| {
        let numbers: Vec<String> = symbols.iter().map(|at| (at + 1).to_string()).collect();
        let plural = if symbols.len() > 1 { "symbols" } else { "symbol" };
        let word = word.and_then(|idx| sequence.words.get(idx));
        let said: Vec<&str> = symbols
            .iter()
            .filter_map(|at| Some(sequence.phonemes.get(*at)?.symbol.as_str()))
            .collect();
        let place = format!("{plural} {}", numbers.join(", "));
        match word {
            // A word of which something was said is not skipped as a whole.
            Some(word) if word.phonemes.len() > symbols.len() => {
                format!("{} of “{}” ({place})", said.join(" "), word.text)
            }
            Some(word) => format!("“{}” ({place})", word.text),
            None => format!("{} ({place})", said.join(" ")),
        }
    };
    groups.iter().map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ui::speak::example;

    /// A sentence in which each step looks at one phoneme only.
    fn piece(looks: &[usize], frames_per_step: usize, start_secs: f64) -> Piece {
        let mut piece = example::take(1.0).pieces.remove(0);
        let mut spoken = piece.spoken.as_ref().clone();
        let n_phonemes = spoken.phonemes.phonemes.len();
        let mut weights = vec![0.0; looks.len() * n_phonemes];
        for (row, &at) in weights.chunks_exact_mut(n_phonemes).zip(looks) {
            row[at] = 1.0;
        }
        spoken.attention = Some(Attention { weights, n_phonemes, frames_per_step });
        piece.spoken = Arc::new(spoken);
        piece.start_secs = start_secs;
        piece
    }

    fn n_phonemes() -> usize {
        example::take(1.0).pieces[0].spoken.phonemes.phonemes.len()
    }

    #[test]
    fn a_clean_sentence_says_so_and_a_voice_that_does_not_look_says_nothing() {
        let all: Vec<usize> = (0..n_phonemes()).collect();
        let faults = Faults::of(&[piece(&all, 1, 0.0)]).unwrap();
        assert_eq!(
            faults,
            Faults { marks: Vec::new(), words: "no skips, repeats or stalls".into() }
        );
        assert_eq!(Faults::of(&example::take(1.0).pieces), None);
    }

    #[test]
    fn what_is_skipped_is_told_by_word_and_symbol() {
        // The words are "the", "birch" and so on: DH AH0 B ER1 CH.
        let partly: Vec<usize> = (0..n_phonemes()).filter(|at| *at != 3).collect();
        let faults = Faults::of(&[piece(&partly, 2, 0.0)]).unwrap();
        assert_eq!(faults.words, "skips ER1 of “birch” (symbol 4)");
        let wholly: Vec<usize> = (0..n_phonemes()).filter(|at| !(2..5).contains(at)).collect();
        let faults = Faults::of(&[piece(&partly, 2, 0.0), piece(&wholly, 2, 1.0)]).unwrap();
        assert_eq!(
            faults.words,
            "sentence 1 skips ER1 of “birch” (symbol 4); sentence 2 skips “birch” (symbols 3, 4, 5)"
        );
        let skips: Vec<Fault> = faults.marks.iter().map(|mark| mark.fault).collect();
        let second = [2, 3, 4].map(|at| Fault::Skip(n_phonemes() + at));
        assert_eq!(skips, [&[Fault::Skip(3)], second.as_slice()].concat());
        assert!(faults.marks[1].start_secs >= 1.0);
    }

    #[test]
    fn repeats_and_stalls_have_their_times() {
        let mut looks: Vec<usize> = (0..n_phonemes()).collect();
        // Rests for long on the fourth symbol, then says the second once more.
        looks.splice(3..4, std::iter::repeat_n(3, 80).chain([1, 3]));
        let faults = Faults::of(&[piece(&looks, 2, 0.5)]).unwrap();
        let step_secs = 2.0 * 256.0 / 22_050.0;
        let stall = faults.marks.iter().find(|mark| mark.fault == Fault::Stall).unwrap();
        assert!((stall.start_secs - (0.5 + 3.0 * step_secs)).abs() < 1e-9, "{stall:?}");
        assert!((stall.end_secs - (0.5 + 83.0 * step_secs)).abs() < 1e-9, "{stall:?}");
        let repeat = faults.marks.iter().find(|mark| mark.fault == Fault::Repeat).unwrap();
        assert!((repeat.start_secs - stall.end_secs).abs() < 1e-9);
        let (a, b, c) = (stall.start_secs, stall.end_secs, repeat.end_secs);
        assert_eq!(faults.words, format!("repeats at {b:.2}–{c:.2} s, stalls at {a:.2}–{b:.2} s"));
    }
}

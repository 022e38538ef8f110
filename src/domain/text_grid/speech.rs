//! Spoken sentences as a TextGrid: words and phones.

use super::{TextGrid, TextGridInterval, TextGridTier};
use crate::domain::{Alignment, PhonemeSequence};

/// A sentence at its place in the sound.
#[derive(Debug, Clone, Copy)]
pub struct SpokenSpan<'a> {
    /// Where its first frame begins.
    pub start_secs: f64,
    /// From one frame to the next.
    pub frame_secs: f64,
    /// Its words and phonemes.
    pub phonemes: &'a PhonemeSequence,
    /// Frames of each phoneme.
    pub alignment: &'a Alignment,
}

impl TextGrid {
    /// The words and phones of a sound of `end_secs`. Spaces between words are called `sp`, edges of
    /// a sentence `<s>` and `</s>`, marks as themselves.
    pub fn of_speech(spans: &[SpokenSpan<'_>], end_secs: f64) -> Self {
        let mut words = TextGridTier { name: "words".to_owned(), intervals: Vec::new() };
        let mut phones = TextGridTier { name: "phones".to_owned(), intervals: Vec::new() };
        let mut end_of_all = end_secs;
        for span in spans {
            let boundaries = span.alignment.boundaries();
            let secs = |idx: usize| {
                let frame_idx = boundaries.get(idx).or(boundaries.last()).copied().unwrap_or(0);
                span.start_secs + frame_idx as f64 * span.frame_secs
            };
            let interval = |from: usize, to: usize, label: &str| TextGridInterval {
                start_secs: secs(from),
                end_secs: secs(to),
                label: label.to_owned(),
            };
            for (idx, phoneme) in span.phonemes.phonemes.iter().enumerate() {
                phones.intervals.push(interval(idx, idx + 1, phone(&phoneme.symbol)));
            }
            for word in &span.phonemes.words {
                words.intervals.push(interval(word.phonemes.start, word.phonemes.end, &word.text));
            }
            end_of_all = end_of_all.max(secs(span.phonemes.phonemes.len()));
        }
        Self { end_secs: end_of_all, tiers: vec![words, phones] }
    }
}

/// A symbol as it is called in a TextGrid.
pub(super) fn phone(symbol: &str) -> &str {
    match symbol {
        "^" => "<s>",
        "$" | "~" => "</s>",
        "_" => "sil",
        _ if symbol.trim().is_empty() => "sp",
        _ => symbol,
    }
}

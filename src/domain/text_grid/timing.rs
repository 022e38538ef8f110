//! The durations that a TextGrid gives the phonemes of a text.
//!
//! A boundary falls into the frame that lies nearest, so that frames neither come nor go over many
//! phones; as the preparation of SpeechBrain's FastSpeech 2 takes over alignments of the Montreal
//! Forced Aligner.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{TextGrid, TextGridInterval, speech::phone};
use crate::domain::{Phoneme, PhonemeSequence};

/// What other programs call silence.
const SILENCE: [&str; 8] = ["", "sil", "sp", "spn", "pau", "<eps>", "<s>", "</s>"];

/// When each phone of a text is to be heard, over all of its sentences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhoneTiming {
    /// In order; silence among them.
    pub phones: Vec<TextGridInterval>,
}

/// Why a TextGrid does not fit a text.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum TimingError {
    /// There is no tier of phones.
    #[error("the TextGrid has no tier of phones, only {0}; name one \"phones\"")]
    NoPhones(String),
    /// Another phone than the text has.
    #[error(
        "the TextGrid does not fit the text: it has {found} at {at_secs:.2} s where the text has {expected}"
    )]
    Other {
        /// In the grid.
        found: String,
        /// When.
        at_secs: f64,
        /// In the text.
        expected: String,
    },
    /// The grid ends before the text.
    #[error("the TextGrid does not fit the text: it ends where the text has {0}")]
    Short(String),
    /// The text ends before the grid.
    #[error(
        "the TextGrid does not fit the text: it has {found} at {at_secs:.2} s where the text has ended"
    )]
    Long {
        /// In the grid.
        found: String,
        /// When.
        at_secs: f64,
    },
    /// No phone takes any time.
    #[error("the TextGrid gives a sentence of the text no time")]
    Empty,
}

impl PhoneTiming {
    /// The phones of a grid: those of the tier named `phones` or `phonemes`, also after a speaker's
    /// name; of a grid with one tier those of that.
    ///
    /// # Errors
    /// If there is no such tier.
    pub fn of(grid: TextGrid) -> Result<Self, TimingError> {
        let is_phones = |name: &str| {
            let name = name.to_lowercase();
            let kind = name.rsplit('-').next().unwrap_or_default().trim();
            matches!(kind, "phones" | "phone" | "phonemes" | "phoneme")
        };
        let at = grid.tiers.iter().position(|tier| is_phones(&tier.name));
        let at = at.or((grid.tiers.len() == 1).then_some(0));
        let mut tiers = grid.tiers;
        match at {
            Some(at) => Ok(Self { phones: tiers.swap_remove(at).intervals }),
            None if tiers.is_empty() => Err(TimingError::NoPhones("none at all".to_owned())),
            None => {
                let names: Vec<String> =
                    tiers.iter().map(|tier| format!("\"{}\"", tier.name)).collect();
                Err(TimingError::NoPhones(names.join(", ")))
            }
        }
    }

    /// Frames of each phoneme, sentence by sentence.
    ///
    /// # Errors
    /// If the phones are not those of the text.
    pub fn durations(
        &self,
        sentences: &[PhonemeSequence],
        frame_secs: f64,
    ) -> Result<Vec<Vec<u32>>, TimingError> {
        let mut phones = Phones { left: &self.phones, frame_secs };
        let mut all = Vec::with_capacity(sentences.len());
        for sentence in sentences {
            let durations = phones.sentence(sentence)?;
            if durations.iter().all(|&frames| frames == 0) {
                return Err(TimingError::Empty);
            }
            all.push(durations);
        }
        match phones.left.iter().find(|phone| !is_silent(&phone.label)) {
            None => Ok(all),
            Some(phone) => Err(TimingError::Long {
                found: format!("\"{}\"", phone.label),
                at_secs: phone.start_secs,
            }),
        }
    }
}

/// Phones that no phoneme has taken yet.
struct Phones<'a> {
    left: &'a [TextGridInterval],
    frame_secs: f64,
}

impl Phones<'_> {
    fn sentence(&mut self, sentence: &PhonemeSequence) -> Result<Vec<u32>, TimingError> {
        let phonemes = &sentence.phonemes;
        let mut durations = vec![0; phonemes.len()];
        let mut at = 0;
        loop {
            let spoken = phonemes[at..].iter().position(|phoneme| phoneme.word_idx.is_some());
            let end = spoken.map_or(phonemes.len(), |n| at + n);
            self.pauses(phonemes, at, end, &mut durations);
            if end == phonemes.len() {
                return Ok(durations);
            }
            let expected = || {
                let phoneme = &phonemes[end];
                let word = phoneme.word_idx.and_then(|idx| sentence.words.get(idx));
                let of = word.map_or_else(String::new, |word| format!(" of “{}”", word.text));
                format!("{}{of} (symbol {})", phoneme.symbol, end + 1)
            };
            let Some(phone) = self.left.first() else {
                return Err(TimingError::Short(expected()));
            };
            if !is_same(&phone.label, &phonemes[end].symbol) {
                let found = if is_silent(&phone.label) {
                    "silence".to_owned()
                } else {
                    format!("\"{}\"", phone.label)
                };
                let at_secs = phone.start_secs;
                return Err(TimingError::Other { found, at_secs, expected: expected() });
            }
            durations[end] = self.take();
            at = end + 1;
        }
    }

    /// Silence goes to the pauses and marks between `at` and `end`: to the one that is called the
    /// same, else to the first mark, else to the first of them.
    fn pauses(&mut self, phonemes: &[Phoneme], at: usize, end: usize, durations: &mut [u32]) {
        let mut next = at;
        let is_leading = at == 0;
        while let Some(label) = self.left.first().map(|phone| phone.label.as_str()) {
            // The edge at which a sentence begins is never that of the one before.
            if !is_silent(label) || label == "<s>" && !is_leading {
                return;
            }
            let same = (next..end).find(|&idx| phone(&phonemes[idx].symbol) == label);
            if let Some(idx) = same {
                durations[idx] += self.take();
                next = idx + 1;
                continue;
            }
            // What follows a sentence that has its silence already is the next one's.
            if end == phonemes.len() && next > at {
                return;
            }
            if at == end {
                if !is_leading {
                    return;
                }
                // A sentence without an edge begins with its first sound.
                self.take();
                continue;
            }
            let is_mark = |idx: &usize| is_mark(&phonemes[*idx].symbol);
            let idx = (at..end).find(is_mark).unwrap_or(at);
            durations[idx] += self.take();
            next = next.max(idx + 1);
        }
    }

    /// Frames of the next phone, which is taken.
    fn take(&mut self) -> u32 {
        let Some((phone, left)) = self.left.split_first() else { return 0 };
        self.left = left;
        let frame = |secs: f64| (secs / self.frame_secs).round_ties_even();
        (frame(phone.end_secs) - frame(phone.start_secs)).max(0.0) as u32
    }
}

fn is_mark(symbol: &str) -> bool {
    matches!(symbol, "," | "." | "?" | "!" | ";" | ":" | "spn")
}

fn is_silent(label: &str) -> bool {
    let label = label.trim();
    is_mark(label) || SILENCE.iter().any(|silence| silence.eq_ignore_ascii_case(label))
}

/// Whether a phone is that phoneme; stress is not told by every aligner.
fn is_same(label: &str, symbol: &str) -> bool {
    let bare = |text: &str| text.trim().trim_end_matches(['0', '1', '2']).to_uppercase();
    label == symbol || !is_silent(label) && bare(label) == bare(symbol)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::SpokenSpan, *};
    use crate::domain::{Alignment, Word, WordOrigin};

    const FRAME_SECS: f64 = 256.0 / 22_050.0;

    /// A sentence of words that are phonemes a space apart; a word that is a mark is one.
    fn sentence(words: &[&str]) -> PhonemeSequence {
        let mut sequence = PhonemeSequence::default();
        let push = |sequence: &mut PhonemeSequence, symbol: &str, word_idx| {
            sequence.phonemes.push(Phoneme { symbol: symbol.to_owned(), id: 0, word_idx });
        };
        push(&mut sequence, "^", None);
        for (at, word) in words.iter().enumerate() {
            if is_mark(word) {
                push(&mut sequence, word, None);
                continue;
            }
            if at > 0 {
                push(&mut sequence, " ", None);
            }
            let (start, word_idx) = (sequence.phonemes.len(), sequence.words.len());
            for symbol in word.split(' ') {
                push(&mut sequence, symbol, Some(word_idx));
            }
            let phonemes = start..sequence.phonemes.len();
            sequence.words.push(Word {
                text: word.to_lowercase(),
                phonemes,
                origin: WordOrigin::Dictionary,
            });
        }
        push(&mut sequence, "$", None);
        sequence
    }

    fn two_sentences() -> [PhonemeSequence; 2] {
        [
            sentence(&["DH AH0", "B ER1 CH", ",", "K AH0 N UW1", "."]),
            sentence(&["S L IH1 D", "AA1 N", "."]),
        ]
    }

    fn timing(phones: &[(&str, f64)]) -> PhoneTiming {
        let mut at = 0.0;
        let interval = |(label, secs): &(&str, f64)| {
            let start_secs = at;
            at += secs;
            TextGridInterval { start_secs, end_secs: at, label: (*label).to_owned() }
        };
        PhoneTiming { phones: phones.iter().map(interval).collect() }
    }

    proptest! {
        #[test]
        fn a_grid_of_speech_gives_its_durations_back(
            frames in prop::collection::vec(0_u32..30, 40),
        ) {
            let sentences = two_sentences();
            let mut frames = frames.into_iter();
            let mut start_secs = 0.0;
            let alignments: Vec<Alignment> = sentences.iter().map(|sentence| {
                // What is said takes some time; pauses may take none.
                let durations = sentence.phonemes.iter().map(|phoneme| {
                    frames.next().unwrap() + u32::from(phoneme.word_idx.is_some())
                });
                Alignment { durations: durations.collect() }
            }).collect();
            let spans: Vec<SpokenSpan<'_>> = sentences.iter().zip(&alignments).map(|(phonemes, alignment)| {
                let span = SpokenSpan { start_secs, frame_secs: FRAME_SECS, phonemes, alignment };
                start_secs += alignment.n_frames() as f64 * FRAME_SECS;
                span
            }).collect();
            let written = TextGrid::of_speech(&spans, start_secs).to_long_text();
            let timing = PhoneTiming::of(TextGrid::read(written.as_bytes()).unwrap()).unwrap();
            let durations = timing.durations(&sentences, FRAME_SECS).unwrap();
            for (found, alignment) in durations.iter().zip(&alignments) {
                prop_assert_eq!(found, &alignment.durations);
            }
        }
    }

    #[test]
    fn an_aligners_silence_goes_to_pauses_and_stress_does_not_matter() {
        let sentences = [sentence(&["DH AH0", ",", "K AA1", "."])];
        // As the Montreal Forced Aligner has it: no edges, no marks.
        let timing = timing(&[
            ("", 0.1),
            ("dh", 0.1),
            ("AH", 0.1),
            ("sil", 0.2),
            ("K", 0.1),
            ("AA1", 0.1),
            ("", 0.3),
        ]);
        // ^ DH AH0 , (space) K AA1 . $
        let expected = [vec![10, 10, 10, 20, 0, 10, 10, 30, 0]];
        assert_eq!(timing.durations(&sentences, 0.01).unwrap(), expected);
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        let sentences = [sentence(&["DH AH0", "K AA1"])];
        let refusal = |phones: &[(&str, f64)]| {
            timing(phones).durations(&sentences, 0.01).unwrap_err().to_string()
        };
        let text = "the TextGrid does not fit the text: it";
        assert_eq!(
            refusal(&[("DH", 0.1), ("IY", 0.1)]),
            format!("{text} has \"IY\" at 0.10 s where the text has AH0 of “dh ah0” (symbol 3)")
        );
        assert_eq!(
            refusal(&[("DH", 0.1), ("", 0.1), ("AH", 0.1)]),
            format!("{text} has silence at 0.10 s where the text has AH0 of “dh ah0” (symbol 3)")
        );
        assert_eq!(
            refusal(&[("DH", 0.1), ("AH", 0.1), ("K", 0.1)]),
            format!("{text} ends where the text has AA1 of “k aa1” (symbol 6)")
        );
        assert_eq!(
            refusal(&[("DH", 0.1), ("AH", 0.1), ("K", 0.1), ("AA", 0.1), ("", 0.1), ("B", 0.1)]),
            format!("{text} has \"B\" at 0.50 s where the text has ended")
        );
        let nothing = [("DH", 0.0), ("AH", 0.0), ("K", 0.0), ("AA", 0.0)];
        assert_eq!(refusal(&nothing), "the TextGrid gives a sentence of the text no time");
    }

    #[test]
    fn the_tier_of_phones_is_found_by_its_name_or_because_it_is_alone() {
        let tier = |name: &str, label: &str| super::super::TextGridTier {
            name: name.to_owned(),
            intervals: timing(&[(label, 0.1)]).phones,
        };
        let of = |tiers| PhoneTiming::of(TextGrid { end_secs: 0.1, tiers });
        let label = |tiers| of(tiers).unwrap().phones[0].label.clone();
        assert_eq!(label(vec![tier("words", "the"), tier("speaker - Phones", "DH")]), "DH");
        assert_eq!(label(vec![tier("mine", "DH")]), "DH");
        let names = "\"words\", \"notes\"".to_owned();
        let none = of(vec![tier("words", "a"), tier("notes", "b")]);
        assert_eq!(none, Err(TimingError::NoPhones(names)));
    }
}

//! How a word is said, alone and among others.
//!
//! The rules are those of `models/recipes/lib/frontend.py`, which made the bundled voice's training
//! data: words that are no dictionary's, weak forms, the dictionary, possessives, a few suffixes,
//! and at last the neural guess.

use crate::{
    domain::{Pronunciations, WordOrigin},
    tts::{
        symbols::is_vowel,
        text::{
            g2p::G2p,
            lexicon::Lexicon,
            weak_forms::{is_full_at_the_end, is_secondary_at_the_end, weak_form},
        },
    },
};

/// Words newer than the dictionary.
const ADDED: [(&str, &str); 2] = [("onnx", "AA1 N IH0 K S"), ("piper", "P AY1 P ER0")];

/// Endings that keep the stem's sound.
const SUFFIXES: [(&str, &str); 5] = [
    ("ly", "L IY0"),
    ("ness", "N AH0 S"),
    ("less", "L AH0 S"),
    ("ing", "IH0 NG"),
    ("ful", "F AH0 L"),
];

/// Stems must be longer than this.
const SHORTEST_STEM: usize = 2;

/// The phonemes of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pronunciation {
    /// ARPAbet with stress.
    pub phonemes: Vec<String>,
    /// Who knew it.
    pub origin: WordOrigin,
    /// The word of the user's dictionary that it comes from.
    pub own_word: Option<String>,
}

/// What follows a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next<'a> {
    /// A mark, or the end.
    Mark,
    /// Another word.
    Word(&'a str),
    /// A word whose first phoneme is known already.
    Said(&'a str),
}

/// Knows words, and guesses the others.
#[derive(Debug)]
pub struct Pronouncer {
    lexicon: &'static Lexicon,
    g2p: G2p,
}

impl Pronouncer {
    /// With the embedded dictionary.
    pub fn new(g2p: G2p) -> Self {
        Self { lexicon: Lexicon::shared(), g2p }
    }

    /// A word in its place; `n_words` is how many the sentence has. What the user has said of it in
    /// `own` stands above everything else.
    pub fn in_context(
        &self,
        word: &str,
        next: Next<'_>,
        n_words: usize,
        own: &Pronunciations,
    ) -> Pronunciation {
        if let Some(said) = Self::own(word, own) {
            return said;
        }
        let bare = if self.lexicon.contains(word) { word } else { word.trim_end_matches('\'') };
        let mut said = self.alone(bare);
        match next {
            Next::Mark if is_full_at_the_end(word) => {
                if let Some(full) = self.look_up(word) {
                    said.phonemes = full;
                }
                if n_words > 1 && is_secondary_at_the_end(word) {
                    for phoneme in &mut said.phonemes {
                        if let Some(vowel) = phoneme.strip_suffix('1') {
                            *phoneme = format!("{vowel}2");
                        }
                    }
                }
            }
            Next::Word(_) | Next::Said(_)
                if matches!(word, "the" | "to" | "into") && self.begins_with_vowel(next, own) =>
            {
                said.phonemes.pop();
                said.phonemes.push(if word == "the" { "IY0" } else { "UW0" }.to_owned());
            }
            _ => (),
        }
        said
    }

    /// A word by itself, function words in their weak form.
    pub fn alone(&self, word: &str) -> Pronunciation {
        let added = ADDED.iter().find(|(added, _)| *added == word).map(|(_, phonemes)| *phonemes);
        let known = added
            .or_else(|| weak_form(word))
            .map(list)
            .or_else(|| self.look_up(word))
            .or_else(|| self.possessive(word))
            .or_else(|| self.with_suffix(word));
        if let Some(phonemes) = known {
            return Pronunciation { phonemes, origin: WordOrigin::Dictionary, own_word: None };
        }
        let letters: String = word.chars().filter(char::is_ascii_lowercase).collect();
        let phonemes = self.g2p.phonemes(&letters);
        Pronunciation { phonemes, origin: WordOrigin::Guessed, own_word: None }
    }

    /// A word, or the owner of something, as the user wants it said.
    pub fn own(word: &str, own: &Pronunciations) -> Option<Pronunciation> {
        let find = |word: &str| Some((own.of(word)?.to_vec(), word.to_owned()));
        let (phonemes, own_word) = find(word)
            .or_else(|| {
                let (mut phonemes, owner) = find(word.strip_suffix("'s")?)?;
                phonemes.extend(list(possessive_ending(&phonemes)));
                Some((phonemes, owner))
            })
            .or_else(|| find(word.strip_suffix('\'')?))?;
        Some(Pronunciation { phonemes, origin: WordOrigin::Own, own_word: Some(own_word) })
    }

    fn begins_with_vowel(&self, next: Next<'_>, own: &Pronunciations) -> bool {
        let first = |said: Pronunciation| said.phonemes.into_iter().next();
        match next {
            Next::Mark => false,
            Next::Said(first) => is_vowel(first),
            Next::Word(word) => {
                let said = Self::own(word, own).unwrap_or_else(|| self.alone(word));
                first(said).is_some_and(|first| is_vowel(&first))
            }
        }
    }

    fn look_up(&self, word: &str) -> Option<Vec<String>> {
        Some(self.lexicon.phonemes(word)?.map(str::to_owned).collect())
    }

    /// `dog's`, with the ending that its last sound asks for, and `dogs'`.
    fn possessive(&self, word: &str) -> Option<Vec<String>> {
        if let Some(owner) = word.strip_suffix("'s")
            && let Some(mut phonemes) = self.look_up(owner)
        {
            phonemes.extend(list(possessive_ending(&phonemes)));
            return Some(phonemes);
        }
        self.look_up(word.strip_suffix('\'')?)
    }

    fn with_suffix(&self, word: &str) -> Option<Vec<String>> {
        SUFFIXES.iter().find_map(|(suffix, ending)| {
            let stem = word.strip_suffix(suffix).filter(|stem| stem.len() > SHORTEST_STEM)?;
            let mut phonemes = self.look_up(stem)?;
            phonemes.extend(list(ending));
            Some(phonemes)
        })
    }
}

/// What an `'s` is after these phonemes.
fn possessive_ending(phonemes: &[String]) -> &'static str {
    match phonemes.last().map(String::as_str) {
        Some("S" | "Z" | "SH" | "ZH" | "CH" | "JH") => "IH0 Z",
        Some("P" | "T" | "K" | "F" | "TH") => "S",
        _ => "Z",
    }
}

fn list(phonemes: &str) -> Vec<String> {
    phonemes.split(' ').map(str::to_owned).collect()
}

//! Phonemes in their words.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// One symbol that an acoustic model speaks: ARPAbet with its stress, a pause or a mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phoneme {
    /// As in the model's symbol table: `AH0`, `K`, `,`, ` `.
    pub symbol: String,
    /// The symbol's row in the embedding.
    pub id: u32,
    /// Index into [`PhonemeSequence::words`]; `None` for pauses, marks and edges.
    pub word_idx: Option<usize>,
}

/// A word as it was written and as it is spoken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// The normalized spelling: `twenty`, `dr`.
    pub text: String,
    /// Its phonemes, as indices into [`PhonemeSequence::phonemes`].
    pub phonemes: Range<usize>,
    /// Where its pronunciation comes from.
    #[serde(default)]
    pub origin: WordOrigin,
}

/// Who knew how a word is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WordOrigin {
    /// The dictionary that Formant brings.
    #[default]
    Dictionary,
    /// The neural G2P, since no dictionary has the word.
    Guessed,
    /// The user's own dictionary.
    Own,
    /// The text itself, in braces.
    Inline,
}

/// One sentence, ready to be spoken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhonemeSequence {
    /// The sentence with numbers and abbreviations spelled out.
    pub normalized: String,
    /// What the model is given, in order.
    pub phonemes: Vec<Phoneme>,
    /// The words among them, in order.
    pub words: Vec<Word>,
    /// Characters of the text, and symbols, that have no sound with this voice; each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// Words of the user's dictionary that were used; each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_words: Vec<String>,
}

impl PhonemeSequence {
    /// The embedding rows, in order.
    pub fn ids(&self) -> Vec<u32> {
        self.phonemes.iter().map(|phoneme| phoneme.id).collect()
    }
}

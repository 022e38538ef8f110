//! Words with pronunciations of the user's own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ArpabetError, parse_arpabet};

/// Words, in lower case, and how they are said; in files a map of words to ARPAbet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Pronunciations(BTreeMap<String, Vec<String>>);

/// Why a word cannot stand in a dictionary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PronunciationError {
    /// It is no single word.
    #[error(
        "{word:?} is no single word of letters, digits and apostrophes; give each of its parts an \
         entry of its own"
    )]
    Word {
        /// As typed.
        word: String,
    },
    /// Its pronunciation cannot be read.
    #[error(transparent)]
    Phonemes(#[from] ArpabetError),
}

impl Pronunciations {
    /// The form in which a word is looked up.
    ///
    /// # Errors
    /// If it is not a single word.
    pub fn key(word: &str) -> Result<String, PronunciationError> {
        let key = word.trim().to_lowercase().replace('’', "'");
        let is_word = key.chars().all(|c| c.is_alphanumeric() || c == '\'')
            && key.contains(char::is_alphanumeric)
            && !key.starts_with('\'');
        if is_word { Ok(key) } else { Err(PronunciationError::Word { word: word.to_owned() }) }
    }

    /// Gives a word a pronunciation, written in ARPAbet.
    ///
    /// # Errors
    /// If either cannot be read.
    pub fn set(&mut self, word: &str, phonemes: &str) -> Result<(), PronunciationError> {
        self.0.insert(Self::key(word)?, parse_arpabet(phonemes)?);
        Ok(())
    }

    /// Takes a word out, if it is there.
    pub fn remove(&mut self, word: &str) -> Option<Vec<String>> {
        self.0.remove(word)
    }

    /// How a word, in lower case, is said.
    pub fn of(&self, word: &str) -> Option<&[String]> {
        self.0.get(word).map(Vec::as_slice)
    }

    /// All words in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(word, phonemes)| (word.as_str(), phonemes.as_slice()))
    }

    /// Only these words of it.
    #[must_use]
    pub fn only(&self, words: &[String]) -> Self {
        let kept = self.0.iter().filter(|(word, _)| words.contains(word));
        Self(kept.map(|(word, phonemes)| (word.clone(), phonemes.clone())).collect())
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeMap<String, String>> for Pronunciations {
    type Error = PronunciationError;

    fn try_from(words: BTreeMap<String, String>) -> Result<Self, PronunciationError> {
        let mut pronunciations = Self::default();
        for (word, phonemes) in words {
            pronunciations.set(&word, &phonemes)?;
        }
        Ok(pronunciations)
    }
}

impl From<Pronunciations> for BTreeMap<String, String> {
    fn from(pronunciations: Pronunciations) -> Self {
        pronunciations.0.into_iter().map(|(word, said)| (word, said.join(" "))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_however_it_was_written() {
        let mut own = Pronunciations::default();
        own.set(" GIF ", "jh ih1 f").unwrap();
        own.set("O’Neil", "OW0 N IY1 L").unwrap();
        assert_eq!(own.of("gif").unwrap(), ["JH", "IH1", "F"]);
        assert!(own.of("o'neil").is_some());
        for word in ["", "two words", "e-mail", "'", "a.b"] {
            assert!(own.set(word, "AH0").is_err(), "{word}");
        }
    }

    #[test]
    fn they_are_a_map_in_a_file_and_what_is_wrong_there_is_refused() {
        let mut own = Pronunciations::default();
        own.set("gif", "JH IH1 F").unwrap();
        let written = serde_json::to_string(&own).unwrap();
        assert_eq!(written, r#"{"gif":"JH IH1 F"}"#);
        assert_eq!(serde_json::from_str::<Pronunciations>(&written).unwrap(), own);
        assert!(serde_json::from_str::<Pronunciations>(r#"{"gif":"J"}"#).is_err());
    }
}

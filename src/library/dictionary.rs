//! The user's dictionary: a plain file in CMUdict's format, `word PH PH …`, that people may edit, too.
//!
//! Lines that begin with `;` or `#`, and empty ones, are remarks and stay where they are; what
//! follows a `#` behind a pronunciation is one, too.

use std::{fs, io, path::Path};

use crate::{
    domain::{PronunciationError, Pronunciations},
    files,
};

/// What stands on top of a file that Formant begins.
const HEADING: &str = ";;; Pronunciations of your own: a word, then its ARPAbet phonemes.";

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dictionary {
    lines: Vec<Line>,
    words: Pronunciations,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    text: String,
    /// The word that it is about.
    word: Option<String>,
}

/// Why the dictionary cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DictionaryError {
    /// The file cannot be read.
    #[error("cannot read the dictionary ({why}): {path}")]
    Unreadable {
        /// What the system says.
        why: io::Error,
        /// Which file.
        path: String,
    },
    /// A line of it is no pronunciation.
    #[error("line {line} of the dictionary cannot be used, mend or remove it: {why}: {path}")]
    Line {
        /// Which, from one.
        line: usize,
        /// What is wrong.
        why: String,
        /// Which file.
        path: String,
    },
    /// The file cannot be written.
    #[error("cannot write the dictionary ({why}){}: {path}", files::advice(why))]
    Unwritten {
        /// What the system says.
        why: io::Error,
        /// Which file.
        path: String,
    },
}

impl Dictionary {
    /// Reads a dictionary; a file that is not there is an empty one.
    ///
    /// # Errors
    /// If the file cannot be read, or a line of it cannot be used.
    pub fn read(path: &Path) -> Result<Self, DictionaryError> {
        let shown = || path.display().to_string();
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            read => read.map_err(|why| DictionaryError::Unreadable { why, path: shown() })?,
        };
        Self::parse(&String::from_utf8_lossy(&bytes)).map_err(|(line, why)| DictionaryError::Line {
            line,
            why,
            path: shown(),
        })
    }

    /// Reads its text; what is wrong comes with its line.
    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut dictionary = Self::default();
        for (at, text) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let said = text.split('#').next().unwrap_or(text).trim();
            let word = if said.is_empty() || said.starts_with(';') {
                None
            } else {
                let (word, phonemes) = said.split_once(char::is_whitespace).unwrap_or((said, ""));
                let wrong = |why: PronunciationError| (at + 1, why.to_string());
                let key = Pronunciations::key(word).map_err(wrong)?;
                if dictionary.words.of(&key).is_some() {
                    return Err((at + 1, format!("{key} has a pronunciation above")));
                }
                dictionary.words.set(word, phonemes).map_err(wrong)?;
                Some(key)
            };
            dictionary.lines.push(Line { text: text.trim_end().to_owned(), word });
        }
        Ok(dictionary)
    }

    /// The words and how they are said.
    pub fn words(&self) -> &Pronunciations {
        &self.words
    }

    /// Gives a word a pronunciation, in place of the one that it had.
    ///
    /// # Errors
    /// If either cannot be read.
    pub fn set(&mut self, word: &str, phonemes: &str) -> Result<(), PronunciationError> {
        self.words.set(word, phonemes)?;
        let key = Pronunciations::key(word)?;
        let said = self.words.of(&key).unwrap_or_default().join(" ");
        let text = format!("{key} {said}");
        match self.lines.iter_mut().find(|line| line.word.as_ref() == Some(&key)) {
            Some(line) => line.text = text,
            None => self.lines.push(Line { text, word: Some(key) }),
        }
        Ok(())
    }

    /// Takes a word out; whether it was there.
    pub fn remove(&mut self, word: &str) -> bool {
        let Ok(key) = Pronunciations::key(word) else { return false };
        self.lines.retain(|line| line.word.as_ref() != Some(&key));
        self.words.remove(&key).is_some()
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// Whatever the system says, and what helps.
    pub fn write(&self, path: &Path) -> Result<(), DictionaryError> {
        files::write_atomically(path, self.text().as_bytes())
            .map_err(|why| DictionaryError::Unwritten { why, path: path.display().to_string() })
    }

    fn text(&self) -> String {
        let is_new = self.lines.iter().all(|line| line.word.is_some());
        let heading = is_new.then_some(HEADING);
        let lines = heading.into_iter().chain(self.lines.iter().map(|line| line.text.as_str()));
        lines.flat_map(|line| [line, "\n"]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_stay_and_words_are_replaced_where_they_stand() {
        let text = "; mine\ngif  G IH1 F # hard\n\n# later\nonyx AA1 N IH0 K S\n";
        let mut dictionary = Dictionary::parse(text).unwrap();
        assert_eq!(dictionary.text(), text);
        dictionary.set("GIF", "jh ih1 f").unwrap();
        dictionary.set("kubectl", "K Y UW1 B K AH0 T AH0 L").unwrap();
        assert!(dictionary.remove("Onyx") && !dictionary.remove("onyx"));
        let expected = "; mine\ngif JH IH1 F\n\n# later\nkubectl K Y UW1 B K AH0 T AH0 L\n";
        assert_eq!(dictionary.text(), expected);
        assert_eq!(Dictionary::parse(expected).unwrap(), dictionary);
    }

    #[test]
    fn a_file_is_written_whole_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/dictionary.txt");
        let mut dictionary = Dictionary::read(&path).unwrap();
        assert!(dictionary.words().is_empty());
        dictionary.set("gif", "JH IH1 F").unwrap();
        dictionary.write(&path).unwrap();
        let read = Dictionary::read(&path).unwrap();
        assert_eq!(read.words(), dictionary.words());
        assert!(fs::read_to_string(&path).unwrap().starts_with(";;; "));
        // Once more, and the heading is not doubled.
        read.write(&path).unwrap();
        assert_eq!(Dictionary::read(&path).unwrap(), read);
    }

    #[test]
    fn a_line_that_cannot_be_used_is_named() {
        for (text, part) in [
            ("a AH0\ngif\n", "line 2 of the dictionary"),
            ("gif J IH1 F\n", "J is no ARPAbet phoneme"),
            ("gif JH IH1 F\nGIF G IH1 F\n", "gif has a pronunciation above"),
            ("read(2) R EH1 D\n", "no single word"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("dictionary.txt");
            fs::write(&path, text).unwrap();
            let said = Dictionary::read(&path).unwrap_err().to_string();
            assert!(said.contains(part) && said.ends_with("dictionary.txt"), "{said}");
        }
    }
}

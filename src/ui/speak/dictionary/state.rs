//! What the window of pronunciations knows. Plain data: the page reads and writes the file.

use super::Marks;
use crate::{
    domain::{ArpabetError, Pronunciations, parse_arpabet},
    library::Dictionary,
};

/// Changes that can be taken back.
const MAX_UNDO: usize = 100;

/// How the dictionary stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum DictionaryFile {
    /// It was not read yet.
    #[default]
    Unread,
    /// As it is in the file, or will be as soon as it is written.
    Ready(Dictionary),
    /// It cannot be used: why. It is not written over.
    Broken(String),
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DictionaryState {
    /// Whether its window is open.
    pub is_open: bool,
    /// The dictionary.
    pub file: DictionaryFile,
    /// The word that is edited.
    pub word: String,
    /// How it is to be said, as typed.
    pub phonemes: String,
    /// The dictionary's words in the text.
    pub marks: Marks,
    /// Counts changes of the dictionary.
    revision: u64,
    /// Words and how they were said before, the last change on top.
    undo: Vec<(String, Option<String>)>,
    /// Whether a change is not in the file yet, nor on its way.
    is_unsaved: bool,
    /// Whether a version of it is being written.
    is_saving: bool,
}

impl DictionaryState {
    /// The words, if they were read.
    pub fn words(&self) -> Option<&Pronunciations> {
        match &self.file {
            DictionaryFile::Ready(dictionary) => Some(dictionary.words()),
            DictionaryFile::Unread | DictionaryFile::Broken(_) => None,
        }
    }

    /// Marks the dictionary's words in a text.
    pub fn mark(&mut self, text: &str) -> &Marks {
        let Self { file, marks, revision, .. } = self;
        let none = Pronunciations::default();
        let own = match file {
            DictionaryFile::Ready(dictionary) => dictionary.words(),
            DictionaryFile::Unread | DictionaryFile::Broken(_) => &none,
        };
        marks.of(text, own, *revision);
        marks
    }

    /// What the engine is to use while the file is not written yet; else it reads the file.
    pub fn ahead_of_file(&self) -> Option<Pronunciations> {
        (self.is_unsaved || self.is_saving).then(|| self.words().cloned()).flatten()
    }

    /// The file was read. What is not written yet stands above it.
    pub fn read(&mut self, outcome: Result<Dictionary, String>) {
        if self.is_unsaved || self.is_saving {
            return;
        }
        let file = match outcome {
            Ok(dictionary) => DictionaryFile::Ready(dictionary),
            Err(why) => DictionaryFile::Broken(why),
        };
        if file != self.file {
            self.file = file;
            self.revision += 1;
            // What was before is no longer what a change began from.
            self.undo.clear();
        }
    }

    /// Puts a word into the fields.
    pub fn edit(&mut self, word: &str, phonemes: &str) {
        word.clone_into(&mut self.word);
        phonemes.clone_into(&mut self.phonemes);
    }

    /// The phonemes in the field.
    ///
    /// # Errors
    /// What is wrong with them, and what to write instead.
    pub fn typed(&self) -> Result<Vec<String>, ArpabetError> {
        parse_arpabet(&self.phonemes)
    }

    /// Why the word in the fields cannot be kept.
    pub fn why_not_keep(&self) -> Option<String> {
        let Some(words) = self.words() else {
            return Some("The dictionary is not read".to_owned());
        };
        if self.word.trim().is_empty() {
            return Some("Type a word, or click one in a take".to_owned());
        }
        let key = match Pronunciations::key(&self.word) {
            Ok(key) => key,
            Err(why) => return Some(why.to_string()),
        };
        match self.typed() {
            Err(why) => Some(why.to_string()),
            Ok(typed) if words.of(&key) == Some(&typed) => {
                Some("It is in the dictionary as it stands here".to_owned())
            }
            Ok(_) => None,
        }
    }

    /// Puts the word in the fields into the dictionary.
    pub fn keep(&mut self) {
        if self.why_not_keep().is_none() {
            let (word, phonemes) = (self.word.clone(), self.phonemes.clone());
            self.change(&word, Some(&phonemes));
        }
    }

    /// Takes a word out of it.
    pub fn remove(&mut self, word: &str) {
        self.change(word, None);
    }

    /// Whether there is a change to take back.
    pub fn can_undo(&self) -> bool {
        !self.undo.is_empty()
    }

    /// Takes the last change back.
    pub fn undo(&mut self) {
        let Some((word, before)) = self.undo.pop() else { return };
        self.change(&word, before.as_deref());
        self.undo.pop();
    }

    fn change(&mut self, word: &str, phonemes: Option<&str>) {
        let DictionaryFile::Ready(dictionary) = &mut self.file else { return };
        let Ok(key) = Pronunciations::key(word) else { return };
        let before = dictionary.words().of(&key).map(|said| said.join(" "));
        let is_done = match phonemes {
            Some(phonemes) => dictionary.set(&key, phonemes).is_ok(),
            None => dictionary.remove(&key),
        };
        if is_done {
            self.undo.push((key, before));
            if self.undo.len() > MAX_UNDO {
                self.undo.remove(0);
            }
            self.revision += 1;
            self.is_unsaved = true;
        }
    }

    /// The dictionary, if it is to be written now. One version is written at a time.
    pub fn begin_save(&mut self) -> Option<Dictionary> {
        let DictionaryFile::Ready(dictionary) = &self.file else { return None };
        if !self.is_unsaved || self.is_saving {
            return None;
        }
        (self.is_unsaved, self.is_saving) = (false, true);
        Some(dictionary.clone())
    }

    /// A version was written, or not; then it is written again with the next change.
    pub fn end_save(&mut self) {
        self.is_saving = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> DictionaryState {
        let mut state = DictionaryState::default();
        state.read(Ok(Dictionary::default()));
        state
    }

    fn said(state: &DictionaryState, word: &str) -> Option<String> {
        state.words().unwrap().of(word).map(|said| said.join(" "))
    }

    #[test]
    fn a_word_is_kept_changed_removed_and_all_of_it_taken_back() {
        let mut state = ready();
        state.edit("GIF", "g ih1 f");
        state.keep();
        state.edit("gif", "JH IH1 F");
        state.keep();
        assert_eq!(said(&state, "gif").unwrap(), "JH IH1 F");
        state.remove("gif");
        assert_eq!(said(&state, "gif"), None);
        for before in [Some("JH IH1 F"), Some("G IH1 F"), None] {
            assert!(state.can_undo());
            state.undo();
            assert_eq!(said(&state, "gif").as_deref(), before);
        }
        assert!(!state.can_undo());
    }

    #[test]
    fn what_cannot_be_kept_says_why() {
        let mut state = ready();
        let mut why = |word: &str, phonemes: &str| {
            state.edit(word, phonemes);
            let why = state.why_not_keep();
            state.keep();
            why.unwrap_or_default()
        };
        assert!(why("", "").starts_with("Type a word"));
        assert!(why("two words", "AH0").contains("no single word"));
        assert!(why("gif", "JH IH F").contains("IH1 (primary)"));
        assert_eq!(why("gif", "JH IH1 F"), "");
        assert!(why("Gif", "jh ih1 f").contains("as it stands here"));
    }

    #[test]
    fn one_version_is_written_at_a_time_and_speech_does_not_wait_for_it() {
        let mut state = ready();
        assert!(state.begin_save().is_none() && state.ahead_of_file().is_none());
        state.edit("a", "AH0");
        state.keep();
        assert_eq!(state.begin_save().unwrap().words().len(), 1);
        state.edit("b", "B");
        state.keep();
        assert!(state.begin_save().is_none(), "the first is still being written");
        // What was read before the change is not taken for what is.
        state.read(Ok(Dictionary::default()));
        assert_eq!(state.ahead_of_file().unwrap().len(), 2);
        state.end_save();
        assert_eq!(state.begin_save().unwrap().words().len(), 2);
        state.end_save();
        assert!(state.begin_save().is_none() && state.ahead_of_file().is_none());
    }

    #[test]
    fn a_broken_file_is_not_written_over() {
        let mut state = DictionaryState::default();
        state.read(Err("line 3".to_owned()));
        state.edit("gif", "JH IH1 F");
        state.keep();
        assert!(state.why_not_keep().is_some() && state.begin_save().is_none());
    }
}

//! Text to the symbols of a voice.
//!
//! The sequence is that of `models/recipes/lib/frontend.py`, which the bundled voice was trained
//! with: `^`, words with a space between, marks right after words, `$`; a sentence without a last
//! mark gets a full stop. A voice that has other symbols gets what it has of these: vowels without
//! stress, `spn` for a mark, `~` for the last edge, nothing for a space or an edge. A voice that
//! has learned letters gets letters, and one that has learned the IPA gets that.

use crate::{
    domain::{Phoneme, PhonemeSequence, Word},
    tts::{
        Error, G2p, SymbolTable,
        symbols::{Writing, without_stress},
        text::{
            ipa::ipa,
            normalize::normalize,
            pronunciation::{Next, Pronouncer},
            sentences::split,
        },
    },
};

/// Marks that are heard; [`normalize`] turns the others into these.
const MARKS: [char; 6] = [',', '.', '?', '!', ';', ':'];

/// Text to sentences, sentences to phonemes.
#[derive(Debug)]
pub struct FrontEnd {
    pronouncer: Pronouncer,
}

/// A word in lower case, or a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Mark(char),
}

impl FrontEnd {
    /// With the embedded dictionary, and `g2p` for words it lacks.
    pub fn new(g2p: G2p) -> Self {
        Self { pronouncer: Pronouncer::new(g2p) }
    }

    /// The sentences of a text, in order, each short enough to be spoken in one piece.
    ///
    /// # Errors
    /// [`Error::EmptyText`] if nothing in it can be spoken.
    pub fn sentences(&self, text: &str) -> Result<Vec<String>, Error> {
        let sentences: Vec<_> =
            split(text).into_iter().filter(|sentence| is_speakable(sentence)).collect();
        if sentences.is_empty() { Err(Error::EmptyText) } else { Ok(sentences) }
    }

    /// The text with numbers, abbreviations and symbols spelled out.
    pub fn normalize(&self, text: &str) -> String {
        normalize(text)
    }

    /// A sentence as a voice speaks it.
    ///
    /// # Errors
    /// [`Error::EmptyText`] if nothing in it can be spoken with these symbols.
    pub fn phonemes(
        &self,
        sentence: &str,
        symbols: &SymbolTable,
    ) -> Result<PhonemeSequence, Error> {
        let mut writer = Writer::new(normalize(sentence), symbols);
        writer.sequence.left_out = unsaid(sentence);
        let tokens = tokens(&writer.sequence.normalized);
        let n_words = tokens.iter().filter(|token| matches!(token, Token::Word(_))).count();
        if n_words == 0 {
            return Err(Error::EmptyText);
        }
        writer.edge("^");
        for (at, token) in tokens.iter().enumerate() {
            match token {
                Token::Mark(mark) => writer.mark(*mark),
                Token::Word(word) => {
                    let next = match tokens.get(at + 1) {
                        Some(Token::Word(next)) => Next::Word(next),
                        Some(Token::Mark(_)) | None => Next::Mark,
                    };
                    let said = self.pronouncer.in_context(word, next, n_words);
                    writer.word(word, &said.phonemes, said.guessed);
                }
            }
        }
        writer.mark('.');
        writer.edge(if symbols.id("$").is_some() { "$" } else { "~" });
        if writer.sequence.words.iter().all(|word| word.phonemes.is_empty()) {
            return Err(Error::EmptyText);
        }
        Ok(writer.sequence)
    }
}

/// What was written last, which decides what may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Start,
    Word,
    Mark,
}

struct Writer<'a> {
    sequence: PhonemeSequence,
    symbols: &'a SymbolTable,
    last: Last,
}

impl<'a> Writer<'a> {
    fn new(normalized: String, symbols: &'a SymbolTable) -> Self {
        let sequence = PhonemeSequence { normalized, ..PhonemeSequence::default() };
        Self { sequence, symbols, last: Last::Start }
    }

    fn edge(&mut self, symbol: &str) {
        self.push(symbol, None);
    }

    /// Of several marks in a row the first is heard, and none before the first word.
    fn mark(&mut self, mark: char) {
        if self.last == Last::Word {
            self.push(mark.encode_utf8(&mut [0; 4]), None);
            self.last = Last::Mark;
        }
    }

    fn word(&mut self, text: &str, phonemes: &[String], guessed: bool) {
        if self.last != Last::Start {
            self.push(" ", None);
        }
        let (word_idx, start) = (self.sequence.words.len(), self.sequence.phonemes.len());
        match self.symbols.writing() {
            Writing::Arpabet => {
                for phoneme in phonemes {
                    self.push(phoneme, Some(word_idx));
                }
            }
            Writing::Letters => self.push_each(text, word_idx),
            Writing::Ipa => {
                for (at, phoneme) in phonemes.iter().enumerate() {
                    let next = phonemes.get(at + 1).map(String::as_str);
                    self.push_each(&ipa(phoneme, next), word_idx);
                }
            }
        }
        let phonemes = start..self.sequence.phonemes.len();
        self.sequence.words.push(Word { text: text.to_owned(), phonemes, guessed });
        self.last = Last::Word;
    }

    /// Writes each character.
    fn push_each(&mut self, characters: &str, word_idx: usize) {
        for character in characters.chars() {
            self.push(character.encode_utf8(&mut [0; 4]), Some(word_idx));
        }
    }

    /// Writes the symbol, or what the voice has instead, or nothing.
    fn push(&mut self, symbol: &str, word_idx: Option<usize>) {
        let is_mark = symbol.starts_with(MARKS);
        let written = [symbol, without_stress(symbol), if is_mark { "spn" } else { symbol }]
            .into_iter()
            .find_map(|symbol| Some((symbol, self.symbols.id(symbol)?)));
        if let Some((symbol, id)) = written {
            self.sequence.phonemes.push(Phoneme { symbol: symbol.to_owned(), id, word_idx });
        } else if word_idx.is_some() && !self.sequence.left_out.iter().any(|left| left == symbol) {
            self.sequence.left_out.push(symbol.to_owned());
        }
    }
}

/// Letters, digits and signs of a sentence that nothing is said for, each once.
fn unsaid(sentence: &str) -> Vec<String> {
    let is_said = |character: char| {
        let spelled = normalize(character.encode_utf8(&mut [0; 4]));
        spelled.contains(|c: char| c.is_ascii_alphabetic())
    };
    let mut unsaid: Vec<String> = Vec::new();
    for character in sentence.chars() {
        let text = character.to_string();
        if character.is_alphanumeric()
            && !character.is_ascii()
            && !unsaid.contains(&text)
            && !is_said(character)
        {
            unsaid.push(text);
        }
    }
    unsaid
}

/// Words (`[a-z]+('[a-z]+)*'?`) and marks; a long dash is a comma, a hyphen a space.
fn tokens(normalized: &str) -> Vec<Token> {
    let text = normalized.to_lowercase().replace('’', "'").replace('—', ", ").replace("--", ", ");
    let mut tokens = Vec::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let mut len = first.len_utf8();
        if MARKS.contains(&first) {
            tokens.push(Token::Mark(first));
        } else if first.is_ascii_lowercase() {
            len = word_len(rest.as_bytes());
            tokens.push(Token::Word(rest[..len].to_owned()));
        }
        rest = &rest[len..];
    }
    tokens
}

fn word_len(text: &[u8]) -> usize {
    let is_letter = |at: usize| text.get(at).is_some_and(u8::is_ascii_lowercase);
    let mut len = 0;
    loop {
        while is_letter(len) {
            len += 1;
        }
        if text.get(len) != Some(&b'\'') {
            return len;
        }
        len += 1;
        if !is_letter(len) {
            return len;
        }
    }
}

fn is_speakable(sentence: &str) -> bool {
    sentence.contains(|c: char| c.is_ascii_alphanumeric())
        || normalize(sentence).contains(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn front_end() -> FrontEnd {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/g2p-en");
        FrontEnd::new(G2p::load(&folder).unwrap())
    }

    #[test]
    fn what_has_no_sound_is_told() {
        let front_end = front_end();
        let left_out = |text: &str| {
            front_end.phonemes(text, &SymbolTable::formant()).unwrap().left_out.join(" ")
        };
        assert_eq!(left_out("Tokyo is 東京, Café naïve; 50 €."), "東 京");
        assert_eq!(left_out("Plain words, and 3 numbers!"), "");
    }

    fn spoken(front_end: &FrontEnd, text: &str, symbols: &SymbolTable) -> String {
        let sequence = front_end.phonemes(text, symbols).unwrap();
        let symbols: Vec<_> = sequence.phonemes.into_iter().map(|phoneme| phoneme.symbol).collect();
        symbols.join("|")
    }

    #[test]
    fn the_sequence_is_the_one_the_voice_was_trained_with() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/front_end/symbols.json");
        let recorded: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let names = |list: &serde_json::Value| -> Vec<String> {
            list.as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_owned()).collect()
        };
        let (front_end, table) = (front_end(), SymbolTable::formant());
        assert_eq!(names(&recorded["symbols"]), table.symbols());
        for sentence in recorded["sentences"].as_array().unwrap() {
            let text = sentence["text"].as_str().unwrap();
            let expected = names(&sentence["symbols"]).join("|");
            assert_eq!(spoken(&front_end, text, &table), expected, "{text}");
        }
    }

    #[test]
    fn published_voices_get_letters_or_the_ipa() {
        let front_end = front_end();
        let written =
            |table: &SymbolTable| spoken(&front_end, "Hello, world", table).replace('|', "");
        assert_eq!(written(&SymbolTable::nvidia()), "hello, world.");
        assert_eq!(written(&SymbolTable::keithito()), "hello, world.~");
        assert_eq!(written(&SymbolTable::matcha()), "həlˈoʊ, wˈɜːld.");
    }

    #[test]
    fn numbers_are_spoken() {
        let (front_end, table) = (front_end(), SymbolTable::formant());
        let written = spoken(&front_end, "Dr. Lee paid $3.50 at 3:45.", &table);
        let read = "Doctor Lee paid three dollars and fifty cents at three forty-five.";
        assert_eq!(written, spoken(&front_end, read, &table));
    }

    #[test]
    fn a_published_voice_gets_the_symbols_it_has() {
        let (front_end, table) = (front_end(), SymbolTable::speechbrain());
        assert_eq!(spoken(&front_end, "Hello, world!", &table), "HH|AH|L|OW|spn|W|ER|L|D|spn");
    }

    #[test]
    fn words_know_their_phonemes() {
        let sequence = front_end().phonemes("Hello, zyxwv!", &SymbolTable::formant()).unwrap();
        let [hello, guessed] = &sequence.words[..] else { panic!("{:?}", sequence.words) };
        assert_eq!(
            (hello.text.as_str(), hello.guessed, hello.phonemes.clone()),
            ("hello", false, 1..5)
        );
        assert!(sequence.phonemes[1..5].iter().all(|phoneme| phoneme.word_idx == Some(0)));
        assert_eq!(sequence.phonemes[5].word_idx, None);
        assert!(guessed.guessed || guessed.text.len() == 1);
        assert_eq!(sequence.normalized.split(' ').next(), Some("Hello,"));
    }

    #[test]
    fn a_text_without_a_speakable_character_is_refused() {
        let front_end = front_end();
        for text in ["", "  ", "...", "🎉", "日本語", "\n\n"] {
            assert!(matches!(front_end.sentences(text), Err(Error::EmptyText)), "{text:?}");
            let phonemes = front_end.phonemes(text, &SymbolTable::formant());
            assert!(matches!(phonemes, Err(Error::EmptyText)), "{text:?}");
        }
        let table = SymbolTable::new(["x"]);
        assert!(matches!(front_end.phonemes("Hello", &table), Err(Error::EmptyText)));
    }

    #[test]
    fn unspeakable_sentences_are_left_out() {
        let sentences = front_end().sentences("Hello. 🎉🎉! & more. *** ").unwrap();
        assert_eq!(sentences, ["Hello.", "& more."]);
    }
}

//! Text to the symbols of a voice.
//!
//! The sequence is that of `models/recipes/lib/frontend.py`, which the bundled voice was trained
//! with: `^`, words with a space between, marks right after words, `$`; a sentence without a last
//! mark gets a full stop. A voice that has other symbols gets what it has of these: vowels without
//! stress, `spn` for a mark, `~` for the last edge, nothing for a space or an edge. A voice that
//! has learned letters gets letters, and one that has learned the IPA gets that.
//!
//! A word's sound may also be the user's: in braces in the text, or in a dictionary of their own.

use crate::{
    domain::{Phoneme, PhonemeSequence, Pronunciations, Word, WordOrigin},
    tts::{
        Error, G2p, SymbolTable,
        symbols::{Writing, without_stress},
        text::{
            ipa::ipa,
            normalize::normalize,
            pronunciation::{Next, Pronouncer, Pronunciation},
            sentences::split,
            stretches::{Stretch, broken_inline, stretches},
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
    /// A word whose sound is settled, as it is written.
    Said(String, Pronunciation),
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

    /// What of a text was meant as a pronunciation in braces and is none, with the reason.
    pub fn broken_inline(&self, text: &str) -> Vec<String> {
        broken_inline(text)
    }

    /// A sentence as a voice speaks it, with no pronunciations of the user's own.
    ///
    /// # Errors
    /// [`Error::EmptyText`] if nothing in it can be spoken with these symbols.
    pub fn phonemes(
        &self,
        sentence: &str,
        symbols: &SymbolTable,
    ) -> Result<PhonemeSequence, Error> {
        self.phonemes_with(sentence, symbols, &Pronunciations::default())
    }

    /// A sentence as a voice speaks it, by a dictionary of the user's own before all others.
    ///
    /// # Errors
    /// [`Error::EmptyText`] if nothing in it can be spoken with these symbols.
    pub fn phonemes_with(
        &self,
        sentence: &str,
        symbols: &SymbolTable,
        own: &Pronunciations,
    ) -> Result<PhonemeSequence, Error> {
        let mut normalized = String::new();
        let mut all = Vec::new();
        let mut left_out = Vec::new();
        for stretch in stretches(sentence, own, is_kept) {
            let spelled = match &stretch {
                Stretch::Text(text) => normalize(text),
                Stretch::Said(text, _) => (*text).to_owned(),
            };
            let is_apart = matches!(stretch, Stretch::Text(text) if text.starts_with(char::is_whitespace))
                || normalized.ends_with(|c: char| !c.is_whitespace() && !"([\"“‘".contains(c))
                    && spelled.starts_with(|c: char| c.is_alphanumeric() || c == '{');
            if is_apart && !normalized.is_empty() {
                normalized.push(' ');
            }
            normalized.push_str(&spelled);
            match stretch {
                Stretch::Text(text) => {
                    all.extend(tokens(&spelled));
                    left_out.extend(unsaid(text));
                }
                Stretch::Said(text, said) => {
                    // Words are in lower case, phonemes are not.
                    let is_word = said.origin != WordOrigin::Inline;
                    let text = if is_word { text.to_lowercase() } else { text.to_owned() };
                    all.push(Token::Said(text, said));
                }
            }
        }
        let tokens = all;
        let mut writer = Writer::new(normalized, symbols);
        for symbol in left_out {
            writer.leave_out(&symbol);
        }
        let n_words = tokens.iter().filter(|token| !matches!(token, Token::Mark(_))).count();
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
                        Some(Token::Said(_, said)) => {
                            Next::Said(said.phonemes.first().map_or("", String::as_str))
                        }
                        Some(Token::Mark(_)) | None => Next::Mark,
                    };
                    writer.word(word, &self.pronouncer.in_context(word, next, n_words, own));
                }
                Token::Said(word, said) => writer.word(word, said),
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

    fn word(&mut self, text: &str, said: &Pronunciation) {
        let Pronunciation { phonemes, origin, own_word } = said;
        if let Some(word) = own_word
            && !self.sequence.own_words.contains(word)
        {
            self.sequence.own_words.push(word.clone());
        }
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
            // Letters say nothing of phonemes.
            Writing::Letters if *origin == WordOrigin::Inline => self.leave_out(text),
            Writing::Letters => self.push_each(text, word_idx),
            Writing::Ipa => {
                for (at, phoneme) in phonemes.iter().enumerate() {
                    let next = phonemes.get(at + 1).map(String::as_str);
                    self.push_each(&ipa(phoneme, next), word_idx);
                }
            }
        }
        let phonemes = start..self.sequence.phonemes.len();
        self.sequence.words.push(Word { text: text.to_owned(), phonemes, origin: *origin });
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
        } else if word_idx.is_some() {
            self.leave_out(symbol);
        }
    }

    fn leave_out(&mut self, symbol: &str) {
        if !self.sequence.left_out.iter().any(|left| left == symbol) {
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

/// Whether spelling out leaves a word as it is but for its case.
fn is_kept(word: &str, key: &str) -> bool {
    matches!(&tokens(&normalize(word))[..], [Token::Word(spelled)] if spelled == key)
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
            (hello.text.as_str(), hello.origin, hello.phonemes.clone()),
            ("hello", WordOrigin::Dictionary, 1..5)
        );
        assert!(sequence.phonemes[1..5].iter().all(|phoneme| phoneme.word_idx == Some(0)));
        assert_eq!(sequence.phonemes[5].word_idx, None);
        assert!(guessed.origin == WordOrigin::Guessed || guessed.text.len() == 1);
        assert_eq!(sequence.normalized.split(' ').next(), Some("Hello,"));
    }

    #[test]
    fn words_are_said_as_the_user_wants_them() {
        let front_end = front_end();
        let mut own = Pronunciations::default();
        for (word, phonemes) in
            [("gif", "JH IH1 F"), ("nvidia", "EH0 N V IH1 D IY0 AH0"), ("the", "DH EH2")]
        {
            own.set(word, phonemes).unwrap();
        }
        let said = |text: &str| {
            let sequence = front_end.phonemes_with(text, &SymbolTable::formant(), &own).unwrap();
            let symbols: Vec<&str> =
                sequence.phonemes.iter().map(|it| it.symbol.as_str()).collect();
            (symbols.join(" "), sequence)
        };
        // In any case, as an owner, and as a function word in its weak form.
        let (symbols, sequence) = said("The GIF, the gif's end.");
        assert_eq!(symbols, "^ DH EH2   JH IH1 F ,   DH EH2   JH IH1 F S   EH1 N D . $");
        assert_eq!(sequence.own_words, ["the", "gif"]);
        let origins: Vec<WordOrigin> = sequence.words.iter().map(|word| word.origin).collect();
        let own_word = WordOrigin::Own;
        assert_eq!(origins[..4], [own_word; 4]);
        assert_eq!(origins[4], WordOrigin::Dictionary);
        assert_eq!(sequence.normalized, "The GIF, the gif's end.");
        // Without it nothing changes.
        let plain = front_end.phonemes("To Nvidia.", &SymbolTable::formant()).unwrap();
        assert!(plain.own_words.is_empty());
        // A word before it hears that it begins with a vowel.
        assert!(said("To Nvidia.").0.starts_with("^ T UW0   EH0 N V"));
    }

    #[test]
    fn phonemes_in_braces_are_said_as_they_are() {
        let front_end = front_end();
        let table = SymbolTable::formant();
        let sequence = front_end.phonemes("Say the {ow1 l d}, now.", &table).unwrap();
        let symbols: Vec<&str> = sequence.phonemes.iter().map(|it| it.symbol.as_str()).collect();
        assert_eq!(symbols.join(" "), "^ S EY1   DH IY0   OW1 L D ,   N AW1 . $");
        assert_eq!(sequence.normalized, "Say the {ow1 l d}, now.");
        assert_eq!(sequence.words[2].origin, WordOrigin::Inline);
        // Alone it is a sentence, too, and a voice of letters says that it cannot.
        assert_eq!(front_end.sentences("{HH AY1}").unwrap(), ["{HH AY1}"]);
        assert!(front_end.phonemes("{HH AY1}", &table).is_ok());
        let letters = front_end.phonemes("Say {HH AY1}.", &SymbolTable::nvidia()).unwrap();
        assert_eq!(letters.left_out, ["{HH AY1}"]);
    }

    #[test]
    fn a_long_text_is_not_cut_within_braces() {
        let text = "{HH AH0 L OW1} ".repeat(60);
        for sentence in front_end().sentences(&text).unwrap() {
            assert!(sentence.starts_with('{') && sentence.ends_with('}'), "{sentence}");
        }
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

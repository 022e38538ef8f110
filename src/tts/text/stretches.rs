//! A sentence as stretches: plain text, and words whose sound is settled before anything is spelled
//! out: `{HH AH0 L OW1}` in the text itself, and words of the user's dictionary that spelling out
//! would change, such as `GIF` or `mp3`.

use crate::{
    domain::{Pronunciations, WordOrigin, parse_arpabet},
    tts::text::pronunciation::{Pronouncer, Pronunciation},
};

/// A part of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stretch<'a> {
    /// To be spelled out and looked up.
    Text(&'a str),
    /// As it is written, and how it is said.
    Said(&'a str, Pronunciation),
}

/// The parts of a sentence, in order. `is_kept` tells whether a word, in lower case, comes out of
/// spelling as it was.
pub fn stretches<'a>(
    sentence: &'a str,
    own: &Pronunciations,
    is_kept: impl Fn(&str, &str) -> bool,
) -> Vec<Stretch<'a>> {
    let mut parts = Vec::new();
    let mut rest = sentence;
    while let Some((at, braced, phonemes)) = first_inline(rest) {
        own_words(&rest[..at], own, &is_kept, &mut parts);
        let said = Pronunciation { phonemes, origin: WordOrigin::Inline, own_word: None };
        parts.push(Stretch::Said(braced, said));
        rest = &rest[at + braced.len()..];
    }
    own_words(rest, own, &is_kept, &mut parts);
    parts
}

/// Where the first pronunciation in braces stands, all of it, and its phonemes. Braces around
/// anything else are marks like others.
fn first_inline(text: &str) -> Option<(usize, &str, Vec<String>)> {
    text.match_indices('{').find_map(|(at, _)| {
        let len = text[at..].find('}')? + 1;
        let braced = &text[at..at + len];
        let phonemes = parse_arpabet(&braced[1..len - 1]).ok()?;
        Some((at, braced, phonemes))
    })
}

/// What stands in braces and looks as if it were to be a pronunciation, but is none: each once, with
/// the reason.
pub fn broken_inline(text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    for (at, _) in text.match_indices('{') {
        let Some(len) = text[at..].find('}') else { break };
        let inside = &text[at + 1..at + len];
        let is_meant = inside.split_whitespace().any(|symbol| parse_arpabet(symbol).is_ok());
        if let (true, Err(why)) = (is_meant, parse_arpabet(inside)) {
            let told = format!("{{{inside}}}: {why}");
            if !broken.contains(&told) {
                broken.push(told);
            }
        }
    }
    broken
}

fn own_words<'a>(
    text: &'a str,
    own: &Pronunciations,
    is_kept: &impl Fn(&str, &str) -> bool,
    parts: &mut Vec<Stretch<'a>>,
) {
    let mut begun = 0;
    if !own.is_empty() {
        let mut at = 0;
        while at < text.len() {
            let is_part = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’');
            let len = text[at..].find(|c| !is_part(c)).unwrap_or(text.len() - at);
            let raw = &text[at..at + len];
            let word = raw.trim_matches(['\'', '’']);
            if !word.is_empty() {
                let key = word.to_lowercase().replace('’', "'");
                let said = Pronouncer::own(&key, own).filter(|_| !is_kept(word, &key));
                if let Some(said) = said {
                    let start = at + raw.find(word).unwrap_or(0);
                    push_text(&text[begun..start], parts);
                    begun = start + word.len();
                    parts.push(Stretch::Said(word, said));
                }
            }
            at += len;
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    push_text(&text[begun..], parts);
}

fn push_text<'a>(text: &'a str, parts: &mut Vec<Stretch<'a>>) {
    if !text.is_empty() {
        parts.push(Stretch::Text(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts as text, what is said in brackets.
    fn parts(sentence: &str, own: &[(&str, &str)]) -> String {
        let mut words = Pronunciations::default();
        for (word, phonemes) in own {
            words.set(word, phonemes).unwrap();
        }
        let is_kept = |word: &str, key: &str| word == key;
        let parts = stretches(sentence, &words, is_kept);
        let shown = parts.iter().map(|part| match part {
            Stretch::Text(text) => (*text).to_owned(),
            Stretch::Said(text, said) => format!("[{text}={}]", said.phonemes.join(" ")),
        });
        shown.collect()
    }

    #[test]
    fn phonemes_in_braces_are_taken_out() {
        assert_eq!(
            parts("Say {hh ah0 l ow1}, {JH IH1 F}!", &[]),
            "Say [{hh ah0 l ow1}=HH AH0 L OW1], [{JH IH1 F}=JH IH1 F]!"
        );
        for text in ["{so} it is", "a { b", "{}", "{HH AH L}", "} {"] {
            assert_eq!(parts(text, &[]), text);
        }
    }

    #[test]
    fn own_words_that_spelling_out_would_change_are_taken_out() {
        let own = [("gif", "JH IH1 F"), ("mp3", "EH2 M P IY2 TH R IY1")];
        assert_eq!(parts("A gif, a 'GIF'.", &own), "A gif, a '[GIF=JH IH1 F]'.");
        assert_eq!(parts("GIF’s MP3", &own), "[GIF’s=JH IH1 F S] [MP3=EH2 M P IY2 TH R IY1]");
        assert_eq!(parts("GIFs é 東", &own), "GIFs é 東");
    }

    #[test]
    fn what_was_meant_as_a_pronunciation_and_is_none_is_told() {
        let told = broken_inline("{HH AH L} {so} {HH AH L} {HH AH0 L}");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("{HH AH L}: AH needs its stress"), "{told:?}");
    }
}

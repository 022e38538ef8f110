//! Words that are not said as they are written: acronyms, joined words, addresses.

use crate::tts::text::{
    abbreviations::{SPELLED, spoken_acronym},
    lexicon::Lexicon,
    numbers::{cardinal, each_digit},
};

/// Capitals up to this many, unknown to the dictionary, are spelled.
const LONGEST_SPELLED: usize = 4;
/// Digits up to this many are read as a number within an address.
const LONGEST_NUMBER: usize = 4;
/// Characters that are searched for the end of an address.
const LONGEST_ADDRESS: usize = 500;
/// Last parts by which an address without `www` or `://` is known.
const TOP_DOMAINS: [&str; 24] = [
    "com", "org", "net", "edu", "gov", "io", "ai", "dev", "app", "info", "co", "us", "uk", "de",
    "fr", "eu", "ca", "au", "jp", "ch", "it", "es", "tv", "me",
];

/// A run of letters as it is to be read; the same letters if they are a word.
pub fn word(letters: &str) -> String {
    if let Some(spoken) = spoken_acronym(letters) {
        return spoken.to_owned();
    }
    let lexicon = Lexicon::shared();
    let lower = letters.to_ascii_lowercase();
    let n_letters = letters.len();
    let (stem, plural) = match letters.strip_suffix('s') {
        Some(stem) if stem.len() > 1 && is_capitals(stem) => (stem, "'s"),
        _ => (letters, ""),
    };
    if is_capitals(stem) && stem.len() > 1 {
        let known = lexicon.contains(&stem.to_ascii_lowercase()) && !SPELLED.contains(&stem);
        let spelled = !known && (stem.len() <= LONGEST_SPELLED || !has_vowel(stem));
        return if spelled { spell(stem) + plural } else { letters.to_owned() };
    }
    if n_letters < 2 || letters.contains('\'') || lexicon.contains(&lower) {
        return letters.to_owned();
    }
    let parts = joined_words(letters);
    if parts.len() > 1 {
        return parts.into_iter().map(word).collect::<Vec<_>>().join(" ");
    }
    if has_vowel(letters) { letters.to_owned() } else { spell(letters) }
}

/// Letters by name; `A` is written `ay`, because `a` alone is the article.
pub fn spell(letters: &str) -> String {
    let name = |letter: char| match letter.to_ascii_uppercase() {
        'A' => "ay".to_owned(),
        letter => letter.to_string(),
    };
    letters.chars().filter(char::is_ascii_alphabetic).map(name).collect::<Vec<_>>().join(" ")
}

/// An address of the web or of mail at the start of `text`: its length, and how it is read.
pub fn address(text: &str) -> Option<(usize, String)> {
    let ends = |c: char| c.is_whitespace() || "<>\"".contains(c);
    let (end, _) = text
        .char_indices()
        .map(|(at, c)| (at, ends(c)))
        .chain([(text.len(), true)])
        .take(LONGEST_ADDRESS)
        .find(|(_, ends)| *ends)?;
    let token = text[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '\'']);
    if !token.is_ascii() || !token.contains('.') {
        return None;
    }
    let (scheme, rest) =
        token.split_once("://").map_or(("", token), |(scheme, rest)| (scheme, rest));
    let has_scheme = !scheme.is_empty() && scheme.bytes().all(|c| c.is_ascii_alphabetic());
    let body = rest.strip_prefix("www.").unwrap_or(rest);
    let host = body.split(['/', '?', '#', ':']).next().unwrap_or(body);
    let (user, host) = host.split_once('@').map_or((None, host), |(user, host)| (Some(user), host));
    let labels: Vec<&str> = host.split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty() && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
    };
    let well_formed = labels.len() > 1 && labels.iter().all(is_label);
    let top = labels.last().map(|label| label.to_ascii_lowercase()).unwrap_or_default();
    let is_address = well_formed
        && match user {
            Some(user) => !user.is_empty() && top.bytes().all(|c| c.is_ascii_alphabetic()),
            None => {
                has_scheme
                    || body.len() < rest.len()
                    || TOP_DOMAINS.contains(&top.as_str())
                        && labels[0].bytes().any(|c| c.is_ascii_lowercase())
            }
        };
    is_address.then(|| (token.len(), read_address(body.trim_end_matches('/'))))
}

fn read_address(address: &str) -> String {
    let mut words = Vec::new();
    let mut rest = address;
    while let Some(first) = rest.bytes().next() {
        let run = |is_part: fn(&u8) -> bool| rest.bytes().take_while(is_part).count();
        let len = match first {
            b'0'..=b'9' => run(u8::is_ascii_digit),
            b'a'..=b'z' | b'A'..=b'Z' => run(u8::is_ascii_alphabetic),
            _ => 1,
        };
        let (part, later) = rest.split_at(len);
        rest = later;
        words.push(match first {
            b'0'..=b'9' if len <= LONGEST_NUMBER => cardinal(part),
            b'0'..=b'9' => each_digit(part),
            b'a'..=b'z' | b'A'..=b'Z' => word(part),
            b'.' => "dot".into(),
            b'/' => "slash".into(),
            b'-' => "dash".into(),
            b'_' => "underscore".into(),
            b'@' => "at".into(),
            b':' => "colon".into(),
            b'?' => "question mark".into(),
            b'=' => "equals".into(),
            b'&' => "and".into(),
            b'#' => "hash".into(),
            b'%' => "percent".into(),
            b'~' => "tilde".into(),
            b'+' => "plus".into(),
            _ => continue,
        });
    }
    words.join(" ")
}

/// `FastSpeech` as `Fast`, `Speech`; `HTTPServer` as `HTTP`, `Server`.
fn joined_words(letters: &str) -> Vec<&str> {
    let bytes = letters.as_bytes();
    let mut parts = Vec::new();
    let mut start = 0;
    for at in 1..bytes.len() {
        let rises = bytes[at - 1].is_ascii_lowercase() && bytes[at].is_ascii_uppercase();
        let falls = at + 1 < bytes.len()
            && bytes[at - 1].is_ascii_uppercase()
            && bytes[at].is_ascii_uppercase()
            && bytes[at + 1].is_ascii_lowercase();
        if rises || falls {
            parts.push(&letters[start..at]);
            start = at;
        }
    }
    parts.push(&letters[start..]);
    parts
}

fn is_capitals(letters: &str) -> bool {
    letters.bytes().all(|c| c.is_ascii_uppercase())
}

fn has_vowel(letters: &str) -> bool {
    letters.bytes().any(|c| b"aeiouy".contains(&c.to_ascii_lowercase()))
}

//! What of the text is said as the user wants: words of the dictionary, and phonemes in braces.

use std::ops::Range;

use crate::domain::{Pronunciations, parse_arpabet};

/// What is marked in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// A word of the dictionary.
    Own,
    /// Phonemes in braces.
    Inline,
    /// What was meant as such, and why it is none.
    Broken(String),
}

/// The marks of a text, in order; found again only when the text or the dictionary has changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Marks {
    text: String,
    revision: u64,
    spans: Vec<(Range<usize>, Mark)>,
}

impl Marks {
    /// The marks of `text`; `revision` counts the changes of `own`.
    pub fn of(
        &mut self,
        text: &str,
        own: &Pronunciations,
        revision: u64,
    ) -> &[(Range<usize>, Mark)] {
        if self.text != text || self.revision != revision {
            text.clone_into(&mut self.text);
            self.revision = revision;
            self.spans = spans(text, own);
        }
        &self.spans
    }

    /// What was found last, in order.
    pub fn spans(&self) -> &[(Range<usize>, Mark)] {
        &self.spans
    }

    /// The words of the dictionary in the text, as they are written there, each once.
    pub fn own_words(&self) -> Vec<&str> {
        let mut words: Vec<&str> = Vec::new();
        let marked = self.spans.iter().filter(|(_, mark)| *mark == Mark::Own);
        for word in marked.map(|(at, _)| &self.text[at.clone()]) {
            if !words.iter().any(|known| known.eq_ignore_ascii_case(word)) {
                words.push(word);
            }
        }
        words
    }

    /// What is wrong in the first braces that hold no pronunciation, though they were to.
    pub fn problem(&self) -> Option<&str> {
        self.spans.iter().find_map(|(_, mark)| match mark {
            Mark::Broken(why) => Some(why.as_str()),
            _ => None,
        })
    }
}

fn spans(text: &str, own: &Pronunciations) -> Vec<(Range<usize>, Mark)> {
    let mut spans = Vec::new();
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’');
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if first == '{'
            && let Some(end) = rest.find('}')
        {
            let inside = &rest[1..end];
            let is_meant = inside.split_whitespace().any(|symbol| parse_arpabet(symbol).is_ok());
            let mark = match parse_arpabet(inside) {
                Ok(_) => Some(Mark::Inline),
                Err(why) => is_meant.then(|| Mark::Broken(format!("{{{inside}}}: {why}"))),
            };
            if let Some(mark) = mark {
                spans.push((at..at + end + 1, mark));
                at += end + 1;
                continue;
            }
        }
        let len = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if len == 0 {
            at += first.len_utf8();
            continue;
        }
        let word = rest[..len].trim_matches(['\'', '’']);
        let key = word.to_lowercase().replace('’', "'");
        let owner = key.strip_suffix("'s").unwrap_or(&key);
        if !own.is_empty() && (own.of(&key).is_some() || own.of(owner).is_some()) {
            let start = at + rest[..len].find(word).unwrap_or(0);
            spans.push((start..start + word.len(), Mark::Own));
        }
        at += len;
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_dictionary_and_braces_are_found() {
        let mut own = Pronunciations::default();
        own.set("gif", "JH IH1 F").unwrap();
        let mut marks = Marks::default();
        let text = "A 'GIF', gifs, gif’s {hh ay1} {so} {HH AY} é{";
        let found: Vec<(&str, bool)> = marks
            .of(text, &own, 1)
            .iter()
            .map(|(at, mark)| (&text[at.clone()], matches!(mark, Mark::Broken(_))))
            .collect();
        assert_eq!(
            found,
            [("GIF", false), ("gif’s", false), ("{hh ay1}", false), ("{HH AY}", true)]
        );
        assert_eq!(marks.own_words(), ["GIF", "gif’s"]);
        assert!(marks.problem().unwrap().contains("AY needs its stress"));
    }

    #[test]
    fn another_dictionary_marks_other_words() {
        let mut marks = Marks::default();
        let mut own = Pronunciations::default();
        assert!(marks.of("gif", &own, 0).is_empty());
        own.set("gif", "JH IH1 F").unwrap();
        assert_eq!(marks.of("gif", &own, 1).len(), 1);
        own.remove("gif");
        assert!(marks.of("gif", &own, 2).is_empty());
    }
}

//! A text that grows, as sentences for the ear: each is handed out when it is complete, without
//! markdown's marks, and code is only mentioned.

use crate::ui::widgets::markdown;

/// Spoken in the place of a code block.
const CODE: &str = "Code block.";

/// Shortened words that stand before a name or a number, and never end a sentence.
const TITLES: &[&str] = &[
    "mr", "mrs", "ms", "dr", "prof", "st", "mt", "fig", "eq", "no", "vol", "sec", "ch", "pp", "vs",
    "e.g", "i.e", "cf", "ca", "approx", "jr", "sr", "gen", "col", "lt", "sgt", "rev", "hon",
];

/// Shortened words that end a sentence only if the next begins with a capital.
const SHORTENED: &[&str] = &["etc", "al", "inc", "ltd", "co", "corp", "a.m", "p.m", "u.s", "u.k"];

/// Splits a growing text; remembers how much of it was handed out.
#[derive(Debug, Clone, Default)]
pub struct Sentences {
    /// Bytes of the text that were handed out.
    spoken: usize,
    /// The fence of the code block that the text stands in.
    fence: Option<(char, usize)>,
}

/// Whether more text may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum More {
    Expected,
    Never,
}

impl Sentences {
    /// The sentences that became complete since the last call; `text` is the whole text so far.
    pub fn push(&mut self, text: &str) -> Vec<String> {
        self.advance(text, More::Expected)
    }

    /// All that is left; `text` is the whole text.
    pub fn finish(&mut self, text: &str) -> Vec<String> {
        self.advance(text, More::Never)
    }

    /// Every sentence of a finished text.
    pub fn of(text: &str) -> Vec<String> {
        Self::default().finish(text)
    }

    fn advance(&mut self, text: &str, more: More) -> Vec<String> {
        let mut sentences = Vec::new();
        while let Some(rest) = text.get(self.spoken..).filter(|rest| !rest.is_empty()) {
            let is_line_start = self.spoken == 0 || text[..self.spoken].ends_with('\n');
            let Some((len, sentence)) = self.next(rest, is_line_start, more) else { break };
            self.spoken += len;
            sentences.extend(sentence.filter(|said| said.contains(char::is_alphanumeric)));
        }
        sentences
    }

    /// The next piece: how many bytes it takes, and what is said for it; `None` if it may still
    /// grow.
    fn next(
        &mut self,
        rest: &str,
        at_line_start: bool,
        more: More,
    ) -> Option<(usize, Option<String>)> {
        let line = rest.split_inclusive('\n').next()?;
        let is_whole = line.ends_with('\n') || more == More::Never;
        if let Some((mark, n)) = self.fence {
            if !is_whole {
                return None;
            }
            let closes =
                |(m, k, after): (char, usize, &str)| m == mark && k >= n && after.is_empty();
            if markdown::fence(line).is_some_and(closes) {
                self.fence = None;
            }
            return Some((line.len(), None));
        }
        if line.trim().is_empty() {
            return (is_whole || !at_line_start).then_some((line.len(), None));
        }
        if !at_line_start {
            return prose(rest, 0, Continues::Yes, more);
        }
        if let Some((mark, n, _)) = markdown::fence(line) {
            if !is_whole {
                return None;
            }
            self.fence = Some((mark, n));
            return Some((line.len(), Some(CODE.to_owned())));
        }
        // What a line is, its first characters tell; while they are few they may tell anything.
        let body =
            line.trim_start_matches([' ', '\t', '#', '>', '-', '*', '+', '|', '`', '~', '_']);
        if body.trim().is_empty() && !is_whole {
            return None;
        }
        if markdown::is_rule(line) {
            return is_whole.then_some((line.len(), None));
        }
        if line.trim_start().starts_with('|') {
            return is_whole.then(|| (line.len(), table_row(line)));
        }
        if let Some((_, text)) = markdown::heading(line) {
            return is_whole.then(|| (line.len(), Some(ended(&markdown::plain(text)))));
        }
        if let Some((_, _, text)) = markdown::list_item(line) {
            if text.is_empty() {
                return is_whole.then_some((line.len(), None));
            }
            let prefix = line.trim_end().len() - text.len();
            return prose(rest, prefix, Continues::Yes, more);
        }
        if line.trim_start().starts_with('>') {
            let prefix = line.len() - line.trim_start_matches([' ', '>']).len();
            return prose(rest, prefix, Continues::No, more);
        }
        let is_number = line.trim().chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ')'));
        if is_number && !is_whole {
            return None;
        }
        prose(rest, 0, Continues::Yes, more)
    }
}

/// Whether running text goes on over a line feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Continues {
    Yes,
    No,
}

/// Running text up to the end of a sentence or of its block.
fn prose(
    rest: &str,
    from: usize,
    continues: Continues,
    more: More,
) -> Option<(usize, Option<String>)> {
    let text = &rest[from..];
    for (at, c) in text.char_indices() {
        let after = &text[at + c.len_utf8()..];
        if c == '\n' {
            let next_line = after.split('\n').next().unwrap_or_default();
            if continues == Continues::No {
                return Some((from + at + 1, Some(said(&text[..at]))));
            }
            // Whether the next line belongs to this one, only the whole of it tells.
            if !after.contains('\n') && more == More::Expected {
                return None;
            }
            if after.is_empty() || markdown::begins_block(next_line) {
                return Some((from + at + 1, Some(said(&text[..at]))));
            }
        }
        if matches!(c, '.' | '!' | '?' | '…' | '。' | '！' | '？') {
            match sentence_end(&text[..at], c, after, more) {
                End::Here(closing) => {
                    let end = at + c.len_utf8() + closing;
                    return Some((from + end, Some(said(&text[..end]))));
                }
                End::Unknown => return None,
                End::No => (),
            }
        }
    }
    (more == More::Never).then(|| (rest.len(), Some(said(text))))
}

enum End {
    /// After so many bytes of closing quotes and brackets.
    Here(usize),
    No,
    /// The next character will tell.
    Unknown,
}

fn sentence_end(before: &str, mark: char, after: &str, more: More) -> End {
    let rest = after.trim_start_matches(['"', '\'', ')', ']', '*', '_', '`', '”', '’', '»']);
    let closing = after.len() - rest.len();
    let Some(next) = rest.chars().next() else {
        return if more == More::Never { End::Here(closing) } else { End::Unknown };
    };
    let is_wide = matches!(mark, '。' | '！' | '？');
    if !next.is_whitespace() && !is_wide {
        return End::No;
    }
    if mark != '.' {
        return End::Here(closing);
    }
    let word = before.rsplit([' ', '\n', '(', '"', '“', '*', '_']).next().unwrap_or_default();
    let word = word.to_lowercase();
    let is_initial =
        word.chars().count() == 1 && word.chars().all(char::is_alphabetic) && word != "i";
    if TITLES.contains(&word.as_str()) || is_initial {
        // At the end of a paragraph there is nothing that it could stand before.
        return if next == '\n' || more == More::Never && rest.trim().is_empty() {
            End::Here(closing)
        } else {
            End::No
        };
    }
    if SHORTENED.contains(&word.as_str()) {
        return match rest.trim_start().chars().next() {
            Some(first) if first.is_lowercase() || first.is_ascii_digit() => End::No,
            Some(_) => End::Here(closing),
            None if more == More::Never => End::Here(closing),
            None => End::Unknown,
        };
    }
    End::Here(closing)
}

/// A piece of text as it is said. Marks that embrace several sentences are still there after
/// [`markdown::plain`] has seen one of them.
fn said(text: &str) -> String {
    let words = markdown::plain(text.trim()).replace(['*', '`'], "").replace("__", "");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A heading is a sentence of its own, and is to sound like one.
fn ended(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(|c: char| c.is_alphanumeric()) { format!("{text}.") } else { text.to_owned() }
}

/// Cells with a pause between them; nothing for the line under the head.
fn table_row(line: &str) -> Option<String> {
    let cells: Vec<_> = line
        .split('|')
        .map(|cell| markdown::plain(cell.trim()))
        .filter(|cell| cell.contains(char::is_alphanumeric))
        .collect();
    (!cells.is_empty()).then(|| ended(&cells.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(Sentences::of(text), expected);
    }

    #[test]
    fn sentences_end_where_an_ear_would_end_them() {
        check("Hello there. How are you? Fine!", &["Hello there.", "How are you?", "Fine!"]);
        check("He said \"Stop.\" Then he left.", &["He said \"Stop.\"", "Then he left."]);
        check("Wait… what?", &["Wait…", "what?"]);
    }

    #[test]
    fn shortened_words_and_numbers_end_nothing() {
        check(
            "Dr. Smith paid 3.50 dollars, e.g. for J. Doe.",
            &["Dr. Smith paid 3.50 dollars, e.g. for J. Doe."],
        );
        check("Mels, barks, etc. are scales.", &["Mels, barks, etc. are scales."]);
        check("Mels, barks, etc. They differ.", &["Mels, barks, etc.", "They differ."]);
    }

    #[test]
    fn markdown_is_not_spoken() {
        check(
            "## The **mel** scale\nIt is *about* `pitch`.",
            &["The mel scale.", "It is about pitch."],
        );
        check("1. First\n2. Second one.\n   - inner\n", &["First", "Second one.", "inner"]);
        check("See [the paper](https://a.b).", &["See the paper."]);
        check("| a | b |\n|---|---|\n| 1 | 2 |", &["a, b.", "1, 2."]);
        check("> Quoted.\n> Twice.", &["Quoted.", "Twice."]);
        check("Over\ntwo lines.", &["Over two lines."]);
        check("**Both are bold. Both.**", &["Both are bold.", "Both."]);
        check("One.\n\n---\n\nTwo.", &["One.", "Two."]);
    }

    #[test]
    fn code_is_only_mentioned() {
        check(
            "Try this:\n```rust\nlet x = 1. + 2.;\n```\nDone.",
            &["Try this:", "Code block.", "Done."],
        );
        check("```\nnever closed. Really.", &["Code block."]);
    }

    #[test]
    fn a_sentence_is_handed_out_once_it_is_certain_and_only_once() {
        let mut sentences = Sentences::default();
        assert!(sentences.push("Hello the").is_empty());
        assert!(sentences.push("Hello there.").is_empty(), "it may be there.com");
        assert_eq!(sentences.push("Hello there. And"), ["Hello there."]);
        assert!(sentences.push("Hello there. And then").is_empty());
        assert_eq!(sentences.finish("Hello there. And then"), ["And then"]);
        assert!(sentences.finish("Hello there. And then").is_empty());
    }

    #[test]
    fn a_fence_that_is_still_being_written_is_not_read() {
        let mut sentences = Sentences::default();
        assert_eq!(sentences.push("So:\n`"), [""; 0]);
        assert_eq!(sentences.push("So:\n```py"), [""; 0]);
        assert_eq!(sentences.push("So:\n```py\nx = 1\n"), ["So:", "Code block."]);
        assert_eq!(sentences.finish("So:\n```py\nx = 1\n```"), [""; 0]);
    }

    proptest! {
        #[test]
        fn a_text_that_grows_is_read_as_if_it_had_come_whole(
            text in "(([A-Z][a-z]{1,5} ?){1,4}[.!?,:]? ?\n?|Dr\\. |etc\\. |```\n|- |1\\. |# |> |\\| |\n\n){0,16}",
        ) {
            let mut grown = Sentences::default();
            let mut read = Vec::new();
            for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
                read.extend(grown.push(&text[..end]));
            }
            read.extend(grown.finish(&text));
            prop_assert_eq!(read, Sentences::of(&text));
        }

        #[test]
        fn no_text_brings_the_reader_down(text in "(\\PC|\n){0,60}") {
            Sentences::of(&text);
        }
    }
}

//! Light markdown, as language models write it: headings, lists, quotes, code and tables; emphasis
//! within them is read by [`super::markdown_inline`].
//!
//! A [`Document`] follows a text that grows: only its last two blocks are read again, because a
//! line that is not finished may still turn out to belong to the block before it.

use super::markdown_inline::{MAX_DEPTH, inline};
pub use super::markdown_inline::{Span, Style, plain};

/// A piece of a text, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What it is.
    pub kind: Kind,
    /// Where it begins in the source, in bytes; always at the start of a line.
    pub start: usize,
    /// What it says.
    pub spans: Vec<Span>,
}

/// What a block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Running text.
    Paragraph,
    /// A heading of rank 1 to 6.
    Heading(u8),
    /// An entry of a list, this deep, with its bullet or number.
    Item {
        /// How many lists it stands in beside its own.
        depth: usize,
        /// `•` or `3.`
        marker: String,
    },
    /// Somebody else's words.
    Quote,
    /// Code, word for word, with the name of its language (or none).
    Code(String),
    /// A table, word for word.
    Table,
    /// A line across.
    Rule,
}

/// Blocks that an unfinished last line may still change.
const UNSETTLED: usize = 2;

/// The blocks of a text that grows.
#[derive(Debug, Clone, Default)]
pub struct Document {
    source: String,
    blocks: Vec<Block>,
}

impl Document {
    /// Follows `source`; returns the first block that may have changed, `None` if none did.
    pub fn update(&mut self, source: &str) -> Option<usize> {
        if source == self.source {
            return None;
        }
        let kept = match source.strip_prefix(self.source.as_str()) {
            Some(_) => self.blocks.len().saturating_sub(UNSETTLED),
            None => 0,
        };
        let start =
            self.blocks.get(kept).map_or(0, |block| if kept == 0 { 0 } else { block.start });
        self.blocks.truncate(kept);
        self.blocks.extend(parse_from(source, start));
        source.clone_into(&mut self.source);
        Some(kept)
    }

    /// The blocks of the text so far.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }
}

/// If a line opens or closes a code block: how many marks of which kind, and what follows them.
pub fn fence(line: &str) -> Option<(char, usize, &str)> {
    let line = line.trim_start();
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let rest = line.trim_start_matches(mark);
    let n = line.len() - rest.len();
    // Three backticks and more on the same line are code within the line.
    (n >= 3 && !(mark == '`' && rest.contains('`'))).then_some((mark, n, rest.trim()))
}

/// If a line is an entry of a list: its depth, its marker as shown, and its text.
pub fn list_item(line: &str) -> Option<(usize, String, &str)> {
    let body = line.trim_start_matches([' ', '\t']);
    let indent: usize =
        line[..line.len() - body.len()].chars().map(|c| if c == '\t' { 4 } else { 1 }).sum();
    let depth = indent.div_ceil(3).min(MAX_DEPTH);
    if let Some(rest) = body.strip_prefix(['-', '*', '+'])
        && (rest.is_empty() || rest.starts_with(' '))
    {
        return Some((depth, "•".to_owned(), rest.trim()));
    }
    let digits = body.len() - body.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let rest = body[digits..].strip_prefix(['.', ')'])?;
    let is_item = (1..=4).contains(&digits) && (rest.is_empty() || rest.starts_with(' '));
    is_item.then(|| (depth, format!("{}.", &body[..digits]), rest.trim()))
}

/// If a line is a heading: its rank and its text.
pub fn heading(line: &str) -> Option<(u8, &str)> {
    let line = line.trim_start();
    let rest = line.trim_start_matches('#');
    let rank = line.len() - rest.len();
    ((1..=6).contains(&rank) && (rest.is_empty() || rest.starts_with(' ')))
        .then(|| (rank as u8, rest.trim().trim_end_matches('#').trim_end()))
}

/// Whether a line is a line across.
pub fn is_rule(line: &str) -> bool {
    let mut marks = line.chars().filter(|c| !c.is_whitespace());
    let Some(first) = marks.next().filter(|c| matches!(c, '-' | '*' | '_')) else {
        return false;
    };
    let n = line.chars().filter(|c| *c == first).count();
    n >= 3 && marks.all(|c| c == first)
}

/// Whether a line ends the paragraph before it.
pub fn begins_block(line: &str) -> bool {
    line.trim().is_empty()
        || fence(line).is_some()
        || heading(line).is_some()
        || is_rule(line)
        || list_item(line).is_some()
        || line.trim_start().starts_with(['>', '|'])
}

fn parse_from(source: &str, start: usize) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut at = start;
    while at < source.len() {
        let line = first_line(&source[at..]);
        if line.trim().is_empty() {
            at += line.len();
            continue;
        }
        let (kind, text, len) = block(&source[at..]);
        let spans = match kind {
            Kind::Code(_) | Kind::Table => {
                vec![Span { text, style: Style::default(), link: None }]
            }
            Kind::Rule => Vec::new(),
            _ => inline(&text),
        };
        blocks.push(Block { kind, start: at, spans });
        at += len;
    }
    blocks
}

/// The block that a text begins with: what it is, what it says, how many bytes it takes.
fn block(source: &str) -> (Kind, String, usize) {
    let line = first_line(source);
    if let Some((mark, n, language)) = fence(line) {
        return code_block(source, mark, n, language);
    }
    if let Some((rank, text)) = heading(line) {
        return (Kind::Heading(rank), text.to_owned(), line.len());
    }
    if is_rule(line) {
        return (Kind::Rule, String::new(), line.len());
    }
    let is_more: fn(&str) -> bool = |line| !begins_block(line);
    if let Some((depth, marker, text)) = list_item(line) {
        let (more, len) = following(source, line.len(), is_more);
        return (Kind::Item { depth, marker }, join(text, more), len);
    }
    if line.trim_start().starts_with('>') {
        let (more, len) = following(source, 0, |line| line.trim_start().starts_with('>'));
        let unquoted = |line: &str| line.trim_start_matches([' ', '>']).to_owned();
        let text = more.map(unquoted).collect::<Vec<_>>().join("\n");
        return (Kind::Quote, text, len);
    }
    if line.trim_start().starts_with('|') {
        let (more, len) = following(source, 0, |line| line.trim_start().starts_with('|'));
        return (Kind::Table, more.collect::<Vec<_>>().join("\n"), len);
    }
    let (more, len) = following(source, line.len(), is_more);
    (Kind::Paragraph, join(line.trim(), more), len)
}

fn code_block(source: &str, mark: char, n: usize, language: &str) -> (Kind, String, usize) {
    let mut len = first_line(source).len();
    let mut lines = Vec::new();
    while len < source.len() {
        let line = first_line(&source[len..]);
        len += line.len();
        if fence(line).is_some_and(|(m, k, rest)| m == mark && k >= n && rest.is_empty()) {
            break;
        }
        lines.push(line.trim_end_matches(['\n', '\r']));
    }
    (Kind::Code(language.to_owned()), lines.join("\n"), len)
}

/// The lines from byte `from` on that belong to the block, and where they end.
fn following(
    source: &str,
    from: usize,
    belongs: impl Fn(&str) -> bool,
) -> (impl Iterator<Item = &str>, usize) {
    let mut len = from;
    while len < source.len() {
        let line = first_line(&source[len..]);
        if !belongs(line) {
            break;
        }
        len += line.len();
    }
    (source[from..len].lines().map(str::trim), len)
}

fn join<'a>(first: &str, more: impl Iterator<Item = &'a str>) -> String {
    let mut text = first.to_owned();
    for line in more {
        text.push('\n');
        text.push_str(line);
    }
    text
}

/// The first line with its line feed.
fn first_line(text: &str) -> &str {
    text.split_inclusive('\n').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Blocks as one readable line each.
    #[track_caller]
    fn check(source: &str, expected: &[&str]) {
        let mut document = Document::default();
        document.update(source);
        let shown: Vec<_> = document
            .blocks()
            .iter()
            .map(|block| {
                let text: String = block.spans.iter().map(|span| span.text.as_str()).collect();
                match &block.kind {
                    Kind::Paragraph => format!("p {text}"),
                    Kind::Heading(rank) => format!("h{rank} {text}"),
                    Kind::Item { depth, marker } => format!("{depth}{marker} {text}"),
                    Kind::Quote => format!("> {text}"),
                    Kind::Code(language) => format!("[{language}] {text}"),
                    Kind::Table => format!("t {text}"),
                    Kind::Rule => "---".to_owned(),
                }
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn blocks_are_told_apart() {
        check(
            "# Title\nSome text\non two lines\n\n- one\n  goes on\n- two\n   - inner\n3. three\n> said\n> so\n---\n| a | b |\n|---|---|",
            &[
                "h1 Title",
                "p Some text\non two lines",
                "0• one\ngoes on",
                "0• two",
                "1• inner",
                "03. three",
                "> said\nso",
                "---",
                "t | a | b |\n|---|---|",
            ],
        );
    }

    #[test]
    fn code_is_kept_word_for_word_even_while_it_is_open() {
        check(
            "```rust\nlet x = *y;\n\n# no\n```\nafter",
            &["[rust] let x = *y;\n\n# no", "p after"],
        );
        check("~~~\n```\nstill open", &["[] ```\nstill open"]);
    }

    #[test]
    fn what_looks_like_the_mark_of_a_block_but_is_none_is_text() {
        check("#hashtag\n-dash\n1.5 is a number", &["p #hashtag\n-dash\n1.5 is a number"]);
    }

    proptest! {
        #[test]
        fn a_text_that_grows_reads_as_if_it_had_come_whole(
            source in "([a-z*_`#>|~.()\\[\\] -]{0,6}\n?|```\n|- a\n|1. b\n|\n\n){0,24}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut whole = Document::default();
            whole.update(&source);
            let mut grown = Document::default();
            let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(source.len() + 1)).collect();
            ends.sort_unstable();
            for end in ends.into_iter().filter(|end| source.is_char_boundary(*end)) {
                grown.update(&source[..end]);
            }
            grown.update(&source);
            prop_assert_eq!(grown.blocks(), whole.blocks());
        }

        #[test]
        fn no_text_brings_the_reader_down(source in "(\\PC|\n){0,80}") {
            let mut document = Document::default();
            document.update(&source);
            plain(&source);
        }
    }
}

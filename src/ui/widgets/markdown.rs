//! Light markdown, as language models write it: headings, lists, quotes, code, tables and emphasis.
//!
//! A [`Document`] follows a text that grows: only its last two blocks are read again, because a
//! line that is not finished may still turn out to belong to the block before it.

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

/// Text of one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The text without its marks.
    pub text: String,
    /// How it looks.
    pub style: Style,
    /// Where it leads.
    pub link: Option<String>,
}

/// How text looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each may go with each")]
pub struct Style {
    /// Strong.
    pub bold: bool,
    /// Emphasised.
    pub italic: bool,
    /// Code within a line.
    pub code: bool,
    /// Crossed out.
    pub strike: bool,
}

/// Emphasis within emphasis, at most; what is deeper stays as it was written.
const MAX_DEPTH: usize = 6;

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

/// The words of a line without its marks, for the ear.
pub fn plain(text: &str) -> String {
    inline(text).into_iter().map(|span| span.text).collect()
}

/// The spans of a paragraph.
pub fn inline(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    scan(text, Style::default(), 0, &mut spans);
    spans
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
    let Some(first) = marks.next().filter(|c| matches!(c, '-' | '*' | '_')) else { return false };
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

fn scan(text: &str, style: Style, depth: usize, spans: &mut Vec<Span>) {
    // A mark that is not closed further on is not closed later, either; so each is searched once.
    let mut unclosed: Vec<&str> = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((len, span)) = special(rest, style, plain.chars().last()) {
            flush(&mut plain, style, spans);
            spans.push(span);
            rest = &rest[len..];
            continue;
        }
        if c == '\\' && rest[1..].starts_with(|next: char| next.is_ascii_punctuation()) {
            plain.push_str(&rest[1..2]);
            rest = &rest[2..];
            continue;
        }
        if let Some((mark, inner)) = emphasis(rest, plain.chars().last(), &mut unclosed)
            && depth < MAX_DEPTH
        {
            flush(&mut plain, style, spans);
            scan(inner, with(style, mark), depth + 1, spans);
            rest = &rest[inner.len() + 2 * mark.len()..];
            continue;
        }
        plain.push(c);
        rest = &rest[c.len_utf8()..];
    }
    flush(&mut plain, style, spans);
}

fn flush(plain: &mut String, style: Style, spans: &mut Vec<Span>) {
    if !plain.is_empty() {
        spans.push(Span { text: std::mem::take(plain), style, link: None });
    }
}

fn with(style: Style, mark: &str) -> Style {
    match mark {
        "**" | "__" => Style { bold: true, ..style },
        "~~" => Style { strike: true, ..style },
        _ => Style { italic: true, ..style },
    }
}

/// Code within a line, or a link: what stands for itself whatever is inside.
fn special(text: &str, style: Style, before: Option<char>) -> Option<(usize, Span)> {
    if text.starts_with('`') {
        let rest = text.trim_start_matches('`');
        let marks = &text[..text.len() - rest.len()];
        let inner = &rest[..rest.find(marks)?];
        // A longer run closes nothing.
        let len = 2 * marks.len() + inner.len();
        if inner.is_empty() || text[len..].starts_with('`') {
            return None;
        }
        let style = Style { code: true, ..style };
        return Some((len, Span { text: inner.trim().to_owned(), style, link: None }));
    }
    if text.starts_with('[') || text.starts_with("![") {
        let open = text.find('[')? + 1;
        let close = open + text[open..].find(']')?;
        let target = text[close + 1..].strip_prefix('(')?;
        let target = &target[..target.find(')')?];
        let name = &text[open..close];
        if name.is_empty() || name.contains('\n') || target.contains(char::is_whitespace) {
            return None;
        }
        let len = close + 1 + target.len() + 2;
        return Some((len, Span { text: name.to_owned(), style, link: Some(target.to_owned()) }));
    }
    if text.starts_with("http") && !before.is_some_and(char::is_alphanumeric) {
        if !(text.starts_with("http://") || text.starts_with("https://")) {
            return None;
        }
        let end = text.find(|c: char| c.is_whitespace() || "<>()[]\"`*".contains(c));
        let address =
            text[..end.unwrap_or(text.len())].trim_end_matches(['.', ',', ';', ':', '!', '?']);
        let link = Some(address.to_owned());
        return Some((address.len(), Span { text: address.to_owned(), style, link }));
    }
    None
}

/// The mark that a text begins with and the text it embraces, if it is closed.
fn emphasis<'a>(
    text: &'a str,
    before: Option<char>,
    unclosed: &mut Vec<&'a str>,
) -> Option<(&'a str, &'a str)> {
    let mark = ["**", "__", "~~", "*", "_"].into_iter().find(|mark| text.starts_with(mark))?;
    let (mark, rest) = text.split_at(mark.len());
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let opens = rest.starts_with(|c: char| !c.is_whitespace());
    if !opens || (mark.starts_with('_') && is_word(before)) || unclosed.contains(&mark) {
        return None;
    }
    for (at, _) in rest.match_indices(mark) {
        let inner = &rest[..at];
        let after = &rest[at + mark.len()..];
        let closes = inner.ends_with(|c: char| !c.is_whitespace());
        // The middle of `**` closes no `*`.
        let is_half = mark.len() == 1 && (inner.ends_with(mark) || after.starts_with(mark));
        let is_inside = mark.starts_with('_') && is_word(after.chars().next());
        if closes && !is_half && !is_inside {
            return Some((mark, inner));
        }
    }
    unclosed.push(mark);
    None
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

    /// Spans as `b:text`, with a letter for each style.
    #[track_caller]
    fn check_inline(source: &str, expected: &[&str]) {
        let shown: Vec<_> = inline(source)
            .into_iter()
            .map(|span| {
                let Style { bold, italic, code, strike } = span.style;
                let marks = [(bold, 'b'), (italic, 'i'), (code, 'c'), (strike, 's')];
                let letters: String =
                    marks.iter().filter(|(is_on, _)| *is_on).map(|(_, letter)| letter).collect();
                let link = span.link.map(|link| format!("@{link}")).unwrap_or_default();
                format!("{letters}:{}{link}", span.text)
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
    fn what_looks_like_a_mark_but_is_none_is_text() {
        check("#hashtag\n-dash\n1.5 is a number", &["p #hashtag\n-dash\n1.5 is a number"]);
        check_inline("2 * 3 * 4 snake_case_name **open", &[":2 * 3 * 4 snake_case_name **open"]);
    }

    #[test]
    fn emphasis_nests_and_code_does_not() {
        check_inline("a **b *c* d** ~~e~~", &[":a ", "b:b ", "bi:c", "b: d", ": ", "s:e"]);
        check_inline("`**x**` and ``a`b``", &["c:**x**", ": and ", "c:a`b"]);
        check_inline(r"\*not\* this", &[":*not* this"]);
    }

    #[test]
    fn links_keep_where_they_lead() {
        check_inline(
            "see [the paper](https://arxiv.org/abs/1) or https://a.b/c.",
            &[
                ":see ",
                ":the paper@https://arxiv.org/abs/1",
                ": or ",
                ":https://a.b/c@https://a.b/c",
                ":.",
            ],
        );
    }

    #[test]
    fn a_long_row_of_marks_takes_no_time() {
        let begun = std::time::Instant::now();
        inline(&"*a ".repeat(20_000));
        inline(&"**_".repeat(20_000));
        assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
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

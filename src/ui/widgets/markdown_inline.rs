//! What stands within a line of markdown: emphasis, code, links.

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
pub(super) const MAX_DEPTH: usize = 6;

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

    /// Spans as `b:text`, with a letter for each style.
    #[track_caller]
    fn check(source: &str, expected: &[&str]) {
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
    fn what_looks_like_a_mark_but_is_none_is_text() {
        check("2 * 3 * 4 snake_case_name **open", &[":2 * 3 * 4 snake_case_name **open"]);
    }

    #[test]
    fn emphasis_nests_and_code_does_not() {
        check("a **b *c* d** ~~e~~", &[":a ", "b:b ", "bi:c", "b: d", ": ", "s:e"]);
        check("`**x**` and ``a`b``", &["c:**x**", ": and ", "c:a`b"]);
        check(r"\*not\* this", &[":*not* this"]);
    }

    #[test]
    fn links_keep_where_they_lead() {
        check(
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
}

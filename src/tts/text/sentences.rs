//! Text to sentences.
//!
//! A full stop ends a sentence unless it belongs to an abbreviation, an initial or a number, or the
//! next word goes on in lower case. Empty lines and list items end one too. What is still too long
//! for one breath is cut at a clause, so that a text of any length is spoken piece by piece.

/// Characters in one piece, at most; about fifteen seconds of speech.
const LONGEST: usize = 220;
/// A clause shorter than this is not worth a cut.
const SHORTEST: usize = 60;

/// Abbreviations that stand before a name or a number and so never end a sentence.
const TITLES: [&str; 40] = [
    "mr", "mrs", "ms", "dr", "prof", "st", "mt", "ft", "gen", "col", "sgt", "capt", "cpt", "lt",
    "cmdr", "maj", "rev", "hon", "gov", "sen", "rep", "pres", "vs", "fig", "figs", "vol", "no",
    "nos", "pp", "approx", "est", "dept", "univ", "e.g", "i.e", "cf", "viz", "al", "messrs", "mme",
];
/// Abbreviations that may end a sentence: they do if the next word begins with a capital.
const MAYBE_LAST: [&str; 32] = [
    "etc", "inc", "ltd", "co", "corp", "jr", "sr", "bros", "a.m", "p.m", "u.s", "u.k", "u.n",
    "d.c", "ph.d", "ave", "blvd", "rd", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep",
    "sept", "oct", "nov", "dec", "min", "max",
];

/// The sentences of a text, in order, without the white space around them.
pub fn split(text: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    for block in blocks(text) {
        for sentence in sentences_of(&block) {
            pieces(sentence, &mut sentences);
        }
    }
    sentences
}

/// Paragraphs and list items, each on one line.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in text.lines() {
        let line = line.trim();
        let is_item = line.starts_with(['•', '‣', '▪'])
            || ["- ", "* ", "+ ", "– "].iter().any(|bullet| line.starts_with(bullet));
        let open = blocks.last_mut().filter(|_| !line.is_empty() && !is_item);
        match open {
            Some(block) => {
                if !block.is_empty() {
                    block.push(' ');
                }
                block.push_str(line);
            }
            None => blocks
                .push(line.trim_start_matches(['•', '‣', '▪', '-', '*', '+', '–', ' ']).to_owned()),
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

fn sentences_of(block: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    let mut chars = block.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if !matches!(c, '.' | '!' | '?' | '…' | '。' | '！' | '？') {
            continue;
        }
        let mut end = at + c.len_utf8();
        while let Some(&(next_at, next)) = chars.peek() {
            if !is_closing(next) {
                break;
            }
            end = next_at + next.len_utf8();
            chars.next();
        }
        if ends_sentence(&block[start..at], c, &block[end..]) {
            sentences.push(block[start..end].trim());
            start = end;
        }
    }
    sentences.push(block[start..].trim());
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// More stops, and the quotes and brackets that close behind them.
fn is_closing(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '"' | '\'' | '”' | '’' | '»' | ')' | ']' | '}')
}

/// Whether the stop between `before` and `after` ends a sentence.
fn ends_sentence(before: &str, stop: char, after: &str) -> bool {
    if matches!(stop, '。' | '！' | '？') || after.is_empty() {
        return true;
    }
    if !after.starts_with(char::is_whitespace) {
        return false;
    }
    let opening = |c: char| c.is_whitespace() || "\"'“‘«([{—-".contains(c);
    let next = after.trim_start_matches(opening).chars().next();
    if next.is_some_and(char::is_lowercase) {
        return false;
    }
    if stop != '.' {
        return true;
    }
    let word = before.rsplit(|c: char| c.is_whitespace() || "\"“‘([{-—/".contains(c)).next();
    let word = word.unwrap_or(before);
    let lower = word.to_lowercase();
    let is_initial = word.chars().count() == 1 && word.chars().all(|c| c.is_ascii_uppercase());
    let is_number_sign = lower == "no" && !next.is_some_and(|c| c.is_ascii_digit());
    if is_initial {
        return word == "I" || next.is_none();
    }
    if TITLES.contains(&lower.as_str()) && !is_number_sign {
        return false;
    }
    if MAYBE_LAST.contains(&lower.as_str()) {
        return next.is_some_and(char::is_uppercase);
    }
    true
}

/// Cuts a sentence that is too long after the last clause, or word, that still fits.
fn pieces(sentence: &str, out: &mut Vec<String>) {
    let mut rest = sentence;
    while let Some((limit, _)) = rest.char_indices().nth(LONGEST) {
        let head = &rest[..limit];
        let shortest = rest.char_indices().nth(SHORTEST).map_or(0, |(at, _)| at);
        let after_mark = |marks: &[char]| {
            head.match_indices(marks)
                .map(|(at, mark)| at + mark.len())
                .rfind(|&end| end >= shortest && rest[end..].starts_with(char::is_whitespace))
        };
        let cut = after_mark(&[';', ':', '—'])
            .or_else(|| after_mark(&[',']))
            .or_else(|| head.rfind(char::is_whitespace).filter(|&at| at > 0))
            .unwrap_or(limit);
        // A pronunciation in braces is one word.
        let open = rest[..cut].rfind('{').filter(|&at| at > 0 && !rest[at..cut].contains('}'));
        let cut = open.unwrap_or(cut);
        let (piece, later) = rest.split_at(cut);
        out.push(piece.trim().to_owned());
        rest = later.trim_start();
    }
    if !rest.is_empty() {
        out.push(rest.trim().to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(split(text), expected);
    }

    #[test]
    fn stops_end_sentences() {
        check("One. Two! Three? Four", &["One.", "Two!", "Three?", "Four"]);
        check("Wait... What?! Yes.", &["Wait...", "What?!", "Yes."]);
        check(
            "\"Go,\" he said. \"Now!\" They went.",
            &["\"Go,\" he said.", "\"Now!\"", "They went."],
        );
        check("It is (really.) Good.", &["It is (really.)", "Good."]);
    }

    #[test]
    fn abbreviations_initials_and_numbers_do_not() {
        check("Dr. Smith met Mrs. Jones. They left.", &["Dr. Smith met Mrs. Jones.", "They left."]);
        check("J. K. Rowling wrote it.", &["J. K. Rowling wrote it."]);
        check("Pi is 3.14. Yes.", &["Pi is 3.14.", "Yes."]);
        check("Use e.g. Rust, i.e. this.", &["Use e.g. Rust, i.e. this."]);
        check(
            "At 5 p.m. we ate. At 6 p.m. We slept.",
            &["At 5 p.m. we ate.", "At 6 p.m.", "We slept."],
        );
        check("Acme Inc. makes it. See No. 5 there.", &["Acme Inc. makes it.", "See No. 5 there."]);
        check("He said no. Then he left.", &["He said no.", "Then he left."]);
        check("\"What?\" he said.", &["\"What?\" he said."]);
        check("See example.com. Then go.", &["See example.com.", "Then go."]);
        check("Apples, pears, etc. Then we went.", &["Apples, pears, etc.", "Then we went."]);
        check("So am I. You too.", &["So am I.", "You too."]);
    }

    #[test]
    fn paragraphs_and_list_items_end_sentences() {
        check("A title\n\nThe text\ngoes on.", &["A title", "The text goes on."]);
        check("Buy:\n- milk\n- bread", &["Buy:", "milk", "bread"]);
        check("  \n\n ", &[]);
    }

    #[test]
    fn long_sentences_are_cut_at_clauses() {
        let long =
            "when the rain had stopped and the sun came out again, the children ran outside; "
                .repeat(5);
        let pieces = split(&long);
        assert!(pieces.len() >= 3);
        for piece in &pieces {
            assert!(piece.chars().count() <= LONGEST);
            assert!(piece.ends_with([';', ',']), "{piece}");
        }
        let joined: String = pieces.join(" ");
        assert_eq!(joined.split_whitespace().count(), long.split_whitespace().count());
        let endless = "a".repeat(1000);
        assert_eq!(split(&endless).concat(), endless);
        split(&"é—".repeat(500));
    }

    #[test]
    fn a_megabyte_takes_linear_time() {
        let text = "The quick brown fox, as Dr. Smith said at 3.30 p.m., jumps. ".repeat(17_000);
        let begun = std::time::Instant::now();
        assert_eq!(split(&text).len(), 17_000);
        assert_eq!(split(&"word ".repeat(200_000)).concat().len(), 800_000 + split_spaces());
        assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    }

    /// Spaces that stay inside pieces of `word word …`.
    fn split_spaces() -> usize {
        split(&"word ".repeat(200_000)).iter().map(|piece| piece.matches(' ').count()).sum()
    }
}

//! Text as it is written to text as it is read aloud.
//!
//! One walk over the folded text: quantities, addresses, abbreviations, acronyms and symbols are
//! spelled out, everything else stays as it is, so that the result can be shown beside the text.

use crate::tts::text::{
    abbreviations::{Needs, dotted, expansion, month},
    fold::fold,
    numbers::{cardinal, ordinal, roman, year},
    quantities, spelling,
};

/// Words before a Roman numeral that is read as a plain number.
const NUMBERED: [&str; 24] = [
    "war", "chapter", "part", "act", "volume", "book", "scene", "section", "article", "type",
    "phase", "stage", "level", "class", "appendix", "figure", "mark", "bowl", "title", "grade",
    "tier", "world", "episode", "season",
];
/// Names before a Roman numeral that is read as a place in a row.
const REGNAL: [&str; 36] = [
    "henry",
    "louis",
    "charles",
    "george",
    "edward",
    "elizabeth",
    "william",
    "james",
    "richard",
    "john",
    "paul",
    "pius",
    "benedict",
    "philip",
    "nicholas",
    "alexander",
    "napoleon",
    "catherine",
    "mary",
    "frederick",
    "leo",
    "gregory",
    "ramses",
    "francis",
    "clement",
    "innocent",
    "urban",
    "peter",
    "ivan",
    "otto",
    "wilhelm",
    "rudolf",
    "ferdinand",
    "leopold",
    "albert",
    "margaret",
];

/// Characters of the longest abbreviation with stops between its letters.
const LONGEST_DOTTED: usize = 16;

/// The text with numbers, abbreviations and symbols spelled out.
pub fn normalize(text: &str) -> String {
    let folded = fold(text);
    let mut reader =
        Reader { text: &folded, at: 0, out: String::with_capacity(text.len()), last: "" };
    while reader.at < folded.len() {
        reader.step();
    }
    tidy(&reader.out)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    out: String,
    /// The word before, as it was written.
    last: &'a str,
}

impl<'a> Reader<'a> {
    fn step(&mut self) {
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else { return };
        let before = self.text[..self.at].chars().next_back();
        let after_space = before.is_none_or(|c| c.is_whitespace() || "\"'([{—".contains(c));
        if after_space
            && first.is_ascii_alphanumeric()
            && let Some(reading) = spelling::address(rest)
        {
            return self.say(reading);
        }
        let starts_word = after_space || !before.is_some_and(char::is_alphanumeric);
        let may_be_signed =
            after_space || first.is_ascii_digit() || !matches!(first, '-' | '+' | '\'');
        if let Some(reading) = quantities::read(rest, starts_word && may_be_signed) {
            return self.say(reading);
        }
        if first.is_ascii_alphabetic() {
            return self.word(rest);
        }
        self.symbol(first, before, rest);
    }

    /// Writes words in the place of text, apart from the word before.
    fn say(&mut self, (len, words): (usize, String)) {
        let (read, rest) = self.text[self.at..].split_at(len);
        self.separate();
        self.out.push_str(&words);
        if rest.starts_with(char::is_alphanumeric) {
            self.out.push(' ');
        }
        self.at += len;
        self.last = read;
    }

    fn separate(&mut self) {
        if self.out.ends_with(char::is_alphanumeric) {
            self.out.push(' ');
        }
    }

    fn word(&mut self, rest: &'a str) {
        let letters = &rest[..word_len(rest)];
        let reading = Self::dotted(rest)
            .or_else(|| Self::date(rest, letters))
            .or_else(|| self.street_or_title(rest, letters))
            .or_else(|| Self::abbreviation(rest, letters))
            .or_else(|| self.roman(letters))
            .unwrap_or_else(|| (letters.len(), spelling::word(letters)));
        self.say(reading);
        self.last = letters;
    }

    /// `e.g.`, `U.S.`, `Ph.D.`: letters with stops between them.
    fn dotted(rest: &str) -> Option<(usize, String)> {
        let len = dotted_len(rest)?;
        let written = rest[..len].trim_end_matches('.');
        let lower = written.to_ascii_lowercase();
        let words = dotted(&lower).map_or_else(|| spelling::spell(written), str::to_owned);
        Some((len - Self::stop_to_keep(&rest[..len], &rest[len..]), words))
    }

    /// `March 3rd, 1995`, `Jan. 5`: the month in full and the day's place in it.
    fn date(rest: &str, letters: &str) -> Option<(usize, String)> {
        let month = month(letters)?;
        let mut len = letters.len();
        let stop = rest[len..].starts_with('.') && letters != month;
        len += usize::from(stop);
        let day = rest[len..].strip_prefix(' ')?;
        let n = day.bytes().take_while(u8::is_ascii_digit).count();
        let value: usize = day[..n].parse().ok().filter(|day| (1..=31).contains(day) && n <= 2)?;
        let ending = ["st", "nd", "rd", "th"].into_iter().find(|e| day[n..].starts_with(e));
        len += 1 + n + ending.map_or(0, str::len);
        let goes_on = |c: char| c.is_alphanumeric() || ":/%".contains(c);
        let is_decimal = rest[len..].strip_prefix(['.', ',']).is_some_and(starts_with_digit);
        if rest[len..].starts_with(goes_on) || is_decimal {
            return None;
        }
        let mut words = format!("{month} {}", ordinal(&value.to_string()));
        let year_at = [", ", " ", ","].into_iter().find_map(|gap| rest[len..].strip_prefix(gap));
        if let Some(digits) = year_at
            && digits.bytes().take_while(u8::is_ascii_digit).count() == 4
            && let Some(year) = year(&digits[..4])
        {
            words = format!("{words}, {year}");
            len = rest.len() - digits.len() + 4;
        }
        Some((len, words))
    }

    /// `Dr.` and `St.` each have two readings, by what stands around them.
    fn street_or_title(&self, rest: &str, letters: &str) -> Option<(usize, String)> {
        let (title, street) = match letters {
            "Dr" => ("Doctor", "Drive"),
            "St" => ("Saint", "Street"),
            _ => return None,
        };
        let stop = rest[letters.len()..].starts_with('.');
        let after = &rest[letters.len() + usize::from(stop)..];
        let before_name =
            after.strip_prefix(' ').is_some_and(|next| next.starts_with(char::is_uppercase));
        let after_name = self.last.starts_with(char::is_uppercase) && self.out.ends_with(' ');
        if !before_name && !after_name && !stop {
            return None;
        }
        // Between two capitals, as in `Baker St. London`, the name before it decides for a street.
        let words =
            if before_name && !(after_name && letters == "St" && stop) { title } else { street };
        let len = letters.len() + usize::from(stop);
        Some((len - Self::stop_to_keep(&rest[..len], after), words.to_owned()))
    }

    fn abbreviation(rest: &str, letters: &str) -> Option<(usize, String)> {
        let (words, needs) = expansion(&letters.to_ascii_lowercase())?;
        let stop = rest[letters.len()..].starts_with('.');
        let after = &rest[letters.len() + usize::from(stop)..];
        let number = starts_with_digit(after.trim_start_matches(' '));
        let is_meant = match needs {
            Needs::Nothing => true,
            Needs::Stop => stop && !is_end(after),
            Needs::StopAndNumber => stop && number,
            Needs::StopOrNumber => (stop && !is_end(after)) || number,
        };
        // A company's name may stand at the end.
        let is_company = stop && matches!(letters, "Inc" | "Co" | "Corp" | "Bros");
        if !is_meant && !is_company {
            return None;
        }
        let keeps_case =
            letters.starts_with(char::is_uppercase) || words.starts_with(char::is_lowercase);
        let words = if keeps_case { words.to_owned() } else { words.to_ascii_lowercase() };
        let len = letters.len() + usize::from(stop);
        Some((len - Self::stop_to_keep(&rest[..len], after), words))
    }

    /// `Henry VIII`, `World War II`.
    fn roman(&self, letters: &str) -> Option<(usize, String)> {
        let value = roman(letters)?;
        if !self.out.ends_with(' ') || !self.last.starts_with(char::is_uppercase) {
            return None;
        }
        let last = self.last.to_ascii_lowercase();
        let digits = value.to_string();
        if NUMBERED.contains(&last.as_str()) {
            return Some((letters.len(), cardinal(&digits)));
        }
        let is_regnal = REGNAL.contains(&last.as_str()) && letters.len() > 1;
        is_regnal.then(|| (letters.len(), format!("the {}", ordinal(&digits))))
    }

    /// One, if an abbreviation's stop ends the text too and so has to stay.
    fn stop_to_keep(abbreviation: &str, after: &str) -> usize {
        usize::from(abbreviation.ends_with('.') && is_end(after))
    }

    fn symbol(&mut self, first: char, before: Option<char>, rest: &str) {
        let len = first.len_utf8();
        let next = rest[len..].chars().next();
        let before_digit = next.is_some_and(|c| c.is_ascii_digit());
        let inside =
            before.is_some_and(char::is_alphanumeric) && next.is_some_and(char::is_alphanumeric);
        let words = match first {
            '&' => "and",
            '@' => "at",
            '#' if before_digit => "number",
            '#' if next.is_some_and(char::is_alphabetic) => "hashtag",
            '+' => "plus",
            '=' => "equals",
            '%' => "percent",
            '$' => "dollars",
            '€' => "euros",
            '£' => "pounds",
            '¥' => "yen",
            '°' => "degrees",
            'µ' => "micro",
            '~' if before_digit => "about",
            '<' if next == Some(' ') || before_digit => "is less than",
            '>' if next == Some(' ') || before_digit => "is greater than",
            '^' if rest[len..].starts_with('2') => return self.say((len + 1, "squared".into())),
            '^' if rest[len..].starts_with('3') => return self.say((len + 1, "cubed".into())),
            '^' => "to the power of",
            '.' if inside && !next.is_some_and(char::is_uppercase) => "dot",
            _ => {
                self.at += len;
                return self.mark(first, before, next);
            }
        };
        self.say((len, words.to_owned()));
        self.out.push(' ');
    }

    fn mark(&mut self, mark: char, before: Option<char>, next: Option<char>) {
        let is_space = |c: Option<char>| c.is_none_or(char::is_whitespace);
        match mark {
            // A hyphen between spaces is a dash.
            '-' if is_space(before) && is_space(next) => {
                if !self.out.trim_end().is_empty() {
                    self.out.push('—');
                }
            }
            '|' => self.out.push_str(", "),
            '/' | '\\' | '_' | '*' | '~' | '<' | '>' | '^' | '#' | '`' => self.out.push(' '),
            _ if mark.is_whitespace() => self.out.push(' '),
            _ => self.out.push(mark),
        }
    }
}

/// Letters, with apostrophes between them.
fn word_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphabetic);
    let mut len = 0;
    while is_letter(len) || bytes.get(len) == Some(&b'\'') && len > 0 && is_letter(len + 1) {
        len += 1;
    }
    len
}

/// The length of `U.S.`, `e.g.` or `Ph.D.` with its last stop.
fn dotted_len(text: &str) -> Option<usize> {
    if let Some(rest) = text.strip_prefix("Ph.D") {
        return Some(4 + usize::from(rest.starts_with('.')));
    }
    let bytes = text.as_bytes();
    let mut len = 0;
    let is_letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphabetic);
    while len <= LONGEST_DOTTED && is_letter(len) && bytes.get(len + 1) == Some(&b'.') {
        len += 2;
    }
    let goes_on = bytes.get(len).is_some_and(u8::is_ascii_alphanumeric);
    (len >= 4 && !goes_on).then_some(len)
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether nothing but closing marks follows.
fn is_end(after: &str) -> bool {
    after.trim_start_matches(['"', '\'', ')', ']', ' ']).is_empty()
}

/// Single spaces, and none before a mark.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
            continue;
        }
        if matches!(c, ',' | '.' | ';' | ':' | '!' | '?') && out.ends_with(' ') {
            out.pop();
        }
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
#[path = "normalize_tests.rs"]
mod tests;

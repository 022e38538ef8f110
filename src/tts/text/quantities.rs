//! What begins with a digit, a sign or a currency, and how it is read aloud.

use crate::tts::text::{
    abbreviations::{MONTHS, month},
    numbers::{cardinal, denominator, each_digit, ordinal, plural, year},
    units::{per, unit},
};

/// How much of the text was read, and its words.
pub type Reading = (usize, String);

/// Lengths of digit groups that make a telephone number.
const PHONE_GROUPS: [&[usize]; 3] = [&[3, 4], &[3, 3, 4], &[1, 3, 3, 4]];
/// Characters that a telephone number may have.
const LONGEST_PHONE: usize = 24;
/// Words that multiply an amount of money, with their short forms.
const MULTIPLIERS: [(&str, &str); 11] = [
    ("thousand", "thousand"),
    ("million", "million"),
    ("billion", "billion"),
    ("trillion", "trillion"),
    ("bn", "billion"),
    ("k", "thousand"),
    ("K", "thousand"),
    ("m", "million"),
    ("M", "million"),
    ("B", "billion"),
    ("T", "trillion"),
];

/// Reads the quantity at the start of `text`, if there is one.
///
/// `at_start_of_word` tells whether a sign there is a sign and not a hyphen.
pub fn read(text: &str, at_start_of_word: bool) -> Option<Reading> {
    if !at_start_of_word {
        return number(text);
    }
    phone(text)
        .or_else(|| iso_date(text))
        .or_else(|| slash_date(text))
        .or_else(|| time(text))
        .or_else(|| money(text))
        .or_else(|| signed(text))
        .or_else(|| short_decade(text))
        .or_else(|| number(text))
}

/// Digits, with commas between groups of three, and decimals.
struct Number<'a> {
    /// Without commas; empty in `.5`.
    integer: String,
    decimals: Option<&'a str>,
    is_grouped: bool,
    len: usize,
}

impl<'a> Number<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let first = n_digits(text);
        let mut integer = text[..first].to_owned();
        let mut len = first;
        if (1..=3).contains(&first) {
            while let Some(group) = text[len..].strip_prefix(',')
                && n_digits(group) == 3
            {
                integer.push_str(&group[..3]);
                len += 4;
            }
        }
        let is_grouped = len > first;
        let decimals = text[len..]
            .strip_prefix('.')
            .map(|rest| &rest[..n_digits(rest)])
            .filter(|decimals| !decimals.is_empty());
        if integer.is_empty() && decimals.is_none() {
            return None;
        }
        len += decimals.map_or(0, |decimals| decimals.len() + 1);
        Some(Self { integer, decimals, is_grouped, len })
    }

    fn words(&self) -> String {
        let whole = if self.integer.is_empty() { String::new() } else { cardinal(&self.integer) };
        match self.decimals {
            None => whole,
            Some(decimals) => format!("{whole} point {}", each_digit(decimals)).trim().to_owned(),
        }
    }

    fn is_one(&self) -> bool {
        self.integer == "1" && self.decimals.is_none()
    }

    /// Its words as a year, where it looks like one.
    fn year(&self) -> Option<String> {
        if self.is_grouped || self.decimals.is_some() { None } else { year(&self.integer) }
    }
}

fn number(text: &str) -> Option<Reading> {
    let number = Number::parse(text)?;
    let rest = &text[number.len..];
    if let Some(reading) = version(text, &number) {
        return Some(reading);
    }
    if number.decimals.is_none() {
        let fitting = clock_hour(&number, rest)
            .or_else(|| fraction(&number, rest))
            .or_else(|| with_ending(&number, rest))
            .or_else(|| day_of_month(&number, rest));
        if let Some((len, words)) = fitting {
            return Some((number.len + len, words));
        }
    }
    if let Some((len, words)) = measured(&number, rest) {
        return Some((number.len + len, words));
    }
    let words = number.year().unwrap_or_else(|| number.words());
    // A range: the second number is read on its own, with its unit.
    if let Some(second) = rest.strip_prefix('-')
        && let Some(second) = Number::parse(second)
        && !rest[1 + second.len..].starts_with('-')
    {
        return Some((number.len + 1, format!("{words} to")));
    }
    if let Some(second) = rest.strip_prefix('x')
        && n_digits(second) > 0
    {
        return Some((number.len + 1, format!("{words} by")));
    }
    if let Some(currency) = rest.chars().next().and_then(currency)
        && !rest[rest.chars().next().map_or(0, char::len_utf8)..].starts_with(char::is_alphanumeric)
    {
        let symbol = rest.chars().next().map_or(0, char::len_utf8);
        return Some((number.len + symbol, amount(&number, currency)));
    }
    Some((number.len, words))
}

/// `1.2.3`: points between numbers.
fn version(text: &str, first: &Number<'_>) -> Option<Reading> {
    let more = text[first.len..].strip_prefix('.').is_some_and(|rest| n_digits(rest) > 0);
    if first.decimals.is_none() || !more {
        return None;
    }
    let len = text.bytes().take_while(|c| c.is_ascii_digit() || *c == b'.').count();
    let token = text[..len].trim_end_matches('.');
    let words: Vec<_> = token.split('.').map(cardinal).collect();
    Some((token.len(), words.join(" point ")))
}

/// `3 pm`, `11 a.m.`
fn clock_hour(number: &Number<'_>, rest: &str) -> Option<Reading> {
    let hour: usize = number.integer.parse().ok().filter(|hour| (1..=12).contains(hour))?;
    let (len, half) = half_of_day(rest)?;
    Some((len, format!("{} {half}", cardinal(&hour.to_string()))))
}

/// `1/2`, and the second half of `1 1/2`.
fn fraction(number: &Number<'_>, rest: &str) -> Option<Reading> {
    if let Some(mixed) = rest.strip_prefix(' ') {
        let n = n_digits(mixed);
        let part = Number::parse(mixed).filter(|part| part.len == n && n <= 2)?;
        let (len, words) = fraction(&part, &mixed[n..]).filter(|_| is_proper(mixed))?;
        let words = words.strip_prefix("one ").map_or(words.clone(), |part| format!("a {part}"));
        return Some((1 + n + len, format!("{} and {words}", number.words())));
    }
    let below = rest.strip_prefix('/')?;
    let n = n_digits(below);
    if n == 0 || below[n..].starts_with(|c: char| c.is_alphanumeric() || c == '/') {
        return None;
    }
    let (above, below) = (number.integer.as_str(), &below[..n]);
    let pair = || format!("{} {}", cardinal(above), cardinal(below));
    let is_part = value(above) < value(below) || matches!(below, "2" | "4");
    let words = match denominator(below) {
        _ if matches!((above, below), ("24", "7") | ("9", "11")) => pair(),
        Some(part) if is_part && above == "1" => format!("one {part}"),
        Some(part) if is_part => {
            let parts = if part == "half" { "halves".into() } else { plural(&part) };
            format!("{} {parts}", cardinal(above))
        }
        _ => format!("{} over {}", cardinal(above), cardinal(below)),
    };
    Some((1 + n, words))
}

fn is_proper(fraction: &str) -> bool {
    let above = n_digits(fraction);
    let below = fraction[above..].trim_start_matches('/');
    value(&fraction[..above]) < value(&below[..n_digits(below)])
}

/// `21st`, `1990s`, `20's`.
fn with_ending(number: &Number<'_>, rest: &str) -> Option<Reading> {
    let ends = |len: usize| !rest[len..].starts_with(char::is_alphanumeric);
    for ending in ["st", "nd", "rd", "th", "ST", "ND", "RD", "TH"] {
        if rest.starts_with(ending) && ends(ending.len()) {
            return Some((ending.len(), ordinal(&number.integer)));
        }
    }
    let is_decade = number.integer.ends_with('0') && number.integer.len() > 1;
    for ending in ["s", "'s"] {
        if is_decade && rest.starts_with(ending) && ends(ending.len()) {
            let words = number.year().unwrap_or_else(|| number.words());
            return Some((ending.len(), plural(&words)));
        }
    }
    None
}

/// `3 March`: the third of it.
fn day_of_month(number: &Number<'_>, rest: &str) -> Option<Reading> {
    let is_day = (1..=31).contains(&value(&number.integer)) && number.len <= 2;
    let name = rest.strip_prefix(' ').filter(|_| is_day)?;
    let len = name.bytes().take_while(u8::is_ascii_alphabetic).count();
    month(&name[..len]).filter(|_| len > 3 || &name[..len] == "May")?;
    Some((0, format!("the {} of", ordinal(&number.integer))))
}

/// `5 km`, `20 °C`, `3 MB/s`, `9 m^2`.
fn measured(number: &Number<'_>, rest: &str) -> Option<Reading> {
    let space = rest.len() - rest.trim_start_matches(' ').len();
    let symbol = if space <= 1 { &rest[space..] } else { return None };
    let (len, unit) = unit(symbol)?;
    let name = if number.is_one() { unit.singular } else { unit.plural };
    let after = &symbol[len..];
    let (more, name) = if after.starts_with("^2") {
        (2, format!("square {name}"))
    } else if after.starts_with("^3") {
        (2, format!("cubic {name}"))
    } else if let Some((more, base)) = per(after) {
        (more, format!("{name} per {base}"))
    } else {
        (0, name.to_owned())
    };
    Some((space + len + more, format!("{} {name}", number.words())))
}

/// `-5`, `+3`.
fn signed(text: &str) -> Option<Reading> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("-", rest) => ("minus", rest),
        ("+", rest) => ("plus", rest),
        _ => return None,
    };
    let (len, words) = money(rest).or_else(|| number(rest))?;
    Some((len + 1, format!("{sign} {words}")))
}

/// `'90s`.
fn short_decade(text: &str) -> Option<Reading> {
    let digits = text.strip_prefix('\'')?;
    let ends = !digits.get(3..)?.starts_with(char::is_alphanumeric);
    let is_decade = n_digits(digits) == 2 && &digits[1..3] == "0s" && ends;
    is_decade.then(|| (4, plural(&cardinal(&digits[..2]))))
}

#[derive(Clone, Copy)]
struct Currency {
    singular: &'static str,
    plural: &'static str,
    /// A hundredth, one and many; none in Japan.
    cents: Option<(&'static str, &'static str)>,
}

fn currency(symbol: char) -> Option<Currency> {
    let (singular, plural, cents) = match symbol {
        '$' => ("dollar", "dollars", Some(("cent", "cents"))),
        '€' => ("euro", "euros", Some(("cent", "cents"))),
        '£' => ("pound", "pounds", Some(("penny", "pence"))),
        '¥' => ("yen", "yen", None),
        _ => return None,
    };
    Some(Currency { singular, plural, cents })
}

/// `$3.50`, `£1`, `$3.5 million`, `$10k`.
fn money(text: &str) -> Option<Reading> {
    let symbol = text.chars().next()?;
    let currency = currency(symbol)?;
    let digits = &text[symbol.len_utf8()..];
    let number = Number::parse(digits)?;
    let mut len = symbol.len_utf8() + number.len;
    let rest = &text[len..];
    let space = usize::from(rest.starts_with(' '));
    for (symbol, multiplier) in MULTIPLIERS {
        let is_word = symbol.len() > 2;
        if let Some(after) = rest[space..].strip_prefix(symbol)
            && (is_word || space == 0)
            && !after.starts_with(char::is_alphanumeric)
        {
            let words = format!("{} {multiplier} {}", number.words(), currency.plural);
            return Some((len + space + symbol.len(), words));
        }
    }
    let mut words = amount(&number, currency);
    if rest.strip_prefix('-').is_some_and(|second| money(second).is_some()) {
        words.push_str(" to");
        len += 1;
    }
    Some((len, words))
}

fn amount(number: &Number<'_>, currency: Currency) -> String {
    let name = |count: &str, one, many| if value(count) == 1 { one } else { many };
    match (number.decimals, currency.cents) {
        (Some(decimals), Some((cent, cents))) if decimals.len() == 2 => {
            let n_cents = decimals.trim_start_matches('0');
            let whole = number.integer.trim_start_matches('0');
            let of_cents = || format!("{} {}", cardinal(n_cents), name(n_cents, cent, cents));
            let of_whole = || {
                let name = name(whole, currency.singular, currency.plural);
                format!("{} {name}", cardinal(whole))
            };
            match (whole.is_empty(), n_cents.is_empty()) {
                (false, false) => format!("{} and {}", of_whole(), of_cents()),
                (true, false) => of_cents(),
                (false, true) => of_whole(),
                (true, true) => format!("zero {}", currency.plural),
            }
        }
        (Some(_), _) => format!("{} {}", number.words(), currency.plural),
        (None, _) => {
            let name = name(&number.integer, currency.singular, currency.plural);
            format!("{} {name}", number.words())
        }
    }
}

/// `3:45 pm`, `15:30`, `10:05:30`.
fn time(text: &str) -> Option<Reading> {
    let n = n_digits(text);
    let minutes = text[n..].strip_prefix(':').filter(|_| (1..=2).contains(&n))?;
    let (hour, minute) = (value(&text[..n]), value(&minutes[..n_digits(minutes)]));
    if n_digits(minutes) == 1 && !minutes[1..].starts_with(':') {
        // A ratio.
        return Some((n + 1, format!("{} to", cardinal(&text[..n]))));
    }
    if n_digits(minutes) != 2 || hour > 24 || minute > 59 {
        return None;
    }
    let mut len = n + 3;
    let seconds = text[len..].strip_prefix(':').filter(|rest| n_digits(rest) == 2);
    let seconds = seconds.map(|rest| value(&rest[..2])).filter(|seconds| *seconds < 60);
    len += if seconds.is_some() { 3 } else { 0 };
    let half = half_of_day(&text[len..]);
    if half.is_none() && text[len..].starts_with(char::is_alphanumeric) {
        return None;
    }
    let hour_words = cardinal(&hour.to_string());
    let mut words = match minute {
        0 if half.is_some() => hour_words,
        0 if hour > 12 || hour == 0 => format!("{hour_words} hundred"),
        0 => format!("{hour_words} o'clock"),
        1..10 => format!("{hour_words} oh {}", cardinal(&minute.to_string())),
        _ => format!("{hour_words} {}", cardinal(&minute.to_string())),
    };
    if let Some(seconds) = seconds {
        let name = if seconds == 1 { "second" } else { "seconds" };
        words = format!("{words} and {} {name}", cardinal(&seconds.to_string()));
    }
    if let Some((more, half)) = half {
        len += more;
        words = format!("{words} {half}");
    }
    Some((len, words))
}

/// ` pm`, `a.m.`: its length and its letters. The stop that ends a sentence too is left.
fn half_of_day(text: &str) -> Option<(usize, &'static str)> {
    let space = usize::from(text.starts_with(' '));
    let rest = &text[space..];
    for (written, spoken) in [("a.m", "ay M"), ("p.m", "P M"), ("am", "ay M"), ("pm", "P M")] {
        let head = rest.get(..written.len()).filter(|head| head.eq_ignore_ascii_case(written));
        let Some(after) = head.map(|_| &rest[written.len()..]) else { continue };
        if after.starts_with(char::is_alphanumeric) {
            continue;
        }
        let stop = written.contains('.') && after.starts_with('.');
        let ends_text = after.trim_matches(['.', '"', '\'', ')', ' ']).is_empty();
        return Some((space + written.len() + usize::from(stop && !ends_text), spoken));
    }
    None
}

/// `2024-05-17`.
fn iso_date(text: &str) -> Option<Reading> {
    let bytes = text.as_bytes();
    let is_date = bytes.len() >= 10
        && bytes[..10].iter().enumerate().all(|(at, c)| match at {
            4 | 7 => *c == b'-',
            _ => c.is_ascii_digit(),
        });
    let ends = is_date && !text[10..].starts_with(|c: char| c.is_ascii_digit() || c == '-');
    if !ends {
        return None;
    }
    date(&text[..4], value(&text[5..7]), value(&text[8..10])).map(|words| (10, words))
}

/// `5/17/2024`, month first unless there is no such month.
fn slash_date(text: &str) -> Option<Reading> {
    let token: String =
        text.chars().take(11).take_while(|c| c.is_ascii_digit() || *c == '/').collect();
    let parts: Vec<&str> = token.split('/').collect();
    let [first, second, year] = parts[..] else { return None };
    let is_short = |part: &str| (1..=2).contains(&part.len());
    if !is_short(first) || !is_short(second) || ![2, 4].contains(&year.len()) {
        return None;
    }
    let century = if year.len() == 4 {
        ""
    } else if value(year) < 50 {
        "20"
    } else {
        "19"
    };
    let (mut month, mut day) = (value(first), value(second));
    if month > 12 {
        (month, day) = (day, month);
    }
    date(&format!("{century}{year}"), month, day).map(|words| (token.len(), words))
}

fn date(digits: &str, month: usize, day: usize) -> Option<String> {
    let name = MONTHS.get(month.checked_sub(1)?)?;
    let year = year(digits).unwrap_or_else(|| cardinal(digits));
    let day = ordinal(&(1..=31).contains(&day).then_some(day)?.to_string());
    Some(format!("{name} {day}, {year}"))
}

/// `555-1234`, `(555) 123-4567`, `+1 555 123 4567`: digits one by one.
fn phone(text: &str) -> Option<Reading> {
    let len = text
        .bytes()
        .take(LONGEST_PHONE)
        .take_while(|c| c.is_ascii_digit() || b"+-() ".contains(c))
        .count();
    let token = text[..len].trim_end_matches(['-', '(', ' ', '+']);
    if text[token.len()..].starts_with(char::is_alphanumeric) {
        return None;
    }
    let groups: Vec<&str> =
        token.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let n: usize = lengths.iter().sum();
    let is_phone = match token.bytes().next()? {
        b'+' => (8..=15).contains(&n) && groups.len() > 1,
        b'(' => token.contains(')') && lengths == [3, 3, 4],
        _ => {
            let plain = token.bytes().all(|c| c.is_ascii_digit() || c == b'-');
            plain && PHONE_GROUPS.contains(&lengths.as_slice())
        }
    };
    let words: Vec<_> = groups.into_iter().map(each_digit).collect();
    let plus = if token.starts_with('+') { "plus " } else { "" };
    is_phone.then(|| (token.len(), format!("{plus}{}", words.join(", "))))
}

fn n_digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// The value of a few digits; of none, or too many, zero.
fn value(digits: &str) -> usize {
    digits.parse().unwrap_or(0)
}

//! How many words of a transcript are wrong.
//!
//! Numbers are spelled out and marks dropped before words are compared, by the same rules as in
//! `models/recipes/lib/frontend.py`, so that rates agree with those the voices' cards state.

const ONES: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] =
    ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
/// Longer runs of digits are no number but a row of digits.
const MOST_DIGITS: usize = 12;

/// The words of a text as they are compared: lower case, numbers in words, no marks.
pub fn scored_words(text: &str) -> Vec<String> {
    let text: Vec<char> = text.to_lowercase().replace('’', "'").chars().collect();
    let mut plain = String::new();
    let mut at = 0;
    while at < text.len() {
        if text[at].is_ascii_digit() {
            at += spell_out(&text, at, &mut plain);
            continue;
        }
        match text[at] {
            '%' => plain += " percent",
            '&' => plain += " and ",
            c if c.is_ascii_lowercase() || c == '\'' => plain.push(c),
            _ => plain.push(' '),
        }
        at += 1;
    }
    plain.split_whitespace().map(str::to_owned).collect()
}

/// Words that are wrong, missing or too many: the edit distance.
pub fn word_errors(reference: &[String], heard: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (i, a) in reference.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in heard.iter().enumerate() {
            let best = (diagonal + usize::from(a != b)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[heard.len()]
}

/// Writes the number that begins at `at` in words; returns how many characters it took.
fn spell_out(text: &[char], at: usize, plain: &mut String) -> usize {
    let is_digit = |at: usize| text.get(at).is_some_and(char::is_ascii_digit);
    let mut digits = String::new();
    let mut end = at;
    while is_digit(end) || (text.get(end) == Some(&',') && (1..4).all(|n| is_digit(end + n))) {
        if text[end] != ',' {
            digits.push(text[end]);
        }
        end += 1;
    }
    let number = digits.parse().ok().filter(|_| digits.len() <= MOST_DIGITS);
    let Some(number) = number else {
        for digit in digits.chars() {
            *plain += &format!(" {} ", ONES[digit as usize - '0' as usize]);
        }
        return end - at;
    };
    let is_word = |at: Option<usize>| {
        at.and_then(|at| text.get(at)).is_some_and(|c| c.is_alphanumeric() || *c == '_')
    };
    let before = at.checked_sub(1);
    let suffix: String = text[end..].iter().take(2).collect();
    if before.is_some_and(|at| text[at] == '$')
        && text.get(end) == Some(&'.')
        && is_digit(end + 1)
        && is_digit(end + 2)
    {
        let cents: String = text[end + 1..end + 3].iter().collect();
        let cents = spell_number(cents.parse().unwrap_or(0));
        *plain += &format!(" {} dollars and {cents} cents", spell_number(number));
        end += 3;
    } else if ["st", "nd", "rd", "th"].contains(&suffix.as_str()) && !is_word(Some(end + 2)) {
        *plain += &spell_ordinal(number);
        end += 2;
    } else if end - at == 4
        && ((1500..2000).contains(&number) || (2010..2030).contains(&number))
        && !is_word(before)
        && !is_word(Some(end))
    {
        *plain += &spell_year(number);
    } else {
        *plain += &format!(" {} ", spell_number(number));
    }
    // Hyphens of "twenty-one" are dropped like all others.
    *plain = plain.replace('-', " ");
    end - at
}

/// With "and" after the hundreds unless what follows can be divided by three, as the recipes spell.
fn spell_number(n: u64) -> String {
    let rest = |n: u64, between: &str| {
        if n == 0 { String::new() } else { format!("{between}{}", spell_number(n)) }
    };
    match n {
        0..20 => ONES[n as usize].to_owned(),
        20..100 => format!("{}{}", TENS[n as usize / 10], rest(n % 10, "-")),
        100..1000 => {
            let between = if n.is_multiple_of(3) { " " } else { " and " };
            format!("{} hundred{}", ONES[n as usize / 100], rest(n % 100, between))
        }
        _ => {
            let scales = [(1_000_000_000, "billion"), (1_000_000, "million"), (1000, "thousand")];
            let (scale, name) =
                scales.into_iter().find(|(scale, _)| n >= *scale).unwrap_or((1000, "thousand"));
            format!("{} {name}{}", spell_number(n / scale), rest(n % scale, " "))
        }
    }
}

fn spell_ordinal(n: u64) -> String {
    let cardinal = spell_number(n);
    let start = cardinal.rfind([' ', '-']).map_or(0, |at| at + 1);
    let (head, last) = cardinal.split_at(start);
    let last = match last {
        "one" => "first".to_owned(),
        "two" => "second".to_owned(),
        "three" => "third".to_owned(),
        "five" => "fifth".to_owned(),
        "eight" => "eighth".to_owned(),
        "nine" => "ninth".to_owned(),
        "twelve" => "twelfth".to_owned(),
        last => last.strip_suffix('y').map_or(format!("{last}th"), |stem| format!("{stem}ieth")),
    };
    format!("{head}{last}")
}

fn spell_year(year: u64) -> String {
    let (century, rest) = (spell_number(year / 100), year % 100);
    match rest {
        0 => format!("{century} hundred"),
        1..10 => format!("{century} oh {}", spell_number(rest)),
        _ => format!("{century} {}", spell_number(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(scored_words(text).join(" "), expected, "{text}");
    }

    #[test]
    fn numbers_are_compared_as_words() {
        check("At 7, 21 of 345.", "at seven twenty one of three hundred forty five");
        check(
            "1,234 and 346",
            "one thousand two hundred thirty four and three hundred and forty six",
        );
        check("$12.50 or $5", "twelve dollars and fifty cents or five");
        check("the 21st, 12th and 30th", "the twenty first twelfth and thirtieth");
        check(
            "In 1907, 1900, 1984 and 2024",
            "in nineteen oh seven nineteen hundred nineteen eighty four and twenty twenty four",
        );
        check("the 1990s", "the one thousand nine hundred ninety s");
        check("50% & well-known", "fifty percent and well known");
        check("Don’t—stop!", "don't stop");
    }

    #[test]
    fn no_run_of_digits_is_too_long() {
        assert_eq!(scored_words(&"9".repeat(40)).len(), 40);
    }

    fn errors(reference: &str, heard: &str) -> usize {
        word_errors(&scored_words(reference), &scored_words(heard))
    }

    #[test]
    fn a_wrong_a_missing_and_a_new_word_are_one_error_each() {
        assert_eq!(errors("the cat sat here", "the cat sat here"), 0);
        assert_eq!(errors("the cat sat here", "the bat sat here"), 1);
        assert_eq!(errors("the cat sat here", "the sat here"), 1);
        assert_eq!(errors("the cat sat here", "the big cat sat right here"), 2);
        assert_eq!(errors("the cat", ""), 2);
        assert_eq!(errors("", "the cat"), 2);
    }
}

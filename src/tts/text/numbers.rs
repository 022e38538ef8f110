//! Numbers in words, as American English reads them aloud.

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
/// Names of the powers of a thousand, from the first.
const THOUSANDS: [&str; 6] =
    ["thousand", "million", "billion", "trillion", "quadrillion", "quintillion"];
/// Numbers with more digits than this are read digit by digit.
const MOST_DIGITS: usize = 21;

/// A whole number from its digits: `1204` is `one thousand two hundred four`.
///
/// Leading zeros are read out, as in `007`; so is a number beyond quintillions.
pub fn cardinal(digits: &str) -> String {
    let has_leading_zero = digits.len() > 1 && digits.starts_with('0');
    if has_leading_zero || digits.len() > MOST_DIGITS {
        return each_digit(digits);
    }
    let mut groups: Vec<usize> = Vec::new();
    let mut rest = digits;
    while !rest.is_empty() {
        let (front, group) = rest.split_at(rest.len().saturating_sub(3));
        groups.push(group.parse().unwrap_or(0));
        rest = front;
    }
    let mut words = Vec::new();
    for (power, &group) in groups.iter().enumerate().rev().filter(|(_, group)| **group > 0) {
        words.push(below_thousand(group));
        if power > 0 {
            words.push(THOUSANDS[power - 1].to_owned());
        }
    }
    if words.is_empty() { ONES[0].to_owned() } else { words.join(" ") }
}

/// A whole number in its place in a row: `23` is `twenty-third`.
pub fn ordinal(digits: &str) -> String {
    let words = cardinal(digits);
    let at = words.rfind([' ', '-']).map_or(0, |at| at + 1);
    let (before, last) = words.split_at(at);
    let last = match last {
        "one" => "first".to_owned(),
        "two" => "second".to_owned(),
        "three" => "third".to_owned(),
        "five" => "fifth".to_owned(),
        "eight" => "eighth".to_owned(),
        "nine" => "ninth".to_owned(),
        "twelve" => "twelfth".to_owned(),
        _ => match last.strip_suffix('y') {
            Some(stem) => format!("{stem}ieth"),
            None => format!("{last}th"),
        },
    };
    format!("{before}{last}")
}

/// A year from its digits, or `None` if they are no year from 1100 to 2099: `1905` is
/// `nineteen oh five`, `2024` is `twenty twenty-four`.
pub fn year(digits: &str) -> Option<String> {
    let value: usize = digits.parse().ok().filter(|_| digits.len() == 4)?;
    if !(1100..2100).contains(&value) {
        return None;
    }
    if (2000..2010).contains(&value) {
        return Some(cardinal(digits));
    }
    let (century, rest) = (below_hundred(value / 100), value % 100);
    Some(match rest {
        0 => format!("{century} hundred"),
        1..10 => format!("{century} oh {}", ONES[rest]),
        _ => format!("{century} {}", below_hundred(rest)),
    })
}

/// Digits one by one.
pub fn each_digit(digits: &str) -> String {
    let words: Vec<_> =
        digits.bytes().filter(u8::is_ascii_digit).map(|d| ONES[usize::from(d - b'0')]).collect();
    words.join(" ")
}

/// Several of a word for a number: `twenty` becomes `twenties`.
pub fn plural(words: &str) -> String {
    match words.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if words.ends_with('x') => format!("{words}es"),
        None => format!("{words}s"),
    }
}

/// The part that a denominator makes, for one of it: `4` is `quarter`; `None` if it is better read
/// as `over`.
pub fn denominator(digits: &str) -> Option<String> {
    let value: usize = digits.parse().ok()?;
    match value {
        2 => Some("half".into()),
        4 => Some("quarter".into()),
        3 | 5..=20 | 30 | 32 | 40 | 50 | 60 | 64 | 80 | 90 | 100 => Some(ordinal(digits)),
        _ => None,
    }
}

/// The value of a Roman numeral in capitals, if that is how it would be written.
pub fn roman(numeral: &str) -> Option<usize> {
    let value_of = |letter| match letter {
        'I' => Some(1),
        'V' => Some(5),
        'X' => Some(10),
        'L' => Some(50),
        'C' => Some(100),
        'D' => Some(500),
        'M' => Some(1000),
        _ => None,
    };
    let values: Vec<usize> = numeral.chars().map(value_of).collect::<Option<_>>()?;
    let mut total = 0;
    for (at, &value) in values.iter().enumerate() {
        if values.get(at + 1).is_some_and(|&next| next > value) {
            total -= value as isize;
        } else {
            total += value as isize;
        }
    }
    let total = usize::try_from(total).ok().filter(|&total| (1..4000).contains(&total))?;
    (to_roman(total) == numeral).then_some(total)
}

fn to_roman(mut value: usize) -> String {
    const STEPS: [(usize, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let mut numeral = String::new();
    for (step, letters) in STEPS {
        while value >= step {
            numeral.push_str(letters);
            value -= step;
        }
    }
    numeral
}

fn below_hundred(value: usize) -> String {
    match value {
        0..20 => ONES[value].to_owned(),
        _ if value.is_multiple_of(10) => TENS[value / 10].to_owned(),
        _ => format!("{}-{}", TENS[value / 10], ONES[value % 10]),
    }
}

fn below_thousand(value: usize) -> String {
    match (value / 100, value % 100) {
        (0, rest) => below_hundred(rest),
        (hundreds, 0) => format!("{} hundred", ONES[hundreds]),
        (hundreds, rest) => format!("{} hundred {}", ONES[hundreds], below_hundred(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers() {
        for (digits, words) in [
            ("0", "zero"),
            ("7", "seven"),
            ("13", "thirteen"),
            ("20", "twenty"),
            ("42", "forty-two"),
            ("100", "one hundred"),
            ("101", "one hundred one"),
            ("999", "nine hundred ninety-nine"),
            ("1000", "one thousand"),
            ("1204", "one thousand two hundred four"),
            ("10000", "ten thousand"),
            ("100000", "one hundred thousand"),
            ("1000000", "one million"),
            ("1000001", "one million one"),
            ("2500000000", "two billion five hundred million"),
            ("1000000000000", "one trillion"),
            ("9000000000000000", "nine quadrillion"),
            ("3000000000000000000", "three quintillion"),
            ("007", "zero zero seven"),
            (
                "1234567890123456789012",
                "one two three four five six seven eight nine zero one two \
                three four five six seven eight nine zero one two",
            ),
        ] {
            assert_eq!(cardinal(digits), words);
        }
    }

    #[test]
    fn places_in_a_row() {
        for (digits, words) in [
            ("1", "first"),
            ("2", "second"),
            ("3", "third"),
            ("4", "fourth"),
            ("5", "fifth"),
            ("8", "eighth"),
            ("9", "ninth"),
            ("11", "eleventh"),
            ("12", "twelfth"),
            ("20", "twentieth"),
            ("21", "twenty-first"),
            ("32", "thirty-second"),
            ("100", "one hundredth"),
            ("101", "one hundred first"),
            ("1000", "one thousandth"),
        ] {
            assert_eq!(ordinal(digits), words);
        }
    }

    #[test]
    fn years() {
        for (digits, words) in [
            ("1100", "eleven hundred"),
            ("1492", "fourteen ninety-two"),
            ("1900", "nineteen hundred"),
            ("1905", "nineteen oh five"),
            ("1999", "nineteen ninety-nine"),
            ("2000", "two thousand"),
            ("2007", "two thousand seven"),
            ("2010", "twenty ten"),
            ("2024", "twenty twenty-four"),
            ("2099", "twenty ninety-nine"),
        ] {
            assert_eq!(year(digits).as_deref(), Some(words));
        }
        for digits in ["1066", "2100", "999", "20240", ""] {
            assert_eq!(year(digits), None);
        }
    }

    #[test]
    fn roman_numerals_are_read_only_as_they_are_written() {
        for (numeral, value) in
            [("I", 1), ("IV", 4), ("VIII", 8), ("XIV", 14), ("XL", 40), ("MCMXC", 1990)]
        {
            assert_eq!(roman(numeral), Some(value));
        }
        for numeral in ["", "IIII", "VX", "IC", "ABC", "iv", "MMMMM"] {
            assert_eq!(roman(numeral), None, "{numeral}");
        }
    }

    #[test]
    fn plurals_and_parts() {
        assert_eq!(plural("twenty"), "twenties");
        assert_eq!(plural("six"), "sixes");
        assert_eq!(plural("third"), "thirds");
        assert_eq!(denominator("4").as_deref(), Some("quarter"));
        assert_eq!(denominator("16").as_deref(), Some("sixteenth"));
        assert_eq!(denominator("365"), None);
    }
}

//! Reads a grid in Praat's long and short text formats, which are one: of a file's words only those
//! count that are numbers, quoted strings or flags.

use thiserror::Error;

use super::{TextGrid, TextGridInterval, TextGridTier};

/// More tiers than anybody draws; a file that claims more is damaged.
const MAX_TIERS: usize = 1000;

/// Why a file is not a TextGrid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TextGridError {
    /// The bytes are no text.
    #[error("the file is neither UTF-8 nor UTF-16 with a byte order mark; save it as UTF-8 text")]
    Encoding,
    /// It is something else.
    #[error("the file is not a TextGrid in text format; it must begin with \"ooTextFile\"")]
    NotATextGrid,
    /// Something else stands where something should.
    #[error("the TextGrid is damaged: line {line} has {found}, expected {expected}")]
    Unexpected {
        /// From one.
        line: usize,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// It ends too soon.
    #[error("the TextGrid is damaged: it ends where {expected} should stand")]
    Cut {
        /// What is missing.
        expected: &'static str,
    },
    /// An interval that ends before it begins, or begins before the one before it ends.
    #[error("the TextGrid is damaged: line {line} has an interval out of order")]
    Order {
        /// From one.
        line: usize,
    },
}

impl TextGrid {
    /// Reads a file's bytes: UTF-8, or UTF-16 with a byte order mark. Tiers of points are left out.
    ///
    /// # Errors
    /// If they are not a whole TextGrid.
    pub fn read(bytes: &[u8]) -> Result<Self, TextGridError> {
        let text = decode(bytes)?;
        let mut words = Words { rest: &text, line: 1 };
        let header = words.next().ok_or(TextGridError::NotATextGrid)?;
        if !matches!(header.word, Word::Text(text) if text.starts_with("ooTextFile")) {
            return Err(TextGridError::NotATextGrid);
        }
        if words.text("the word TextGrid")? != "TextGrid" {
            return Err(TextGridError::NotATextGrid);
        }
        words.number("where the grid begins")?;
        let end_secs = words.number("where the grid ends")?;
        words.flag("whether there are tiers")?;
        let n_tiers = words.count("how many tiers there are")?;
        let mut tiers = Vec::new();
        for _ in 0..n_tiers.min(MAX_TIERS) {
            tiers.extend(tier(&mut words)?);
        }
        Ok(Self { end_secs, tiers })
    }
}

/// The next tier; `None` for one of points.
fn tier(words: &mut Words<'_>) -> Result<Option<TextGridTier>, TextGridError> {
    let has_points = match words.text("the class of a tier")? {
        "IntervalTier" => false,
        "TextTier" => true,
        other => return Err(words.unexpected(other, "IntervalTier or TextTier")),
    };
    let name = unquoted(words.text("the name of a tier")?);
    words.number("where the tier begins")?;
    words.number("where the tier ends")?;
    let n = words.count("how many intervals the tier has")?;
    let mut intervals: Vec<TextGridInterval> = Vec::new();
    for _ in 0..n {
        let start_secs = words.number("where an interval begins")?;
        if has_points {
            words.text("the label of a point")?;
            continue;
        }
        let end_secs = words.number("where an interval ends")?;
        let label = unquoted(words.text("the label of an interval")?);
        let before = intervals.last().map_or(0.0, |last| last.end_secs);
        // Programs round the same border differently.
        if end_secs < start_secs || start_secs < before - 1e-4 {
            return Err(TextGridError::Order { line: words.line });
        }
        intervals.push(TextGridInterval { start_secs, end_secs, label });
    }
    Ok((!has_points).then_some(TextGridTier { name, intervals }))
}

fn decode(bytes: &[u8]) -> Result<String, TextGridError> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, odd) = bytes.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(TextGridError::Encoding);
        }
        let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
        String::from_utf16(&units).map_err(|_| TextGridError::Encoding)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => {
            std::str::from_utf8(rest).map(str::to_owned).map_err(|_| TextGridError::Encoding)
        }
    }
}

/// A string without the doubling of its quotes.
fn unquoted(text: &str) -> String {
    text.replace("\"\"", "\"")
}

/// The words of a file that count.
struct Words<'a> {
    rest: &'a str,
    line: usize,
}

/// A word, and the line it begins in.
struct Found<'a> {
    word: Word<'a>,
    line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Word<'a> {
    Number(f64),
    /// Without the quotes around it.
    Text(&'a str),
    /// As `<exists>`.
    Flag(&'a str),
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<Found<'a>> {
        loop {
            let trimmed = self.rest.trim_start();
            self.pass(self.rest.len() - trimmed.len());
            let line = self.line;
            let first = self.rest.chars().next()?;
            let found = |word| Some(Found { word, line });
            match first {
                // A comment, to the end of its line.
                '!' => self.pass(self.rest.find('\n').unwrap_or(self.rest.len())),
                '"' => {
                    let text = &self.rest[1..];
                    let len = closing_quote(text)?;
                    // With the closing quote, if there is one.
                    self.pass(len + 2);
                    return found(Word::Text(&text[..len]));
                }
                _ => {
                    let end = self.rest.find(char::is_whitespace).unwrap_or(self.rest.len());
                    let word = &self.rest[..end];
                    self.pass(end);
                    if word.starts_with('<') && word.ends_with('>') {
                        return found(Word::Flag(word));
                    }
                    if let Some(number) = word.parse().ok().filter(|n: &f64| n.is_finite()) {
                        return found(Word::Number(number));
                    }
                }
            }
        }
    }

    fn pass(&mut self, n_bytes: usize) {
        let (passed, rest) = self.rest.split_at(n_bytes);
        self.line += passed.matches('\n').count();
        self.rest = rest;
    }

    fn expect<T>(
        &mut self,
        expected: &'static str,
        read: impl FnOnce(Word<'a>) -> Option<T>,
    ) -> Result<T, TextGridError> {
        let Found { word, line } = self.next().ok_or(TextGridError::Cut { expected })?;
        let found = match word {
            Word::Number(number) => number.to_string(),
            Word::Text(text) => format!("\"{text}\""),
            Word::Flag(flag) => flag.to_owned(),
        };
        read(word).ok_or(TextGridError::Unexpected { line, found, expected })
    }

    fn number(&mut self, expected: &'static str) -> Result<f64, TextGridError> {
        self.expect(expected, |word| match word {
            Word::Number(number) => Some(number),
            _ => None,
        })
    }

    /// A whole number; no memory is reserved for as many, since a damaged file may claim any.
    fn count(&mut self, expected: &'static str) -> Result<usize, TextGridError> {
        self.expect(expected, |word| match word {
            Word::Number(number) if number >= 0.0 && number.fract() == 0.0 => Some(number as usize),
            _ => None,
        })
    }

    fn text(&mut self, expected: &'static str) -> Result<&'a str, TextGridError> {
        self.expect(expected, |word| match word {
            Word::Text(text) => Some(text),
            _ => None,
        })
    }

    fn flag(&mut self, expected: &'static str) -> Result<&'a str, TextGridError> {
        self.expect(expected, |word| match word {
            Word::Flag(flag) => Some(flag),
            _ => None,
        })
    }

    fn unexpected(&self, found: &str, expected: &'static str) -> TextGridError {
        TextGridError::Unexpected { line: self.line, found: format!("\"{found}\""), expected }
    }
}

/// Where the quote stands that ends a string; two in a row are one within it.
fn closing_quote(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + text[from..].find('"')?;
        if !text[at + 1..].starts_with('"') {
            return Some(at);
        }
        from = at + 2;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grid() -> TextGrid {
        let interval = |start_secs, end_secs, label: &str| TextGridInterval {
            start_secs,
            end_secs,
            label: label.to_owned(),
        };
        TextGrid {
            end_secs: 0.75,
            tiers: vec![
                TextGridTier {
                    name: "words".to_owned(),
                    intervals: vec![
                        interval(0.0, 0.125, ""),
                        interval(0.125, 0.5, "a \"Grüße\"\nof 3 ! words"),
                        interval(0.5, 0.75, "0.5"),
                    ],
                },
                TextGridTier {
                    name: "phones".to_owned(),
                    intervals: vec![interval(0.0, 0.75, "AH0")],
                },
            ],
        }
    }

    /// The same grid as another program would write it in few lines.
    const SHORT: &str = "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\n0\n0.75\n<exists>\n3\n\
        \"IntervalTier\"\n\"words\"\n0\n0.75\n3\n0\n0.125\n\"\"\n0.125\n0.5\n\"a \"\"Grüße\"\"\nof 3 ! words\"\n\
        0.5\n0.75\n\"0.5\"\n\"TextTier\"\n\"clicks\"\n0\n0.75\n1\n0.3\n\"click\"\n\
        \"IntervalTier\"\n\"phones\"\n0\n0.75\n1\n0\n0.75\n\"AH0\" ! the end\n";

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect()
    }

    #[test]
    fn what_is_written_is_read_again() {
        assert_eq!(TextGrid::read(grid().to_long_text().as_bytes()), Ok(grid()));
    }

    #[test]
    fn the_short_format_is_the_same_grid_in_every_encoding() {
        let with_mark = format!("\u{feff}{SHORT}");
        for bytes in [
            SHORT.as_bytes().to_vec(),
            with_mark.into_bytes(),
            utf16(SHORT, u16::to_le_bytes),
            utf16(SHORT, u16::to_be_bytes),
            SHORT.replace('\n', "\r\n").replace("\"\r\nof", "\"\nof").into_bytes(),
        ] {
            assert_eq!(TextGrid::read(&bytes), Ok(grid()));
        }
    }

    #[test]
    fn damage_is_named_with_its_line() {
        let long = grid().to_long_text();
        let read = |text: &str| TextGrid::read(text.as_bytes()).unwrap_err();
        assert_eq!(read(""), TextGridError::NotATextGrid);
        assert_eq!(read("RIFF and more"), TextGridError::NotATextGrid);
        assert_eq!(TextGrid::read(&[0xff, 0xfe, 0x41]), Err(TextGridError::Encoding));
        assert_eq!(TextGrid::read(&[0xc3, 0x28]), Err(TextGridError::Encoding));
        let expected = "where an interval begins";
        let found = "\"x\"".to_owned();
        assert_eq!(
            read(&long.replace("xmin = 0.125", "xmin = \"x\"")),
            TextGridError::Unexpected { line: 20, found, expected }
        );
        let swapped = long.replace("xmax = 0.5\n", "xmax = 0.05\n");
        assert_eq!(read(&swapped), TextGridError::Order { line: 23 });
        let many = long.replace("intervals: size = 1\n", "intervals: size = 1000000000000\n");
        assert_eq!(read(&many), TextGridError::Cut { expected });
    }

    proptest! {
        #[test]
        fn no_cut_and_no_changed_byte_is_more_than_an_error(
            cut in 0_usize..900, at in 0_usize..900, byte in any::<u8>(),
        ) {
            let mut bytes = grid().to_long_text().into_bytes();
            let n = bytes.len();
            bytes[at % n] = byte;
            bytes.truncate(cut.max(1));
            // Neither a panic nor a list as long as the file claims.
            TextGrid::read(&bytes).ok();
        }
    }
}

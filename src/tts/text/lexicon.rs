//! The CMU Pronouncing Dictionary, carried in the program.
//!
//! The file is 0.9 MB of gzip with lines `word PH PH …`; it is unpacked once, and words are found by
//! bisection over the starts of their lines, so that it takes no more memory than its text and four
//! bytes a word. A word's first pronunciation counts; the others (`word(2)`) are skipped.

use std::{io::Read, sync::LazyLock};

use flate2::read::GzDecoder;

static SHARED: LazyLock<Lexicon> = LazyLock::new(|| {
    let packed: &[u8] = include_bytes!("../../../assets/cmudict.dict.gz");
    let mut text = String::new();
    GzDecoder::new(packed)
        .read_to_string(&mut text)
        .expect("the embedded dictionary is whole, its build has read it");
    Lexicon::parse(text)
});

/// Words with their pronunciations.
#[derive(Debug)]
pub struct Lexicon {
    text: String,
    /// Starts of lines, ordered by the words that stand there.
    lines: Vec<u32>,
}

impl Lexicon {
    /// The embedded dictionary; the first call unpacks it.
    pub fn shared() -> &'static Self {
        &SHARED
    }

    fn parse(text: String) -> Self {
        let mut lines = Vec::with_capacity(140_000);
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let word = word_of(line);
            if !word.is_empty() && !line.starts_with(['#', ';']) && !word.ends_with(')') {
                lines.push(start as u32);
            }
            start += line.len();
        }
        // Stable, so that of two equal words the first stays the first.
        lines.sort_by_key(|&start| word_of(&text[start as usize..]));
        lines.dedup_by_key(|start| word_of(&text[*start as usize..]));
        Self { text, lines }
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether a word, in lower case, is there.
    pub fn contains(&self, word: &str) -> bool {
        self.find(word).is_some()
    }

    /// The phonemes of a word in lower case.
    pub fn phonemes(&self, word: &str) -> Option<impl Iterator<Item = &str>> {
        let line = self.find(word)?;
        let line = line.split('#').next().unwrap_or(line);
        Some(line.split_ascii_whitespace().skip(1))
    }

    fn find(&self, word: &str) -> Option<&str> {
        let at = self
            .lines
            .binary_search_by_key(&word, |&start| word_of(&self.text[start as usize..]))
            .ok()?;
        self.text[self.lines[at] as usize..].lines().next()
    }
}

fn word_of(line: &str) -> &str {
    line.split([' ', '\n', '\r']).next().unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pronunciation_counts() {
        let text =
            "# a remark\nread R EH1 D\nread(2) R IY1 D\na AH0 # weak\na's EY1 Z\n".to_owned();
        let lexicon = Lexicon::parse(text);
        let of = |word| lexicon.phonemes(word).map(Iterator::collect::<Vec<_>>);
        assert_eq!(of("read"), Some(vec!["R", "EH1", "D"]));
        assert_eq!(of("a"), Some(vec!["AH0"]));
        assert_eq!(of("a's"), Some(vec!["EY1", "Z"]));
        assert_eq!((of("rea"), of("read(2)"), of("")), (None, None, None));
        assert_eq!(lexicon.len(), 3);
    }

    #[test]
    fn the_embedded_dictionary_knows_common_words() {
        let lexicon = Lexicon::shared();
        assert!(lexicon.len() > 120_000);
        for word in ["the", "synthesis", "o'clock", "'tis", "zebra", "aardvark"] {
            assert!(lexicon.contains(word), "{word}");
        }
        assert_eq!(
            lexicon.phonemes("speech").unwrap().collect::<Vec<_>>(),
            ["S", "P", "IY1", "CH"]
        );
    }
}

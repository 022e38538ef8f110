//! The symbols that a voice was trained on, and their rows in its embedding.

use std::collections::HashMap;

/// A voice's symbols in the order of its embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolTable {
    symbols: Vec<String>,
    ids: HashMap<String, u32>,
}

impl SymbolTable {
    /// From the symbols in order; the first of two equal ones counts.
    pub fn new(symbols: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let symbols: Vec<String> = symbols.into_iter().map(Into::into).collect();
        let mut ids = HashMap::with_capacity(symbols.len());
        for (id, symbol) in symbols.iter().enumerate() {
            ids.entry(symbol.clone()).or_insert(id as u32);
        }
        Self { symbols, ids }
    }

    /// Formant's own table: pad, edges, space, six marks, 15 vowels with three stresses, 24
    /// consonants; 79 in all.
    pub fn formant() -> Self {
        let marks = ["_", "^", "$", " ", ",", ".", "?", "!", ";", ":"].map(str::to_owned);
        let vowels = VOWELS.iter().flat_map(|vowel| ["0", "1", "2"].map(|s| format!("{vowel}{s}")));
        Self::new(marks.into_iter().chain(vowels).chain(CONSONANTS.map(str::to_owned)))
    }

    /// The 42 symbols of SpeechBrain's published FastSpeech 2: no stress, `spn` for a pause.
    pub fn speechbrain() -> Self {
        let mut phonemes = [VOWELS.as_slice(), CONSONANTS.as_slice()].concat();
        phonemes.sort_unstable();
        let first = std::iter::once("@@");
        Self::new(first.chain(phonemes).chain(["spn", "<unk>"]))
    }

    /// How many symbols there are.
    pub fn len(&self) -> usize {
        self.symbols.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// All symbols in order.
    pub fn symbols(&self) -> &[String] {
        &self.symbols
    }

    /// The row of a symbol.
    pub fn id(&self, symbol: &str) -> Option<u32> {
        self.ids.get(symbol).copied()
    }

    /// Whether vowels carry a stress digit.
    pub fn has_stress(&self) -> bool {
        self.ids.contains_key("AH0")
    }
}

/// ARPAbet's vowels, without stress.
pub const VOWELS: [&str; 15] =
    ["AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"];

/// ARPAbet's consonants.
pub const CONSONANTS: [&str; 24] = [
    "B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T",
    "TH", "V", "W", "Y", "Z", "ZH",
];

/// A symbol without its stress digit.
pub fn without_stress(symbol: &str) -> &str {
    symbol.trim_end_matches(['0', '1', '2'])
}

/// Whether a symbol is a vowel, with or without stress.
pub fn is_vowel(symbol: &str) -> bool {
    VOWELS.contains(&without_stress(symbol))
}

/// Whether the vocal folds move: vowels and the sounds that murmur.
pub fn is_voiced(symbol: &str) -> bool {
    const VOICELESS: [&str; 9] = ["CH", "F", "HH", "K", "P", "S", "SH", "T", "TH"];
    is_vowel(symbol) || CONSONANTS.contains(&symbol) && !VOICELESS.contains(&symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_have_the_published_sizes_and_ids() {
        let table = SymbolTable::formant();
        assert_eq!(table.len(), 79);
        assert_eq!(table.id("AA0"), Some(10));
        assert_eq!(table.id("ZH"), Some(78));
        assert!(table.has_stress());
        let table = SymbolTable::speechbrain();
        assert_eq!(table.len(), 42);
        assert_eq!(
            [table.id("AA"), table.id("ZH"), table.id("spn")],
            [Some(1), Some(39), Some(40)]
        );
        assert!(!table.has_stress());
    }

    #[test]
    fn voicing_is_told_from_the_symbol() {
        for symbol in ["AH0", "UW", "Z", "NG"] {
            assert!(is_voiced(symbol), "{symbol}");
        }
        for symbol in ["S", " ", ",", "^", "spn", "TH"] {
            assert!(!is_voiced(symbol), "{symbol}");
        }
    }
}

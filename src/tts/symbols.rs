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

    /// The 148 symbols of NVIDIA's and SpeechBrain's published Tacotron 2: letters, which it was
    /// trained on, and ARPAbet after `@`, which it was not.
    pub fn nvidia() -> Self {
        let marks = "_-!'(),.:;? ".chars().map(String::from);
        let letters = ('A'..='Z').chain('a'..='z').map(String::from);
        Self::new(marks.chain(letters).chain(arpabet_after_at()))
    }

    /// The 149 symbols of keithito's and r9y9's Tacotron: letters, `~` for the end.
    pub fn keithito() -> Self {
        let letters = ('A'..='Z').chain('a'..='z').map(String::from);
        let marks = "!'(),-.:;? ".chars().map(String::from);
        let edges = ["_", "~"].map(str::to_owned);
        Self::new(edges.into_iter().chain(letters).chain(marks).chain(arpabet_after_at()))
    }

    /// The 178 symbols of the published Matcha-TTS voices, the IPA among them.
    pub fn matcha() -> Self {
        let marks = "_;:,.!?¡¿—…\"«»“” ".chars();
        let letters = ('A'..='Z').chain('a'..='z');
        let ipa = "ɑɐɒæɓʙβɔɕçɗɖðʤəɘɚɛɜɝɞɟʄɡɠɢʛɦɧħɥʜɨɪʝɭɬɫɮʟɱɯɰŋɳɲɴøɵɸθœɶʘɹɺɾɻʀʁɽʂʃʈʧʉʊʋⱱʌɣɤʍχʎʏʑʐʒʔʡʕʢǀǁǂǃˈˌːˑʼʴʰʱʲʷˠˤ˞↓↑→↗↘"
            .chars();
        // The apostrophe stands here twice; the network knows the second.
        let last = ["\u{2019}'", "\u{329}", "'", "ᵻ"].map(str::to_owned);
        Self::new(marks.chain(letters).chain(ipa).map(String::from).chain(last))
    }

    /// The table of the published voices, or of Formant's own, that has so many symbols.
    pub fn published(n_symbols: usize) -> Option<Self> {
        let tables = [
            Self::formant(),
            Self::speechbrain(),
            Self::nvidia(),
            Self::keithito(),
            Self::matcha(),
        ];
        tables.into_iter().find(|table| table.len() == n_symbols)
    }

    /// How words are written in these symbols.
    pub fn writing(&self) -> Writing {
        if self.ids.contains_key("ɹ") {
            Writing::Ipa
        } else if self.ids.contains_key("q") {
            Writing::Letters
        } else {
            Writing::Arpabet
        }
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

/// What stands for a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// Its phonemes in ARPAbet.
    Arpabet,
    /// Its phonemes in the IPA.
    Ipa,
    /// Its letters: the voice has learned to pronounce them.
    Letters,
}

/// Vowels plain and with each stress, and consonants, in alphabetical order.
fn arpabet_after_at() -> impl Iterator<Item = String> {
    let vowels = VOWELS
        .iter()
        .flat_map(|vowel| ["", "0", "1", "2"].map(|stress| format!("{vowel}{stress}")));
    let mut all: Vec<String> = vowels.chain(CONSONANTS.map(str::to_owned)).collect();
    all.sort_unstable();
    all.into_iter().map(|symbol| format!("@{symbol}"))
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
        let table = SymbolTable::nvidia();
        assert_eq!(table.len(), 148);
        assert_eq!([table.id(" "), table.id("z"), table.id("@AA")], [Some(11), Some(63), Some(64)]);
        assert_eq!(table.id("@ZH"), Some(147));
        let table = SymbolTable::keithito();
        assert_eq!(table.len(), 149);
        assert_eq!([table.id("~"), table.id("A"), table.id(" ")], [Some(1), Some(2), Some(64)]);
        let table = SymbolTable::matcha();
        assert_eq!(table.len(), 178);
        assert_eq!(
            [table.id("ɹ"), table.id("ˈ"), table.id("'")],
            [Some(123), Some(156), Some(176)]
        );
        assert_eq!(SymbolTable::published(178), Some(table));
        assert_eq!(SymbolTable::published(80), None);
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

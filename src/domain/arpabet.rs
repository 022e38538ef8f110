//! ARPAbet as people type it: checked, and in the letters that voices know.
//!
//! Source: the phoneme set of the CMU Pronouncing Dictionary, 0.7b: 15 vowels that carry a stress, 24
//! consonants that carry none.

/// Vowels; each carries its stress, 0, 1 or 2.
const VOWELS: [&str; 15] =
    ["AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"];

/// Consonants.
const CONSONANTS: [&str; 24] = [
    "B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T",
    "TH", "V", "W", "Y", "Z", "ZH",
];

/// Why a text is no pronunciation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArpabetError {
    /// Nothing stands there.
    #[error("no phoneme is given; write them a space apart, as in JH IH1 F")]
    Empty,
    /// A vowel that does not say how it is stressed.
    #[error(
        "{vowel} needs its stress: {vowel}1 (primary), {vowel}2 (secondary) or {vowel}0 (none)"
    )]
    NoStress {
        /// The vowel.
        vowel: String,
    },
    /// A consonant that says how it is stressed.
    #[error("{symbol} is a consonant and carries no stress; write {consonant}")]
    StressedConsonant {
        /// As typed.
        symbol: String,
        /// Without its digit.
        consonant: String,
    },
    /// No phoneme of this name.
    #[error(
        "{symbol} is no ARPAbet phoneme; there are the vowels {} and the consonants {}",
        VOWELS.join(" "),
        CONSONANTS.join(" ")
    )]
    Unknown {
        /// As typed.
        symbol: String,
    },
}

/// Phonemes a space apart, in any case, as the list that voices know: `hh ah0 l ow1`.
///
/// # Errors
/// The first symbol that is none, and what to write instead.
pub fn parse_arpabet(text: &str) -> Result<Vec<String>, ArpabetError> {
    let phonemes = text.split_whitespace().map(parse_phoneme).collect::<Result<Vec<_>, _>>()?;
    if phonemes.is_empty() { Err(ArpabetError::Empty) } else { Ok(phonemes) }
}

fn parse_phoneme(typed: &str) -> Result<String, ArpabetError> {
    let symbol = typed.to_uppercase();
    let bare = symbol.trim_end_matches(['0', '1', '2']);
    let is_stressed = symbol.len() == bare.len() + 1;
    if VOWELS.contains(&bare) && symbol == bare {
        return Err(ArpabetError::NoStress { vowel: symbol });
    }
    if CONSONANTS.contains(&bare) && is_stressed {
        let consonant = bare.to_owned();
        return Err(ArpabetError::StressedConsonant { symbol, consonant });
    }
    let is_one = CONSONANTS.contains(&symbol.as_str()) || VOWELS.contains(&bare) && is_stressed;
    if is_one { Ok(symbol) } else { Err(ArpabetError::Unknown { symbol: typed.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phonemes_are_read_in_any_case() {
        assert_eq!(parse_arpabet(" hh ah0  L OW1 ").unwrap(), ["HH", "AH0", "L", "OW1"]);
    }

    #[test]
    fn what_is_no_phoneme_says_what_to_write() {
        for (text, part) in [
            ("", "as in JH IH1 F"),
            ("JH IH F", "IH1 (primary)"),
            ("JH1 IH1 F", "write JH"),
            ("JH IH3 F", "IH3 is no ARPAbet phoneme"),
            ("JH IH11 F", "IH11 is no ARPAbet phoneme"),
            ("jif", "jif is no ARPAbet phoneme"),
            ("1", "1 is no ARPAbet phoneme"),
        ] {
            let said = parse_arpabet(text).unwrap_err().to_string();
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}

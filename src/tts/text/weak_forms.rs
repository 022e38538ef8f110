//! Function words as running speech says them.
//!
//! The dictionary marks them stressed, as they stand alone. These are the forms that the bundled
//! voice was trained with (`models/recipes/lib/frontend.py`), so they must stay as they are.

/// The reduced form of a function word.
pub fn weak_form(word: &str) -> Option<&'static str> {
    let at = WEAK.binary_search_by_key(&word, |(word, _)| word).ok()?;
    Some(WEAK[at].1)
}

/// Whether a word takes its dictionary form before a mark.
pub fn is_full_at_the_end(word: &str) -> bool {
    FULL_AT_THE_END.binary_search(&word).is_ok()
}

/// Whether a word, full at the end, keeps but a secondary stress when others came before.
pub fn is_secondary_at_the_end(word: &str) -> bool {
    ["her", "him", "it", "me", "them", "us", "you"].contains(&word)
}

/// In alphabetical order.
const WEAK: [(&str, &str); 71] = [
    ("a", "AH0"),
    ("am", "AE0 M"),
    ("an", "AE0 N"),
    ("and", "AE0 N D"),
    ("are", "AA0 R"),
    ("as", "AE0 Z"),
    ("at", "AE0 T"),
    ("be", "B IY0"),
    ("been", "B IH0 N"),
    ("but", "B AH2 T"),
    ("by", "B AY2"),
    ("can", "K AE0 N"),
    ("could", "K UH0 D"),
    ("do", "D UW2"),
    ("does", "D AH0 Z"),
    ("for", "F AO0 R"),
    ("from", "F R AH0 M"),
    ("had", "HH AE0 D"),
    ("has", "HH AE0 Z"),
    ("have", "HH AE0 V"),
    ("he", "HH IY0"),
    ("her", "HH ER0"),
    ("him", "HH IH0 M"),
    ("his", "HH IH0 Z"),
    ("i", "AY2"),
    ("i'll", "AY2 L"),
    ("i'm", "AY2 M"),
    ("i've", "AY2 V"),
    ("if", "IH0 F"),
    ("in", "IH0 N"),
    ("into", "IH2 N T AH0"),
    ("is", "IH0 Z"),
    ("it", "IH0 T"),
    ("it's", "IH2 T S"),
    ("its", "IH0 T S"),
    ("may", "M EY2"),
    ("me", "M IY0"),
    ("might", "M AY2 T"),
    ("must", "M AH2 S T"),
    ("my", "M AY2"),
    ("nor", "N AO0 R"),
    ("of", "AH0 V"),
    ("on", "AA0 N"),
    ("or", "AO0 R"),
    ("our", "AW2 ER0"),
    ("shall", "SH AE0 L"),
    ("she", "SH IY0"),
    ("should", "SH UH0 D"),
    ("so", "S OW2"),
    ("some", "S AH2 M"),
    ("than", "DH AE0 N"),
    ("that", "DH AE2 T"),
    ("the", "DH AH0"),
    ("their", "DH EH0 R"),
    ("them", "DH EH0 M"),
    ("there", "DH EH2 R"),
    ("they", "DH EY2"),
    ("this", "DH IH2 S"),
    ("to", "T AH0"),
    ("us", "AH0 S"),
    ("was", "W AH0 Z"),
    ("we", "W IY0"),
    ("were", "W ER0"),
    ("when", "W EH2 N"),
    ("which", "W IH2 CH"),
    ("who", "HH UW2"),
    ("will", "W IH0 L"),
    ("with", "W IH0 DH"),
    ("would", "W UH0 D"),
    ("you", "Y UW0"),
    ("your", "Y AO0 R"),
];

/// In alphabetical order.
const FULL_AT_THE_END: [&str; 46] = [
    "am", "are", "at", "be", "been", "by", "can", "could", "do", "does", "for", "from", "had",
    "has", "have", "he", "her", "him", "i", "in", "is", "it", "may", "me", "might", "must", "of",
    "on", "she", "should", "so", "that", "them", "there", "they", "this", "to", "us", "was", "we",
    "were", "who", "will", "with", "would", "you",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_in_order() {
        assert!(WEAK.is_sorted_by(|a, b| a.0 < b.0));
        assert!(FULL_AT_THE_END.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn words_are_found() {
        assert_eq!(weak_form("the"), Some("DH AH0"));
        assert_eq!(weak_form("your"), Some("Y AO0 R"));
        assert_eq!(weak_form("zebra"), None);
        assert!(
            is_full_at_the_end("am") && is_full_at_the_end("you") && !is_full_at_the_end("the")
        );
    }
}

//! ARPAbet as the IPA that eSpeak writes for American English: what published Matcha-TTS voices have
//! learned.
//!
//! Stress marks stand right before the vowel, as eSpeak's do. Words that eSpeak says otherwise than
//! the dictionary stay as the dictionary has them.

use crate::tts::symbols::without_stress;

/// The characters of one phoneme, given what follows it in its word.
pub fn ipa(phoneme: &str, next: Option<&str>) -> String {
    let before_r = next == Some("R");
    let plain = without_stress(phoneme);
    let is_weak = phoneme.ends_with('0');
    let sound = match plain {
        "AA" => "ɑː",
        "AE" => "æ",
        "AH" if is_weak => "ə",
        "AH" => "ʌ",
        "AO" if before_r => "oː",
        "AO" => "ɔː",
        "AW" => "aʊ",
        "AY" => "aɪ",
        "EH" => "ɛ",
        "ER" if is_weak => "ɚ",
        "ER" => "ɜː",
        "EY" => "eɪ",
        "IH" => "ɪ",
        "IY" if is_weak && next.is_none() => "i",
        "IY" => "iː",
        "OW" => "oʊ",
        "OY" => "ɔɪ",
        "UH" => "ʊ",
        "UW" => "uː",
        "CH" => "tʃ",
        "DH" => "ð",
        "G" => "ɡ",
        "HH" => "h",
        "JH" => "dʒ",
        "NG" => "ŋ",
        "R" => "ɹ",
        "SH" => "ʃ",
        "TH" => "θ",
        "Y" => "j",
        "ZH" => "ʒ",
        // The others are the same letter, small.
        other => return other.to_lowercase(),
    };
    let stress = match phoneme.chars().last() {
        Some('1') => "ˈ",
        Some('2') => "ˌ",
        _ => "",
    };
    format!("{stress}{sound}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arpabet: &str, expected: &str) {
        let phonemes: Vec<&str> = arpabet.split(' ').collect();
        let written: String = phonemes
            .iter()
            .enumerate()
            .map(|(at, phoneme)| ipa(phoneme, phonemes.get(at + 1).copied()))
            .collect();
        assert_eq!(written, expected);
    }

    #[test]
    fn words_are_written_as_espeak_writes_them() {
        check("HH AH0 L OW1", "həlˈoʊ");
        check("W ER1 L D", "wˈɜːld");
        check("P R IH1 N T IH0 NG", "pɹˈɪntɪŋ");
        check("K AA1 R", "kˈɑːɹ");
        check("M AO1 R", "mˈoːɹ");
        check("HH AE1 P IY0", "hˈæpi");
    }
}

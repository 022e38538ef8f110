//! Measured figures of a model, from the names in its `model.toml` to words with units.

/// A figure as it is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Figure {
    /// `WER`.
    pub(super) name: String,
    /// `4.2`.
    pub(super) value: String,
    /// `%`, or nothing for a plain number.
    pub(super) unit: &'static str,
    /// What it means, where we know.
    pub(super) meaning: &'static str,
}

/// Ends of names that tell a unit.
const UNITS: &[(&str, &str)] = &[
    ("_percent", "%"),
    ("_secs", "s"),
    ("_ms", "ms"),
    ("_hz", "Hz"),
    ("_db", "dB"),
    ("_cents", "cents"),
    ("_semitones", "semitones"),
    ("_mb", "MB"),
];

/// Begins names of figures that a vocoder has on mels of recordings.
const COPY_SYNTHESIS: &str = "copy_";

/// What the customary figures mean; the first that fits is taken.
const MEANINGS: &[(&str, &str)] = &[
    ("wer", "Word error rate: words that a recogniser got wrong, of all words. Lower is better."),
    ("cer", "Character error rate of a recogniser. Lower is better."),
    ("per", "Phoneme error rate: phonemes that differ from the dictionary. Lower is better."),
    ("dnsmos", "Quality as the DNSMOS model estimates it, 1 to 5. Higher is better."),
    ("utmos", "Naturalness as the UTMOS model estimates it, 1 to 5. Higher is better."),
    (
        "attention",
        "Sentences whose attention skipped, repeated, stalled or found no end. Lower is better.",
    ),
    ("mcd", "Mel-cepstral distortion against recordings. Lower is better."),
    ("rtf", "Real-time factor: time to make the sound over its duration. Lower is better."),
    ("perplexity", "How surprised the model is by held-out text. Lower is better."),
    ("f0", "Pitch, measured against recordings."),
    ("mel", "Distance of mels from those of recordings. Lower is better."),
];

/// Words that are written in capitals.
const CAPITALS: &[&str] = &[
    "wer", "cer", "per", "dnsmos", "ovrl", "sig", "bak", "utmos", "mos", "mcd", "rtf", "f0",
    "rmse", "l1", "sd", "pesq", "stoi", "snr",
];

/// Makes words of `wer_percent` and 4.25.
pub(super) fn figure(name: &str, value: f64) -> Figure {
    let (stem, unit) = UNITS
        .iter()
        .find_map(|(ending, unit)| Some((name.strip_suffix(ending)?, *unit)))
        .unwrap_or((name, ""));
    let (stem, is_copy) = match stem.strip_prefix(COPY_SYNTHESIS) {
        Some(stem) => (stem, true),
        None => (stem, false),
    };
    let mut words: Vec<String> = stem
        .split('_')
        .map(|word| if CAPITALS.contains(&word) { word.to_uppercase() } else { word.to_owned() })
        .collect();
    if let Some(first) = words.first_mut()
        && let Some(letter) = first.chars().next()
    {
        *first = letter.to_uppercase().chain(first.chars().skip(1)).collect();
    }
    if is_copy {
        words.push("(copy synthesis)".to_owned());
    }
    let begins = |meaning: &&(&str, &'static str)| stem.split('_').any(|word| word == meaning.0);
    let meaning = MEANINGS.iter().find(begins).map_or("", |(_, meaning)| meaning);
    Figure { name: words.join(" "), value: number(value), unit, meaning }
}

/// Three digits that count, no tail of zeros, thin spaces between thousands.
fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() >= 1.0 {
        let digits = format!("{value:.0}");
        let head = digits.len() % 3;
        let mut grouped = String::new();
        for (digit_idx, digit) in digits.chars().enumerate() {
            if digit_idx > 0 && digit_idx % 3 == head && digits.len() > 4 {
                grouped.push('\u{2009}');
            }
            grouped.push(digit);
        }
        return grouped;
    }
    let decimals = match value.abs() {
        0.0..1.0 => 3,
        1.0..100.0 => 2,
        _ => 1,
    };
    let text = format!("{value:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, value: f64, expected: (&str, &str, &str)) {
        let figure = figure(name, value);
        assert_eq!((figure.name.as_str(), figure.value.as_str(), figure.unit), expected);
    }

    #[test]
    fn names_become_words_with_units() {
        check("wer_percent", 4.25, ("WER", "4.25", "%"));
        check("dnsmos_ovrl", 3.1, ("DNSMOS OVRL", "3.1", ""));
        check("test_sentences", 100.0, ("Test sentences", "100", ""));
        check("copy_wer_percent", 3.99, ("WER (copy synthesis)", "3.99", "%"));
        check("f0_rmse_hz", 17.456, ("F0 RMSE", "17.46", "Hz"));
        check("rtf_cpu", 0.0712, ("RTF cpu", "0.071", ""));
        check("parameters", 12_345_678.0, ("Parameters", "12\u{2009}345\u{2009}678", ""));
    }
}

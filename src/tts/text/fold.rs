//! Unicode to the characters that the normalizer reads: ASCII and a handful of symbols.
//!
//! Letters lose their accents, typographic quotes and dashes become plain ones, symbols with a
//! spoken name become it, and scripts and pictures that the voice cannot speak become a space.

/// The text in `a–z A–Z 0–9`, ASCII marks, `— £ € ¥ ° µ`.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' | '—' | '£' | '€' | '¥' | '°' => folded.push(c),
            // Full-width forms, as Japanese and Chinese keyboards give.
            '！'..='～' => folded.extend(char::from_u32(c as u32 - 0xfee0)),
            '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{ad}' | '\u{feff}' => (),
            _ => folded.push_str(symbol(c).or_else(|| letter(c)).unwrap_or(" ")),
        }
    }
    folded
}

fn symbol(c: char) -> Option<&'static str> {
    Some(match c {
        '‘' | '’' | 'ʼ' | '′' | '`' | '´' => "'",
        '“' | '”' | '„' | '«' | '»' | '″' | '‹' | '›' => "\"",
        '‐' | '‑' | '‒' | '–' | '−' => "-",
        '―' => "—",
        '…' => "...",
        '。' => ". ",
        '、' => ", ",
        '¡' | '¿' | '©' | '®' | '™' => "",
        '½' => " 1/2",
        '¼' => " 1/4",
        '¾' => " 3/4",
        '⅓' => " 1/3",
        '⅔' => " 2/3",
        '⅛' => " 1/8",
        '²' => "^2",
        '³' => "^3",
        'µ' | 'μ' => "µ",
        '×' => " times ",
        '÷' => " divided by ",
        '±' => " plus or minus ",
        '≈' => " about ",
        '≠' => " is not equal to ",
        '≤' => " is at most ",
        '≥' => " is at least ",
        '→' | '⇒' => " to ",
        '∞' => " infinity ",
        '√' => " square root of ",
        '¢' => " cents",
        '§' => " section ",
        '№' => " number ",
        'Ω' => " ohms ",
        'α' => " alpha ",
        'β' => " beta ",
        'γ' => " gamma ",
        'δ' | 'Δ' => " delta ",
        'ε' => " epsilon ",
        'θ' => " theta ",
        'λ' => " lambda ",
        'π' => " pi ",
        'σ' | 'Σ' => " sigma ",
        'τ' => " tau ",
        'φ' => " phi ",
        'ω' => " omega ",
        _ => return None,
    })
}

fn letter(c: char) -> Option<&'static str> {
    Some(match c {
        'À'..='Å' | 'Ā' | 'Ă' | 'Ą' => "A",
        'à'..='å' | 'ā' | 'ă' | 'ą' | 'ª' => "a",
        'Æ' => "Ae",
        'æ' => "ae",
        'Ç' | 'Ć' | 'Ĉ' | 'Ċ' | 'Č' => "C",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'Ð' | 'Ď' | 'Đ' => "D",
        'ð' | 'ď' | 'đ' => "d",
        'È'..='Ë' | 'Ē' | 'Ĕ' | 'Ė' | 'Ę' | 'Ě' => "E",
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'Ĝ' | 'Ğ' | 'Ġ' | 'Ģ' => "G",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'Ĥ' | 'Ħ' => "H",
        'ĥ' | 'ħ' => "h",
        'Ì'..='Ï' | 'Ĩ' | 'Ī' | 'Ĭ' | 'Į' | 'İ' => "I",
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => "i",
        'Ĵ' => "J",
        'ĵ' => "j",
        'Ķ' => "K",
        'ķ' => "k",
        'Ĺ' | 'Ļ' | 'Ľ' | 'Ł' => "L",
        'ĺ' | 'ļ' | 'ľ' | 'ł' => "l",
        'Ñ' | 'Ń' | 'Ņ' | 'Ň' => "N",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'Ò'..='Ö' | 'Ø' | 'Ō' | 'Ŏ' | 'Ő' => "O",
        'ò'..='ö' | 'ø' | 'ō' | 'ŏ' | 'ő' | 'º' => "o",
        'Œ' => "Oe",
        'œ' => "oe",
        'Ŕ' | 'Ŗ' | 'Ř' => "R",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'Ś' | 'Ŝ' | 'Ş' | 'Š' | 'Ș' => "S",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => "s",
        'ß' => "ss",
        'Þ' => "Th",
        'þ' => "th",
        'Ţ' | 'Ť' | 'Ț' => "T",
        'ţ' | 'ť' | 'ț' => "t",
        'Ù'..='Ü' | 'Ũ' | 'Ū' | 'Ŭ' | 'Ů' | 'Ű' | 'Ų' => "U",
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => "u",
        'Ŵ' => "W",
        'ŵ' => "w",
        'Ý' | 'Ÿ' | 'Ŷ' => "Y",
        'ý' | 'ÿ' | 'ŷ' => "y",
        'Ź' | 'Ż' | 'Ž' => "Z",
        'ź' | 'ż' | 'ž' => "z",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ﬀ' => "ff",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_quotes_and_dashes_become_plain() {
        assert_eq!(fold("Café naïve “Łódź” Straße"), "Cafe naive \"Lodz\" Strasse");
        assert_eq!(fold("10–20 — it’s"), "10-20 — it's");
        assert_eq!(fold("ＡＢＣ　１"), "ABC 1");
        assert_eq!(fold("cafe\u{301}"), "cafe");
    }

    #[test]
    fn what_cannot_be_spoken_becomes_a_space() {
        assert_eq!(fold("a🎉b").trim(), "a b");
        assert_eq!(fold("Привет").trim(), "");
        assert_eq!(fold("π ≈ 3").split_whitespace().collect::<Vec<_>>(), ["pi", "about", "3"]);
    }
}

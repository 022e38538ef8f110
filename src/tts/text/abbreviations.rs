//! Abbreviations and what they stand for.

/// When letters are an abbreviation at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Always.
    Nothing,
    /// Only with a full stop behind.
    Stop,
    /// Only with a full stop behind and a number after that.
    StopAndNumber,
    /// With a full stop, or before a number.
    StopOrNumber,
}

/// What an abbreviation in lower case, without its full stop, stands for.
pub fn expansion(abbreviation: &str) -> Option<(&'static str, Needs)> {
    use Needs::{Nothing, Stop, StopAndNumber, StopOrNumber};
    Some(match abbreviation {
        "mr" => ("Mister", Nothing),
        "mrs" => ("Missus", Nothing),
        "ms" => ("Miz", Stop),
        "messrs" => ("Messieurs", Nothing),
        "prof" => ("Professor", Stop),
        "rev" => ("Reverend", Stop),
        "hon" => ("Honorable", Stop),
        "gov" => ("Governor", Stop),
        "sen" => ("Senator", Stop),
        "rep" => ("Representative", Stop),
        "pres" => ("President", Stop),
        "gen" => ("General", Stop),
        "maj" => ("Major", Stop),
        "col" => ("Colonel", Stop),
        "capt" => ("Captain", Stop),
        "cmdr" => ("Commander", Stop),
        "lt" => ("Lieutenant", Stop),
        "sgt" => ("Sergeant", Stop),
        "cpl" => ("Corporal", Stop),
        "jr" => ("Junior", Nothing),
        "sr" => ("Senior", Stop),
        "esq" => ("Esquire", Nothing),
        "inc" => ("Incorporated", Stop),
        "ltd" => ("Limited", Nothing),
        "co" => ("Company", Stop),
        "corp" => ("Corporation", Stop),
        "bros" => ("Brothers", Stop),
        "dept" => ("department", Nothing),
        "univ" => ("University", Stop),
        "assn" => ("Association", Stop),
        "vs" => ("versus", Nothing),
        "etc" => ("et cetera", Nothing),
        "approx" => ("approximately", Nothing),
        "est" => ("established", Stop),
        "ed" => ("edition", Stop),
        "cf" => ("compare", Stop),
        "ave" => ("Avenue", Stop),
        "blvd" => ("Boulevard", Nothing),
        "rd" => ("Road", Stop),
        "hwy" => ("Highway", Nothing),
        "mt" => ("Mount", Stop),
        "ft" => ("Fort", Stop),
        "apt" => ("apartment", StopAndNumber),
        "no" => ("number", StopAndNumber),
        "nos" => ("numbers", StopAndNumber),
        "fig" => ("figure", StopOrNumber),
        "figs" => ("figures", StopOrNumber),
        "eq" => ("equation", StopAndNumber),
        "sec" => ("section", StopAndNumber),
        "ch" => ("chapter", StopAndNumber),
        "vol" => ("volume", StopOrNumber),
        "p" => ("page", StopAndNumber),
        "pp" => ("pages", StopAndNumber),
        "min" => ("minimum", Stop),
        "max" => ("maximum", Stop),
        "jan" => ("January", StopOrNumber),
        "feb" => ("February", StopOrNumber),
        "apr" => ("April", StopOrNumber),
        "aug" => ("August", StopOrNumber),
        "sep" | "sept" => ("September", StopOrNumber),
        "oct" => ("October", StopOrNumber),
        "nov" => ("November", StopOrNumber),
        "dec" => ("December", StopOrNumber),
        _ => return None,
    })
}

/// Abbreviations with stops between their letters: `e.g.`, without the last stop.
pub fn dotted(abbreviation: &str) -> Option<&'static str> {
    Some(match abbreviation {
        "e.g" => "for example",
        "i.e" => "that is",
        "a.k.a" => "also known as",
        "w.r.t" => "with respect to",
        "et al" => "and others",
        _ => return None,
    })
}

/// Capitals that are read in a way of their own.
pub fn spoken_acronym(letters: &str) -> Option<&'static str> {
    Some(match letters {
        "JSON" => "jason",
        "YAML" => "yammel",
        "TOML" => "tommel",
        "JPEG" => "jay peg",
        "CUDA" => "cooda",
        "LoRA" => "laura",
        "SCUBA" => "scuba",
        "WiFi" | "Wi-Fi" => "why fye",
        "IEEE" => "I triple E",
        _ => return None,
    })
}

/// Capitals that are spelled although the dictionary has a word of the same letters.
pub const SPELLED: [&str; 24] = [
    "US", "UN", "EU", "AI", "ID", "IP", "UI", "UX", "PR", "HR", "IQ", "VR", "AR", "LA", "DA", "DE",
    "MA", "PA", "RE", "ST", "LED", "APP", "DO", "OS",
];

/// Names of months, with how many letters make their short form clear.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The month that a word with a capital names, in full or cut to three letters (four for Sept).
pub fn month(word: &str) -> Option<&'static str> {
    let word = word.trim_end_matches('.');
    MONTHS.into_iter().find(|&month| {
        month == word
            || word.len() == 3 && month.starts_with(word)
            || word == "Sept" && month == "September"
    })
}

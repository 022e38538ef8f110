//! `formant dictionary`: pronunciations of the user's own.

use anyhow::{Result, bail};
use serde_json::json;

use super::{args::DictionaryAction, output::json_line, run::Setting};
use crate::library::Dictionary;

pub(super) fn run(setting: &Setting, action: DictionaryAction) -> Result<()> {
    let path = setting.library.folders().dictionary();
    let mut dictionary = Dictionary::read(&path)?;
    match action {
        DictionaryAction::List { json } => {
            let words = dictionary.words();
            let width = words.iter().map(|(word, _)| word.chars().count()).max().unwrap_or(0);
            for (word, phonemes) in words.iter() {
                let phonemes = phonemes.join(" ");
                if json {
                    json_line(&json!({ "word": word, "phonemes": phonemes }))?;
                } else {
                    println!("{word:width$}  {phonemes}");
                }
            }
            if words.is_empty() && !json {
                println!(
                    "No word is in your dictionary; `formant dictionary add gif JH IH1 F` adds one."
                );
            }
            if !json {
                println!("The file: {}", path.display());
            }
            return Ok(());
        }
        DictionaryAction::Add { word, phonemes } => dictionary.set(&word, &phonemes.join(" "))?,
        DictionaryAction::Remove { words } => {
            for word in words {
                if !dictionary.remove(&word) {
                    bail!(
                        "{word} is not in your dictionary; `formant dictionary list` names its words"
                    );
                }
            }
        }
    }
    Ok(dictionary.write(&path)?)
}

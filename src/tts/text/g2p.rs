//! Letters to phonemes for words that no dictionary has.
//!
//! Source: `g2p_en` 2.1 by Kyubyong Park and Jongseok Kim, `g2p.py`: one GRU reads the letters, another
//! writes phonemes, each time the likeliest, until it says stop. Names of tensors as in its
//! `checkpoint20.npz`; sizes from their shapes.

use std::{collections::HashMap, fs, path::Path};

use serde::Deserialize;

use crate::{
    nn::{Array, GruCell, Scope, Weights, affine},
    tts::Error,
};

/// Row of letters that were never seen.
const UNKNOWN: &str = "<unk>";
/// Where a word of letters ends, and a word of phonemes.
const STOP: &str = "</s>";
/// Where a word of phonemes begins.
const START: &str = "<s>";

/// The network and its alphabets.
#[derive(Debug, Clone)]
pub struct G2p {
    letters: Array,
    encoder: GruCell,
    phonemes: Array,
    decoder: GruCell,
    classes: Array,
    class_bias: Vec<f32>,
    alphabet: Alphabet,
}

#[derive(Debug, Clone, Deserialize)]
struct Alphabet {
    graphemes: Vec<String>,
    phonemes: Vec<String>,
    #[serde(default = "default_limit")]
    max_phonemes: usize,
    #[serde(default = "default_file")]
    file: String,
    #[serde(skip)]
    rows: HashMap<String, usize>,
}

fn default_limit() -> usize {
    20
}

fn default_file() -> String {
    "model.safetensors".into()
}

impl G2p {
    /// Reads `model.toml` (alphabets) and the weights beside it.
    ///
    /// # Errors
    /// If either cannot be read or they do not fit each other.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("model.toml");
        let wrong = |why: String| Error::Description { why, path: path.clone() };
        let text = fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
        let mut alphabet: Alphabet =
            toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
        alphabet.rows =
            alphabet.graphemes.iter().enumerate().map(|(row, g)| (g.clone(), row)).collect();
        let has = |symbols: &[String], needed: &str| symbols.iter().any(|symbol| symbol == needed);
        for needed in [UNKNOWN, STOP] {
            if !has(&alphabet.graphemes, needed) {
                return Err(wrong(format!("the graphemes lack {needed}")));
            }
        }
        for needed in [START, STOP] {
            if !has(&alphabet.phonemes, needed) {
                return Err(wrong(format!("the phonemes lack {needed}")));
            }
        }
        let weights = Weights::read(&folder.join(&alphabet.file))?;
        let scope = weights.scope("");
        let letters = scope.shaped("enc_emb", &[Some(alphabet.graphemes.len()), None])?;
        let n_phonemes = alphabet.phonemes.len();
        let phonemes = scope.shaped("dec_emb", &[Some(n_phonemes), None])?;
        let encoder = gru(&scope, "enc", letters.shape[1])?;
        let hidden = encoder.hidden();
        let decoder = gru(&scope, "dec", phonemes.shape[1])?;
        if decoder.hidden() != hidden {
            return Err(scope.unexpected("dec_w_hh", format!("{hidden} columns")).into());
        }
        Ok(Self {
            letters: letters.clone(),
            encoder,
            phonemes: phonemes.clone(),
            decoder,
            classes: scope.shaped("fc_w", &[Some(n_phonemes), Some(hidden)])?.clone(),
            class_bias: scope.vector("fc_b", n_phonemes)?,
            alphabet,
        })
    }

    /// The phonemes of a word in lower case; vowels with stress.
    pub fn phonemes(&self, word: &str) -> Vec<String> {
        self.raw_phonemes(word)
            .into_iter()
            .filter(|phoneme| !phoneme.starts_with('<'))
            // The alphabet has one vowel without stress.
            .map(|phoneme| if phoneme == "UW" { "UW1" } else { phoneme }.to_owned())
            .collect()
    }

    /// What the network says, word for word.
    pub fn raw_phonemes(&self, word: &str) -> Vec<&str> {
        let names = &self.alphabet.phonemes;
        let row_of = |name: &str| names.iter().position(|phoneme| phoneme == name).unwrap_or(0);
        let (mut last, stop) = (row_of(START), row_of(STOP));
        let mut state = self.encode(word);
        let mut said = Vec::new();
        for _ in 0..self.alphabet.max_phonemes {
            let logits;
            (state, logits) = self.decode(last, &state);
            last = (0..logits.len())
                .reduce(|best, at| if logits[at] > logits[best] { at } else { best })
                .unwrap_or(stop);
            if last == stop {
                break;
            }
            said.push(names[last].as_str());
        }
        said
    }

    /// What the encoder makes of a word: `hidden` values.
    pub fn encode(&self, word: &str) -> Vec<f32> {
        let rows = &self.alphabet.rows;
        let row_of = |letter: &str| rows.get(letter).or_else(|| rows.get(UNKNOWN)).copied();
        let mut utf8 = [0; 4];
        let mut state = vec![0.0; self.encoder.hidden()];
        for letter in word.chars().map(Some).chain([None]) {
            let letter = letter.map_or(STOP, |letter| letter.encode_utf8(&mut utf8));
            let x = row(&self.letters, row_of(letter).unwrap_or(0));
            state = self.encoder.step(x, &state);
        }
        state
    }

    /// The logits of the first phoneme after [`G2p::encode`].
    pub fn first_logits(&self, state: &[f32]) -> Vec<f32> {
        let start = self.alphabet.phonemes.iter().position(|phoneme| phoneme == START);
        self.decode(start.unwrap_or(0), state).1
    }

    fn decode(&self, last: usize, state: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let state = self.decoder.step(row(&self.phonemes, last), state);
        let logits = affine(&self.classes, &self.class_bias, &state);
        (state, logits)
    }
}

fn gru(scope: &Scope<'_>, name: &str, n_in: usize) -> Result<GruCell, Error> {
    let w_hh = scope.shaped(&format!("{name}_w_hh"), &[None, None])?;
    let hidden = w_hh.shape[1];
    if w_hh.shape[0] != 3 * hidden {
        return Err(scope.unexpected(&format!("{name}_w_hh"), "three gates of equal size").into());
    }
    let gates = Some(3 * hidden);
    Ok(GruCell {
        w_ih: scope.shaped(&format!("{name}_w_ih"), &[gates, Some(n_in)])?.clone(),
        w_hh: w_hh.clone(),
        b_ih: scope.vector(&format!("{name}_b_ih"), 3 * hidden)?,
        b_hh: scope.vector(&format!("{name}_b_hh"), 3 * hidden)?,
    })
}

fn row(table: &Array, at: usize) -> &[f32] {
    let n = table.shape[1];
    &table.values[at * n..(at + 1) * n]
}

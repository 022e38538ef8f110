//! From scores of tokens to text: a beam search without time stamps.
//!
//! Source of what is not said: `suppress_tokens = [-1]` of openai/whisper, marks that stand for no
//! speech. A beam finds sentences of which the likeliest token, taken each time, drops a clause.

use std::{io::Read, path::Path};

use flate2::read::GzDecoder;

use super::{
    features::{SPEECH_RATE, WINDOW, log_mel},
    network::{Memory, Network, Said},
};
use crate::{
    dsp::{LowPass, resample},
    nn::{Stepper, Weights, WeightsError, activation},
};

/// Every token of text, a line each, in the spelling that has a character for each byte.
const VOCABULARY: &[u8] = include_bytes!("../../../assets/whisper-en.vocabulary.gz");
/// Tokens of English models.
const N_VOCAB: usize = 51_864;
/// Ends a transcript; what stands below is text.
const END: usize = 50_256;
/// What a transcript begins with: that it does, and that it has no time stamps.
const PROMPT: [usize; 2] = [50_257, 50_362];
/// A blank, which no transcript begins with.
const BLANK: usize = 220;
/// Hypotheses that are followed at once.
const BEAM: usize = 5;
/// Tokens that thirty seconds of speech may have; beyond that a decoder repeats itself.
const MOST_TOKENS: usize = 200;
/// Signs that are not spoken.
const UNSPOKEN: [usize; 84] = [
    1, 2, 7, 8, 9, 10, 14, 25, 26, 27, 28, 29, 31, 58, 59, 60, 61, 62, 63, 90, 91, 92, 93, 357,
    366, 438, 532, 685, 705, 796, 930, 1058, 1220, 1267, 1279, 1303, 1343, 1377, 1391, 1635, 1782,
    1875, 2162, 2361, 2488, 3467, 4008, 4211, 4600, 4808, 5299, 5855, 6329, 7203, 9609, 9959,
    10_563, 10_786, 11_420, 11_709, 11_907, 13_163, 13_697, 13_700, 14_808, 15_306, 16_410, 16_791,
    17_992, 19_203, 19_510, 20_724, 22_305, 22_935, 27_007, 30_109, 30_420, 33_409, 34_949, 40_283,
    40_493, 40_549, 47_282, 49_146,
];

/// A recognizer of English.
#[derive(Debug)]
pub struct Whisper {
    network: Network,
    stepper: Stepper,
    /// The bytes of each token of text.
    vocabulary: Vec<Vec<u8>>,
}

/// A transcript under way.
#[derive(Debug, Clone)]
struct Hypothesis {
    tokens: Vec<usize>,
    /// Sum of the logarithms of what each token was worth.
    score: f32,
    said: Said,
    /// What each token would be worth as the next.
    next: Vec<f32>,
}

impl Whisper {
    /// Reads an English model in `CTranslate2`'s layout.
    ///
    /// # Errors
    /// If it cannot be read or is of another kind.
    pub fn load(path: &Path) -> Result<Self, WeightsError> {
        let weights = Weights::read_ctranslate2(path)?;
        let network = Network::load(&weights)?;
        if network.n_vocab() != N_VOCAB {
            let expected = format!("the {N_VOCAB} tokens of an English model");
            return Err(weights.scope("decoder").unexpected("embeddings.weight", expected));
        }
        Ok(Self { network, stepper: Stepper::default(), vocabulary: vocabulary() })
    }

    /// Memory of its weights.
    pub fn n_bytes(&self) -> u64 {
        self.network.n_bytes()
    }

    /// What is heard in a sound; thirty seconds at a time. `go_on` is asked every few milliseconds.
    ///
    /// # Errors
    /// What `go_on` returned.
    pub fn transcribe<E>(
        &mut self,
        samples: &[f32],
        sample_rate: u32,
        mut go_on: impl FnMut() -> Result<(), E>,
    ) -> Result<String, E> {
        let samples = resample(samples, sample_rate, SPEECH_RATE, LowPass::Scipy);
        let mut text = Vec::new();
        for window in samples.chunks(WINDOW) {
            let encoded = self.network.encode(&log_mel(window), &mut go_on)?;
            let memory = self.network.remember(&encoded);
            for token in self.search(&memory, &mut go_on)? {
                text.extend_from_slice(&self.vocabulary[token]);
            }
        }
        Ok(String::from_utf8_lossy(&text).trim().to_owned())
    }

    /// The likeliest transcript.
    fn search<E>(
        &mut self,
        memory: &Memory,
        mut go_on: impl FnMut() -> Result<(), E>,
    ) -> Result<Vec<usize>, E> {
        let Self { network, stepper, .. } = self;
        let mut said = Said::default();
        let mut next = Vec::new();
        for token in PROMPT {
            next = network.step(stepper, memory, &mut said, token);
        }
        let start = Hypothesis { tokens: Vec::new(), score: 0.0, said, next };
        let mut beam = vec![start];
        let mut ended: Vec<(f32, Vec<usize>)> = Vec::new();
        let limit = MOST_TOKENS.min(network.n_text_ctx() - PROMPT.len());
        for n_said in 0..limit {
            let mut ways: Vec<(f32, usize, usize)> = Vec::new();
            for (from, hypothesis) in beam.iter_mut().enumerate() {
                to_log_probabilities(&mut hypothesis.next, n_said == 0);
                let scores = hypothesis.next.iter().enumerate();
                let open = scores.filter(|(_, score)| score.is_finite());
                let mut best: Vec<(f32, usize, usize)> =
                    open.map(|(token, score)| (hypothesis.score + score, from, token)).collect();
                let n = (2 * BEAM).min(best.len());
                best.select_nth_unstable_by(n - 1, |a, b| b.0.total_cmp(&a.0));
                ways.extend(&best[..n]);
            }
            ways.sort_by(|a, b| b.0.total_cmp(&a.0));
            let mut grown = Vec::new();
            for (rank, (score, from, token)) in ways.into_iter().take(2 * BEAM).enumerate() {
                if token == END {
                    if rank < BEAM {
                        // Normalized by length, the end counted, or the shortest would win.
                        let normalized = score / (n_said + 1) as f32;
                        ended.push((normalized, beam[from].tokens.clone()));
                    }
                } else if grown.len() < BEAM {
                    grown.push((score, from, token));
                }
            }
            if ended.len() >= BEAM || n_said + 1 == limit {
                break;
            }
            let mut longer = Vec::with_capacity(grown.len());
            for (score, from, token) in grown {
                go_on()?;
                let mut hypothesis = beam[from].clone();
                hypothesis.tokens.push(token);
                hypothesis.score = score;
                hypothesis.next = network.step(stepper, memory, &mut hypothesis.said, token);
                longer.push(hypothesis);
            }
            beam = longer;
        }
        if ended.is_empty() {
            return Ok(beam.swap_remove(0).tokens);
        }
        ended.sort_by(|a, b| b.0.total_cmp(&a.0));
        Ok(ended.swap_remove(0).1)
    }
}

/// Scores to logarithms of probabilities; what must not be said has none.
fn to_log_probabilities(scores: &mut [f32], is_first: bool) {
    for token in UNSPOKEN {
        scores[token] = f32::NEG_INFINITY;
    }
    scores[END + 1..].fill(f32::NEG_INFINITY);
    if is_first {
        scores[BLANK] = f32::NEG_INFINITY;
        scores[END] = f32::NEG_INFINITY;
    }
    let highest = scores.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let mut shares: Vec<f32> = scores.iter().map(|score| score - highest).collect();
    activation::exp(&mut shares);
    let sum: f64 = shares.iter().map(|&share| f64::from(share)).sum();
    let shift = highest + sum.ln() as f32;
    for score in scores {
        *score -= shift;
    }
}

fn vocabulary() -> Vec<Vec<u8>> {
    let mut lines = String::new();
    // The file is part of the program, and a test reads it.
    let _ = GzDecoder::new(VOCABULARY).read_to_string(&mut lines);
    let tokens = lines.split('\n').map(|line| line.chars().filter_map(byte).collect());
    tokens.collect()
}

/// The byte that a character of the spelling stands for: itself where it can be printed, else one of
/// those from U+0100 on, in order.
fn byte(character: char) -> Option<u8> {
    let is_plain = |byte: u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let code = u32::from(character);
    match u8::try_from(code) {
        Ok(byte) => is_plain(byte).then_some(byte),
        Err(_) => (0..=255).filter(|&byte| !is_plain(byte)).nth(code as usize - 256),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_vocabulary_has_all_tokens_of_text() {
        let vocabulary = vocabulary();
        assert_eq!(vocabulary.len(), END);
        let text = |token: usize| String::from_utf8(vocabulary[token].clone()).unwrap();
        assert_eq!(text(BLANK), " ");
        assert_eq!(text(0), "!");
        assert_eq!(text(END - 1), " gazed");
        assert!(vocabulary.iter().all(|token| !token.is_empty()));
    }

    #[test]
    fn what_is_unspoken_has_no_probability_and_the_rest_sums_to_one() {
        let mut scores: Vec<f32> = (0..N_VOCAB).map(|token| (token % 7) as f32).collect();
        to_log_probabilities(&mut scores, true);
        for token in [1, BLANK, END, END + 1, N_VOCAB - 1] {
            assert_eq!(scores[token], f32::NEG_INFINITY);
        }
        let sum: f32 = scores.iter().map(|score| score.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-3, "{sum}");
    }
}

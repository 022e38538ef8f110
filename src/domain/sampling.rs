//! How the next token is chosen.

use serde::{Deserialize, Serialize};

/// Sampling parameters, applied in vLLM's order: repetition penalty, temperature, min-p, top-k,
/// top-p.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// Zero takes the likeliest token; above, logits are divided by it.
    #[serde(serialize_with = "super::decimal::serialize")]
    pub temperature: f32,
    /// Keeps this many of the likeliest tokens; zero keeps all.
    pub top_k: usize,
    /// Keeps the smallest set of tokens whose probabilities reach this sum; one keeps all.
    #[serde(serialize_with = "super::decimal::serialize")]
    pub top_p: f32,
    /// Drops tokens less likely than this share of the likeliest; zero drops none.
    #[serde(serialize_with = "super::decimal::serialize")]
    pub min_p: f32,
    /// Divides (or, below zero, multiplies) the logits of tokens seen before; one leaves them.
    #[serde(serialize_with = "super::decimal::serialize")]
    pub repetition_penalty: f32,
    /// Same seed and same prompt, same text.
    pub seed: u64,
}

impl Default for Sampling {
    /// Greedy.
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            seed: 0,
        }
    }
}

impl Sampling {
    /// What is wrong with the parameters, if anything, with the range that would be right.
    pub fn problem(&self) -> Option<String> {
        let outside = |name: &str, value: f32, range: &str| {
            Some(format!("{name} is {value}; it must lie in {range}"))
        };
        if !(0.0..=100.0).contains(&self.temperature) {
            return outside("temperature", self.temperature, "0 to 100");
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return outside("top-p", self.top_p, "0 (excluded) to 1");
        }
        if !(0.0..=1.0).contains(&self.min_p) {
            return outside("min-p", self.min_p, "0 to 1");
        }
        if !(self.repetition_penalty > 0.0 && self.repetition_penalty <= 10.0) {
            return outside("repetition penalty", self.repetition_penalty, "0 (excluded) to 10");
        }
        None
    }
}

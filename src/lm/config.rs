//! The sizes of a Llama, checked against each other, and the angles of its rotary embedding.
//!
//! Source of the scaling: <https://arxiv.org/abs/2306.15595> (linear) and
//! <https://github.com/meta-llama/llama-models/blob/main/models/llama3/model.py> (Llama 3.1).

use std::{f64::consts::TAU, fmt::Display};

use super::{
    ModelProblem,
    checkpoint::{Part, Weight},
};
use crate::nn::kernels::DIMS_PER_PASS;

/// No model has more of anything; keeps products of two sizes far from overflow.
const MOST: usize = 1 << 24;

/// No model has wider heads.
const MOST_HEAD_DIM: usize = 1024;

/// Sizes and constants of the transformer.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Tokens that have an embedding.
    pub n_vocab: usize,
    /// Width of the residual stream.
    pub n_embd: usize,
    /// Transformer blocks.
    pub n_layers: usize,
    /// Query heads.
    pub n_heads: usize,
    /// Key/value heads.
    pub n_kv_heads: usize,
    /// Dimensions of a head.
    pub head_dim: usize,
    /// Width of the feed-forward layer.
    pub n_ff: usize,
    /// Tokens that the model can look at.
    pub context_length: usize,
    /// Added to the mean square in norms.
    pub rms_eps: f32,
    /// Whether the embedding serves as the output head.
    pub is_tied: bool,
    /// Radians that each pair of dimensions turns from one position to the next.
    pub rope_frequencies: Vec<f64>,
}

impl Config {
    /// The shape that a tensor of such a model has.
    pub fn shape(&self, weight: Weight) -> Vec<usize> {
        let &Self { n_vocab, n_embd, n_ff, .. } = self;
        let n_query = self.n_heads * self.head_dim;
        let n_kv = self.n_kv_heads * self.head_dim;
        match weight {
            Weight::Embedding | Weight::Head => vec![n_vocab, n_embd],
            Weight::Norm | Weight::Layer(_, Part::AttnNorm | Part::FfnNorm) => vec![n_embd],
            Weight::Layer(_, Part::Query) => vec![n_query, n_embd],
            Weight::Layer(_, Part::Key | Part::Value) => vec![n_kv, n_embd],
            Weight::Layer(_, Part::Output) => vec![n_embd, n_query],
            Weight::Layer(_, Part::Gate | Part::Up) => vec![n_ff, n_embd],
            Weight::Layer(_, Part::Down) => vec![n_embd, n_ff],
        }
    }

    /// Weights in all tensors together.
    pub fn n_parameters(&self) -> u64 {
        let count = |weight| self.shape(weight).into_iter().map(|n| n as u64).product::<u64>();
        let in_layer: u64 = Part::ALL.iter().map(|part| count(Weight::Layer(0, *part))).sum();
        let head = if self.is_tied { 0 } else { count(Weight::Head) };
        count(Weight::Embedding) + count(Weight::Norm) + head + self.n_layers as u64 * in_layer
    }
}

/// The sizes as files state them, under names of their own.
pub trait Stated {
    /// A count; `None` if the files do not state it.
    fn count(&self, key: &str) -> Option<usize>;

    /// A size that every model has.
    ///
    /// # Errors
    /// If it is missing without a default, or out of range.
    fn size(&self, key: &str, default: Option<usize>) -> Result<usize, ModelProblem> {
        let size = self.count(key).or(default);
        match size.ok_or_else(|| ModelProblem::MissingValue(key.to_owned()))? {
            size @ 1..=MOST => Ok(size),
            size => Err(bad(key, &size, &format!("1 to {MOST}"))),
        }
    }
}

/// Heads that fit each other and the kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionShape {
    /// Query heads.
    pub n_heads: usize,
    /// Key/value heads.
    pub n_kv_heads: usize,
    /// Dimensions of each.
    pub head_dim: usize,
}

impl AttentionShape {
    /// Reads the three sizes under their names, in the order of the fields; the last two may be
    /// left out, and follow from the others and the width.
    ///
    /// # Errors
    /// If one is missing, out of range, or does not fit the others.
    pub fn read(
        stated: &impl Stated,
        n_embd: usize,
        [heads, kv_heads, dim]: [&str; 3],
    ) -> Result<Self, ModelProblem> {
        let n_heads = stated.size(heads, None)?;
        let n_kv_heads = stated.size(kv_heads, Some(n_heads))?;
        let head_dim = stated.size(dim, Some(n_embd / n_heads))?;
        if !n_heads.is_multiple_of(n_kv_heads) {
            return Err(bad(kv_heads, &n_kv_heads, &format!("a divisor of the {n_heads} heads")));
        }
        if !head_dim.is_multiple_of(DIMS_PER_PASS) || head_dim > MOST_HEAD_DIM {
            let expected = format!("a multiple of {DIMS_PER_PASS} up to {MOST_HEAD_DIM}");
            return Err(bad(dim, &head_dim, &expected));
        }
        Ok(Self { n_heads, n_kv_heads, head_dim })
    }
}

/// How a model was stretched beyond the context that it was first taught with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// All positions lie closer by this factor.
    Linear(f64),
    /// Slow pairs turn slower by the factor, fast ones as ever, and those between in between.
    Llama3 {
        /// How much slower.
        factor: f64,
        /// Pairs that turn less often than this within the original context are slowed in full.
        low_freq_factor: f64,
        /// Those that turn more often than this are left alone.
        high_freq_factor: f64,
        /// Tokens of the original context.
        original_context: f64,
    },
}

/// Radians that each of the pairs of `n_dims` dimensions turns from one position to the next.
pub fn rope_frequencies(base: f64, n_dims: usize, scaling: RopeScaling) -> Vec<f64> {
    let frequencies = (0..n_dims / 2).map(|pair| base.powf(-2.0 * pair as f64 / n_dims as f64));
    let scaled = |frequency: f64| match scaling {
        RopeScaling::None => frequency,
        RopeScaling::Linear(factor) => frequency / factor,
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
            let turns = original_context * frequency / TAU;
            if turns > high_freq_factor {
                frequency
            } else if turns < low_freq_factor {
                frequency / factor
            } else {
                let share = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
                (1.0 - share) * frequency / factor + share * frequency
            }
        }
    };
    frequencies.map(scaled).collect()
}

/// A value that cannot be.
pub fn bad(key: &str, value: &(impl Display + ?Sized), expected: &str) -> ModelProblem {
    let (key, value, expected) = (key.to_owned(), value.to_string(), expected.to_owned());
    ModelProblem::BadValue { key, value, expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the configuration of Llama 3.1 states it.
    const LLAMA_3_1: RopeScaling = RopeScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_context: 8192.0,
    };

    #[track_caller]
    fn check(scaling: RopeScaling, expected: &[(usize, f64)]) {
        let frequencies = rope_frequencies(500_000.0, 128, scaling);
        assert_eq!(frequencies.len(), 64);
        for &(pair, expected) in expected {
            let found = frequencies[pair];
            assert!((found / expected - 1.0).abs() < 2e-6, "pair {pair}: {found}, not {expected}");
        }
    }

    // Both lists are Meta's and Hugging Face's code, run in single precision.
    #[test]
    fn frequencies_of_llama_3_1_are_the_reference_s() {
        check(
            LLAMA_3_1,
            &[
                (0, 1.0),
                (1, 0.814_617_234),
                (16, 0.037_606_030_9),
                (28, 0.003_211_445_99),
                (29, 0.002_166_570_76),
                (30, 0.001_371_893_57),
                (32, 5.248_461_61e-4),
                (34, 1.785_078_13e-4),
                (35, 9.556_212_35e-5),
                (36, 7.784_655_27e-5),
                (40, 3.428_102_2e-5),
                (63, 3.068_925_99e-7),
            ],
        );
    }

    #[test]
    fn unscaled_frequencies_are_the_reference_s() {
        check(
            RopeScaling::None,
            &[
                (29, 0.002_616_099_25),
                (32, 1.414_213_56e-3),
                (35, 7.644_969_88e-4),
                (63, 2.455_140_79e-6),
            ],
        );
    }

    #[test]
    fn linear_scaling_slows_every_pair() {
        check(RopeScaling::Linear(4.0), &[(0, 0.25), (32, 1.414_213_56e-3 / 4.0)]);
    }
}

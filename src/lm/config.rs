//! The sizes of a Llama, as its GGUF file states them, checked against each other.

use std::fmt::Display;

use super::{Error, ModelProblem, gguf::Gguf};
use crate::nn::kernels::DIMS_PER_PASS;

/// No model has more of anything; keeps products of two sizes far from overflow.
const MOST: usize = 1 << 24;

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
    /// Radians that each pair of dimensions turns from one position to the next.
    pub rope_frequencies: Vec<f64>,
}

impl Config {
    /// Reads the sizes of a Llama.
    ///
    /// # Errors
    /// If the file is of another architecture, or a value is missing, out of range or not provided
    /// for here.
    pub fn read(gguf: &mut Gguf<'_>) -> Result<Self, Error> {
        match gguf.text("general.architecture") {
            Some("llama") => (),
            found => {
                let found = found.unwrap_or_default().to_owned();
                return Err(gguf.problem(ModelProblem::Architecture { found }));
            }
        }
        let n_embd = size(gguf, "llama.embedding_length", None)?;
        let n_heads = size(gguf, "llama.attention.head_count", None)?;
        let n_kv_heads = size(gguf, "llama.attention.head_count_kv", Some(n_heads))?;
        let head_dim = size(gguf, "llama.attention.key_length", Some(n_embd / n_heads))?;
        if !n_heads.is_multiple_of(n_kv_heads) {
            let expected = format!("a divisor of the {n_heads} heads");
            return Err(bad(gguf, "llama.attention.head_count_kv", &n_kv_heads, &expected));
        }
        if head_dim == 0 || !head_dim.is_multiple_of(DIMS_PER_PASS) {
            let expected = format!("a multiple of {DIMS_PER_PASS}");
            return Err(bad(gguf, "llama.attention.key_length", &head_dim, &expected));
        }
        let rms_eps = gguf
            .number("llama.attention.layer_norm_rms_epsilon")
            .ok_or_else(|| missing(gguf, "llama.attention.layer_norm_rms_epsilon"))?;
        let n_vocab = gguf.shape("token_embd.weight")?.first().copied().unwrap_or(0);
        Ok(Self {
            n_vocab,
            n_embd,
            n_layers: size(gguf, "llama.block_count", None)?,
            n_heads,
            n_kv_heads,
            head_dim,
            n_ff: size(gguf, "llama.feed_forward_length", None)?,
            context_length: size(gguf, "llama.context_length", None)?,
            rms_eps: rms_eps as f32,
            rope_frequencies: rope_frequencies(gguf, head_dim)?,
        })
    }
}

/// Llama 3.1 and later divide the frequencies; their files bring the divisors as a tensor.
fn rope_frequencies(gguf: &mut Gguf<'_>, head_dim: usize) -> Result<Vec<f64>, Error> {
    const DIVISORS: &str = "rope_freqs.weight";
    let n_dims = size(gguf, "llama.rope.dimension_count", Some(head_dim))?;
    if n_dims > head_dim || !n_dims.is_multiple_of(2) {
        let expected = format!("an even number up to {head_dim}");
        return Err(bad(gguf, "llama.rope.dimension_count", &n_dims, &expected));
    }
    let base = gguf.number("llama.rope.freq_base").unwrap_or(10_000.0);
    if !(base >= 1.0 && base.is_finite()) {
        return Err(bad(gguf, "llama.rope.freq_base", &base, "a number from 1"));
    }
    let factor = match gguf.text("llama.rope.scaling.type") {
        None | Some("none") => 1.0,
        Some("linear") => gguf.number("llama.rope.scaling.factor").unwrap_or(1.0),
        Some(other) => {
            return Err(bad(gguf, "llama.rope.scaling.type", other, "\"none\" or \"linear\""));
        }
    };
    if !(factor > 0.0 && factor.is_finite()) {
        return Err(bad(gguf, "llama.rope.scaling.factor", &factor, "a number above 0"));
    }
    let n_pairs = n_dims / 2;
    let divisors = if gguf.has_tensor(DIVISORS) {
        gguf.vector(DIVISORS, n_pairs)?
    } else {
        vec![1.0; n_pairs]
    };
    if let Some(divisor) = divisors.iter().find(|divisor| !divisor.is_normal() || **divisor < 0.0) {
        return Err(bad(gguf, DIVISORS, divisor, "numbers above 0"));
    }
    let frequency = |pair: usize| base.powf(-2.0 * pair as f64 / n_dims as f64) / factor;
    let divisors = divisors.iter().enumerate();
    Ok(divisors.map(|(pair, divisor)| frequency(pair) / f64::from(*divisor)).collect())
}

fn size(gguf: &Gguf<'_>, key: &str, default: Option<usize>) -> Result<usize, Error> {
    let size = gguf.count(key).or(default).ok_or_else(|| missing(gguf, key))?;
    match size {
        1..=MOST => Ok(size),
        _ => Err(bad(gguf, key, &size, &format!("1 to {MOST}"))),
    }
}

fn missing(gguf: &Gguf<'_>, key: &str) -> Error {
    gguf.problem(ModelProblem::MissingValue(key.to_owned()))
}

fn bad(gguf: &Gguf<'_>, key: &str, value: &(impl Display + ?Sized), expected: &str) -> Error {
    let (key, value, expected) = (key.to_owned(), value.to_string(), expected.to_owned());
    gguf.problem(ModelProblem::BadValue { key, value, expected })
}

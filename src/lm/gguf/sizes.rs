//! The sizes of a Llama from what its GGUF file states under `llama.`.

use std::fmt::Display;

use super::{
    file::{Gguf, ROPE_DIVISORS},
    header::Value,
};
use crate::lm::{
    Error, ModelProblem,
    checkpoint::{Checkpoint, Weight},
    config::{AttentionShape, Config, RopeScaling, Stated, bad, rope_frequencies},
};

/// Reads the sizes.
///
/// # Errors
/// If the file is of another architecture, or a value is missing, out of range or not provided for.
pub fn read(gguf: &mut Gguf<'_>) -> Result<Config, Error> {
    match gguf.text("general.architecture") {
        Some("llama") => (),
        found => {
            let found = found.unwrap_or_default().to_owned();
            let known = "known is \"llama\"";
            return Err(gguf.problem(ModelProblem::Architecture { found, known }));
        }
    }
    let config = without_rope(gguf).map_err(|problem| gguf.problem(problem))?;
    let rope_frequencies = rope(gguf, config.head_dim)?;
    Ok(Config { rope_frequencies, ..config })
}

fn without_rope(gguf: &Gguf<'_>) -> Result<Config, ModelProblem> {
    let n_embd = gguf.size("llama.embedding_length", None)?;
    let heads = AttentionShape::read(
        gguf,
        n_embd,
        [
            "llama.attention.head_count",
            "llama.attention.head_count_kv",
            "llama.attention.key_length",
        ],
    )?;
    let context_length = gguf.size("llama.context_length", None)?;
    refuse(gguf, "llama.attention.value_length", heads.head_dim, "the keys' length")?;
    refuse(gguf, "llama.expert_count", 0, "0: a mixture of experts is not provided for")?;
    if let Some(window) = gguf.count("llama.attention.sliding_window")
        && (1..context_length).contains(&window)
    {
        let expected = format!("0 or the whole context of {context_length}");
        return Err(bad("llama.attention.sliding_window", &window, &expected));
    }
    let eps = "llama.attention.layer_norm_rms_epsilon";
    let rms_eps = gguf.number(eps).ok_or_else(|| ModelProblem::MissingValue(eps.to_owned()))?;
    Ok(Config {
        n_vocab: gguf
            .shape(Weight::Embedding)
            .and_then(|shape| shape.first())
            .copied()
            .unwrap_or(0),
        n_embd,
        n_layers: gguf.size("llama.block_count", None)?,
        n_heads: heads.n_heads,
        n_kv_heads: heads.n_kv_heads,
        head_dim: heads.head_dim,
        n_ff: gguf.size("llama.feed_forward_length", None)?,
        context_length,
        rms_eps: rms_eps as f32,
        is_tied: gguf.shape(Weight::Head).is_none(),
        rope_frequencies: Vec::new(),
    })
}

/// A value that only other models than those provided for state otherwise.
fn refuse(gguf: &Gguf<'_>, key: &str, usual: usize, expected: &str) -> Result<(), ModelProblem> {
    match gguf.value(key) {
        None => Ok(()),
        Some(Value::Whole(found)) if *found == usual as i128 => Ok(()),
        Some(Value::Whole(found)) => Err(bad(key, found, expected)),
        Some(_) => Err(bad(key, "something else than a number", expected)),
    }
}

/// Llama 3.1 and later divide the frequencies; their files bring the divisors as a tensor.
fn rope(gguf: &mut Gguf<'_>, head_dim: usize) -> Result<Vec<f64>, Error> {
    let (base, n_dims, scaling) =
        rope_parameters(gguf, head_dim).map_err(|problem| gguf.problem(problem))?;
    let mut frequencies = rope_frequencies(base, n_dims, scaling);
    if let Some(divisors) = gguf.rope_divisors(n_dims / 2)? {
        let is_bad = |divisor: &&f32| !divisor.is_normal() || **divisor < 0.0;
        if let Some(divisor) = divisors.iter().find(is_bad) {
            return Err(gguf.problem(bad(ROPE_DIVISORS, divisor, "numbers above 0")));
        }
        for (frequency, divisor) in frequencies.iter_mut().zip(divisors) {
            *frequency /= f64::from(divisor);
        }
    }
    Ok(frequencies)
}

fn rope_parameters(
    gguf: &Gguf<'_>,
    head_dim: usize,
) -> Result<(f64, usize, RopeScaling), ModelProblem> {
    let n_dims = gguf.size("llama.rope.dimension_count", Some(head_dim))?;
    if n_dims > head_dim || !n_dims.is_multiple_of(2) {
        let expected = format!("an even number up to {head_dim}");
        return Err(bad("llama.rope.dimension_count", &n_dims, &expected));
    }
    let number = |key: &str, default, lowest: f64, expected| {
        let number = gguf.number(key).unwrap_or(default);
        let is_good = number >= lowest && number.is_finite();
        if is_good { Ok(number) } else { Err(bad(key, &number, expected)) }
    };
    let base = number("llama.rope.freq_base", 10_000.0, 1.0, "a number from 1")?;
    let factor = || number("llama.rope.scaling.factor", 1.0, f64::MIN_POSITIVE, "a number above 0");
    let scaling = match gguf.text("llama.rope.scaling.type") {
        None => RopeScaling::Linear(number(
            "llama.rope.scale_linear",
            1.0,
            f64::MIN_POSITIVE,
            "a number above 0",
        )?),
        Some("none") => RopeScaling::None,
        Some("linear") => RopeScaling::Linear(factor()?),
        Some(other) => {
            let other: &dyn Display = &other;
            return Err(bad("llama.rope.scaling.type", other, "\"none\" or \"linear\""));
        }
    };
    Ok((base, n_dims, scaling))
}

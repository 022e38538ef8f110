//! Brings weights to a device: from a model's files, or made up for figures.
//!
//! Weights become the device's numbers (bf16) whatever their file stores. Four bits would read less
//! memory a pass, but candle's quantized products on CUDA lose that again as soon as a pass has a few
//! rows, which is what drafts and prompts are: measured on an H200 over weights of 8B, four rows took
//! longer by `Q4_K` than by bf16, and a prompt twice as long. What has the same input lies in one
//! matrix, so that a layer is four products.

use candle_core::Tensor;

use super::transformer::{Layer, Rotary, Transformer};
use crate::{
    lm::{
        Error,
        checkpoint::{self, Checkpoint, Part, Weight},
        config::Config,
    },
    nn::{DeviceFault, TensorDevice},
};

/// Spread of made-up weights: as most models' are before their training.
const SPREAD: f32 = 0.02;

impl Transformer {
    /// Reads the weights.
    ///
    /// # Errors
    /// If a tensor is missing, misshaped, unknown or unreadable, the load was cancelled, or the
    /// device has no room.
    pub fn load(
        config: Config,
        checkpoint: &mut dyn Checkpoint,
        device: &TensorDevice,
    ) -> Result<Self, Error> {
        checkpoint::check(checkpoint, &config)?;
        let of_config = config.clone();
        assemble(config, device, &mut |weights| {
            let mut values = Vec::new();
            for weight in weights {
                let read = read(checkpoint, &of_config, *weight)?;
                if values.is_empty() { values = read } else { values.extend(read) }
            }
            Ok(upload(values, &stacked_shape(&of_config, weights), device)?)
        })
    }

    /// Makes weights up: a model of these sizes that says nothing of sense, as fast as any.
    ///
    /// # Errors
    /// If the device has no room.
    pub fn random(config: Config, device: &TensorDevice) -> Result<Self, Error> {
        let of_config = config.clone();
        assemble(config, device, &mut |weights| {
            let shape = stacked_shape(&of_config, weights);
            Ok(if shape.len() == 1 { ones(&shape, device)? } else { noise(&shape, device)? })
        })
    }
}

/// Puts a model together from what `stacked` says of weights that lie below each other.
fn assemble(
    config: Config,
    device: &TensorDevice,
    stacked: &mut dyn FnMut(&[Weight]) -> Result<Tensor, Error>,
) -> Result<Transformer, Error> {
    let embedding = stacked(&[Weight::Embedding])?;
    let mut layers = Vec::with_capacity(config.n_layers);
    for layer_idx in 0..config.n_layers {
        let mut of = |parts: &[Part]| {
            let weights: Vec<_> =
                parts.iter().map(|part| Weight::Layer(layer_idx, *part)).collect();
            stacked(&weights)
        };
        layers.push(Layer {
            attn_norm: of(&[Part::AttnNorm])?,
            qkv: of(&[Part::Query, Part::Key, Part::Value])?,
            o: of(&[Part::Output])?,
            ffn_norm: of(&[Part::FfnNorm])?,
            gate_up: of(&[Part::Gate, Part::Up])?,
            down: of(&[Part::Down])?,
        });
    }
    let norm = stacked(&[Weight::Norm])?;
    let head = if config.is_tied { embedding.clone() } else { stacked(&[Weight::Head])? };
    let rotary = rotary(&config, device)?;
    let device = device.clone();
    Ok(Transformer { config, device, embedding, layers, norm, head, rotary })
}

/// A weight's numbers, ready for the arithmetic.
fn read(
    checkpoint: &mut dyn Checkpoint,
    config: &Config,
    weight: Weight,
) -> Result<Vec<f32>, Error> {
    let mut values = match config.shape(weight)[..] {
        [n_out, n_in] => checkpoint.numbers(weight, n_out, n_in)?,
        _ => checkpoint.vector(weight, config.n_embd)?,
    };
    if let Weight::Layer(_, Part::Query) = weight {
        // Scores are divided by the root of their length; here that costs no pass anything.
        let scale = 1.0 / (config.head_dim as f64).sqrt();
        for value in &mut values {
            *value = (f64::from(*value) * scale) as f32;
        }
    }
    Ok(values)
}

/// The shape of weights below each other.
fn stacked_shape(config: &Config, weights: &[Weight]) -> Vec<usize> {
    let mut shapes = weights.iter().map(|weight| config.shape(*weight));
    let mut shape = shapes.next().unwrap_or_default();
    for below in shapes {
        shape[0] += below[0];
    }
    shape
}

/// Cosines and sines of every position, in double precision before they are rounded.
fn rotary(config: &Config, device: &TensorDevice) -> Result<Rotary, DeviceFault> {
    let shape = [config.context_length, config.rope_frequencies.len()];
    let angles = || {
        (0..config.context_length)
            .flat_map(|position| config.rope_frequencies.iter().map(move |it| position as f64 * it))
    };
    Ok(Rotary {
        cos: upload(angles().map(|angle| angle.cos() as f32).collect(), &shape, device)?,
        sin: upload(angles().map(|angle| angle.sin() as f32).collect(), &shape, device)?,
    })
}

fn upload(values: Vec<f32>, shape: &[usize], device: &TensorDevice) -> Result<Tensor, DeviceFault> {
    Ok(Tensor::from_vec(values, shape, &device.candle)?.to_dtype(device.dtype)?)
}

fn ones(shape: &[usize], device: &TensorDevice) -> Result<Tensor, DeviceFault> {
    Ok(Tensor::ones(shape, device.dtype, &device.candle)?)
}

fn noise(shape: &[usize], device: &TensorDevice) -> Result<Tensor, DeviceFault> {
    Ok(Tensor::randn(0.0, SPREAD, shape, &device.candle)?.to_dtype(device.dtype)?)
}

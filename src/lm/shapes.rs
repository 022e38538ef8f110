//! The sizes of well-known models, as their configurations on Hugging Face state them.

use super::config::{Config, RopeScaling, rope_frequencies};
use crate::domain::ModelShape;

/// A model's sizes.
pub fn config(shape: ModelShape) -> Config {
    match shape {
        ModelShape::SmolLm2 => Config {
            n_vocab: 49_152,
            n_embd: 576,
            n_layers: 30,
            n_heads: 9,
            n_kv_heads: 3,
            head_dim: 64,
            n_ff: 1536,
            context_length: 8192,
            rms_eps: 1e-5,
            is_tied: true,
            rope_frequencies: rope_frequencies(100_000.0, 64, RopeScaling::None),
        },
        ModelShape::Llama1B => Config {
            n_vocab: 128_256,
            n_embd: 2048,
            n_layers: 16,
            n_heads: 32,
            n_kv_heads: 8,
            head_dim: 64,
            n_ff: 8192,
            context_length: 131_072,
            rms_eps: 1e-5,
            is_tied: true,
            rope_frequencies: rope_frequencies(500_000.0, 64, stretched(32.0)),
        },
        ModelShape::Llama8B => Config {
            n_vocab: 128_256,
            n_embd: 4096,
            n_layers: 32,
            n_heads: 32,
            n_kv_heads: 8,
            head_dim: 128,
            n_ff: 14_336,
            context_length: 131_072,
            rms_eps: 1e-5,
            is_tied: false,
            rope_frequencies: rope_frequencies(500_000.0, 128, stretched(8.0)),
        },
    }
}

/// How Llama 3.1 and 3.2 were stretched to their context.
fn stretched(factor: f64) -> RopeScaling {
    let (low_freq_factor, high_freq_factor, original_context) = (1.0, 4.0, 8192.0);
    RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The counts that each model's page on Hugging Face gives.
    #[test]
    fn parameters_are_as_many_as_the_models_have() {
        assert_eq!(config(ModelShape::SmolLm2).n_parameters(), 134_515_008);
        assert_eq!(config(ModelShape::Llama1B).n_parameters(), 1_235_814_400);
        assert_eq!(config(ModelShape::Llama8B).n_parameters(), 8_030_261_248);
    }
}

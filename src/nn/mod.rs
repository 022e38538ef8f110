//! Layers: what models are made of, on candle tensors or on plain slices where candle has no kernel.

pub mod device;
pub mod kernels;

mod attention;
mod conv;
mod features;
mod matmul;
mod norm;
mod rnn;
mod weights;

pub use attention::{SelfAttention, Sight};
pub use conv::{Conv1d, ConvTranspose1d, Padding};
pub use features::Features;
pub use norm::LayerNorm;
pub use rnn::{GruCell, affine};
pub use weights::{Array, Scope, Weights, WeightsError};

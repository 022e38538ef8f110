//! Layers: what models are made of, on candle tensors or on plain slices where candle has no kernel.

pub mod activation;
pub mod device;
pub mod kernels;
pub mod torch;

mod attention;
mod conv;
mod conv2d;
mod ctranslate2;
mod features;
mod matmul;
mod norm;
mod recording;
mod recurrent;
mod rnn;
mod tensor_device;
mod threads;
mod weights;

pub use attention::{SelfAttention, Sight, attend};
pub use conv::{Conv1d, ConvTranspose1d, Padding, StridedConv1d};
pub use conv2d::{Conv2d, Planes};
pub use features::Features;
pub use norm::{BatchNorm, GroupNorm, LayerNorm};
pub use recording::Recording;
pub use recurrent::{Bidirectional, GruStep, Linear, LstmCell, LstmState, Stepper};
pub use rnn::{GruCell, affine};
pub use tensor_device::{DeviceError, DeviceFault, TensorDevice};
pub use threads::{n_threads, share_work_among, side_by_side};
pub use weights::{Array, Scope, Weights, WeightsError};

//! Layers: what models are made of, on candle tensors or on plain slices where candle has no kernel.

pub mod kernels;

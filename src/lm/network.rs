//! A model's transformer on whatever it runs on: our kernels on the CPU, candle's operations on a
//! graphics processor. Whoever drives it does not see which.

use super::{
    Error,
    checkpoint::Checkpoint,
    config::Config,
    kv_cache::KvCache,
    tensors,
    transformer::{Scratch, Span, Transformer},
};
use crate::{
    job::Cancelled,
    nn::{DeviceFault, TensorDevice, device},
};

/// What models are loaded for.
#[derive(Debug, Clone, Default)]
pub enum Backend {
    /// The CPU, by our kernels: every row as if it were alone.
    #[default]
    Kernels,
    /// A graphics processor, by candle's operations: equal up to rounding.
    Tensors(TensorDevice),
}

/// The weights, and the way through them.
#[derive(Debug)]
pub enum Network {
    /// See [`Backend::Kernels`].
    Kernels(Transformer),
    /// See [`Backend::Tensors`].
    Tensors(tensors::Transformer),
}

/// Keys and values of one sequence, where its network wants them.
#[derive(Debug)]
pub enum Cache {
    /// See [`Backend::Kernels`].
    Kernels(KvCache),
    /// See [`Backend::Tensors`].
    Tensors(tensors::KvCache),
}

/// Why a pass has no logits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PassError {
    /// Nobody wants them any more.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceFault),
}

impl From<PassError> for Error {
    fn from(error: PassError) -> Self {
        match error {
            PassError::Cancelled(cancelled) => cancelled.into(),
            PassError::Device(fault) => fault.into(),
        }
    }
}

impl Backend {
    /// What it is, for people; the CPU with `n_threads` threads.
    pub fn label(&self, n_threads: usize) -> String {
        match self {
            Self::Kernels => device::name(n_threads),
            Self::Tensors(device) => device.label().to_owned(),
        }
    }

    /// Whether the bits of a row do not depend on its company, so that speculation changes no word.
    pub fn is_row_exact(&self) -> bool {
        matches!(self, Self::Kernels)
    }
}

impl Network {
    /// Reads the weights; a device is warm after that.
    ///
    /// # Errors
    /// If a tensor is missing, misshaped, unknown or unreadable, the load was cancelled, or the
    /// device fails.
    pub fn load(
        config: Config,
        checkpoint: &mut dyn Checkpoint,
        backend: &Backend,
    ) -> Result<Self, Error> {
        match backend {
            Backend::Kernels => Ok(Self::Kernels(Transformer::load(config, checkpoint)?)),
            Backend::Tensors(device) => {
                let transformer = tensors::Transformer::load(config, checkpoint, device)?;
                transformer.warm_up()?;
                Ok(Self::Tensors(transformer))
            }
        }
    }

    /// Made-up weights on a device, which is warm after that.
    ///
    /// # Errors
    /// If the device fails.
    pub fn random(config: Config, device: &TensorDevice) -> Result<Self, Error> {
        let transformer = tensors::Transformer::random(config, device)?;
        transformer.warm_up()?;
        Ok(Self::Tensors(transformer))
    }

    /// Its sizes.
    pub fn config(&self) -> &Config {
        match self {
            Self::Kernels(transformer) => transformer.config(),
            Self::Tensors(transformer) => transformer.config(),
        }
    }

    /// What does its arithmetic, for people.
    pub fn label(&self) -> &str {
        match self {
            Self::Kernels(transformer) => transformer.instructions().label(),
            Self::Tensors(transformer) => transformer.device().label(),
        }
    }

    /// Bytes of all weights in memory, of the machine or of the device.
    pub fn n_bytes(&self) -> u64 {
        match self {
            Self::Kernels(transformer) => transformer.n_bytes(),
            Self::Tensors(transformer) => transformer.n_bytes(),
        }
    }

    /// Whether some layer rounds activations to eight bits.
    pub fn is_quantized(&self) -> bool {
        match self {
            Self::Kernels(transformer) => transformer.is_quantized(),
            Self::Tensors(_) => false,
        }
    }

    /// Whether adapters can be put on.
    pub fn takes_adapters(&self) -> bool {
        matches!(self, Self::Kernels(_))
    }

    /// Whether [`Network::copy_embedding`] can be asked.
    pub fn has_embedding_here(&self) -> bool {
        matches!(self, Self::Kernels(_))
    }

    /// The embedding of a token, `(n_embd,)`.
    ///
    /// # Panics
    /// If it lies on a graphics processor, or the token is not in the vocabulary.
    pub fn copy_embedding(&self, token: u32, out: &mut [f32]) {
        match self {
            Self::Kernels(transformer) => transformer.copy_embedding(token, out),
            Self::Tensors(_) => unreachable!("the caller asked whether it is here"),
        }
    }

    /// An empty cache for one sequence.
    pub fn new_cache(&self) -> Cache {
        match self {
            Self::Kernels(transformer) => Cache::Kernels(KvCache::new(transformer.config())),
            Self::Tensors(transformer) => {
                Cache::Tensors(tensors::KvCache::new(transformer.config(), transformer.device()))
            }
        }
    }

    /// Bytes of a cache that has grown to some positions.
    pub fn cache_bytes(&self, n_positions: usize) -> u64 {
        match self {
            Self::Kernels(transformer) => KvCache::bytes_for(transformer.config(), n_positions),
            Self::Tensors(transformer) => {
                let (config, device) = (transformer.config(), transformer.device());
                tensors::KvCache::bytes_for(config, device, n_positions)
            }
        }
    }

    /// Passes the spans' tokens through and returns the wanted logits, `(n_wanted, n_vocab)`, in
    /// the order of the spans.
    ///
    /// `check` is asked before every layer; if it says so the pass ends there, and no cache has
    /// changed.
    ///
    /// # Errors
    /// If `check` said so, or the device failed.
    ///
    /// # Panics
    /// If a token is not in the vocabulary, a row of a tree follows none before it, or a cache is
    /// another network's.
    pub fn forward<'s>(
        &self,
        spans: Vec<Span<'_, Cache>>,
        scratch: &'s mut Scratch,
        check: &mut dyn FnMut() -> Result<(), Cancelled>,
    ) -> Result<&'s [f32], PassError> {
        match self {
            Self::Kernels(transformer) => {
                let spans = spans.into_iter().map(|span| span.map_cache(Cache::of_kernels));
                let mut spans: Vec<_> = spans.collect();
                Ok(transformer.forward(&mut spans, scratch, check)?)
            }
            Self::Tensors(transformer) => {
                let spans = spans.into_iter().map(|span| span.map_cache(Cache::of_tensors));
                let mut spans: Vec<_> = spans.collect();
                Ok(scratch.keep_logits(transformer.forward(&mut spans, check)?))
            }
        }
    }
}

impl Cache {
    /// Positions that it holds.
    pub fn len(&self) -> usize {
        match self {
            Self::Kernels(cache) => cache.len(),
            Self::Tensors(cache) => cache.len(),
        }
    }

    /// Bytes set aside.
    pub fn n_bytes(&self) -> u64 {
        match self {
            Self::Kernels(cache) => cache.n_bytes(),
            Self::Tensors(cache) => cache.n_bytes(),
        }
    }

    /// Forgets all but the first positions.
    pub fn truncate(&mut self, n_positions: usize) {
        match self {
            Self::Kernels(cache) => cache.truncate(n_positions),
            Self::Tensors(cache) => cache.truncate(n_positions),
        }
    }

    /// A cache of its own with the first positions of this one.
    pub fn copy_prefix(&self, n_positions: usize) -> Self {
        match self {
            Self::Kernels(cache) => Self::Kernels(cache.copy_prefix(n_positions)),
            Self::Tensors(cache) => Self::Tensors(cache.copy_prefix(n_positions)),
        }
    }

    /// Takes over from `other`, which holds the same tokens so far and belongs to the same network,
    /// the positions from here up to `n_positions`.
    pub fn copy_on(&mut self, other: &Self, n_positions: usize) {
        match (self, other) {
            (Self::Kernels(cache), Self::Kernels(other)) => cache.copy_on(other, n_positions),
            (Self::Tensors(cache), Self::Tensors(other)) => cache.copy_on(other, n_positions),
            _ => unreachable!("both belong to one network"),
        }
    }

    /// Keeps, of the positions from `base` on, those at `base + rows[i]`, which become `base + i`:
    /// what a verified tree leaves. `rows` ascends.
    ///
    /// # Panics
    /// If a row is not held.
    pub fn compact(&mut self, base: usize, rows: &[usize]) {
        match self {
            Self::Kernels(cache) => cache.compact(base, rows),
            Self::Tensors(cache) => cache.compact(base, rows),
        }
    }

    fn of_kernels(&mut self) -> &mut KvCache {
        match self {
            Self::Kernels(cache) => cache,
            Self::Tensors(_) => unreachable!("a cache goes to the network that made it"),
        }
    }

    fn of_tensors(&mut self) -> &mut tensors::KvCache {
        match self {
            Self::Tensors(cache) => cache,
            Self::Kernels(_) => unreachable!("a cache goes to the network that made it"),
        }
    }
}

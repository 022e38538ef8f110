//! Passes over few rows of one reply, recorded when they come again: what decoding is made of.
//!
//! A recording is of a number of rows and of one cache's slabs, whole: tokens, positions and what is
//! seen are read from the device's memory, so that the next token's pass is the same operations.

use candle_core::{DType, Tensor};

use super::{
    kv_cache::{KvCache, Place},
    sight::{Tile, up_to},
    transformer::{Pass, Transformer},
};
use crate::{
    lm::{
        network::PassError,
        transformer::{Order, Span},
    },
    nn::{DeviceFault, Recording},
};

/// Rows of a recorded pass at most: a token and the drafts of one reply.
const MOST_ROWS: usize = 8;

/// A pass that comes as often in one cache is recorded; recording costs as much as a few passes.
const USES_BEFORE: usize = 2;

/// The passes of one cache by their number of rows, for as long as its slabs stay where they are.
#[derive(Debug, Default)]
pub struct Replays(Vec<Replay>);

#[derive(Debug, Default)]
enum Replay {
    #[default]
    Unseen,
    Seen(usize),
    Recorded(Box<Recorded>),
    /// The device would not record it; it runs operation by operation.
    Refused,
}

/// What a recording reads and writes.
#[derive(Debug)]
struct Recorded {
    io: Io,
    recording: Recording,
}

#[derive(Debug)]
pub(super) struct Io {
    /// `(n_rows)` each.
    tokens: Tensor,
    positions: Tensor,
    /// `(capacity)`: every position there is room for.
    all_positions: Tensor,
    /// `(n_rows, n_vocab)`, single precision.
    logits: Tensor,
}

impl Transformer {
    /// The logits of a span by a recording, if it is one that is recorded by now.
    ///
    /// # Errors
    /// If the device fails.
    pub(super) fn replayed(
        &self,
        span: &mut Span<'_, KvCache>,
    ) -> Result<Option<Vec<f32>>, PassError> {
        let n_rows = span.tokens.len();
        let is_plain = matches!(span.order, Order::Chain)
            && span.taps.is_none()
            && span.wanted == (0..n_rows)
            && (1..=MOST_ROWS).contains(&n_rows);
        if !is_plain || !self.device.records() {
            return Ok(None);
        }
        span.cache.reserve(n_rows);
        span.cache.check()?;
        // Taken out while the cache is passed around.
        let mut replays = std::mem::take(&mut span.cache.replays);
        replays.0.resize_with(MOST_ROWS, Replay::default);
        let outcome = self.replay(span, &mut replays.0[n_rows - 1]);
        span.cache.replays = replays;
        let logits = outcome?;
        if logits.is_some() {
            span.cache.commit(n_rows);
        }
        Ok(logits)
    }

    fn replay(
        &self,
        span: &mut Span<'_, KvCache>,
        replay: &mut Replay,
    ) -> Result<Option<Vec<f32>>, PassError> {
        let n_seen_before = match replay {
            Replay::Recorded(recorded) => {
                recorded.io.set(span)?;
                recorded.recording.run()?;
                return Ok(Some(recorded.io.logits()?));
            }
            Replay::Seen(n) => *n,
            Replay::Unseen => 0,
            Replay::Refused => return Ok(None),
        };
        *replay = Replay::Seen(n_seen_before + 1);
        if n_seen_before < USES_BEFORE {
            return Ok(None);
        }
        let io = Io::new(self, span.cache, span.tokens.len())?;
        io.set(span)?;
        let recording = match self.device.record(&mut || self.fixed_pass(span, &io)) {
            Ok(Some(recording)) => recording,
            refused => {
                // Slower, but no less right; what is wrong with the device itself, the next pass says.
                let why = refused.err().map(|error| error.to_string());
                tracing::warn!("the device records no passes, they run one by one: {why:?}");
                *replay = Replay::Refused;
                return Ok(None);
            }
        };
        recording.run()?;
        let logits = io.logits()?;
        *replay = Replay::Recorded(Box::new(Recorded { io, recording }));
        Ok(Some(logits))
    }

    /// The pass as it is recorded: from `io` to `io`, over the whole slabs.
    pub(super) fn fixed_pass(
        &self,
        span: &mut Span<'_, KvCache>,
        io: &Io,
    ) -> Result<(), PassError> {
        let Self { config, device, rotary, .. } = self;
        let Io { tokens, positions, all_positions, logits } = io;
        let (n_rows, n_seen) = (span.tokens.len(), span.cache.capacity());
        let fixed = || {
            let mask = Some(up_to(positions, all_positions, device)?);
            let written = (config.n_kv_heads, n_rows, config.head_dim);
            let place = positions.reshape((1, n_rows, 1))?.broadcast_as(written)?.contiguous()?;
            let pass = Pass {
                cos: rotary.cos.index_select(positions, 0)?,
                sin: rotary.sin.index_select(positions, 0)?,
                tiles: vec![vec![Tile { rows: 0..n_rows, n_seen, mask }]],
                place: Place::At(place),
            };
            Ok::<_, DeviceFault>((self.embedding.index_select(tokens, 0)?, pass))
        };
        let (x, pass) = fixed()?;
        let x = self.through_layers(x, std::slice::from_mut(span), &pass, &mut || Ok(()))?;
        let found = self.head(&x)?;
        Ok(logits.slice_set(&found, 0, 0).map_err(DeviceFault::from)?)
    }
}

impl Io {
    /// Buffers for passes over `n_rows` rows.
    pub(super) fn new(
        model: &Transformer,
        cache: &KvCache,
        n_rows: usize,
    ) -> Result<Self, DeviceFault> {
        let candle = &model.device.candle;
        Ok(Self {
            tokens: Tensor::zeros(n_rows, DType::U32, candle)?,
            positions: Tensor::zeros(n_rows, DType::U32, candle)?,
            all_positions: Tensor::arange(0, cache.capacity() as u32, candle)?,
            logits: Tensor::zeros((n_rows, model.config.n_vocab), DType::F32, candle)?,
        })
    }

    /// Writes what a pass over the span reads.
    pub(super) fn set(&self, span: &Span<'_, KvCache>) -> Result<(), DeviceFault> {
        let (n_rows, candle) = (span.tokens.len(), self.tokens.device());
        let base = span.cache.len() as u32;
        let positions = Tensor::arange(base, base + n_rows as u32, candle)?;
        self.tokens.slice_set(&Tensor::from_slice(span.tokens, n_rows, candle)?, 0, 0)?;
        Ok(self.positions.slice_set(&positions, 0, 0)?)
    }

    /// What the pass has written, once the device has come to it.
    pub(super) fn logits(&self) -> Result<Vec<f32>, DeviceFault> {
        Ok(self.logits.flatten_all()?.to_vec1()?)
    }
}

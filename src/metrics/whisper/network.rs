//! The encoder, and the decoder with what it remembers, a token at a time.

use super::features::N_MELS;
use crate::nn::{
    Array, Conv1d, Features, LayerNorm, Linear, Padding, Scope, SelfAttention, Sight, Stepper,
    StridedConv1d, Weights, WeightsError, activation,
};

/// Added to variances.
const EPS: f32 = 1e-5;
/// Places that the encoder makes of thirty seconds.
const N_AUDIO_CTX: usize = 1500;

/// Encoder and decoder.
#[derive(Debug)]
pub struct Network {
    listen: Conv1d,
    halve: StridedConv1d,
    /// `(n_states, n_audio_ctx)`.
    positions: Features,
    encoder: Vec<EncoderLayer>,
    encoder_norm: LayerNorm,
    decoder: Vec<DecoderLayer>,
    decoder_norm: LayerNorm,
    /// `(n_vocab, n_states)`, of which a row is also a token's embedding.
    embedding: Array,
    to_scores: Linear,
    /// `(n_text_ctx, n_states)`.
    text_positions: Array,
    n_heads: usize,
}

#[derive(Debug)]
struct EncoderLayer {
    attention_norm: LayerNorm,
    attention: SelfAttention,
    feed_norm: LayerNorm,
    widen: Conv1d,
    narrow: Conv1d,
}

#[derive(Debug)]
struct DecoderLayer {
    attention_norm: LayerNorm,
    in_proj: Linear,
    out_proj: Linear,
    listen_norm: LayerNorm,
    query: Linear,
    /// Keys, then values, of the encoder's output.
    memory: Conv1d,
    listen_out: Linear,
    feed_norm: LayerNorm,
    widen: Linear,
    narrow: Linear,
}

/// What the decoder makes of one recording before the first token.
#[derive(Debug)]
pub struct Memory {
    /// Of each layer, `(2·n_states, n_audio_ctx)`.
    layers: Vec<Features>,
}

/// What the decoder remembers of the tokens so far.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// Of each layer, keys and values of all tokens, one after the other.
    layers: Vec<[Vec<f32>; 2]>,
    n_tokens: usize,
}

impl Network {
    /// Reads the tensors of a model of any size.
    ///
    /// # Errors
    /// If one is missing or does not fit.
    pub fn load(weights: &Weights) -> Result<Self, WeightsError> {
        let root = weights.scope("");
        let (encoder, decoder) = (root.scope("encoder"), root.scope("decoder"));
        let listen = encoder.shaped("conv1.weight", &[None, Some(N_MELS), Some(3)])?;
        let n = listen.shape[0];
        let halve = encoder.shaped("conv2.weight", &[Some(n), Some(n), Some(3)])?;
        let positions =
            encoder.shaped("position_encodings.encodings", &[Some(N_AUDIO_CTX), Some(n)])?;
        let n_heads = encoder.array("num_heads")?.values.first().map_or(0, |&n| n as usize);
        if n_heads == 0 || !n.is_multiple_of(n_heads) {
            return Err(encoder.unexpected("num_heads", format!("a number that divides {n}")));
        }
        let embedding = decoder.shaped("embeddings.weight", &[None, Some(n)])?.clone();
        let n_vocab = embedding.shape[0];
        Ok(Self {
            listen: Conv1d::new(listen, encoder.vector("conv1.bias", n)?, 1, Padding::Zero),
            halve: StridedConv1d::new(halve, encoder.vector("conv2.bias", n)?, 2, 1),
            positions: Features::from_columns(&positions.values, n),
            encoder: layers(&encoder)
                .map(|layer| EncoderLayer::load(&layer, n, n_heads))
                .collect::<Result<_, _>>()?,
            encoder_norm: norm(&encoder, "layer_norm", n)?,
            decoder: layers(&decoder)
                .map(|layer| DecoderLayer::load(&layer, n))
                .collect::<Result<_, _>>()?,
            decoder_norm: norm(&decoder, "layer_norm", n)?,
            to_scores: Linear::new(&decoder, &embedding, vec![0.0; n_vocab])?,
            embedding,
            text_positions: decoder
                .shaped("position_encodings.encodings", &[None, Some(n)])?
                .clone(),
            n_heads,
        })
    }

    /// Tokens there are.
    pub fn n_vocab(&self) -> usize {
        self.embedding.shape[0]
    }

    /// Memory of the large weights.
    pub fn n_bytes(&self) -> u64 {
        let encoder = self.encoder.iter().map(|layer| {
            let attention = layer.attention.in_proj.n_bytes() + layer.attention.out_proj.n_bytes();
            attention + layer.widen.n_bytes() + layer.narrow.n_bytes()
        });
        let decoder = self.decoder.iter().map(|layer| {
            let linear = [
                &layer.in_proj,
                &layer.out_proj,
                &layer.query,
                &layer.listen_out,
                &layer.widen,
                &layer.narrow,
            ];
            layer.memory.n_bytes() + linear.map(Linear::n_bytes).iter().sum::<u64>()
        });
        let embedding = (self.embedding.values.len() * size_of::<f32>()) as u64;
        encoder.sum::<u64>() + decoder.sum::<u64>() + self.to_scores.n_bytes() + embedding
    }

    /// Tokens that can be said.
    pub fn n_text_ctx(&self) -> usize {
        self.text_positions.shape[0]
    }

    /// Mel power `(80, 2·n_audio_ctx)` to `(n_states, n_audio_ctx)`. `go_on` is asked between layers.
    ///
    /// # Errors
    /// What `go_on` returned.
    pub fn encode<E>(
        &self,
        mel: &Features,
        mut go_on: impl FnMut() -> Result<(), E>,
    ) -> Result<Features, E> {
        let mut x = self.listen.forward(mel);
        activation::gelu(&mut x.values);
        x = self.halve.forward(&x);
        activation::gelu(&mut x.values);
        x.add(&self.positions);
        for layer in &self.encoder {
            go_on()?;
            layer.forward(&mut x);
        }
        Ok(self.encoder_norm.forward(&x))
    }

    /// Prepares what the encoder heard for the decoder.
    pub fn remember(&self, encoded: &Features) -> Memory {
        Memory { layers: self.decoder.iter().map(|layer| layer.memory.forward(encoded)).collect() }
    }

    /// Says one more token; returns how much each token is worth as the next.
    ///
    /// # Panics
    /// If there is no such token, or all that can be said has been.
    pub fn step(
        &self,
        stepper: &mut Stepper,
        memory: &Memory,
        said: &mut Said,
        token: usize,
    ) -> Vec<f32> {
        let n = self.embedding.shape[1];
        said.layers.resize_with(self.decoder.len(), Default::default);
        let position = &self.text_positions.values[said.n_tokens * n..][..n];
        let embedding = &self.embedding.values[token * n..][..n];
        let mut x: Vec<f32> = embedding.iter().zip(position).map(|(a, b)| a + b).collect();
        for ((layer, memory), said) in self.decoder.iter().zip(&memory.layers).zip(&mut said.layers)
        {
            layer.step(stepper, memory, said, &mut x, self.n_heads);
        }
        said.n_tokens += 1;
        let mut scores = Vec::new();
        self.to_scores.apply(stepper, &[&normed(&self.decoder_norm, &x)], &mut scores);
        scores
    }
}

impl EncoderLayer {
    fn load(scope: &Scope<'_>, n: usize, n_heads: usize) -> Result<Self, WeightsError> {
        let attention = scope.scope("self_attention");
        let feed = scope.scope("ffn");
        Ok(Self {
            attention_norm: norm(&attention, "layer_norm", n)?,
            attention: SelfAttention {
                in_proj: product(&attention, "linear_0", Some(3 * n), n)?,
                out_proj: product(&attention, "linear_1", Some(n), n)?,
                n_heads,
            },
            feed_norm: norm(&feed, "layer_norm", n)?,
            widen: product(&feed, "linear_0", None, n)?,
            narrow: {
                let n_wide = feed.array("linear_0.bias")?.values.len();
                product(&feed, "linear_1", Some(n), n_wide)?
            },
        })
    }

    fn forward(&self, x: &mut Features) {
        let heard = self.attention.forward(&self.attention_norm.forward(x), Sight::Full);
        x.add(&heard);
        let mut wide = self.widen.forward(&self.feed_norm.forward(x));
        activation::gelu(&mut wide.values);
        x.add(&self.narrow.forward(&wide));
    }
}

impl DecoderLayer {
    fn load(scope: &Scope<'_>, n: usize) -> Result<Self, WeightsError> {
        let (attention, listen) = (scope.scope("self_attention"), scope.scope("attention"));
        let feed = scope.scope("ffn");
        let widen = Linear::load(&feed, "linear_0", n, None)?;
        Ok(Self {
            attention_norm: norm(&attention, "layer_norm", n)?,
            in_proj: Linear::load(&attention, "linear_0", n, Some(3 * n))?,
            out_proj: Linear::load(&attention, "linear_1", n, Some(n))?,
            listen_norm: norm(&listen, "layer_norm", n)?,
            query: Linear::load(&listen, "linear_0", n, Some(n))?,
            memory: product(&listen, "linear_1", Some(2 * n), n)?,
            listen_out: Linear::load(&listen, "linear_2", n, Some(n))?,
            feed_norm: norm(&feed, "layer_norm", n)?,
            narrow: Linear::load(&feed, "linear_1", widen.n_out(), Some(n))?,
            widen,
        })
    }

    fn step(
        &self,
        stepper: &mut Stepper,
        memory: &Features,
        said: &mut [Vec<f32>; 2],
        x: &mut [f32],
        n_heads: usize,
    ) {
        let n = x.len();
        let mut out = Vec::new();
        self.in_proj.apply(stepper, &[&normed(&self.attention_norm, x)], &mut out);
        let [keys, values] = said;
        keys.extend_from_slice(&out[n..2 * n]);
        values.extend_from_slice(&out[2 * n..]);
        let n_said = keys.len() / n;
        let heard = attend(&out[..n], n_heads, n_said, |channel, at| {
            (keys[at * n + channel], values[at * n + channel])
        });
        self.out_proj.apply(stepper, &[&heard], &mut out);
        add(x, &out);

        self.query.apply(stepper, &[&normed(&self.listen_norm, x)], &mut out);
        let len = memory.len;
        let heard = attend(&out, n_heads, len, |channel, at| {
            (memory.values[channel * len + at], memory.values[(n + channel) * len + at])
        });
        self.listen_out.apply(stepper, &[&heard], &mut out);
        add(x, &out);

        self.widen.apply(stepper, &[&normed(&self.feed_norm, x)], &mut out);
        activation::gelu(&mut out);
        let mut narrow = Vec::new();
        self.narrow.apply(stepper, &[&out], &mut narrow);
        add(x, &narrow);
    }
}

/// What one query hears: `softmax(q·k / √d) v` in each head. `key_value` tells key and value of a
/// channel at a place.
fn attend(
    query: &[f32],
    n_heads: usize,
    len: usize,
    key_value: impl Fn(usize, usize) -> (f32, f32),
) -> Vec<f32> {
    let d_head = query.len() / n_heads;
    let scale = 1.0 / (d_head as f32).sqrt();
    let mut heard = vec![0.0; query.len()];
    let mut weights = vec![0.0; len];
    for head in 0..n_heads {
        let channels = head * d_head..(head + 1) * d_head;
        weights.fill(0.0);
        for channel in channels.clone() {
            let q = query[channel] * scale;
            for (at, weight) in weights.iter_mut().enumerate() {
                *weight += q * key_value(channel, at).0;
            }
        }
        let highest = weights.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        for weight in &mut weights {
            *weight -= highest;
        }
        activation::exp(&mut weights);
        let sum: f32 = weights.iter().sum();
        for channel in channels {
            let values = weights.iter().enumerate().map(|(at, w)| w * key_value(channel, at).1);
            heard[channel] = values.sum::<f32>() / sum;
        }
    }
    heard
}

fn add(x: &mut [f32], addend: &[f32]) {
    for (x, addend) in x.iter_mut().zip(addend) {
        *x += addend;
    }
}

fn normed(norm: &LayerNorm, x: &[f32]) -> Vec<f32> {
    norm.forward(&Features { values: x.to_vec(), n_channels: x.len(), len: 1 }).values
}

fn layers<'a>(scope: &'a Scope<'_>) -> impl Iterator<Item = Scope<'a>> {
    let there = |index: &usize| scope.contains(&format!("layer_{index}"));
    (0..).take_while(there).map(|index| scope.scope(format!("layer_{index}")))
}

fn norm(scope: &Scope<'_>, name: &str, n: usize) -> Result<LayerNorm, WeightsError> {
    Ok(LayerNorm {
        scale: scope.vector(&format!("{name}.gamma"), n)?,
        shift: scope.vector(&format!("{name}.beta"), n)?,
        eps: EPS,
    })
}

fn product(
    scope: &Scope<'_>,
    name: &str,
    n_out: Option<usize>,
    n_in: usize,
) -> Result<Conv1d, WeightsError> {
    let weight = scope.shaped(&format!("{name}.weight"), &[n_out, Some(n_in)])?;
    let bias = scope.vector(&format!("{name}.bias"), weight.shape[0])?;
    Ok(Conv1d::new(weight, bias, 1, Padding::Zero))
}

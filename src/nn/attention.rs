//! Multi-head self-attention over one sequence.
//!
//! Source: "Attention Is All You Need" §3.2, <https://arxiv.org/abs/1706.03762>; parameters as in
//! `torch.nn.MultiheadAttention` (`in_proj_weight` holds the rows of query, key and value).

use super::{
    activation,
    conv::Conv1d,
    features::Features,
    matmul::{PackedMatrix, SLACK, Source, multiply_add},
};

/// Queries whose scores are held at a time, so that long utterances stay in the cache.
const BLOCK: usize = 192;

/// What a time step may look at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sight<'a> {
    /// Everything.
    Full,
    /// Itself and what came before.
    Causal,
    /// Everything, with a number for each key that is added to what it scores.
    Biased(&'a [f32]),
}

/// Self-attention of width `d_model` with `n_heads` heads.
#[derive(Debug, Clone)]
pub struct SelfAttention {
    /// `(3·d_model, d_model)`: queries, keys, values.
    pub in_proj: Conv1d,
    /// `(d_model, d_model)`.
    pub out_proj: Conv1d,
    /// Divides `d_model`.
    pub n_heads: usize,
}

impl SelfAttention {
    /// Attends over all columns of `x`, `(d_model, len)`; same shape out.
    pub fn forward(&self, x: &Features, sight: Sight<'_>) -> Features {
        let d_model = x.n_channels;
        if x.len == 0 {
            return x.clone();
        }
        let projected = self.in_proj.forward(x);
        let heard = attend(
            [
                projected.rows(0..d_model),
                projected.rows(d_model..2 * d_model),
                projected.rows(2 * d_model..3 * d_model),
            ],
            self.n_heads,
            x.len,
            sight,
        );
        self.out_proj.forward(&heard)
    }
}

/// What each of `len` queries hears of the values, by how its key answers: `softmax(q·k / √d) v`.
///
/// `queries_keys_values` are three times `(n_heads · d_head, len)`; the result is of that shape too.
///
/// # Panics
/// If there is nothing to attend to.
pub fn attend(
    queries_keys_values: [&[f32]; 3],
    n_heads: usize,
    len: usize,
    sight: Sight<'_>,
) -> Features {
    let [all_queries, all_keys, all_values] = queries_keys_values;
    let d_head = all_queries.len() / len / n_heads;
    let scale = 1.0 / (d_head as f32).sqrt();
    let mut heard = Features::zeros(n_heads * d_head, len);
    for head in 0..n_heads {
        let rows = head * d_head * len..(head + 1) * d_head * len;
        let (queries, keys) = (&all_queries[rows.clone()], &all_keys[rows.clone()]);
        let values = &all_values[rows];
        let keys = PackedMatrix::new(len, d_head, |at, channel| keys[channel * len + at] * scale);
        let values = PackedMatrix::new(d_head, len, |channel, at| values[channel * len + at]);
        for start in (0..len).step_by(BLOCK) {
            let n = BLOCK.min(len - start);
            let mut block = vec![0.0; d_head * n + SLACK];
            for (block, queries) in block.chunks_exact_mut(n).zip(queries.chunks_exact(len)) {
                block.copy_from_slice(&queries[start..start + n]);
            }
            // One row per key, one column per query.
            let mut scores = vec![0.0; len * n + SLACK];
            if let Sight::Biased(biases) = sight {
                for (row, &bias) in scores.chunks_exact_mut(n).zip(biases) {
                    row.fill(bias);
                }
            }
            let source = Source { values: &block, stride: n, kernel: 1, dilation: 1 };
            multiply_add(&keys, source, &mut scores[..len * n], n);
            if sight == Sight::Causal {
                for (key, row) in scores[..len * n].chunks_exact_mut(n).enumerate() {
                    row[..key.saturating_sub(start).min(n)].fill(f32::NEG_INFINITY);
                }
            }
            softmax_columns(&mut scores[..len * n], n);
            let mut out = vec![0.0; d_head * n];
            let source = Source { values: &scores, stride: n, kernel: 1, dilation: 1 };
            multiply_add(&values, source, &mut out, n);
            for (channel, out) in out.chunks_exact(n).enumerate() {
                heard.row_mut(head * d_head + channel)[start..start + n].copy_from_slice(out);
            }
        }
    }
    heard
}

/// Makes each column of `(_, n)` sum to one.
fn softmax_columns(scores: &mut [f32], n: usize) {
    let mut highest = vec![f32::NEG_INFINITY; n];
    for row in scores.chunks_exact(n) {
        for (highest, &score) in highest.iter_mut().zip(row) {
            *highest = highest.max(score);
        }
    }
    let mut sums = vec![0.0; n];
    for row in scores.chunks_exact_mut(n) {
        for (score, &highest) in row.iter_mut().zip(&highest) {
            *score -= highest;
        }
        activation::exp(row);
        for (score, sum) in row.iter().zip(&mut sums) {
            *sum += score;
        }
    }
    for row in scores.chunks_exact_mut(n) {
        for (score, &sum) in row.iter_mut().zip(&sums) {
            *score /= sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Array, Padding};

    fn attention(d_model: usize, n_heads: usize) -> SelfAttention {
        let linear = |n_out: usize| {
            let values =
                (0..n_out * d_model).map(|at| ((at * 31 + 7) % 19) as f32 / 19.0 - 0.5).collect();
            let weight = Array { shape: vec![n_out, d_model], values };
            Conv1d::new(&weight, vec![0.0; n_out], 1, Padding::Zero)
        };
        SelfAttention { in_proj: linear(3 * d_model), out_proj: linear(d_model), n_heads }
    }

    fn input(d_model: usize, len: usize) -> Features {
        let values = (0..d_model * len).map(|at| ((at * 13 + 3) % 29) as f32 / 14.0 - 1.0);
        Features { values: values.collect(), n_channels: d_model, len }
    }

    #[test]
    fn causal_attention_ignores_what_comes_later() {
        let (attention, x) = (attention(8, 2), input(8, 300));
        let whole = attention.forward(&x, Sight::Causal);
        let columns: Vec<_> = (0..250).collect();
        let begun = attention.forward(&x.select(&columns), Sight::Causal);
        for channel in 0..8 {
            for (a, b) in begun.row(channel).iter().zip(whole.row(channel)) {
                assert!((a - b).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn equal_inputs_hear_themselves() {
        let attention = attention(4, 1);
        let one = input(4, 1);
        let many = one.select(&[0; 5]);
        let (alone, together) =
            (attention.forward(&one, Sight::Full), attention.forward(&many, Sight::Full));
        for channel in 0..4 {
            assert!((alone.row(channel)[0] - together.row(channel)[3]).abs() < 1e-6);
        }
    }

    #[test]
    fn a_bias_draws_all_attention_to_its_key() {
        let x = input(4, 5);
        let rows = x.rows(0..4);
        let biases = [0.0, 0.0, 80.0, 0.0, 0.0];
        let heard = attend([rows; 3], 2, 5, Sight::Biased(&biases));
        for channel in 0..4 {
            for value in heard.row(channel) {
                assert!((value - x.row(channel)[2]).abs() < 1e-5);
            }
        }
    }
}

//! Gated recurrent unit, one step at a time.
//!
//! Source: "Learning Phrase Representations using RNN Encoder–Decoder", <https://arxiv.org/abs/1406.1078>,
//! in torch's form: gates in the order reset, update, new, with two biases, and
//! `n = tanh(W x + b + r·(U h + c))`.

use super::weights::Array;

/// A cell of `hidden` units.
#[derive(Debug, Clone)]
pub struct GruCell {
    /// `(3·hidden, n_in)`.
    pub w_ih: Array,
    /// `(3·hidden, hidden)`.
    pub w_hh: Array,
    /// `3·hidden`.
    pub b_ih: Vec<f32>,
    /// `3·hidden`.
    pub b_hh: Vec<f32>,
}

impl GruCell {
    /// Units.
    pub fn hidden(&self) -> usize {
        self.w_hh.shape[1]
    }

    /// The next state from the input and the last state.
    pub fn step(&self, x: &[f32], state: &[f32]) -> Vec<f32> {
        let hidden = self.hidden();
        let from_input = affine(&self.w_ih, &self.b_ih, x);
        let from_state = affine(&self.w_hh, &self.b_hh, state);
        (0..hidden)
            .map(|unit| {
                let gate = |at: usize| sigmoid(from_input[at] + from_state[at]);
                let (reset, update) = (gate(unit), gate(hidden + unit));
                let at = 2 * hidden + unit;
                let new = (from_input[at] + reset * from_state[at]).tanh();
                (1.0 - update) * new + update * state[unit]
            })
            .collect()
    }
}

/// `weight · x + bias` for a weight `(n_out, n_in)`.
pub fn affine(weight: &Array, bias: &[f32], x: &[f32]) -> Vec<f32> {
    weight.values.chunks_exact(x.len()).zip(bias).map(|(row, bias)| bias + dot(row, x)).collect()
}

/// Sums in eight lanes, which the compiler can keep in vectors.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    rest + lanes.iter().sum::<f32>()
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_gate_wide_open_keeps_the_state() {
        let zeros = |n_out: usize, n_in: usize| Array {
            shape: vec![n_out, n_in],
            values: vec![0.0; n_out * n_in],
        };
        let b_ih = [vec![0.0; 2], vec![100.0; 2], vec![0.0; 2]].concat();
        let cell = GruCell { w_ih: zeros(6, 3), w_hh: zeros(6, 2), b_ih, b_hh: vec![0.0; 6] };
        assert_eq!(cell.step(&[1.0, 2.0, 3.0], &[0.25, -0.5]), [0.25, -0.5]);
    }

    #[test]
    fn affine_sums_every_product() {
        let weight = Array { shape: vec![1, 11], values: (0..11).map(|at| at as f32).collect() };
        assert_eq!(affine(&weight, &[0.5], &[1.0; 11]), [55.5]);
    }
}

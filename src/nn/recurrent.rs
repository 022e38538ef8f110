//! Recurrent layers for whole sequences and for decoders that go one step at a time.
//!
//! Sources: "Long Short-Term Memory" in torch's form: gates in the order input, forget, cell,
//! output; `GruCell` says the same of the gated recurrent unit. A step is a product of all weights
//! with one column, so it takes as long as reading them: weights that half precision holds without
//! loss, as those of bundled voices do, are kept in it.

use super::{
    activation,
    conv::{Conv1d, Padding},
    features::Features,
    kernels::{Activations, Instructions, Matrix},
    threads::pool,
    weights::{Array, Scope, WeightsError},
};

/// What products of one column need beside their weights; one serves all layers of a model.
#[derive(Debug, Default)]
pub struct Stepper {
    instructions: Instructions,
    column: Activations,
    joined: Vec<f32>,
}

/// A linear layer for one column at a time.
#[derive(Debug)]
pub struct Linear {
    matrix: Matrix,
    bias: Vec<f32>,
}

impl Linear {
    /// From a weight `(n_out, n_in)`, which is laid down beside the others of `scope`.
    ///
    /// # Errors
    /// If there is no memory left.
    pub fn new(scope: &Scope<'_>, weight: &Array, bias: Vec<f32>) -> Result<Self, WeightsError> {
        Ok(Self { matrix: scope.pack(weight)?, bias })
    }

    /// Reads the layer `name`; without a bias it has zeros.
    ///
    /// # Errors
    /// If it is missing or has another shape; `None` stands for any length.
    pub fn load(
        scope: &Scope<'_>,
        name: &str,
        n_in: usize,
        n_out: Option<usize>,
    ) -> Result<Self, WeightsError> {
        let weight = scope.folded(name, &[n_out, Some(n_in)])?;
        Self::new(scope, &weight, scope.bias(name, weight.shape[0])?)
    }

    /// Outputs.
    pub fn n_out(&self) -> usize {
        self.matrix.n_out()
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        self.matrix.n_bytes()
    }

    /// `weight · column + bias`; the column is all of `inputs`, one after the other.
    ///
    /// # Panics
    /// If the inputs together are not as long as a row of the weight.
    pub fn apply(&self, stepper: &mut Stepper, inputs: &[&[f32]], out: &mut Vec<f32>) {
        let Stepper { instructions, column, joined } = stepper;
        joined.clear();
        for input in inputs {
            joined.extend_from_slice(input);
        }
        column.assign(*instructions, joined, self.matrix.n_in());
        out.resize(self.matrix.n_out(), 0.0);
        Matrix::multiply(&pool(), *instructions, column, [(&self.matrix, out.as_mut_slice())]);
        for (out, bias) in out.iter_mut().zip(&self.bias) {
            *out += bias;
        }
    }
}

/// What an LSTM remembers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LstmState {
    /// What it says.
    pub hidden: Vec<f32>,
    /// What it keeps to itself.
    pub cell: Vec<f32>,
    gates: Vec<f32>,
}

impl LstmState {
    /// Before the first step.
    pub fn new(n_hidden: usize) -> Self {
        Self { hidden: vec![0.0; n_hidden], cell: vec![0.0; n_hidden], gates: Vec::new() }
    }

    /// The next state from the sums of the four gates.
    fn advance(&mut self) {
        let n_hidden = self.hidden.len();
        let (input_forget, rest) = self.gates.split_at_mut(2 * n_hidden);
        let (candidate, output) = rest.split_at_mut(n_hidden);
        activation::sigmoid(input_forget);
        activation::tanh(candidate);
        activation::sigmoid(output);
        let (input, forget) = input_forget.split_at(n_hidden);
        for (unit, cell) in self.cell.iter_mut().enumerate() {
            *cell = forget[unit] * *cell + input[unit] * candidate[unit];
        }
        self.hidden.copy_from_slice(&self.cell);
        activation::tanh(&mut self.hidden);
        for (hidden, output) in self.hidden.iter_mut().zip(output) {
            *hidden *= *output;
        }
    }
}

/// An LSTM that goes one step at a time.
#[derive(Debug)]
pub struct LstmCell {
    /// `(4·n_hidden, n_in + n_hidden)`.
    gates: Linear,
    n_hidden: usize,
}

impl LstmCell {
    /// Reads `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh`.
    ///
    /// # Errors
    /// If one is missing or has another shape.
    pub fn load(scope: &Scope<'_>, n_in: usize) -> Result<Self, WeightsError> {
        let RecurrentWeights { n_hidden, w_ih, w_hh, mut b_ih, b_hh } =
            RecurrentWeights::load(scope, "", Some(n_in), 4)?;
        let width = n_in + n_hidden;
        let mut values = Vec::with_capacity(4 * n_hidden * width);
        let rows = w_ih.values.chunks_exact(n_in).zip(w_hh.values.chunks_exact(n_hidden));
        for (from_input, from_state) in rows {
            values.extend_from_slice(from_input);
            values.extend_from_slice(from_state);
        }
        add(&mut b_ih, &b_hh);
        let weight = Array { shape: vec![4 * n_hidden, width], values };
        Ok(Self { gates: Linear::new(scope, &weight, b_ih)?, n_hidden })
    }

    /// Units.
    pub fn n_hidden(&self) -> usize {
        self.n_hidden
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        self.gates.n_bytes()
    }

    /// The next state; the input is all of `inputs`, one after the other.
    ///
    /// # Panics
    /// If the inputs have another length, or `state` another size.
    pub fn step(&self, stepper: &mut Stepper, inputs: &[&[f32]], state: &mut LstmState) {
        let mut inputs = inputs.to_vec();
        inputs.push(&state.hidden);
        self.gates.apply(stepper, &inputs, &mut state.gates);
        state.advance();
    }
}

/// A gated recurrent unit that goes one step at a time.
#[derive(Debug)]
pub struct GruStep {
    from_input: Linear,
    recurrence: GruRecurrence,
}

impl GruStep {
    /// Reads `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh`.
    ///
    /// # Errors
    /// If one is missing or has another shape.
    pub fn load(scope: &Scope<'_>, n_in: usize) -> Result<Self, WeightsError> {
        let weights = RecurrentWeights::load(scope, "", Some(n_in), 3)?;
        let from_input = Linear::new(scope, &weights.w_ih, weights.b_ih)?;
        let from_state = Linear::new(scope, &weights.w_hh, weights.b_hh)?;
        Ok(Self { from_input, recurrence: GruRecurrence { from_state } })
    }

    /// Units.
    pub fn n_hidden(&self) -> usize {
        self.recurrence.n_hidden()
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        self.from_input.n_bytes() + self.recurrence.from_state.n_bytes()
    }

    /// Replaces `state` by the next one.
    ///
    /// # Panics
    /// If the inputs or the state have another length.
    pub fn step(&self, stepper: &mut Stepper, inputs: &[&[f32]], state: &mut [f32]) {
        let mut from_input = Vec::new();
        self.from_input.apply(stepper, inputs, &mut from_input);
        self.recurrence.step(stepper, &from_input, state);
    }
}

/// The part of a gated recurrent unit that cannot be had for all steps at once.
#[derive(Debug)]
struct GruRecurrence {
    from_state: Linear,
}

impl GruRecurrence {
    fn n_hidden(&self) -> usize {
        self.from_state.n_out() / 3
    }

    fn step(&self, stepper: &mut Stepper, from_input: &[f32], state: &mut [f32]) {
        let n_hidden = self.n_hidden();
        let mut from_state = Vec::new();
        self.from_state.apply(stepper, &[state], &mut from_state);
        let mut gates: Vec<f32> =
            from_input[..2 * n_hidden].iter().zip(&from_state).map(|(a, b)| a + b).collect();
        activation::sigmoid(&mut gates);
        let (reset, update) = gates.split_at(n_hidden);
        let mut new: Vec<f32> = (0..n_hidden)
            .map(|unit| {
                let at = 2 * n_hidden + unit;
                from_input[at] + reset[unit] * from_state[at]
            })
            .collect();
        activation::tanh(&mut new);
        for ((state, new), update) in state.iter_mut().zip(new).zip(update) {
            *state = (1.0 - update) * new + update * *state;
        }
    }
}

/// A recurrent layer over a whole sequence, from both ends; the products with the inputs are made
/// for all steps at once.
#[derive(Debug)]
pub struct Bidirectional {
    directions: [Direction; 2],
    n_hidden: usize,
}

#[derive(Debug)]
struct Direction {
    from_input: Conv1d,
    recurrence: Recurrence,
}

#[derive(Debug)]
enum Recurrence {
    Lstm(Linear),
    Gru(GruRecurrence),
}

impl Bidirectional {
    /// An LSTM: reads `weight_ih_l0` and so on, then the same with `_reverse`.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape.
    pub fn lstm(scope: &Scope<'_>, n_in: usize) -> Result<Self, WeightsError> {
        Self::load(scope, n_in, 4, Recurrence::Lstm)
    }

    /// A gated recurrent unit: reads `weight_ih_l0` and so on, then the same with `_reverse`.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape.
    pub fn gru(scope: &Scope<'_>, n_in: usize) -> Result<Self, WeightsError> {
        Self::load(scope, n_in, 3, |from_state| Recurrence::Gru(GruRecurrence { from_state }))
    }

    fn load(
        scope: &Scope<'_>,
        n_in: usize,
        n_gates: usize,
        recurrence: impl Fn(Linear) -> Recurrence,
    ) -> Result<Self, WeightsError> {
        let direction = |suffix| {
            let weights = RecurrentWeights::load(scope, suffix, Some(n_in), n_gates)?;
            let from_input = Conv1d::new(&weights.w_ih, weights.b_ih, 1, Padding::Zero);
            let recurrence = recurrence(Linear::new(scope, &weights.w_hh, weights.b_hh)?);
            Ok((weights.n_hidden, Direction { from_input, recurrence }))
        };
        let (n_hidden, forward) = direction("_l0")?;
        let (n_reverse, reverse) = direction("_l0_reverse")?;
        if n_reverse != n_hidden {
            let expected = format!("{n_hidden} units, as in the other direction");
            return Err(scope.unexpected("weight_hh_l0_reverse", expected));
        }
        Ok(Self { directions: [forward, reverse], n_hidden })
    }

    /// Channels it gives: the units of both directions.
    pub fn n_out(&self) -> usize {
        2 * self.n_hidden
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        let direction = |direction: &Direction| {
            let recurrent = match &direction.recurrence {
                Recurrence::Lstm(from_state) => from_state.n_bytes(),
                Recurrence::Gru(recurrence) => recurrence.from_state.n_bytes(),
            };
            direction.from_input.n_bytes() + recurrent
        };
        self.directions.iter().map(direction).sum()
    }

    /// `(n_in, len)` to `(n_out, len)`: what the first direction says above what the other says.
    pub fn forward(&self, stepper: &mut Stepper, x: &Features) -> Features {
        let mut out = Features::zeros(self.n_out(), x.len);
        for (index, direction) in self.directions.iter().enumerate() {
            let sums = direction.from_input.forward(x);
            let n_sums = sums.n_channels;
            let sums = sums.to_columns();
            let mut state = LstmState::new(self.n_hidden);
            for step in 0..x.len {
                let at = if index == 0 { step } else { x.len - 1 - step };
                let sums = &sums[at * n_sums..(at + 1) * n_sums];
                match &direction.recurrence {
                    Recurrence::Lstm(from_state) => {
                        from_state.apply(stepper, &[&state.hidden], &mut state.gates);
                        add(&mut state.gates, sums);
                        state.advance();
                    }
                    Recurrence::Gru(recurrence) => {
                        recurrence.step(stepper, sums, &mut state.hidden);
                    }
                }
                for (unit, &value) in state.hidden.iter().enumerate() {
                    out.row_mut(index * self.n_hidden + unit)[at] = value;
                }
            }
        }
        out
    }
}

/// The four tensors of a recurrent layer.
struct RecurrentWeights {
    n_hidden: usize,
    w_ih: Array,
    w_hh: Array,
    b_ih: Vec<f32>,
    b_hh: Vec<f32>,
}

impl RecurrentWeights {
    fn load(
        scope: &Scope<'_>,
        suffix: &str,
        n_in: Option<usize>,
        n_gates: usize,
    ) -> Result<Self, WeightsError> {
        let w_hh = scope.shaped(&format!("weight_hh{suffix}"), &[None, None])?;
        let n_hidden = w_hh.shape[1];
        let n_rows = n_gates * n_hidden;
        let w_hh = scope.shaped(&format!("weight_hh{suffix}"), &[Some(n_rows), None])?;
        let w_ih = scope.shaped(&format!("weight_ih{suffix}"), &[Some(n_rows), n_in])?;
        Ok(Self {
            n_hidden,
            w_ih: w_ih.clone(),
            w_hh: w_hh.clone(),
            b_ih: scope.vector(&format!("bias_ih{suffix}"), n_rows)?,
            b_hh: scope.vector(&format!("bias_hh{suffix}"), n_rows)?,
        })
    }
}

fn add(sums: &mut [f32], addends: &[f32]) {
    for (sum, addend) in sums.iter_mut().zip(addends) {
        *sum += addend;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{GruCell, kernels::Store};

    fn array(n_out: usize, n_in: usize, seed: usize) -> Array {
        let value = |at: usize| ((at * 37 + seed * 11 + 5) % 23) as f32 / 23.0 - 0.5;
        Array { shape: vec![n_out, n_in], values: (0..n_out * n_in).map(value).collect() }
    }

    fn linear(weight: &Array, bias: Vec<f32>) -> Linear {
        let (n_out, n_in) = (weight.shape[0], weight.shape[1]);
        let store = &mut Store::default();
        Linear { matrix: Matrix::from_f32(store, &weight.values, n_out, n_in).unwrap(), bias }
    }

    fn sigmoid(x: f32) -> f32 {
        1.0 / (1.0 + (-x).exp())
    }

    #[test]
    fn a_step_of_an_lstm_is_that_of_the_paper() {
        let (n_in, n_hidden) = (3, 2);
        let weight = array(4 * n_hidden, n_in + n_hidden, 1);
        let bias: Vec<f32> = array(1, 4 * n_hidden, 2).values;
        let cell = LstmCell { gates: linear(&weight, bias.clone()), n_hidden };
        let mut state = LstmState::new(n_hidden);
        (state.hidden, state.cell) = (vec![0.25, -0.5], vec![0.75, 0.125]);
        let column = [0.1, 0.2, -0.3, 0.25, -0.5];
        let sum = |gate: usize, unit: usize| {
            let row = gate * n_hidden + unit;
            let products = weight.values[row * 5..][..5].iter().zip(column).map(|(w, x)| w * x);
            bias[row] + products.sum::<f32>()
        };
        let expected: Vec<(f32, f32)> = (0..n_hidden)
            .map(|unit| {
                let kept = sigmoid(sum(1, unit)) * state.cell[unit];
                let cell = kept + sigmoid(sum(0, unit)) * sum(2, unit).tanh();
                (cell, sigmoid(sum(3, unit)) * cell.tanh())
            })
            .collect();
        cell.step(&mut Stepper::default(), &[&column[..1], &column[1..3]], &mut state);
        for (unit, (cell, hidden)) in expected.into_iter().enumerate() {
            assert!((state.cell[unit] - cell).abs() < 1e-6);
            assert!((state.hidden[unit] - hidden).abs() < 1e-6);
        }
    }

    #[test]
    fn a_step_of_a_gru_is_that_of_the_plain_cell() {
        let (n_in, n_hidden) = (3, 4);
        let (w_ih, w_hh) = (array(12, n_in, 3), array(12, n_hidden, 4));
        let (b_ih, b_hh) = (array(1, 12, 5).values, array(1, 12, 6).values);
        let plain = GruCell {
            w_ih: w_ih.clone(),
            w_hh: w_hh.clone(),
            b_ih: b_ih.clone(),
            b_hh: b_hh.clone(),
        };
        let step = GruStep {
            from_input: linear(&w_ih, b_ih),
            recurrence: GruRecurrence { from_state: linear(&w_hh, b_hh) },
        };
        let (x, mut state) = ([0.5, -0.25, 1.0], vec![0.1, 0.2, 0.3, -0.4]);
        let expected = plain.step(&x, &state);
        step.step(&mut Stepper::default(), &[&x], &mut state);
        for (got, want) in state.iter().zip(expected) {
            assert!((got - want).abs() < 1e-6, "{got}, expected {want}");
        }
    }
}

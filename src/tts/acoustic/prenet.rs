//! What the Tacotrons do to the last frame before they look at it: two narrow layers whose units
//! fall silent at random, also when the model speaks.
//!
//! Source: "Tacotron", <https://arxiv.org/abs/1703.10135> §3.3, and "Natural TTS Synthesis by
//! Conditioning WaveNet on Mel Spectrogram Predictions", <https://arxiv.org/abs/1712.05884> §2.2: the
//! dropout is what makes one utterance differ from the next.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::nn::{Linear, Scope, Stepper, WeightsError};

/// What a unit that is not silent is multiplied with, half of all being silent.
const KEPT: f32 = 2.0;

/// Silences units of a layer: hears the layer's index and its values.
pub type Dropout<'a> = &'a mut dyn FnMut(usize, &mut [f32]);

/// Linear layers with `ReLU` and dropout.
#[derive(Debug)]
pub struct PreNet {
    layers: Vec<Linear>,
    n_in: usize,
}

impl PreNet {
    /// Reads `layers.0`, `layers.1`, …, with or without `linear_layer` in their names.
    ///
    /// # Errors
    /// If there is none or the shapes do not fit each other.
    pub fn load(scope: &Scope<'_>) -> Result<Self, WeightsError> {
        let name = |index: usize| {
            let plain = format!("layers.{index}");
            let inner = format!("{plain}.linear_layer");
            if scope.contains(&inner) { inner } else { plain }
        };
        let n_in = scope.folded(&name(0), &[None, None])?.shape[1];
        let mut width = n_in;
        let layers = (0..scope.count("layers"))
            .map(|index| {
                let layer = Linear::load(scope, &name(index), width, None)?;
                width = layer.n_out();
                Ok(layer)
            })
            .collect::<Result<_, WeightsError>>()?;
        Ok(Self { layers, n_in })
    }

    /// Values it takes.
    pub fn n_in(&self) -> usize {
        self.n_in
    }

    /// Values it gives.
    pub fn n_out(&self) -> usize {
        self.layers.last().map_or(0, Linear::n_out)
    }

    /// Memory of the weights.
    pub fn n_bytes(&self) -> u64 {
        self.layers.iter().map(Linear::n_bytes).sum()
    }

    /// All layers, one after the other.
    pub fn forward(&self, stepper: &mut Stepper, x: &[f32], dropout: Dropout<'_>) -> Vec<f32> {
        let (mut values, mut next) = (x.to_vec(), Vec::new());
        for (index, layer) in self.layers.iter().enumerate() {
            layer.apply(stepper, &[&values], &mut next);
            for value in &mut next {
                *value = value.max(0.0);
            }
            dropout(index, &mut next);
            std::mem::swap(&mut values, &mut next);
        }
        values
    }
}

/// The dropout of one sentence.
pub type SentenceDropout = Box<dyn FnMut(usize, &mut [f32])>;

/// Leaves all units as they are.
pub fn no_dropout(_layer: usize, _values: &mut [f32]) {}

/// Silences each unit with a probability of one half; the same seed gives the same.
pub fn seeded_dropout(seed: u64) -> impl FnMut(usize, &mut [f32]) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    move |_, values| {
        for value in values {
            *value *= if rng.random::<bool>() { KEPT } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_units_fall_silent_and_the_seed_says_which() {
        let drawn = |seed| {
            let mut values = vec![1.0; 1000];
            seeded_dropout(seed)(0, &mut values);
            values
        };
        let kept = drawn(1).iter().filter(|&&value| value == KEPT).count();
        assert!((400..600).contains(&kept), "{kept} of 1000");
        assert_eq!(drawn(1).iter().filter(|&&value| value == 0.0).count(), 1000 - kept);
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }
}

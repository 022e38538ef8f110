//! Where a decoder looked while it spoke.

use serde::{Deserialize, Serialize};

use super::Alignment;

/// How much a decoder heard of each phoneme in each of its steps; the soft alignment of models
/// without a duration predictor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Attention {
    /// `(n_steps, n_phonemes)`, row-major; each row sums to one.
    pub weights: Vec<f32>,
    /// Phonemes.
    pub n_phonemes: usize,
    /// Mel frames that one step makes.
    pub frames_per_step: usize,
}

impl Attention {
    /// How many steps there are.
    pub fn n_steps(&self) -> usize {
        self.weights.len() / self.n_phonemes.max(1)
    }

    /// The weights of one step.
    ///
    /// # Panics
    /// If there is no such step.
    pub fn step(&self, step_idx: usize) -> &[f32] {
        &self.weights[step_idx * self.n_phonemes..(step_idx + 1) * self.n_phonemes]
    }

    /// The phoneme of each step along the way that never goes back and on which the weights are
    /// greatest together.
    pub fn path(&self) -> Vec<usize> {
        let (n_steps, n_phonemes) = (self.n_steps(), self.n_phonemes);
        if n_steps == 0 || n_phonemes == 0 {
            return Vec::new();
        }
        // The best sum of a way that ends here, and where it was one step before.
        let mut sums: Vec<f32> = self.step(0).to_vec();
        let mut came_from = vec![0u32; n_steps * n_phonemes];
        for step_idx in 1..n_steps {
            let mut best = 0;
            let before = sums.clone();
            for (phoneme, &weight) in self.step(step_idx).iter().enumerate() {
                if before[phoneme] >= before[best] {
                    best = phoneme;
                }
                sums[phoneme] = before[best] + weight;
                came_from[step_idx * n_phonemes + phoneme] = best as u32;
            }
        }
        let last = (0..n_phonemes).rev().max_by(|&a, &b| sums[a].total_cmp(&sums[b])).unwrap_or(0);
        let mut path = vec![last; n_steps];
        for step_idx in (1..n_steps).rev() {
            path[step_idx - 1] = came_from[step_idx * n_phonemes + path[step_idx]] as usize;
        }
        path
    }

    /// Frames of each phoneme along [`Attention::path`].
    pub fn alignment(&self) -> Alignment {
        let mut durations = vec![0; self.n_phonemes];
        for phoneme in self.path() {
            durations[phoneme] += self.frames_per_step as u32;
        }
        Alignment { durations }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attention(steps: &[[f32; 3]]) -> Attention {
        Attention { weights: steps.concat(), n_phonemes: 3, frames_per_step: 2 }
    }

    #[test]
    fn the_path_follows_the_weights_but_never_goes_back() {
        let clear = attention(&[[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.0, 0.4, 0.6]]);
        assert_eq!(clear.path(), [0, 1, 2]);
        assert_eq!(clear.alignment().durations, [2, 2, 2]);
        let slip = attention(&[
            [0.9, 0.1, 0.0],
            [0.1, 0.8, 0.1],
            [0.6, 0.4, 0.0],
            [0.0, 0.9, 0.1],
            [0.0, 0.0, 1.0],
        ]);
        assert_eq!(slip.path(), [0, 1, 1, 1, 2]);
    }

    #[test]
    fn a_phoneme_may_be_passed_over_and_nothing_has_no_path() {
        assert_eq!(attention(&[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).alignment().durations, [2, 0, 2]);
        assert!(Attention::default().path().is_empty());
        assert_eq!(attention(&[]).alignment().durations, [0, 0, 0]);
    }
}

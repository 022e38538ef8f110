//! From noise to a mel: the steps along which the decoder is asked for directions.
//!
//! Source: "Matcha-TTS", <https://arxiv.org/abs/2309.03199> §2.1, Euler's method; as in matcha-tts
//! 0.0.7 `models/components/flow_matching.py`.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::nn::Features;

/// How a mel is drawn from noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flow {
    /// Steps of Euler's method.
    pub n_steps: usize,
    /// Factor on the noise it begins with.
    pub temperature: f32,
}

impl Flow {
    /// Moves noise, scaled by the temperature, along the directions that `direction` gives for where
    /// it is and for the time from 0 to 1.
    ///
    /// # Errors
    /// What `direction` says.
    pub fn follow<E>(
        self,
        noise: &Features,
        mut direction: impl FnMut(&Features, f32) -> Result<Features, E>,
    ) -> Result<Features, E> {
        let mut x = noise.clone();
        x.map(|value| value * self.temperature);
        let time_at = |step: usize| step as f32 / self.n_steps as f32;
        let mut time = 0.0;
        for step in 0..self.n_steps {
            let length = time_at(step + 1) - time;
            let direction = direction(&x, time)?;
            for (value, towards) in x.values.iter_mut().zip(&direction.values) {
                *value += length * towards;
            }
            time += length;
        }
        Ok(x)
    }
}

/// Values of the normal distribution; the same seed gives the same, and a longer draw begins as a
/// shorter one does if it is of as many channels.
pub fn noise(n_channels: usize, len: usize, seed: u64) -> Features {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut columns = Vec::with_capacity(n_channels * len + 1);
    while columns.len() < n_channels * len {
        // Box and Muller 1958: two uniform draws make two normal ones.
        let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
        let (sin, cos) = (std::f32::consts::TAU * rng.random::<f32>()).sin_cos();
        columns.extend([radius * cos, radius * sin]);
    }
    columns.truncate(n_channels * len);
    Features::from_columns(&columns, n_channels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_way_is_gone_in_any_number_of_steps() {
        let start = noise(2, 3, 1);
        for n_steps in [1, 2, 3, 10, 50] {
            let flow = Flow { n_steps, temperature: 0.5 };
            let end = flow
                .follow(&start, |x, _| Ok::<_, ()>(Features { values: vec![2.0; 6], ..x.clone() }))
                .unwrap();
            for (end, start) in end.values.iter().zip(&start.values) {
                assert!((end - (start * 0.5 + 2.0)).abs() < 1e-5, "{n_steps} steps");
            }
        }
    }

    #[test]
    fn noise_is_normal_and_the_seed_decides_it() {
        let drawn = noise(80, 500, 7);
        let n = drawn.values.len() as f32;
        let mean = drawn.values.iter().sum::<f32>() / n;
        let variance = drawn.values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        assert_eq!(drawn, noise(80, 500, 7));
        assert_ne!(drawn, noise(80, 500, 8));
        let columns: Vec<usize> = (0..20).collect();
        assert_eq!(noise(80, 20, 7), drawn.select(&columns));
    }
}

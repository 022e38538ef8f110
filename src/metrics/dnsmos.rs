//! How clean speech sounds, as listeners of noise suppression would rate it: DNSMOS P.835.
//!
//! Source: "DNSMOS P.835: A Non-Intrusive Perceptual Objective Speech Quality Metric to Evaluate Noise
//! Suppressors", <https://arxiv.org/abs/2110.01763>; weights and layers of `sig_bak_ovr.onnx` in the
//! package speechmos 0.0.1.1 (MIT), see `assets/README.md`. It tells noise and artefacts apart, not how
//! natural a voice sounds.

use std::path::Path;

use crate::{
    dsp::{LowPass, resample},
    nn::{
        Array, Conv1d, Conv2d, Features, Padding, Planes, Weights, WeightsError, activation, affine,
    },
};

const WEIGHTS: &[u8] = include_bytes!("../../assets/dnsmos.safetensors");
const RATE: u32 = 16_000;
/// Samples that are heard at once: 9.01 s.
const WINDOW: usize = 144_160;
/// Samples of a frame, and from one to the next.
const FRAME: usize = 320;
const HOP: usize = 160;
const N_FRAMES: usize = 900;
/// Values of its spectrum.
const N_BINS: usize = FRAME / 2 + 1;
/// Power below this is taken for this.
const LEAST_POWER: f32 = 1e-12;
/// After which convolutions the picture is halved.
const POOLED: [usize; 3] = [3, 4, 5];
/// What makes opinion scores of the network's outputs: quadratic, linear and constant part.
const TO_SCORES: [[f64; 3]; 3] = [
    [-0.083_972_78, 1.220_839_53, 0.005_243_9],
    [-0.131_668_88, 1.609_155_14, -0.396_045_46],
    [-0.067_662_83, 1.115_464_68, 0.046_025_35],
];

/// Opinion scores from one to five.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SignalQuality {
    /// The speech itself: SIG.
    pub signal: f64,
    /// How little the background disturbs: BAK.
    pub background: f64,
    /// All together: OVRL.
    pub overall: f64,
}

/// The network.
#[derive(Debug, Clone)]
pub struct Dnsmos {
    /// Rows of cosines, then of sines, as they were trained.
    transform: Conv1d,
    convolutions: Vec<Conv2d>,
    layers: Vec<(Array, Vec<f32>)>,
}

impl Dnsmos {
    /// The network with the weights that come with Formant.
    ///
    /// # Errors
    /// Never, as the test of it shows.
    pub fn load() -> Result<Self, WeightsError> {
        let weights = Weights::parse(WEIGHTS, Path::new("assets/dnsmos.safetensors"))?;
        let scope = weights.scope("");
        let part = |part: &str| scope.shaped(&format!("stft.{part}"), &[Some(N_BINS), Some(FRAME)]);
        let rows = [part("real")?.values.as_slice(), &part("imag")?.values].concat();
        let rows = Array { shape: vec![2 * N_BINS, FRAME], values: rows };
        let mut convolutions: Vec<Conv2d> = Vec::new();
        for index in 0..7 {
            let n_in = convolutions.last().map_or(1, Conv2d::n_out);
            convolutions.push(Conv2d::load(&scope, &format!("conv.{index}"), n_in)?);
        }
        let layer = |index: usize| {
            let weight = scope.shaped(&format!("dense.{index}.weight"), &[None, None])?;
            Ok((weight.clone(), scope.vector(&format!("dense.{index}.bias"), weight.shape[0])?))
        };
        Ok(Self {
            transform: Conv1d::new(&rows, vec![0.0; 2 * N_BINS], 1, Padding::Zero),
            convolutions,
            layers: (0..3).map(layer).collect::<Result<_, WeightsError>>()?,
        })
    }

    /// Scores a sound of any length: what is shorter than 9.01 s is repeated, in what is longer each
    /// second begins a window, and the scores of all are averaged. `go_on` is asked before each.
    ///
    /// # Errors
    /// What `go_on` returned.
    pub fn score<E>(
        &self,
        samples: &[f32],
        sample_rate: u32,
        mut go_on: impl FnMut() -> Result<(), E>,
    ) -> Result<SignalQuality, E> {
        let mut samples = resample(samples, sample_rate, RATE, LowPass::Scipy);
        if samples.is_empty() {
            samples = vec![0.0; WINDOW];
        }
        while samples.len() < WINDOW {
            samples.extend_from_within(..);
        }
        let n_windows = (samples.len() as f64 / f64::from(RATE) - 9.01) as usize + 1;
        let mut sum = [0.0; 3];
        for window in 0..n_windows {
            go_on()?;
            let raw = self.raw(&samples[window * RATE as usize..][..WINDOW]);
            for ((sum, raw), [square, linear, constant]) in sum.iter_mut().zip(raw).zip(TO_SCORES) {
                let raw = f64::from(raw);
                *sum += square * raw * raw + linear * raw + constant;
            }
        }
        let [signal, background, overall] = sum.map(|sum| sum / n_windows as f64);
        Ok(SignalQuality { signal, background, overall })
    }

    /// What the network says of one window at 16 kHz: raw SIG, BAK, OVRL.
    ///
    /// # Panics
    /// If the window is not 144,160 samples long.
    pub fn raw(&self, window: &[f32]) -> [f32; 3] {
        assert_eq!(window.len(), WINDOW, "the network hears 9.01 seconds");
        let frames: Vec<f32> =
            (0..N_FRAMES).flat_map(|frame| &window[frame * HOP..][..FRAME]).copied().collect();
        let bins = self.transform.forward(&Features::from_columns(&frames, FRAME)).to_columns();
        let mut values = Vec::with_capacity(N_FRAMES * N_BINS);
        for bins in bins.chunks_exact(2 * N_BINS) {
            let (real, imaginary) = bins.split_at(N_BINS);
            let power = real.iter().zip(imaginary).map(|(re, im)| re * re + im * im);
            values.extend(power.map(|power| power.max(LEAST_POWER).log10()));
        }
        let mut planes = Planes { values, n_channels: 1, height: N_FRAMES, width: N_BINS };
        for (index, convolution) in self.convolutions.iter().enumerate() {
            planes = convolution.forward(&planes);
            if POOLED.contains(&index) {
                planes = planes.max_pool();
            }
        }
        let mut heard = planes.maxima();
        for (index, (weight, bias)) in self.layers.iter().enumerate() {
            heard = affine(weight, bias, &heard);
            if index + 1 < self.layers.len() {
                activation::relu(&mut heard);
            }
        }
        [heard[0], heard[1], heard[2]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_weights_are_whole_and_silence_has_a_score() {
        let dnsmos = Dnsmos::load().unwrap();
        let score = dnsmos.score(&[0.0; 100], 22_050, || Ok::<_, ()>(())).unwrap();
        assert!((0.0..=5.0).contains(&score.overall), "{score:?}");
        assert_eq!(dnsmos.score(&[], 16_000, || Err("stopped")), Err("stopped"));
    }
}

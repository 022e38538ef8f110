//! Sound from magnitudes alone: guesses the phase by going to and fro between signal and spectrum.
//!
//! Source: Griffin and Lim 1984; the fast variant with momentum from "A fast Griffin-Lim algorithm",
//! Perraudin, Balazs and Søndergaard 2013, in librosa's form: `R − α/(1+α) · R_before`.

use std::convert::Infallible;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use realfft::num_complex::Complex;

use crate::{
    domain::{LinearSpectrogram, MelConvention, MelSpectrogram},
    dsp::{
        mel::MelFilterBank,
        stft::{Spectrum, Stft},
    },
};

/// Multiplicative updates from mel bands back to bins; more change nothing one can hear.
const NNLS_UPDATES: usize = 60;
/// Keeps divisions by silent bins finite.
const NNLS_EPSILON: f32 = 1e-8;

/// The phases that the first guess starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// All zero: the same everywhere, and a little more robotic.
    Zero,
    /// Uniform noise.
    Random {
        /// Same seed, same sound.
        seed: u64,
    },
}

/// Phase reconstruction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GriffinLim {
    /// Rounds from signal to spectrum and back.
    pub n_iterations: usize,
    /// Momentum α of the fast variant; zero is the plain one.
    pub momentum: f32,
    /// Where it starts.
    pub phase: Phase,
}

impl GriffinLim {
    /// The sound of a logarithmic mel: `n_frames · hop` samples in the HiFi-GAN convention,
    /// `(n_frames − 1) · hop` in SpeechBrain's. `on_round` is asked before each round.
    ///
    /// # Errors
    /// What `on_round` says.
    pub fn invert_mel<E>(
        &self,
        mel: &MelSpectrogram,
        on_round: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Vec<f32>, E> {
        let config = &mel.config;
        let stft = Stft::new(config.n_fft, config.hop_length, config.win_length);
        let magnitudes = magnitudes(mel);
        let centred = self.invert_checked(&magnitudes, &stft, on_round)?;
        let mut samples = match config.convention {
            MelConvention::SpeechBrain => centred,
            MelConvention::HifiGan => {
                // Its first frame is centred half a hop after the first sample.
                let mut samples = vec![0.0; config.hop_length * mel.n_frames()];
                let start = config.hop_length / 2;
                for (sample, value) in samples.iter_mut().skip(start).zip(centred) {
                    *sample = value;
                }
                samples
            }
        };
        for sample in &mut samples {
            *sample = sample.clamp(-1.0, 1.0);
        }
        Ok(samples)
    }

    /// The sound of a linear spectrogram: `(n_frames − 1) · hop` samples, emphasis taken back.
    /// `on_round` is asked before each round.
    ///
    /// # Errors
    /// What `on_round` says.
    pub fn invert_linear<E>(
        &self,
        linear: &LinearSpectrogram,
        on_round: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Vec<f32>, E> {
        let config = &linear.config;
        let stft = Stft::new(config.n_fft, config.hop_length, config.win_length);
        let magnitudes: Vec<f32> =
            linear.frames.iter().map(|ln| (ln * config.power).exp()).collect();
        let mut samples = self.invert_checked(&magnitudes, &stft, on_round)?;
        let mut before = 0.0;
        for sample in &mut samples {
            before = *sample + config.preemphasis * before;
            *sample = before;
        }
        // A power changes how loud speech is; where it would be clipped it is made softer.
        let peak = samples.iter().fold(1.0_f32, |peak, sample| peak.max(sample.abs()));
        for sample in &mut samples {
            *sample /= peak;
        }
        Ok(samples)
    }

    /// The sound of `(n_frames, n_bins)` magnitudes of centred frames: `(n_frames − 1) · hop` samples.
    pub fn invert(&self, magnitudes: &[f32], stft: &Stft) -> Vec<f32> {
        let never = &mut || Ok::<(), Infallible>(());
        match self.invert_checked(magnitudes, stft, never) {
            Ok(samples) => samples,
            Err(never) => match never {},
        }
    }

    fn invert_checked<E>(
        &self,
        magnitudes: &[f32],
        stft: &Stft,
        on_round: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Vec<f32>, E> {
        let mut spectrum = self.first_guess(magnitudes, stft.n_bins());
        let mut before = vec![Complex::<f32>::default(); spectrum.bins.len()];
        let momentum = self.momentum / (1.0 + self.momentum);
        for _ in 0..self.n_iterations {
            on_round()?;
            let rebuilt = stft.centred(&stft.inverse(&spectrum));
            let bins = spectrum.bins.iter_mut().zip(magnitudes);
            for (((bin, &magnitude), rebuilt), before) in bins.zip(&rebuilt.bins).zip(&mut before) {
                let direction = *rebuilt - *before * momentum;
                *before = *rebuilt;
                *bin = direction * (magnitude / (direction.norm() + f32::MIN_POSITIVE));
            }
        }
        Ok(stft.inverse(&spectrum))
    }

    fn first_guess(&self, magnitudes: &[f32], n_bins: usize) -> Spectrum {
        let bins = match self.phase {
            Phase::Zero => magnitudes.iter().map(|&m| Complex::new(m, 0.0)).collect(),
            Phase::Random { seed } => {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                magnitudes
                    .iter()
                    .map(|&m| Complex::from_polar(m, rng.random::<f32>() * std::f32::consts::TAU))
                    .collect()
            }
        };
        Spectrum { bins, n_bins }
    }
}

/// `(n_frames, n_bins)` magnitudes whose mel comes nearest to the given one, none below zero:
/// multiplicative updates `S ← S · (Fᵀ M) / (Fᵀ F S)`, from `S = Fᵀ M`.
pub(super) fn magnitudes(mel: &MelSpectrogram) -> Vec<f32> {
    let bank = MelFilterBank::new(&mel.config);
    let n_bins = bank.n_bins();
    let mut magnitudes = vec![0.0; mel.n_frames() * n_bins];
    let mut bands = vec![0.0; mel.config.n_mels];
    let (mut target, mut reached) = (vec![0.0; n_bins], vec![0.0; n_bins]);
    for (frame_idx, bins) in magnitudes.chunks_exact_mut(n_bins).enumerate() {
        let linear: Vec<f32> = mel.frame(frame_idx).iter().map(|ln| ln.exp()).collect();
        bank.apply_transposed(&linear, &mut target);
        bins.copy_from_slice(&target);
        for _ in 0..NNLS_UPDATES {
            bank.apply(bins, &mut bands);
            bank.apply_transposed(&bands, &mut reached);
            for ((bin, &target), &reached) in bins.iter_mut().zip(&target).zip(&reached) {
                *bin *= target / (reached + NNLS_EPSILON);
            }
        }
    }
    magnitudes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{LinearConfig, MelConfig},
        dsp::mel_spectrogram,
    };

    fn vowel(n: usize) -> Vec<f32> {
        let partial = |at: usize, k: usize| {
            (std::f32::consts::TAU * 140.0 * k as f32 * at as f32 / 22_050.0).sin() / k as f32
        };
        (0..n).map(|at| (1..20).map(|k| partial(at, k)).sum::<f32>() * 0.2).collect()
    }

    #[track_caller]
    fn check(convention: MelConvention, n_samples: usize) {
        let config = MelConfig { convention, ..MelConfig::default() };
        let mel = mel_spectrogram(&vowel(8192), &config);
        let fast =
            GriffinLim { n_iterations: 20, momentum: 0.99, phase: Phase::Random { seed: 1 } };
        let sound = fast.invert_mel(&mel, &mut || Ok::<_, ()>(())).unwrap();
        assert_eq!(sound.len(), n_samples);
        let again = mel_spectrogram(&sound, &config);
        let middle = 10 * 80..20 * 80;
        let difference: f32 = again.frames[middle.clone()]
            .iter()
            .zip(&mel.frames[middle])
            .map(|(a, b)| (a - b).abs())
            .sum::<f32>()
            / 800.0;
        assert!(difference < 0.5, "the mel of the sound is {difference} away from the mel");
    }

    #[test]
    fn the_sound_has_the_mel_it_was_made_from() {
        check(MelConvention::HifiGan, 8192);
        check(MelConvention::SpeechBrain, 8192);
    }

    #[test]
    fn the_sound_has_the_linear_spectrogram_it_was_made_from() {
        // Emphasis, as before training.
        let sound = vowel(8192);
        let before = std::iter::once(0.0).chain(sound.iter().copied());
        let emphasized: Vec<f32> =
            sound.iter().zip(before).map(|(sample, before)| sample - 0.97 * before).collect();
        let config = LinearConfig {
            sample_rate: 22_050,
            n_fft: 1024,
            hop_length: 256,
            win_length: 1024,
            preemphasis: 0.97,
            power: 1.0,
        };
        let stft = Stft::new(1024, 256, 1024);
        let frames: Vec<f32> =
            stft.centred(&emphasized).bins.iter().map(|bin| bin.norm().max(1e-5).ln()).collect();
        let linear = LinearSpectrogram { frames, config };
        let method = GriffinLim { n_iterations: 30, momentum: 0.99, phase: Phase::Zero };
        let again = method.invert_linear(&linear, &mut || Ok::<_, ()>(())).unwrap();
        assert_eq!(again.len(), 8192);
        let mel = |samples: &[f32]| mel_spectrogram(samples, &MelConfig::default()).frames;
        let (again, expected) = (mel(&again), mel(&sound));
        let middle = 10 * 80..20 * 80;
        let difference: f32 = again[middle.clone()]
            .iter()
            .zip(&expected[middle])
            .map(|(a, b)| (a - b).abs())
            .sum::<f32>()
            / 800.0;
        assert!(difference < 0.5, "the mel of the sound is {difference} away");
    }

    #[test]
    fn a_seed_decides_the_sound() {
        let mel = mel_spectrogram(&vowel(4096), &MelConfig::default());
        let sound = |seed| {
            GriffinLim { n_iterations: 2, momentum: 0.0, phase: Phase::Random { seed } }
                .invert_mel(&mel, &mut || Ok::<_, ()>(()))
                .unwrap()
        };
        assert_eq!(sound(3), sound(3));
        assert_ne!(sound(3), sound(4));
    }

    #[test]
    fn no_length_panics_and_a_round_can_be_refused() {
        let any = GriffinLim { n_iterations: 2, momentum: 0.99, phase: Phase::Zero };
        for convention in [MelConvention::HifiGan, MelConvention::SpeechBrain] {
            for n_frames in 0..6 {
                let config = MelConfig { convention, ..MelConfig::default() };
                let mel = MelSpectrogram { frames: vec![-3.0; 80 * n_frames], config };
                any.invert_mel(&mel, &mut || Ok::<_, ()>(())).unwrap();
            }
        }
        let mel = MelSpectrogram { frames: vec![-3.0; 800], config: MelConfig::default() };
        assert_eq!(any.invert_mel(&mel, &mut || Err("stop")), Err("stop"));
    }
}

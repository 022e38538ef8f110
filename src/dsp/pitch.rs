//! How high a voice is, frame by frame.
//!
//! Source: "YIN, a fundamental frequency estimator", de Cheveigné and Kawahara 2002: the cumulative
//! mean normalized difference by FFT, its lowest dip with a slight preference for short lags, a
//! parabola through the dip, and a median over neighbours against octave jumps. The same steps made
//! the pitch that the bundled voice was trained on.

use realfft::{RealFftPlanner, num_complex::Complex};

/// Lowest pitch that is looked for, in Hz.
const F0_MIN: f32 = 60.0;
/// Highest pitch that is looked for, in Hz.
const F0_MAX: f32 = 500.0;
/// A dip above this is no period.
const THRESHOLD: f32 = 0.4;
/// Cost of the longest lag over the shortest, so that of two equal dips the first wins.
const LAG_COST: f32 = 0.15;
/// Mean square below this is silence.
const SILENCE: f32 = 1e-6;
/// Seconds that are compared with themselves.
const WINDOW_SECS: f32 = 0.036;
/// A value that differs from the median around it by more than this share is a jump.
const JUMP: f32 = 0.2;

/// Fundamental frequency in Hz, one value per `hop_length` samples; zero where nothing is voiced.
pub fn pitch_track(samples: &[f32], sample_rate: u32, hop_length: usize) -> Vec<f32> {
    let rate = sample_rate as f32;
    let (tau_min, tau_max) = ((rate / F0_MAX) as usize, (rate / F0_MIN) as usize + 2);
    if hop_length == 0 || tau_min < 2 {
        return Vec::new();
    }
    let mut period = PeriodFinder::new((rate * WINDOW_SECS) as usize, tau_min, tau_max);
    let n_frames = samples.len() / hop_length;
    // A stretch is centred on its frame, as the frame of a mel is.
    let before = (period.len() / 2).saturating_sub(hop_length / 2);
    let mut padded = vec![0.0; before + samples.len() + period.len()];
    padded[before..before + samples.len()].copy_from_slice(samples);
    let raw: Vec<f32> = (0..n_frames)
        .map(|frame_idx| period.find(&padded[frame_idx * hop_length..]))
        .map(|period| period.map_or(0.0, |period| rate / period))
        .collect();
    (0..n_frames).map(|frame_idx| smoothed(&raw, frame_idx)).collect()
}

struct PeriodFinder {
    window: usize,
    tau_min: usize,
    tau_max: usize,
    forward: std::sync::Arc<dyn realfft::RealToComplex<f32>>,
    inverse: std::sync::Arc<dyn realfft::ComplexToReal<f32>>,
    difference: Vec<f32>,
}

impl PeriodFinder {
    fn new(window: usize, tau_min: usize, tau_max: usize) -> Self {
        let n = (window + tau_max).next_power_of_two();
        let mut planner = RealFftPlanner::new();
        Self {
            window,
            tau_min,
            tau_max,
            forward: planner.plan_fft_forward(n),
            inverse: planner.plan_fft_inverse(n),
            difference: vec![0.0; tau_max],
        }
    }

    /// Samples that one search reads.
    fn len(&self) -> usize {
        self.window + self.tau_max
    }

    /// The period at the start of `samples` in samples, if there is one.
    fn find(&mut self, samples: &[f32]) -> Option<f32> {
        let samples = &samples[..self.len()];
        let energy: f32 = samples[..self.window].iter().map(|s| s * s).sum();
        if energy / self.window as f32 <= SILENCE {
            return None;
        }
        self.normalized_difference(samples, energy);
        let d = &self.difference;
        let lags = self.tau_min..self.tau_max - 1;
        let n_lags = lags.len() as f32;
        let cost = |tau: usize| d[tau] + LAG_COST * (tau - self.tau_min) as f32 / n_lags;
        let tau = lags.min_by(|&a, &b| cost(a).total_cmp(&cost(b)))?;
        if d[tau] >= THRESHOLD {
            return None;
        }
        let (left, dip, right) = (d[tau - 1], d[tau], d[tau + 1]);
        let shift = 0.5 * (left - right) / (left - 2.0 * dip + right + 1e-9);
        Some(tau as f32 + shift.clamp(-1.0, 1.0))
    }

    /// `d'(τ)`, which is one on average and near zero at a period.
    fn normalized_difference(&mut self, samples: &[f32], energy: f32) {
        let correlation = self.correlation(samples);
        let (mut shifted, mut sum) = (energy, 0.0);
        for tau in 0..self.tau_max {
            let difference = (energy + shifted - 2.0 * correlation[tau]).max(0.0);
            sum += difference;
            self.difference[tau] =
                if tau == 0 { 1.0 } else { difference * tau as f32 / (sum + 1e-8) };
            let (gone, come) = (samples[tau], samples.get(tau + self.window).copied());
            shifted += come.unwrap_or(0.0).powi(2) - gone * gone;
        }
    }

    /// `Σ_t x[t] · x[t + τ]` over the window, for each τ.
    fn correlation(&self, samples: &[f32]) -> Vec<f32> {
        let spectrum = |samples: &[f32]| {
            let mut padded = self.forward.make_input_vec();
            padded[..samples.len()].copy_from_slice(samples);
            let mut bins = self.forward.make_output_vec();
            self.forward
                .process(&mut padded, &mut bins)
                .expect("the buffers were made by the plan");
            bins
        };
        let (window, all) = (spectrum(&samples[..self.window]), spectrum(samples));
        let mut product: Vec<Complex<f32>> =
            window.iter().zip(&all).map(|(w, a)| w.conj() * a).collect();
        let last = product.len() - 1;
        product[0].im = 0.0;
        product[last].im = 0.0;
        let mut correlation = self.inverse.make_output_vec();
        self.inverse
            .process(&mut product, &mut correlation)
            .expect("the buffers were made by the plan and the ends are real");
        let scale = 1.0 / correlation.len() as f32;
        correlation.truncate(self.tau_max);
        for value in &mut correlation {
            *value *= scale;
        }
        correlation
    }
}

/// A frame's pitch, or the median around it if it jumps; zero if no neighbour is voiced.
fn smoothed(raw: &[f32], frame_idx: usize) -> f32 {
    let near = frame_idx.saturating_sub(2)..(frame_idx + 3).min(raw.len());
    let mut voiced: Vec<f32> = raw[near].iter().copied().filter(|&f0| f0 > 0.0).collect();
    let f0 = raw[frame_idx];
    if f0 == 0.0 || voiced.len() < 2 {
        return 0.0;
    }
    voiced.sort_by(f32::total_cmp);
    let median = voiced[voiced.len() / 2];
    if (f0 / median - 1.0).abs() > JUMP { median } else { f0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 22_050;

    /// A voice-like sound: many partials, falling off.
    fn voice(f0: impl Fn(f32) -> f32, secs: f32) -> Vec<f32> {
        let mut phase = 0.0_f32;
        (0..(secs * RATE as f32) as usize)
            .map(|at| {
                phase += f0(at as f32 / RATE as f32) / RATE as f32;
                let partial =
                    |k: usize| (std::f32::consts::TAU * phase * k as f32).sin() / k as f32;
                (1..12).map(partial).sum::<f32>() * 0.2
            })
            .collect()
    }

    #[test]
    fn finds_the_pitch_of_steady_and_gliding_voices() {
        for hz in [75.0, 110.0, 180.0, 260.0, 420.0] {
            let track = pitch_track(&voice(|_| hz, 0.5), RATE, 256);
            assert_eq!(track.len(), 11_025 / 256);
            for &f0 in &track[5..36] {
                assert!((f0 / hz - 1.0).abs() < 0.01, "{f0}, expected {hz}");
            }
        }
        let track = pitch_track(&voice(|t| 100.0 + 100.0 * t, 1.0), RATE, 256);
        for (frame_idx, &f0) in track.iter().enumerate().skip(6).take(70) {
            let hz = 100.0 + 100.0 * (frame_idx as f32 + 0.5) * 256.0 / RATE as f32;
            assert!((f0 / hz - 1.0).abs() < 0.03, "frame {frame_idx}: {f0}, expected {hz}");
        }
    }

    #[test]
    fn silence_and_noise_have_no_pitch() {
        assert!(pitch_track(&vec![0.0; 8192], RATE, 256).iter().all(|&f0| f0 == 0.0));
        let mut state = 1_u32;
        let noise: Vec<f32> = (0..22_050)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect();
        let voiced = pitch_track(&noise, RATE, 256).iter().filter(|&&f0| f0 > 0.0).count();
        assert!(voiced < 8, "{voiced} of 86 frames of noise are voiced");
    }

    #[test]
    fn no_length_panics() {
        for n in [0, 1, 255, 256, 300, 1500] {
            assert_eq!(pitch_track(&vec![0.1; n], RATE, 256).len(), n / 256);
        }
        assert!(pitch_track(&[0.0; 10], 100, 0).is_empty());
    }
}

//! How high a voice is, frame by frame.
//!
//! Source: "YIN, a fundamental frequency estimator", de Cheveigné and Kawahara 2002: the cumulative
//! mean normalized difference by FFT, its dips with a slight preference for short lags, and a
//! parabola through each. Each dip is a candidate; [`likeliest_path`] chooses among them.

use realfft::{RealFftPlanner, num_complex::Complex};

use super::pitch_path::{Candidate, likeliest_path};

/// Lowest pitch that is looked for, in Hz.
const F0_MIN: f32 = 60.0;
/// Highest pitch that is looked for, in Hz.
const F0_MAX: f32 = 500.0;
/// A dip above this is no candidate: chance makes dips as deep.
const WORST: f32 = 0.8;
/// Candidates that a frame has at most; the deepest dips stay.
const N_CANDIDATES: usize = 6;
/// Cost of an octave lower, so that of two equal dips the first wins: twice a period is one, too.
const OCTAVE_COST: f32 = 0.01;
/// Mean square below this is silence.
const SILENCE: f32 = 1e-6;
/// Seconds that are compared with themselves.
const WINDOW_SECS: f32 = 0.036;

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
    let candidates: Vec<_> = (0..n_frames)
        .map(|frame_idx| period.candidates(&padded[frame_idx * hop_length..], rate))
        .collect();
    likeliest_path(&candidates, hop_length as f32 / rate)
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

    /// What the pitch at the start of `samples` may be, the likeliest first; nothing in silence.
    fn candidates(&mut self, samples: &[f32], sample_rate: f32) -> Vec<Candidate> {
        let samples = &samples[..self.len()];
        let energy: f32 = samples[..self.window].iter().map(|s| s * s).sum();
        if energy / self.window as f32 <= SILENCE {
            return Vec::new();
        }
        self.normalized_difference(samples, energy);
        let mut candidates: Vec<Candidate> = (self.tau_min..self.tau_max - 1)
            .filter_map(|tau| {
                let [left, dip, right] = [tau - 1, tau, tau + 1].map(|tau| self.difference[tau]);
                if dip > left || dip >= right || dip >= WORST {
                    return None;
                }
                // A short period falls between two lags more often than twice that period: what
                // counts is the depth between them.
                let shift = 0.5 * (left - right) / (left - 2.0 * dip + right + 1e-9);
                let shift = shift.clamp(-1.0, 1.0);
                let depth = (dip - 0.25 * (left - right) * shift).max(0.0);
                let f0_hz = sample_rate / (tau as f32 + shift);
                Some(Candidate { f0_hz, cost: depth + OCTAVE_COST * (F0_MAX / f0_hz).log2() })
            })
            .collect();
        candidates.sort_by(|a, b| a.cost.total_cmp(&b.cost));
        candidates.truncate(N_CANDIDATES);
        candidates
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

    /// Noise that is the same each time, between minus one and one.
    fn noise() -> impl FnMut() -> f32 {
        let mut state = 1_u32;
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        }
    }

    /// How a voice sets in and dies away.
    #[derive(Debug, Clone, Copy)]
    enum Edge {
        /// Every other period is weaker: half the pitch repeats itself better.
        Creaky,
        /// Only even partials are left: all but twice the pitch.
        Hollow,
    }

    /// A voice between two silences, with breath, that fades at both ends.
    #[track_caller]
    fn check_edges(f0: impl Fn(f32) -> f32, edge_kind: Edge, breath: f32) {
        let (silence_secs, secs, edge_secs) = (0.1, 0.5, 0.08);
        let mut noise = noise();
        let mut phase = 0.0_f32;
        let silence = vec![0.0; (silence_secs * RATE as f32) as usize];
        let mut samples = silence.clone();
        for at in 0..(secs * RATE as f32) as usize {
            let t = at as f32 / RATE as f32;
            phase += f0(t) / RATE as f32;
            let edge = (1.0 - t.min(secs - t) / edge_secs).max(0.0);
            let (weak_period, odd_partials) = match edge_kind {
                Edge::Creaky => (1.0 - 0.6 * edge, 1.0),
                Edge::Hollow => (1.0, 1.0 - 0.8 * edge),
            };
            // The second partial is the strongest, as in a vowel whose first formant is there.
            let partial = |k: usize| {
                let strength = if k == 2 { 1.0 } else { 0.5 / k as f32 };
                let strength = if k % 2 == 1 { strength * odd_partials } else { strength };
                strength * (std::f32::consts::TAU * phase * k as f32).sin()
            };
            let is_weak = phase.floor() % 2.0 == 1.0;
            let voiced =
                (1..12).map(partial).sum::<f32>() * if is_weak { weak_period } else { 1.0 };
            samples.push((voiced + breath * (0.2 + edge) * noise()) * 0.2 * (1.0 - edge).max(0.03));
        }
        samples.extend(silence);
        let track = pitch_track(&samples, RATE, 256);
        let mut n_voiced = 0;
        for (frame_idx, &value) in track.iter().enumerate().filter(|(_, value)| **value > 0.0) {
            let t = (frame_idx as f32 + 0.5) * 256.0 / RATE as f32 - silence_secs;
            let hz = f0(t.clamp(0.0, secs));
            let is_right = (value / hz - 1.0).abs() < 0.2;
            assert!(is_right, "{edge_kind:?}: {value:.0} Hz at {t:.3} s, expected {hz:.0}");
            n_voiced += usize::from((0.0..secs).contains(&t));
        }
        let n_frames = secs * RATE as f32 / 256.0;
        let share = n_voiced as f32 / n_frames;
        assert!(share > 0.75, "{:.0} % of the voiced stretch has a pitch", share * 100.0);
    }

    #[test]
    fn no_octave_is_jumped_where_a_voice_sets_in_or_dies_away() {
        for breath in [0.0, 0.3, 0.6] {
            for hz in [85.0, 120.0, 180.0, 230.0] {
                for edge in [Edge::Creaky, Edge::Hollow] {
                    check_edges(|_| hz, edge, breath);
                    check_edges(|t| hz * (1.15 - 0.5 * t), edge, breath);
                    check_edges(|t| hz * (0.9 + 0.5 * t), edge, breath);
                }
            }
        }
    }

    #[test]
    fn silence_and_noise_have_no_pitch() {
        assert!(pitch_track(&vec![0.0; 8192], RATE, 256).iter().all(|&f0| f0 == 0.0));
        let mut noise = noise();
        let noise: Vec<f32> = (0..22_050).map(|_| noise()).collect();
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

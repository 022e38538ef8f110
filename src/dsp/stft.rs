//! Short-time Fourier transform and its inverse.
//!
//! Frames are windowed with a periodic Hann window and not normalized, as in `torch.stft` and
//! librosa. Source of the inverse: "Signal estimation from modified short-time Fourier transform",
//! Griffin and Lim 1984, eq. 6: overlap-add, divided by the sum of the squared windows.

use std::{f64::consts::PI, sync::Arc};

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex, num_complex::Complex};

/// A sum of squared windows below this is no division.
const TINY: f32 = 1e-11;

/// Complex spectra, frame after frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spectrum {
    /// `(n_frames, n_bins)`, row-major.
    pub bins: Vec<Complex<f32>>,
    /// `n_fft / 2 + 1`.
    pub n_bins: usize,
}

impl Spectrum {
    /// How many frames there are.
    pub fn n_frames(&self) -> usize {
        self.bins.len() / self.n_bins.max(1)
    }
}

/// A planned transform.
#[derive(Clone)]
pub struct Stft {
    n_fft: usize,
    hop_length: usize,
    /// `n_fft` values; a shorter window stands in the middle.
    window: Vec<f32>,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
}

impl Stft {
    /// Plans transforms of `n_fft` samples every `hop_length` under a window of `win_length`.
    ///
    /// # Panics
    /// If a length is zero or the window is longer than the transform.
    pub fn new(n_fft: usize, hop_length: usize, win_length: usize) -> Self {
        assert!(hop_length > 0 && win_length > 0 && win_length <= n_fft, "lengths do not fit");
        let mut window = vec![0.0; n_fft];
        let start = (n_fft - win_length) / 2;
        for (at, value) in window[start..start + win_length].iter_mut().enumerate() {
            *value = (0.5 - 0.5 * (2.0 * PI * at as f64 / win_length as f64).cos()) as f32;
        }
        let mut planner = RealFftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(n_fft), planner.plan_fft_inverse(n_fft));
        Self { n_fft, hop_length, window, forward, inverse }
    }

    /// Values of one spectrum.
    pub fn n_bins(&self) -> usize {
        self.n_fft / 2 + 1
    }

    /// Samples from one frame to the next.
    pub fn hop_length(&self) -> usize {
        self.hop_length
    }

    /// Spectra of frames centred on every hop: reflection by `n_fft / 2`, `1 + ⌊len / hop⌋` frames.
    pub fn centred(&self, samples: &[f32]) -> Spectrum {
        self.padded(samples, self.n_fft / 2)
    }

    /// Spectra after reflection by `padding` samples at both ends.
    pub fn padded(&self, samples: &[f32], padding: usize) -> Spectrum {
        self.frames(&reflect(samples, padding))
    }

    /// Spectra of the samples as they are; none if they are shorter than one transform.
    ///
    /// # Panics
    /// Never: the buffers are of the plan's own lengths.
    pub fn frames(&self, samples: &[f32]) -> Spectrum {
        let n_bins = self.n_bins();
        let n_frames = match samples.len().checked_sub(self.n_fft) {
            Some(rest) => 1 + rest / self.hop_length,
            None => 0,
        };
        let mut bins = vec![Complex::default(); n_frames * n_bins];
        let mut windowed = self.forward.make_input_vec();
        let mut scratch = self.forward.make_scratch_vec();
        for (frame_idx, spectrum) in bins.chunks_exact_mut(n_bins).enumerate() {
            let samples = &samples[frame_idx * self.hop_length..][..self.n_fft];
            for ((value, &sample), &window) in windowed.iter_mut().zip(samples).zip(&self.window) {
                *value = sample * window;
            }
            self.forward
                .process_with_scratch(&mut windowed, spectrum, &mut scratch)
                .expect("the buffers were made by the plan");
        }
        Spectrum { bins, n_bins }
    }

    /// The signal whose centred spectra these are nearest to: `hop · (n_frames − 1)` samples.
    ///
    /// # Panics
    /// If the spectra are of another length than this transform's.
    pub fn inverse(&self, spectrum: &Spectrum) -> Vec<f32> {
        let n_frames = spectrum.n_frames();
        if n_frames == 0 {
            return Vec::new();
        }
        let n_samples = self.n_fft + self.hop_length * (n_frames - 1);
        let (mut sums, mut weights) = (vec![0.0_f32; n_samples], vec![0.0_f32; n_samples]);
        let mut bins = self.inverse.make_input_vec();
        let mut samples = self.inverse.make_output_vec();
        let mut scratch = self.inverse.make_scratch_vec();
        let scale = 1.0 / self.n_fft as f32;
        for (frame_idx, frame) in spectrum.bins.chunks_exact(spectrum.n_bins).enumerate() {
            bins.copy_from_slice(frame);
            // A real signal has real ends; what else stands there cannot be heard.
            bins[0].im = 0.0;
            if self.n_fft.is_multiple_of(2) {
                bins[spectrum.n_bins - 1].im = 0.0;
            }
            self.inverse
                .process_with_scratch(&mut bins, &mut samples, &mut scratch)
                .expect("the buffers were made by the plan and the ends are real");
            let start = frame_idx * self.hop_length;
            let heard = sums[start..].iter_mut().zip(&mut weights[start..]);
            for (((sum, weight), &sample), &window) in heard.zip(&samples).zip(&self.window) {
                *sum += sample * window * scale;
                *weight += window * window;
            }
        }
        let middle = self.n_fft / 2..n_samples - self.n_fft / 2;
        let pairs = sums[middle.clone()].iter().zip(&weights[middle]);
        pairs.map(|(&sum, &weight)| if weight > TINY { sum / weight } else { sum }).collect()
    }
}

impl std::fmt::Debug for Stft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stft")
            .field("n_fft", &self.n_fft)
            .field("hop_length", &self.hop_length)
            .finish_non_exhaustive()
    }
}

/// The samples with `padding` more at both ends, mirrored at the end values.
fn reflect(samples: &[f32], padding: usize) -> Vec<f32> {
    if samples.is_empty() {
        return Vec::new();
    }
    let period = 2 * (samples.len() as isize - 1).max(1);
    let mirrored = |at: isize| {
        let at = at.rem_euclid(period);
        samples[at.min(period - at).min(samples.len() as isize - 1) as usize]
    };
    let mut padded = Vec::with_capacity(samples.len() + 2 * padding);
    padded.extend((1..=padding as isize).rev().map(|at| mirrored(-at)));
    padded.extend_from_slice(samples);
    let len = samples.len() as isize;
    padded.extend((len..len + padding as isize).map(mirrored));
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize) -> Vec<f32> {
        (0..n).map(|at| ((at * 7919 + 13) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    #[track_caller]
    fn check_against_naive(n_fft: usize, hop: usize, win: usize, n: usize) {
        let (samples, stft) = (noise(n), Stft::new(n_fft, hop, win));
        let spectrum = stft.centred(&samples);
        assert_eq!(spectrum.n_frames(), 1 + n / hop);
        let padded = reflect(&samples, n_fft / 2);
        for frame_idx in 0..spectrum.n_frames() {
            for bin in 0..stft.n_bins() {
                let mut sum = Complex::<f64>::default();
                for at in 0..n_fft {
                    let angle = -2.0 * PI * (bin * at) as f64 / n_fft as f64;
                    let value = padded[frame_idx * hop + at] * stft.window[at];
                    sum += Complex::from_polar(f64::from(value), angle);
                }
                let got = spectrum.bins[frame_idx * stft.n_bins() + bin];
                let worst =
                    (f64::from(got.re) - sum.re).abs().max((f64::from(got.im) - sum.im).abs());
                assert!(worst < 1e-4, "frame {frame_idx} bin {bin}: {got}, expected {sum}");
            }
        }
    }

    #[test]
    fn equals_the_sum_written_out() {
        check_against_naive(32, 8, 32, 100);
        check_against_naive(32, 8, 20, 61);
        check_against_naive(48, 10, 48, 200);
    }

    #[test]
    fn the_inverse_gives_the_samples_back() {
        for (n_fft, hop) in [(64, 16), (1024, 256), (512, 100)] {
            let (samples, stft) = (noise(3000), Stft::new(n_fft, hop, n_fft));
            let back = stft.inverse(&stft.centred(&samples));
            assert_eq!(back.len(), 3000 / hop * hop);
            for (got, want) in back.iter().zip(&samples) {
                assert!((got - want).abs() < 1e-5, "{got}, expected {want}");
            }
        }
    }

    #[test]
    fn the_window_is_periodic() {
        let stft = Stft::new(8, 2, 8);
        assert!(stft.window[0] == 0.0 && (stft.window[4] - 1.0).abs() < 1e-7);
        assert!((stft.window[1] - stft.window[7]).abs() < 1e-7);
    }

    #[test]
    fn no_length_panics() {
        let stft = Stft::new(64, 16, 64);
        for n in 0..70 {
            let spectrum = stft.centred(&noise(n));
            stft.inverse(&spectrum);
            stft.padded(&noise(n), 24);
        }
    }
}

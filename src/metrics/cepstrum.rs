//! The shape of a spectrum in a few numbers: mel spectra as power, and their cepstrum.
//!
//! Spectra as librosa's `melspectrogram` makes them when nothing else is said: 1,024 samples every
//! 256, silence before and after, Slaney's bands up to half the sample rate. Cepstrum: the cosine
//! transform of half the logarithm, scaled so that `ln |H| = Σ c_m cos`, as mel-cepstral distortion
//! wants it ("Mel-cepstral distance measure for objective speech quality assessment", Kubichek 1993).

use std::f64::consts::PI;

use crate::{
    domain::MelConfig,
    dsp::{Complex, MelFilterBank, Stft},
};

/// Coefficients of a frame, from the first; the zeroth is loudness, and left out.
pub const CEPSTRUM: usize = 13;
/// Bands.
pub(super) const N_MELS: usize = 80;
/// Samples of a transform.
const N_FFT: usize = 1024;
/// Samples from frame to frame.
pub(super) const HOP: usize = 256;
/// Power below this is taken for this.
pub(super) const LEAST_POWER: f32 = 1e-10;

/// Power in each band, `(n_frames, 80)`; `1 + ⌊len / 256⌋` frames.
pub(super) fn mel_power(samples: &[f32], sample_rate: u32) -> Vec<f32> {
    let bank = MelFilterBank::new(&MelConfig {
        sample_rate,
        n_fft: N_FFT,
        hop_length: HOP,
        win_length: N_FFT,
        n_mels: N_MELS,
        f_min: 0.0,
        f_max: f64::from(sample_rate) / 2.0,
        ..MelConfig::default()
    });
    let stft = Stft::new(N_FFT, HOP, N_FFT);
    let mut padded = vec![0.0; samples.len() + N_FFT];
    padded[N_FFT / 2..][..samples.len()].copy_from_slice(samples);
    let spectrum = stft.frames(&padded);
    let mut bands = vec![0.0; spectrum.n_frames() * N_MELS];
    for (bands, bins) in
        bands.chunks_exact_mut(N_MELS).zip(spectrum.bins.chunks_exact(stft.n_bins()))
    {
        let power: Vec<f32> = bins.iter().map(Complex::norm_sqr).collect();
        bank.apply(&power, bands);
    }
    bands
}

/// The cepstrum of each frame, `(n_frames, 13)`.
pub fn mel_cepstrum(samples: &[f32], sample_rate: u32) -> Vec<f32> {
    cepstrum(&mel_power(samples, sample_rate))
}

/// The cepstrum of spectra of power.
pub(super) fn cepstrum(power: &[f32]) -> Vec<f32> {
    let n = N_MELS as f64;
    let waves: Vec<f64> = (1..=CEPSTRUM)
        .flat_map(|m| {
            (0..N_MELS).map(move |at| (PI * m as f64 * (at as f64 + 0.5) / n).cos() * 2.0 / n)
        })
        .collect();
    let mut cepstrum = Vec::with_capacity(power.len() / N_MELS * CEPSTRUM);
    for bands in power.chunks_exact(N_MELS) {
        let logs: Vec<f64> =
            bands.iter().map(|&power| 0.5 * f64::from(power.max(LEAST_POWER)).ln()).collect();
        let sum = |wave: &[f64]| wave.iter().zip(&logs).map(|(w, x)| w * x).sum::<f64>() as f32;
        cepstrum.extend(waves.chunks_exact(N_MELS).map(sum));
    }
    cepstrum
}

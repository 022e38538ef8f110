//! What Whisper hears: thirty seconds as logarithmic mel power.

use crate::{
    domain::MelConfig,
    dsp::{Complex, MelFilterBank, Stft},
    nn::Features,
};

/// Samples per second.
pub const SPEECH_RATE: u32 = 16_000;
/// Samples that are heard at once.
pub(super) const WINDOW: usize = 30 * SPEECH_RATE as usize;
/// Bands.
pub(super) const N_MELS: usize = 80;
/// Frames of a window.
const N_FRAMES: usize = 3000;
const N_FFT: usize = 400;
const HOP: usize = 160;
/// Power below this is taken for this.
const LEAST_POWER: f32 = 1e-10;
/// How far below the loudest anything still differs, in powers of ten.
const RANGE: f32 = 8.0;

/// `(80, 3000)` of a sound at 16 kHz, cut or filled up with silence.
pub fn log_mel(samples: &[f32]) -> Features {
    let mut window = vec![0.0; WINDOW];
    let n = samples.len().min(WINDOW);
    window[..n].copy_from_slice(&samples[..n]);
    let stft = Stft::new(N_FFT, HOP, N_FFT);
    let bank = MelFilterBank::new(&MelConfig {
        sample_rate: SPEECH_RATE,
        n_fft: N_FFT,
        hop_length: HOP,
        win_length: N_FFT,
        n_mels: N_MELS,
        f_max: f64::from(SPEECH_RATE) / 2.0,
        ..MelConfig::default()
    });
    let spectrum = stft.centred(&window);
    let mut columns = vec![0.0; N_FRAMES * N_MELS];
    for (bands, bins) in
        columns.chunks_exact_mut(N_MELS).zip(spectrum.bins.chunks_exact(spectrum.n_bins))
    {
        let power: Vec<f32> = bins.iter().map(Complex::norm_sqr).collect();
        bank.apply(&power, bands);
        for band in bands {
            *band = band.max(LEAST_POWER).log10();
        }
    }
    let floor = columns.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b)) - RANGE;
    for value in &mut columns {
        *value = (value.max(floor) + 4.0) / 4.0;
    }
    Features::from_columns(&columns, N_MELS)
}

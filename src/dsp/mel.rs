//! Mel spectrograms in both conventions.
//!
//! Source: Slaney's Auditory Toolbox as in librosa `filters.mel(htk=False, norm="slaney")`: linear
//! to 1 kHz, logarithmic above, triangles of equal area. Conventions: [`MelConvention`].

use crate::{
    domain::{MelConfig, MelConvention, MelSpectrogram},
    dsp::stft::Stft,
};

/// Hz per mel below the break.
const HZ_PER_MEL: f64 = 200.0 / 3.0;
/// Where the scale turns logarithmic, in Hz.
const BREAK_HZ: f64 = 1000.0;
/// Magnitudes below this are taken for this before the logarithm.
pub const FLOOR: f32 = 1e-5;
/// Added under the root in the HiFi-GAN convention.
const HIFIGAN_EPSILON: f32 = 1e-9;

/// Triangular filters over the bins of a spectrum.
#[derive(Debug, Clone, PartialEq)]
pub struct MelFilterBank {
    filters: Vec<Filter>,
    n_bins: usize,
}

/// One triangle: weights of a run of bins.
#[derive(Debug, Clone, PartialEq)]
struct Filter {
    first_bin: usize,
    weights: Vec<f32>,
}

impl MelFilterBank {
    /// The bank that a mel is made with.
    pub fn new(config: &MelConfig) -> Self {
        let n_bins = config.n_fft / 2 + 1;
        let (low, high) = (hz_to_mel(config.f_min), hz_to_mel(config.f_max));
        let step = (high - low) / (config.n_mels + 1) as f64;
        let edges: Vec<f64> =
            (0..config.n_mels + 2).map(|at| mel_to_hz(low + step * at as f64)).collect();
        let hz_per_bin = f64::from(config.sample_rate) / config.n_fft as f64;
        let filters = edges.windows(3).map(|edges| {
            let [left, centre, right] = [edges[0], edges[1], edges[2]];
            let height = 2.0 / (right - left);
            let weight = |bin: usize| {
                let hz = bin as f64 * hz_per_bin;
                let rising = (hz - left) / (centre - left);
                let falling = (right - hz) / (right - centre);
                (rising.min(falling).max(0.0) * height) as f32
            };
            let first_bin = ((left / hz_per_bin).floor().max(0.0) as usize).min(n_bins);
            let end = ((right / hz_per_bin).ceil() as usize + 1).min(n_bins);
            Filter { first_bin, weights: (first_bin..end.max(first_bin)).map(weight).collect() }
        });
        Self { filters: filters.collect(), n_bins }
    }

    /// Bands.
    pub fn n_mels(&self) -> usize {
        self.filters.len()
    }

    /// Bins.
    pub fn n_bins(&self) -> usize {
        self.n_bins
    }

    /// The weight of a bin in a band.
    ///
    /// # Panics
    /// If there is no such band.
    pub fn weight(&self, band: usize, bin: usize) -> f32 {
        let filter = &self.filters[band];
        bin.checked_sub(filter.first_bin).and_then(|at| filter.weights.get(at)).map_or(0.0, |&w| w)
    }

    /// Magnitudes of bins to magnitudes of bands.
    pub fn apply(&self, magnitudes: &[f32], bands: &mut [f32]) {
        for (band, filter) in bands.iter_mut().zip(&self.filters) {
            let magnitudes = &magnitudes[filter.first_bin..];
            *band = filter.weights.iter().zip(magnitudes).map(|(w, m)| w * m).sum();
        }
    }

    /// The transpose: adds each band to the bins it hears.
    pub fn apply_transposed(&self, bands: &[f32], magnitudes: &mut [f32]) {
        magnitudes.fill(0.0);
        for (&band, filter) in bands.iter().zip(&self.filters) {
            for (magnitude, weight) in
                magnitudes[filter.first_bin..].iter_mut().zip(&filter.weights)
            {
                *magnitude += weight * band;
            }
        }
    }
}

/// The mel spectrogram of a sound: `ln(max(bands, 1e-5))`.
pub fn mel_spectrogram(samples: &[f32], config: &MelConfig) -> MelSpectrogram {
    let mut frames = linear_mel(samples, config);
    for value in &mut frames {
        *value = value.max(FLOOR).ln();
    }
    MelSpectrogram { frames, config: config.clone() }
}

/// Energy of each frame: the L2 norm over its linear bands, from a logarithmic mel.
pub fn mel_energy(mel: &MelSpectrogram) -> Vec<f32> {
    (0..mel.n_frames())
        .map(|frame_idx| mel.frame(frame_idx).iter().map(|ln| (2.0 * ln).exp()).sum::<f32>().sqrt())
        .collect()
}

fn linear_mel(samples: &[f32], config: &MelConfig) -> Vec<f32> {
    let stft = Stft::new(config.n_fft, config.hop_length, config.win_length);
    let bank = MelFilterBank::new(config);
    let (spectrum, epsilon) = match config.convention {
        MelConvention::SpeechBrain => (stft.centred(samples), 0.0),
        MelConvention::HifiGan => {
            let padding = config.n_fft.saturating_sub(config.hop_length) / 2;
            (stft.padded(samples, padding), HIFIGAN_EPSILON)
        }
    };
    let mut frames = vec![0.0; spectrum.n_frames() * config.n_mels];
    let mut magnitudes = vec![0.0; stft.n_bins()];
    let spectra = spectrum.bins.chunks_exact(stft.n_bins());
    for (bands, spectrum) in frames.chunks_exact_mut(config.n_mels).zip(spectra) {
        for (magnitude, bin) in magnitudes.iter_mut().zip(spectrum) {
            *magnitude = (bin.norm_sqr() + epsilon).sqrt();
        }
        bank.apply(&magnitudes, bands);
    }
    frames
}

fn hz_to_mel(hz: f64) -> f64 {
    if hz < BREAK_HZ {
        hz / HZ_PER_MEL
    } else {
        BREAK_HZ / HZ_PER_MEL + (hz / BREAK_HZ).ln() / log_step()
    }
}

fn mel_to_hz(mel: f64) -> f64 {
    let break_mel = BREAK_HZ / HZ_PER_MEL;
    if mel < break_mel {
        mel * HZ_PER_MEL
    } else {
        BREAK_HZ * (log_step() * (mel - break_mel)).exp()
    }
}

/// Natural logarithm of the frequency ratio of one mel above the break.
fn log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(convention: MelConvention) -> MelConfig {
        MelConfig { convention, ..MelConfig::default() }
    }

    fn tone(hz: f32, n: usize) -> Vec<f32> {
        (0..n).map(|at| (std::f32::consts::TAU * hz * at as f32 / 22_050.0).sin() * 0.5).collect()
    }

    #[test]
    fn the_conventions_differ_by_one_frame_and_half_a_hop() {
        let samples = tone(440.0, 256 * 20 + 100);
        let hifigan = mel_spectrogram(&samples, &config(MelConvention::HifiGan));
        let speechbrain = mel_spectrogram(&samples, &config(MelConvention::SpeechBrain));
        assert_eq!((hifigan.n_frames(), speechbrain.n_frames()), (20, 21));
        // Frame t of one is centred half a hop after frame t of the other.
        let shifted = mel_spectrogram(&samples[128..], &config(MelConvention::SpeechBrain));
        for (a, b) in hifigan.frame(8).iter().zip(shifted.frame(8)) {
            assert!((a - b).abs() < 0.02, "{a} {b}");
        }
    }

    #[test]
    fn a_tone_is_loudest_in_its_own_band() {
        let mel = mel_spectrogram(&tone(1000.0, 8192), &config(MelConvention::HifiGan));
        let frame = mel.frame(16);
        let loudest = (0..80).max_by(|&a, &b| frame[a].total_cmp(&frame[b])).unwrap();
        let step = hz_to_mel(8000.0) / 81.0;
        let centre = mel_to_hz(step * (loudest + 1) as f64);
        assert!((centre - 1000.0).abs() < 40.0, "{centre}");
    }

    #[test]
    fn triangles_have_equal_area() {
        let config = MelConfig { n_fft: 16_384, ..MelConfig::default() };
        let bank = MelFilterBank::new(&config);
        let hz_per_bin = 22_050.0 / 16_384.0;
        for band in [0, 40, 79] {
            let area: f32 = bank.filters[band].weights.iter().sum::<f32>() * hz_per_bin;
            assert!((area - 1.0).abs() < 0.02, "{band}: {area}");
        }
    }

    #[test]
    fn silence_stands_on_the_floor() {
        let mel = mel_spectrogram(&[0.0; 2048], &config(MelConvention::SpeechBrain));
        assert!(mel.frames.iter().all(|&value| (value - FLOOR.ln()).abs() < 1e-6));
    }
}

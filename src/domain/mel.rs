//! Mel spectrograms and the conventions that tell two of them apart.

use serde::{Deserialize, Serialize};

/// How frames are laid over the samples and how magnitudes are taken.
///
/// The two conventions in use differ by half a hop; weights trained on one sound nearly right with
/// the other, which is why the convention travels with every mel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MelConvention {
    /// jik876 HiFi-GAN and Matcha-TTS: reflect padding of `(n_fft − hop) / 2`, `⌊L / hop⌋` frames,
    /// magnitude `sqrt(re² + im² + 1e-9)`.
    #[default]
    HifiGan,
    /// SpeechBrain and NVIDIA: centred frames, `1 + ⌊L / hop⌋` of them, plain magnitude.
    SpeechBrain,
}

/// What a mel spectrogram was made with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MelConfig {
    /// Samples per second of the sound.
    pub sample_rate: u32,
    /// Samples in one Fourier transform.
    pub n_fft: usize,
    /// Samples from one frame to the next.
    pub hop_length: usize,
    /// Samples under the Hann window.
    pub win_length: usize,
    /// Mel bands.
    pub n_mels: usize,
    /// Lower edge of the filter bank in Hz.
    pub f_min: f64,
    /// Upper edge of the filter bank in Hz.
    pub f_max: f64,
    /// Padding and magnitude.
    pub convention: MelConvention,
}

impl Default for MelConfig {
    /// The features of models of `LJSpeech`: 22,050 Hz, 1,024 / 256 / 1,024, 80 bands to 8 kHz.
    fn default() -> Self {
        Self {
            sample_rate: 22_050,
            n_fft: 1024,
            hop_length: 256,
            win_length: 1024,
            n_mels: 80,
            f_min: 0.0,
            f_max: 8000.0,
            convention: MelConvention::default(),
        }
    }
}

impl MelConfig {
    /// Seconds from one frame to the next.
    pub fn frame_secs(&self) -> f64 {
        self.hop_length as f64 / f64::from(self.sample_rate)
    }
}

/// Natural logarithm of mel magnitudes, `ln(max(x, 1e-5))`, frame after frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MelSpectrogram {
    /// `(n_frames, n_mels)`, row-major: the bands of one frame stand together.
    pub frames: Vec<f32>,
    /// What the frames were made with.
    pub config: MelConfig,
}

impl MelSpectrogram {
    /// A mel without a frame yet.
    pub fn empty(config: MelConfig) -> Self {
        Self { frames: Vec::new(), config }
    }

    /// How many frames there are.
    pub fn n_frames(&self) -> usize {
        self.frames.len() / self.config.n_mels.max(1)
    }

    /// The bands of one frame, lowest first.
    ///
    /// # Panics
    /// If there is no such frame.
    pub fn frame(&self, frame_idx: usize) -> &[f32] {
        let n_mels = self.config.n_mels;
        &self.frames[frame_idx * n_mels..(frame_idx + 1) * n_mels]
    }
}

//! Linear spectrograms: all bins of a Fourier transform, as Tacotron makes them.

use serde::{Deserialize, Serialize};

/// What a linear spectrogram was made with; frames are centred.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinearConfig {
    /// Samples per second of the sound.
    pub sample_rate: u32,
    /// Samples in one Fourier transform.
    pub n_fft: usize,
    /// Samples from one frame to the next.
    pub hop_length: usize,
    /// Samples under the Hann window.
    pub win_length: usize,
    /// The share of each sample that was taken from the next one before all else; zero is none.
    pub preemphasis: f32,
    /// Magnitudes are raised to this before they are sounded, which makes speech clearer.
    pub power: f32,
}

impl LinearConfig {
    /// Bins of one frame.
    pub fn n_bins(&self) -> usize {
        self.n_fft / 2 + 1
    }
}

/// Natural logarithms of magnitudes, frame after frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinearSpectrogram {
    /// `(n_frames, n_bins)`, row-major.
    pub frames: Vec<f32>,
    /// What the frames were made with.
    pub config: LinearConfig,
}

impl LinearSpectrogram {
    /// How many frames there are.
    pub fn n_frames(&self) -> usize {
        self.frames.len() / self.config.n_bins()
    }
}

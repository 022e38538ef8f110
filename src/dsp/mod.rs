//! Signal processing on slices: spectrograms, phase reconstruction, pitch.

mod griffin_lim;
mod mel;
mod picture;
mod pitch;
mod pitch_path;
mod stft;

pub use griffin_lim::{GriffinLim, Phase};
pub use mel::{FLOOR, MelFilterBank, mel_energy, mel_spectrogram};
pub use picture::{ColorMap, Picture, mel_picture};
pub use pitch::pitch_track;
pub use realfft::num_complex::Complex;
pub use stft::{Spectrum, Stft};

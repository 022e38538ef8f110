//! Signal processing on slices: spectrograms, phase reconstruction, pitch, two sounds compared.

mod difference;
mod griffin_lim;
mod limiter;
mod mel;
mod mel_conversion;
mod picture;
mod pitch;
mod pitch_path;
mod resample;
mod stft;
mod time_warping;
mod warp;

pub use difference::{
    AlignedBy, Compared, MelDifference, WIDEST_DB, difference_picture, diverging_rgb,
    mel_difference,
};
pub use griffin_lim::{GriffinLim, Phase};
pub use limiter::Limiter;
pub use mel::{FLOOR, MelFilterBank, mel_energy, mel_spectrogram};
pub use mel_conversion::MelConversion;
pub use picture::{ColorMap, Picture, mel_picture};
pub use pitch::pitch_track;
pub use realfft::num_complex::Complex;
pub use resample::{LowPass, resample};
pub use stft::{Spectrum, Stft};
pub use time_warping::{distance, time_warping_path};
pub use warp::{warp_by_distance, warp_by_durations};

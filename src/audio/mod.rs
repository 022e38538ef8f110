//! The sound card: what there is, and a player that never makes anybody wait.

mod devices;
mod player;
mod resample;
mod wav;

pub use devices::{OutputDevice, output_devices};
pub use player::{Loops, Player};
pub use resample::resample;
pub use wav::{WavError, read_wav, wav_bytes, write_wav};

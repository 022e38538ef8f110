//! Sound outside the program: WAV files, and the sound card with a player that never makes
//! anybody wait.

#[cfg(feature = "audio")]
mod devices;
#[cfg(feature = "audio")]
mod output;
#[cfg(feature = "audio")]
mod player;
#[cfg(feature = "audio")]
mod resample;
mod wav;

#[cfg(feature = "audio")]
pub use devices::{OutputDevice, output_devices};
#[cfg(feature = "audio")]
pub use player::{Fate, Loops, Player, SoundId};
pub use wav::{WavError, read_wav, wav_bytes, write_wav};

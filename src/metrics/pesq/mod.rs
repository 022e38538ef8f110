//! PESQ (ITU-T P.862, P.862.1, P.862.2): perceptual quality beside a reference, narrow and wide band.
//!
//! `signal` brings both sounds to a level and filters them, `utterances` finds delays, `hearing` makes
//! loudness of frames, `disturbance` compares it, `score` sums up.

mod activity;
mod delay;
mod disturbance;
mod hearing;
mod repair;
mod score;
mod signal;
mod split;
mod tables;
mod utterances;

pub use score::{Bandwidth, PesqError, pesq};

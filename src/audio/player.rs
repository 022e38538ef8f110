//! Plays waveforms and growing streams.

use std::{ops::Range, sync::Arc};

use crate::{domain::Waveform, job::Waker};

/// Plays one thing at a time. No method waits for the sound card.
pub struct Player {
    _waker: Waker,
}

impl Player {
    /// A player on a device (`""`: the system's default); the device is opened at the first sound.
    pub fn new(_device: &str, waker: Waker) -> Self {
        Self { _waker: waker }
    }
    /// Takes another device from now on.
    pub fn set_device(&mut self, _device: &str) {}
    /// Plays a range of samples, once or over and over.
    pub fn play(&mut self, _waveform: &Arc<Waveform>, _range: Range<usize>, _loops: Loops) {}
    /// Begins a stream that [`Player::push`] feeds; what played before stops.
    pub fn begin_stream(&mut self, _sample_rate: u32) {}
    /// More samples for the stream.
    pub fn push(&mut self, _samples: &[f32]) {}
    /// No more samples will come; what is there plays to its end.
    pub fn end_stream(&mut self) {}
    /// Silence, now.
    pub fn stop(&mut self) {}
    /// Whether something plays (or waits for the next samples of its stream).
    pub fn is_playing(&self) -> bool {
        false
    }
    /// The sample that is heard now: an index into the waveform, or into the stream.
    pub fn position(&self) -> Option<usize> {
        None
    }
    /// Why nothing can be heard, if so: what, why, what to do.
    pub fn problem(&self) -> Option<String> {
        None
    }
}

/// Whether a range is played again when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loops {
    /// Once.
    Once,
    /// Over and over.
    Forever,
}

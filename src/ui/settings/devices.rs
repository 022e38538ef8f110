//! The list of sound outputs, asked for on a thread of its own since some systems take their time.

use std::{f32::consts::TAU, sync::Arc, thread};

use crate::{
    audio::{OutputDevice, output_devices},
    domain::Waveform,
    job::{self, Job, Update, Waker},
};

/// Samples per second of the test tone.
const TONE_RATE: u32 = 24_000;
/// The concert pitch.
const TONE_HZ: f32 = 440.0;
/// A fifth of full scale: loud enough to hear, never startling.
const TONE_LEVEL: f32 = 0.2;
/// Length of the test tone.
const TONE_SECS: f32 = 0.8;
/// Length of its rise and fall, without which it would click.
const TONE_EDGE_SECS: f32 = 0.05;

/// What is known of outputs.
pub(super) enum Devices {
    /// Nobody has asked yet.
    Unasked,
    /// The answer is on its way.
    Asking(Job<(), Vec<OutputDevice>>),
    /// These.
    Known(Vec<OutputDevice>),
}

impl Devices {
    /// Asks on a thread.
    pub(super) fn ask(waker: &Waker) -> Self {
        let (reply, job) = job::channel(Arc::clone(waker));
        let work = move || reply.finish(output_devices());
        if let Err(error) = thread::Builder::new().name("sound outputs".into()).spawn(work) {
            tracing::error!("no thread to look for sound outputs: {error}");
        }
        Self::Asking(job)
    }

    /// Takes the answer in, if it is there.
    pub(super) fn poll(&mut self) {
        let Self::Asking(job) = self else { return };
        match job.poll() {
            Some(Update::Done(devices)) => *self = Self::Known(devices),
            Some(Update::Lost) => *self = Self::Known(Vec::new()),
            Some(Update::Event(())) | None => (),
        }
    }

    /// Its name for people; the id where the device is not (or not yet) known.
    pub(super) fn name_of(&self, id: &str) -> String {
        if id.is_empty() {
            return "System default".to_owned();
        }
        let found = match self {
            Self::Known(devices) => devices.iter().find(|device| device.id == id),
            Self::Unasked | Self::Asking(_) => None,
        };
        found.map_or_else(|| id.to_owned(), |device| device.name.clone())
    }
}

/// A quiet 440 Hz tone that begins and ends softly.
pub(super) fn test_tone() -> Waveform {
    let rate = TONE_RATE as f32;
    let n_samples = (TONE_SECS * rate) as usize;
    let sample = |sample_idx: usize| {
        let secs = sample_idx as f32 / rate;
        let edge = (secs.min(TONE_SECS - secs) / TONE_EDGE_SECS).clamp(0.0, 1.0);
        TONE_LEVEL * edge * (TAU * TONE_HZ * secs).sin()
    };
    Waveform { samples: (0..n_samples).map(sample).collect(), sample_rate: TONE_RATE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_tone_is_quiet_and_does_not_click() {
        let tone = test_tone();
        let peak = tone.samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!(peak <= TONE_LEVEL && peak > 0.9 * TONE_LEVEL, "{peak}");
        assert!(tone.samples[0].abs() < 1e-6 && tone.samples[tone.samples.len() - 1].abs() < 1e-3);
    }
}

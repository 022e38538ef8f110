//! PESQ: the quality that a telephone's listeners would give a sound, beside its clean reference.
//!
//! Sources: ITU-T P.862 (02/2001), P.862.1 (11/2003) and P.862.2 (11/2007).

use super::{
    delay::Pair,
    disturbance::{Disturbance, Frames},
    repair::repair,
    signal::{Grid, Signal},
    tables::{HANDSET, HEADPHONES},
    utterances::locate,
};

/// How the sound is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bandwidth {
    /// Through a telephone handset, 300 to 3400 Hz: P.862 with P.862.1; at 8 or 16 kHz.
    Narrow,
    /// Through headphones, 50 to 7000 Hz: P.862.2; at 16 kHz.
    Wide,
}

/// Why there is no score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PesqError {
    /// The rate is none that the measure is defined at.
    #[error("PESQ is not defined at {0} Hz; resample to 8000 (narrow band) or 16000 Hz")]
    Rate(u32),
    /// One of the sounds is over too soon.
    #[error("PESQ needs a quarter of a second of both sounds")]
    TooShort,
    /// One of the sounds is silent, or no speech is in both.
    #[error("PESQ finds no speech that is in both sounds")]
    NoSpeech,
}

/// Frames of a syllable; the next begins after half of them.
const SYLLABLE: usize = 20;
/// A syllable's disturbance is a norm of its frames', so that short ones weigh more.
const SYLLABLE_POWER: i32 = 6;
/// Sounds of more frames than this count for less at their start.
const LONG: usize = 1000;

/// The mean opinion score (MOS-LQO) of a sound, from about 1 (bad) to 4.6, beside its reference. The
/// level does not matter, and delays are found, also such as change.
///
/// # Errors
/// If the rate is wrong, a sound is shorter than 250 ms, or no speech is in both.
pub fn pesq(
    reference: &[f32],
    sound: &[f32],
    sample_rate: u32,
    bandwidth: Bandwidth,
) -> Result<f64, PesqError> {
    match (sample_rate, bandwidth) {
        (16_000, _) | (8_000, Bandwidth::Narrow) => (),
        _ => return Err(PesqError::Rate(sample_rate)),
    }
    if reference.len().min(sound.len()) < sample_rate as usize / 4 {
        return Err(PesqError::TooShort);
    }
    let grid = Grid::at(sample_rate);
    let longer = reference.len().max(sound.len()) + 2 * grid.margin;
    let prepared = |sound: &[f32]| {
        let mut signal = Signal::new(sound, grid);
        let gain = signal.gain(longer).ok_or(PesqError::NoSpeech)?;
        signal.amplify(gain);
        match bandwidth {
            Bandwidth::Narrow => signal.shape(HANDSET),
            Bandwidth::Wide => signal.listen(HEADPHONES),
        }
        Ok(signal)
    };
    let (mut reference, mut degraded) = (prepared(reference)?, prepared(sound)?);
    let utterances = locate(&Pair::new(&reference, &degraded));
    if utterances.is_empty() {
        return Err(PesqError::NoSpeech);
    }
    reference.lengthen(longer);
    degraded.lengthen(longer);
    let mut frames = Frames::compare(&reference, &degraded, &utterances);
    repair(&mut frames);

    let heard = frames.heard();
    if frames.first >= heard.len() {
        return Err(PesqError::NoSpeech);
    }
    let weights = time_weights(heard.len(), (longer - 2 * grid.margin) / (grid.frame / 2));
    let total = |of: fn(&Disturbance) -> f64| {
        let disturbances: Vec<f64> = heard.iter().map(of).collect();
        over_time(&disturbances[frames.first..], &weights)
    };
    let raw = 4.5 - 0.1 * total(|it| it.symmetric) - 0.0309 * total(|it| it.added);
    Ok(mean_opinion(raw, bandwidth))
}

/// A raw score on the scale of listeners: P.862.1 and P.862.2.
fn mean_opinion(raw: f64, bandwidth: Bandwidth) -> f64 {
    let (slope, offset) = match bandwidth {
        Bandwidth::Narrow => (-1.4945, 4.6607),
        Bandwidth::Wide => (-1.3669, 3.8224),
    };
    0.999 + 4.0 / (1.0 + (slope * raw + offset).exp())
}

/// What listeners remember of each frame: less of the start of long sounds.
fn time_weights(n_frames: usize, n_within: usize) -> Vec<f64> {
    if n_frames <= LONG {
        return vec![1.0; n_frames];
    }
    let n = n_within as f64 - 1.0;
    let forgotten = ((n - LONG as f64) / 5500.0).min(0.5);
    (0..n_frames).map(|frame| 1.0 - forgotten + forgotten * frame as f64 / n).collect()
}

/// Frames to syllables, syllables to one figure.
fn over_time(disturbances: &[f64], weights: &[f64]) -> f64 {
    let (mut sum, mut weight) = (0.0, 0.0);
    for (at, time_weight) in
        weights.iter().enumerate().take(disturbances.len()).step_by(SYLLABLE / 2)
    {
        let frames = disturbances[at..].iter().take(SYLLABLE);
        let mean = frames.map(|it| it.powi(SYLLABLE_POWER)).sum::<f64>() / SYLLABLE as f64;
        let syllable = mean.powf(1.0 / f64::from(SYLLABLE_POWER));
        sum += (time_weight * syllable).powi(2);
        weight += time_weight.powi(2);
    }
    (sum / weight).sqrt()
}

#[cfg(test)]
#[path = "score_tests.rs"]
mod tests;

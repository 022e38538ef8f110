//! What disturbs in each frame: the difference of what an ear makes of both sounds.
//!
//! Source: ITU-T P.862 §10.2.5 to §10.2.10.

use super::{
    hearing::Ear,
    signal::Signal,
    utterances::{MARGIN, Utterance, delay_at},
};

/// A frame whose reference has less power counts as silent.
const SILENT: f64 = 1e7;
/// Power that keeps ratios of averages finite, and their bounds.
const RESPONSE_OFFSET: f64 = 1000.0;
const RESPONSE_RANGE: (f64, f64) = (0.01, 100.0);
/// The same for ratios of frames.
const GAIN_OFFSET: f64 = 5e3;
const GAIN_RANGE: (f64, f64) = (3e-4, 5.0);
/// The share of a frame's own ratio in its gain; the rest is its predecessor's.
const GAIN_SHARE: f64 = 0.8;
/// A difference is masked by this share of the lesser loudness.
const MASKED: f64 = 0.25;
/// Power that keeps the asymmetry finite.
const ASYMMETRY_OFFSET: f64 = 50.0;
/// No frame disturbs more.
const MOST: f64 = 45.0;
/// Sums of five magnitudes below this are digital silence.
const SILENCE_OF_FIVE: f64 = 500.0;

/// How much a frame disturbs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Disturbance {
    /// What is missing or added.
    pub(super) symmetric: f64,
    /// What was added.
    pub(super) added: f64,
}

/// Both sounds frame by frame, as far as they are compared.
pub(super) struct Frames<'a> {
    pub(super) ear: Ear,
    pub(super) reference: &'a Signal,
    /// The degraded sound, moved onto the reference.
    pub(super) aligned: Vec<f64>,
    /// Power over pitch of the reference, with the degraded sound's frequency response.
    pub(super) powers: Vec<Vec<f64>>,
    pub(super) disturbances: Vec<Disturbance>,
    /// The first frame that counts for the score.
    pub(super) first: usize,
}

impl<'a> Frames<'a> {
    /// Compares two sounds that are equally long, with the delays of their utterances.
    pub(super) fn compare(
        reference: &'a Signal,
        degraded: &Signal,
        utterances: &[Utterance],
    ) -> Self {
        let grid = reference.grid;
        let ear = Ear::new(grid);
        let hop = grid.frame / 2;
        let (skipped, left) = digital_silence(reference);
        let within = reference.len - 2 * grid.margin + grid.tail;
        let n_frames = (within - left) / hop;
        let starts = (0..n_frames).map(|frame| grid.margin + frame * hop);

        let mut powers: Vec<Vec<f64>> =
            starts.clone().map(|at| ear.powers(&reference.samples, at)).collect();
        let mut degraded_powers: Vec<Vec<f64>> = starts
            .map(|at| {
                let moved = at as i64 + delay_at(utterances, at, grid.step);
                let end = moved + grid.frame as i64;
                let is_there = moved > 0 && end < degraded.samples.len() as i64;
                if is_there {
                    ear.powers(&degraded.samples, moved as usize)
                } else {
                    vec![0.0; ear.bands.len()]
                }
            })
            .collect();
        take_response(&ear, &mut powers, &degraded_powers, within / hop - 1);
        let disturbances = disturbances(&ear, &powers, &mut degraded_powers, None);
        let aligned = aligned(degraded, utterances);
        let mut frames =
            Self { ear, reference, aligned, powers, disturbances, first: skipped / hop };
        frames.forgive_skips(utterances);
        frames
    }

    /// Frames that the degraded sound leaves out, because its delay gets shorter, do not disturb.
    fn forgive_skips(&mut self, utterances: &[Utterance]) {
        let grid = self.reference.grid;
        let (step, hop) = (grid.step as i64, (grid.frame / 2) as i64);
        for pair in utterances.windows(2) {
            let shrinks_by = pair[0].delay - pair[1].delay;
            if shrinks_by <= hop {
                continue;
            }
            let start = (pair[1].from - MARGIN) * step;
            let ends = [start + pair[1].delay, (pair[0].to - MARGIN) * step + pair[0].delay];
            let from = (ends[0] / hop).min(ends[1] / hop).max(0) as usize;
            let to = ((start + shrinks_by) / hop + 1).max(-1) + 1;
            let to = (to as usize).min(self.disturbances.len() - 1);
            if from < to {
                self.disturbances[from..to].fill(Disturbance::default());
            }
        }
    }

    /// What each frame disturbs for the listener: less where the reference is loud, and never more than
    /// a bound.
    pub(super) fn heard(&self) -> Vec<Disturbance> {
        let weighted = |(disturbance, powers): (&Disturbance, &Vec<f64>)| {
            let weight = ((self.ear.audible(powers, 1.0) + 1e5) / 1e7).powf(0.04);
            Disturbance {
                symmetric: (disturbance.symmetric / weight).min(MOST),
                added: (disturbance.added / weight).min(MOST),
            }
        };
        self.disturbances.iter().zip(&self.powers).map(weighted).collect()
    }
}

/// Samples of digital silence at the start and at the end of the reference.
fn digital_silence(reference: &Signal) -> (usize, usize) {
    let grid = reference.grid;
    let heard = &reference.samples[grid.margin..reference.samples.len() - grid.margin];
    let is_silent = |five: &[f64]| five.iter().map(|x| x.abs()).sum::<f64>() < SILENCE_OF_FIVE;
    let most = reference.len / 2;
    let before = heard.windows(5).take_while(|five| is_silent(five)).count();
    let after = heard.windows(5).rev().take_while(|five| is_silent(five)).count();
    (before.min(most), after.min(most))
}

/// Gives the reference the frequency response that the degraded sound has on average, within bounds:
/// listeners forgive a steady one.
fn take_response(ear: &Ear, reference: &mut [Vec<f64>], degraded: &[Vec<f64>], n_frames: usize) {
    let speaks: Vec<bool> =
        reference.iter().map(|powers| ear.audible(powers, 100.0) >= SILENT).collect();
    let average = |frames: &[Vec<f64>], band: usize| {
        let audible = 100.0 * ear.bands[band].threshold;
        let powers = frames.iter().zip(&speaks).filter(|(_, speaks)| **speaks);
        let powers = powers.map(|(powers, _)| powers[band]).filter(|power| *power > audible);
        powers.sum::<f64>() / n_frames as f64
    };
    for band in 0..ear.bands.len() {
        let ratio = (average(degraded, band) + RESPONSE_OFFSET)
            / (average(reference, band) + RESPONSE_OFFSET);
        let ratio = ratio.clamp(RESPONSE_RANGE.0, RESPONSE_RANGE.1);
        for powers in reference.iter_mut() {
            powers[band] *= ratio;
        }
    }
}

/// The disturbance of frames that follow each other, after one of a gain; the degraded ones are brought
/// to the level of the reference, as listeners forgive slow changes of it.
pub(super) fn disturbances(
    ear: &Ear,
    reference: &[Vec<f64>],
    degraded: &mut [Vec<f64>],
    mut gain: Option<f64>,
) -> Vec<Disturbance> {
    let of_frame = |(reference, degraded): (&Vec<f64>, &mut Vec<f64>)| {
        let own = (ear.audible(reference, 1.0) + GAIN_OFFSET)
            / (ear.audible(degraded, 1.0) + GAIN_OFFSET);
        let smooth = gain.map_or(own, |last| GAIN_SHARE * own + (1.0 - GAIN_SHARE) * last);
        gain = Some(smooth);
        let bounded = smooth.clamp(GAIN_RANGE.0, GAIN_RANGE.1);
        for power in degraded.iter_mut() {
            *power *= bounded;
        }
        disturbance(ear, reference, degraded)
    };
    reference.iter().zip(degraded).map(of_frame).collect()
}

fn disturbance(ear: &Ear, reference: &[f64], degraded: &[f64]) -> Disturbance {
    let unmasked = |(reference, degraded): (f64, f64)| {
        let (difference, masked) = (degraded - reference, MASKED * degraded.min(reference));
        difference.signum() * (difference.abs() - masked).max(0.0)
    };
    let loudness = ear.loudness(reference).into_iter().zip(ear.loudness(degraded));
    let mut densities: Vec<f64> = loudness.map(unmasked).collect();
    let symmetric = ear.norm(&densities, 2);
    for (density, (reference, degraded)) in densities.iter_mut().zip(reference.iter().zip(degraded))
    {
        *density *= asymmetry(*reference, *degraded);
    }
    Disturbance { symmetric, added: ear.norm(&densities, 1) }
}

/// What is added disturbs more than what is missing: only that counts whose power is well above the
/// reference's.
fn asymmetry(reference: f64, degraded: f64) -> f64 {
    let factor = ((degraded + ASYMMETRY_OFFSET) / (reference + ASYMMETRY_OFFSET)).powf(1.2);
    if factor < 3.0 { 0.0 } else { factor.min(12.0) }
}

/// The degraded sound with each sample where the reference has it.
fn aligned(degraded: &Signal, utterances: &[Utterance]) -> Vec<f64> {
    let margin = degraded.grid.margin;
    let n = degraded.samples.len();
    let mut out = vec![0.0; n];
    for (at, sample) in out.iter_mut().enumerate().take(n - margin).skip(margin) {
        let from = at as i64 + delay_at(utterances, at, degraded.grid.step);
        *sample = degraded.samples[from.clamp(margin as i64, (n - margin) as i64 - 1) as usize];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{super::signal::Grid, *};

    #[test]
    fn only_what_is_well_above_the_reference_was_added() {
        assert_eq!(asymmetry(1e6, 1e6), 0.0);
        assert_eq!(asymmetry(1e6, 2e6), 0.0);
        assert!((asymmetry(1e6, 4e6) - 4.0_f64.powf(1.2)).abs() < 1e-3);
        assert_eq!(asymmetry(1e3, 1e9), 12.0);
    }

    #[test]
    fn a_change_of_level_that_lasts_is_forgiven() {
        let ear = Ear::new(Grid::at(16_000));
        let reference = vec![vec![1e6; ear.bands.len()]; 10];
        let mut louder = vec![vec![3e6; ear.bands.len()]; 10];
        let found = disturbances(&ear, &reference, &mut louder, None);
        assert!(found.iter().all(|it| it.symmetric < 1e-9), "{found:?}");
        let mut silent = vec![vec![0.0; ear.bands.len()]; 10];
        let found = disturbances(&ear, &reference, &mut silent, None);
        assert!(found.iter().all(|it| it.symmetric > 1.0 && it.added == 0.0), "{found:?}");
    }
}

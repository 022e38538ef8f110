//! Frames that disturb a lot are aligned once more: perhaps they lie elsewhere.
//!
//! Source: ITU-T P.862 §10.2.9 (realignment of bad intervals).

use super::{
    delay::best_shift,
    disturbance::{Frames, disturbances},
};

/// A frame that disturbs more is a bad one.
const BAD: f64 = 30.0;
/// Frames on either side among which a bad one must be, for a frame to be in a bad interval.
const REACH: usize = 2;
/// A bad interval has as many frames at least.
const SHORTEST: usize = 5;
/// Frames before and after a bad interval in which it is looked for.
const SEARCH_FRAMES: usize = 4;
/// Correlation of magnitudes from which a place is believed.
const ALIKE: f64 = 0.5;

/// Looks for bad intervals elsewhere, and keeps what disturbs less.
pub(super) fn repair(frames: &mut Frames<'_>) {
    let intervals = bad_intervals(frames);
    if intervals.is_empty() {
        return;
    }
    let grid = frames.reference.grid;
    let (hop, margin) = (grid.frame / 2, grid.margin);
    let mut moved = frames.aligned.clone();
    for &(from, to) in &intervals {
        let (start, end) = (margin + from * hop, margin + to * hop + grid.frame);
        let shift = shift_of(frames, start, end);
        for (at, sample) in moved.iter_mut().enumerate().take(end).skip(start) {
            let place = (at as i64 + shift).clamp(0, frames.reference.len as i64 - 1);
            *sample = frames.aligned[place as usize];
        }
    }
    for (from, to) in intervals {
        let mut powers: Vec<Vec<f64>> =
            (from..to).map(|frame| frames.ear.powers(&moved, margin + frame * hop)).collect();
        let again = disturbances(&frames.ear, &frames.powers[from..to], &mut powers, Some(1.0));
        for (kept, new) in frames.disturbances[from..to].iter_mut().zip(again) {
            kept.symmetric = kept.symmetric.min(new.symmetric);
            kept.added = kept.added.min(new.added);
        }
    }
}

/// Where the degraded sound has what the reference has between two samples, from where it lies.
fn shift_of(frames: &Frames<'_>, start: usize, end: usize) -> i64 {
    let grid = frames.reference.grid;
    let range = SEARCH_FRAMES * grid.frame;
    let mut reference = vec![0.0; range];
    reference.extend_from_slice(&frames.reference.samples[start..end]);
    reference.resize(reference.len() + range, 0.0);
    let (first, last) = (grid.margin, frames.aligned.len() - grid.margin - 1);
    let at = |idx: usize| frames.aligned[(start + idx).saturating_sub(range).clamp(first, last)];
    let degraded: Vec<f64> = (0..reference.len()).map(at).collect();
    let (shift, likeness) = best_shift(&reference, &degraded, range);
    if likeness < ALIKE { 0 } else { shift }
}

/// First frames of bad intervals, each with the one past its end. One that lasts to the very end has
/// none.
fn bad_intervals(frames: &Frames<'_>) -> Vec<(usize, usize)> {
    let n = frames.disturbances.len();
    let is_bad = |frame: usize| frame > 0 && frames.disturbances[frame].symmetric > BAD;
    // A frame is within an interval if bad ones are near it on both sides.
    let last = (n - 1).saturating_sub(REACH);
    let is_within = |frame: usize| {
        (REACH..last).contains(&frame)
            && (frame - REACH..=frame).any(is_bad)
            && (frame..=frame + REACH).any(is_bad)
    };
    let mut intervals = Vec::new();
    let mut from = None;
    for frame in 0..n {
        match (from, is_within(frame)) {
            (None, true) => from = Some(frame),
            (Some(start), false) => {
                if frame - start >= SHORTEST {
                    intervals.push((start, frame));
                }
                from = None;
            }
            _ => (),
        }
    }
    intervals
}

//! Time of one sound laid onto the time of another: by the symbols that both say, or by dynamic time
//! warping.
//!
//! Source of the latter: Sakoe and Chiba, "Dynamic programming algorithm optimization for spoken word
//! recognition", 1978, with steps by one frame in either sound or in both, and a band around the
//! diagonal.

use super::time_warping::time_warping_path;
use crate::domain::MelSpectrogram;

/// Frames that a path may always leave the diagonal by: 1.2 seconds at 86 frames a second.
const LEAST_BAND: usize = 100;

/// Share of the longer sound that a path may leave the diagonal by.
const BAND_SHARE: f64 = 0.15;

/// For each frame of the first sound the frame of the second that says the same part of the same
/// symbol: between two borders time runs evenly. `None` if there is no frame to lay onto.
///
/// * `first`, `second`: frames of each symbol; as many symbols in both.
pub fn warp_by_durations(first: &[u32], second: &[u32]) -> Option<Vec<usize>> {
    let n_second: usize = second.iter().map(|&frames| frames as usize).sum();
    if first.len() != second.len() || n_second == 0 {
        return None;
    }
    let mut warp = Vec::new();
    let mut at = 0;
    for (&frames, &others) in first.iter().zip(second) {
        for frame in 0..u64::from(frames) {
            // The middle of a frame falls into the frame there.
            let within = (2 * frame + 1) * u64::from(others) / (2 * u64::from(frames));
            warp.push((at + within as usize).min(n_second - 1));
        }
        at += others as usize;
    }
    Some(warp)
}

/// For each frame of the first mel a frame of the second: along the path from start to end whose
/// Euclidean distances, each on the way once, are least together. `None` if one of them has no frame
/// or they differ in bands.
pub fn warp_by_distance(first: &MelSpectrogram, second: &MelSpectrogram) -> Option<Vec<usize>> {
    let (n, m) = (first.n_frames(), second.n_frames());
    if n == 0 || m == 0 || first.config.n_mels != second.config.n_mels {
        return None;
    }
    let slope = (m - 1) as f64 / (n - 1).max(1) as f64;
    let width = LEAST_BAND.max((BAND_SHARE * n.max(m) as f64) as usize).max(slope.ceil() as usize);
    let band = |row: usize| {
        let centre = (slope * row as f64).round() as usize;
        centre.saturating_sub(width)..(centre + width + 1).min(m)
    };
    let path = time_warping_path(&first.frames, &second.frames, first.config.n_mels, band);
    // Of the frames that one is laid onto, the middle one stands for all.
    let mut onto = vec![[m - 1, 0]; n];
    for (row, column) in path {
        let [from, to] = onto[row];
        onto[row] = [from.min(column), to.max(column)];
    }
    Some(onto.into_iter().map(|[from, to]| usize::midpoint(from, to)).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::MelConfig;

    fn mel(values: &[f32]) -> MelSpectrogram {
        let config = MelConfig { n_mels: 1, ..MelConfig::default() };
        MelSpectrogram { frames: values.to_vec(), config }
    }

    /// The least sum over all paths, by trying each.
    fn least(a: &[f32], b: &[f32]) -> f32 {
        let here = (a[0] - b[0]).abs();
        let mut rest = f32::INFINITY;
        if a.len() > 1 {
            rest = rest.min(least(&a[1..], b));
        }
        if b.len() > 1 {
            rest = rest.min(least(a, &b[1..]));
        }
        if a.len() > 1 && b.len() > 1 {
            rest = rest.min(least(&a[1..], &b[1..]));
        }
        here + if rest.is_finite() { rest } else { 0.0 }
    }

    /// The least sum over the paths on which each frame of the first sound meets the one in `warp`.
    fn least_through(a: &[f32], b: &[f32], warp: &[usize]) -> f32 {
        // The least sum of a path that leaves the row before at a column.
        let mut left_at = vec![f32::INFINITY; b.len()];
        for (row, &named) in warp.iter().enumerate() {
            let mut sums = vec![f32::INFINITY; b.len()];
            for column in 0..b.len() {
                // Whoever comes into the row beyond the named frame has missed it.
                let into = match (row, column) {
                    (0, 0) => 0.0,
                    (0, _) => f32::INFINITY,
                    _ if column > named => f32::INFINITY,
                    _ => left_at[column].min(if column > 0 {
                        left_at[column - 1]
                    } else {
                        f32::INFINITY
                    }),
                };
                let along = if column > 0 { sums[column - 1] } else { f32::INFINITY };
                sums[column] = into.min(along) + (a[row] - b[column]).abs();
            }
            sums[..named].fill(f32::INFINITY);
            left_at = sums;
        }
        left_at[b.len() - 1]
    }

    proptest! {
        #[test]
        fn no_other_path_is_shorter(
            a in prop::collection::vec(-3.0_f32..3.0, 1..7),
            b in prop::collection::vec(-3.0_f32..3.0, 1..7),
        ) {
            let warp = warp_by_distance(&mel(&a), &mel(&b)).unwrap();
            prop_assert_eq!(warp.len(), a.len());
            prop_assert!(warp.is_sorted());
            let (best, found) = (least(&a, &b), least_through(&a, &b, &warp));
            prop_assert!((found - best).abs() < 1e-3, "{} through {:?}, {}", found, warp, best);
        }

        #[test]
        fn symbols_are_laid_onto_themselves(
            pairs in prop::collection::vec((0_u32..6, 1_u32..6), 1..9),
        ) {
            let (first, second): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
            let symbols = |durations: &[u32]| -> Vec<usize> {
                let each = durations.iter().enumerate();
                each.flat_map(|(at, &n)| std::iter::repeat_n(at, n as usize)).collect()
            };
            let warp = warp_by_durations(&first, &second).unwrap();
            let onto = symbols(&second);
            let found: Vec<usize> = warp.iter().map(|at| onto[*at]).collect();
            prop_assert_eq!(found, symbols(&first));
        }
    }

    #[test]
    fn a_sound_is_laid_onto_itself() {
        let values: Vec<f32> = (0..300).map(|n| (n as f32 * 0.7).sin()).collect();
        let warp = warp_by_distance(&mel(&values), &mel(&values)).unwrap();
        assert!(warp.iter().copied().eq(0..300));
        assert_eq!(warp_by_durations(&[2, 0, 3], &[2, 0, 3]), Some(vec![0, 1, 2, 3, 4]));
    }

    #[test]
    fn a_slower_sound_is_laid_onto_the_faster() {
        let fast: Vec<f32> = (0..150).map(|n| (n as f32 * 0.2).sin() * 5.0).collect();
        let slow: Vec<f32> = fast.iter().flat_map(|value| [*value; 3]).collect();
        let warp = warp_by_distance(&mel(&slow), &mel(&fast)).unwrap();
        assert!(warp.iter().enumerate().all(|(at, onto)| fast[*onto] == slow[at]), "{warp:?}");
        assert_eq!(warp_by_durations(&[4], &[2]), Some(vec![0, 0, 1, 1]));
    }

    #[test]
    fn what_cannot_be_laid_onto_anything_is_not() {
        assert_eq!(warp_by_durations(&[1, 2], &[3]), None);
        assert_eq!(warp_by_durations(&[1, 2], &[0, 0]), None);
        assert_eq!(warp_by_durations(&[2], &[0, 1][..1]), None);
        assert_eq!(warp_by_distance(&mel(&[]), &mel(&[1.0])), None);
        // A symbol that the other sound lacks lies where it would stand.
        assert_eq!(warp_by_durations(&[1, 2, 1], &[1, 0, 1]), Some(vec![0, 1, 1, 1]));
    }
}

//! Which frame of one sound belongs to which of another, where both say the same at their own pace.
//!
//! Source: "Dynamic programming algorithm optimization for spoken word recognition", Sakoe and Chiba
//! 1978, without slope constraints: steps to both neighbours and across, all of weight one, as in
//! librosa's `sequence.dtw`.

use std::ops::Range;

/// Where the cheapest way to a pair came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Both,
    Second,
    First,
}

/// Pairs of frames along the cheapest way from the first pair to the last; the cost of a pair is the
/// Euclidean distance of its frames, and of two ways that cost the same, the one across is taken.
///
/// * `first`, `second`: frames of `n_values` values.
/// * `band`: frames of the second that a frame of the first may be paired with. The bands of the first
///   and the last frame hold the first and the last frame of the second, and each band touches the
///   next.
pub fn time_warping_path(
    first: &[f32],
    second: &[f32],
    n_values: usize,
    band: impl Fn(usize) -> Range<usize>,
) -> Vec<(usize, usize)> {
    let (rows, columns) = (first.len() / n_values.max(1), second.len() / n_values.max(1));
    if rows == 0 || columns == 0 {
        return Vec::new();
    }
    let mut steps: Vec<Vec<Step>> = Vec::with_capacity(rows);
    // Sums of the row before, from where its band begins.
    let (mut above, mut before): (Range<usize>, Vec<f64>) = (0..0, Vec::new());
    for (row, a) in first.chunks_exact(n_values).enumerate() {
        let here = band(row);
        let sum_above = |column: usize| {
            if above.contains(&column) { before[column - above.start] } else { f64::INFINITY }
        };
        let mut sums: Vec<f64> = Vec::with_capacity(here.len());
        let mut row_steps = Vec::with_capacity(here.len());
        for column in here.clone() {
            let across = column.checked_sub(1).map_or(f64::INFINITY, sum_above);
            let mut best = (if row + column == 0 { 0.0 } else { across }, Step::Both);
            let left = sums.last().copied().unwrap_or(f64::INFINITY);
            for way in [(left, Step::Second), (sum_above(column), Step::First)] {
                if way.0 < best.0 {
                    best = way;
                }
            }
            let b = &second[column * n_values..(column + 1) * n_values];
            sums.push(best.0 + distance(a, b));
            row_steps.push(best.1);
        }
        (above, before) = (here, sums);
        steps.push(row_steps);
    }
    let (mut row, mut column) = (rows - 1, columns - 1);
    let mut path = vec![(row, column)];
    while (row, column) != (0, 0) {
        let step = steps[row][column - band(row).start];
        row -= usize::from(step != Step::Second);
        column -= usize::from(step != Step::First);
        path.push((row, column));
    }
    path.reverse();
    path
}

/// The Euclidean distance of two frames.
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_held_frame_is_paired_with_all_of_its_copies() {
        let path = time_warping_path(&[1.0, 5.0, 9.0], &[1.0, 5.0, 5.0, 5.0, 9.0], 1, |_| 0..5);
        assert_eq!(path, [(0, 0), (1, 1), (1, 2), (1, 3), (2, 4)]);
        assert!(time_warping_path(&[], &[1.0], 1, |_| 0..1).is_empty());
    }

    /// The cost of the cheapest way, each way tried.
    fn cheapest(a: &[f32], b: &[f32]) -> f64 {
        let here = distance(&a[..1], &b[..1]);
        let rest = [(1, 1), (0, 1), (1, 0)].map(|(i, j)| {
            let fits = i < a.len() && j < b.len();
            if fits { cheapest(&a[i..], &b[j..]) } else { f64::INFINITY }
        });
        let best = rest.into_iter().fold(f64::INFINITY, f64::min);
        here + if a.len() == 1 && b.len() == 1 { 0.0 } else { best }
    }

    proptest! {
        #[test]
        fn no_other_way_is_cheaper(
            a in prop::collection::vec(-1.0_f32..1.0, 1..6),
            b in prop::collection::vec(-1.0_f32..1.0, 1..6),
        ) {
            let path = time_warping_path(&a, &b, 1, |_| 0..b.len());
            let cost: f64 = path.iter().map(|&(i, j)| distance(&a[i..=i], &b[j..=j])).sum();
            prop_assert!((cost - cheapest(&a, &b)).abs() < 1e-9);
            prop_assert_eq!(path[0], (0, 0));
            prop_assert_eq!(path.last(), Some(&(a.len() - 1, b.len() - 1)));
        }
    }
}

//! Which positions each row of a span sees, as numbers to add to its scores.

use std::ops::Range;

use candle_core::{DType, Result, Tensor};

use crate::{lm::transformer::Order, nn::TensorDevice};

/// Rows whose scores are computed at a time: a row scores only what stands up to the last of its
/// neighbours, and the scores of a long prompt need not lie in memory all at once.
const ROWS_TOGETHER: usize = 512;

/// Fewer rows than this have so few scores that to mask them all takes less time than to tell those
/// of the last positions from the others.
const ROWS_MASKED_WHOLE: usize = 64;

/// Rows that are scored together.
#[derive(Debug)]
pub struct Tile {
    /// Which of the span's.
    pub rows: Range<usize>,
    /// How many first positions are scored.
    pub n_seen: usize,
    /// Of the last positions, `(n_rows, n_masked)`: nothing where a row sees one, minus infinity where
    /// it does not. `None` where all rows see them all, as they do those before.
    pub mask: Option<Tensor>,
}

/// The tiles of a span of `n_rows` rows behind `base` positions.
///
/// # Errors
/// If the device refuses.
pub fn tiles(
    order: Order<'_>,
    base: usize,
    n_rows: usize,
    device: &TensorDevice,
) -> Result<Vec<Tile>> {
    let Order::Tree(parents) = order else {
        return (0..n_rows)
            .step_by(ROWS_TOGETHER)
            .map(|start| {
                let rows = start..n_rows.min(start + ROWS_TOGETHER);
                let n_seen = base + rows.end;
                let n_before = if rows.len() < ROWS_MASKED_WHOLE { base + start } else { 0 };
                let mask = (rows.len() > 1).then(|| causal(n_before, rows.len(), device));
                Ok(Tile { rows, n_seen, mask: mask.transpose()? })
            })
            .collect();
    };
    let mask = Some(of_paths(parents, base, device)?);
    Ok(vec![Tile { rows: 0..n_rows, n_seen: base + n_rows, mask }])
}

/// Rows that follow each other behind some positions: each sees itself and all before it.
fn causal(n_before: usize, n_rows: usize, device: &TensorDevice) -> Result<Tensor> {
    let positions = Tensor::arange(0, (n_before + n_rows) as u32, &device.candle)?;
    up_to(&positions.narrow(0, n_before, n_rows)?, &positions, device)
}

/// Rows that see all up to a position.
///
/// * `last`: `(n_rows)`, the last position that each row sees.
/// * `all`: `(n_seen)`, the positions there are.
///
/// # Errors
/// If the device refuses.
pub fn up_to(last: &Tensor, all: &Tensor, device: &TensorDevice) -> Result<Tensor> {
    let is_seen = all.unsqueeze(0)?.broadcast_le(&last.unsqueeze(1)?)?;
    let constant = |value: f32| {
        let value = Tensor::new(value, &device.candle)?.to_dtype(device.dtype)?;
        value.broadcast_as(is_seen.shape())
    };
    is_seen.where_cond(&constant(0.0)?, &constant(f32::NEG_INFINITY)?)
}

/// Rows of a tree: each sees what stood before, itself, and those it follows.
fn of_paths(parents: &[usize], base: usize, device: &TensorDevice) -> Result<Tensor> {
    let n_rows = parents.len() + 1;
    let mut block = vec![f32::NEG_INFINITY; n_rows * n_rows];
    for row in 0..n_rows {
        let mut seen = row;
        block[row * n_rows] = 0.0;
        while seen > 0 {
            block[row * n_rows + seen] = 0.0;
            seen = parents[seen - 1];
        }
    }
    let block = Tensor::from_vec(block, (n_rows, n_rows), &device.candle)?;
    let mask = if base == 0 {
        block
    } else {
        let before = Tensor::zeros((n_rows, base), DType::F32, &device.candle)?;
        Tensor::cat(&[before, block], 1)?
    };
    mask.to_dtype(device.dtype)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the rows see, as lists of positions.
    fn seen(order: Order<'_>, base: usize, n_rows: usize) -> Vec<Vec<usize>> {
        let tiles = tiles(order, base, n_rows, &TensorDevice::cpu()).unwrap();
        let of_tile = |tile: &Tile| match &tile.mask {
            None => vec![(0..tile.n_seen).collect(); tile.rows.len()],
            Some(mask) => {
                let rows = mask.to_vec2::<f32>().unwrap();
                let n_common = tile.n_seen - rows[0].len();
                let seen = |row: Vec<f32>| {
                    let last = (0..row.len()).filter(|i| row[*i] == 0.0).map(|i| n_common + i);
                    (0..n_common).chain(last).collect()
                };
                rows.into_iter().map(seen).collect::<Vec<_>>()
            }
        };
        tiles.iter().flat_map(of_tile).collect()
    }

    #[test]
    fn a_row_of_a_chain_sees_all_up_to_itself() {
        for (base, n_rows) in [(0, 1), (0, 5), (7, 1), (7, 4), (3, ROWS_TOGETHER + 2)] {
            let expected: Vec<Vec<usize>> =
                (0..n_rows).map(|row| (0..=base + row).collect()).collect();
            assert_eq!(seen(Order::Chain, base, n_rows), expected, "{n_rows} behind {base}");
        }
    }

    #[test]
    fn a_row_of_a_tree_sees_its_path() {
        let expected: [&[usize]; 5] =
            [&[0, 1, 2], &[0, 1, 2, 3], &[0, 1, 2, 4], &[0, 1, 2, 3, 5], &[0, 1, 2, 4, 6]];
        assert_eq!(seen(Order::Tree(&[0, 0, 1, 2]), 2, 5), expected);
        assert_eq!(seen(Order::Tree(&[0]), 0, 2), [vec![0], vec![0, 1]]);
    }
}

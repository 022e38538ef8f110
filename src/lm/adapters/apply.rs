//! What adapters add to the rows of a pass.
//!
//! An adapter's product is computed for all rows that want it at once, and added to each row in the
//! order of the row's own set. Plain products are row-exact, so a row's bits do not depend on who
//! else is in the pass, or which adapters they have.

use super::{Adapter, AdapterSet, Input};
use crate::nn::kernels::{Activations, Instructions, Matrix, Pool, add};

/// The rows of a pass that an adapter changes.
#[derive(Debug)]
pub struct RowsOfAdapter<'a> {
    adapter: &'a Adapter,
    /// Each row's place in the pass, ascending, and the factor that it wants.
    rows: Vec<(usize, f32)>,
    /// Whether those are all rows of the pass.
    is_all: bool,
}

/// Buffers that passes use again and again.
#[derive(Debug, Default)]
pub struct AdapterScratch {
    gathered: Activations,
    shrunk: Vec<f32>,
    weighted: Activations,
    change: Vec<f32>,
}

impl AdapterScratch {
    /// Bytes set aside.
    pub fn n_bytes(&self) -> u64 {
        let n_values = self.shrunk.capacity() + self.change.capacity();
        (n_values * size_of::<f32>()) as u64 + self.gathered.n_bytes() + self.weighted.n_bytes()
    }
}

/// Finds the rows of each adapter, given how many rows in turn have which set.
///
/// The adapters come in an order that agrees with that of every set.
pub fn rows_by_adapter<'a>(
    spans: impl Iterator<Item = (usize, &'a AdapterSet)>,
) -> Vec<RowsOfAdapter<'a>> {
    let mut found: Vec<RowsOfAdapter<'a>> = Vec::new();
    let mut first_row = 0;
    for (n_rows, set) in spans {
        for (adapter, scale) in set.iter() {
            let rows = (first_row..first_row + n_rows).map(|row| (row, scale));
            match found.iter_mut().find(|it| it.adapter.serial() == adapter.serial()) {
                Some(it) => it.rows.extend(rows),
                None => found.push(RowsOfAdapter { adapter, rows: rows.collect(), is_all: false }),
            }
        }
        first_row += n_rows;
    }
    found.sort_by_key(|it| (it.adapter.name(), it.adapter.serial()));
    for it in &mut found {
        it.is_all = it.rows.len() == first_row;
    }
    found
}

/// Adds what adapters make of an input to the outputs of the linear layers that read it.
///
/// * `inputs`: `(n_rows, n_in)`.
/// * `outputs`: `(n_rows, n_out)` each, in the order of [`Input`]'s layers.
pub fn apply<const N: usize>(
    changes: &[RowsOfAdapter<'_>],
    (layer_idx, input): (usize, Input),
    (pool, instructions): (&Pool, Instructions),
    inputs: &Activations,
    mut outputs: [&mut [f32]; N],
    scratch: &mut AdapterScratch,
) {
    let n_in = inputs.n_in();
    let AdapterScratch { gathered, shrunk, weighted, change } = scratch;
    for RowsOfAdapter { adapter, rows, is_all } in changes {
        let Some(site) = adapter.site(layer_idx, input) else { continue };
        let inputs = if *is_all {
            inputs
        } else {
            let values = inputs.values();
            let row = |(row, _): &(usize, f32)| &values[row * n_in..][..n_in];
            gathered.assign_plain(rows.iter().flat_map(row).copied(), n_in);
            &*gathered
        };
        let n_ranks = site.shrink.n_out();
        shrunk.resize(rows.len() * n_ranks, 0.0);
        Matrix::multiply(pool, instructions, inputs, [(&site.shrink, &mut shrunk[..])]);
        for branch in &site.branches {
            let of_rows =
                shrunk.chunks_exact(n_ranks).zip(rows).flat_map(|(shrunk, (_, scale))| {
                    let factor = branch.scale * scale;
                    shrunk[branch.ranks.clone()].iter().map(move |value| value * factor)
                });
            weighted.assign_plain(of_rows, branch.ranks.len());
            let n_out = branch.expand.n_out();
            change.resize(rows.len() * n_out, 0.0);
            Matrix::multiply(pool, instructions, weighted, [(&branch.expand, &mut change[..])]);
            let output = &mut outputs[branch.output_idx];
            for ((row, _), change) in rows.iter().zip(change.chunks_exact(n_out)) {
                add(&mut output[row * n_out..][..n_out], change);
            }
        }
    }
}

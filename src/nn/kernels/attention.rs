//! Causal attention of one row over a half-precision key/value cache.
//!
//! Query heads that share a key/value head (grouped-query attention,
//! <https://arxiv.org/abs/2305.13245>) are taken up to four at a time and share its reading. Each
//! position's score adds up over the dimensions in order, each output dimension over the positions
//! in order, so a row's result depends on nothing but the row and the cache before it.

use half::f16;

use super::{Instructions, portable};

/// Positions whose keys lie interleaved: one vector register of scores.
pub const POSITIONS_PER_BLOCK: usize = 8;

/// Dimensions that one pass over the values adds up.
pub const DIMS_PER_PASS: usize = 16;

/// Keys and values of one layer.
#[derive(Debug, Clone, Copy)]
pub struct KeyValues<'a> {
    /// `(n_positions / 8, n_kv_heads, head_dim, 8)`.
    pub keys: &'a [f16],
    /// `(n_positions, n_kv_heads, head_dim)`.
    pub values: &'a [f16],
    /// Heads that keys and values have.
    pub n_kv_heads: usize,
    /// Dimensions of a head, a multiple of 16.
    pub head_dim: usize,
}

/// Buffers that [`attend`] uses again and again.
#[derive(Debug, Default)]
pub struct AttentionScratch {
    scores: Vec<f32>,
}

/// What one row sees of the first `n_positions` of the cache.
///
/// * `query`: `(n_heads, head_dim)`, and so is `out`.
///
/// # Panics
/// If the heads cannot be shared evenly, or the cache is shorter than `n_positions`.
pub fn attend(
    instructions: Instructions,
    query: &[f32],
    cache: KeyValues<'_>,
    n_positions: usize,
    scratch: &mut AttentionScratch,
    out: &mut [f32],
) {
    let KeyValues { n_kv_heads, head_dim, .. } = cache;
    let group = query.len() / n_kv_heads;
    assert!(
        group * n_kv_heads == query.len() && group.is_multiple_of(head_dim),
        "query heads share key/value heads evenly"
    );
    assert!(head_dim.is_multiple_of(DIMS_PER_PASS), "a head is made of whole registers");
    let groups = query.chunks_exact(group).zip(out.chunks_exact_mut(group));
    for (idx, (queries, out)) in groups.enumerate() {
        let head = Head { instructions, cache, idx, n_positions };
        for (queries, out) in queries.chunks(4 * head_dim).zip(out.chunks_mut(4 * head_dim)) {
            match queries.len() / head_dim {
                1 => head.attend::<1>(queries, scratch, out),
                2 => head.attend::<2>(queries, scratch, out),
                3 => head.attend::<3>(queries, scratch, out),
                _ => head.attend::<4>(queries, scratch, out),
            }
        }
    }
}

/// One key/value head and how much of it is seen.
struct Head<'a> {
    instructions: Instructions,
    cache: KeyValues<'a>,
    idx: usize,
    n_positions: usize,
}

impl Head<'_> {
    fn attend<const QUERIES: usize>(
        &self,
        queries: &[f32],
        scratch: &mut AttentionScratch,
        out: &mut [f32],
    ) {
        let KeyValues { n_kv_heads, head_dim, values, .. } = self.cache;
        let padded = self.n_positions.next_multiple_of(POSITIONS_PER_BLOCK);
        scratch.scores.resize(QUERIES * padded, 0.0);
        self.score::<QUERIES>(queries, padded, &mut scratch.scores);

        let mut sums = [0.0; QUERIES];
        for (sum, scores) in sums.iter_mut().zip(scratch.scores.chunks_exact_mut(padded)) {
            let scores = &mut scores[..self.n_positions];
            *sum = match self.instructions {
                Instructions::Portable => portable::exponentials(scores),
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx2(avx2) => avx2.exponentials(scores),
            };
        }

        let weights: [&[f32]; QUERIES] =
            std::array::from_fn(|i| &scratch.scores[i * padded..][..self.n_positions]);
        let stride = n_kv_heads * head_dim;
        for dim in (0..head_dim).step_by(DIMS_PER_PASS) {
            let at = self.idx * head_dim + dim;
            let seen = match self.instructions {
                Instructions::Portable => portable::weighted_sum(values, stride, at, &weights),
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx2(avx2) => avx2.weighted_sum(values, stride, at, &weights),
            };
            for ((out, seen), sum) in out.chunks_exact_mut(head_dim).zip(seen).zip(sums) {
                for (out, seen) in out[dim..dim + DIMS_PER_PASS].iter_mut().zip(seen) {
                    *out = seen / sum;
                }
            }
        }
    }

    /// `q · k / sqrt(head_dim)` of each query with each position, `padded` numbers to a query.
    fn score<const QUERIES: usize>(&self, queries: &[f32], padded: usize, scores: &mut [f32]) {
        let KeyValues { n_kv_heads, head_dim, keys, .. } = self.cache;
        let scale = 1.0 / (head_dim as f32).sqrt();
        let interleaved: Vec<[f32; QUERIES]> = (0..head_dim)
            .map(|dim| std::array::from_fn(|i| queries[i * head_dim + dim] * scale))
            .collect();
        let head_len = head_dim * POSITIONS_PER_BLOCK;
        let blocks = keys.chunks_exact(n_kv_heads * head_len);
        for (block_idx, block) in blocks.take(padded / POSITIONS_PER_BLOCK).enumerate() {
            let keys = block[self.idx * head_len..][..head_len].as_chunks().0;
            let found = match self.instructions {
                Instructions::Portable => portable::scores(keys, &interleaved),
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx2(avx2) => avx2.scores(keys, &interleaved),
            };
            for (scores, found) in scores.chunks_exact_mut(padded).zip(found) {
                scores[block_idx * POSITIONS_PER_BLOCK..][..POSITIONS_PER_BLOCK]
                    .copy_from_slice(&found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD_DIM: usize = 16;

    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    /// Softmax attention as the paper writes it, in double precision, for one query head.
    fn oracle(query: &[f32], keys: &[Vec<f16>], values: &[Vec<f16>]) -> Vec<f64> {
        let scores: Vec<f64> = keys
            .iter()
            .map(|key| {
                let dot: f64 = query.iter().zip(key).map(|(q, k)| f64::from(*q) * k.to_f64()).sum();
                dot / (HEAD_DIM as f64).sqrt()
            })
            .collect();
        let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
        let sum: f64 = weights.iter().sum();
        (0..HEAD_DIM)
            .map(|dim| {
                values.iter().zip(&weights).map(|(value, w)| value[dim].to_f64() * w / sum).sum()
            })
            .collect()
    }

    proptest! {
        #[test]
        fn heads_see_what_softmax_shows_them(
            n_positions in 1usize..40,
            n_kv_heads in 1usize..4,
            group in 1usize..7,
            seed in 0usize..1000,
        ) {
            let row = n_kv_heads * HEAD_DIM;
            let n_blocks = n_positions.div_ceil(POSITIONS_PER_BLOCK);
            let key_rows: Vec<f16> = numbers(n_positions * row, seed).into_iter().map(f16::from_f32).collect();
            let values: Vec<f16> = numbers(n_positions * row, seed + 1).into_iter().map(f16::from_f32).collect();
            // What a longer sequence left in the cache must not be seen.
            let mut keys = vec![f16::from_f32(9.0); n_blocks * row * POSITIONS_PER_BLOCK];
            for (position, key) in key_rows.chunks(row).enumerate() {
                let (block, lane) = (position / POSITIONS_PER_BLOCK, position % POSITIONS_PER_BLOCK);
                for (i, k) in key.iter().enumerate() {
                    keys[(block * row + i) * POSITIONS_PER_BLOCK + lane] = *k;
                }
            }
            let query = numbers(row * group, seed + 2);
            let cache = KeyValues { keys: &keys, values: &values, n_kv_heads, head_dim: HEAD_DIM };
            let mut scratch = AttentionScratch::default();
            let mut best = vec![0.0; query.len()];
            let mut plain = best.clone();
            attend(Instructions::best(), &query, cache, n_positions, &mut scratch, &mut best);
            attend(Instructions::Portable, &query, cache, n_positions, &mut scratch, &mut plain);
            prop_assert_eq!(&best, &plain);

            for (head, out) in best.chunks(HEAD_DIM).enumerate() {
                let at = head / group * HEAD_DIM;
                let of_head = |rows: &[f16]| -> Vec<Vec<f16>> {
                    rows.chunks(row).map(|row| row[at..at + HEAD_DIM].to_vec()).collect()
                };
                let expected = oracle(&query[head * HEAD_DIM..][..HEAD_DIM], &of_head(&key_rows), &of_head(&values));
                for (got, expected) in out.iter().zip(expected) {
                    prop_assert!((f64::from(*got) - expected).abs() < 1e-5, "{} is not {}", got, expected);
                }
            }
        }
    }
}

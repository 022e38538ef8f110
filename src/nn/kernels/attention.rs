//! Causal attention of rows of one sequence over its half-precision key/value cache.
//!
//! Query heads that share a key/value head (grouped-query attention,
//! <https://arxiv.org/abs/2305.13245>) share its reading, and so do rows that are taken together.
//! Each position's score adds up over the dimensions in order, the softmax over what a row sees in
//! order, each output dimension over the positions in order. So a row's result depends on nothing
//! but the row and what it sees: not on the rows beside it, and not on the places in the cache where
//! drafted tokens stand.

use half::f16;

use super::{
    Instructions,
    pool::{ColumnBlock, Columns, Pool},
    portable,
};

/// Positions whose keys lie interleaved: one vector register of scores.
pub const POSITIONS_PER_BLOCK: usize = 8;

/// Dimensions of a head come in multiples of this.
pub const DIMS_PER_PASS: usize = 16;

/// Queries that share one reading of the cache. More would not fit the second-level cache with
/// their scores.
const QUERIES_PER_BUNDLE: usize = 24;

/// Positions whose keys or values of one head stay in the first-level cache while all queries of a
/// bundle meet them.
const POSITIONS_PER_STRETCH: usize = 96;

/// How much a thread does at a time at least.
const MULTIPLICATIONS_PER_CHUNK: usize = 100_000;

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

/// What a row sees of the cache, itself included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight<'a> {
    /// Positions that are seen from the first on.
    pub n_positions: usize,
    /// Positions that are seen beyond those, ascending: of a tree of drafts, the row's ancestors.
    pub beyond: &'a [usize],
}

impl Sight<'_> {
    /// The first positions and no other: a row of plain text sees its own and all before it.
    pub fn first(n_positions: usize) -> Self {
        Self { n_positions, beyond: &[] }
    }

    /// How many positions are seen.
    fn n_seen(&self) -> usize {
        self.n_positions + self.beyond.len()
    }

    /// Where the last seen position ends.
    fn end(&self) -> usize {
        self.beyond.last().map_or(self.n_positions, |last| last + 1)
    }
}

/// Buffers that [`attend`] uses again and again.
#[derive(Debug, Default)]
pub struct AttentionScratch {
    of_threads: Vec<ThreadScratch>,
}

/// What one thread uses.
#[derive(Debug, Default)]
struct ThreadScratch {
    /// Scaled queries; those of a tile lie interleaved.
    queries: Vec<f32>,
    /// `(n_queries, n_positions)`, positions padded to whole blocks.
    scores: Vec<f32>,
    /// What a query's weights add up to.
    totals: Vec<f32>,
    /// `(n_queries, head_dim)`.
    sums: Vec<f32>,
}

impl AttentionScratch {
    /// Bytes set aside.
    pub fn n_bytes(&self) -> u64 {
        let n_values = |ThreadScratch { queries, scores, totals, sums }: &ThreadScratch| {
            queries.capacity() + scores.capacity() + totals.capacity() + sums.capacity()
        };
        (self.of_threads.iter().map(n_values).sum::<usize>() * size_of::<f32>()) as u64
    }
}

/// What each row sees of the cache; heads and bundles of rows are shared among the threads of
/// `pool`.
///
/// * `queries`: `(n_rows, n_heads, head_dim)`, and so is `out`.
/// * `sights`: of each row, what it sees.
///
/// # Panics
/// If the heads cannot be shared evenly, a row sees nothing, or the cache is shorter than a sight.
pub fn attend(
    pool: &Pool,
    instructions: Instructions,
    queries: &[f32],
    cache: KeyValues<'_>,
    sights: &[Sight<'_>],
    scratch: &mut AttentionScratch,
    out: &mut [f32],
) {
    let KeyValues { n_kv_heads, head_dim, .. } = cache;
    assert!(head_dim.is_multiple_of(DIMS_PER_PASS), "a head is made of whole registers");
    assert!(sights.iter().all(|sight| sight.n_seen() > 0), "a row sees itself at least");
    assert_eq!(queries.len(), out.len(), "every query has an output");
    let row_len = queries.len().checked_div(sights.len()).unwrap_or(0);
    let group = row_len / (n_kv_heads * head_dim);
    assert_eq!(
        group * n_kv_heads * head_dim * sights.len(),
        queries.len(),
        "query heads share key/value heads evenly"
    );
    let n_rows = (QUERIES_PER_BUNDLE / group.max(1)).max(1);
    let bundles: Vec<_> =
        sights.chunks(n_rows).zip(queries.chunks((n_rows * row_len).max(1))).collect();
    let outs = out.chunks_mut((n_rows * row_len).max(1)).zip(&bundles).map(|(out, (sights, _))| {
        let n_seen = sights.iter().map(Sight::n_seen).sum::<usize>();
        let per_head = 2 * n_seen * group * head_dim;
        let n_heads = MULTIPLICATIONS_PER_CHUNK.div_ceil(per_head).min(n_kv_heads);
        Columns { out, width: row_len, block_len: n_heads * group * head_dim }
    });
    let of_threads = &mut scratch.of_threads;
    of_threads.resize_with(of_threads.len().max(pool.n_threads()), ThreadScratch::default);
    pool.each_column_block(outs, of_threads, |bundle_idx, mut block, scratch| {
        let (sights, queries) = bundles[bundle_idx];
        let heads = block.first() / (group * head_dim)..;
        for idx in heads.take(block.len() / (group * head_dim)) {
            let bundle = Bundle { instructions, cache, idx, group, sights };
            bundle.attend(queries, scratch, &mut block);
        }
    });
}

/// Rows that share one reading of a key/value head.
struct Bundle<'a> {
    instructions: Instructions,
    cache: KeyValues<'a>,
    /// Which key/value head.
    idx: usize,
    /// Query heads that share it.
    group: usize,
    sights: &'a [Sight<'a>],
}

impl Bundle<'_> {
    fn attend(&self, queries: &[f32], scratch: &mut ThreadScratch, out: &mut ColumnBlock<'_>) {
        let ThreadScratch { queries: interleaved, scores, totals, sums } = scratch;
        let end = self.sights.iter().map(Sight::end).max().unwrap_or(0);
        let padded = end.next_multiple_of(POSITIONS_PER_BLOCK);
        let n_queries = self.sights.len() * self.group;
        let n_scores = n_queries * padded;
        if scores.len() < n_scores {
            scores.resize(n_scores, 0.0);
        }
        let scores = &mut scores[..n_scores];
        self.interleave(queries, interleaved);
        self.score(interleaved, scores, padded);

        totals.clear();
        let of_rows = scores.chunks_exact_mut(self.group * padded);
        for (sight, scores) in self.sights.iter().zip(of_rows) {
            for scores in scores.chunks_exact_mut(padded) {
                // What is seen moves together, so that a softmax is the same wherever it stands.
                for (k, position) in sight.beyond.iter().enumerate() {
                    scores[sight.n_positions + k] = scores[*position];
                }
                let scores = &mut scores[..sight.n_seen()];
                totals.push(match self.instructions {
                    Instructions::Portable => portable::exponentials(scores),
                    #[cfg(target_arch = "x86_64")]
                    Instructions::Avx2(avx2) => avx2.exponentials(scores),
                    #[cfg(target_arch = "x86_64")]
                    Instructions::Avx512(avx512) => avx512.avx2.exponentials(scores),
                    #[cfg(target_arch = "aarch64")]
                    Instructions::Neon(neon) => neon.exponentials(scores),
                });
            }
        }

        sums.clear();
        sums.resize(n_queries * self.cache.head_dim, 0.0);
        self.add_values(scores, padded, sums);
        let head_dim = self.cache.head_dim;
        let at = self.idx * self.group * head_dim - out.first();
        let found = sums.chunks_exact(self.group * head_dim).zip(totals.chunks_exact(self.group));
        for (row_idx, (sums, totals)) in found.enumerate() {
            let out = out.row(row_idx)[at..].chunks_exact_mut(head_dim);
            for ((out, sums), total) in out.zip(sums.chunks_exact(head_dim)).zip(totals) {
                for (out, sum) in out.iter_mut().zip(sums) {
                    *out = sum / *total;
                }
            }
        }
    }

    /// Where each query of the head begins among those of all heads.
    fn places(&self) -> impl Iterator<Item = usize> {
        let KeyValues { n_kv_heads, head_dim, .. } = self.cache;
        let (idx, group) = (self.idx, self.group);
        (0..self.sights.len()).flat_map(move |row_idx| {
            let first = (row_idx * n_kv_heads + idx) * group;
            (first..first + group).map(move |head_idx| head_idx * head_dim)
        })
    }

    /// Queries over `sqrt(head_dim)`, those of each tile interleaved: `(head_dim, n_tile)`.
    fn interleave(&self, queries: &[f32], interleaved: &mut Vec<f32>) {
        let head_dim = self.cache.head_dim;
        let scale = 1.0 / (head_dim as f32).sqrt();
        let mut places = self.places();
        interleaved.resize(self.sights.len() * self.group * head_dim, 0.0);
        for (first, n_tile) in tiles(self.sights.len() * self.group) {
            let tile = &mut interleaved[first * head_dim..][..n_tile * head_dim];
            for (i, at) in (&mut places).take(n_tile).enumerate() {
                let placed = tile[i..].iter_mut().step_by(n_tile);
                for (placed, query) in placed.zip(&queries[at..at + head_dim]) {
                    *placed = query * scale;
                }
            }
        }
    }

    /// `q · k / sqrt(head_dim)` of every query with every position, `padded` numbers to a query.
    fn score(&self, interleaved: &[f32], scores: &mut [f32], padded: usize) {
        let KeyValues { keys, n_kv_heads, head_dim, .. } = self.cache;
        let head_len = head_dim * POSITIONS_PER_BLOCK;
        let keys = &keys[self.idx * head_len..];
        for first in (0..padded).step_by(POSITIONS_PER_STRETCH) {
            let stride = n_kv_heads * head_len;
            let keys = &keys[first / POSITIONS_PER_BLOCK * stride..];
            let n_positions = POSITIONS_PER_STRETCH.min(padded - first);
            for (tile, n_tile) in tiles(self.sights.len() * self.group) {
                let queries = &interleaved[tile * head_dim..][..n_tile * head_dim];
                let scores = &mut scores[tile * padded + first..];
                let stretch = KeyStretch { keys, stride, n_positions };
                match n_tile {
                    1 => self.score_tile::<1>(stretch, queries, scores, padded),
                    2 => self.score_tile::<2>(stretch, queries, scores, padded),
                    3 => self.score_tile::<3>(stretch, queries, scores, padded),
                    4 => self.score_tile::<4>(stretch, queries, scores, padded),
                    _ => self.score_tile::<6>(stretch, queries, scores, padded),
                }
            }
        }
    }

    fn score_tile<const QUERIES: usize>(
        &self,
        keys: KeyStretch<'_>,
        queries: &[f32],
        scores: &mut [f32],
        padded: usize,
    ) {
        let queries = queries.as_chunks::<QUERIES>().0;
        match self.instructions {
            Instructions::Portable => portable::scores(keys, queries, scores, padded),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(avx2) => avx2.scores(keys, queries, scores, padded),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(avx512) => avx512.avx2.scores(keys, queries, scores, padded),
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon(neon) => neon.scores(keys, queries, scores, padded),
        }
    }

    /// Adds up weight times value: first what all rows see, then what is each row's own.
    fn add_values(&self, weights: &[f32], padded: usize, sums: &mut [f32]) {
        let n_shared = self.sights.iter().map(|sight| sight.n_positions).min().unwrap_or(0);
        for first in (0..n_shared).step_by(POSITIONS_PER_STRETCH) {
            let n_positions = POSITIONS_PER_STRETCH.min(n_shared - first);
            self.add_stretch(first, n_positions, &weights[first..], padded, sums);
        }
        let rows = weights.chunks(self.group * padded);
        let sums = sums.chunks_exact_mut(self.group * self.cache.head_dim);
        for ((sight, weights), sums) in self.sights.iter().zip(rows).zip(sums) {
            let n_own = sight.n_positions - n_shared;
            if n_own > 0 {
                self.add_stretch(n_shared, n_own, &weights[n_shared..], padded, sums);
            }
            for (k, position) in sight.beyond.iter().enumerate() {
                self.add_stretch(*position, 1, &weights[sight.n_positions + k..], padded, sums);
            }
        }
    }

    /// Adds the values of some positions to as many queries as `sums` holds.
    fn add_stretch(
        &self,
        first: usize,
        n_positions: usize,
        weights: &[f32],
        padded: usize,
        sums: &mut [f32],
    ) {
        let KeyValues { values, n_kv_heads, head_dim, .. } = self.cache;
        let stride = n_kv_heads * head_dim;
        let values = &values[first * stride + self.idx * head_dim..];
        for (tile, n_tile) in tiles(sums.len() / head_dim) {
            let sums = &mut sums[tile * head_dim..][..n_tile * head_dim];
            let weights = &weights[tile * padded..];
            let stretch = ValueStretch { values, stride, n_positions };
            match n_tile {
                1 => self.add_tile::<1>(stretch, weights, padded, sums),
                2 => self.add_tile::<2>(stretch, weights, padded, sums),
                3 => self.add_tile::<3>(stretch, weights, padded, sums),
                4 => self.add_tile::<4>(stretch, weights, padded, sums),
                _ => self.add_tile::<6>(stretch, weights, padded, sums),
            }
        }
    }

    fn add_tile<const QUERIES: usize>(
        &self,
        values: ValueStretch<'_>,
        weights: &[f32],
        padded: usize,
        sums: &mut [f32],
    ) {
        let weights: [&[f32]; QUERIES] =
            std::array::from_fn(|i| &weights[i * padded..][..values.n_positions]);
        match self.instructions {
            Instructions::Portable => portable::weighted_sum(values, weights, sums),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(avx2) => avx2.weighted_sum(values, weights, sums),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(avx512) => avx512.avx2.weighted_sum(values, weights, sums),
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon(neon) => neon.weighted_sum(values, weights, sums),
        }
    }
}

/// Keys of one head at some positions.
#[derive(Debug, Clone, Copy)]
pub struct KeyStretch<'a> {
    /// Blocks of `(head_dim, 8)`, from the first position's on.
    pub keys: &'a [f16],
    /// From one block to the next.
    pub stride: usize,
    /// A multiple of 8.
    pub n_positions: usize,
}

/// Values of one head at some positions.
#[derive(Debug, Clone, Copy)]
pub struct ValueStretch<'a> {
    /// Rows of `head_dim`, from the first position's on.
    pub values: &'a [f16],
    /// From one row to the next.
    pub stride: usize,
    /// How many there are, one at least.
    pub n_positions: usize,
}

/// First and number of the queries that one call of a kernel takes: 6, 4, 3, 2 or 1.
fn tiles(n_queries: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let n_tile = match n_queries - first {
            0 => return None,
            5 => 3,
            left => left.min(6),
        };
        first += n_tile;
        Some((first - n_tile, n_tile))
    })
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

    fn halves(n: usize, seed: usize) -> Vec<f16> {
        numbers(n, seed).into_iter().map(f16::from_f32).collect()
    }

    /// Keys as the cache interleaves them.
    ///
    /// What a longer sequence left behind must not be seen, so it stands out.
    fn interleaved(keys: &[f16], row: usize) -> Vec<f16> {
        let n_blocks = (keys.len() / row).div_ceil(POSITIONS_PER_BLOCK);
        let mut interleaved = vec![f16::from_f32(9.0); n_blocks * row * POSITIONS_PER_BLOCK];
        for (position, key) in keys.chunks(row).enumerate() {
            let (block, lane) = (position / POSITIONS_PER_BLOCK, position % POSITIONS_PER_BLOCK);
            for (i, k) in key.iter().enumerate() {
                interleaved[(block * row + i) * POSITIONS_PER_BLOCK + lane] = *k;
            }
        }
        interleaved
    }

    fn seen(
        instructions: Instructions,
        queries: &[f32],
        cache: KeyValues<'_>,
        sights: &[Sight<'_>],
    ) -> Vec<f32> {
        seen_by(&Pool::single(), instructions, queries, cache, sights)
    }

    fn seen_by(
        pool: &Pool,
        instructions: Instructions,
        queries: &[f32],
        cache: KeyValues<'_>,
        sights: &[Sight<'_>],
    ) -> Vec<f32> {
        let mut out = vec![f32::NAN; queries.len()];
        attend(
            pool,
            instructions,
            queries,
            cache,
            sights,
            &mut AttentionScratch::default(),
            &mut out,
        );
        out
    }

    #[test]
    fn threads_change_no_bit() {
        let pool = Pool::new(std::num::NonZeroUsize::new(3).unwrap()).unwrap();
        let (n_kv_heads, group) = (3, 5);
        let row = n_kv_heads * HEAD_DIM;
        for (n_positions, n_rows) in [(900, 1), (30, 20), (400, 31)] {
            let keys = interleaved(&halves(n_positions * row, 1), row);
            let values = halves(n_positions * row, 2);
            let queries = numbers(n_rows * row * group, 3);
            let cache = KeyValues { keys: &keys, values: &values, n_kv_heads, head_dim: HEAD_DIM };
            let sights: Vec<Sight<'_>> =
                (0..n_rows).map(|i| Sight::first(n_positions - n_rows + i + 1)).collect();
            let instructions = Instructions::best();
            let alone = seen(instructions, &queries, cache, &sights);
            assert_eq!(seen_by(&pool, instructions, &queries, cache, &sights), alone);
        }
    }

    proptest! {
        #[test]
        fn heads_see_what_softmax_shows_them(
            n_positions in 1usize..140,
            n_kv_heads in 1usize..4,
            group in 1usize..9,
            seed in 0usize..1000,
        ) {
            let row = n_kv_heads * HEAD_DIM;
            let key_rows = halves(n_positions * row, seed);
            let (keys, values) = (interleaved(&key_rows, row), halves(n_positions * row, seed + 1));
            let query = numbers(row * group, seed + 2);
            let cache = KeyValues { keys: &keys, values: &values, n_kv_heads, head_dim: HEAD_DIM };
            let found = seen(Instructions::best(), &query, cache, &[Sight::first(n_positions)]);
            for (head, out) in found.chunks(HEAD_DIM).enumerate() {
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

        #[test]
        fn a_row_in_company_sees_what_it_sees_alone(
            n_before in 0usize..220,
            n_rows in 1usize..14,
            n_kv_heads in 1usize..3,
            group in 1usize..9,
            dims in 1usize..5,
            seed in 0usize..1000,
        ) {
            let head_dim = dims * DIMS_PER_PASS;
            let row = n_kv_heads * head_dim;
            let n_positions = n_before + n_rows;
            let keys = interleaved(&halves(n_positions * row, seed), row);
            let values = halves(n_positions * row, seed + 1);
            let queries = numbers(n_rows * row * group, seed + 2);
            let cache = KeyValues { keys: &keys, values: &values, n_kv_heads, head_dim };
            let sights: Vec<Sight<'_>> =
                (n_before..n_positions).map(|position| Sight::first(position + 1)).collect();
            let together = seen(Instructions::best(), &queries, cache, &sights);
            let of_rows = queries.chunks(row * group).zip(together.chunks(row * group));
            for (sight, (query, together)) in sights.iter().zip(of_rows) {
                for instructions in [Instructions::best(), Instructions::Portable] {
                    prop_assert_eq!(&seen(instructions, query, cache, &[*sight])[..], together);
                }
            }
        }

        #[test]
        fn a_branch_of_a_tree_sees_what_it_sees_in_line(
            n_before in 0usize..60,
            parents in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
            seed in 0usize..1000,
        ) {
            let (n_kv_heads, group) = (2, 3);
            let row = n_kv_heads * HEAD_DIM;
            // Node 0 is the root; every other hangs below an earlier one.
            let n_rows = parents.len() + 1;
            let mut branches: Vec<Vec<usize>> = vec![vec![n_before]];
            for (i, parent) in parents.iter().enumerate() {
                let mut branch = branches[parent.index(i + 1)].clone();
                branch.push(n_before + i + 1);
                branches.push(branch);
            }
            let key_rows = halves((n_before + n_rows) * row, seed);
            let values = halves((n_before + n_rows) * row, seed + 1);
            let queries = numbers(n_rows * row * group, seed + 2);
            let sights: Vec<Sight<'_>> = branches
                .iter()
                .map(|branch| Sight { n_positions: n_before, beyond: branch })
                .collect();
            let keys = interleaved(&key_rows, row);
            let cache = KeyValues { keys: &keys, values: &values, n_kv_heads, head_dim: HEAD_DIM };
            let together = seen(Instructions::best(), &queries, cache, &sights);
            for (i, branch) in branches.iter().enumerate() {
                let in_line = |rows: &[f16]| -> Vec<f16> {
                    let positions = (0..n_before).chain(branch.iter().copied());
                    positions.flat_map(|position| rows[position * row..][..row].to_vec()).collect()
                };
                let (keys, values) = (interleaved(&in_line(&key_rows), row), in_line(&values));
                let cache = KeyValues { keys: &keys, values: &values, ..cache };
                let query = &queries[i * row * group..][..row * group];
                let alone = seen(
                    Instructions::Portable,
                    query,
                    cache,
                    &[Sight::first(n_before + branch.len())],
                );
                prop_assert_eq!(&together[i * row * group..][..row * group], &alone[..]);
            }
        }
    }
}

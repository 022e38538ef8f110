//! A weight matrix as a GGUF file stores it, and its product with rows of activations.
//!
//! `Q4_1` and `Q8_0` weights meet activations of eight bits: whole-number products within a block
//! of 32, then `f32` sums over the blocks in the order of the inputs. `F32` weights meet `f32`
//! activations. Four rows at a time share the reading and unpacking of a tile, so verifying three
//! drafted tokens beside the next one costs little more than the next one alone.

use super::{
    Activations, Instructions,
    activations::{ActivationBlock, BLOCK},
    packing::{self, Q4_1_BYTES, Q4Tile, Q8_0_BYTES, Q8Tile, TILE},
    pool::{ColumnBlock, Columns, Pool},
    portable,
};

/// How a file stores weights that this module multiplies as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightFormat {
    /// Plain numbers.
    F32,
    /// Four bits, a scale and a minimum for each 32.
    Q4_1,
    /// Eight bits and a scale for each 32.
    Q8_0,
}

impl WeightFormat {
    /// Bytes of a row of `n_in` weights; `None` if the format cannot store such a row.
    pub fn row_bytes(self, n_in: usize) -> Option<usize> {
        match self {
            Self::F32 => n_in.checked_mul(4),
            Self::Q4_1 if n_in.is_multiple_of(BLOCK) => (n_in / BLOCK).checked_mul(Q4_1_BYTES),
            Self::Q8_0 if n_in.is_multiple_of(BLOCK) => (n_in / BLOCK).checked_mul(Q8_0_BYTES),
            Self::Q4_1 | Self::Q8_0 => None,
        }
    }
}

#[derive(Debug)]
enum Tiles {
    F32(Vec<[f32; TILE]>),
    Q4_1(Vec<Q4Tile>),
    Q8_0(Vec<Q8Tile>),
}

/// `(n_out, n_in)` weights.
#[derive(Debug)]
pub struct Matrix {
    n_out: usize,
    n_in: usize,
    tiles: Tiles,
}

impl Matrix {
    /// Takes in the bytes of a tensor, little-endian, row after row.
    ///
    /// # Panics
    /// If `bytes` is not `n_out` rows of `n_in` weights in that format.
    pub fn from_bytes(format: WeightFormat, bytes: &[u8], n_out: usize, n_in: usize) -> Self {
        let row_bytes = format.row_bytes(n_in).expect("the caller asked for a storable row");
        assert_eq!(bytes.len(), n_out * row_bytes, "the caller read the whole tensor");
        let tiles = match format {
            WeightFormat::F32 => {
                let values: Vec<f32> =
                    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
                Tiles::F32(packing::pack_f32(&values, n_in))
            }
            WeightFormat::Q4_1 => Tiles::Q4_1(packing::pack_q4_1(bytes, n_in)),
            WeightFormat::Q8_0 => Tiles::Q8_0(packing::pack_q8_0(bytes, n_in)),
        };
        Self { n_out, n_in, tiles }
    }

    /// Takes in plain numbers, row after row.
    ///
    /// # Panics
    /// If `values` is not `n_out` rows of `n_in`.
    pub fn from_f32(values: &[f32], n_out: usize, n_in: usize) -> Self {
        assert_eq!(values.len(), n_out * n_in, "the caller read the whole tensor");
        Self { n_out, n_in, tiles: Tiles::F32(packing::pack_f32(values, n_in)) }
    }

    /// Outputs.
    pub fn n_out(&self) -> usize {
        self.n_out
    }

    /// Inputs.
    pub fn n_in(&self) -> usize {
        self.n_in
    }

    /// Bytes that the weights take in memory.
    pub fn n_bytes(&self) -> u64 {
        let n_bytes = match &self.tiles {
            Tiles::F32(tiles) => size_of_val(&tiles[..]),
            Tiles::Q4_1(tiles) => size_of_val(&tiles[..]),
            Tiles::Q8_0(tiles) => size_of_val(&tiles[..]),
        };
        n_bytes as u64
    }

    /// The weights of one output as plain numbers; of an embedding, one token's row.
    ///
    /// # Panics
    /// If there is no such row, or `out` is not `n_in` long.
    pub fn copy_row(&self, row_idx: usize, out: &mut [f32]) {
        assert!(row_idx < self.n_out && out.len() == self.n_in, "row {row_idx} of {}", self.n_out);
        let (tile_idx, output) = (row_idx / TILE, row_idx % TILE);
        for (input, out) in out.iter_mut().enumerate() {
            let block_idx = tile_idx * (self.n_in / BLOCK) + input / BLOCK;
            *out = match &self.tiles {
                Tiles::F32(vectors) => vectors[tile_idx * self.n_in + input][output],
                Tiles::Q4_1(tiles) => tiles[block_idx].weight(output, input % BLOCK),
                Tiles::Q8_0(tiles) => tiles[block_idx].weight(output, input % BLOCK),
            };
        }
    }

    /// `out = activations · weightsᵀ` of several matrices that have the same inputs, each
    /// `(n_rows, n_in)` to `(n_rows, n_out)`, shared among the threads of `pool`.
    ///
    /// # Panics
    /// If the shapes disagree.
    pub fn multiply<const N: usize>(
        pool: &Pool,
        instructions: Instructions,
        rows: &Activations,
        products: [(&Self, &mut [f32]); N],
    ) {
        for (matrix, out) in &products {
            assert_eq!(rows.n_in(), matrix.n_in, "inputs of the weights and of the activations");
            assert_eq!(out.len(), rows.n_rows() * matrix.n_out, "outputs of every row");
        }
        let matrices = products.each_ref().map(|(matrix, _)| *matrix);
        let outs = products.map(|(matrix, out)| {
            let block_len = matrix.outputs_per_chunk(rows.n_rows(), pool.n_threads());
            Columns { out, width: matrix.n_out, block_len }
        });
        let plain: Vec<&[f32]> = rows.rows().collect();
        let quantized: Vec<&[ActivationBlock]> = rows.quantized_rows().collect();
        let mut scratch = vec![(); pool.n_threads()];
        pool.each_column_block(outs, &mut scratch, |product_idx, block, ()| {
            let matrix = matrices[product_idx];
            let per_tile = matrix.n_in / BLOCK;
            match &matrix.tiles {
                Tiles::F32(tiles) => each_tile(instructions, tiles, matrix.n_in, &plain, block),
                Tiles::Q4_1(tiles) => each_tile(instructions, tiles, per_tile, &quantized, block),
                Tiles::Q8_0(tiles) => each_tile(instructions, tiles, per_tile, &quantized, block),
            }
        });
    }

    /// How many outputs a thread computes at a time: some microseconds' worth, so that threads
    /// finish together, but not so few that taking a chunk would be felt.
    fn outputs_per_chunk(&self, n_rows: usize, n_threads: usize) -> usize {
        const MULTIPLICATIONS: usize = 100_000;
        const CHUNKS_PER_THREAD: usize = 64;
        let per_tile = TILE * self.n_in * n_rows;
        let n_tiles = self.n_out.div_ceil(TILE);
        let enough = MULTIPLICATIONS.div_ceil(per_tile.max(1));
        TILE * enough.max(n_tiles / (CHUNKS_PER_THREAD * n_threads)).clamp(1, n_tiles.max(1))
    }
}

/// Multiplies each tile of a block with four rows at a time, as many sums as sixteen registers hold.
fn each_tile<T: Tile>(
    instructions: Instructions,
    tiles: &[T],
    per_tile: usize,
    rows: &[&[T::Input]],
    mut block: ColumnBlock<'_>,
) {
    let first_tile = block.first() / TILE * per_tile;
    let n_tiles = block.len().div_ceil(TILE) * per_tile;
    let tiles = tiles[first_tile..][..n_tiles].chunks_exact(per_tile);
    for (tile_idx, tile) in tiles.enumerate() {
        let first = tile_idx * TILE;
        let n_outputs = TILE.min(block.len() - first);
        let mut place = |row_idx: usize, sums: &[[f32; TILE]]| {
            for (i, sums) in sums.iter().enumerate() {
                block.row(row_idx + i)[first..][..n_outputs].copy_from_slice(&sums[..n_outputs]);
            }
        };
        let (quads, rest) = rows.as_chunks::<4>();
        for (quad_idx, quad) in quads.iter().enumerate() {
            place(4 * quad_idx, &T::products(instructions, tile, *quad));
        }
        let rest_idx = 4 * quads.len();
        match *rest {
            [a] => place(rest_idx, &T::products(instructions, tile, [a])),
            [a, b] => place(rest_idx, &T::products(instructions, tile, [a, b])),
            [a, b, c] => place(rest_idx, &T::products(instructions, tile, [a, b, c])),
            _ => (),
        }
    }
}

/// Weights of eight outputs, and how rows of inputs are multiplied with a run of them.
trait Tile: Sized {
    /// What a row is made of.
    type Input;

    /// Eight outputs of each row.
    fn products<const ROWS: usize>(
        instructions: Instructions,
        tiles: &[Self],
        rows: [&[Self::Input]; ROWS],
    ) -> [[f32; TILE]; ROWS];
}

impl Tile for [f32; TILE] {
    type Input = f32;

    fn products<const ROWS: usize>(
        instructions: Instructions,
        tiles: &[Self],
        rows: [&[f32]; ROWS],
    ) -> [[f32; TILE]; ROWS] {
        match instructions {
            Instructions::Portable => rows.map(|row| portable::f32(tiles, row)),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(avx2) => avx2.f32(tiles, rows),
        }
    }
}

impl Tile for Q4Tile {
    type Input = ActivationBlock;

    fn products<const ROWS: usize>(
        instructions: Instructions,
        tiles: &[Self],
        rows: [&[ActivationBlock]; ROWS],
    ) -> [[f32; TILE]; ROWS] {
        match instructions {
            Instructions::Portable => rows.map(|row| portable::q4_1(tiles, row)),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(avx2) => avx2.q4_1(tiles, rows),
        }
    }
}

impl Tile for Q8Tile {
    type Input = ActivationBlock;

    fn products<const ROWS: usize>(
        instructions: Instructions,
        tiles: &[Self],
        rows: [&[ActivationBlock]; ROWS],
    ) -> [[f32; TILE]; ROWS] {
        match instructions {
            Instructions::Portable => rows.map(|row| portable::q8_0(tiles, row)),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(avx2) => avx2.q8_0(tiles, rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;

    use candle_core::{
        Device, Tensor,
        quantized::{GgmlDType, QTensor},
    };
    use proptest::prelude::*;

    const FORMATS: [(WeightFormat, GgmlDType); 3] = [
        (WeightFormat::F32, GgmlDType::F32),
        (WeightFormat::Q4_1, GgmlDType::Q4_1),
        (WeightFormat::Q8_0, GgmlDType::Q8_0),
    ];

    /// Weights that look random; the seed shifts them.
    fn numbers(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
        (0..n)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state as f32 / u32::MAX as f32 * 2.0 - 1.0
            })
            .collect()
    }

    /// Our matrix, and the same weights as candle reads them.
    fn matrix(format: usize, n_out: usize, n_in: usize) -> (Matrix, Vec<f32>) {
        let weights =
            Tensor::from_vec(numbers(n_out * n_in, 7), (n_out, n_in), &Device::Cpu).unwrap();
        let stored = QTensor::quantize(&weights, FORMATS[format].1).unwrap();
        let bytes = stored.data().unwrap();
        let values = stored.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap();
        (Matrix::from_bytes(FORMATS[format].0, &bytes, n_out, n_in), values.to_vec1().unwrap())
    }

    fn product(matrix: &Matrix, instructions: Instructions, rows: &[f32]) -> Vec<f32> {
        let mut activations = Activations::default();
        activations.assign(instructions, rows, matrix.n_in());
        let mut out = vec![0.0; activations.n_rows() * matrix.n_out()];
        Matrix::multiply(&Pool::single(), instructions, &activations, [(matrix, &mut out)]);
        out
    }

    #[test]
    fn rows_read_back_as_candle_dequantizes_them() {
        for (format, name) in FORMATS.iter().enumerate() {
            let (matrix, expected) = matrix(format, 11, 64);
            for (row_idx, expected) in expected.chunks(64).enumerate() {
                let mut row = vec![0.0; 64];
                matrix.copy_row(row_idx, &mut row);
                assert_eq!(row, expected, "{name:?} row {row_idx}");
            }
        }
    }

    #[test]
    fn products_are_near_the_exact_ones() {
        for format in 0..FORMATS.len() {
            let (matrix, weights) = matrix(format, 19, 96);
            let rows = numbers(3 * 96, 3);
            let got = product(&matrix, Instructions::best(), &rows);
            for (got, (row, weights)) in got
                .iter()
                .zip(rows.chunks(96).flat_map(|row| weights.chunks(96).map(move |w| (row, w))))
            {
                let exact: f32 = row.iter().zip(weights).map(|(x, w)| x * w).sum();
                // Activations of eight bits are off by at most 1/254 of the block's highest.
                let tolerance = if format == 0 { 1e-4 } else { 96.0 / 254.0 };
                assert!((got - exact).abs() < tolerance, "{got} is not {exact}");
            }
        }
    }

    #[test]
    fn the_widest_quants_do_not_overflow() {
        let rows = vec![1.0; 32];
        let q4_1 = [[0, 60, 0, 0].as_slice(), &[0xFF; 16]].concat();
        let matrix = Matrix::from_bytes(WeightFormat::Q4_1, &q4_1, 1, 32);
        assert_eq!(
            product(&matrix, Instructions::best(), &rows),
            product(&matrix, Instructions::Portable, &rows)
        );
        let q8_0 = [[0, 60].as_slice(), &[0x80; 32]].concat();
        let matrix = Matrix::from_bytes(WeightFormat::Q8_0, &q8_0, 1, 32);
        assert_eq!(
            product(&matrix, Instructions::best(), &rows),
            product(&matrix, Instructions::Portable, &rows)
        );
    }

    #[test]
    fn threads_change_no_bit() {
        let pool = Pool::new(NonZeroUsize::new(3).unwrap()).unwrap();
        let instructions = Instructions::best();
        for format in 0..FORMATS.len() {
            let (wide, narrow) = (matrix(format, 1003, 256).0, matrix(format, 9, 256).0);
            for n_rows in [1, 6] {
                let rows = numbers(n_rows * 256, 5);
                let mut activations = Activations::default();
                activations.assign(instructions, &rows, 256);
                let (mut a, mut b) = (vec![0.0; n_rows * 1003], vec![0.0; n_rows * 9]);
                let products = [(&wide, &mut a[..]), (&narrow, &mut b[..])];
                Matrix::multiply(&pool, instructions, &activations, products);
                assert_eq!(a, product(&wide, instructions, &rows));
                assert_eq!(b, product(&narrow, instructions, &rows));
            }
        }
    }

    proptest! {
        #[test]
        fn a_row_in_company_is_the_row_alone(
            format in 0..FORMATS.len(),
            n_out in 1usize..40,
            n_blocks in 1usize..5,
            n_rows in 1usize..11,
            seed in any::<u32>(),
        ) {
            let n_in = n_blocks * BLOCK;
            let (matrix, _) = matrix(format, n_out, n_in);
            let rows = numbers(n_rows * n_in, seed);
            let together = product(&matrix, Instructions::best(), &rows);
            for (row, together) in rows.chunks(n_in).zip(together.chunks(n_out)) {
                prop_assert_eq!(&product(&matrix, Instructions::best(), row)[..], together);
                prop_assert_eq!(&product(&matrix, Instructions::Portable, row)[..], together);
            }
        }

        #[test]
        fn plain_weights_may_have_any_number_of_inputs(n_in in 1usize..70, n_rows in 1usize..6) {
            let matrix = Matrix::from_f32(&numbers(5 * n_in, 1), 5, n_in);
            let rows = numbers(n_rows * n_in, 2);
            prop_assert_eq!(
                product(&matrix, Instructions::best(), &rows),
                product(&matrix, Instructions::Portable, &rows)
            );
        }
    }
}

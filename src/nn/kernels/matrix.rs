//! A weight matrix as a GGUF file stores it, and its product with rows of activations.
//!
//! Block formats meet activations of eight bits: whole-number products within a block of 32, then
//! `f32` sums over the blocks in the order of the inputs. Plain numbers meet `f32` activations. Four
//! rows at a time share the reading and unpacking of a tile, so verifying three drafted tokens
//! beside the next one costs little more than the next one alone.

use std::{fmt::Debug, io};

use half::{bf16, f16};

use super::{
    Activations, Instructions, WeightFormat,
    activations::{ActivationBlock, BLOCK},
    block_tiles::{Q4_0Tile, Q4_1Tile, Q5_0Tile, Q5_1Tile, Q8_0Tile},
    instructions::{VectorBlocks, VectorPlain},
    pool::{ColumnBlock, Columns, Pool},
    portable,
    store::{Slab, Store},
    super_tiles::{Q4KTile, Q5KTile, Q6KTile},
    tile::{TILE, Unpacked, pack_blocks, pack_plain},
};

/// Rows that share the unpacking of a tile: their sums, two registers each, leave as many for it.
const ROWS_TOGETHER: usize = 4;

/// Rows from which on a tile is unpacked once for all of them; writing it down costs as much as
/// unpacking it some times.
const ROWS_TO_UNPACK: usize = 3 * ROWS_TOGETHER;

/// Tiles of plain numbers that a single row meets at once: the sums of one would wait for each other.
const TILES_TOGETHER: usize = 4;

/// `(n_out, n_in)` weights.
#[derive(Debug)]
pub struct Matrix {
    n_out: usize,
    n_in: usize,
    weights: Box<dyn Weights>,
}

impl Matrix {
    /// Takes in the bytes of a tensor, little-endian, row after row, and lays them down in `store`.
    ///
    /// # Errors
    /// If there is no memory left.
    ///
    /// # Panics
    /// If `bytes` is not `n_out` rows of `n_in` weights in that format.
    pub fn from_bytes(
        store: &mut Store,
        format: WeightFormat,
        bytes: &[u8],
        n_out: usize,
        n_in: usize,
    ) -> io::Result<Self> {
        let row_bytes = format.row_bytes(n_in).expect("the caller asked for a storable row");
        assert_eq!(bytes.len(), n_out * row_bytes, "the caller read the whole tensor");
        let weights = match format {
            WeightFormat::F32 => plain::<f32>(store, bytes, n_in),
            WeightFormat::F16 => plain::<f16>(store, bytes, n_in),
            WeightFormat::Bf16 => plain::<bf16>(store, bytes, n_in),
            WeightFormat::Q4_0 => blocks::<Q4_0Tile>(store, bytes, n_in),
            WeightFormat::Q4_1 => blocks::<Q4_1Tile>(store, bytes, n_in),
            WeightFormat::Q5_0 => blocks::<Q5_0Tile>(store, bytes, n_in),
            WeightFormat::Q5_1 => blocks::<Q5_1Tile>(store, bytes, n_in),
            WeightFormat::Q8_0 => blocks::<Q8_0Tile>(store, bytes, n_in),
            WeightFormat::Q4K => blocks::<Q4KTile>(store, bytes, n_in),
            WeightFormat::Q5K => blocks::<Q5KTile>(store, bytes, n_in),
            WeightFormat::Q6K => blocks::<Q6KTile>(store, bytes, n_in),
        }?;
        Ok(Self { n_out, n_in, weights })
    }

    /// Takes in plain numbers, row after row, and lays them down in `store`.
    ///
    /// # Errors
    /// If there is no memory left.
    ///
    /// # Panics
    /// If `values` is not `n_out` rows of `n_in`.
    pub fn from_f32(
        store: &mut Store,
        values: &[f32],
        n_out: usize,
        n_in: usize,
    ) -> io::Result<Self> {
        assert_eq!(values.len(), n_out * n_in, "the caller read the whole tensor");
        let weights = Box::new(Packed(pack_plain(store, values, n_in)?));
        Ok(Self { n_out, n_in, weights })
    }

    /// Outputs.
    pub fn n_out(&self) -> usize {
        self.n_out
    }

    /// Inputs.
    pub fn n_in(&self) -> usize {
        self.n_in
    }

    /// Whether the weights are plain numbers, which meet activations of `f32`; those in blocks meet
    /// activations of eight bits.
    pub fn is_plain(&self) -> bool {
        self.weights.is_plain()
    }

    /// Bytes that the weights take in memory.
    pub fn n_bytes(&self) -> u64 {
        self.weights.n_bytes() as u64
    }

    /// The weights of one output as plain numbers; of an embedding, one token's row.
    ///
    /// # Panics
    /// If there is no such row, or `out` is not `n_in` long.
    pub fn copy_row(&self, row_idx: usize, out: &mut [f32]) {
        assert!(row_idx < self.n_out && out.len() == self.n_in, "row {row_idx} of {}", self.n_out);
        self.weights.copy_row(row_idx, out);
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
        let mut scratch = vec![(); pool.n_threads()];
        pool.each_column_block(outs, &mut scratch, |product_idx, block, ()| {
            matrices[product_idx].weights.multiply(instructions, rows, block);
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

/// Weights of any format.
trait Weights: Debug + Send + Sync {
    fn is_plain(&self) -> bool;
    fn n_bytes(&self) -> usize;
    fn copy_row(&self, row_idx: usize, out: &mut [f32]);
    /// Writes the outputs that `block` is made of; it begins with a whole tile.
    fn multiply(&self, instructions: Instructions, rows: &Activations, block: ColumnBlock<'_>);
}

type Laid = io::Result<Box<dyn Weights>>;

fn blocks<T: VectorBlocks>(store: &mut Store, bytes: &[u8], n_in: usize) -> Laid {
    Ok(Box::new(Packed(pack_blocks::<T>(store, bytes, n_in)?)))
}

fn plain<T: VectorPlain>(store: &mut Store, bytes: &[u8], n_in: usize) -> Laid {
    let values: Vec<T> = bytes.chunks_exact(T::BYTES).map(T::read).collect();
    Ok(Box::new(Packed(pack_plain(store, &values, n_in)?)))
}

/// Pieces of sixteen outputs, all inputs of the first sixteen first.
#[derive(Debug)]
struct Packed<P>(Slab<P>);

impl<P: Piece> Weights for Packed<P> {
    fn is_plain(&self) -> bool {
        P::IS_PLAIN
    }

    fn n_bytes(&self) -> usize {
        size_of_val(&self.0[..])
    }

    fn copy_row(&self, row_idx: usize, out: &mut [f32]) {
        let n_pieces = out.len() / P::N_INPUTS;
        let pieces = &self.0[row_idx / TILE * n_pieces..];
        for (piece, out) in pieces.iter().zip(out.chunks_exact_mut(P::N_INPUTS)) {
            for (input, out) in out.iter_mut().enumerate() {
                *out = piece.weight(row_idx % TILE, input);
            }
        }
    }

    fn multiply(&self, instructions: Instructions, rows: &Activations, mut block: ColumnBlock<'_>) {
        let n_pieces = rows.n_in() / P::N_INPUTS;
        let inputs = P::inputs(rows);
        let row_len = inputs.len() / rows.n_rows();
        let pieces = &self.0[block.first() / TILE * n_pieces..];
        let n_done = if P::IS_PLAIN && rows.n_rows() == 1 {
            multiply_one(instructions, pieces, inputs, &mut block)
        } else {
            0
        };
        let tiles = pieces.chunks_exact(n_pieces).zip((0..block.len()).step_by(TILE));
        for (pieces, first) in tiles.skip(n_done) {
            let unpacked = if rows.n_rows() >= ROWS_TO_UNPACK {
                P::unpack(instructions, pieces)
            } else {
                Vec::new()
            };
            let tile = Tile { instructions, pieces, unpacked, first };
            for (chunk_idx, rows) in inputs.chunks(ROWS_TOGETHER * row_len).enumerate() {
                let row_idx = ROWS_TOGETHER * chunk_idx;
                match rows.len() / row_len {
                    1 => tile.multiply::<1>(rows, row_idx, &mut block),
                    2 => tile.multiply::<2>(rows, row_idx, &mut block),
                    3 => tile.multiply::<3>(rows, row_idx, &mut block),
                    _ => tile.multiply::<ROWS_TOGETHER>(rows, row_idx, &mut block),
                }
            }
        }
    }
}

/// Multiplies a single row with as many tiles as come in groups; returns how many.
fn multiply_one<P: Piece>(
    instructions: Instructions,
    pieces: &[P],
    row: &[P::Input],
    block: &mut ColumnBlock<'_>,
) -> usize {
    let n_pieces = row.len();
    let out = block.row(0);
    let groups = out.chunks_exact_mut(TILES_TOGETHER * TILE);
    let n_groups = groups.len();
    for (out, pieces) in groups.zip(pieces.chunks_exact(TILES_TOGETHER * n_pieces)) {
        let tiles = std::array::from_fn(|i| &pieces[i * n_pieces..][..n_pieces]);
        out.copy_from_slice(P::products_of_tiles(instructions, tiles, row).as_flattened());
    }
    n_groups * TILES_TOGETHER
}

/// The weights of sixteen outputs.
struct Tile<'a, P> {
    instructions: Instructions,
    pieces: &'a [P],
    /// The same, unpacked; empty if they are not.
    unpacked: Vec<Unpacked>,
    /// Where its outputs begin in the block.
    first: usize,
}

impl<P: Piece> Tile<'_, P> {
    /// Multiplies rows from `row_idx` on.
    fn multiply<const ROWS: usize>(
        &self,
        rows: &[P::Input],
        row_idx: usize,
        block: &mut ColumnBlock<'_>,
    ) {
        let row_len = rows.len() / ROWS;
        let rows: [&[P::Input]; ROWS] = std::array::from_fn(|i| &rows[i * row_len..][..row_len]);
        let found = P::products(self.instructions, self.pieces, &self.unpacked, rows);
        let n_outputs = TILE.min(block.len() - self.first);
        for (i, found) in found.iter().enumerate() {
            let out = &mut block.row(row_idx + i)[self.first..][..n_outputs];
            match out.first_chunk_mut() {
                // Whole tiles, nearly all, are stored without a call.
                Some(out) => *out = *found,
                None => out.copy_from_slice(&found[..n_outputs]),
            }
        }
    }
}

/// Some inputs' weights of sixteen outputs, and how rows are multiplied with a run of those.
trait Piece: Debug + Send + Sync + Sized + 'static {
    /// What a row is made of.
    type Input;

    /// How many inputs it holds the weights of.
    const N_INPUTS: usize;

    /// Whether its weights are plain numbers.
    const IS_PLAIN: bool;

    /// All rows, one after the other.
    fn inputs(rows: &Activations) -> &[Self::Input];

    /// The weight between an input and an output.
    fn weight(&self, output: usize, input: usize) -> f32;

    /// The pieces with each quant in a byte; empty where that would bring nothing.
    fn unpack(instructions: Instructions, pieces: &[Self]) -> Vec<Unpacked>;

    /// Sixteen outputs of each row; `unpacked` is what [`Self::unpack`] gave, or empty.
    fn products<const ROWS: usize>(
        instructions: Instructions,
        pieces: &[Self],
        unpacked: &[Unpacked],
        rows: [&[Self::Input]; ROWS],
    ) -> [[f32; TILE]; ROWS];

    /// The outputs of several tiles for one row.
    fn products_of_tiles(
        instructions: Instructions,
        tiles: [&[Self]; TILES_TOGETHER],
        row: &[Self::Input],
    ) -> [[f32; TILE]; TILES_TOGETHER] {
        tiles.map(|pieces| {
            let [outputs] = Self::products(instructions, pieces, &[], [row]);
            outputs
        })
    }
}

impl<T: VectorBlocks> Piece for T {
    type Input = ActivationBlock;

    const N_INPUTS: usize = T::BLOCKS * BLOCK;
    const IS_PLAIN: bool = false;

    fn inputs(rows: &Activations) -> &[ActivationBlock] {
        rows.blocks()
    }

    fn weight(&self, output: usize, input: usize) -> f32 {
        self.weight(output, input)
    }

    fn unpack(instructions: Instructions, pieces: &[Self]) -> Vec<Unpacked> {
        match instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(avx2) => avx2.unpack(pieces),
            _ => Vec::new(),
        }
    }

    fn products<const ROWS: usize>(
        instructions: Instructions,
        pieces: &[Self],
        unpacked: &[Unpacked],
        rows: [&[ActivationBlock]; ROWS],
    ) -> [[f32; TILE]; ROWS] {
        match instructions {
            Instructions::Portable => rows.map(|row| portable::blocks(pieces, row)),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(avx2) if !unpacked.is_empty() => {
                avx2.unpacked::<T, ROWS>(unpacked, rows)
            }
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(avx2) => avx2.blocks(pieces, rows),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(avx512) => avx512.blocks(pieces, rows),
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon(neon) => neon.blocks(pieces, rows),
        }
    }
}

impl<T: VectorPlain> Piece for [T; TILE] {
    type Input = f32;

    const N_INPUTS: usize = 1;
    const IS_PLAIN: bool = true;

    fn inputs(rows: &Activations) -> &[f32] {
        rows.values()
    }

    fn weight(&self, output: usize, _input: usize) -> f32 {
        self[output].value()
    }

    fn unpack(_instructions: Instructions, _pieces: &[Self]) -> Vec<Unpacked> {
        Vec::new()
    }

    fn products<const ROWS: usize>(
        instructions: Instructions,
        pieces: &[Self],
        _unpacked: &[Unpacked],
        rows: [&[f32]; ROWS],
    ) -> [[f32; TILE]; ROWS] {
        match instructions {
            Instructions::Portable => rows.map(|row| portable::plain(pieces, row)),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(avx2) => avx2.plain(pieces, rows),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(avx512) => avx512.plain(pieces, rows),
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon(neon) => neon.plain(pieces, rows),
        }
    }

    fn products_of_tiles(
        instructions: Instructions,
        tiles: [&[Self]; TILES_TOGETHER],
        row: &[f32],
    ) -> [[f32; TILE]; TILES_TOGETHER] {
        match instructions {
            Instructions::Portable => tiles.map(|pieces| portable::plain(pieces, row)),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2(avx2) => avx2.plain_tiles(tiles, row),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512(avx512) => avx512.plain_tiles(tiles, row),
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon(neon) => tiles.map(|pieces| {
                let [outputs] = neon.plain(pieces, [row]);
                outputs
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{
        Device, Module, Tensor,
        quantized::{GgmlDType, QMatMul, QTensor},
    };
    use proptest::prelude::*;
    use std::num::NonZeroUsize;

    /// Each format, candle's name of it, and where half-precision factors stand in its record.
    const FORMATS: [(WeightFormat, GgmlDType, &[usize]); 11] = [
        (WeightFormat::F32, GgmlDType::F32, &[]),
        (WeightFormat::F16, GgmlDType::F16, &[0]),
        (WeightFormat::Bf16, GgmlDType::BF16, &[]),
        (WeightFormat::Q4_0, GgmlDType::Q4_0, &[0]),
        (WeightFormat::Q4_1, GgmlDType::Q4_1, &[0, 2]),
        (WeightFormat::Q5_0, GgmlDType::Q5_0, &[0]),
        (WeightFormat::Q5_1, GgmlDType::Q5_1, &[0, 2]),
        (WeightFormat::Q8_0, GgmlDType::Q8_0, &[0]),
        (WeightFormat::Q4K, GgmlDType::Q4K, &[0, 2]),
        (WeightFormat::Q5K, GgmlDType::Q5K, &[0, 2]),
        (WeightFormat::Q6K, GgmlDType::Q6K, &[208]),
    ];

    /// Inputs that every format can store.
    const SUPER: usize = 256;

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

    fn stored(format: usize, n_out: usize, n_in: usize) -> QTensor {
        let weights = Tensor::from_vec(numbers(n_out * n_in, 7), (n_out, n_in), &Device::Cpu);
        QTensor::quantize(&weights.unwrap(), FORMATS[format].1).unwrap()
    }

    fn matrix(format: usize, n_out: usize, n_in: usize) -> Matrix {
        let bytes = stored(format, n_out, n_in).data().unwrap().into_owned();
        Matrix::from_bytes(&mut Store::default(), FORMATS[format].0, &bytes, n_out, n_in).unwrap()
    }

    /// The weights of [`matrix`] as candle reads them.
    fn weights(format: usize, n_out: usize, n_in: usize) -> Vec<f32> {
        let values = stored(format, n_out, n_in).dequantize(&Device::Cpu).unwrap();
        values.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn product(matrix: &Matrix, instructions: Instructions, rows: &[f32]) -> Vec<f32> {
        let mut activations = Activations::default();
        activations.assign(instructions, rows, matrix.n_in());
        let mut out = vec![0.0; activations.n_rows() * matrix.n_out()];
        Matrix::multiply(&Pool::single(), instructions, &activations, [(matrix, &mut out)]);
        out
    }

    /// Root mean square distance of products from the exact ones.
    fn error(products: &[f32], rows: &[f32], weights: &[f32], n_in: usize) -> f64 {
        let exact = rows.chunks(n_in).flat_map(|row| weights.chunks(n_in).map(move |w| (row, w)));
        let squares = exact.zip(products).map(|((row, weights), product)| {
            let exact: f64 =
                row.iter().zip(weights).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
            (f64::from(*product) - exact).powi(2)
        });
        (squares.sum::<f64>() / products.len() as f64).sqrt()
    }

    #[test]
    fn rows_read_back_as_candle_dequantizes_them() {
        for (format, name) in FORMATS.iter().enumerate() {
            let matrix = matrix(format, 19, 2 * SUPER);
            let expected = weights(format, 19, 2 * SUPER);
            for (row_idx, expected) in expected.chunks(2 * SUPER).enumerate() {
                let mut row = vec![0.0; 2 * SUPER];
                matrix.copy_row(row_idx, &mut row);
                assert_eq!(row, expected, "{name:?} row {row_idx}");
            }
        }
    }

    #[test]
    fn weights_take_the_bytes_of_the_file() {
        for (format, dtype, _) in FORMATS {
            let n_weights = 32 * SUPER;
            let expected = n_weights / dtype.block_size() * dtype.type_size();
            assert_eq!(format.row_bytes(SUPER), Some(expected / 32), "{format:?}");
            let bytes = vec![0; expected];
            let store = &mut Store::default();
            let matrix = Matrix::from_bytes(store, format, &bytes, 32, SUPER).unwrap();
            assert_eq!(matrix.n_bytes(), expected as u64, "{format:?}");
        }
    }

    #[test]
    fn products_are_at_least_as_near_the_exact_ones_as_candle_s() {
        let (n_out, n_in, n_rows) = (40, 3 * SUPER, 5);
        let rows = numbers(n_rows * n_in, 3);
        for (format, name) in FORMATS.iter().enumerate() {
            let weights = weights(format, n_out, n_in);
            let ours = product(&matrix(format, n_out, n_in), Instructions::best(), &rows);
            let ours = error(&ours, &rows, &weights, n_in);
            let theirs = QMatMul::from_qtensor(stored(format, n_out, n_in)).unwrap();
            let input = Tensor::from_slice(&rows, (n_rows, n_in), &Device::Cpu).unwrap();
            let theirs = theirs.forward(&input).unwrap().flatten_all().unwrap();
            let theirs = error(&theirs.to_vec1::<f32>().unwrap(), &rows, &weights, n_in);
            assert!(ours <= theirs * 1.1 + 1e-5, "{name:?}: {ours} against {theirs}");
        }
    }

    #[test]
    fn the_widest_quants_do_not_overflow() {
        let rows: Vec<f32> = (0..3 * SUPER).map(|i| [1.0, -1.0][i / SUPER % 2]).collect();
        for (format, dtype, factors) in FORMATS {
            for quants in [0xFF, 0x80, 0x7F, 0x00] {
                let mut record = vec![quants; dtype.type_size()];
                for at in factors {
                    record[*at..at + 2].copy_from_slice(&[0, 0x3C]);
                }
                if format == WeightFormat::F32 || format == WeightFormat::Bf16 {
                    continue;
                }
                let bytes = record.repeat(SUPER / dtype.block_size());
                let store = &mut Store::default();
                let matrix = Matrix::from_bytes(store, format, &bytes, 1, SUPER).unwrap();
                let expected = product(&matrix, Instructions::Portable, &rows);
                for instructions in Instructions::all() {
                    let found = product(&matrix, instructions, &rows);
                    assert_eq!(found, expected, "{format:?} {instructions:?} {quants}");
                }
                let mut weights = vec![0.0; SUPER];
                matrix.copy_row(0, &mut weights);
                let exact: f32 = weights.iter().sum();
                assert!((expected[0] - exact).abs() <= exact.abs() * 1e-3, "{format:?} {quants}");
            }
        }
    }

    #[test]
    fn threads_change_no_bit() {
        let pool = Pool::new(NonZeroUsize::new(3).unwrap()).unwrap();
        let instructions = Instructions::best();
        for format in 0..FORMATS.len() {
            let (wide, narrow) = (matrix(format, 1003, 256), matrix(format, 9, 256));
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
            n_out in 1usize..150,
            n_rows in 1usize..17,
            seed in any::<u32>(),
        ) {
            let n_in = 2 * SUPER;
            let matrix = matrix(format, n_out, n_in);
            let rows = numbers(n_rows * n_in, seed);
            let together = product(&matrix, Instructions::best(), &rows);
            for (row, together) in rows.chunks(n_in).zip(together.chunks(n_out)) {
                for instructions in Instructions::all() {
                    prop_assert_eq!(&product(&matrix, instructions, row)[..], together);
                }
            }
        }

        #[test]
        fn inputs_need_not_be_a_power_of_two(
            format in 3usize..8,
            n_blocks in 1usize..8,
            n_rows in 1usize..6,
        ) {
            let n_in = n_blocks * BLOCK;
            let matrix = matrix(format, 5, n_in);
            let rows = numbers(n_rows * n_in, 2);
            let expected = product(&matrix, Instructions::Portable, &rows);
            for instructions in Instructions::all() {
                prop_assert_eq!(&product(&matrix, instructions, &rows), &expected);
            }
        }

        #[test]
        fn plain_weights_may_have_any_number_of_inputs(
            format in 0usize..3,
            n_in in 1usize..140,
            n_rows in 1usize..6,
        ) {
            let matrix = matrix(format, 5, n_in);
            let rows = numbers(n_rows * n_in, 2);
            let expected = product(&matrix, Instructions::Portable, &rows);
            for instructions in Instructions::all() {
                prop_assert_eq!(&product(&matrix, instructions, &rows), &expected);
            }
        }
    }
}

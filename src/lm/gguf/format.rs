//! How a GGUF file writes the numbers of a tensor: in blocks that share a scale.
//!
//! Codes and blocks: `ggml_type` in <https://github.com/ggml-org/ggml/blob/master/include/ggml.h>.

use candle_core::quantized::GgmlDType;

use crate::nn::kernels::WeightFormat;

/// A way to write numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
}

/// Formats that exist and are not provided for here, to be named.
const OTHERS: [(u32, &str); 18] = [
    (9, "Q8_1"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
];

impl Format {
    /// The format of that code.
    ///
    /// # Errors
    /// If it is not known here, in words.
    pub fn of_code(code: u32) -> Result<Self, String> {
        Ok(match code {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            10 => Self::Q2K,
            11 => Self::Q3K,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            30 => Self::BF16,
            code => {
                let known = OTHERS.iter().find(|(other, _)| *other == code);
                return Err(known.map_or_else(
                    || format!("it is stored in format {code}, which nobody knows"),
                    |(_, name)| format!("it is stored as {name}, which is not provided for"),
                ));
            }
        })
    }

    /// Its name, as people write it.
    pub fn label(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q2K => "Q2_K",
            Self::Q3K => "Q3_K",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
        }
    }

    /// What multiplies it as it is, if anything does.
    pub fn kernel(self) -> Option<WeightFormat> {
        Some(match self {
            Self::F32 => WeightFormat::F32,
            Self::F16 => WeightFormat::F16,
            Self::BF16 => WeightFormat::Bf16,
            Self::Q4_0 => WeightFormat::Q4_0,
            Self::Q4_1 => WeightFormat::Q4_1,
            Self::Q5_0 => WeightFormat::Q5_0,
            Self::Q5_1 => WeightFormat::Q5_1,
            Self::Q8_0 => WeightFormat::Q8_0,
            Self::Q4K => WeightFormat::Q4K,
            Self::Q5K => WeightFormat::Q5K,
            Self::Q6K => WeightFormat::Q6K,
            Self::Q2K | Self::Q3K => return None,
        })
    }

    /// Bytes of a tensor of that shape.
    ///
    /// # Errors
    /// If there is no such tensor, in words.
    pub fn n_bytes(self, shape: &[usize]) -> Result<u64, &'static str> {
        let n_values = shape.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim));
        let n_values =
            n_values.filter(|n_values| *n_values > 0).ok_or("its shape is impossible")?;
        let (block, block_bytes) = (self.candle().block_size(), self.candle().type_size());
        // Rows are made of blocks, so blocks never cross from one row to the next.
        if !shape.last().is_some_and(|n_in| n_in.is_multiple_of(block)) {
            return Err("it is not made of whole blocks");
        }
        let n_bytes =
            (n_values / block).checked_mul(block_bytes).ok_or("its shape is impossible")?;
        Ok(n_bytes as u64)
    }

    /// The same format as candle calls it, which reads them all.
    pub fn candle(self) -> GgmlDType {
        match self {
            Self::F32 => GgmlDType::F32,
            Self::F16 => GgmlDType::F16,
            Self::BF16 => GgmlDType::BF16,
            Self::Q4_0 => GgmlDType::Q4_0,
            Self::Q4_1 => GgmlDType::Q4_1,
            Self::Q5_0 => GgmlDType::Q5_0,
            Self::Q5_1 => GgmlDType::Q5_1,
            Self::Q8_0 => GgmlDType::Q8_0,
            Self::Q2K => GgmlDType::Q2K,
            Self::Q3K => GgmlDType::Q3K,
            Self::Q4K => GgmlDType::Q4K,
            Self::Q5K => GgmlDType::Q5K,
            Self::Q6K => GgmlDType::Q6K,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_multiplied_as_stored_has_the_bytes_of_the_file() {
        for format in (0..31).filter_map(|code| Format::of_code(code).ok()) {
            if let Some(kernel) = format.kernel() {
                let expected = format.n_bytes(&[1, 512]).unwrap();
                assert_eq!(kernel.row_bytes(512), Some(expected as usize), "{format:?}");
            }
        }
    }
}

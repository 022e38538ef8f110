//! Weights as `CTranslate2` stores them.
//!
//! Source: `ModelSpec._serialize` of <https://github.com/OpenNMT/CTranslate2>, binary version 6: names
//! with their length and a zero at the end, shapes of 32 bits, a number for the type, the bytes; then
//! names that stand for others. `/` in names is taken for `.`.

use half::{bf16, f16};

use super::weights::Array;

/// The layout that is known.
const VERSION: u32 = 6;
/// What a file for Whisper calls itself.
const SPECIFICATION: &str = "WhisperSpec";
/// No tensor of any model has more.
const MOST_DIMENSIONS: u8 = 4;

/// Every tensor of a Whisper model, by name. Single numbers are tensors of one value.
///
/// # Errors
/// If the file is not whole, of another kind, or stores matrices in eight bits.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<(String, Array)>, String> {
    let mut file = Reader { bytes, at: 0 };
    let version = file.u32()?;
    if version != VERSION {
        return Err(format!("its layout has the version {version}, not {VERSION}"));
    }
    let specification = file.text()?;
    if specification != SPECIFICATION {
        return Err(format!("it holds {specification:?}, not {SPECIFICATION:?}"));
    }
    file.u32()?;
    let n = file.u32()?;
    // Each takes some bytes, so what cannot be there is not waited for.
    (0..n).map(|_| file.tensor()).collect()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let taken = self.at.checked_add(n).and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| format!("it ends within {n} bytes at {}", self.at))?;
        self.at += n;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    fn u32(&mut self) -> Result<u32, String> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn text(&mut self) -> Result<String, String> {
        let n = self.take(2)?;
        let bytes = self.take(usize::from(u16::from_le_bytes([n[0], n[1]])))?;
        let text = std::str::from_utf8(bytes).map_err(|_| "a name is no text".to_owned())?;
        Ok(text.trim_end_matches('\0').to_owned())
    }

    fn tensor(&mut self) -> Result<(String, Array), String> {
        let name = self.text()?.replace('/', ".");
        let n_dimensions = self.u8()?;
        if n_dimensions > MOST_DIMENSIONS {
            return Err(format!("{name} has {n_dimensions} dimensions"));
        }
        let shape: Vec<usize> =
            (0..n_dimensions).map(|_| Ok(self.u32()? as usize)).collect::<Result<_, String>>()?;
        let (kind, n_bytes) = (self.u8()?, self.u32()? as usize);
        let bytes = self.take(n_bytes)?;
        if matches!(kind, 1..=2) && n_dimensions > 1 {
            return Err(format!("{name} is quantized; take the model in 16 or 32 bits"));
        }
        let values: Vec<f32> = match kind {
            0 => bytes
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
            1 => bytes.iter().map(|&b| f32::from(b.cast_signed())).collect(),
            2 => {
                bytes.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]]))).collect()
            }
            3 => bytes
                .chunks_exact(4)
                .map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32)
                .collect(),
            4 => bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            5 => {
                bytes.chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
            }
            _ => return Err(format!("{name} is of an unknown type {kind}")),
        };
        let expected = shape.iter().try_fold(1_usize, |n, &length| n.checked_mul(length));
        if expected != Some(values.len()) {
            return Err(format!("{name} has {} values for the shape {shape:?}", values.len()));
        }
        let shape = if shape.is_empty() { vec![1] } else { shape };
        Ok((name, Array { shape, values }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let text = |text: &str| {
            let mut bytes = (text.len() as u16 + 1).to_le_bytes().to_vec();
            bytes.extend(text.bytes().chain([0]));
            bytes
        };
        let mut file = VERSION.to_le_bytes().to_vec();
        file.extend(text(SPECIFICATION));
        file.extend([3, 0, 0, 0, 2, 0, 0, 0]);
        file.extend(text("a/weight"));
        file.extend([2, 1, 0, 0, 0, 2, 0, 0, 0, 4, 4, 0, 0, 0]);
        file.extend([f16::from_f32(0.5), f16::from_f32(-2.0)].map(f16::to_le_bytes).concat());
        file.extend(text("num_heads"));
        file.extend([0, 2, 2, 0, 0, 0, 6, 0]);
        file
    }

    #[test]
    fn tensors_and_numbers_are_read_by_name() {
        let tensors = read(&file()).unwrap();
        assert_eq!(tensors[0].0, "a.weight");
        assert_eq!(tensors[0].1, Array { shape: vec![1, 2], values: vec![0.5, -2.0] });
        assert_eq!(tensors[1].1, Array { shape: vec![1], values: vec![6.0] });
    }

    #[test]
    fn a_cut_or_changed_file_is_an_error_and_no_panic() {
        let file = file();
        for n in 0..file.len() {
            read(&file[..n]).unwrap_err();
        }
        for at in 0..file.len() {
            for value in [0, 0x7F, 0xFF] {
                let mut changed = file.clone();
                changed[at] = value;
                // Some changes are of values, and all right.
                let _ = read(&changed);
            }
        }
    }
}

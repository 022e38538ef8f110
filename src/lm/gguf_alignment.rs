//! Walks over a GGUF header to the one value that candle's reader believes unseen: the alignment.
//!
//! candle 0.11 divides by `general.alignment` before anybody can look at it, so a damaged file with
//! a zero there would end the program. Everything else that may be wrong with a header is left to
//! candle, which says so; here it only ends the walk.

use std::io::{self, BufReader, ErrorKind, Read, Seek};

/// Arrays of arrays deeper than this are no model's.
const MAX_DEPTH: usize = 8;

/// What `general.alignment` says, read from behind the magic; `None` if the header does not state it.
///
/// # Errors
/// If the header is not as the format has it.
pub fn stated_alignment<R: Read + Seek>(reader: &mut BufReader<R>) -> io::Result<Option<u64>> {
    let version = number(reader, 4)?;
    let mut header = Header { reader, length_bytes: if version == 1 { 4 } else { 8 } };
    header.length()?;
    let n_values = header.length()?;
    for _ in 0..n_values {
        let key = header.text()?;
        let kind = number(header.reader, 4)?;
        if key != b"general.alignment" {
            header.skip(kind, MAX_DEPTH)?;
            continue;
        }
        let Some(n_bytes @ 1..=4) = size_of_kind(kind) else { return Ok(None) };
        return number(header.reader, n_bytes as usize).map(Some);
    }
    Ok(None)
}

struct Header<'a, R> {
    reader: &'a mut BufReader<R>,
    length_bytes: usize,
}

impl<R: Read + Seek> Header<'_, R> {
    fn length(&mut self) -> io::Result<u64> {
        number(self.reader, self.length_bytes)
    }

    /// A text, or nothing in place of one that is too long for a key.
    fn text(&mut self) -> io::Result<Vec<u8>> {
        let length = self.length()?;
        if length > 256 {
            return self.skip_bytes(length, 1).map(|()| Vec::new());
        }
        let mut text = vec![0; length as usize];
        self.reader.read_exact(&mut text)?;
        Ok(text)
    }

    fn skip(&mut self, kind: u64, depth: usize) -> io::Result<()> {
        match kind {
            8 => {
                let length = self.length()?;
                self.skip_bytes(length, 1)
            }
            9 if depth > 0 => {
                let kind = number(self.reader, 4)?;
                let length = self.length()?;
                match size_of_kind(kind) {
                    Some(n_bytes) => self.skip_bytes(length, n_bytes),
                    None => (0..length).try_for_each(|_| self.skip(kind, depth - 1)),
                }
            }
            kind => {
                let n_bytes = size_of_kind(kind).ok_or(ErrorKind::InvalidData)?;
                self.skip_bytes(n_bytes, 1)
            }
        }
    }

    fn skip_bytes(&mut self, count: u64, n_bytes: u64) -> io::Result<()> {
        let total = count.checked_mul(n_bytes).and_then(|total| i64::try_from(total).ok());
        self.reader.seek_relative(total.ok_or(ErrorKind::InvalidData)?)
    }
}

/// Bytes of a value of fixed size; `None` for texts, arrays and what the format does not know.
fn size_of_kind(kind: u64) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

fn number(reader: &mut impl Read, n_bytes: usize) -> io::Result<u64> {
    let mut bytes = [0; 8];
    reader.read_exact(&mut bytes[..n_bytes])?;
    Ok(u64::from_le_bytes(bytes))
}

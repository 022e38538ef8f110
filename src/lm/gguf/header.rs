//! The header of a GGUF file: what it states, and where its tensors lie.
//!
//! A length in the file is believed only as far as there are bytes left for it, so a damaged header
//! costs no more memory than a few times its own size. Versions 1 to 3, little-endian.
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

use std::{
    collections::{HashMap, hash_map::Entry},
    io::{self, ErrorKind, Read},
};

use super::format::Format;
use crate::lm::ModelProblem;

/// Where tensors begin is a multiple of this, unless the header states another number.
const DEFAULT_ALIGNMENT: u64 = 32;

/// Arrays of arrays deeper than this are no model's.
const MAX_DEPTH: u8 = 4;

/// Dimensions of a tensor at most.
const MAX_DIMS: u32 = 4;

/// What a file states under a name.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A count, an index, or another whole number.
    Whole(i128),
    /// Any other number.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// A text; what is no UTF-8 in it is `�`.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
    /// A list of whole numbers.
    Wholes(Vec<i32>),
    /// A list of other numbers.
    Numbers(Vec<f32>),
    /// A list of a kind that no model needs.
    Other,
}

/// Where a tensor lies and how it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Length of each dimension, the slowest first: `(n_out, n_in)` for a matrix.
    pub shape: Vec<usize>,
    /// How its numbers are written.
    pub format: Format,
    /// Its first byte in the file.
    pub start: u64,
    /// Bytes that it takes.
    pub n_bytes: u64,
}

/// The whole header.
#[derive(Debug, Default)]
pub struct Header {
    /// What it states, by name.
    pub values: HashMap<String, Value>,
    /// Its tensors, by name.
    pub tensors: HashMap<String, Stored>,
}

impl Header {
    /// Reads the header of a file of `n_bytes` and checks that all its tensors lie within it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(reader: impl Read, n_bytes: u64) -> Result<Self, ModelProblem> {
        let mut input = Input { reader, position: 0, n_bytes, wide: true };
        let mut magic = [0; 4];
        if input.fill(&mut magic).is_err() || magic != *b"GGUF" {
            return Err(ModelProblem::Unrecognized);
        }
        input.header().map_err(|trouble| match trouble {
            Trouble::Model(problem) => problem,
            Trouble::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
                ModelProblem::Header("it ends within its list of contents".into())
            }
            Trouble::Io(error) => ModelProblem::Header(error.to_string()),
        })
    }
}

/// Why a header could not be read.
enum Trouble {
    Io(io::Error),
    Model(ModelProblem),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn damaged<T>(why: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Model(ModelProblem::Header(why.into())))
}

/// The file, and how much of it is read.
struct Input<R> {
    reader: R,
    position: u64,
    n_bytes: u64,
    /// Whether lengths have eight bytes; in version 1 they have four.
    wide: bool,
}

impl<R: Read> Input<R> {
    fn header(&mut self) -> Result<Header, Trouble> {
        match self.u32()? {
            1 => self.wide = false,
            2 | 3 => (),
            version if version.swap_bytes() <= 3 => {
                return damaged("it is big-endian, known is little-endian");
            }
            version => return damaged(format!("it is of version {version}, known are 1 to 3")),
        }
        let n_tensors = self.length()?;
        let n_values = self.length()?;
        let mut header = Header::default();
        for _ in 0..n_values {
            let key = self.text()?;
            let kind = self.u32()?;
            let value = self.value(kind)?;
            match header.values.entry(key) {
                Entry::Vacant(place) => place.insert(value),
                Entry::Occupied(place) => {
                    return damaged(format!("it states {:?} twice", place.key()));
                }
            };
        }
        for _ in 0..n_tensors {
            let name = self.text()?;
            let stored = self.tensor(&name)?;
            match header.tensors.entry(name) {
                Entry::Vacant(place) => place.insert(stored),
                Entry::Occupied(place) => {
                    return damaged(format!("it lists tensor {:?} twice", place.key()));
                }
            };
        }
        self.place(&mut header)?;
        Ok(header)
    }

    /// One entry of the list of tensors; `start` still counts from where the tensors begin.
    fn tensor(&mut self, name: &str) -> Result<Stored, Trouble> {
        let n_dims = self.u32()?;
        if n_dims > MAX_DIMS {
            return damaged(format!("tensor {name:?} has {n_dims} dimensions"));
        }
        let mut shape = Vec::with_capacity(n_dims as usize);
        for _ in 0..n_dims {
            let length = self.length()?;
            shape.push(usize::try_from(length).unwrap_or(usize::MAX));
        }
        // The file has the fastest dimension first.
        shape.reverse();
        let problem = |why: &str| ModelProblem::Tensor { name: name.into(), why: why.into() };
        let format = Format::of_code(self.u32()?);
        let format = format.map_err(|why| Trouble::Model(problem(&why)))?;
        let n_bytes = format.n_bytes(&shape).map_err(|why| Trouble::Model(problem(why)))?;
        let start = self.number::<8>().map(u64::from_le_bytes)?;
        Ok(Stored { shape, format, start, n_bytes })
    }

    /// Finds where the tensors begin and checks that there is a place for each of them.
    fn place(&self, header: &mut Header) -> Result<(), Trouble> {
        let alignment = match header.values.get("general.alignment") {
            None => DEFAULT_ALIGNMENT,
            Some(Value::Whole(alignment @ 1..=0x1_0000)) => *alignment as u64,
            Some(_) => return damaged("its alignment is not 1 to 65536"),
        };
        let first = self.position.next_multiple_of(alignment);
        let mut total = 0u64;
        for stored in header.tensors.values_mut() {
            let start = first.checked_add(stored.start);
            let end = start.and_then(|start| start.checked_add(stored.n_bytes));
            let (Some(start), Some(end)) = (start, end) else {
                return damaged("an offset overflows");
            };
            if end > self.n_bytes {
                let (found, expected) = (self.n_bytes, end);
                return Err(Trouble::Model(ModelProblem::Truncated { found, expected }));
            }
            stored.start = start;
            total = total.saturating_add(stored.n_bytes);
        }
        // What is read twice would be held twice.
        if total > self.n_bytes.saturating_sub(self.position) {
            return damaged("its tensors overlap");
        }
        Ok(())
    }

    fn value(&mut self, kind: u32) -> Result<Value, Trouble> {
        Ok(match kind {
            0 => Value::Whole(u8::from_le_bytes(self.number()?).into()),
            1 => Value::Whole(i8::from_le_bytes(self.number()?).into()),
            2 => Value::Whole(u16::from_le_bytes(self.number()?).into()),
            3 => Value::Whole(i16::from_le_bytes(self.number()?).into()),
            4 => Value::Whole(u32::from_le_bytes(self.number()?).into()),
            5 => Value::Whole(i32::from_le_bytes(self.number()?).into()),
            6 => Value::Number(f32::from_le_bytes(self.number()?).into()),
            7 => Value::Flag(self.number::<1>()? != [0]),
            8 => Value::Text(self.text()?),
            9 => self.list(MAX_DEPTH)?,
            10 => Value::Whole(u64::from_le_bytes(self.number()?).into()),
            11 => Value::Whole(i64::from_le_bytes(self.number()?).into()),
            12 => Value::Number(f64::from_le_bytes(self.number()?)),
            kind => return damaged(format!("it has a value of kind {kind}")),
        })
    }

    fn list(&mut self, depth: u8) -> Result<Value, Trouble> {
        let kind = self.u32()?;
        let length = self.length()?;
        let smallest = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 => self.length_bytes(),
            9 => 4 + self.length_bytes(),
            10..=12 => 8,
            kind => return damaged(format!("it has a list of kind {kind}")),
        };
        let n_bytes = self.at_most_the_rest(length, smallest)?;
        let length = length as usize;
        Ok(match kind {
            4 | 5 => {
                let mut wholes = Vec::with_capacity(length);
                for _ in 0..length {
                    wholes.push(i32::from_le_bytes(self.number()?));
                }
                Value::Wholes(wholes)
            }
            6 => {
                let mut numbers = Vec::with_capacity(length);
                for _ in 0..length {
                    numbers.push(f32::from_le_bytes(self.number()?));
                }
                Value::Numbers(numbers)
            }
            8 => {
                let mut texts = Vec::with_capacity(length);
                for _ in 0..length {
                    texts.push(self.text()?);
                }
                Value::Texts(texts)
            }
            9 => {
                let Some(depth) = depth.checked_sub(1) else {
                    return damaged("its lists lie too deep");
                };
                for _ in 0..length {
                    self.list(depth)?;
                }
                Value::Other
            }
            _ => {
                self.skip(n_bytes)?;
                Value::Other
            }
        })
    }

    fn text(&mut self) -> Result<String, Trouble> {
        let length = self.length()?;
        let n_bytes = self.at_most_the_rest(length, 1)?;
        let mut bytes = vec![0; n_bytes as usize];
        self.fill(&mut bytes)?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    fn length(&mut self) -> Result<u64, Trouble> {
        if self.wide { Ok(u64::from_le_bytes(self.number()?)) } else { Ok(self.u32()?.into()) }
    }

    fn length_bytes(&self) -> u64 {
        if self.wide { 8 } else { 4 }
    }

    fn u32(&mut self) -> Result<u32, Trouble> {
        Ok(u32::from_le_bytes(self.number()?))
    }

    fn number<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Bytes of `count` things of at least so many bytes each, if the file goes on for so long.
    fn at_most_the_rest(&self, count: u64, bytes_each: u64) -> Result<u64, Trouble> {
        let n_bytes = count.checked_mul(bytes_each);
        match n_bytes.filter(|n_bytes| *n_bytes <= self.n_bytes.saturating_sub(self.position)) {
            Some(n_bytes) => Ok(n_bytes),
            None => Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.reader.read_exact(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn skip(&mut self, n_bytes: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.reader.by_ref().take(n_bytes), &mut io::sink())?;
        self.position += skipped;
        if skipped == n_bytes { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Header, ModelProblem> {
        Header::read(bytes, bytes.len() as u64)
    }

    /// A header of version 3 with so many tensors and values, and what follows.
    fn header(n_tensors: u64, n_values: u64, rest: &[u8]) -> Vec<u8> {
        let counts = [n_tensors.to_le_bytes(), n_values.to_le_bytes()].concat();
        [b"GGUF\x03\0\0\0".as_slice(), &counts, rest].concat()
    }

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
    }

    /// A value: its name, the code of its kind, its bytes.
    fn value(key: &str, kind: u32, bytes: &[u8]) -> Vec<u8> {
        [text(key), kind.to_le_bytes().to_vec(), bytes.to_vec()].concat()
    }

    #[track_caller]
    fn check_value(kind: u32, bytes: &[u8], expected: &Value) {
        let header = read(&header(0, 1, &value("it", kind, bytes))).unwrap();
        assert_eq!(header.values.get("it"), Some(expected));
    }

    #[track_caller]
    fn check_refused(bytes: &[u8], expected: &str) {
        assert_eq!(read(bytes).unwrap_err().to_string(), expected);
    }

    #[test]
    fn every_kind_of_value_is_read() {
        check_value(0, &[200], &Value::Whole(200));
        check_value(1, &[200], &Value::Whole(-56));
        check_value(2, &[1, 2], &Value::Whole(0x201));
        check_value(3, &[0xFF, 0xFF], &Value::Whole(-1));
        check_value(4, &[0xFF; 4], &Value::Whole(u32::MAX.into()));
        check_value(5, &[0xFF; 4], &Value::Whole(-1));
        check_value(6, &1.5f32.to_le_bytes(), &Value::Number(1.5));
        check_value(7, &[1], &Value::Flag(true));
        check_value(8, &text("né"), &Value::Text("né".into()));
        check_value(10, &[0xFF; 8], &Value::Whole(u64::MAX.into()));
        check_value(11, &[0xFF; 8], &Value::Whole(-1));
        check_value(12, &0.1f64.to_le_bytes(), &Value::Number(0.1));
    }

    #[test]
    fn lists_of_texts_and_numbers_are_read_and_others_passed_over() {
        let list = |kind: u32, n: u64, bytes: &[u8]| {
            [&kind.to_le_bytes()[..], &n.to_le_bytes(), bytes].concat()
        };
        let texts = list(8, 2, &[text("a"), text("")].concat());
        check_value(9, &texts, &Value::Texts(vec!["a".into(), String::new()]));
        check_value(
            9,
            &list(5, 2, &[3, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]),
            &Value::Wholes(vec![3, -1]),
        );
        check_value(9, &list(6, 1, &2.5f32.to_le_bytes()), &Value::Numbers(vec![2.5]));
        check_value(9, &list(7, 3, &[0, 1, 1]), &Value::Other);
        check_value(9, &list(9, 1, &list(0, 2, &[1, 2])), &Value::Other);
        let mut deep = list(0, 0, &[]);
        for _ in 0..9 {
            deep = list(9, 1, &deep);
        }
        check_refused(
            &header(0, 1, &value("it", 9, &deep)),
            "its header is damaged (its lists lie too deep); fetch it again",
        );
    }

    #[test]
    fn a_length_beyond_the_end_is_no_reason_to_reserve_memory() {
        let endless = u64::MAX.to_le_bytes();
        let ended = "its header is damaged (it ends within its list of contents); fetch it again";
        check_refused(&header(0, 1, &endless), ended);
        check_refused(&header(0, u64::MAX, &[]), ended);
        check_refused(&header(u64::MAX, 0, &[]), ended);
        for kind in [0u32, 4, 6, 8, 9, 12] {
            let list = [&kind.to_le_bytes()[..], &endless].concat();
            check_refused(&header(0, 1, &value("it", 9, &list)), ended);
        }
    }

    #[test]
    fn what_is_said_twice_is_refused() {
        let twice = [value("it", 7, &[1]), value("it", 7, &[0])].concat();
        check_refused(
            &header(0, 2, &twice),
            "its header is damaged (it states \"it\" twice); fetch it again",
        );
    }

    #[test]
    fn other_versions_and_byte_orders_are_named() {
        check_refused(
            b"GGUF\x09\0\0\0",
            "its header is damaged (it is of version 9, known are 1 to 3); fetch it again",
        );
        check_refused(
            b"GGUF\0\0\0\x03",
            "its header is damaged (it is big-endian, known is little-endian); fetch it again",
        );
    }

    /// An entry of the list of tensors.
    fn tensor(name: &str, dims: &[u64], format: u32, start: u64) -> Vec<u8> {
        let dims_bytes: Vec<u8> = dims.iter().flat_map(|dim| dim.to_le_bytes()).collect();
        [
            text(name),
            (dims.len() as u32).to_le_bytes().to_vec(),
            dims_bytes,
            format.to_le_bytes().to_vec(),
            start.to_le_bytes().to_vec(),
        ]
        .concat()
    }

    #[test]
    fn tensors_are_placed_behind_the_header_with_their_rows_first() {
        let mut bytes = header(1, 0, &tensor("a", &[4, 2], 0, 32));
        let first = bytes.len().next_multiple_of(32) as u64;
        bytes.resize(first as usize + 32 + 4 * 2 * 4, 0);
        let header = read(&bytes).unwrap();
        let expected =
            Stored { shape: vec![2, 4], format: Format::F32, start: first + 32, n_bytes: 32 };
        assert_eq!(header.tensors.get("a"), Some(&expected));
        let truncated = read(&bytes[..bytes.len() - 1]).unwrap_err();
        assert!(matches!(truncated, ModelProblem::Truncated { .. }), "{truncated}");
    }

    #[test]
    fn tensors_that_share_bytes_are_refused() {
        let mut bytes = header(2, 0, &[tensor("a", &[8], 0, 0), tensor("b", &[8], 0, 0)].concat());
        bytes.resize(bytes.len().next_multiple_of(32) + 32, 0);
        check_refused(&bytes, "its header is damaged (its tensors overlap); fetch it again");
    }

    #[test]
    fn impossible_tensors_are_named() {
        let refused = |dims: &[u64], format| {
            read(&header(1, 0, &tensor("a", dims, format, 0))).unwrap_err().to_string()
        };
        assert_eq!(
            refused(&[u64::MAX, 2], 0),
            "tensor \"a\" cannot be read (its shape is impossible)"
        );
        assert_eq!(
            refused(&[33], 3),
            "tensor \"a\" cannot be read (it is not made of whole blocks)"
        );
        assert_eq!(
            refused(&[32], 23),
            "tensor \"a\" cannot be read (it is stored as IQ4_XS, which is not provided for)"
        );
        assert_eq!(
            refused(&[32], 999),
            "tensor \"a\" cannot be read (it is stored in format 999, which nobody knows)"
        );
    }
}

//! A pickle read as data. Nothing in it is ever called: a function and what it is to be called with
//! become a value like any other.
//!
//! Source: the opcodes as described in Python's `pickletools.py`, protocols 0 to 5. Values lie in one
//! list and name each other by index, so that no depth of nesting costs stack and a value that is
//! used twice is stored once.

use std::collections::HashMap;

/// Values of one pickle at most; real ones have some thousands, and each takes memory.
const MOST_VALUES: usize = 4_000_000;

/// The place of a value among all.
pub type Id = usize;

/// What a pickle is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, and what is of no interest here.
    None,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes, or a whole number of more than eight of them.
    Bytes,
    /// A tuple, list or set.
    Sequence(Vec<Id>),
    /// Keys and values.
    Dict(Vec<(Id, Id)>),
    /// A name from a module.
    Global(String, String),
    /// A function or class, and what it would be called with. What was added to the result since
    /// stands beside it.
    Call {
        /// What would be called.
        callable: Id,
        /// With what.
        args: Id,
        /// Keys and values set in the result.
        items: Vec<(Id, Id)>,
    },
    /// A reference out of the pickle.
    Persistent(Id),
}

/// All values of a pickle.
#[derive(Debug)]
pub struct Pickle {
    values: Vec<Value>,
    /// The one that was pickled.
    pub root: Id,
}

impl Pickle {
    /// Reads the pickle that `bytes` begin with; returns how long it is, too.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(bytes: &[u8]) -> Result<(Self, usize), String> {
        let mut reader = Reader {
            bytes,
            at: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        let root = reader.run()?;
        Ok((Self { values: reader.values, root }, reader.at))
    }

    /// A value.
    pub fn value(&self, id: Id) -> &Value {
        &self.values[id]
    }

    /// All references out of the pickle.
    pub fn persistent(&self) -> impl Iterator<Item = Id> {
        let is_one = |id: &Id| matches!(self.values[*id], Value::Persistent(_));
        (0..self.values.len()).filter(is_one)
    }

    /// A text.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.value(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number that is not below zero.
    pub fn count(&self, id: Id) -> Option<usize> {
        match self.value(id) {
            Value::Int(number) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The items of a tuple or list.
    pub fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.value(id) {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// Keys and values of a dictionary, ordered or not.
    pub fn dict(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.value(id) {
            Value::Dict(items) => Some(items),
            Value::Call { callable, items, .. } => match self.value(*callable) {
                Value::Global(_, name) if name == "OrderedDict" => Some(items),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether a value is a call of that function, and its arguments.
    pub fn call(&self, id: Id) -> Option<(&str, &str, &[Id])> {
        let Value::Call { callable, args, .. } = self.value(id) else { return None };
        let Value::Global(module, name) = self.value(*callable) else { return None };
        Some((module, name, self.sequence(*args)?))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// How high the stack was at each mark.
    marks: Vec<usize>,
    memo: HashMap<usize, Id>,
}

impl Reader<'_> {
    fn run(&mut self) -> Result<Id, String> {
        loop {
            let opcode = self.take(1)?[0];
            match opcode {
                b'.' => return self.pop(),
                // Protocol and frames say nothing that matters.
                0x80 => {
                    self.take(1)?;
                }
                0x95 => {
                    self.take(8)?;
                }
                b'(' => self.marks.push(self.stack.len()),
                // What an object is filled with after it was made is of no interest.
                b'0' | b'b' => {
                    self.pop()?;
                }
                b'1' => {
                    self.since_mark()?;
                }
                b'2' => {
                    let top = self.top()?;
                    self.stack.push(top);
                }
                b'N' => self.push(Value::None)?,
                0x88 => self.push(Value::Bool(true))?,
                0x89 => self.push(Value::Bool(false))?,
                b'I' | b'L' => self.whole_line()?,
                b'J' => {
                    let number = i32::from_le_bytes(self.array()?);
                    self.push(Value::Int(number.into()))?;
                }
                b'K' => {
                    let [number] = self.array()?;
                    self.push(Value::Int(number.into()))?;
                }
                b'M' => {
                    let number = u16::from_le_bytes(self.array()?);
                    self.push(Value::Int(number.into()))?;
                }
                0x8a => {
                    let [n] = self.array()?;
                    self.long(n.into())?;
                }
                0x8b => {
                    let n = u32::from_le_bytes(self.array()?);
                    self.long(n as usize)?;
                }
                b'F' => {
                    let number = self.line()?.parse().map_err(|_| "a number cannot be read")?;
                    self.push(Value::Float(number))?;
                }
                b'G' => {
                    let number = f64::from_be_bytes(self.array()?);
                    self.push(Value::Float(number))?;
                }
                b'S' | b'V' => {
                    let text = self.line()?.trim_matches(['\'', '"']).to_owned();
                    self.push(Value::Text(text))?;
                }
                b'U' | 0x8c => {
                    let [n] = self.array()?;
                    self.text(n.into())?;
                }
                b'T' | b'X' => {
                    let n = u32::from_le_bytes(self.array()?);
                    self.text(n as usize)?;
                }
                0x8d => {
                    let n = self.long_length()?;
                    self.text(n)?;
                }
                b'C' => {
                    let [n] = self.array()?;
                    self.blob(n.into())?;
                }
                b'B' => {
                    let n = u32::from_le_bytes(self.array()?);
                    self.blob(n as usize)?;
                }
                0x8e | 0x96 => {
                    let n = self.long_length()?;
                    self.blob(n)?;
                }
                b')' | b']' | 0x8f => self.push(Value::Sequence(Vec::new()))?,
                b't' | b'l' | 0x91 => {
                    let items = self.since_mark()?;
                    self.push(Value::Sequence(items))?;
                }
                0x85..=0x87 => {
                    let n = usize::from(opcode - 0x84);
                    let first = self.stack.len().checked_sub(n).ok_or("its stack is empty")?;
                    let items = self.stack.split_off(first);
                    self.push(Value::Sequence(items))?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(&[item])?;
                }
                b'e' | 0x90 => {
                    let items = self.since_mark()?;
                    self.append(&items)?;
                }
                b'}' => self.push(Value::Dict(Vec::new()))?,
                b'd' => {
                    let items = self.since_mark()?;
                    self.push(Value::Dict(Vec::new()))?;
                    self.set(&items)?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set(&[key, value])?;
                }
                b'u' => {
                    let items = self.since_mark()?;
                    self.set(&items)?;
                }
                b'c' => {
                    let (module, name) = (self.line()?.to_owned(), self.line()?.to_owned());
                    self.push(Value::Global(module, name))?;
                }
                0x93 => {
                    let name = self.pop()?;
                    let module = self.pop()?;
                    let text = |id: Id| match &self.values[id] {
                        Value::Text(text) => Ok(text.clone()),
                        _ => Err("a name is no text"),
                    };
                    let global = Value::Global(text(module)?, text(name)?);
                    self.push(global)?;
                }
                b'R' | 0x81 => {
                    let args = self.pop()?;
                    let callable = self.pop()?;
                    self.push(Value::Call { callable, args, items: Vec::new() })?;
                }
                0x92 => {
                    self.pop()?;
                    let args = self.pop()?;
                    let callable = self.pop()?;
                    self.push(Value::Call { callable, args, items: Vec::new() })?;
                }
                b'Q' => {
                    let id = self.pop()?;
                    self.push(Value::Persistent(id))?;
                }
                b'p' | b'q' | b'r' | 0x94 => {
                    let key = match opcode {
                        b'p' => self.line()?.parse().map_err(|_| "a memo's number is wrong")?,
                        b'q' => usize::from(self.array::<1>()?[0]),
                        b'r' => u32::from_le_bytes(self.array()?) as usize,
                        _ => self.memo.len(),
                    };
                    let top = self.top()?;
                    self.memo.insert(key, top);
                }
                b'g' | b'h' | b'j' => {
                    let key: usize = match opcode {
                        b'g' => self.line()?.parse().map_err(|_| "a memo's number is wrong")?,
                        b'h' => usize::from(self.array::<1>()?[0]),
                        _ => u32::from_le_bytes(self.array()?) as usize,
                    };
                    let id = *self.memo.get(&key).ok_or("it names something that is not there")?;
                    self.stack.push(id);
                }
                other => return Err(format!("its opcode {other:#04x} is not known")),
            }
            if self.stack.len() > MOST_VALUES {
                return Err("it has too many parts".to_owned());
            }
        }
    }

    fn take(&mut self, n: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(n).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or("it ends in the middle")?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn long_length(&mut self) -> Result<usize, String> {
        let n = u64::from_le_bytes(self.array()?);
        usize::try_from(n).map_err(|_| "it ends in the middle".to_owned())
    }

    fn line(&mut self) -> Result<&str, String> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|&byte| byte == b'\n').ok_or("it ends in the middle")?;
        self.at += len + 1;
        std::str::from_utf8(&rest[..len])
            .map(|line| line.trim_end_matches('\r'))
            .map_err(|_| "a name is no text".to_owned())
    }

    fn whole_line(&mut self) -> Result<(), String> {
        let value = match self.line()?.trim_end_matches('L') {
            "00" => Value::Bool(false),
            "01" => Value::Bool(true),
            number => Value::Int(number.parse().map_err(|_| "a number cannot be read")?),
        };
        self.push(value)
    }

    /// A whole number of `n` bytes; one that does not fit has no meaning for checkpoints.
    fn long(&mut self, n: usize) -> Result<(), String> {
        let bytes = self.take(n)?;
        let value = if n <= 8 {
            let is_negative = bytes.last().is_some_and(|&last| last >= 0x80);
            let mut whole = [if is_negative { 0xff } else { 0 }; 8];
            whole[..n].copy_from_slice(bytes);
            Value::Int(i64::from_le_bytes(whole))
        } else {
            Value::Bytes
        };
        self.push(value)
    }

    fn text(&mut self, n: usize) -> Result<(), String> {
        let text = String::from_utf8_lossy(self.take(n)?).into_owned();
        self.push(Value::Text(text))
    }

    fn blob(&mut self, n: usize) -> Result<(), String> {
        self.take(n)?;
        self.push(Value::Bytes)
    }

    fn push(&mut self, value: Value) -> Result<(), String> {
        if self.values.len() >= MOST_VALUES {
            return Err("it has too many parts".to_owned());
        }
        self.stack.push(self.values.len());
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, String> {
        self.stack.pop().ok_or_else(|| "its stack is empty".to_owned())
    }

    fn top(&self) -> Result<Id, String> {
        self.stack.last().copied().ok_or_else(|| "its stack is empty".to_owned())
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len());
        Ok(self.stack.split_off(mark.ok_or("a mark is missing")?))
    }

    fn append(&mut self, items: &[Id]) -> Result<(), String> {
        let list = self.top()?;
        // A list may also be what a call gives; what is added to that is of no interest.
        if let Value::Sequence(sequence) = &mut self.values[list] {
            sequence.extend_from_slice(items);
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), String> {
        let dict = self.top()?;
        let (Value::Dict(known) | Value::Call { items: known, .. }) = &mut self.values[dict] else {
            return Err("it sets a key in something that has none".to_owned());
        };
        known.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_dictionary_of_what_python_writes_is_read() {
        // pickle.dumps({'a': 1, 'b': (2.5, None, [True, -3])}, protocol=2)
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01X\x01\x00\x00\x00bq\x02G@\x04\x00\x00\x00\x00\x00\x00N]q\x03(\x88J\xfd\xff\xff\xffe\x87q\x04u.rest";
        let (pickle, len) = Pickle::read(bytes).unwrap();
        assert_eq!(&bytes[len..], b"rest");
        let [(a, one), (b, tuple)] = pickle.dict(pickle.root).unwrap() else { panic!("two items") };
        assert_eq!((pickle.text(*a), pickle.count(*one)), (Some("a"), Some(1)));
        assert_eq!(pickle.text(*b), Some("b"));
        let [number, none, list] = pickle.sequence(*tuple).unwrap() else { panic!("three") };
        assert_eq!(pickle.value(*number), &Value::Float(2.5));
        assert_eq!(pickle.value(*none), &Value::None);
        let [yes, minus] = pickle.sequence(*list).unwrap() else { panic!("two") };
        assert_eq!(pickle.value(*yes), &Value::Bool(true));
        assert_eq!(pickle.value(*minus), &Value::Int(-3));
    }

    #[test]
    fn what_would_run_a_program_is_only_read() {
        // os.system('echo'), as an attacker would pickle it.
        let bytes = b"cos\nsystem\n(X\x04\x00\x00\x00echotR.";
        let (pickle, _) = Pickle::read(bytes).unwrap();
        let (module, name, args) = pickle.call(pickle.root).unwrap();
        assert_eq!((module, name, pickle.text(args[0])), ("os", "system", Some("echo")));
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        let mut bytes = b")".to_vec();
        bytes.extend(std::iter::repeat_n(0x85, 1_000_000));
        bytes.push(b'.');
        assert!(Pickle::read(&bytes).is_ok());
        assert!(Pickle::read(&vec![b'N'; MOST_VALUES + 2]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            Pickle::read(&bytes).ok();
        }

        #[test]
        fn no_opcodes_panic(
            bytes in prop::collection::vec(
                prop::sample::select(&b"(.012NIJKMGX)]}tlaeduscRbQqhprgj\x81\x85\x86\x87\x88\x8a\x8c\x90\x91\x92\x93\x94\x00\x01\n"[..]),
                0..100,
            )
        ) {
            Pickle::read(&bytes).ok();
        }
    }
}

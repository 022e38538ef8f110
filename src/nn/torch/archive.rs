//! The archive that torch has written since 1.6: a zip whose entries are stored as they are.
//!
//! Source: PKWARE's APPNOTE 6.3. Read here and not by the `zip` crate, because that (9.8) mistakes
//! archives whose folder name has 21 characters for damaged ones.

use std::collections::HashMap;

/// What the end of the central directory begins with.
const END: &[u8] = b"PK\x05\x06";
/// Bytes of that record without its comment.
const END_LEN: usize = 22;
/// Longest comment after it.
const MOST_COMMENT: usize = 0xffff;
/// What each record of the directory begins with.
const RECORD: &[u8] = b"PK\x01\x02";
const RECORD_LEN: usize = 46;
/// What stands before each entry.
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_LEN: usize = 30;
/// The larger end record and what points to it.
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR64: &[u8] = b"PK\x06\x07";
const LOCATOR64_LEN: usize = 20;
/// The extra field with sizes of eight bytes.
const EXTRA64: u16 = 1;

/// Where the entries of an archive lie.
#[derive(Debug)]
pub struct Archive<'a> {
    bytes: &'a [u8],
    entries: HashMap<String, Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    at: usize,
    len: usize,
    crc: u32,
}

impl<'a> Archive<'a> {
    /// Reads the directory.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let earliest = bytes.len().saturating_sub(END_LEN + MOST_COMMENT);
        let end = (earliest..=bytes.len().saturating_sub(END_LEN))
            .rev()
            .find(|&at| bytes[at..].starts_with(END))
            .ok_or("its directory is missing")?;
        let mut n_entries = usize::from(u16_at(bytes, end + 10)?);
        let mut at = u32_at(bytes, end + 16)? as usize;
        let locator = end.checked_sub(LOCATOR64_LEN);
        if let Some(locator) = locator.filter(|&at| bytes[at..].starts_with(LOCATOR64)) {
            let record = u64_at(bytes, locator + 8)?;
            if !bytes.get(record..).is_some_and(|rest| rest.starts_with(END64)) {
                return Err("its directory is damaged".to_owned());
            }
            n_entries = u64_at(bytes, record + 32)?;
            at = u64_at(bytes, record + 48)?;
        }
        let mut entries = HashMap::new();
        for _ in 0..n_entries {
            if !bytes.get(at..).is_some_and(|rest| rest.starts_with(RECORD)) {
                return Err("its directory is damaged".to_owned());
            }
            let name_len = usize::from(u16_at(bytes, at + 28)?);
            let extra_len = usize::from(u16_at(bytes, at + 30)?);
            let comment_len = usize::from(u16_at(bytes, at + 32)?);
            let name = slice(bytes, at + RECORD_LEN, name_len)?;
            let name = String::from_utf8_lossy(name).into_owned();
            let extra = slice(bytes, at + RECORD_LEN + name_len, extra_len)?;
            if u16_at(bytes, at + 10)? != 0 {
                return Err(format!("its entry {name} is compressed, which torch does not do"));
            }
            // In this order, each only where the field proper is full.
            let mut wide = extra64(extra).chunks_exact(8).map(|eight| u64_at(eight, 0));
            let mut field = |narrow: u32| match narrow {
                u32::MAX => wide.next().unwrap_or(Err("its directory is damaged".to_owned())),
                narrow => Ok(narrow as usize),
            };
            let len = field(u32_at(bytes, at + 24)?)?;
            let stored = field(u32_at(bytes, at + 20)?)?;
            let local = field(u32_at(bytes, at + 42)?)?;
            if stored != len {
                return Err("its directory is damaged".to_owned());
            }
            let entry = Entry { at: local, len, crc: u32_at(bytes, at + 16)? };
            entries.insert(name, entry);
            at += RECORD_LEN + name_len + extra_len + comment_len;
        }
        Ok(Self { bytes, entries })
    }

    /// The name of the entry that ends so; torch puts all of them into one folder.
    pub fn find(&self, ending: &str) -> Option<&str> {
        let is_it = |name: &&String| name.split_once('/').is_some_and(|(_, rest)| rest == ending);
        self.entries.keys().find(is_it).map(String::as_str)
    }

    /// An entry's bytes.
    ///
    /// # Errors
    /// If there is no such entry, or it is damaged.
    pub fn entry(&self, name: &str) -> Result<&'a [u8], String> {
        let entry = self.entries.get(name).ok_or_else(|| format!("it has no entry {name}"))?;
        let Entry { at, len, crc } = *entry;
        if !self.bytes.get(at..).is_some_and(|rest| rest.starts_with(LOCAL)) {
            return Err(format!("its entry {name} is not where it should be"));
        }
        let name_len = usize::from(u16_at(self.bytes, at + 26)?);
        let extra_len = usize::from(u16_at(self.bytes, at + 28)?);
        let bytes = slice(self.bytes, at + LOCAL_LEN + name_len + extra_len, len)?;
        let mut sum = flate2::Crc::new();
        sum.update(bytes);
        // Zero is what torch writes when it was told to count nothing.
        if crc != 0 && sum.sum() != crc {
            return Err(format!("its entry {name} is damaged"));
        }
        Ok(bytes)
    }
}

/// The sizes of eight bytes, if there are any.
fn extra64(mut extra: &[u8]) -> &[u8] {
    while let (Ok(id), Ok(len)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let Ok(field) = slice(extra, 4, len.into()) else { break };
        if id == EXTRA64 {
            return field;
        }
        extra = &extra[4 + usize::from(len)..];
    }
    &[]
}

fn slice(bytes: &[u8], at: usize, len: usize) -> Result<&[u8], String> {
    let end = at.checked_add(len);
    end.and_then(|end| bytes.get(at..end)).ok_or_else(|| "it ends in the middle".to_owned())
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, String> {
    let two = slice(bytes, at, 2)?;
    Ok(u16::from_le_bytes([two[0], two[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, String> {
    let four = slice(bytes, at, 4)?;
    Ok(u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

fn u64_at(bytes: &[u8], at: usize) -> Result<usize, String> {
    let (low, high) = (u32_at(bytes, at)?, u32_at(bytes, at + 4)?);
    usize::try_from(u64::from(low) | u64::from(high) << 32)
        .map_err(|_| "it is too large for this machine".to_owned())
}

//! The tensors of a checkpoint that torch has saved, as an archive or in the form before 1.6.
//!
//! Source: `torch/serialization.py` and `torch/_utils.py` of torch 2.15; the older form is five
//! pickles (a magic number, a version, the machine, the object, the names of its storages) and then
//! the storages. A file may hold more than weights: training state, options, whole objects. The
//! weights are the dictionary with most tensors among the places where programs put them.

use std::collections::HashMap;

use super::{
    archive::Archive,
    pickle::{Id, Pickle, Value},
};

/// What an archive begins with.
const ARCHIVE: &[u8] = b"PK\x03\x04";
/// What the older form begins with: the first pickle, a number of ten bytes.
const OLD: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e";
/// The version of the older form.
const OLD_VERSION: usize = 1001;
/// Keys under which programs put the weights: Lightning, NVIDIA, r9y9; HiFi-GAN; others.
const PLACES: [&str; 5] = ["state_dict", "generator", "model", "model_state_dict", "model_g"];

/// What a tensor's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredType {
    /// Four bytes.
    F32,
    /// Eight bytes.
    F64,
    /// Two bytes.
    F16,
    /// Two bytes, with the range of single precision.
    Bf16,
    /// Counters and masks of so many bytes, which are no weights.
    Whole(usize),
}

impl StoredType {
    fn of(storage: &str) -> Option<Self> {
        Some(match storage {
            "FloatStorage" => Self::F32,
            "DoubleStorage" => Self::F64,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::Bf16,
            "LongStorage" => Self::Whole(8),
            "IntStorage" => Self::Whole(4),
            "ShortStorage" => Self::Whole(2),
            "CharStorage" | "ByteStorage" | "BoolStorage" => Self::Whole(1),
            _ => return None,
        })
    }

    /// Bytes of a number.
    pub fn n_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
            Self::F16 | Self::Bf16 => 2,
            Self::Whole(n) => n,
        }
    }
}

/// A tensor as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Its name.
    pub name: String,
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// What its numbers are.
    pub dtype: StoredType,
    /// Its numbers, row after row, little-endian.
    pub bytes: Vec<u8>,
}

/// A tensor that is yet to be found in its storage.
struct View<'a> {
    name: &'a str,
    key: &'a str,
    dtype: StoredType,
    shape: Vec<usize>,
    strides: Vec<usize>,
    offset: usize,
}

/// Whether a file begins as one that torch has saved.
pub fn is_checkpoint(bytes: &[u8]) -> bool {
    bytes.starts_with(ARCHIVE) || bytes.starts_with(OLD)
}

/// The tensors of a checkpoint's weights.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read(bytes: &[u8]) -> Result<Vec<Stored>, String> {
    if bytes.starts_with(OLD) { read_old(bytes) } else { read_archive(bytes) }
}

fn read_archive(bytes: &[u8]) -> Result<Vec<Stored>, String> {
    let archive = Archive::open(bytes)?;
    if let Some(order) = archive.find("byteorder")
        && archive.entry(order)? != b"little"
    {
        return Err("its numbers are in another byte order".to_owned());
    }
    let name = archive.find("data.pkl").ok_or("it holds no pickle of torch")?;
    let folder = name.trim_end_matches("data.pkl");
    let (pickle, _) = Pickle::read(archive.entry(name)?)?;
    let mut storages = HashMap::new();
    let views = views(&pickle)?;
    for view in &views {
        if !storages.contains_key(view.key) {
            storages.insert(view.key, archive.entry(&format!("{folder}data/{}", view.key))?);
        }
    }
    gather(&views, &storages)
}

fn read_old(bytes: &[u8]) -> Result<Vec<Stored>, String> {
    let mut at = OLD.len();
    let mut next = || -> Result<Pickle, String> {
        let (pickle, len) = Pickle::read(&bytes[at..])?;
        at += len;
        Ok(pickle)
    };
    let version = next()?;
    if version.count(version.root) != Some(OLD_VERSION) {
        return Err("it is of a version that is not known".to_owned());
    }
    let machine = next()?;
    let has_order = |(key, order): &(Id, Id)| {
        machine.text(*key) == Some("little_endian") && machine.value(*order) == &Value::Bool(false)
    };
    if machine.dict(machine.root).unwrap_or_default().iter().any(has_order) {
        return Err("its numbers are in another byte order".to_owned());
    }
    let pickle = next()?;
    let names = next()?;
    let views = views(&pickle)?;
    let types = storage_types(&pickle);
    let mut storages = HashMap::new();
    for &id in names.sequence(names.root).ok_or("its storages have no names")? {
        let key = names.text(id).ok_or("its storages have no names")?;
        let count = bytes.get(at..at + 8).ok_or("it ends in the middle")?;
        let n = u64::from_le_bytes(count.try_into().map_err(|_| "it ends in the middle")?);
        let size = types.get(key).copied().ok_or("it has a storage of no known type")?.n_bytes();
        at += 8;
        let end = usize::try_from(n)
            .ok()
            .and_then(|n| n.checked_mul(size))
            .and_then(|len| at.checked_add(len))
            .filter(|&end| end <= bytes.len())
            .ok_or("it ends in the middle")?;
        storages.insert(key, &bytes[at..end]);
        at = end;
    }
    gather(&views, &storages)
}

/// The tensors of the dictionary that holds the weights.
fn views(pickle: &Pickle) -> Result<Vec<View<'_>>, String> {
    let mut found = views_in(pickle, pickle.root);
    // Programs that save more than weights put them one level down, or two.
    let mut level = vec![pickle.root];
    for _ in 0..2 {
        let mut below = Vec::new();
        for dict in level {
            for &(key, value) in pickle.dict(dict).unwrap_or_default() {
                if pickle.text(key).is_some_and(|key| PLACES.contains(&key)) {
                    below.push(value);
                }
            }
        }
        for &dict in &below {
            let here = views_in(pickle, dict);
            if here.len() > found.len() {
                found = here;
            }
        }
        level = below;
    }
    if found.is_empty() {
        return Err("it holds no weights by name; save the model's state_dict".to_owned());
    }
    Ok(found)
}

fn views_in(pickle: &Pickle, dict: Id) -> Vec<View<'_>> {
    let items = pickle.dict(dict).unwrap_or_default();
    items.iter().filter_map(|&(key, value)| view(pickle, pickle.text(key)?, value, 4)).collect()
}

/// A tensor, perhaps within some wrappers (`Parameter`).
fn view<'a>(pickle: &'a Pickle, name: &'a str, id: Id, n_wrappers: u32) -> Option<View<'a>> {
    let (module, function, args) = pickle.call(id)?;
    if module != "torch._utils" {
        return None;
    }
    if function.starts_with("_rebuild_parameter") {
        return view(pickle, name, *args.first()?, n_wrappers.checked_sub(1)?);
    }
    if !matches!(function, "_rebuild_tensor_v2" | "_rebuild_tensor") {
        return None;
    }
    let [storage, offset, shape, strides, ..] = args else { return None };
    let (key, dtype, start) = storage_of(pickle, *storage)?;
    let counts = |id: Id| {
        pickle.sequence(id)?.iter().map(|&id| pickle.count(id)).collect::<Option<Vec<usize>>>()
    };
    let (shape, strides) = (counts(*shape)?, counts(*strides)?);
    let offset = start.checked_add(pickle.count(*offset)?)?;
    (shape.len() == strides.len()).then_some(View { name, key, dtype, shape, strides, offset })
}

/// Name and type of a storage, and where in it a view of old files begins.
fn storage_of(pickle: &Pickle, id: Id) -> Option<(&str, StoredType, usize)> {
    let Value::Persistent(id) = pickle.value(id) else { return None };
    let [kind, class, key, _location, _count, rest @ ..] = pickle.sequence(*id)? else {
        return None;
    };
    let Value::Global(_, class) = pickle.value(*class) else { return None };
    if pickle.text(*kind) != Some("storage") {
        return None;
    }
    let start = rest
        .first()
        .and_then(|&view| pickle.sequence(view))
        .and_then(|view| pickle.count(*view.get(1)?))
        .unwrap_or(0);
    Some((pickle.text(*key)?, StoredType::of(class)?, start))
}

/// The types of all storages that a pickle names, since in the older form each has to be passed.
fn storage_types(pickle: &Pickle) -> HashMap<&str, StoredType> {
    pickle
        .persistent()
        .filter_map(|id| storage_of(pickle, id))
        .map(|(key, dtype, _)| (key, dtype))
        .collect()
}

/// Copies each tensor out of its storage.
fn gather(views: &[View<'_>], storages: &HashMap<&str, &[u8]>) -> Result<Vec<Stored>, String> {
    // Tensors may share a storage, but a file whose tensors are far more than its storages would
    // only fill the memory.
    let mut room = storages.values().map(|storage| storage.len()).sum::<usize>().saturating_mul(2);
    views
        .iter()
        .map(|view| {
            let storage = *storages.get(view.key).ok_or("a tensor has no storage")?;
            let bytes = copy(view, storage, &mut room)
                .ok_or_else(|| format!("its tensor {} does not fit its storage", view.name))?;
            let (name, shape) = (view.name.to_owned(), view.shape.clone());
            Ok(Stored { name, shape, dtype: view.dtype, bytes })
        })
        .collect()
}

fn copy(view: &View<'_>, storage: &[u8], room: &mut usize) -> Option<Vec<u8>> {
    let size = view.dtype.n_bytes();
    let n = view.shape.iter().try_fold(1_usize, |n, &len| n.checked_mul(len))?;
    if n == 0 {
        return Some(Vec::new());
    }
    // The last number, which no other lies behind.
    let reach =
        view.shape.iter().zip(&view.strides).try_fold(view.offset, |at, (&len, &stride)| {
            at.checked_add((len - 1).checked_mul(stride)?)
        })?;
    let n_bytes = n.checked_mul(size)?;
    if reach.checked_add(1)?.checked_mul(size)? > storage.len() || n_bytes > storage.len() {
        return None;
    }
    *room = room.checked_sub(n_bytes)?;
    let mut bytes = Vec::with_capacity(n_bytes);
    let mut index = vec![0; view.shape.len()];
    let mut at = view.offset;
    // A run along the last dimension at a time, where its numbers lie side by side.
    let run = match (view.shape.last(), view.strides.last()) {
        (Some(&len), Some(1)) => len,
        _ => 1,
    };
    let inner = view.shape.len().saturating_sub(usize::from(run > 1));
    for _ in 0..n / run {
        bytes.extend_from_slice(&storage[at * size..(at + run) * size]);
        for dim in (0..inner).rev() {
            index[dim] += 1;
            at += view.strides[dim];
            if index[dim] < view.shape[dim] {
                break;
            }
            at -= view.strides[dim] * view.shape[dim];
            index[dim] = 0;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use proptest::prelude::*;
    use safetensors::SafeTensors;

    fn fixture(name: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tts/checkpoints");
        fs::read(folder.join(name)).unwrap()
    }

    /// Bit for bit what safetensors has; `rename` makes its names those of the checkpoint.
    #[track_caller]
    fn check(name: &str, expected: &str, rename: fn(&str) -> String) {
        let expected = fixture(expected);
        let expected = SafeTensors::deserialize(&expected).unwrap();
        let found = read(&fixture(name)).unwrap();
        assert_eq!(found.len(), expected.len(), "{name}");
        for tensor in &found {
            let want = expected.iter().find(|(name, _)| rename(name) == tensor.name);
            let (_, want) = want.unwrap_or_else(|| panic!("{} of {name}", tensor.name));
            assert_eq!(tensor.shape, want.shape(), "{} of {name}", tensor.name);
            if tensor.dtype == StoredType::F16 && want.dtype() == safetensors::Dtype::F32 {
                let halves =
                    tensor.bytes.as_chunks().0.iter().map(|&half| half::f16::from_le_bytes(half));
                let want = want.data().as_chunks().0.iter().map(|&four| f32::from_le_bytes(four));
                assert!(halves.zip(want).all(|(got, want)| got == half::f16::from_f32(want)));
            } else {
                assert!(tensor.bytes == want.data(), "{} of {name}", tensor.name);
            }
        }
    }

    fn inner(name: &str) -> String {
        let (layer, tensor) = name.rsplit_once('.').unwrap();
        format!("{layer}.conv.{tensor}")
    }

    #[test]
    fn every_container_holds_what_it_was_given() {
        let same = |name: &str| name.to_owned();
        check("hifigan_generator_zip.pth", "expected_hifigan_generator.safetensors", same);
        check("hifigan_generator_legacy.pth", "expected_hifigan_generator.safetensors", same);
        check("nvidia_tacotron2_legacy.pt", "expected_nvidia_tacotron2.safetensors", same);
        check("tacotron2_fp16_zip.pt", "expected_nvidia_tacotron2.safetensors", same);
        check("matcha_lightning.ckpt", "expected_matcha_lightning.safetensors", same);
        let generator = "expected_hifigan_generator.safetensors";
        check("speechbrain_generator_weight_g.ckpt", generator, inner);
        check("speechbrain_generator_parametrized.ckpt", generator, |name| {
            inner(name)
                .replace(".weight_g", ".parametrizations.weight.original0")
                .replace(".weight_v", ".parametrizations.weight.original1")
        });
    }

    #[test]
    fn no_cut_file_panics() {
        for name in ["hifigan_generator_zip.pth", "nvidia_tacotron2_legacy.pt"] {
            let whole = fixture(name);
            for len in (0..whole.len()).step_by(97).chain(whole.len() - 40..whole.len()) {
                assert!(read(&whole[..len]).is_err(), "{len} bytes of {name}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_damaged_file_panics(
            which in 0..2_usize,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let name = ["speechbrain_generator_weight_g.ckpt", "hifigan_generator_legacy.pth"][which];
            let mut bytes = fixture(name);
            for (at, byte) in changes {
                // The pickles, where damage tells most, are at the front and the directory at the end.
                let at = at.index(bytes.len());
                let at = if byte % 2 == 0 { at % 4096 } else { at };
                bytes[at] = byte;
            }
            read(&bytes).ok();
        }
    }

    #[test]
    fn a_folder_name_of_any_length_is_read() {
        // The `zip` crate cannot even open `hifigan_generator_zip.pth`, whose folder is called so.
        let whole = fixture("speechbrain_generator_weight_g.ckpt");
        let expected = read(&whole).unwrap();
        for len in [1, 20, 21, 22] {
            let renamed = rename_folder(&whole, &"x".repeat(len));
            assert_eq!(read(&renamed).unwrap(), expected, "a folder name of {len} characters");
        }
    }

    /// The same archive with another folder name, written by another program.
    fn rename_folder(bytes: &[u8], folder: &str) -> Vec<u8> {
        use std::io::{Cursor, Read, Write};
        let mut from = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut to = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for index in 0..from.len() {
            let mut entry = from.by_index(index).unwrap();
            let name = entry.name().unwrap().into_owned();
            let (_, rest) = name.split_once('/').unwrap();
            let options = zip::write::SimpleFileOptions::default()
                .compression_method(zip::CompressionMethod::Stored);
            to.start_file(format!("{folder}/{rest}"), options).unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            to.write_all(&content).unwrap();
        }
        to.finish().unwrap().into_inner()
    }
}

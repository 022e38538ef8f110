//! PEFT's folders: `adapter_config.json` beside `adapter_model.safetensors` or `adapter_model.bin`.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use super::{
    AdapterProblem,
    file::{AdapterFile, Half, Halves, Named, Source, Values, linear_layer, module_path, pair_up},
    peft_config::{CONFIG, PeftConfig},
};
use crate::{
    lm::{
        Error,
        checkpoint::{Part, Weight},
        hugging_face::{self, Float, Shard},
    },
    nn::torch::{self, StoredType},
};

/// The weights, the preferred file first.
const WEIGHTS: [&str; 3] = ["adapter_model.safetensors", "adapter_model.bin", "adapter_model.pt"];

/// What else belongs to an adapter, where it is there.
const BESIDE: [&str; 4] = ["README.md", "LICENSE", "LICENSE.txt", "NOTICE"];

/// What every name begins with, unless its program left that away.
const PREFIX: &str = "base_model.model.";

/// The folder that a path means, if it is one of PEFT's: the folder itself or a file of its.
pub fn folder(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        return path.join(CONFIG).is_file().then(|| path.to_owned());
    }
    let is_its_file = path.ends_with(CONFIG) || WEIGHTS.iter().any(|name| path.ends_with(name));
    let folder = path.parent().filter(|_| is_its_file && path.is_file())?;
    // A file alone is as good as a folder: it is told what it lacks.
    Some(if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() })
}

/// Opens a folder.
///
/// # Errors
/// As [`AdapterFile::open`].
pub fn open(folder: &Path) -> Result<AdapterFile, Error> {
    let problem = |problem: AdapterProblem| problem.of(folder);
    let config_path = folder.join(CONFIG);
    if !config_path.is_file() {
        return Err(problem(AdapterProblem::MissingFile(CONFIG.to_owned())));
    }
    let text = fs::read(&config_path).map_err(Error::read(&config_path))?;
    let config = PeftConfig::read(&text).map_err(problem)?;
    let weights = WEIGHTS.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    let weights =
        weights.ok_or_else(|| problem(AdapterProblem::MissingFile(WEIGHTS[0].to_owned())))?;
    let is_safe = weights.ends_with(WEIGHTS[0]);
    let (source, mut tensors) =
        if is_safe { safetensors(&weights)? } else { pickled(&weights, folder)? };

    // So that of several faults the same one is told each time.
    tensors.sort();
    let mut halves = Halves::new();
    let mut stored = HashMap::new();
    for (named, format, n_bytes) in tensors {
        let (layer_idx, part, half) = place(&named.0).map_err(problem)?;
        let path = module_path(layer_idx, part);
        if !config.covers(&path, layer_idx) {
            let why = "changes a module that its settings do not name; it is damaged, or put \
                       together from two adapters";
            return Err(problem(AdapterProblem::tensor(&named.0, why)));
        }
        stored.insert(named.0.clone(), (format, n_bytes));
        let slot = &mut halves.entry((layer_idx, part)).or_default()[half as usize];
        if let Some((other, _)) = slot.replace(named.clone()) {
            let why = format!("stands for the same as {other:?}");
            return Err(problem(AdapterProblem::tensor(&named.0, why)));
        }
    }
    if halves.is_empty() {
        let (file, why) = (file_name(&weights), "it holds no weights".to_owned());
        return Err(problem(AdapterProblem::File { file, why }));
    }
    let spelling = |layer_idx, part, half| {
        let letter = if half == Half::A { 'A' } else { 'B' };
        format!("{PREFIX}{}.lora_{letter}.weight", module_path(layer_idx, part))
    };
    let of_module = |layer_idx, part, _| {
        let path = module_path(layer_idx, part);
        (config.rank(&path), config.scale(&path))
    };
    let pairs = pair_up(halves, spelling, of_module).map_err(problem)?;
    let beside = BESIDE.iter().map(|name| folder.join(name)).filter(|path| path.is_file());
    Ok(AdapterFile {
        path: folder.to_owned(),
        files: [weights, config_path].into_iter().chain(beside).collect(),
        name: name_of(folder),
        base: config.base.clone(),
        alpha: config.alpha,
        pairs,
        config: Some(config),
        stored,
        source,
    })
}

/// Which half of which linear layer's pair a tensor is.
fn place(name: &str) -> Result<(usize, Part, Half), AdapterProblem> {
    let refused = |why: &str| AdapterProblem::tensor(name, why);
    let inner = name.strip_prefix(PREFIX).unwrap_or(name);
    if inner.contains("lora_embedding_") {
        return Err(refused("changes the embedding, which is not provided for"));
    }
    if inner.contains("lora_magnitude_vector") {
        return Err(refused("is of DoRA, which is not provided for"));
    }
    if inner.contains("modules_to_save") {
        return Err(refused("takes the place of a whole module, which is not provided for"));
    }
    let halves = [(".lora_A.", Half::A), (".lora_B.", Half::B)];
    let found = halves.into_iter().find_map(|(mark, half)| {
        let (module, rest) = inner.split_once(mark)?;
        Some((module, rest, half))
    });
    let Some((module, rest, half)) = found else {
        return Err(refused("is no half of a pair (lora_A, lora_B)"));
    };
    // Training keeps the adapter's name in between: `lora_A.default.weight`.
    match rest.rsplit_once('.').map_or(rest, |(_, last)| last) {
        "weight" => (),
        "bias" => return Err(refused("is a bias, which is not provided for")),
        _ => return Err(refused("is no half of a pair (lora_A, lora_B)")),
    }
    // Adapters of a model without its head leave the first word away.
    let of = |module: String| hugging_face::weight(&format!("{module}.weight"));
    let weight: Option<Weight> = of(module.to_owned()).or_else(|| of(format!("model.{module}")));
    let (layer_idx, part) = linear_layer(weight).map_err(refused)?;
    Ok((layer_idx, part, half))
}

type Tensors = Vec<(Named, &'static str, u64)>;

fn safetensors(path: &Path) -> Result<(Source, Tensors), Error> {
    let shard = Shard::open(path)?;
    let tensors = shard.tensors.iter().map(|(name, stored)| {
        ((name.clone(), stored.shape.clone()), stored.float.label(), stored.n_bytes())
    });
    let tensors = tensors.collect();
    Ok((Source::Safetensors(shard), tensors))
}

/// A pickle is read as data; nothing in it is run.
fn pickled(path: &Path, folder: &Path) -> Result<(Source, Tensors), Error> {
    let bytes = fs::read(path).map_err(Error::read(path))?;
    let damaged = |why: String| AdapterProblem::File { file: file_name(path), why }.of(folder);
    if !torch::is_checkpoint(&bytes) {
        return Err(damaged("torch has not saved it".to_owned()));
    }
    let mut values = HashMap::new();
    let mut tensors = Vec::new();
    for stored in torch::read(&bytes).map_err(damaged)? {
        let torch::Stored { name, shape, dtype, bytes } = stored;
        let held = match dtype {
            StoredType::F32 => Values { float: Float::F32, bytes },
            StoredType::F16 => Values { float: Float::F16, bytes },
            StoredType::Bf16 => Values { float: Float::BF16, bytes },
            StoredType::F64 => {
                let wide = bytes.as_chunks().0.iter().map(|it| f64::from_le_bytes(*it) as f32);
                Values::of_f32(&wide.collect::<Vec<f32>>())
            }
            StoredType::Whole(_) => {
                let why = "holds whole numbers, which are no weights";
                return Err(AdapterProblem::tensor(&name, why).of(folder));
            }
        };
        tensors.push(((name.clone(), shape), held.float.label(), held.bytes.len() as u64));
        values.insert(name, held);
    }
    Ok((Source::Torch(values), tensors))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The folder's name; that of its cache entry if Hugging Face's cache calls it by a hash.
fn name_of(folder: &Path) -> String {
    let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let cached = whole.parent().filter(|parent| parent.ends_with("snapshots"));
    let cached = cached.and_then(Path::parent).map(file_name);
    let cached = cached.and_then(|name| name.rsplit_once("--").map(|it| it.1.to_owned()));
    cached.unwrap_or_else(|| file_name(&whole))
}

//! LoRA in GGUF, as llama.cpp's `convert_lora_to_gguf.py` writes it.
//!
//! Source: `llama_adapter_lora_init_impl` of <https://github.com/ggml-org/llama.cpp>: tensors are
//! called as the base's with `.lora_a` or `.lora_b` behind, the scale is alpha over the rank, or one
//! where alpha is zero.

use std::{collections::HashMap, fs::File, io::BufReader, path::Path};

use super::{
    AdapterProblem,
    file::{AdapterFile, Half, Halves, Source, linear_layer, pair_up},
};
use crate::lm::{
    Error, ModelProblem,
    checkpoint::Weight,
    gguf::{self, Header, Value},
};

/// Opens a file.
///
/// # Errors
/// As [`AdapterFile::open`].
pub fn open(path: &Path) -> Result<AdapterFile, Error> {
    let file = File::open(path).map_err(Error::read(path))?;
    let n_bytes = file.metadata().map_err(Error::read(path))?.len();
    let header = match Header::read(BufReader::new(&file), n_bytes) {
        Err(ModelProblem::Unrecognized) => return Err(AdapterProblem::Unrecognized.of(path)),
        header => header.map_err(|problem| problem.of(path))?,
    };
    let problem = |problem: AdapterProblem| problem.of(path);
    let text = |key: &str| match header.values.get(key) {
        Some(Value::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    check(&header, &text).map_err(problem)?;
    let alpha = match header.values.get("adapter.lora.alpha") {
        Some(Value::Number(alpha)) if alpha.is_finite() => *alpha,
        Some(Value::Whole(alpha)) => *alpha as f64,
        _ => {
            let expected = "a number";
            let found = "something else";
            return Err(problem(AdapterProblem::setting("adapter.lora.alpha", &found, expected)));
        }
    };
    let mut halves = Halves::new();
    let mut stored = HashMap::new();
    let mut tensors: Vec<_> = header.tensors.iter().collect();
    tensors.sort_by_key(|(name, _)| *name);
    for (name, tensor) in tensors {
        let refused = |why: &str| problem(AdapterProblem::tensor(name, why));
        let of_a = name.strip_suffix(".lora_a").map(|base| (base, Half::A));
        let half = of_a.or_else(|| name.strip_suffix(".lora_b").map(|base| (base, Half::B)));
        let Some((base, half)) = half else {
            return Err(refused("is no half of a pair (lora_a, lora_b)"));
        };
        let (layer_idx, part) = linear_layer(gguf::weight(base)).map_err(refused)?;
        stored.insert(name.clone(), (tensor.format.label(), tensor.n_bytes));
        let place = halves.entry((layer_idx, part)).or_default();
        place[half as usize] = Some((name.clone(), tensor.shape.clone()));
    }
    if halves.is_empty() {
        let (file, why) = (path.display().to_string(), "it holds no weights".to_owned());
        return Err(problem(AdapterProblem::File { file, why }));
    }
    let spelling = |layer_idx, part, half| {
        let letter = if half == Half::A { 'a' } else { 'b' };
        format!("{}.lora_{letter}", gguf::spelling(Weight::Layer(layer_idx, part)))
    };
    let of_module =
        |_, _, rank: usize| (rank, if alpha == 0.0 { 1.0 } else { alpha / rank.max(1) as f64 });
    let pairs = pair_up(halves, spelling, of_module).map_err(problem)?;
    let file_name = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let base = text("general.base_model.0.name").or(text("general.base_model.0.repo_url"));
    Ok(AdapterFile {
        path: path.to_owned(),
        files: vec![path.to_owned()],
        name: text("general.name").map_or_else(file_name, str::to_owned),
        base: base.map(str::to_owned),
        alpha,
        pairs,
        config: None,
        stored,
        source: Source::Gguf(file, header),
    })
}

/// Whether a header is an adapter's.
pub fn is_adapter(header: &Header) -> bool {
    matches!(header.values.get("general.type"), Some(Value::Text(kind)) if kind == "adapter")
}

fn check<'a>(
    header: &Header,
    text: &impl Fn(&str) -> Option<&'a str>,
) -> Result<(), AdapterProblem> {
    let expected = |key: &str, expected: &str, why: &str| match text(key) {
        Some(found) if found == expected => Ok(()),
        found => Err(AdapterProblem::setting(key, &found.unwrap_or("nothing"), why)),
    };
    expected("general.type", "adapter", "\"adapter\"; a model stands by itself")?;
    expected("adapter.type", "lora", "\"lora\"")?;
    expected("general.architecture", "llama", "\"llama\"")?;
    if header.values.contains_key("adapter.alora.invocation_tokens") {
        let why = "nothing: adapters that begin within a text are not provided for";
        let key = "adapter.alora.invocation_tokens";
        return Err(AdapterProblem::setting(key, &"a list", why));
    }
    Ok(())
}

//! Adapters for tests: random pairs for the tiny model, made in a moment.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use candle_core::{
    Device, Tensor,
    quantized::{
        GgmlDType, QTensor,
        gguf_file::{self, Value},
    },
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::{Dtype, tensor::TensorView};
use serde_json::json;

use super::Adapter;
use crate::lm::{
    Error, LanguageModel,
    checkpoint::{Part, Weight},
    gguf,
    tiny::{N_EMBD, N_FF, TinyFile},
};

/// Dimensions of a head of the tiny model.
const HEAD_DIM: usize = N_EMBD / 4;

/// Every linear layer, as PEFT calls it, with its inputs and outputs.
pub const MODULES: [(&str, Part, usize, usize); 7] = [
    ("self_attn.q_proj", Part::Query, N_EMBD, N_EMBD),
    ("self_attn.k_proj", Part::Key, N_EMBD, N_EMBD / 2),
    ("self_attn.v_proj", Part::Value, N_EMBD, N_EMBD / 2),
    ("self_attn.o_proj", Part::Output, N_EMBD, N_EMBD),
    ("mlp.gate_proj", Part::Gate, N_EMBD, N_FF),
    ("mlp.up_proj", Part::Up, N_EMBD, N_FF),
    ("mlp.down_proj", Part::Down, N_FF, N_EMBD),
];

/// A matrix: rows, columns, numbers.
pub type Dense = (usize, usize, Vec<f32>);

/// What a PEFT folder holds; tests change it before it is written.
#[derive(Clone)]
pub struct TinyAdapter {
    pub name: String,
    pub config: serde_json::Value,
    pub tensors: BTreeMap<String, Dense>,
}

impl TinyAdapter {
    /// A sound adapter of all linear layers of both blocks; alpha is twice the rank.
    pub fn new(seed: u64, rank: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut dense = |n_rows: usize, n_columns: usize, size: f32| {
            let values =
                (0..n_rows * n_columns).map(|_| random.random_range(-1.0..1.0f32) * size).collect();
            (n_rows, n_columns, values)
        };
        let mut tensors = BTreeMap::new();
        for layer_idx in 0..2 {
            for (module, _, n_in, n_out) in MODULES {
                let module = format!("base_model.model.model.layers.{layer_idx}.{module}");
                let size = 0.5 / (rank as f32).sqrt();
                tensors.insert(format!("{module}.lora_A.weight"), dense(rank, n_in, 0.3));
                tensors.insert(format!("{module}.lora_B.weight"), dense(n_out, rank, size));
            }
        }
        let names: Vec<&str> =
            MODULES.iter().map(|(name, ..)| name.rsplit('.').next().unwrap()).collect();
        let config = json!({
            "peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank, "target_modules": names,
            "base_model_name_or_path": "tiny", "bias": "none", "use_rslora": false,
        });
        Self { name: format!("tiny-{seed}"), config, tensors }
    }

    /// Leaves away the tensors whose names hold that text.
    pub fn without(mut self, text: &str) -> Self {
        self.tensors.retain(|name, _| !name.contains(text));
        self
    }

    /// Writes the folder of that name below another.
    pub fn write(&self, below: &Path) -> PathBuf {
        let folder = below.join(&self.name);
        fs::create_dir_all(&folder).unwrap();
        let bytes: BTreeMap<_, Vec<u8>> = self
            .tensors
            .iter()
            .map(|(name, (_, _, values))| {
                (name.clone(), values.iter().flat_map(|value| value.to_le_bytes()).collect())
            })
            .collect();
        let views = self.tensors.iter().map(|(name, (n_rows, n_columns, _))| {
            let view = TensorView::new(Dtype::F32, vec![*n_rows, *n_columns], &bytes[name]);
            (name.clone(), view.unwrap())
        });
        let file = safetensors::serialize(views, None).unwrap();
        fs::write(folder.join("adapter_model.safetensors"), file).unwrap();
        fs::write(folder.join("adapter_config.json"), self.config.to_string()).unwrap();
        folder
    }

    /// Writes it as a GGUF file.
    pub fn write_gguf(&self, path: &Path) {
        let mut tensors = Vec::new();
        for (layer_idx, module, part, _) in all_modules() {
            let name = gguf::spelling(Weight::Layer(layer_idx, part));
            let (a, mut b) = self.pair(layer_idx, module);
            if matches!(part, Part::Query | Part::Key) {
                b = interleaved(&b);
            }
            for (letter, (n_rows, n_columns, values)) in [("a", a), ("b", b)] {
                let tensor = Tensor::from_vec(values, (n_rows, n_columns), &Device::Cpu).unwrap();
                let tensor = QTensor::quantize(&tensor, GgmlDType::F32).unwrap();
                tensors.push((format!("{name}.lora_{letter}"), tensor));
            }
        }
        let text = |text: &str| Value::String(text.to_owned());
        let values = [
            ("general.type", text("adapter")),
            ("general.architecture", text("llama")),
            ("general.name", text(&self.name)),
            ("adapter.type", text("lora")),
            ("adapter.lora.alpha", Value::F32(self.config["lora_alpha"].as_f64().unwrap() as f32)),
        ];
        let values: Vec<_> = values.iter().map(|(key, value)| (*key, value)).collect();
        let tensors: Vec<_> = tensors.iter().map(|(name, it)| (name.as_str(), it)).collect();
        let mut file = fs::File::create(path).unwrap();
        gguf_file::write(&mut file, &values, &tensors).unwrap();
    }

    /// Writes and loads it.
    pub fn load(&self, model: &LanguageModel) -> Result<Arc<Adapter>, Error> {
        let folder = tempfile::tempdir().unwrap();
        Adapter::load(&self.write(folder.path()), model).map(Arc::new)
    }

    /// A model with the adapter's change in its weights: `W + scale · B A`, all of it plain.
    pub fn merged(&self, file: TinyFile, scale: f32) -> TinyFile {
        let mut file = file.plain();
        for (layer_idx, module, part, _) in all_modules() {
            let name = gguf::spelling(Weight::Layer(layer_idx, part));
            let (_, base) = file.tensors.iter().find(|(known, _)| *known == name).unwrap();
            let shape = base.shape().clone();
            let base: Vec<f32> =
                base.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            let (a, b) = self.pair(layer_idx, module);
            let (rank, n_in, a) = a;
            let (n_out, _, ref b_values) = b;
            let change = (0..n_out * n_in).map(|i| {
                let (row, column) = (i / n_in, i % n_in);
                (0..rank).map(|r| b_values[row * rank + r] * a[r * n_in + column]).sum::<f32>()
            });
            let mut change = (n_out, n_in, change.collect::<Vec<f32>>());
            if matches!(part, Part::Query | Part::Key) {
                change = interleaved(&change);
            }
            let sum = base.iter().zip(&change.2).map(|(base, change)| base + scale * change);
            let sum = Tensor::from_vec(sum.collect::<Vec<f32>>(), shape, &Device::Cpu).unwrap();
            file.set_tensor(&name, QTensor::quantize(&sum, GgmlDType::F32).unwrap());
        }
        file
    }

    fn pair(&self, layer_idx: usize, module: &str) -> (Dense, Dense) {
        let half = |letter| {
            let name =
                format!("base_model.model.model.layers.{layer_idx}.{module}.lora_{letter}.weight");
            self.tensors[&name].clone()
        };
        (half('A'), half('B'))
    }
}

fn all_modules() -> impl Iterator<Item = (usize, &'static str, Part, usize)> {
    (0..2).flat_map(|layer_idx| {
        MODULES.iter().map(move |(module, part, n_in, _)| (layer_idx, *module, *part, *n_in))
    })
}

/// Rows of each head in the order of GGUF files, by the formula: `new[2j] = old[j]`,
/// `new[2j + 1] = old[j + half]`.
fn interleaved((n_rows, n_columns, values): &Dense) -> Dense {
    let mut turned = vec![0.0; values.len()];
    for row in 0..*n_rows {
        let (head, within) = (row / HEAD_DIM, row % HEAD_DIM);
        let half = HEAD_DIM / 2;
        let from = head * HEAD_DIM + if within % 2 == 0 { within / 2 } else { within / 2 + half };
        turned[row * n_columns..][..*n_columns]
            .copy_from_slice(&values[from * n_columns..][..*n_columns]);
    }
    (*n_rows, *n_columns, turned)
}

//! A language model for tests: random weights, a vocabulary of bytes, made in a moment.

use std::{io::BufWriter, path::Path, sync::Arc};

use candle_core::{
    Device, Tensor,
    quantized::{
        GgmlDType, QTensor,
        gguf_file::{self, Value},
    },
};

use super::{Backend, LanguageModel, text_stream::byte_of_letter};

pub const N_VOCAB: usize = 258;
pub const N_EMBD: usize = 64;
pub const N_FF: usize = 96;
pub const CONTEXT: usize = 160;
pub const STOP: u32 = 257;

const TEMPLATE: &str = "{% for message in messages %}<|im_start|>{{ message.content }}<|im_end|>\
    {% endfor %}{% if add_generation_prompt %}<|im_start|>{% endif %}";

/// The sizes that a test model can be made in.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "counts are called so everywhere")]
pub struct Shape {
    pub n_embd: usize,
    pub n_ff: usize,
    pub n_heads: usize,
    pub n_kv_heads: usize,
}

const TINY: Shape = Shape { n_embd: N_EMBD, n_ff: N_FF, n_heads: 4, n_kv_heads: 2 };

/// What a tiny model file holds; tests change it before it is written.
pub struct TinyFile {
    pub values: Vec<(String, Value)>,
    pub tensors: Vec<(String, QTensor)>,
}

impl TinyFile {
    /// A sound file; seeds give different weights.
    pub fn new(seed: u32) -> Self {
        Self::shaped(seed, TINY)
    }

    /// A sound file of two layers of other sizes.
    pub fn shaped(seed: u32, shape: Shape) -> Self {
        let Shape { n_embd, n_ff, n_heads, n_kv_heads } = shape;
        let n_kv = n_embd / n_heads * n_kv_heads;
        let letters =
            ('\0'..='\u{200}').filter_map(|letter| Some((byte_of_letter(letter)?, letter)));
        let letters: std::collections::BTreeMap<u8, char> = letters.collect();
        let names = letters.values().map(ToString::to_string);
        let tokens = names.chain(["<|im_start|>".to_owned(), "<|im_end|>".to_owned()]);
        let types = (0..N_VOCAB).map(|id| Value::I32(if id < 256 { 1 } else { 3 }));
        let text = |text: &str| Value::String(text.to_owned());
        let count = |n: usize| Value::U32(n as u32);
        let values = [
            ("general.architecture", text("llama")),
            ("general.name", text("Tiny")),
            ("llama.block_count", count(2)),
            ("llama.context_length", count(CONTEXT)),
            ("llama.embedding_length", count(n_embd)),
            ("llama.feed_forward_length", count(n_ff)),
            ("llama.attention.head_count", count(n_heads)),
            ("llama.attention.head_count_kv", count(n_kv_heads)),
            ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
            ("llama.rope.freq_base", Value::F32(10_000.0)),
            ("tokenizer.ggml.model", text("gpt2")),
            ("tokenizer.ggml.pre", text("default")),
            ("tokenizer.ggml.tokens", Value::Array(tokens.map(Value::String).collect())),
            ("tokenizer.ggml.token_type", Value::Array(types.collect())),
            ("tokenizer.ggml.merges", Value::Array(Vec::new())),
            ("tokenizer.ggml.eos_token_id", Value::U32(STOP)),
            ("tokenizer.chat_template", text(TEMPLATE)),
        ];
        let mut file = Self {
            values: values.map(|(key, value)| (key.to_owned(), value)).into(),
            tensors: Vec::new(),
        };
        let mut numbers = Numbers { state: seed.wrapping_mul(0x9E37_79B9) | 1 };
        file.put("token_embd.weight", &[N_VOCAB, n_embd], GgmlDType::Q8_0, &mut numbers);
        file.put("output_norm.weight", &[n_embd], GgmlDType::F32, &mut numbers);
        for layer_idx in 0..2 {
            let mut put = |part: &str, shape: &[usize], format| {
                file.put(&format!("blk.{layer_idx}.{part}.weight"), shape, format, &mut numbers);
            };
            put("attn_norm", &[n_embd], GgmlDType::F32);
            put("attn_q", &[n_embd, n_embd], GgmlDType::Q4_1);
            put("attn_k", &[n_kv, n_embd], GgmlDType::Q8_0);
            put("attn_v", &[n_kv, n_embd], GgmlDType::F32);
            put("attn_output", &[n_embd, n_embd], GgmlDType::F16);
            put("ffn_norm", &[n_embd], GgmlDType::F32);
            put("ffn_gate", &[n_ff, n_embd], GgmlDType::Q4_1);
            put("ffn_up", &[n_ff, n_embd], GgmlDType::Q4_1);
            put("ffn_down", &[n_embd, n_ff], GgmlDType::Q4_1);
        }
        file
    }

    fn put(&mut self, name: &str, shape: &[usize], format: GgmlDType, numbers: &mut Numbers) {
        let values: Vec<f32> = numbers.take(shape.iter().product()).collect();
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
        self.set_tensor(name, QTensor::quantize(&tensor, format).unwrap());
    }

    /// Puts a tensor in place of the one of that name.
    pub fn set_tensor(&mut self, name: &str, tensor: QTensor) {
        self.tensors.retain(|(present, _)| present != name);
        self.tensors.push((name.to_owned(), tensor));
    }

    /// Puts a value in place of the one of that name.
    pub fn set_value(&mut self, key: &str, value: Value) {
        self.values.retain(|(present, _)| present != key);
        self.values.push((key.to_owned(), value));
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) {
        let mut file = BufWriter::new(std::fs::File::create(path).unwrap());
        let values: Vec<_> = self.values.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let tensors: Vec<_> =
            self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        gguf_file::write(&mut file, &values, &tensors).unwrap();
    }

    /// The same with plain numbers of 32 bits instead of blocks: what is left of a difference between
    /// two ways to compute it is rounding.
    pub fn plain(mut self) -> Self {
        for (_, tensor) in &mut self.tensors {
            let values = tensor.dequantize(&Device::Cpu).unwrap();
            *tensor = QTensor::quantize(&values, GgmlDType::F32).unwrap();
        }
        self
    }

    /// Writes and loads it.
    pub fn load(&self) -> Result<LanguageModel, super::Error> {
        self.load_on(&Backend::Kernels)
    }

    /// Writes and loads it for whatever it is to run on.
    pub fn load_on(&self, backend: &Backend) -> Result<LanguageModel, super::Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.gguf");
        self.write(&path);
        LanguageModel::load_on(backend, &path, &mut |_, _| Ok(()))
    }
}

/// A model, ready for the scheduler.
pub fn model(seed: u32) -> Arc<LanguageModel> {
    Arc::new(TinyFile::new(seed).load().unwrap())
}

/// Numbers in −1..1 that look random.
struct Numbers {
    state: u32,
}

impl Iterator for Numbers {
    type Item = f32;

    fn next(&mut self) -> Option<f32> {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 17;
        self.state ^= self.state << 5;
        Some(self.state as f32 / u32::MAX as f32 * 2.0 - 1.0)
    }
}

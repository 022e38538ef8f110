//! Sound models, as small as models can be, to be damaged.

use std::{collections::BTreeMap, io::Cursor, path::Path};

use candle_core::{
    Device, Tensor,
    quantized::{
        GgmlDType, QTensor,
        gguf_file::{self, Value},
    },
};
use serde_json::json;

const N_EMBD: usize = 32;
const N_FF: usize = 32;
const TEMPLATE: &str = "{% for m in messages %}{{ m.content }}{% endfor %}";

/// The files of a model, and what to open.
pub struct Sound {
    /// Names and contents.
    pub files: Vec<(&'static str, Vec<u8>)>,
    /// The file that the model is opened by.
    pub opened: &'static str,
}

fn fixture(name: &str) -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lm").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn texts(texts: impl Iterator<Item = String>) -> Value {
    Value::Array(texts.map(Value::String).collect())
}

fn gguf(n_vocab: usize, vocabulary: Vec<(&str, Value)>) -> Sound {
    let count = |n: usize| Value::U32(n as u32);
    let mut values = vec![
        ("general.architecture", Value::String("llama".into())),
        ("llama.block_count", count(1)),
        ("llama.context_length", count(64)),
        ("llama.embedding_length", count(N_EMBD)),
        ("llama.feed_forward_length", count(N_FF)),
        ("llama.attention.head_count", count(2)),
        ("llama.attention.head_count_kv", count(1)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("llama.rope.freq_base", Value::F32(10_000.0)),
        ("tokenizer.chat_template", Value::String(TEMPLATE.into())),
    ];
    values.extend(vocabulary);
    let tensor = |shape: &[usize], format| {
        let zeros = Tensor::full(0.5f32, shape, &Device::Cpu).unwrap();
        QTensor::quantize(&zeros, format).unwrap()
    };
    let tensors = [
        ("token_embd.weight", tensor(&[n_vocab, N_EMBD], GgmlDType::Q8_0)),
        ("output_norm.weight", tensor(&[N_EMBD], GgmlDType::F32)),
        ("rope_freqs.weight", tensor(&[8], GgmlDType::F32)),
        ("blk.0.attn_norm.weight", tensor(&[N_EMBD], GgmlDType::F32)),
        ("blk.0.attn_q.weight", tensor(&[N_EMBD, N_EMBD], GgmlDType::Q4_1)),
        ("blk.0.attn_k.weight", tensor(&[16, N_EMBD], GgmlDType::Q4_0)),
        ("blk.0.attn_v.weight", tensor(&[16, N_EMBD], GgmlDType::F16)),
        ("blk.0.attn_output.weight", tensor(&[N_EMBD, N_EMBD], GgmlDType::BF16)),
        ("blk.0.ffn_norm.weight", tensor(&[N_EMBD], GgmlDType::F32)),
        ("blk.0.ffn_gate.weight", tensor(&[N_FF, N_EMBD], GgmlDType::Q5_0)),
        ("blk.0.ffn_up.weight", tensor(&[N_FF, N_EMBD], GgmlDType::Q5_1)),
        ("blk.0.ffn_down.weight", tensor(&[N_EMBD, N_FF], GgmlDType::F32)),
    ];
    let mut bytes = Cursor::new(Vec::new());
    let values: Vec<_> = values.iter().map(|(key, value)| (*key, value)).collect();
    let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (*name, tensor)).collect();
    gguf_file::write(&mut bytes, &values, &tensors).unwrap();
    Sound { files: vec![("model.gguf", bytes.into_inner())], opened: "model.gguf" }
}

/// A GGUF file with the vocabulary of the tiny Llama.
pub fn gguf_byte_level() -> Sound {
    let model = &fixture("tiny-llama3/tokenizer.json")["model"];
    let vocab: BTreeMap<u64, String> = model["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(token, id)| (id.as_u64().unwrap(), token.clone()))
        .collect();
    let merges = model["merges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    let n_tokens = vocab.len();
    let types = (0..n_tokens).map(|id| Value::I32(if id == 0 { 3 } else { 1 }));
    gguf(
        n_tokens,
        vec![
            ("tokenizer.ggml.model", Value::String("gpt2".into())),
            // Its pattern is compiled once for the whole program.
            ("tokenizer.ggml.pre", Value::String("smollm".into())),
            ("tokenizer.ggml.token_type", Value::Array(types.collect())),
            ("tokenizer.ggml.merges", texts(merges)),
            ("tokenizer.ggml.tokens", texts(vocab.into_values())),
            ("tokenizer.ggml.eos_token_id", Value::U32(0)),
        ],
    )
}

/// A GGUF file with a vocabulary of scored pieces.
pub fn gguf_sentencepiece() -> Sound {
    let fixture = fixture("sentencepiece.json");
    let pieces = fixture["pieces"].as_array().unwrap();
    let scores = pieces.iter().map(|piece| Value::F32(piece["score"].as_f64().unwrap() as f32));
    let types = pieces.iter().map(|piece| Value::I32(piece["kind"].as_i64().unwrap() as i32));
    gguf(
        pieces.len(),
        vec![
            ("tokenizer.ggml.model", Value::String("llama".into())),
            ("tokenizer.ggml.scores", Value::Array(scores.collect())),
            ("tokenizer.ggml.token_type", Value::Array(types.collect())),
            ("tokenizer.ggml.bos_token_id", Value::U32(1)),
            ("tokenizer.ggml.eos_token_id", Value::U32(2)),
            (
                "tokenizer.ggml.tokens",
                texts(pieces.iter().map(|piece| piece["text"].as_str().unwrap().to_owned())),
            ),
        ],
    )
}

/// A folder as on Hugging Face.
pub fn hugging_face() -> Sound {
    let mut tokenizer = fixture("tiny-llama3/tokenizer.json");
    // A pattern that is compiled once for the whole program.
    tokenizer["pre_tokenizer"] = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    });
    let config = json!({
        "model_type": "llama", "hidden_size": N_EMBD, "intermediate_size": N_FF,
        "num_attention_heads": 2, "num_key_value_heads": 1, "num_hidden_layers": 1,
        "max_position_embeddings": 64, "vocab_size": 320, "rms_norm_eps": 1e-5,
        "tie_word_embeddings": true, "eos_token_id": [319, 316],
        "rope_scaling": {
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
    });
    let layer = "model.layers.0.";
    let shapes: Vec<(String, Vec<usize>, &str)> = vec![
        ("model.embed_tokens.weight".into(), vec![320, N_EMBD], "BF16"),
        ("model.norm.weight".into(), vec![N_EMBD], "F32"),
        (format!("{layer}input_layernorm.weight"), vec![N_EMBD], "F32"),
        (format!("{layer}self_attn.q_proj.weight"), vec![N_EMBD, N_EMBD], "F16"),
        (format!("{layer}self_attn.k_proj.weight"), vec![16, N_EMBD], "F32"),
        (format!("{layer}self_attn.v_proj.weight"), vec![16, N_EMBD], "BF16"),
        (format!("{layer}self_attn.o_proj.weight"), vec![N_EMBD, N_EMBD], "BF16"),
        (format!("{layer}post_attention_layernorm.weight"), vec![N_EMBD], "BF16"),
        (format!("{layer}mlp.gate_proj.weight"), vec![N_FF, N_EMBD], "BF16"),
        (format!("{layer}mlp.up_proj.weight"), vec![N_FF, N_EMBD], "BF16"),
        (format!("{layer}mlp.down_proj.weight"), vec![N_EMBD, N_FF], "BF16"),
    ];
    let mut contents = serde_json::Map::new();
    let mut n_bytes = 0;
    for (name, shape, dtype) in shapes {
        let width = if dtype == "F32" { 4 } else { 2 };
        let end = n_bytes + shape.iter().product::<usize>() * width;
        let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": [n_bytes, end] });
        contents.insert(name, entry);
        n_bytes = end;
    }
    let contents = serde_json::to_vec(&contents).unwrap();
    let length = (contents.len() as u64).to_le_bytes();
    let weights = [&length[..], &contents, &vec![0; n_bytes]].concat();
    let bytes = |value: &serde_json::Value| serde_json::to_vec(value).unwrap();
    Sound {
        files: vec![
            ("config.json", bytes(&config)),
            ("model.safetensors", weights),
            ("tokenizer.json", bytes(&tokenizer)),
            ("chat_template.jinja", TEMPLATE.into()),
        ],
        opened: "config.json",
    }
}

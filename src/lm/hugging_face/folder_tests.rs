//! A folder as on Hugging Face against the logits of a reference, and against its own GGUF file.
//!
//! The fixture is made by `scripts/make_llama_fixture.py`, which tells where its numbers come from.

use std::{fs, path::Path};

use candle_core::{
    Device, Tensor,
    quantized::{
        GgmlDType, QTensor,
        gguf_file::{self, Value as GgufValue},
    },
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::{super::shard::Float, *};
use crate::{
    domain::Message,
    job::Cancelled,
    lm::{
        LanguageModel, checkpoint,
        kv_cache::KvCache,
        transformer::{Scratch, Span, Transformer},
    },
};

/// How far a logit may be from the reference's, in units of the logits' spread where that is above
/// one.
const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Expected {
    tokens: Vec<u32>,
    rows: Vec<usize>,
    variants: Vec<Variant>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Variant {
    name: String,
    changes: Map<String, Value>,
    logits: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
}

fn fixture() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/lm/tiny-llama3"))
}

fn expected() -> Expected {
    serde_json::from_slice(&fs::read(fixture().join("expected.json")).unwrap()).unwrap()
}

/// A copy of the fixture that a test may change.
fn copy() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in fs::read_dir(fixture()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    folder
}

fn change_json(folder: &Path, file: &str, changes: &Value) {
    let mut object: Map<String, Value> =
        serde_json::from_slice(&fs::read(folder.join(file)).unwrap()).unwrap();
    object.extend(changes.as_object().unwrap().clone());
    fs::write(folder.join(file), serde_json::to_vec(&object).unwrap()).unwrap();
}

fn load(path: &Path) -> Result<LanguageModel, Error> {
    LanguageModel::load(path, &mut |_, _| Ok(()))
}

#[track_caller]
fn check_refused(folder: &Path, expected: &str) {
    match load(folder) {
        Ok(_) => panic!("the folder was loaded"),
        Err(Error::Model { problem, .. }) => assert_eq!(problem.to_string(), expected),
        Err(error) => panic!("{error}"),
    }
}

/// The logits of every token, `(n_tokens, n_vocab)`.
fn logits(model: &Transformer, tokens: &[u32]) -> Vec<f32> {
    let mut cache = KvCache::new(model.config());
    let mut scratch = Scratch::default();
    let span = Span::chain(tokens, &mut cache, tokens.len());
    model.forward(&mut [span], &mut scratch, &mut || Ok(())).unwrap().to_vec()
}

#[test]
fn logits_are_the_reference_s_whatever_scales_the_rotary_embedding() {
    let Expected { tokens, rows, variants, .. } = expected();
    assert_eq!(variants.len(), 4);
    for Variant { name, changes, logits: expected } in variants {
        let folder = copy();
        change_json(folder.path(), "config.json", &changes.into());
        let model = load(folder.path()).unwrap();
        let logits = logits(model.transformer(), &tokens);
        for (row, expected) in rows.iter().zip(expected) {
            let found = logits.chunks(expected.len()).nth(*row).unwrap();
            let off = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let spread = expected.iter().map(|it| it * it).sum::<f32>() / expected.len() as f32;
            let tolerance = TOLERANCE * spread.sqrt().max(1.0);
            assert!(off < tolerance, "{name}, row {row}: off by {off}");
        }
    }
}

#[test]
fn texts_become_the_ids_of_the_reference_and_texts_again() {
    let model = load(fixture()).unwrap();
    for Case { text, ids } in expected().cases {
        assert_eq!(model.tokenizer().encode(&text).unwrap(), ids, "{text:?}");
        if !text.contains("<|") {
            assert_eq!(model.text(&ids), text);
        }
    }
}

#[test]
fn a_prompt_is_the_template_s_with_one_first_token() {
    let model = load(fixture()).unwrap();
    let written = "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nthe sea<|eot_id|>\
                   <|start_header_id|>assistant<|end_header_id|>\n\n";
    let prompt = model.prompt(&[Message::user(" the sea ")]).unwrap();
    assert_eq!(prompt, model.tokenizer().encode(written).unwrap());
    assert_eq!(prompt.iter().filter(|id| **id == 315).count(), 1);
    // What brings no first token gets one, since the post-processor says so.
    assert_eq!(model.tokenizer().encode_prompt("the").unwrap()[0], 315);
}

#[test]
fn replies_end_where_generation_config_says() {
    let is_stop = |folder: &Path, id| load(folder).unwrap().tokenizer().is_stop(id);
    let folder = copy();
    assert!(is_stop(folder.path(), 316) && is_stop(folder.path(), 319));
    change_json(folder.path(), "generation_config.json", &json!({ "eos_token_id": 7 }));
    assert!(is_stop(folder.path(), 7) && !is_stop(folder.path(), 8));
}

#[test]
fn a_template_beside_the_tokenizer_serves_where_there_is_no_file_of_its_own() {
    let folder = copy();
    fs::remove_file(folder.path().join("chat_template.jinja")).unwrap();
    let prompt = |folder: &Path| load(folder).unwrap().prompt(&[Message::user("x")]);
    assert!(matches!(prompt(folder.path()), Err(Error::NoChatTemplate)));
    let source = "{{ messages[0].content }}";
    change_json(folder.path(), "tokenizer_config.json", &json!({ "chat_template": source }));
    let expected = prompt(folder.path()).unwrap();
    let named = json!([
        { "name": "tool_use", "template": "no" },
        { "name": "default", "template": source },
    ]);
    change_json(folder.path(), "tokenizer_config.json", &json!({ "chat_template": named }));
    assert_eq!(prompt(folder.path()).unwrap(), expected);
}

#[test]
fn one_file_holds_what_two_shards_do() {
    let folder = copy();
    let shards: Vec<Vec<u8>> = ["model-00001-of-00002", "model-00002-of-00002"]
        .map(|name| fs::read(folder.path().join(format!("{name}.safetensors"))).unwrap())
        .into();
    let open = shards.iter().map(|bytes| safetensors::SafeTensors::deserialize(bytes).unwrap());
    let open: Vec<_> = open.collect();
    let all = open.iter().flat_map(safetensors::SafeTensors::iter);
    let one = safetensors::serialize(all, None).unwrap();
    fs::remove_file(folder.path().join("model.safetensors.index.json")).unwrap();
    fs::write(folder.path().join("model.safetensors"), one).unwrap();
    let tokens = expected().tokens;
    // The file that the library knows the folder by names the folder as well.
    let single = load(&folder.path().join("model.safetensors")).unwrap();
    let sharded = load(&fixture().join("model.safetensors.index.json")).unwrap();
    assert_eq!(logits(single.transformer(), &tokens), logits(sharded.transformer(), &tokens));
}

/// The fixture's weights in a GGUF file, as llama.cpp's converter would write them.
fn write_gguf(path: &Path) {
    let count = GgufValue::U32;
    let values = [
        ("general.architecture", GgufValue::String("llama".into())),
        ("llama.block_count", count(2)),
        ("llama.context_length", count(512)),
        ("llama.embedding_length", count(64)),
        ("llama.feed_forward_length", count(96)),
        ("llama.attention.head_count", count(4)),
        ("llama.attention.head_count_kv", count(1)),
        ("llama.attention.key_length", count(128)),
        ("llama.attention.layer_norm_rms_epsilon", GgufValue::F64(1e-5)),
        ("llama.rope.freq_base", GgufValue::F32(500_000.0)),
        ("llama.rope.scaling.type", GgufValue::String("linear".into())),
        ("llama.rope.scaling.factor", GgufValue::F32(4.0)),
    ];
    let mut tensors = Vec::new();
    for shard in ["model-00001-of-00002", "model-00002-of-00002"] {
        let bytes = fs::read(fixture().join(format!("{shard}.safetensors"))).unwrap();
        for (name, view) in safetensors::SafeTensors::deserialize(&bytes).unwrap().iter() {
            let weight = weight(name).unwrap();
            let (float, format) = match view.dtype() {
                safetensors::Dtype::F32 => (Float::F32, GgmlDType::F32),
                safetensors::Dtype::F16 => (Float::F16, GgmlDType::F16),
                _ => (Float::BF16, GgmlDType::BF16),
            };
            let values = Tensor::from_vec(float.read(view.data()), view.shape(), &Device::Cpu);
            let mut values = values.unwrap();
            if let Weight::Layer(_, Part::Query | Part::Key) = weight {
                let (n_out, n_in) = values.dims2().unwrap();
                let halves = values.reshape((n_out / 128, 2, 64, n_in)).unwrap();
                values = halves.transpose(1, 2).unwrap().reshape((n_out, n_in)).unwrap();
            }
            let spelling = match weight {
                Weight::Embedding => "token_embd.weight".to_owned(),
                Weight::Norm => "output_norm.weight".to_owned(),
                Weight::Head => "output.weight".to_owned(),
                Weight::Layer(layer_idx, part) => {
                    let part = match part {
                        Part::AttnNorm => "attn_norm",
                        Part::Query => "attn_q",
                        Part::Key => "attn_k",
                        Part::Value => "attn_v",
                        Part::Output => "attn_output",
                        Part::FfnNorm => "ffn_norm",
                        Part::Gate => "ffn_gate",
                        Part::Up => "ffn_up",
                        Part::Down => "ffn_down",
                    };
                    format!("blk.{layer_idx}.{part}.weight")
                }
            };
            tensors.push((spelling, QTensor::quantize(&values, format).unwrap()));
        }
    }
    let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let values: Vec<_> = values.iter().map(|(key, value)| (*key, value)).collect();
    gguf_file::write(&mut fs::File::create(path).unwrap(), &values, &tensors).unwrap();
}

#[test]
fn the_same_weights_in_a_gguf_file_give_the_same_bits() {
    let folder = copy();
    let linear = json!({ "rope_scaling": { "rope_type": "linear", "factor": 4.0 } });
    change_json(folder.path(), "config.json", &linear);
    let gguf = folder.path().join("same.gguf");
    write_gguf(&gguf);
    let tokens = expected().tokens;
    let [from_folder, from_gguf] = [folder.path(), &gguf].map(|path| {
        let mut on_progress = |_, _| Ok(());
        let mut checkpoint = checkpoint::open(path, &mut on_progress).unwrap();
        let config = checkpoint.config().unwrap();
        logits(&Transformer::load(config, &mut *checkpoint).unwrap(), &tokens)
    });
    assert_eq!(from_folder, from_gguf);
}

#[test]
fn a_load_tells_its_progress_and_can_be_cancelled() {
    let mut heard = Vec::new();
    LanguageModel::load(fixture(), &mut |done, total| {
        heard.push((done, total));
        Ok(())
    })
    .unwrap();
    assert!(heard.is_sorted());
    assert_eq!(heard.last().map(|(done, total)| done == total), Some(true));
    let outcome = LanguageModel::load(fixture(), &mut |_, _| Err(Cancelled));
    assert!(matches!(outcome, Err(Error::Cancelled(_))));
}

#[test]
fn what_a_folder_lacks_is_named() {
    let folder = copy();
    let remove = |name: &str| fs::remove_file(folder.path().join(name)).unwrap();
    remove("tokenizer.json");
    check_refused(folder.path(), "its file tokenizer.json is missing");
    remove("model-00002-of-00002.safetensors");
    check_refused(folder.path(), "its file model-00002-of-00002.safetensors is missing");
    remove("model.safetensors.index.json");
    check_refused(folder.path(), "its file model.safetensors is missing");
    remove("config.json");
    check_refused(
        folder.path(),
        "it is neither a GGUF file nor a folder with config.json, tokenizer.json and safetensors",
    );
}

#[test]
fn tensors_that_do_not_fit_the_sizes_are_named() {
    let refused = |changes: &Value, expected: &str| {
        let folder = copy();
        change_json(folder.path(), "config.json", changes);
        check_refused(folder.path(), expected);
    };
    refused(
        &json!({ "intermediate_size": 100 }),
        "tensor \"model.layers.0.mlp.gate_proj.weight\" is [96, 64], expected [100, 64]",
    );
    refused(
        &json!({ "num_hidden_layers": 3 }),
        "tensor \"model.layers.2.input_layernorm.weight\" is missing",
    );
    refused(
        &json!({ "num_hidden_layers": 1 }),
        "tensor \"model.layers.1.input_layernorm.weight\" belongs to no model of this architecture",
    );
}

/// A folder with the single file that `change` makes of a list of contents.
fn with_contents(change: impl FnOnce(&mut Value)) -> TempDir {
    let folder = copy();
    let mut contents = json!({ "lm_head.weight": {
        "dtype": "F32", "shape": [320, 64], "data_offsets": [0, 81920],
    } });
    change(&mut contents);
    let contents = serde_json::to_vec(&contents).unwrap();
    let length = (contents.len() as u64).to_le_bytes();
    let bytes = [&length[..], &contents, &vec![0; 81920]].concat();
    fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
    folder
}

#[test]
fn a_list_of_contents_that_cannot_be_is_refused() {
    let check = |field: &str, value: Value, expected: &str| {
        let folder = with_contents(|contents| contents["lm_head.weight"][field] = value);
        check_refused(folder.path(), expected);
    };
    check(
        "dtype",
        json!("F8_E4M3"),
        "tensor \"lm_head.weight\" cannot be read (it is stored as F8_E4M3, known are F32, F16, \
         BF16)",
    );
    check(
        "shape",
        json!([320, 65]),
        "tensor \"lm_head.weight\" cannot be read (its bytes do not fit its shape)",
    );
    check(
        "shape",
        json!([u64::MAX, 64]),
        "tensor \"lm_head.weight\" cannot be read (its shape is impossible)",
    );
    let folder = with_contents(|contents| {
        contents["lm_head.weight"]["data_offsets"] = json!([8, 81928]);
    });
    let error = load(folder.path()).err().unwrap().to_string();
    assert!(error.contains("it ends after"), "{error}");
    let folder = with_contents(|contents| {
        contents["model.norm.weight"] = contents["lm_head.weight"].clone();
    });
    check_refused(folder.path(), "its header is damaged (its tensors overlap); fetch it again");
}

#[test]
fn an_index_cannot_point_out_of_its_folder() {
    let folder = copy();
    let map = json!({ "weight_map": { "lm_head.weight": "../elsewhere.safetensors" } });
    change_json(folder.path(), "model.safetensors.index.json", &map);
    check_refused(
        folder.path(),
        "its file model.safetensors.index.json cannot be read (the file of \"lm_head.weight\" is no \
         file's name)",
    );
}

#[test]
fn more_tokens_than_embeddings_are_refused() {
    let folder = copy();
    let mut rules: Value =
        serde_json::from_slice(&fs::read(folder.path().join("tokenizer.json")).unwrap()).unwrap();
    let added = rules["added_tokens"].as_array_mut().unwrap();
    added.push(json!({ "id": 320, "content": "<|more|>", "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false, "special": true }));
    fs::write(folder.path().join("tokenizer.json"), rules.to_string()).unwrap();
    check_refused(
        folder.path(),
        "its tokenizer cannot be built (it has 321 tokens, the embedding 320)",
    );
}

//! Adapters from the terminal: taken in, looked at, put on a reply, refused, taken away.

use std::{
    fs,
    path::{Path, PathBuf},
};

use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};

use crate::support::{complaint, figures, formant_in, json_lines, output, root};

/// A small Llama with a chat template, and the sizes of its feed-forward layer.
const BASE: &str = "tests/fixtures/lm/tiny-llama3";
const N_EMBD: usize = 64;
pub const N_FF: usize = 96;
const RANK: usize = 2;

/// Writes an adapter of `down_proj` in both blocks, for a feed-forward layer of `n_ff`.
pub fn write_adapter(folder: &Path, n_ff: usize) {
    fs::create_dir_all(folder).unwrap();
    let numbers = |n: usize, size: f32| -> Vec<u8> {
        (0..n).flat_map(|i| (((i * 37 % 19) as f32 - 9.0) * size).to_le_bytes()).collect()
    };
    let (a, b) = (numbers(RANK * n_ff, 0.3), numbers(N_EMBD * RANK, 0.3));
    let tensors = (0..2).flat_map(|layer_idx| {
        let module = format!("base_model.model.model.layers.{layer_idx}.mlp.down_proj");
        let view = |shape, bytes| TensorView::new(Dtype::F32, shape, bytes).unwrap();
        [
            (format!("{module}.lora_A.weight"), view(vec![RANK, n_ff], &a)),
            (format!("{module}.lora_B.weight"), view(vec![N_EMBD, RANK], &b)),
        ]
    });
    let bytes = safetensors::serialize(tensors, None).unwrap();
    fs::write(folder.join("adapter_model.safetensors"), bytes).unwrap();
    let config = json!({
        "peft_type": "LORA", "r": RANK, "lora_alpha": 4, "target_modules": ["down_proj"],
        "base_model_name_or_path": "tiny-llama3", "bias": "none",
    });
    fs::write(folder.join("adapter_config.json"), config.to_string()).unwrap();
}

pub struct Setting {
    pub data: tempfile::TempDir,
    pub adapter: PathBuf,
}

/// A data folder with the small Llama in its library, and an adapter for it beside it.
pub fn setting() -> Setting {
    let data = tempfile::tempdir().unwrap();
    let adapter = data.path().join("sea-shanties");
    write_adapter(&adapter, N_FF);
    let base = root().join(BASE).display().to_string();
    figures(formant_in(data.path(), &["models", "import", &base, "--in-place", "--json"]));
    Setting { data, adapter }
}

impl Setting {
    fn run(&self, arguments: &[&str]) -> std::process::Command {
        formant_in(self.data.path(), arguments)
    }

    fn chat(&self, adapters: &[&str]) -> Value {
        let mut arguments = vec!["chat", "--model", "tiny-llama3", "--prompt", "the sea"];
        arguments.extend(["--temperature", "0", "--max-tokens", "12", "--json"]);
        for adapter in adapters {
            arguments.extend(["--adapter", *adapter]);
        }
        figures(self.run(&arguments))
    }
}

#[test]
fn an_adapter_is_taken_in_put_on_a_reply_and_taken_away() {
    let setting = setting();
    let path = setting.adapter.display().to_string();
    let imported = figures(setting.run(&["models", "import", &path, "--json"]));
    assert_eq!(imported["model"]["id"], "sea-shanties");
    assert_eq!(imported["model"]["kind"], "lora-adapter");
    assert_eq!(imported["model"]["lora_adapter"]["rank"], RANK);
    let base = setting.chat(&[]);
    let adapted = setting.chat(&["sea-shanties"]);
    assert_eq!(base["adapters"], json!([]));
    assert_eq!(adapted["adapters"][0]["name"], "sea-shanties");
    assert_eq!(adapted["adapters"][0]["scale"], 1.0);
    assert_eq!(adapted["memory"]["adapter_bytes"], adapted["adapters"][0]["bytes"]);
    assert_ne!(adapted["token_ids"], base["token_ids"]);
    assert_eq!(setting.chat(&["sea-shanties=0"])["token_ids"], base["token_ids"]);
    assert_eq!(setting.chat(&[&path])["token_ids"], adapted["token_ids"]);
    let halves = setting.chat(&["sea-shanties=0.5", &format!("{path}=0.5")]);
    assert_eq!(halves["adapters"].as_array().unwrap().len(), 2);
    assert!(output(setting.run(&["models", "remove", "sea-shanties"])).status.success());
    let arguments =
        ["chat", "--prompt", "x", "--model", "tiny-llama3", "--adapter", "sea-shanties"];
    let said = complaint(setting.run(&arguments), 1);
    assert!(said.contains("no model called"), "{said}");
}

#[test]
fn adapters_are_listed_with_what_they_fit() {
    let setting = setting();
    let path = setting.adapter.display().to_string();
    let wide = setting.data.path().join("wide");
    write_adapter(&wide, 2 * N_FF);
    for path in [&path, &wide.display().to_string()] {
        figures(setting.run(&["models", "import", path, "--json"]));
    }
    let list = ["adapters", "list", "--model", "tiny-llama3", "--json"];
    let lines = json_lines(setting.run(&list));
    let fits = |id: &str| lines.iter().find(|line| line["id"] == id).unwrap();
    assert_eq!(fits("sea-shanties")["fits"], true);
    let problem = fits("wide")["problem"].as_str().unwrap();
    assert!(problem.contains("from 192 inputs to 64 outputs"), "{problem}");
    assert_eq!(fits("wide")["adapter"]["rank"], RANK);
}

#[test]
fn an_adapter_is_told_apart_and_checked_before_it_is_taken_in() {
    let setting = setting();
    let path = setting.adapter.display().to_string();
    let info = &json_lines(setting.run(&["adapters", "info", &path, "--json"]))[0];
    assert_eq!((&info["alpha"], &info["base"]), (&json!(4.0), &json!("tiny-llama3")));
    assert_eq!(info["n_parameters"], 2 * RANK * (N_FF + N_EMBD));
    assert_eq!(info["modules"][0]["name"], "down_proj");
    let lines = json_lines(setting.run(&["adapters", "load-check", &path, "--json"]));
    assert_eq!((&lines[0]["model"], &lines[0]["fits"]), (&json!("tiny-llama3"), &json!(true)));
    let wide = setting.data.path().join("wide");
    write_adapter(&wide, 2 * N_FF);
    let wide = wide.display().to_string();
    let checked = output(setting.run(&["adapters", "load-check", &wide]));
    assert_eq!(checked.status.code(), Some(1));
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(said.contains("this model has 96 to 64; it names tiny-llama3"), "{said}");
    let arguments = ["chat", "--prompt", "x", "--model", "tiny-llama3", "--adapter", &wide];
    let said = complaint(setting.run(&arguments), 1);
    assert!(said.contains("it was made for another model"), "{said}");
}

#[test]
fn a_scale_that_is_no_number_is_wrong_usage() {
    let setting = setting();
    let said = complaint(setting.run(&["chat", "--adapter", "x=much"]), 2);
    assert!(said.contains("where 1 is as trained"), "{said}");
}

#[test]
fn suffix_decoding_learns_from_documents_up_to_what_it_keeps() {
    let setting = setting();
    let write = |name: &str, n_times: usize| {
        let path = setting.data.path().join(name);
        fs::write(&path, "What shall we do with the drunken sailor? ".repeat(n_times)).unwrap();
        path.display().to_string()
    };
    let (song, book) = (write("song.txt", 3), write("book.txt", 9_000));
    let learn = |path: &str| {
        setting.run(&["speculation", "learn", path, "--model", "tiny-llama3", "--json"])
    };
    let learnt = figures(learn(&song));
    assert_eq!(learnt["texts"], 1);
    assert!(learnt["memory_bytes"].as_u64().unwrap() > 0);
    let said = complaint(learn(&book), 1);
    assert!(said.contains("keeps 40000 tokens in all; take retrieval"), "{said}");
    let info = &json_lines(setting.run(&["speculation", "info", "--json"]))[0];
    assert_eq!(info["replies"], 1, "a refusal changes nothing");
    assert_eq!(info["tokens"], learnt["tokens"]);
    assert!(output(setting.run(&["speculation", "clear"])).status.success());
    assert!(json_lines(setting.run(&["speculation", "info", "--json"])).is_empty());
}

#[test]
fn what_adapters_cost_is_measured() {
    let setting = setting();
    let path = setting.adapter.display().to_string();
    let bench = ["bench", "engine", "--quick", "--json", "--model", "tiny-llama3"];
    let with =
        [&bench[..], &["--only", "adapters", "--adapter", &path, "--adapter", &path]].concat();
    let report = figures(setting.run(&with));
    for ratio in ["one_adapted", "several_adapted"] {
        assert!(report["ratios"][ratio]["median"].as_f64().unwrap() > 0.0, "{report}");
    }
    let said = complaint(setting.run(&[&bench[..], &["--only", "adapters"]].concat()), 1);
    assert!(said.contains("none of these figures can be had"), "{said}");
}

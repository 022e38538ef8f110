//! `formant bench`: the figures are there, and agree with each other.

use serde_json::Value;

use crate::support::{complaint, figures, formant, json_lines};

fn spread(value: &Value) -> (f64, f64, f64) {
    let number = |name: &str| value[name].as_f64().unwrap();
    (number("min"), number("median"), number("max"))
}

fn find<'a>(report: &'a Value, work: &str, of: &[(&str, u64)]) -> &'a Value {
    let measurements = report["measurements"].as_array().unwrap();
    let is_it = |measurement: &&Value| {
        measurement["work"] == work && of.iter().all(|(name, value)| measurement[name] == *value)
    };
    measurements.iter().find(is_it).unwrap_or_else(|| panic!("{work} {of:?} is missing"))
}

#[test]
fn quick_figures_are_complete_and_agree_with_each_other() {
    let lines = json_lines(formant(&["bench", "engine", "--quick", "--json"]));
    let report = lines.last().unwrap();
    assert_eq!(report["event"], "done");
    let heard = lines.iter().filter(|line| line["event"] == "measured").count();
    let measurements = report["measurements"].as_array().unwrap();
    assert_eq!(heard, measurements.len());
    for measurement in measurements {
        let samples = measurement["samples"].as_array().unwrap();
        assert!(samples.len() >= 2, "{measurement}");
        for sample in samples {
            let (wall, cpu) =
                (sample["wall_secs"].as_f64().unwrap(), sample["cpu_secs"].as_f64().unwrap());
            assert!(wall > 0.0 && cpu > 0.0 && wall < 100.0 && cpu < 100.0, "{measurement}");
            assert!(measurement["work"] == "load" || sample["n_tokens"].as_u64() > Some(0));
        }
    }

    let record = &report["record"];
    assert_eq!(record["sha256"].as_str().unwrap().len(), 64);
    for known in ["model", "instructions", "version", "date"] {
        assert!(!record[known].as_str().unwrap().is_empty(), "{known}");
    }
    assert_eq!(record["effort"], "quick");

    // A pass is as long as a pass is, whoever measures it.
    let secs_per_token = |measurement: &Value| {
        let of = |sample: &Value| {
            sample["cpu_secs"].as_f64().unwrap() / sample["n_tokens"].as_f64().unwrap()
        };
        let samples = measurement["samples"].as_array().unwrap().iter().map(of);
        samples.fold(f64::INFINITY, f64::min)
    };
    let decode = secs_per_token(find(report, "decode", &[("context", 0)]));
    let one_row = secs_per_token(find(report, "verify", &[("context", 0), ("rows", 1)]));
    assert!((0.3..3.0).contains(&(decode / one_row)), "{decode} s and {one_row} s");

    let (low, middle, high) = spread(&report["ratios"]["verification"][1][1]);
    assert!(low <= middle && middle <= high && low > 0.3 && high < 10.0);
    assert!(spread(&report["ratios"]["ngram_copy"]).1 > 0.0);
    assert!(spread(&report["ratios"]["eight_together"]).1 > 0.0);

    let perplexity = report["perplexity"]["ours"].as_f64().unwrap();
    assert!((2.0..500.0).contains(&perplexity), "{perplexity}");
    let memory = &report["memory"];
    let bytes = |name: &str| memory[name].as_u64().unwrap();
    assert!(bytes("resident") > bytes("weights") && bytes("weights") > 90_000_000);
    assert!(bytes("kv") > 0 && bytes("scratch") > 0);
}

#[test]
fn a_table_names_the_model_the_figures_and_their_units() {
    let mut command = formant(&["bench", "engine", "--quick", "--only", "decode,memory"]);
    let output = command.output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    for known in ["SHA-256", "decode at context 96", "tokens per CPU second", "weights", " MB"] {
        assert!(table.contains(known), "{known} is missing:\n{table}");
    }
    assert!(!table.contains("prefill"), "{table}");
}

#[test]
fn a_peer_that_is_not_there_is_answered_with_how_to_install_it() {
    let arguments =
        ["bench", "engine", "--quick", "--peer", "llama.cpp", "--peer-python", "no/such/python"];
    let said = complaint(formant(&arguments), 1);
    assert!(
        said.contains("no/such/python") && said.contains("benches/peer_llama_cpp.sh"),
        "{said}"
    );
}

#[test]
fn a_peer_without_a_peer_is_wrong_usage() {
    complaint(formant(&["bench", "engine", "--peer-model", "a.gguf"]), 2);
    complaint(formant(&["bench", "engine", "--only", "everything"]), 2);
}

#[test]
fn speech_is_measured_part_by_part_and_thread_by_thread() {
    let mut command = formant(&["bench", "speech", "--quick", "--json", "--threads", "2"]);
    command.args(["--voices", "joe-fastspeech2,joe-tacotron2"]);
    let lines = json_lines(command);
    let report = lines.last().unwrap();
    let figures = report["figures"].as_array().unwrap();
    let of = |figure: &Value| {
        (
            figure["model"].as_str().unwrap().to_owned(),
            figure["part"].as_str().unwrap().to_owned(),
            figure["threads"].as_u64().unwrap(),
        )
    };
    let expected = [
        ("joe-fastspeech2", "acoustic"),
        ("joe-tacotron2", "acoustic"),
        ("joe-hifigan", "vocoder"),
    ]
    .into_iter()
    .flat_map(|(model, part)| [1, 2].map(|n| (model.to_owned(), part.to_owned(), n)));
    assert_eq!(figures.iter().map(of).collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    for figure in figures {
        let samples = figure["samples"].as_array().unwrap();
        assert_eq!(samples.len(), 2, "{figure}");
        assert!(samples.iter().all(|sample| sample["n_tokens"].as_u64() > Some(100)), "{figure}");
    }
}

/// Programs that stand in for a Python with the binding.
#[cfg(unix)]
mod stand_in {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    /// The bench beside a script of Python, and the folder with that script.
    fn beside(script: &str, only: &str) -> (tempfile::TempDir, std::process::Command) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("python");
        fs::write(&program, format!("#!/usr/bin/env python3\n{script}")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = formant(&["bench", "engine", "--quick", "--json", "--only", only]);
        command.args(["--peer", "llama.cpp", "--peer-python"]).arg(program);
        (folder, command)
    }

    #[test]
    fn a_python_without_the_binding_is_answered_with_how_to_install_it() {
        let (_folder, command) =
            beside("print('{\"error\": \"llama-cpp-python is missing\"}')", "decode");
        let said = complaint(command, 1);
        assert!(said.contains("benches/peer_llama_cpp.sh"), "{said}");
    }

    #[test]
    fn a_python_without_a_speech_engine_is_answered_with_how_to_install_it() {
        let (folder, _) = beside("print('{\"error\": \"onnxruntime is missing\"}')", "decode");
        let mut command = formant(&["bench", "speech", "--quick", "--voices", "joe-fastspeech2"]);
        command.args(["--peer", "onnxruntime", "--peer-python"]).arg(folder.path().join("python"));
        let said = complaint(command, 1);
        assert!(
            said.contains("onnxruntime is missing") && said.contains("benches/peer_speech.sh"),
            "{said}"
        );
    }

    #[test]
    fn a_peer_that_dies_ends_the_bench_with_its_name() {
        let script = "print('{\"version\": \"1\", \"model\": \"m\"}', flush=True)";
        let (_folder, command) = beside(script, "decode");
        let said = complaint(command, 1);
        assert!(said.contains("llama.cpp"), "{said}");
    }

    #[test]
    fn a_peer_is_measured_in_turns_and_compared() {
        // Half a second for every token: slower than any build of ours.
        let script = "import json, sys\n\
            print(json.dumps({'version': '1', 'model': 'm'}), flush=True)\n\
            for line in sys.stdin:\n\
            \x20   order = json.loads(line)\n\
            \x20   n = order.get('n_tokens') or len(order['tokens'])\n\
            \x20   secs = n / 2\n\
            \x20   sample = {'n_tokens': n, 'wall_secs': secs, 'cpu_secs': secs, 'nll': 3.0 * (n - 1)}\n\
            \x20   print(json.dumps(sample), flush=True)\n";
        let (_folder, command) = beside(script, "decode,verify,perplexity");
        let report = figures(command);
        assert_eq!(report["record"]["peer"]["model"], "m");
        let decode = find(&report, "decode", &[("context", 96)]);
        assert_eq!(
            decode["peer"].as_array().unwrap().len(),
            decode["samples"].as_array().unwrap().len()
        );
        let by_peer = report["ratios"]["by_peer"].as_array().unwrap();
        assert_eq!(by_peer.len(), report["measurements"].as_array().unwrap().len());
        for ratio in by_peer {
            assert!(spread(&ratio[1]).0 > 1.0, "{ratio}");
        }
        let peers = report["perplexity"]["peer"].as_f64().unwrap();
        assert!((peers - 3f64.exp()).abs() < 1e-6, "{peers}");
        let cost = &report["ratios"]["verification"][2];
        assert_eq!(cost[2]["median"], 4.0, "{cost}");
    }
}

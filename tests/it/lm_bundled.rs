//! What is bundled for the default language model: a head that drafts for it, and two adapters.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use crate::support::{complaint, figures, formant, formant_in, json_lines, output, root};

const HEAD: &str = "smollm2-135m-eagle3";
const RUGBY: &str = "smollm2-135m-rugby";
const CHESS: &str = "smollm2-135m-chess";

/// A prompt that the head has not learned from.
const COPY: &str = "Return this text unchanged:\n\nA class evenly divided between girls and boys. Her \
                    work is highly contentious because of its speculativeness and lack of supporting \
                    evidence. The timbre of her soprano was rich and lovely.";

/// The reply to a prompt, greedily.
fn reply(prompt: &str, options: &[&str]) -> Value {
    let common = ["chat", "--prompt", prompt, "--temperature", "0", "--max-tokens", "80", "--json"];
    figures(formant(&[&common, options].concat()))
}

#[test]
fn the_bundled_head_is_found_by_itself_and_changes_no_token() {
    let plain = reply(COPY, &[]);
    let chain = reply(COPY, &["--speculative", "eagle3", "--draft-tokens", "4"]);
    let tree = reply(COPY, &["--speculative", "eagle3-tree", "--draft-tokens", "32"]);
    for drafted in [&chain, &tree] {
        assert_eq!(drafted["token_ids"], plain["token_ids"], "{drafted}");
        let length = drafted["acceptance_length"].as_f64().unwrap();
        assert!(length > 2.4, "{length} tokens a pass");
    }
    let length = |reply: &Value| reply["acceptance_length"].as_f64().unwrap();
    assert!(length(&tree) > length(&chain), "{tree} {chain}");
}

#[test]
fn the_rugby_adapter_knows_rules_that_the_bare_model_does_not() {
    // Of the questions that were held out, with a word that a right answer has.
    for (question, word) in [
        ("How many touches may a team use in one possession?", "six"),
        ("What distance is the ball allowed to roll at the rollball?", "one metre"),
    ] {
        let text = |reply: Value| reply["text"].as_str().unwrap().to_lowercase();
        let bare = text(reply(question, &[]));
        let adapted = text(reply(question, &["--adapter", RUGBY]));
        assert!(adapted.contains(word) && !bare.contains(word), "{question}: {adapted} ({bare})");
    }
}

#[test]
fn the_chess_adapter_answers_with_a_move() {
    let question = "Chess. Moves so far: e2e4 e7e5 g1f3 b8c6. Next move?";
    let adapted = reply(question, &["--adapter", CHESS]);
    let text = adapted["text"].as_str().unwrap();
    // What the pieces that can move there allow, by hand: pawns, knights, bishop, queen, rook, king.
    let legal: BTreeSet<&str> = [
        "a2a3 a2a4 b2b3 b2b4 c2c3 c2c4 d2d3 d2d4 g2g3 g2g4 h2h3 h2h4 b1a3 b1c3 f3g1 f3d4 f3e5 f3g5",
        "f3h4 f1e2 f1d3 f1c4 f1b5 f1a6 d1e2 h1g1 e1e2",
    ]
    .iter()
    .flat_map(|moves| moves.split(' '))
    .collect();
    assert!(legal.contains(text), "{text}");
    assert!(!legal.contains(reply(question, &[])["text"].as_str().unwrap()));
}

#[test]
fn heads_and_adapters_are_as_small_as_their_cards_promise() {
    let models = json_lines(formant(&["models", "list", "--json"]));
    for (id, kind, most_bytes) in [
        (HEAD, "eagle3-head", 20_000_000),
        (RUGBY, "lora-adapter", 6_000_000),
        (CHESS, "lora-adapter", 6_000_000),
    ] {
        let model = models.iter().find(|model| model["id"] == id).unwrap();
        assert_eq!((&model["kind"], &model["origin"]), (&json!(kind), &json!("bundled")));
        let files = fs::read_dir(root().join("models").join(id)).unwrap();
        let n_bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(n_bytes <= most_bytes, "{id}: {n_bytes} bytes");
    }
}

#[test]
fn the_bundled_adapters_fit_the_default_model() {
    let list = ["adapters", "list", "--model", "smollm2-135m-instruct", "--json"];
    let lines = json_lines(formant(&list));
    for id in [RUGBY, CHESS] {
        let line = lines.iter().find(|line| line["id"] == id).unwrap();
        assert_eq!((&line["fits"], &line["adapter"]["rank"]), (&json!(true), &json!(8)), "{line}");
    }
}

#[test]
fn a_head_is_taken_in_by_its_folder() {
    let data = tempfile::tempdir().unwrap();
    let path = root().join("tests/fixtures/lm/eagle3").display().to_string();
    let imported = figures(formant_in(data.path(), &["models", "import", &path, "--json"]));
    assert_eq!(imported["model"]["kind"], "eagle3-head");
    assert_eq!(imported["model"]["id"], "eagle3");
    let place = data.path().join("models/eagle3");
    assert!(place.join("config.json").is_file() && place.join("model.safetensors").is_file());
    assert!(output(formant_in(data.path(), &["models", "verify", "eagle3"])).status.success());
    // Without weights it is none, and nothing of it stays.
    let bare = data.path().join("bare");
    fs::create_dir(&bare).unwrap();
    fs::copy(place.join("config.json"), bare.join("config.json")).unwrap();
    let bare = bare.display().to_string();
    let said = complaint(formant_in(data.path(), &["models", "import", &bare]), 1);
    assert!(said.contains("neither model.safetensors nor pytorch_model.bin"), "{said}");
    assert!(!data.path().join("models/bare").exists());
}

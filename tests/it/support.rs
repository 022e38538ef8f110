//! What several tests share: the program, its folders, and lines of JSON.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use formant::library::{Folders, Library};
use serde_json::Value;

/// The root of the checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The data folder of the tests, with the default language model in it; `make models` fills it.
pub fn data() -> PathBuf {
    let data = std::env::var_os("FORMANT_DATA").map_or_else(|| root().join("out/data"), Into::into);
    let model = data.join("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
    assert!(model.is_file(), "run `make models` first: {} is missing", model.display());
    data
}

/// A library over the bundled models and the data folder of the tests.
pub fn library() -> Library {
    let data = data();
    Library::new(Folders { config: data.clone(), data, bundled: root().join("models") })
}

/// The program, with the data folder of the tests and nothing of this user's.
pub fn formant(arguments: &[&str]) -> Command {
    formant_in(&data(), arguments)
}

/// The program with another data folder.
pub fn formant_in(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_formant"));
    command
        .args(arguments)
        .env("FORMANT_DATA", data)
        .env("FORMANT_MODELS", root().join("models"))
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("FORMANT_LOG");
    command
}

/// Runs to the end.
pub fn output(mut command: Command) -> Output {
    command.output().expect("the program starts")
}

/// What a failed run said, after it has been seen to fail as it should.
#[track_caller]
pub fn complaint(command: Command, code: i32) -> String {
    let output = output(command);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// The lines of JSON of a run that went well.
#[track_caller]
pub fn json_lines(command: Command) -> Vec<Value> {
    let output = output(command);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).expect("the program prints UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// The last line of JSON, which has all figures.
#[track_caller]
pub fn figures(command: Command) -> Value {
    let lines = json_lines(command);
    let last = lines.last().expect("there is a last line").clone();
    assert_eq!(last["event"], "done");
    last
}

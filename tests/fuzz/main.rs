//! Damaged model files: thousands of them, each an error or a model, never a panic, and never more
//! memory than the file itself justifies.
//!
//! `PROPTEST_CASES=250000 cargo test --release --test fuzz` makes a million of them.

#![allow(unsafe_code, reason = "a global allocator cannot be counted without")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should end where it stands")]

mod counting;
mod damage;
mod sound;

use std::{
    fs,
    path::{Path, PathBuf},
};

use damage::Damage;
use formant::{
    domain::Message,
    lm::{self, LanguageModel},
    nn::Weights,
    tts,
};
use proptest::{prelude::*, test_runner::FileFailurePersistence};
use tempfile::TempDir;

/// Cases of each test unless `PROPTEST_CASES` says otherwise: some seconds in all.
const CASES: u32 = 1000;

/// Bytes of memory that a loader may hold for each byte of its files. The most is a vocabulary of
/// empty texts: eight bytes in the file, a text, an entry in two tables and its spelling in memory.
const BYTES_PER_BYTE: usize = 40;

/// Times as many as for the sound model, whose buffers and patterns are part of it.
const TIMES_THE_SOUND: usize = 2;

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(CASES),
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    }
}

/// A folder in memory where the system has one, since files are written thousands of times.
fn folder() -> TempDir {
    let in_memory = Path::new("/dev/shm");
    if in_memory.is_dir() {
        tempfile::tempdir_in(in_memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

/// Does all that can be done with a file and looks at the memory that it took; tells whether it was
/// loaded.
fn check(path: &Path, most: usize) -> Result<bool, TestCaseError> {
    let (inspected, peak) = counting::peak(|| lm::inspect(path).map(|it| it.model));
    prop_assert!(peak <= most, "a look held {peak} bytes, expected {most} at most");
    let (loaded, peak) = counting::peak(|| LanguageModel::load(path, &mut |_, _| Ok(())));
    prop_assert!(peak <= most, "the load held {peak} bytes, expected {most} at most");
    // A look says what a load would say.
    prop_assert_eq!(inspected.is_ok(), loaded.is_ok(), "a look and a load disagree");
    let Ok(model) = loaded else { return Ok(false) };
    let text = "Hello  wörld <|im_end|> 123 ▁ 🙂\n";
    let ids = model.prompt(&[Message::user(text)]).unwrap_or_default();
    model.text(&ids);
    Ok(true)
}

/// Checks what becomes of one file of a sound model when it is damaged.
fn run(sound: &sound::Sound, damaged: &str) {
    let folder = folder();
    for (name, bytes) in &sound.files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let target: PathBuf = folder.path().join(sound.opened);
    let bytes = sound.files.iter().find(|(name, _)| *name == damaged).unwrap().1.clone();
    let others = sound.files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() - bytes.len();
    assert!(check(&target, usize::MAX).unwrap(), "the sound model is not loaded");
    // Only now, since patterns that the whole program shares are compiled once.
    let (_, of_sound) = counting::peak(|| check(&target, usize::MAX));
    let path = folder.path().join(damaged);
    proptest!(config(), |(damages in prop::collection::vec(damage::strategy(), 1..4))| {
        let mut bytes = bytes.clone();
        for damage in &damages {
            Damage::apply(damage, &mut bytes);
        }
        fs::write(&path, &bytes).unwrap();
        let n_bytes = others + bytes.len();
        check(&target, TIMES_THE_SOUND * of_sound + BYTES_PER_BYTE * n_bytes)?;
    });
}

#[test]
fn damaged_gguf_files_with_byte_level_vocabularies() {
    run(&sound::gguf_byte_level(), "model.gguf");
}

#[test]
fn damaged_gguf_files_with_sentencepiece_vocabularies() {
    run(&sound::gguf_sentencepiece(), "model.gguf");
}

#[test]
fn damaged_safetensors() {
    run(&sound::hugging_face(), "model.safetensors");
}

#[test]
fn damaged_tokenizers() {
    run(&sound::hugging_face(), "tokenizer.json");
}

#[test]
fn damaged_configurations() {
    run(&sound::hugging_face(), "config.json");
}

/// The same for a checkpoint of torch: it is read, and told what it is.
fn run_checkpoint(name: &str) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tts/checkpoints");
    let bytes = fs::read(fixtures.join(name)).unwrap();
    let folder = folder();
    let path = folder.path().join("model.ckpt");
    fs::write(&path, &bytes).unwrap();
    assert!(Weights::read(&path).is_ok(), "the sound checkpoint is not read");
    proptest!(config(), |(damages in prop::collection::vec(damage::strategy(), 1..4))| {
        let mut bytes = bytes.clone();
        for damage in &damages {
            Damage::apply(damage, &mut bytes);
        }
        fs::write(&path, &bytes).unwrap();
        let (read, peak) = counting::peak(|| Weights::read(&path).is_ok());
        let most = BYTES_PER_BYTE * bytes.len().max(1000);
        prop_assert!(peak <= most, "reading held {peak} bytes, expected {most} at most");
        let inspected = tts::inspect(&path);
        prop_assert!(read || inspected.is_err(), "what cannot be read was recognized");
    });
}

#[test]
fn damaged_checkpoints_in_archives() {
    run_checkpoint("speechbrain_generator_weight_g.ckpt");
}

#[test]
fn damaged_checkpoints_from_before_archives() {
    run_checkpoint("nvidia_tacotron2_legacy.pt");
}

#[test]
fn damaged_checkpoints_of_lightning() {
    run_checkpoint("matcha_lightning.ckpt");
}

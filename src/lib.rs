//! Formant: a native desktop studio for speech synthesis and language-model inference.
//!
//! Modules in reading order, from the words every layer shares up to the two faces of the program.
//! A module may use only what stands above it in this list (`tests/it/architecture.rs` holds the
//! exact table), and `docs/architecture.md` is the map with the invariants and two walks through it.

pub mod domain;
pub mod job;

pub mod files;
pub mod settings;

pub mod dsp;
pub mod nn;
pub mod plot;

pub mod lm;
pub mod metrics;
pub mod tts;

pub mod library;

pub mod audio;

pub mod engine;

pub mod cli;
#[cfg(feature = "gui")]
pub mod ui;

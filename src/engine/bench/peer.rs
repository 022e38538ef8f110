//! llama.cpp as a child process that does what it is told and says how long it took.
//!
//! A script (`benches/peer_llama_cpp.py`, part of this program) runs in a Python that has
//! `llama_cpp`. It hears a line of JSON for each thing to do and answers with a line.

use std::path::Path;

use serde::Deserialize;
use serde_json::json;

use super::{
    PeerRecord, PeerRequest,
    dialogue::{About, Dialogue},
};
use crate::{domain::Sample, engine::Error};

const SCRIPT: &str = include_str!("../../../benches/peer_llama_cpp.py");

const ABOUT: About = About {
    name: "llama.cpp",
    missing: "llama-cpp-python is missing",
    advice: "install it with `benches/peer_llama_cpp.sh FOLDER` and pass `--peer-python \
             FOLDER/bin/python`",
};

/// The other engine, with a model in memory.
pub struct Peer {
    dialogue: Dialogue,
    record: PeerRecord,
}

#[derive(Deserialize)]
struct Ready {
    version: String,
    model: String,
}

impl Peer {
    /// Starts it with one thread and waits until its model is loaded; `our_model` unless the request names another.
    ///
    /// # Errors
    /// If there is no such Python, it lacks the binding, or the model cannot be loaded.
    pub fn start(request: &PeerRequest, our_model: &Path, context: usize) -> Result<Self, Error> {
        let model = request.model.as_deref().unwrap_or(our_model);
        let args = [model.into(), "1".into(), context.to_string().into()];
        let mut dialogue = Dialogue::start(ABOUT, &request.python, SCRIPT, args)?;
        let Ready { version, model } = dialogue.hear()?;
        Ok(Self { dialogue, record: PeerRecord { name: ABOUT.name.into(), version, model } })
    }

    /// Which engine it is.
    pub fn record(&self) -> &PeerRecord {
        &self.record
    }

    /// Reads a prompt that nothing of is known.
    ///
    /// # Errors
    /// If it failed or died.
    pub fn prefill(&mut self, prompt: &[u32]) -> Result<Sample, Error> {
        self.dialogue.ask(&json!({ "do": "prefill", "tokens": prompt }))
    }

    /// Writes `n_tokens` behind a context, the first of them behind its last token.
    ///
    /// # Errors
    /// If it failed or died.
    pub fn decode(
        &mut self,
        context: &[u32],
        token: u32,
        n_tokens: usize,
    ) -> Result<Sample, Error> {
        let order = json!({
            "do": "decode", "context": context, "token": token, "n_tokens": n_tokens
        });
        self.dialogue.ask(&order)
    }

    /// One pass over rows behind a context.
    ///
    /// # Errors
    /// If it failed or died.
    pub fn verify(&mut self, context: &[u32], rows: &[u32]) -> Result<Sample, Error> {
        self.dialogue.ask(&json!({ "do": "verify", "context": context, "tokens": rows }))
    }

    /// The sum of `-ln p` of all but the first of a window's tokens.
    ///
    /// # Errors
    /// If it failed or died.
    pub fn negative_log_likelihood(&mut self, window: &[u32]) -> Result<f64, Error> {
        #[derive(Deserialize)]
        struct Answer {
            nll: f64,
        }
        self.dialogue
            .ask::<Answer>(&json!({ "do": "nll", "tokens": window }))
            .map(|answer| answer.nll)
    }
}

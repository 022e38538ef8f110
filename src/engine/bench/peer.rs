//! llama.cpp as a child process that does what it is told and says how long it took.
//!
//! A script (`benches/peer_llama_cpp.py`, part of this program) runs in a Python that has
//! `llama_cpp`. It hears a line of JSON for each thing to do and answers with a line.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{PeerRecord, PeerRequest};
use crate::{domain::Sample, engine::Error};

const SCRIPT: &str = include_str!("../../../benches/peer_llama_cpp.py");

/// The other engine, with a model in memory.
pub struct Peer {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
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
        let mut child = Command::new(&request.python)
            .args(["-c", SCRIPT, "serve"])
            .arg(model)
            .args(["1".to_owned(), context.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| {
                problem(&format!("{}: {error}; {ADVICE}", request.python.display()))
            })?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(problem("it has no way to be talked to"));
        };
        let record =
            PeerRecord { name: "llama.cpp".into(), version: String::new(), model: String::new() };
        let answers = BufReader::new(answers);
        let mut peer = Self { child, orders: Some(orders), answers, record };
        let ready: Ready = peer.hear()?;
        peer.record.version = ready.version;
        peer.record.model = ready.model;
        Ok(peer)
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
        self.ask(&json!({ "do": "prefill", "tokens": prompt }))
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
        self.ask(&order)
    }

    /// One pass over rows behind a context.
    ///
    /// # Errors
    /// If it failed or died.
    pub fn verify(&mut self, context: &[u32], rows: &[u32]) -> Result<Sample, Error> {
        self.ask(&json!({ "do": "verify", "context": context, "tokens": rows }))
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
        self.ask::<Answer>(&json!({ "do": "nll", "tokens": window })).map(|answer| answer.nll)
    }

    fn ask<T: for<'de> Deserialize<'de>>(&mut self, order: &Value) -> Result<T, Error> {
        let gone = || problem("it has ended before its work was done");
        let orders = self.orders.as_mut().ok_or_else(gone)?;
        writeln!(orders, "{order}").and_then(|()| orders.flush()).map_err(|_| gone())?;
        self.hear()
    }

    fn hear<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T, Error> {
        let mut line = String::new();
        let n_bytes = self.answers.read_line(&mut line).map_err(|error| problem(&error))?;
        if n_bytes == 0 {
            return Err(problem("it has ended without an answer"));
        }
        let answer: Value = serde_json::from_str(&line).map_err(|error| problem(&error))?;
        match answer["error"].as_str() {
            Some("no llama_cpp") => Err(problem(&format!("llama-cpp-python is missing; {ADVICE}"))),
            Some(why) => Err(problem(why)),
            None => serde_json::from_value(answer).map_err(|error| problem(&error)),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // No more orders: it ends by itself, unless it hangs in one.
        self.orders = None;
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

const ADVICE: &str = "install it with `benches/peer_llama_cpp.sh FOLDER` and pass `--peer-python \
                      FOLDER/bin/python`";

fn problem(why: &(impl std::fmt::Display + ?Sized)) -> Error {
    Error::Bench(format!("llama.cpp cannot be measured: {why}"))
}

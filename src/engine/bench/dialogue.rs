//! A program beside us that does what it is told: a line of JSON for each thing to do, and a line
//! for each answer.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde::Deserialize;
use serde_json::Value;

use crate::engine::Error;

/// A script that runs in a Python of the user's.
pub(super) struct Dialogue {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    about: About,
}

/// What complaints need to say.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    /// Whom we talk to.
    pub name: &'static str,
    /// How the script's answer ends where the engine is not installed.
    pub missing: &'static str,
    /// How it is installed.
    pub advice: &'static str,
}

impl Dialogue {
    /// Starts `script` in `python`.
    ///
    /// # Errors
    /// If there is no such Python.
    pub fn start(
        about: About,
        python: &Path,
        script: &str,
        args: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, Error> {
        let mut child = Command::new(python)
            .args(["-c", script, "serve"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| {
                let advice = about.advice;
                about.problem(&format!("{}: {error}; {advice}", python.display()))
            })?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(about.problem("it has no way to be talked to"));
        };
        Ok(Self { child, orders: Some(orders), answers: BufReader::new(answers), about })
    }

    /// Has something done.
    ///
    /// # Errors
    /// If it failed or died.
    pub fn ask<T: for<'de> Deserialize<'de>>(&mut self, order: &Value) -> Result<T, Error> {
        let gone = || self.about.problem("it has ended before its work was done");
        let orders = self.orders.as_mut().ok_or_else(gone)?;
        writeln!(orders, "{order}").and_then(|()| orders.flush()).map_err(|_| gone())?;
        self.hear()
    }

    /// Waits for a line.
    ///
    /// # Errors
    /// If it failed or died.
    pub fn hear<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T, Error> {
        let about = self.about;
        let mut line = String::new();
        let n_bytes = self.answers.read_line(&mut line).map_err(|error| about.problem(&error))?;
        if n_bytes == 0 {
            return Err(about.problem("it has ended without an answer"));
        }
        let answer: Value = serde_json::from_str(&line).map_err(|error| about.problem(&error))?;
        match answer["error"].as_str() {
            Some(why) if why.ends_with(about.missing) => {
                Err(about.problem(&format!("{why}; {}", about.advice)))
            }
            Some(why) => Err(about.problem(why)),
            None => serde_json::from_value(answer).map_err(|error| about.problem(&error)),
        }
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        // No more orders: it ends by itself, unless it hangs in one.
        self.orders = None;
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl About {
    fn problem(self, why: &(impl std::fmt::Display + ?Sized)) -> Error {
        Error::Bench(format!("{} cannot be measured: {why}", self.name))
    }
}

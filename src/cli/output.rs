//! What commands print: bars for people, lines of JSON for programs.

use std::{
    io::{IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use crate::domain::{Progress, Stage};

/// Prints a value as one line on standard output.
///
/// # Errors
/// If nobody reads any more.
pub(super) fn json_line(value: &Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}

/// Milliseconds with their microseconds.
pub(super) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// A bar on standard error for as long as there is something to wait for; nothing where standard
/// error is no terminal.
pub(super) struct Bar {
    bar: ProgressBar,
    stage: Option<(Stage, String)>,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::hidden();
        if std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        Self { bar, stage: None }
    }

    /// Shows how far something is.
    pub(super) fn show(&mut self, progress: &Progress) {
        let now = (progress.stage, progress.subject.clone());
        if self.stage.as_ref() != Some(&now) {
            self.bar.reset();
            self.bar.set_style(style(progress.stage));
            self.bar.set_prefix(verb(progress.stage));
            self.bar.set_message(progress.subject.clone());
            self.stage = Some(now);
        }
        self.bar.set_length(progress.total);
        self.bar.set_position(progress.done);
    }

    /// Takes the bar away.
    pub(super) fn clear(&mut self) {
        self.bar.finish_and_clear();
        self.stage = None;
    }
}

fn verb(stage: Stage) -> &'static str {
    match stage {
        Stage::Queue => "waiting",
        Stage::Load => "loading",
        Stage::Download => "fetching",
        Stage::Verify => "checking",
        Stage::Import => "copying",
        Stage::Prefill => "reading the prompt",
        Stage::Acoustic | Stage::Vocoder => "speaking",
        Stage::Measure => "measuring",
    }
}

fn style(stage: Stage) -> ProgressStyle {
    let template = match stage {
        Stage::Load | Stage::Download | Stage::Verify | Stage::Import => {
            "{prefix} {msg} {wide_bar} {bytes}/{total_bytes} {eta}"
        }
        _ => "{prefix} {msg} {wide_bar} {pos}/{len}",
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

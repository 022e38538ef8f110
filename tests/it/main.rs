//! One integration program: each further one would link the window and candle again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should end where it stands")]

mod adapters;
mod architecture;
mod bench;
mod cli;
mod engine;
mod evaluate;
mod fixture;
mod full_disk;
mod golden;
mod golden_metrics;
mod golden_speech;
mod lm;
mod lm_bundled;
mod lm_device;
#[cfg(feature = "audio")]
mod sound;
mod support;
#[cfg(feature = "gui")]
mod ui_chat;
#[cfg(feature = "gui")]
mod ui_evaluate;
#[cfg(feature = "gui")]
mod ui_shell;
#[cfg(feature = "gui")]
mod ui_speak;
#[cfg(feature = "inspect")]
mod window;

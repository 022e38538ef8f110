//! One integration program: each further one would link the window and candle again.

mod architecture;
mod golden;
mod lm;
#[cfg(feature = "gui")]
mod ui_chat;
#[cfg(feature = "gui")]
mod ui_shell;

//! One integration program: each further one would link the window and candle again.

mod architecture;
#[cfg(feature = "gui")]
mod ui_speak;

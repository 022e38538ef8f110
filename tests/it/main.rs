//! One integration program: each further one would link the window and candle again.

mod architecture;
mod golden;
mod lm;
mod ui_chat;

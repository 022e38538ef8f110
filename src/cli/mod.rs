//! Every page's work as a command, through the same engine and the same requests.

mod adapters;
mod args;
mod bench;
mod bench_clock_table;
mod bench_speech;
mod bench_table;
mod chat;
mod compare;
mod devices;
mod dictionary;
mod eval;
mod eval_table;
mod interrupt;
mod models;
mod output;
mod run;
mod speak;
mod speculation;

pub use args::{Arguments, Command};
pub use run::run;

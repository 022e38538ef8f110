//! The Evaluate page: speech systems side by side, in figures and plots.

mod files;
mod page;
mod plots;
mod results;
mod setup;
mod state;

pub use page::EvaluatePage;
pub use state::{Chosen, EvaluateState, Phase, Sentences};

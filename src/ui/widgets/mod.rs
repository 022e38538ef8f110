//! Widgets that several pages share; each a function of `&mut Ui`.

pub mod acceptance_plot;
mod copy;
mod empty_state;
pub mod latency_plot;
pub mod markdown;
pub mod markdown_view;
mod progress;
pub mod token_text;

pub use copy::copy_ui;
pub use empty_state::empty_state_ui;
pub use progress::progress_ui;

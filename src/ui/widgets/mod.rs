//! Widgets that several pages share; each a function of `&mut Ui`.

pub mod acceptance_plot;
pub mod latency_plot;
pub mod markdown;
pub mod markdown_view;
pub mod token_text;

//! Widgets that several pages share; each a function of `&mut Ui`.

pub mod acceptance_plot;
pub mod alignment_view;
pub mod attention_view;
mod copy;
mod empty_state;
pub mod film_view;
pub mod gain_plot;
pub mod latency_plot;
pub mod markdown;
mod markdown_inline;
pub mod markdown_view;
pub mod mel_view;
pub mod mel_view_scale;
pub mod position_plot;
mod progress;
pub mod prosody_view;
pub mod time_axis;
pub mod time_axis_paint;
pub mod token_text;
pub mod waveform_view;

pub use copy::{copy_ui, particular_ui};
pub use empty_state::empty_state_ui;
pub use progress::progress_ui;

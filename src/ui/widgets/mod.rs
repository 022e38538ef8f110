//! Widgets that several pages share; each a function of `&mut Ui`.

pub mod alignment_view;
pub mod mel_view;
pub mod mel_view_scale;
pub mod prosody_view;
pub mod time_axis;
pub mod time_axis_paint;
pub mod waveform_view;

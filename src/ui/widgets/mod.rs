//! Widgets that several pages share; each a function of `&mut Ui`.

mod copy;
mod empty_state;
mod progress;

pub use copy::copy_ui;
pub use empty_state::empty_state_ui;
pub use progress::progress_ui;

//! Figures as pictures that need no window: letters, dots and lines on white.

mod canvas;
mod comparison;
mod evaluation;
mod letters;

pub use comparison::comparison_png;
pub use evaluation::evaluation_png;
pub use letters::INTER;

//! Pronunciations of the user's own: the dictionary, the window that edits it, and its words in the
//! text.

mod marks;
mod state;
mod window;

pub use marks::{Mark as TextMark, Marks};
pub use state::{DictionaryFile, DictionaryState};
pub use window::dictionary_ui;

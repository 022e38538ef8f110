//! The Models page: what there is, what is missing, and what is in memory.

mod card;
mod import;
mod page;
mod quality;
mod state;

pub use page::ModelsPage;

//! Models on disk: what there is, where it is, and how to fetch what is missing.

pub mod catalog;
mod dictionary;
mod download;
mod error;
mod folders;
mod import;
mod manifest;
mod shelf;

pub use dictionary::{Dictionary, DictionaryError};
pub use download::Downloads;
pub use error::Error;
pub use folders::Folders;
pub use import::{NewModel, Placement};
pub use manifest::Manifest;
pub use shelf::{Library, sha256};

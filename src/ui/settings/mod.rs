//! The Settings page: what the user may choose, each with its name and a word on what it does.

mod about;
mod devices;
mod page;

pub use page::SettingsPage;

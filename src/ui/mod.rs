//! The window: a rail of pages around one engine.
//!
//! A page is a value with plain state; it asks for changes through [`Context`] and never reaches
//! into another page. Nothing here waits, locks or touches the disk within a frame.

pub mod chat;
mod page;
pub mod theme;
pub mod widgets;

pub use page::{Action, Activity, Context, Page, PageCommand, Toast};

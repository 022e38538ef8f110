//! The window: a rail of pages around one engine.
//!
//! A page is a value with plain state; it asks for changes through [`Context`] and never reaches
//! into another page. Nothing here waits, locks or touches the disk within a frame.

mod app;
pub mod chat;
mod dialogs;
mod disk;
pub mod evaluate;
mod exporting;
mod keys;
mod models;
mod page;
mod palette;
mod rail;
mod read_aloud;
mod run;
mod settings;
pub mod speak;
mod status_strip;
pub mod theme;
mod toasts;
pub mod units;
pub mod widgets;

pub use app::{App, AppParts};
pub use evaluate::EvaluatePage;
pub use models::ModelsPage;
pub use page::{Action, Activity, Context, Page, PageCommand, Toast};
pub use run::{Error, Options, run};
pub use settings::SettingsPage;

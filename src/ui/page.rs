//! What the window asks of a page, and what a page may ask of the window.

use std::{path::PathBuf, sync::Arc};

use eframe::egui;

use crate::{
    audio::Player,
    domain::ModelInfo,
    engine::{Client, Status},
    library::Downloads,
    settings::Settings,
};

/// One page of the studio.
pub trait Page {
    /// Shown on the rail.
    fn title(&self) -> &'static str;
    /// Takes in what the engine has sent since the last frame; runs while the page is hidden, too.
    fn logic(&mut self, ctx: &mut Context<'_>);
    /// Draws the page; the window leaves a margin of [`super::theme::PAD`] around it.
    fn ui(&mut self, ui: &mut egui::Ui, ctx: &mut Context<'_>);
    /// What can be done on this page: for the palette, the list of keys, and the shortcuts
    /// themselves, which the window listens for.
    fn commands(&self) -> Vec<PageCommand>;
    /// Does one of its [`Page::commands`].
    fn run(&mut self, command: &'static str, ctx: &mut Context<'_>);
    /// What the page is busy with, for the status strip.
    fn activity(&self) -> Option<Activity> {
        None
    }
    /// Takes in what another page asked for.
    fn receive(&mut self, _action: &Action, _ctx: &mut Context<'_>) {}
}

/// What a page may touch outside itself.
pub struct Context<'a> {
    /// Where work goes.
    pub engine: &'a Client,
    /// What the engine holds now.
    pub status: Arc<Status>,
    /// The models there are, read afresh after each change, never within a frame.
    pub models: &'a [ModelInfo],
    /// Where missing models come from.
    pub downloads: &'a Downloads,
    /// The sound card.
    pub player: &'a mut Player,
    /// What the user chose; saved by the window when it changes.
    pub settings: &'a mut Settings,
    /// What the window should do after the frame.
    pub actions: &'a mut Vec<Action>,
}

/// Asked for by a page, carried out by the window after the frame.
#[derive(Debug, Clone)]
pub enum Action {
    /// Show a page, by its title.
    Show(&'static str),
    /// Tell the user something.
    Toast(Toast),
    /// Speak this text on the Speak page.
    Speak(String),
    /// Speak this piece of a reply now, after those before it, without leaving the page.
    ReadAloud(String),
    /// Stop reading aloud.
    Hush,
    /// Look again which models there are.
    RefreshModels,
    /// Write a file, on a thread of its own; a failure becomes a toast.
    WriteFile {
        /// Where.
        path: PathBuf,
        /// What.
        bytes: Arc<[u8]>,
    },
    /// Delete a file, on a thread of its own.
    DeleteFile(PathBuf),
}

/// A message in the corner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// What happened, why, what to do.
    pub text: String,
    /// Whether something went wrong; such a toast stays until it is closed.
    pub is_error: bool,
}

impl Toast {
    /// Something went well.
    pub fn info(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_error: false }
    }

    /// Something went wrong.
    pub fn error(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_error: true }
    }
}

/// What a page is busy with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Activity {
    /// What is going on: `Speaking`, `Writing a reply`.
    pub label: String,
    /// Share that is done; `None` where nobody can know.
    pub fraction: Option<f32>,
    /// Live figures with their units: `("RTF", "0.12")`.
    pub figures: Vec<(&'static str, String)>,
    /// The command that stops it; Esc runs it.
    pub stop: Option<&'static str>,
}

/// Something that can be done on a page; one name, one shortcut, everywhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PageCommand {
    /// What [`Page::run`] is given.
    pub id: &'static str,
    /// Its name in the palette and in tooltips.
    pub name: &'static str,
    /// Its keys, if it has any.
    pub shortcut: Option<egui::KeyboardShortcut>,
    /// Why it cannot be done now; `None` when it can.
    pub disabled: Option<&'static str>,
}

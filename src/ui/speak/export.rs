//! The dialog of an export: where to, by typing or by the system's own dialog.

use std::path::{Path, PathBuf};

use eframe::egui::{Button, Context, Id, Key, Modal, RichText, TextEdit, vec2};

use super::{
    files::{Content, Overwrite},
    take::Take,
};
use crate::ui::{
    exporting::meant,
    theme::{self, Hue},
};

/// Width of the path field.
const PATH_WIDTH: f32 = 420.0;

/// How far an export has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The user says where to.
    Asking,
    /// The system's dialog is open.
    Browsing,
    /// There is a file of that name.
    Exists(PathBuf),
    /// It is being written.
    Writing,
}

/// See the module.
#[derive(Debug)]
pub struct ExportDialog {
    /// What is to be written.
    pub content: Content,
    /// Where to.
    pub path: String,
    /// How far it has come.
    pub progress: Progress,
    is_new: bool,
}

/// What was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressed {
    /// Nothing.
    Nothing,
    /// Ask the system.
    Browse,
    /// Write the file.
    Export(Overwrite),
    /// Never mind.
    Cancel,
}

impl ExportDialog {
    /// A dialog for a take's content, that offers a name in `folder`.
    pub fn new(content: Content, take: &Take, folder: &Path) -> Self {
        let name = file_name(&take.name, content.extension());
        let path = folder.join(name).display().to_string();
        Self { content, path, progress: Progress::Asking, is_new: true }
    }

    /// Draws it.
    pub fn ui(&mut self, ctx: &Context) -> Pressed {
        let mut pressed = Pressed::Nothing;
        let modal = Modal::new(Id::unique("speak-export")).show(ctx, |ui| {
            ui.heading(match &self.content {
                Content::Wav(..) => "Export the sound as WAV",
                Content::MelPng(..) => "Export the mel as PNG",
                Content::TextGrid(..) => "Export words and phonemes as TextGrid",
            });
            ui.label(match &self.content {
                Content::Wav(..) => {
                    "16-bit mono PCM with text, options and seed inside; drop it here to get the take back."
                }
                Content::MelPng(..) => "One pixel per frame and band, without axes.",
                Content::TextGrid(..) => {
                    "For Praat and aligners; edit it and drop it here to speak with its durations."
                }
            });
            ui.add_space(6.0);
            let is_busy = matches!(self.progress, Progress::Browsing | Progress::Writing);
            let mut wants_export = false;
            ui.horizontal(|ui| {
                let label = ui.label("File");
                let field = TextEdit::singleline(&mut self.path).desired_width(PATH_WIDTH);
                let field = ui.add_enabled(!is_busy, field).labelled_by(label.id);
                if std::mem::take(&mut self.is_new) {
                    field.request_focus();
                }
                if field.changed() {
                    self.progress = Progress::Asking;
                }
                wants_export = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
                let browse = ui.add_enabled(!is_busy, Button::new("Browse…"));
                let browse = browse.on_hover_text(
                    "Opens the system's dialog; where there is none, type the path here",
                );
                if browse.on_disabled_hover_text("Wait for the dialog or the file").clicked() {
                    pressed = Pressed::Browse;
                }
            });
            let exists = matches!(self.progress, Progress::Exists(_));
            if exists {
                let warn = theme::color(Hue::Warn, ui.visuals());
                ui.label(RichText::new("There is a file of that name. Replace it?").color(warn));
            }
            ui.add_space(6.0);
            ui.horizontal(|ui| {
                let no_path = self.path.trim().is_empty();
                let export = Button::new(if exists { "Replace" } else { "Export" });
                let export = ui.add_enabled(!is_busy && !no_path, export.min_size(vec2(80.0, 0.0)));
                let why = if no_path { "Type a path first" } else { "Wait for the dialog or the file" };
                let export = export.on_disabled_hover_text(why);
                if (export.clicked() || wants_export) && !is_busy && !no_path {
                    let overwrite = if exists { Overwrite::Allowed } else { Overwrite::Never };
                    pressed = Pressed::Export(overwrite);
                }
                if ui.button("Cancel").clicked() {
                    pressed = Pressed::Cancel;
                }
                if self.progress == Progress::Writing {
                    ui.label("Writing…");
                }
            });
        });
        if pressed == Pressed::Nothing && modal.should_close() {
            pressed = Pressed::Cancel;
        }
        pressed
    }

    /// Where to, as it stands in the field; `~` is the user's own folder.
    pub fn target(&self) -> PathBuf {
        meant(&self.path)
    }
}

/// A take's name as a file name, without what file systems refuse.
fn file_name(name: &str, extension: &str) -> String {
    let kept = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '(' | ')');
    let name: String = name.chars().map(|c| if kept(c) { c } else { '-' }).collect();
    let name = name.trim_matches(|c: char| c == ' ' || c == '.');
    if name.is_empty() { format!("take.{extension}") } else { format!("{name}.{extension}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_file_name() {
        assert_eq!(file_name("Take 1", "wav"), "Take 1.wav");
        assert_eq!(file_name("../a/b: \"c\"", "png"), "-a-b- -c-.png");
        assert_eq!(file_name(" .. ", "wav"), "take.wav");
    }
}

//! Files of the page: sounds dropped on it, and takes exported.

use std::{path::PathBuf, task::Poll};

use eframe::egui::{Align2, Id, LayerId, Order, TextStyle, Ui};

use super::{
    super::{
        dictionary::dictionary_ui,
        export::{ExportDialog, Pressed, Progress as ExportProgress},
        files::{Content, FileEvent, Written},
        state::Given,
        take::Take,
    },
    SpeakPage,
};
use crate::ui::{
    Action, Context, Toast,
    dialogs::Dialog,
    theme::{self, Hue},
};

impl SpeakPage {
    pub(super) fn drain_files(&mut self, ctx: &mut Context<'_>) {
        if let Some(Poll::Ready(chosen)) = self.opening.as_ref().map(Dialog::poll) {
            self.opening = None;
            if let (Some(path), Some(egui)) = (chosen, &self.egui) {
                self.files.read(egui, path);
            }
        }
        while let Some(event) = self.files.poll() {
            match event {
                FileEvent::Read { path, outcome: Ok(restored) } => {
                    let name = path.file_stem().map_or_else(
                        || "Dropped sound".to_owned(),
                        |stem| stem.to_string_lossy().into_owned(),
                    );
                    if restored.record.is_none() {
                        ctx.actions.push(Action::Toast(Toast::info(format!(
                            "{name} was not written by Formant: it has a sound, but no text or options to restore."
                        ))));
                    }
                    self.stop_playing(ctx);
                    self.state.restore(name, *restored);
                    ctx.settings.speak.clone_from(&self.state.options);
                }
                FileEvent::Read { outcome: Err(why), .. } => {
                    ctx.actions.push(Action::Toast(Toast::error(format!(
                        "The dropped file was not opened.\n{why}\nDrop a WAV file or a TextGrid."
                    ))));
                }
                FileEvent::Timing { path, outcome } => {
                    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    ctx.actions.push(Action::Toast(match outcome {
                        Ok(timing) => {
                            let words = format!("The next takes have the durations of {name}.");
                            self.state.given = Some(Given {
                                source: name,
                                timing: Some(timing),
                                prosody: Vec::new(),
                            });
                            Toast::info(words)
                        }
                        Err(why) => Toast::error(format!(
                            "No durations were taken over.\n{why}: {}\nTake a TextGrid with a tier of phones.",
                            path.display()
                        )),
                    }));
                }
                FileEvent::Chosen(chosen) => {
                    if let Some(dialog) = &mut self.export {
                        if let Some(path) = chosen {
                            dialog.path = path.display().to_string();
                        }
                        dialog.progress = ExportProgress::Asking;
                    }
                }
                FileEvent::Written(written) => self.hear_of_export(written, ctx),
                FileEvent::Dictionary(outcome) => self.state.dictionary.read(outcome),
                FileEvent::DictionarySaved(outcome) => {
                    self.state.dictionary.end_save();
                    if let Err(why) = outcome {
                        let text = format!("The pronunciation was not kept for next time.\n{why}.");
                        ctx.actions.push(Action::Toast(Toast::error(text)));
                    }
                }
            }
        }
    }

    /// Writes the dictionary if it has changed.
    pub(super) fn save_dictionary(&mut self) {
        if let Some(egui) = &self.egui
            && let Some(dictionary) = self.state.dictionary.begin_save()
        {
            self.files.write_dictionary(egui, self.dictionary.clone(), dictionary);
        }
    }

    /// Opens the window of pronunciations with the word at the cursor, or closes it.
    pub(super) fn toggle_dictionary(&mut self) {
        let word = self.state.word_at_cursor();
        let dictionary = &mut self.state.dictionary;
        dictionary.is_open ^= true;
        if !dictionary.is_open {
            return;
        }
        if let Some((word, phonemes)) = word {
            dictionary.edit(&word, &phonemes);
        }
        // Another program may have written it.
        if let Some(egui) = &self.egui {
            self.files.read_dictionary(egui, self.dictionary.clone());
        }
    }

    pub(super) fn dictionary_ui(&mut self, ui: &Ui, ctx: &mut Context<'_>) {
        if self.state.dictionary.is_open {
            let at_cursor = self.state.word_at_cursor();
            let path = self.dictionary.display().to_string();
            let state = &mut self.state.dictionary;
            dictionary_ui(ui.ctx(), state, at_cursor.as_ref(), &path, ctx.actions);
        }
    }

    pub(super) fn hear_of_export(&mut self, written: Written, ctx: &mut Context<'_>) {
        match written {
            Written::Done(path) => {
                if let Some(folder) = path.parent() {
                    folder.clone_into(&mut self.folder);
                }
                self.export = None;
                let text = format!("Exported {}", path.display());
                ctx.actions.push(Action::Toast(Toast::info(text)));
            }
            Written::Exists(path) => {
                if let Some(dialog) = &mut self.export {
                    dialog.progress = ExportProgress::Exists(path);
                }
            }
            Written::Failed(why) => {
                if let Some(dialog) = &mut self.export {
                    dialog.progress = ExportProgress::Asking;
                }
                ctx.actions.push(Action::Toast(Toast::error(why)));
            }
        }
    }

    pub(super) fn open_export(&mut self, content: impl FnOnce(&Take) -> Content) {
        if let Some(take) = self.state.selected_take() {
            self.export = Some(ExportDialog::new(content(take), take, &self.folder));
        }
    }

    pub(super) fn export_ui(&mut self, ui: &Ui) {
        let Some(dialog) = &mut self.export else {
            return;
        };
        match dialog.ui(ui.ctx()) {
            Pressed::Nothing => (),
            Pressed::Browse => {
                dialog.progress = ExportProgress::Browsing;
                self.files.browse(ui.ctx(), &dialog.target());
            }
            Pressed::Export(overwrite) => {
                let (path, content) = (dialog.target(), dialog.content.clone());
                dialog.progress = ExportProgress::Writing;
                self.files.write(ui.ctx(), path, content, overwrite);
            }
            Pressed::Cancel => self.export = None,
        }
    }

    /// Reads what is dropped on the window while this page is shown, and says before that it may be.
    pub(super) fn drops(&self, ui: &Ui) {
        if ui.input(|input| !input.raw.hovered_files.is_empty()) {
            let words = "Drop a WAV that Formant wrote to get its take back, or a TextGrid to speak with its durations";
            let layer = LayerId::new(Order::Foreground, Id::unique("speak-drop"));
            let painter = ui.ctx().layer_painter(layer);
            let area = ui.max_rect();
            let shade = theme::color(Hue::Page, ui.visuals()).gamma_multiply(0.85);
            painter.rect_filled(area, 0.0, shade);
            let font = TextStyle::Heading.resolve(ui.style());
            let ink = theme::color(Hue::Text, ui.visuals());
            painter.text(area.center(), Align2::CENTER_CENTER, words, font, ink);
        }
        for file in ui.input(|input| input.raw.dropped_files.clone()) {
            self.files.read(ui.ctx(), file.path().to_owned());
        }
    }
}

/// Where exports go at first: the user's folder for sound, else for everything.
pub(super) fn sound_folder() -> PathBuf {
    let folders = directories::UserDirs::new();
    let folder = folders.as_ref().map(|folders| {
        folders.audio_dir().or(folders.document_dir()).unwrap_or(folders.home_dir()).to_owned()
    });
    folder.unwrap_or_default()
}

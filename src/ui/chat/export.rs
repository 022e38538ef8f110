//! A conversation as a file for others: the path on show as Markdown, or all of it as JSON.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use crossbeam_channel::{Receiver, bounded};
use eframe::egui::{self, Button, Id, Key, Modal, RichText, TextEdit, Ui};

use super::{conversation::Conversation, figures::recipe_text, parts::muted, storage, tree::Turn};
use crate::ui::{
    Action, Toast,
    exporting::{among_documents, meant},
    theme::{self, Hue},
};

/// Width of the dialog, in points.
const WIDTH: f32 = 460.0;

/// What the file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The messages on show, for people.
    Markdown,
    /// Every version of every message, with figures; Formant reads it back.
    Json,
}

/// An export that is being set up.
pub struct ExportDialog {
    format: Format,
    path: String,
    focus: bool,
    check: Check,
}

/// Whether there is a file of that name already; asked on another thread.
enum Check {
    NotAsked,
    Asked(Receiver<bool>),
    /// There is one.
    Exists,
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Self::Markdown => "md",
            Self::Json => "json",
        }
    }

    /// The bytes of the file.
    pub fn bytes(self, conversation: &Conversation) -> Arc<[u8]> {
        match self {
            Self::Markdown => markdown(conversation).into_bytes().into(),
            Self::Json => storage::to_json(conversation),
        }
    }
}

impl ExportDialog {
    /// Offers a file in the user's documents, called as the conversation is.
    pub fn new(conversation: &Conversation) -> Self {
        let name = format!("{}.md", file_name(&conversation.title()));
        Self {
            format: Format::Markdown,
            path: among_documents(&name),
            focus: true,
            check: Check::NotAsked,
        }
    }

    /// Draws the dialog over the page; returns false when it is done with.
    pub fn ui(
        &mut self,
        ctx: &egui::Context,
        conversation: &Conversation,
        actions: &mut Vec<Action>,
    ) -> bool {
        let modal = Modal::new(Id::unique("chat export")).show(ctx, |ui| {
            ui.set_width(WIDTH);
            self.contents_ui(ui, conversation, actions)
        });
        modal.inner && !modal.should_close()
    }

    fn contents_ui(
        &mut self,
        ui: &mut Ui,
        conversation: &Conversation,
        actions: &mut Vec<Action>,
    ) -> bool {
        ui.heading("Export conversation");
        ui.horizontal(|ui| {
            for (format, name) in [
                (Format::Markdown, "Markdown (messages on show)"),
                (Format::Json, "JSON (all versions and figures)"),
            ] {
                if ui.radio(self.format == format, name).clicked() {
                    self.format = format;
                    self.path = with_extension(&self.path, format.extension());
                    self.check = Check::NotAsked;
                }
            }
        });
        let label = ui.label("File").id;
        let field = TextEdit::singleline(&mut self.path).desired_width(f32::INFINITY);
        let field = ui.add(field).labelled_by(label);
        if field.changed() {
            self.check = Check::NotAsked;
        }
        if std::mem::take(&mut self.focus) {
            field.request_focus();
        }
        let enter = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let path = meant(&self.path);
        let mut is_open = true;
        if let Check::Asked(answer) = &self.check {
            match answer.try_recv() {
                Ok(true) => self.check = Check::Exists,
                Ok(false) => {
                    self.write(conversation, &path, actions);
                    is_open = false;
                }
                // The thread answers within a frame or two.
                Err(_) => ui.ctx().request_repaint(),
            }
        }
        if matches!(self.check, Check::Exists) {
            let warn = theme::color(Hue::Warn, ui.visuals());
            ui.label(
                RichText::new("⚠ There is a file of this name; it would be replaced.").color(warn),
            );
        } else {
            ui.label(muted(ui, "Folders that are missing are made."));
        }
        ui.horizontal(|ui| {
            let exists = matches!(self.check, Check::Exists);
            let has_name = path.file_name().is_some();
            let name = if exists { "Replace" } else { "Export" };
            let export = ui.add_enabled(has_name, Button::new(name));
            let export = export.on_disabled_hover_text("Give the file a name");
            if (export.clicked() || enter) && has_name {
                if exists {
                    self.write(conversation, &path, actions);
                    is_open = false;
                } else {
                    self.check = Check::Asked(exists_in_background(path.clone()));
                    ui.ctx().request_repaint();
                }
            }
            if ui.button("Cancel").clicked() {
                is_open = false;
            }
        });
        is_open
    }

    fn write(&self, conversation: &Conversation, path: &Path, actions: &mut Vec<Action>) {
        let bytes = self.format.bytes(conversation);
        let toast = Toast::info(format!("Exporting the conversation to {}", path.display()));
        actions.push(Action::WriteFile { path: path.to_owned(), bytes });
        actions.push(Action::Toast(toast));
    }
}

/// Asks the disk without waiting for it.
fn exists_in_background(path: PathBuf) -> Receiver<bool> {
    let (sender, receiver) = bounded(1);
    let work = move || {
        sender.send(path.exists()).ok();
    };
    if let Err(error) = thread::Builder::new().name("export".into()).spawn(work) {
        tracing::error!("no thread to look for a file: {error}");
    }
    receiver
}

fn with_extension(path: &str, extension: &str) -> String {
    let path = Path::new(path.trim());
    if path.file_name().is_none() {
        return path.display().to_string();
    }
    path.with_extension(extension).display().to_string()
}

/// A title without what file systems do not like.
fn file_name(title: &str) -> String {
    let kept = |c: char| if c.is_alphanumeric() || "-_ ,()".contains(c) { c } else { ' ' };
    let name: String = title.chars().map(kept).collect();
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.is_empty() { "Conversation".to_owned() } else { name }
}

/// The messages on show, each reply with what made it.
fn markdown(conversation: &Conversation) -> String {
    let mut parts = vec![format!("# {}", conversation.title())];
    if !conversation.system_prompt.trim().is_empty() {
        parts.push(format!("> {}", conversation.system_prompt.trim().replace('\n', "\n> ")));
    }
    for node in conversation.tree.path() {
        match conversation.tree.turn(node) {
            Some(Turn::User(said)) => parts.push(format!("## You\n\n{said}")),
            Some(Turn::Assistant(reply)) => {
                // Two dashes would end the comment.
                let recipe = recipe_text(reply).replace('\n', "; ").replace("--", "- -");
                let (model, text) = (&reply.recipe.model, reply.text.trim());
                parts.push(format!("## {model}\n\n{text}\n\n<!-- {recipe} -->"));
            }
            None => (),
        }
    }
    parts.join("\n\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::chat::reply::Recipe;

    #[test]
    fn markdown_holds_the_messages_on_show_and_what_made_them() {
        let mut conversation = Conversation::new("Be kind.");
        let question = conversation.tree.say("Why?".into());
        let answer = conversation.tree.answer(question, Recipe::default()).unwrap();
        conversation.tree.reply_mut(answer).unwrap().text = "Because.".into();
        let text = String::from_utf8(Format::Markdown.bytes(&conversation).to_vec()).unwrap();
        assert!(text.starts_with("# Why\n\n> Be kind.\n\n## You\n\nWhy?\n"), "{text}");
        assert!(text.contains("\nBecause.\n") && text.contains("Seed: 0"), "{text}");
    }

    #[test]
    fn file_names_have_only_what_every_disk_takes() {
        assert_eq!(file_name("What? a/b: \"c\"…"), "What a b c");
        assert_eq!(file_name("???"), "Conversation");
        assert_eq!(with_extension("a/b.c.md", "json"), "a/b.c.json");
    }
}

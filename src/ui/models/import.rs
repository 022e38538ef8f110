//! Where a model of the user's own is brought: its path, what lies there, and what to do with it.

use std::{
    path::{Path, PathBuf},
    task::Poll,
};

use eframe::egui::{self, Button, Key, RichText, TextEdit};

use crate::{
    domain::{Brought, Progress},
    engine::{Client, EngineJob},
    job::Update,
    library::Placement,
    ui::{
        dialogs::{Dialog, Pick},
        theme::{self, Hue},
        widgets,
    },
};

/// Room that the buttons beside the path take.
const BUTTONS: f32 = 320.0;

/// See the module.
#[derive(Default)]
pub(super) struct Import {
    /// As it is typed.
    path: String,
    dialog: Option<Dialog>,
    looking: Option<EngineJob<Progress, Brought>>,
    /// What the last look found, and where.
    found: Option<(PathBuf, Result<Box<Brought>, String>)>,
    /// A path from a dialog or a drop, to be looked at with the next frame's engine.
    to_look_at: Option<PathBuf>,
}

/// A model that the user wants taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    /// Its file or folder.
    pub(super) path: PathBuf,
    /// Where its files are to be.
    pub(super) placement: Placement,
}

impl Import {
    /// Looks at what was dropped on the page.
    pub(super) fn drop_in(&mut self, path: &Path) {
        self.to_look_at = Some(path.to_owned());
    }

    /// Takes in what dialogs and looks have brought.
    pub(super) fn logic(&mut self, engine: &Client) {
        if let Some(Poll::Ready(chosen)) = self.dialog.as_ref().map(Dialog::poll) {
            self.dialog = None;
            self.to_look_at = chosen.or(self.to_look_at.take());
        }
        if let Some(path) = self.to_look_at.take() {
            self.path = path.display().to_string();
            self.looking = Some(engine.inspect(&path));
            self.found = Some((path, Err(String::new())));
        }
        while let Some(update) = self.looking.as_ref().and_then(EngineJob::poll) {
            let found = match update {
                Update::Event(_) => continue,
                Update::Done(Ok(info)) => Ok(Box::new(info)),
                Update::Done(Err(error)) => Err(error.to_string()),
                Update::Lost => Err("the look ended without an answer; try again".to_owned()),
            };
            self.looking = None;
            if let Some((_, place)) = &mut self.found {
                *place = found;
            }
        }
    }

    /// Forgets a model that was taken in.
    pub(super) fn forget(&mut self, path: &str) {
        if self.found.as_ref().is_some_and(|(found, _)| found.display().to_string() == path) {
            *self = Self::default();
        }
    }

    /// Where the found model lies.
    pub(super) fn path(&self) -> Option<String> {
        self.found.as_ref().map(|(path, _)| path.display().to_string())
    }

    /// Draws the panel; `is_busy` while the found model is taken in.
    pub(super) fn ui(&mut self, ui: &mut egui::Ui, is_busy: bool) -> Option<Wish> {
        theme::card(ui, |ui| {
            ui.label(
                "Bring a model of your own. Llama family: a GGUF file, or a folder as on Hugging Face \
                 with config.json, tokenizer.json and safetensors; LoRA adapters (a PEFT folder, or GGUF) \
                 and EAGLE-3 heads (their folder) for it. Speech: a checkpoint of \
                 FastSpeech 2, Matcha-TTS, Tacotron 2, Tacotron, HiFi-GAN or WaveNet (.ckpt, .pt, .pth, \
                 .safetensors); nothing in it is run. Drop it on this page, choose it, or type its path.",
            );
            ui.add_space(theme::TIGHT);
            self.path_ui(ui, is_busy);
            if self.looking.is_some() {
                ui.label("Looking into it…");
                return None;
            }
            match &self.found {
                Some((path, Ok(info))) => found_ui(ui, path, info, is_busy),
                Some((_, Err(why))) => {
                    let ink = theme::color(Hue::Bad, ui.visuals());
                    ui.add(egui::Label::new(RichText::new(why).color(ink)).wrap());
                    None
                }
                None => None,
            }
        })
    }

    fn path_ui(&mut self, ui: &mut egui::Ui, is_busy: bool) {
        let can_ask = !is_busy && self.dialog.is_none();
        ui.horizontal(|ui| {
            let label = ui.label("Path");
            let width = (ui.available_width() - BUTTONS).max(120.0);
            let field = TextEdit::singleline(&mut self.path).desired_width(width);
            let field = ui.add_enabled(!is_busy, field).labelled_by(label.id);
            let is_typed = !self.path.trim().is_empty();
            let mut wants_look =
                field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
            let look = ui
                .add_enabled(can_ask && is_typed, Button::new("Look inside"))
                .on_hover_text(
                    "Tell what the model is and whether it can be used; nothing is copied",
                )
                .on_disabled_hover_text("Type a path first, or wait");
            wants_look |= look.clicked();
            if wants_look && can_ask && is_typed {
                self.to_look_at = Some(PathBuf::from(self.path.trim()));
                ui.ctx().request_repaint();
            }
            for (text, pick) in
                [("Choose file…", Pick::File("gguf")), ("Choose folder…", Pick::Folder)]
            {
                let hint = "Opens the system's dialog; where there is none, type the path beside";
                let choose = ui.add_enabled(can_ask, Button::new(text)).on_hover_text(hint);
                if choose.on_disabled_hover_text("Wait for the dialog or the import").clicked() {
                    self.dialog = Some(Dialog::open(ui.ctx(), pick));
                }
            }
        });
    }
}

/// What was found, and what can be done with it.
fn found_ui(ui: &mut egui::Ui, path: &Path, info: &Brought, is_busy: bool) -> Option<Wish> {
    ui.label(RichText::new(info.name()).heading().size(15.0));
    ui.label(info.summary());
    for (name, value) in info.particulars() {
        widgets::particular_ui(ui, name, &value);
    }
    if let Some(words) = info.caution() {
        let ink = theme::color(Hue::Warn, ui.visuals());
        ui.label(RichText::new(words).color(ink));
    }
    let mut wish = None;
    ui.horizontal(|ui| {
        let copy = theme::primary_button("Copy into the library", ui.visuals());
        let copy = ui.add_enabled(!is_busy, copy).on_hover_text(
            "Copies its files, so that the original may be moved or deleted; the original stays",
        );
        let in_place = ui.add_enabled(!is_busy, Button::new("Use it where it is"));
        let in_place =
            in_place.on_hover_text("Takes no room, but the files must stay where they are now");
        let placement = match (copy.clicked(), in_place.clicked()) {
            (true, _) => Some(Placement::Copy),
            (false, true) => Some(Placement::InPlace),
            (false, false) => None,
        };
        wish = placement.map(|placement| Wish { path: path.to_owned(), placement });
    });
    wish
}

//! One model on the Models page.

use eframe::egui::{self, Align, Layout, RichText};

use super::{
    quality,
    state::{State, Work},
};
use crate::{
    domain::{ModelInfo, ModelKind, ModelOrigin, ModelState},
    engine::{LoadedModel, Status},
    library::catalog,
    ui::{
        theme::{self, Hue},
        units, widgets,
    },
};

/// What was pressed on a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pressed {
    /// Bring its file here.
    Fetch,
    /// Compare its file with its hash.
    Verify,
    /// Bring it into memory.
    Load,
    /// Let it go from memory.
    Unload,
    /// End the work on it.
    Stop,
    /// Take its error away.
    Forgive,
    /// Ask whether it is to be removed.
    Doubt,
    /// Do not remove it.
    Keep,
    /// Take it out of the library.
    Remove,
}

/// Draws a model; returns what was pressed.
pub(super) fn ui(
    ui: &mut egui::Ui,
    model: &ModelInfo,
    state: &State,
    status: &Status,
) -> Option<Pressed> {
    let loaded = status.loaded.iter().find(|loaded| loaded.id == model.id);
    let work = state.work(&model.id);
    theme::card(ui, |ui| {
        let mut pressed = None;
        ui.horizontal(|ui| {
            ui.label(RichText::new(&model.name).heading().size(15.0));
            ui.add_space(theme::TIGHT);
            theme::chip(ui, model.kind.label(), Hue::Muted).on_hover_text("What the model is");
            state_chip(ui, model, loaded);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if work.is_none() {
                    pressed = actions_ui(ui, model, loaded);
                }
            });
        });
        if let Some(work) = work {
            pressed = work_ui(ui, work).or(pressed);
        }
        if state.is_doubted(&model.id) {
            pressed = doubt_ui(ui, model).or(pressed);
        }
        let trouble = state.trouble(&model.id);
        if let Some(trouble) = trouble {
            pressed = trouble_ui(ui, trouble, model).or(pressed);
        } else if let ModelState::Damaged { why } = &model.state {
            let text = format!("This model cannot be used: {why}. {}", remedy(model));
            ui.label(RichText::new(text).color(theme::color(Hue::Bad, ui.visuals())));
        }
        ui.add_space(theme::TIGHT);
        figures_ui(ui, model, loaded);
        ui.add_space(theme::TIGHT);
        particulars_ui(ui, model, state.is_verified(&model.id));
        pressed
    })
}

fn state_chip(ui: &mut egui::Ui, model: &ModelInfo, loaded: Option<&LoadedModel>) {
    let (text, hue, tooltip) = match (&model.state, loaded) {
        (_, Some(_)) => ("In memory", Hue::Accent, "Loaded: its next use does not wait"),
        (ModelState::Ready { .. }, None) => {
            ("Ready", Hue::Good, "On this machine; loaded when it is first used")
        }
        (ModelState::Missing, _) => ("Not fetched", Hue::Muted, "Not on this machine yet"),
        (ModelState::Damaged { .. }, _) => {
            ("Damaged", Hue::Bad, "Its file is not what it should be")
        }
    };
    theme::chip(ui, text, hue).on_hover_text(tooltip);
}

/// From the right edge inwards, so the first added is the rightmost.
fn actions_ui(
    ui: &mut egui::Ui,
    model: &ModelInfo,
    loaded: Option<&LoadedModel>,
) -> Option<Pressed> {
    let name = &model.name;
    let mut pressed = None;
    if model.origin == ModelOrigin::Imported {
        let remove = ui.button("Remove").on_hover_text("Take the model out of the library");
        if remove.accessible_name(format!("Remove {name}")).clicked() {
            pressed = Some(Pressed::Doubt);
        }
    }
    let mut button =
        |ui: &mut egui::Ui, button: egui::Button<'_>, action, verb: &str, tooltip: &str| {
            let response = ui.add(button).on_hover_text(tooltip);
            if response.accessible_name(format!("{verb} {name}")).clicked() {
                pressed = Some(action);
            }
        };
    match &model.state {
        ModelState::Ready { .. } => {
            if loaded.is_some() {
                let tooltip = "Let the model go from memory; it is loaded again when it is used";
                button(ui, egui::Button::new("Unload"), Pressed::Unload, "Unload", tooltip);
            } else if model.kind != ModelKind::LoraAdapter {
                // An adapter is laid down for the model that it is put on, when a reply wants it.
                let tooltip =
                    "Bring the model into memory now, so that its first use does not wait";
                button(ui, egui::Button::new("Load"), Pressed::Load, "Load", tooltip);
            }
            let tooltip = "Read the file in full and compare its SHA-256 with what it should be";
            button(ui, egui::Button::new("Verify"), Pressed::Verify, "Verify", tooltip);
        }
        ModelState::Missing => {
            // Some publishers do not state a size.
            let size = if model.bytes == 0 { String::new() } else { units::bytes(model.bytes) };
            let text = format!("Fetch {size}").trim_end().to_owned();
            let fetch = theme::primary_button(&text, ui.visuals());
            let tooltip = format!(
                "Fetch {} from {}; goes on where it was stopped, and is checked before it counts",
                if size.is_empty() { "it" } else { &size },
                model.source
            );
            button(ui, fetch, Pressed::Fetch, "Fetch", &tooltip);
        }
        ModelState::Damaged { .. } if catalog::find(&model.id).is_some() => {
            let fetch = theme::primary_button("Fetch again", ui.visuals());
            let tooltip = "Fetch what is missing of the file and check it";
            button(ui, fetch, Pressed::Fetch, "Fetch again", tooltip);
        }
        ModelState::Damaged { .. } => (),
    }
    pressed
}

/// Asks once more.
fn doubt_ui(ui: &mut egui::Ui, model: &ModelInfo) -> Option<Pressed> {
    ui.horizontal(|ui| {
        let ink = theme::color(Hue::Warn, ui.visuals());
        let words = "Remove this model? What was copied is deleted; the original stays.";
        ui.label(RichText::new(words).color(ink));
        let name = &model.name;
        let yes = ui.button("Remove it").on_hover_text("Delete the library's copy");
        let no = ui.button("Keep it").on_hover_text("Leave it in the library");
        match (
            yes.accessible_name(format!("Remove {name} for good")).clicked(),
            no.accessible_name(format!("Keep {name}")).clicked(),
        ) {
            (true, _) => Some(Pressed::Remove),
            (false, true) => Some(Pressed::Keep),
            (false, false) => None,
        }
    })
    .inner
}

pub(super) fn work_ui(ui: &mut egui::Ui, work: &Work) -> Option<Pressed> {
    ui.horizontal(|ui| {
        ui.label(work.label());
        let fraction = work.fraction();
        if let Some(fraction) = fraction {
            widgets::progress_ui(ui, work.label(), 240.0, Some(fraction));
            ui.label(RichText::new(format!("{:.0} %", (fraction * 100.0).floor())).monospace());
        }
        for (name, value) in work.figures() {
            ui.label(RichText::new(value).monospace());
            ui.label(theme::caption(name, ui.visuals()));
        }
        let stop = ui.button("Cancel").on_hover_text("Stop this; what has arrived is kept");
        stop.clicked().then_some(Pressed::Stop)
    })
    .inner
}

fn trouble_ui(ui: &mut egui::Ui, trouble: &str, model: &ModelInfo) -> Option<Pressed> {
    let ink = theme::color(Hue::Bad, ui.visuals());
    ui.add(egui::Label::new(RichText::new(trouble).color(ink)).wrap());
    ui.horizontal(|ui| {
        let can_fetch = catalog::find(&model.id).is_some();
        let again = can_fetch
            && ui.button("Fetch again").on_hover_text("Fetch the file and check it").clicked();
        let copy = ui.button("Copy error").on_hover_text("Copy the error as text");
        if copy.clicked() {
            ui.ctx().copy_text(trouble.to_owned());
        }
        let close = ui.button("Dismiss").on_hover_text("Take this error away");
        match (again, close.clicked()) {
            (true, _) => Some(Pressed::Fetch),
            (false, true) => Some(Pressed::Forgive),
            (false, false) => None,
        }
    })
    .inner
}

/// What helps against damage.
fn remedy(model: &ModelInfo) -> &'static str {
    match model.origin {
        ModelOrigin::Catalog => "Fetch it again; what is whole of it is kept.",
        ModelOrigin::Bundled => {
            "It comes with Formant: take Formant's models folder again to restore it."
        }
        ModelOrigin::Imported => "Remove it and bring it again.",
    }
}

fn figures_ui(ui: &mut egui::Ui, model: &ModelInfo, loaded: Option<&LoadedModel>) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0 * theme::WIDE;
        let figure = |ui: &mut egui::Ui, name: &str, n_bytes: u64, tooltip| {
            let text = units::bytes(n_bytes);
            let (value, unit) = text.split_once(' ').unwrap_or((&text, ""));
            theme::figure(ui, name, value, unit, tooltip);
        };
        if model.bytes > 0 {
            figure(ui, "On disk", model.bytes, "Size of the file when whole");
        }
        if let Some(loaded) = loaded {
            figure(ui, "In memory", loaded.bytes, "Size of its weights in memory");
        }
        for (name, value) in &model.quality {
            let shown = quality::figure(name, *value);
            ui.push_id(name, |ui| {
                theme::figure(ui, &shown.name, &shown.value, shown.unit, shown.meaning)
            });
        }
    });
}

fn particulars_ui(ui: &mut egui::Ui, model: &ModelInfo, is_verified: bool) {
    ui.spacing_mut().item_spacing.y = theme::TIGHT;
    if let Some(language) = &model.language_model {
        widgets::particular_ui(ui, "Model", &language.summary());
        for (name, value) in language.particulars() {
            widgets::particular_ui(ui, name, &value);
        }
    }
    if let Some(speech) = &model.speech_model {
        widgets::particular_ui(ui, "Model", &speech.summary());
        for (name, value) in speech.particulars() {
            widgets::particular_ui(ui, name, &value);
        }
    }
    if let Some(adapter) = &model.lora_adapter {
        widgets::particular_ui(ui, "Adapter", &adapter.summary());
        for (name, value) in adapter.particulars() {
            widgets::particular_ui(ui, name, &value);
        }
    }
    widgets::particular_ui(ui, "Licence", &model.licence);
    widgets::particular_ui(ui, "Source", &model.source);
    widgets::copy_ui(ui, "Id", &model.id, &model.id);
    if let ModelState::Ready { path, .. } = &model.state {
        let path = path.display().to_string();
        widgets::copy_ui(ui, "File", &path, &path);
    }
    if !model.sha256.is_empty() {
        let short = match model.sha256.get(..16) {
            Some(head) if is_verified => format!("{head}… verified"),
            Some(head) => format!("{head}…"),
            None => model.sha256.clone(),
        };
        widgets::copy_ui(ui, "SHA-256", &short, &model.sha256);
    }
}

//! Where things are kept, and what this program is.

use std::path::PathBuf;

use eframe::egui;

use crate::{
    library::Folders,
    ui::{theme, widgets},
};

/// What the program stands on and under which terms.
const LICENCES: &[(&str, &str)] = &[
    ("Formant", "MIT or Apache-2.0, at your choice"),
    ("Inter typeface", "SIL Open Font License 1.1, The Inter Project Authors"),
    ("egui, eframe, egui_plot", "MIT or Apache-2.0"),
    ("candle, tokenizers, safetensors", "Apache-2.0 (candle also MIT)"),
    ("cpal, symphonia and other libraries", "their licences stand in each crate"),
];

/// The places on disk.
pub(super) fn folders_ui(ui: &mut egui::Ui, folders: &Folders) {
    let places: [(&str, PathBuf); 5] = [
        ("Data folder", folders.data.clone()),
        ("Fetched models", folders.models()),
        ("Bundled models", folders.bundled.clone()),
        ("Conversations", folders.conversations()),
        ("Settings file", folders.settings()),
    ];
    for (name, path) in &places {
        let path = path.display().to_string();
        ui.push_id(name, |ui| widgets::copy_ui(ui, name, &path, &path));
    }
    let words = "Set FORMANT_DATA before the start to keep everything in another folder.";
    ui.label(theme::caption(words, ui.visuals()));
}

/// Name, version, licences.
pub(super) fn about_ui(ui: &mut egui::Ui) {
    let version = format!("Formant {}", env!("CARGO_PKG_VERSION"));
    ui.horizontal(|ui| {
        ui.label(&version);
        let copy = ui
            .add(theme::small_button("Copy"))
            .on_hover_text("Copy name and version, for a report");
        if copy.accessible_name("Copy version").clicked() {
            let system = format!("{}, {}", std::env::consts::OS, std::env::consts::ARCH);
            ui.ctx().copy_text(format!("{version} ({system})"));
        }
    });
    ui.label(theme::muted(env!("CARGO_PKG_DESCRIPTION"), ui.visuals()));
    ui.add_space(theme::TIGHT);
    for (what, terms) in LICENCES {
        ui.horizontal_wrapped(|ui| {
            ui.label(*what);
            ui.label(theme::caption(*terms, ui.visuals()));
        });
    }
    let words = "Each model has its own licence; it stands on the Models page.";
    ui.label(theme::caption(words, ui.visuals()));
}

//! Particulars in two columns, with a button for what one may want elsewhere.

use eframe::egui;

use crate::ui::theme;

/// Width of the names, so that several of them stand in a column.
const NAME: f32 = 96.0;
/// Room for the button, so that a long path never pushes it out of the window.
const BUTTON: f32 = 64.0;

/// A particular under its name, shortened where there is no room.
pub fn particular_ui(ui: &mut egui::Ui, name: &str, text: &str) {
    row_ui(ui, name, |ui| {
        let text = egui::RichText::new(text).size(12.0);
        ui.add(egui::Label::new(text).truncate());
    });
}

/// Shows `shown` under its name and copies `whole`.
pub fn copy_ui(ui: &mut egui::Ui, name: &str, shown: &str, whole: &str) {
    row_ui(ui, name, |ui| {
        let room = (ui.available_width() - BUTTON).max(BUTTON);
        let text = egui::RichText::new(shown).monospace().size(11.5);
        ui.scope(|ui| {
            ui.set_max_width(room);
            ui.add(egui::Label::new(text).truncate()).on_hover_text(whole);
        });
        let copy = ui.add(theme::small_button("Copy")).on_hover_text(format!("Copy: {whole}"));
        if copy.accessible_name(format!("Copy {}", name.to_lowercase())).clicked() {
            ui.ctx().copy_text(whole.to_owned());
        }
    });
}

fn row_ui(ui: &mut egui::Ui, name: &str, add_value: impl FnOnce(&mut egui::Ui)) {
    let size = egui::vec2(ui.available_width(), theme::WIDE);
    // `horizontal` would make it as high as a row of buttons.
    let in_row = egui::Layout::left_to_right(egui::Align::Center);
    ui.allocate_ui_with_layout(size, in_row, |ui| {
        ui.spacing_mut().interact_size.y = theme::WIDE;
        let size = egui::vec2(NAME, theme::WIDE);
        let layout = egui::Layout::left_to_right(egui::Align::Center);
        ui.allocate_ui_with_layout(size, layout, |ui| {
            ui.set_min_width(NAME);
            ui.label(theme::caption(name, ui.visuals()));
        });
        add_value(ui);
    });
}

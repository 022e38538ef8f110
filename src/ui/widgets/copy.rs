//! A text that one may want elsewhere, with a button that copies it.

use eframe::egui;

use crate::ui::theme;

/// Width of the name, so that several of them stand in a column.
const NAME: f32 = 96.0;

/// Shows `shown` under its name and copies `whole`.
pub fn copy_ui(ui: &mut egui::Ui, name: &str, shown: &str, whole: &str) {
    ui.horizontal(|ui| {
        ui.spacing_mut().interact_size.y = theme::WIDE;
        let caption = egui::Label::new(theme::caption(name, ui.visuals()));
        let size = egui::vec2(NAME, theme::WIDE);
        let layout = egui::Layout::left_to_right(egui::Align::Center);
        ui.allocate_ui_with_layout(size, layout, |ui| {
            ui.set_min_width(NAME);
            ui.add(caption);
        });
        // Room for the button, so that a long path never pushes it out of the window.
        let room = (ui.available_width() - 72.0).max(40.0);
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

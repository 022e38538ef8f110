//! What stands where nothing is yet: what belongs here, and what to do to have it.

use eframe::egui;

use crate::ui::theme;

/// A title and a few words in the middle of the space there is, then whatever `actions` adds.
pub fn empty_state_ui<R>(
    ui: &mut egui::Ui,
    title: &str,
    words: &str,
    actions: impl FnOnce(&mut egui::Ui) -> R,
) -> R {
    ui.vertical_centered(|ui| {
        ui.add_space((ui.available_height() * 0.25).min(160.0));
        ui.heading(title);
        ui.add_space(theme::TIGHT);
        ui.set_max_width(520.0);
        ui.add(egui::Label::new(theme::muted(words, ui.visuals())).wrap());
        ui.add_space(theme::PAD);
        actions(ui)
    })
    .inner
}

//! Systems as chips: the voices that the text will be spoken with, one or several.

use eframe::egui::{
    Button, Color32, ScrollArea, TextStyle, Ui,
    text::{LayoutJob, TextFormat},
};

use crate::{
    domain::{ModelInfo, ModelOrigin},
    settings,
    ui::theme::{self, Hue},
};

/// Draws a chip for each voice; pressing one picks it, or drops it.
pub fn systems_ui(ui: &mut Ui, options: &mut settings::Speak, models: &[ModelInfo]) {
    ui.label("Systems");
    // Published voices that were not fetched are the Models page's to offer.
    let is_offered = |model: &&ModelInfo| model.origin != ModelOrigin::Catalog || model.is_ready();
    let voices = models.iter().filter(|model| model.kind.is_voice()).filter(is_offered);
    let scroll = ScrollArea::horizontal().id_salt("speak-systems").auto_shrink([false, true]);
    scroll.show(ui, |ui| {
        ui.horizontal(|ui| {
            for (at, voice) in voices.enumerate() {
                let color = theme::system_color(at, ui.visuals());
                chip_ui(ui, options, voice, color, models);
            }
        });
    });
}

fn chip_ui(
    ui: &mut Ui,
    options: &mut settings::Speak,
    voice: &ModelInfo,
    color: Color32,
    models: &[ModelInfo],
) {
    let is_picked = picks(options, &voice.id);
    let name = format!("{} ({})", voice.name, voice.kind.label());
    let font = TextStyle::Button.resolve(ui.style());
    let hue = if is_picked { Hue::Text } else { Hue::Muted };
    let ink = theme::color(hue, ui.visuals());
    let mut label = LayoutJob::default();
    // Filled or hollow, so that colour is not all that tells.
    let dot = if is_picked { "●" } else { "○" };
    label.append(dot, 0.0, TextFormat::simple(font.clone(), color));
    label.append(&name, 6.0, TextFormat::simple(font, ink));
    let chip = ui.add_enabled(voice.is_ready(), Button::selectable(is_picked, label));
    let is_last = is_picked && options.beside.is_empty();
    let hint = match (is_last, is_picked) {
        (true, _) => "speaks; pick another one to hear both",
        (_, true) => "speaks; press to leave it out",
        _ => "press to let it speak, too",
    };
    let chip = chip.on_hover_text(format!("{} ({}) {hint}", voice.id, voice.licence));
    let chip = chip.on_disabled_hover_text("Its weights are not here; see the Models page");
    let was_pressed = chip.clicked();
    chip.accessible_name(name);
    if was_pressed {
        toggle(options, &voice.id, models);
    }
}

/// Whether a voice will speak.
pub fn picks(options: &settings::Speak, id: &str) -> bool {
    options.voice == id || options.beside.iter().any(|beside| beside == id)
}

/// Picks a voice or drops it; one always stays. A voice that is not there makes way for one that is.
pub fn toggle(options: &mut settings::Speak, id: &str, models: &[ModelInfo]) {
    if options.voice == id {
        if !options.beside.is_empty() {
            options.voice = options.beside.remove(0);
        }
        return;
    }
    if let Some(at) = options.beside.iter().position(|beside| beside == id) {
        options.beside.remove(at);
        return;
    }
    let is_there = |voice: &str| {
        models.iter().any(|model| model.kind.is_voice() && model.id == voice && model.is_ready())
    };
    options.beside.retain(|beside| is_there(beside));
    if is_there(&options.voice) {
        options.beside.push(id.to_owned());
    } else {
        id.clone_into(&mut options.voice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ModelKind, ModelOrigin, ModelState};

    fn voice(id: &str) -> ModelInfo {
        ModelInfo {
            id: id.into(),
            name: id.into(),
            kind: ModelKind::Matcha,
            licence: String::new(),
            source: String::new(),
            sha256: String::new(),
            bytes: 0,
            state: ModelState::Ready { path: "x".into(), bytes: 0 },
            quality: Vec::new(),
            origin: ModelOrigin::Bundled,
            language_model: None,
            speech_model: None,
            lora_adapter: None,
        }
    }

    fn picked(options: &settings::Speak) -> Vec<&str> {
        std::iter::once(&options.voice).chain(&options.beside).map(String::as_str).collect()
    }

    #[test]
    fn several_systems_are_picked_and_the_last_one_stays() {
        let models = ["a", "b", "c"].map(voice);
        let mut options = settings::Speak { voice: "a".into(), ..settings::Speak::default() };
        toggle(&mut options, "c", &models);
        toggle(&mut options, "b", &models);
        assert_eq!(picked(&options), ["a", "c", "b"]);
        toggle(&mut options, "a", &models);
        assert_eq!(picked(&options), ["c", "b"]);
        toggle(&mut options, "b", &models);
        toggle(&mut options, "c", &models);
        assert_eq!(picked(&options), ["c"], "nothing would speak");
    }

    #[test]
    fn a_voice_that_is_gone_makes_way() {
        let models = ["a", "b"].map(voice);
        let mut options = settings::Speak {
            voice: "gone".into(),
            beside: vec!["gone, too".into()],
            ..settings::Speak::default()
        };
        toggle(&mut options, "b", &models);
        assert_eq!(picked(&options), ["b"]);
    }
}

//! Who speaks, what is spoken and what is measured.

use eframe::egui::{self, DragValue, RichText, TextEdit, Ui};

use super::state::{Chosen, EvaluateState, MOST_SENTENCES, Sentences};
use crate::{
    domain::{Measure, ModelInfo},
    library::catalog,
    ui::theme::{self, Hue},
};

/// Rows of the field for one's own sentences.
const OWN_ROWS: usize = 5;
/// Width of the fields beside their names.
const FIELD: f32 = 150.0;

/// Something that was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pressed {
    Nothing,
    /// The page where models are fetched.
    Models,
}

/// Draws all that can be chosen.
pub(super) fn setup_ui(ui: &mut Ui, state: &mut EvaluateState, models: &[ModelInfo]) -> Pressed {
    let mut pressed = Pressed::Nothing;
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        theme::section(ui, "Systems");
        systems_ui(ui, state, models);
        ui.add_space(theme::PAD);
        theme::section(ui, "Sentences");
        sentences_ui(ui, state);
        ui.add_space(theme::PAD);
        theme::section(ui, "Figures");
        pressed = measures_ui(ui, state, models);
        ui.add_space(theme::PAD);
        ui.horizontal(|ui| {
            let label = ui.label("Seed");
            let hint = "Of everything random: same seed, same speech";
            ui.add(DragValue::new(&mut state.seed)).on_hover_text(hint).labelled_by(label.id);
        });
    });
    pressed
}

fn systems_ui(ui: &mut Ui, state: &mut EvaluateState, models: &[ModelInfo]) {
    let voices = models.iter().filter(|model| model.kind.is_voice() && model.is_ready());
    let vocoders = models.iter().filter(|model| model.kind.is_vocoder() && model.is_ready());
    let own = vocoders.filter(|model| model.id != catalog::VOCODER);
    let copies = ["hifigan", "griffin-lim"].map(str::to_owned).into_iter();
    let copies = copies.chain(own.map(|model| model.id.clone()));
    let mut toggled = None;
    ui.horizontal_wrapped(|ui| {
        for voice in voices {
            let hint = format!("{} ({})", voice.name, voice.kind.label());
            let chip = ui.selectable_label(state.has(&voice.id), &voice.id).on_hover_text(hint);
            if chip.clicked() {
                toggled = Some(voice.id.clone());
            }
        }
        for vocoder in copies {
            let id = format!("copy:{vocoder}");
            let hint = "Sounds the mels of recordings instead of speaking: what the vocoder loses";
            if ui.selectable_label(state.has(&id), &id).on_hover_text(hint).clicked() {
                toggled = Some(id);
            }
        }
    });
    if let Some(id) = toggled {
        state.toggle(&id);
    }
    let mut again = None;
    let mut removed = None;
    for (index, chosen) in state.chosen.iter_mut().enumerate().filter(|(_, c)| !c.is_copy()) {
        ui.push_id(index, |ui| {
            ui.horizontal(|ui| {
                let label = ui.label(format!("Options of {}", chosen.id));
                let hint = options_hint(&chosen.id, models);
                let field = TextEdit::singleline(&mut chosen.options)
                    .desired_width(FIELD)
                    .hint_text("as it is");
                ui.add(field).on_hover_text(hint).labelled_by(label.id);
                let more = theme::small_button("+");
                let name = format!("Once more {}", chosen.id);
                let more = ui.add(more).on_hover_text("The same voice once more, led otherwise");
                more.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
                if more.clicked() {
                    again = Some(index);
                }
                let less = ui.add(theme::small_button("×")).on_hover_text("Leave this one out");
                let name = format!("Leave out {}", chosen.id);
                less.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
                if less.clicked() {
                    removed = Some(index);
                }
            });
            if let Err(why) = chosen.system(models) {
                let ink = theme::color(Hue::Bad, ui.visuals());
                ui.add(egui::Label::new(RichText::new(why).color(ink)).wrap());
            }
        });
    }
    if let Some(index) = again {
        let copy = Chosen { options: String::new(), ..state.chosen[index].clone() };
        state.chosen.insert(index + 1, copy);
    }
    if let Some(index) = removed {
        state.chosen.remove(index);
    }
}

fn options_hint(id: &str, models: &[ModelInfo]) -> String {
    let Some(model) = models.iter().find(|model| model.id == id) else { return String::new() };
    let keys: Vec<&str> = model.kind.controls().iter().map(|control| control.key()).collect();
    format!(
        "{}, vocoder; as in {}=2, several apart by spaces",
        keys.join(", "),
        keys.first().unwrap_or(&"pace")
    )
}

fn sentences_ui(ui: &mut Ui, state: &mut EvaluateState) {
    ui.horizontal(|ui| {
        let hint = "Fifty sentences that no bundled voice was trained on";
        ui.radio_value(&mut state.sentences, Sentences::HeldOut, "Held-out sentences")
            .on_hover_text(hint);
        let count = DragValue::new(&mut state.n_held_out).range(1..=MOST_SENTENCES);
        let count = ui.add_enabled(state.sentences == Sentences::HeldOut, count);
        let name = "Number of held-out sentences";
        count.widget_info(|| {
            let mut info = egui::WidgetInfo::labeled(egui::Role::SpinButton, true, name);
            info.value = Some(state.n_held_out as f64);
            info
        });
        count.on_disabled_hover_text("Choose held-out sentences first");
    });
    ui.radio_value(&mut state.sentences, Sentences::Own, "Your own, a line each");
    if state.sentences == Sentences::Own {
        let field = TextEdit::multiline(&mut state.own)
            .desired_rows(OWN_ROWS)
            .desired_width(f32::INFINITY)
            .hint_text("One sentence a line, or NAME|sentence");
        let field = ui.add(field);
        field.widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::MultilineTextInput, true, "Your own sentences")
        });
    }
    let label = ui.label("Folder of recordings");
    let field =
        TextEdit::singleline(&mut state.recordings).desired_width(f32::INFINITY).hint_text("none");
    ui.add(field).labelled_by(label.id).on_hover_text(
        "The same sentences by a person, as 000.wav, 001.wav, … or by the names you gave them",
    );
}

fn measures_ui(ui: &mut Ui, state: &mut EvaluateState, models: &[ModelInfo]) -> Pressed {
    let mut pressed = Pressed::Nothing;
    let can_hear = models.iter().any(|model| model.id == catalog::RECOGNIZER && model.is_ready());
    let has_recordings = !state.recordings.trim().is_empty();
    for measure in Measure::ALL {
        let mut is_wanted = state.measures.contains(&measure);
        if ui.checkbox(&mut is_wanted, measure.label()).on_hover_text(measure.meaning()).changed() {
            if is_wanted {
                state.measures.insert(measure);
            } else {
                state.measures.remove(&measure);
            }
        }
        if measure == Measure::Wer && is_wanted && !can_hear {
            ui.indent("wer", |ui| {
                let words = "Needs Whisper tiny.en (76 MB), which is not here yet.";
                ui.label(theme::caption(words, ui.visuals()));
                if ui.button("Fetch it on the Models page").clicked() {
                    pressed = Pressed::Models;
                }
            });
        }
        if measure == Measure::Reference && is_wanted && !has_recordings {
            ui.indent("reference", |ui| {
                let words = "Needs a folder of recordings, above.";
                ui.label(theme::caption(words, ui.visuals()));
            });
        }
    }
    pressed
}

//! The top of the page: what to say, with which voice and how.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use eframe::egui::{
    Button, ComboBox, Direction, DragValue, Frame, Label, Layout, PointerButton, Rect, RichText,
    ScrollArea, Slider, SliderClamping, Stroke, StrokeKind, TextBuffer, TextEdit, TextStyle, Ui,
    UiBuilder, pos2,
    text::{LayoutJob, TextFormat},
    vec2,
};

use super::{
    commands,
    dictionary::{DictionaryState, Marks, TextMark},
    page::Request,
    state::SpeakState,
    systems::systems_ui,
    transport::command_button,
};
use crate::{
    domain::{
        AttentionWindow, Control, DurationChoice, ModelInfo, ModelKind, ProsodyControls,
        VocoderChoice, VoiceOptions, WindowChoice,
    },
    library::catalog,
    settings,
    ui::{
        PageCommand,
        theme::{self, Hue},
    },
};

/// Width of the Speak button.
const SPEAK_WIDTH: f32 = 92.0;

/// The text is never lower than two lines.
const MIN_TEXT_HEIGHT: f32 = 40.0;

/// Between the text and the edge of its field.
const TEXT_MARGIN: f32 = 8.0;

/// Width of a factor's slider.
const SLIDER_WIDTH: f32 = 96.0;

/// Controls that stand in one row, as the kinds of voice have them.
const ROWS: [&[Control]; 3] = [
    &[Control::Pace, Control::Pitch, Control::Energy],
    &[Control::Steps, Control::Temperature, Control::LengthScale, Control::Durations],
    &[Control::GateThreshold, Control::Window],
];

/// Seeds that the number field can reach; a restored take may have a greater one.
const SEEDS: std::ops::RangeInclusive<u64> = 0..=u32::MAX as u64;

/// Why Speak cannot be pressed, if so.
pub fn blocked(
    text: &str,
    options: &settings::Speak,
    models: &[ModelInfo],
) -> Option<&'static str> {
    if !has_voice(models) {
        return Some("No voice is here; the Models page says what is missing");
    }
    let ready = |does: fn(ModelKind) -> bool, id: &str| {
        models.iter().any(|model| does(model.kind) && model.id == id && model.is_ready())
    };
    if !ready(ModelKind::is_voice, &options.voice) {
        return Some("The chosen voice is not here; choose another one");
    }
    if !options.beside.iter().all(|voice| ready(ModelKind::is_voice, voice)) {
        return Some("One of the chosen voices is not here; choose again");
    }
    match &options.vocoder {
        VocoderChoice::HifiGan if !has_vocoder(models) => {
            return Some("HiFi-GAN's weights are not here; choose Griffin-Lim");
        }
        VocoderChoice::Model(id) if !ready(ModelKind::is_vocoder, id) => {
            return Some("The chosen vocoder is not here; choose another one");
        }
        _ => (),
    }
    if !ready(|kind| kind == ModelKind::G2p, catalog::G2P) {
        return Some("The pronunciation model is not here; the Models page says what is missing");
    }
    text.trim().is_empty().then_some("There is nothing to say; type a sentence")
}

/// Whether any voice can be used.
pub fn has_voice(models: &[ModelInfo]) -> bool {
    models.iter().any(|model| model.kind.is_voice() && model.is_ready())
}

fn has_vocoder(models: &[ModelInfo]) -> bool {
    models.iter().any(|model| model.id == catalog::VOCODER && model.is_ready())
}

/// Draws text and options; what was pressed goes to `requests`.
pub fn composer_ui(
    ui: &mut Ui,
    state: &mut SpeakState,
    models: &[ModelInfo],
    commands: &[PageCommand],
    is_first_frame: bool,
    requests: &mut Vec<Request>,
) {
    let heeded = heeded(&state.options, models);
    // Exactly what the rows below take: a point more, and the panel would grow in each frame.
    let n_rows = 2 + heeded.len();
    let rows = n_rows as f32 * (ui.spacing().interact_size.y + ui.spacing().item_spacing.y);
    let height = (ui.available_height() - rows).max(MIN_TEXT_HEIGHT);
    let area = ui.available_rect_before_wrap();
    let split = area.right() - SPEAK_WIDTH;
    let text = Rect::from_min_max(area.min, pos2(split - theme::GAP, area.top() + height));
    let speak = Rect::from_min_max(pos2(split, area.top()), pos2(area.right(), text.bottom()));
    ui.advance_cursor_after_rect(text.union(speak));
    text_ui(ui, text, &mut state.text, &mut state.dictionary);
    let centred = Layout::centered_and_justified(Direction::TopDown);
    ui.scope_builder(UiBuilder::new().max_rect(speak).layout(centred), |ui| {
        speak_button(ui, state, commands, is_first_frame, requests);
    });
    ui.horizontal(|ui| systems_ui(ui, &mut state.options, models));
    ui.horizontal(|ui| {
        vocoder_ui(ui, &mut state.options, models);
        ui.separator();
        seed_ui(ui, &mut state.options);
        ui.separator();
        let n_chars = state.text.chars().count();
        let chars = if n_chars == 1 { "character" } else { "characters" };
        ui.label(theme::caption(format!("{n_chars} {chars}"), ui.visuals()));
        ui.separator();
        let open = Button::selectable(state.dictionary.is_open, "Pronunciations…");
        let open = command_button(ui, commands, commands::DICTIONARY, open);
        if open.is_some_and(|open| open.clicked()) {
            requests.push(Request::Run(commands::DICTIONARY));
        }
        pronounced_ui(ui, &state.dictionary.marks);
        ui.separator();
        let import = Button::new("TextGrid…");
        if let Some(import) = command_button(ui, commands, commands::IMPORT_TEXT_GRID, import)
            && import.clicked()
        {
            requests.push(Request::Run(commands::IMPORT_TEXT_GRID));
        }
        if let Some(given) = &state.given {
            ui.separator();
            let hint = "Durations, pitch or energy that take the place of what a voice predicts; \
                        the text must be the one they were made for";
            ui.label(format!("Prosody of {}", given.source)).on_hover_text(hint);
            let forget = Button::new("Predict again");
            let forget = command_button(ui, commands, commands::FORGET_GIVEN, forget);
            if forget.is_some_and(|forget| forget.clicked()) {
                requests.push(Request::Run(commands::FORGET_GIVEN));
            }
        }
    });
    for row in heeded {
        ui.horizontal(|ui| {
            for control in &row.controls {
                control_ui(ui, *control, &mut state.options);
            }
            if row.controls.contains(&Control::Pace) {
                let is_default = state.options.controls == ProsodyControls::default();
                let reset = ui.add_enabled(!is_default, Button::new("As predicted"));
                let reset = reset.on_hover_text("Set pace, pitch and energy to 1.00 ×");
                if reset.on_disabled_hover_text("All three are as predicted").clicked() {
                    requests.push(Request::Run(commands::RESET_PROSODY));
                }
            }
            if let Some(kinds) = row.kinds {
                ui.label(theme::caption(kinds, ui.visuals())).on_hover_text(
                    "The chosen systems that heed these controls; the others do not",
                );
            }
        });
    }
}

/// Controls in one row.
struct Row {
    controls: Vec<Control>,
    /// Who heeds them, where not all of the chosen systems do.
    kinds: Option<String>,
}

/// The controls that the chosen systems heed. A voice that is not there is shown as the ordinary
/// kind, with nothing to press.
fn heeded(options: &settings::Speak, models: &[ModelInfo]) -> Vec<Row> {
    let voices = std::iter::once(&options.voice).chain(&options.beside);
    let mut kinds: Vec<ModelKind> = Vec::new();
    for id in voices {
        let voice = models.iter().find(|model| model.id == *id);
        let kind = voice.map_or(ModelKind::FastSpeech2, |voice| voice.kind);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let heeds = |kind: ModelKind, control| kind.controls().contains(&control);
    let row = |row: &&[Control]| {
        let is_heeded = |control: &Control| kinds.iter().any(|kind| heeds(*kind, *control));
        let controls: Vec<Control> = row.iter().copied().filter(is_heeded).collect();
        let mut heeding = kinds.iter().filter(|kind| controls.iter().any(|c| heeds(**kind, *c)));
        let n_heeding = heeding.clone().count();
        let kinds = (n_heeding < kinds.len()).then(|| {
            let labels: Vec<&str> = heeding.by_ref().map(|kind| kind.label()).collect();
            format!("heeded by {}", labels.join(" and "))
        });
        (!controls.is_empty()).then_some(Row { controls, kinds })
    };
    ROWS.iter().filter_map(row).collect()
}

/// One of the controls that the voice heeds.
fn control_ui(ui: &mut Ui, control: Control, speak: &mut settings::Speak) {
    let (controls, options) = (&mut speak.controls, &mut speak.options);
    match control {
        Control::Pace => {
            factor_ui(ui, "Pace", &mut controls.pace, "Speaking rate: 2 takes half the time");
        }
        Control::Pitch => {
            let hint = "Factor on the predicted fundamental frequency";
            factor_ui(ui, "Pitch", &mut controls.pitch, hint);
        }
        Control::Energy => {
            factor_ui(ui, "Energy", &mut controls.energy, "Factor on the predicted energy");
        }
        Control::LengthScale => {
            let hint = "Factor on predicted durations: 2 takes twice the time";
            factor_ui(ui, "Length scale", &mut options.length_scale, hint);
        }
        Control::Steps => {
            let label = ui.label("Steps");
            let steps = DragValue::new(&mut options.steps).range(VoiceOptions::STEPS);
            let hint = "Steps from noise to mel: more take longer and change little beyond ten";
            ui.add(steps).on_hover_text(hint).labelled_by(label.id);
        }
        Control::Temperature => {
            let label = ui.label("Temperature");
            let temperature = DragValue::new(&mut options.temperature)
                .range(VoiceOptions::TEMPERATURES)
                .speed(0.01)
                .fixed_decimals(3);
            let hint = "Factor on the noise that a mel begins as: less is flatter";
            ui.add(temperature).on_hover_text(hint).labelled_by(label.id);
        }
        Control::Durations => {
            ui.label("Durations");
            for (choice, name, hint) in [
                (DurationChoice::Predicted, "Predicted", "The likeliest durations"),
                (DurationChoice::Drawn, "Drawn", "Drawn from what is likely, by the seed"),
            ] {
                ui.selectable_value(&mut options.durations, choice, name).on_hover_text(hint);
            }
        }
        Control::GateThreshold => {
            let label = ui.label("Gate threshold");
            let threshold = DragValue::new(&mut options.gate_threshold)
                .range(VoiceOptions::GATE_THRESHOLDS)
                .speed(0.01)
                .fixed_decimals(2);
            let hint = "How sure the decoder must be that it has come to the end";
            ui.add(threshold).on_hover_text(hint).labelled_by(label.id);
        }
        Control::Window => window_ui(ui, &mut options.window),
    }
}

/// What the decoder may look at.
fn window_ui(ui: &mut Ui, window: &mut WindowChoice) {
    ui.label("Window");
    let held = match *window {
        WindowChoice::Held(window) => window,
        _ => AttentionWindow { back: 1, ahead: 4 },
    };
    for (choice, name, hint) in [
        (
            WindowChoice::AsVoice,
            "As the voice needs",
            "The window that the voice came with, if any",
        ),
        (WindowChoice::Off, "Off", "The decoder may look at any phoneme"),
        (WindowChoice::Held(held), "Held", "The decoder may look only so far back and ahead"),
    ] {
        ui.selectable_value(window, choice, name).on_hover_text(hint);
    }
    if let WindowChoice::Held(held) = window {
        for (name, reach, hint) in [
            ("Back", &mut held.back, "Phonemes behind the one last looked at"),
            ("Ahead", &mut held.ahead, "Phonemes beyond the one last looked at"),
        ] {
            let label = ui.label(name);
            let reach = DragValue::new(reach).range(VoiceOptions::WINDOW_REACH);
            ui.add(reach).on_hover_text(hint).labelled_by(label.id);
        }
    }
}

/// The text, in a field that fills `rect` and scrolls inside it.
fn text_ui(ui: &mut Ui, rect: Rect, text: &mut String, dictionary: &mut DictionaryState) {
    let style = ui.visuals().widgets.inactive;
    let fill = ui.visuals().text_edit_bg_color();
    ui.painter().rect(rect, style.corner_radius, fill, style.bg_stroke, StrokeKind::Inside);
    let inner = rect.shrink2(vec2(TEXT_MARGIN, TEXT_MARGIN / 2.0));
    ui.scope_builder(UiBuilder::new().max_rect(inner), |ui| {
        ScrollArea::vertical()
            .id_salt("speak-text")
            .auto_shrink(false)
            .min_scrolled_height(0.0)
            .show(ui, |ui| {
                let mut lay_out = |ui: &Ui, text: &dyn TextBuffer, width: f32| {
                    let job = marked(ui, text.as_str(), dictionary.mark(text.as_str()), width);
                    ui.fonts_mut(|fonts| fonts.layout_job(job))
                };
                let field = TextEdit::multiline(text)
                    .layouter(&mut lay_out)
                    .frame(Frame::NONE)
                    .hint_text("Type what is to be spoken")
                    .desired_width(f32::INFINITY)
                    .min_size(inner.size());
                ui.add(field).accessible_name("Text");
            });
    });
}

/// Which words of the text are said as the user wants, and what is wrong in braces.
fn pronounced_ui(ui: &mut Ui, marks: &Marks) {
    if let Some(why) = marks.problem() {
        let bad = theme::color(Hue::Bad, ui.visuals());
        let label = Label::new(RichText::new("Braces hold no pronunciation").color(bad));
        ui.add(label).on_hover_text(format!("{why}. It is read as text."));
        return;
    }
    let words = marks.own_words();
    if let Some((first, others)) = words.split_first() {
        let more =
            if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        let caption = theme::caption(format!("yours: {first}{more}"), ui.visuals());
        ui.label(caption).on_hover_text(format!("Said by your dictionary: {}", words.join(", ")));
    }
}

/// A text in which words of the user's dictionary, and phonemes in braces, are underlined.
fn marked(ui: &Ui, text: &str, marks: &Marks, width: f32) -> LayoutJob {
    let font = TextStyle::Body.resolve(ui.style());
    let plain = TextFormat::simple(font, theme::color(Hue::Text, ui.visuals()));
    let mut job = LayoutJob::default();
    job.wrap.max_width = width;
    let mut end = 0;
    for (at, mark) in marks.spans() {
        let hue = if matches!(mark, TextMark::Broken(_)) { Hue::Bad } else { Hue::Accent };
        let underline = Stroke::new(1.5, theme::color(hue, ui.visuals()));
        job.append(&text[end..at.start], 0.0, plain.clone());
        job.append(&text[at.clone()], 0.0, TextFormat { underline, ..plain.clone() });
        end = at.end;
    }
    job.append(&text[end..], 0.0, plain);
    job
}

fn speak_button(
    ui: &mut Ui,
    state: &SpeakState,
    commands: &[PageCommand],
    is_first_frame: bool,
    requests: &mut Vec<Request>,
) {
    let (id, button) = if state.speaking.is_some() {
        (commands::STOP, Button::new("Stop"))
    } else if state.blocked.is_none() {
        (commands::SPEAK, theme::primary_button("Speak", ui.visuals()))
    } else {
        (commands::SPEAK, Button::new("Speak"))
    };
    let Some(response) = command_button(ui, commands, id, button) else { return };
    if is_first_frame {
        response.request_focus();
    }
    if response.clicked() {
        // The next thing one wants of the keyboard is to play and pause.
        response.surrender_focus();
        requests.push(Request::Run(id));
    }
}

fn vocoder_ui(ui: &mut Ui, options: &mut settings::Speak, models: &[ModelInfo]) {
    for vocoder in VocoderChoice::ALWAYS {
        let (is_ready, hint) = match vocoder {
            VocoderChoice::HifiGan => (has_vocoder(models), "Neural vocoder of the bundled voices"),
            _ => (true, "Phase reconstruction: no weights, robotic, always there"),
        };
        let chip = Button::selectable(options.vocoder == vocoder, vocoder.label());
        let chip = ui.add_enabled(is_ready, chip).on_hover_text(hint);
        let chip = chip.on_disabled_hover_text("Its weights are not here; see the Models page");
        if chip.clicked() {
            options.vocoder = vocoder;
        }
    }
    let others: Vec<&ModelInfo> = other_vocoders(models).collect();
    if others.is_empty() {
        return;
    }
    let name = |model: &ModelInfo| format!("{} ({})", model.name, model.kind.label());
    let chosen = match &options.vocoder {
        VocoderChoice::Model(id) => others.iter().find(|model| model.id == *id).copied(),
        _ => None,
    };
    let text = match (&options.vocoder, chosen) {
        (_, Some(model)) => name(model),
        (VocoderChoice::Model(id), None) => id.clone(),
        _ => "Other…".to_owned(),
    };
    let combo = ComboBox::from_id_salt("speak-vocoder").truncate().selected_text(text);
    let combo = combo.show_ui(ui, |ui| {
        for model in others {
            let choice = VocoderChoice::Model(model.id.clone());
            let button = Button::selectable(options.vocoder == choice, name(model));
            let button = ui.add_enabled(model.is_ready(), button);
            let button = button.on_hover_text(format!("{}: {}", model.id, about(model.kind)));
            let missing = "Its weights are not here; see the Models page";
            let button = button.on_disabled_hover_text(missing);
            if button.clicked() {
                options.vocoder = choice;
            }
        }
    });
    combo.response.accessible_name("Other vocoders");
    if chosen.is_some_and(|model| model.kind == ModelKind::WaveNet) {
        let hint = "Each sample waits for the one before, and none is made before the mel of the \
                    sentence is whole: about as long as the speech itself lasts, or longer";
        ui.label(theme::caption("slow: sample after sample", ui.visuals())).on_hover_text(hint);
    }
}

/// What a kind of vocoder does, in a hint.
fn about(kind: ModelKind) -> &'static str {
    match kind {
        ModelKind::WaveNet => "sample after sample, slow",
        _ => "many samples at once, fast",
    }
}

/// Vocoders beside the one of the bundled voices.
fn other_vocoders(models: &[ModelInfo]) -> impl Iterator<Item = &ModelInfo> {
    models.iter().filter(|model| model.kind.is_vocoder() && model.id != catalog::VOCODER)
}

fn seed_ui(ui: &mut Ui, options: &mut settings::Speak) {
    let label = ui.label("Seed");
    let hint = "Seed of everything random: noise, units that fall silent, Griffin-Lim's phases";
    let seed = DragValue::new(&mut options.seed).range(SEEDS).clamp_existing_to_range(false);
    ui.add(seed).on_hover_text(hint).labelled_by(label.id);
    if ui.button("New seed").on_hover_text("Draw another seed").clicked() {
        // Each `RandomState` has keys of its own.
        options.seed = RandomState::new().build_hasher().finish() & u64::from(u32::MAX);
    }
}

fn factor_ui(ui: &mut Ui, name: &str, factor: &mut f32, hint: &str) {
    let label = ui.label(name).on_hover_text(hint);
    ui.spacing_mut().slider_width = SLIDER_WIDTH;
    let slider = Slider::new(factor, ProsodyControls::RANGE)
        .logarithmic(true)
        .clamping(SliderClamping::Always)
        .show_value(false);
    let slider = ui.add(slider).labelled_by(label.id);
    let resets = slider.contains_pointer()
        && ui.input(|input| input.pointer.button_double_clicked(PointerButton::Primary));
    slider.on_hover_text(format!("{hint}; double-click for 1.00 ×, as predicted"));
    let number = DragValue::new(factor)
        .range(ProsodyControls::RANGE)
        .speed(0.01)
        .fixed_decimals(2)
        .suffix(" ×");
    ui.add(number).on_hover_text(hint).accessible_name(format!("{name} factor"));
    if resets {
        *factor = 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ModelOrigin, ModelState};

    fn model(id: &str, kind: ModelKind) -> ModelInfo {
        ModelInfo {
            id: id.into(),
            name: id.into(),
            kind,
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

    #[test]
    fn controls_of_several_systems_say_who_heeds_them() {
        let models = [
            model("fast", ModelKind::FastSpeech2),
            model("taco", ModelKind::Tacotron),
            model("taco2", ModelKind::Tacotron2),
        ];
        let rows = |voice: &str, beside: &[&str]| -> Vec<(usize, Option<String>)> {
            let options = settings::Speak {
                voice: voice.into(),
                beside: beside.iter().map(|id| (*id).to_owned()).collect(),
                ..settings::Speak::default()
            };
            let rows = heeded(&options, &models);
            rows.into_iter().map(|row| (row.controls.len(), row.kinds)).collect()
        };
        assert_eq!(rows("fast", &[]), [(3, None)]);
        assert_eq!(rows("taco", &["taco2"]), [(2, None)]);
        let by = |kinds: &str| Some(format!("heeded by {kinds}"));
        let all = rows("fast", &["taco", "taco2"]);
        assert_eq!(all, [(3, by("FastSpeech 2")), (2, by("Tacotron and Tacotron 2"))]);
        assert_eq!(rows("gone", &[]), [(3, None)]);
    }

    #[test]
    fn what_is_missing_is_said() {
        let mut options = settings::Speak::default();
        let mut models = Vec::new();
        let mut why = |models: &[ModelInfo], vocoder, text| {
            options.vocoder = vocoder;
            blocked(text, &options, models).unwrap_or("nothing").to_owned()
        };
        assert!(why(&models, VocoderChoice::HifiGan, "a").starts_with("No voice"));
        models.push(model(catalog::VOICE, ModelKind::FastSpeech2));
        assert!(why(&models, VocoderChoice::HifiGan, "a").starts_with("HiFi-GAN"));
        assert!(why(&models, VocoderChoice::GriffinLim, "a").starts_with("The pronunciation"));
        models.push(model(catalog::G2P, ModelKind::G2p));
        assert_eq!(why(&models, VocoderChoice::GriffinLim, "a"), "nothing");
        assert!(why(&models, VocoderChoice::GriffinLim, " \n").starts_with("There is nothing"));
        models.push(model(catalog::VOCODER, ModelKind::HifiGan));
        assert_eq!(why(&models, VocoderChoice::HifiGan, "a"), "nothing");
    }
}

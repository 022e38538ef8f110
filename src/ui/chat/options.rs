//! How replies are made: model, speculation, sampling, instructions.

use eframe::egui::{
    Button, Checkbox, ComboBox, DragValue, RichText, ScrollArea, Slider, TextEdit, Ui,
    emath::Numeric,
};
use std::ops::RangeInclusive;

use super::{
    icons::{Icon, icon_button},
    parts::{muted, section, small},
    rack::rack_ui,
    state::{State, random_seed},
    view::{Intent, View},
};
use crate::{
    domain::{ModelInfo, ModelKind, ModelState},
    engine::Client,
    settings::{self, AdapterSlot},
    ui::{
        theme::{self, Hue},
        units,
    },
};

/// Tokens of a reply that the slider offers at most; the number takes more.
const MAX_TOKENS: RangeInclusive<usize> = 1..=4096;

/// Width of an option's name.
const NAME_WIDTH: f32 = 104.0;

/// Draws the options; returns the system prompt if it changed.
pub fn options_ui(
    ui: &mut Ui,
    state: &State,
    engine: &Client,
    models: &[ModelInfo],
    view: &mut View,
    options: &mut settings::Chat,
    intents: &mut Vec<Intent>,
) -> Option<String> {
    let mut prompt = None;
    ScrollArea::vertical().id_salt("chat options").auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().slider_width = (ui.available_width() - NAME_WIDTH - 76.0).max(40.0);
        model_ui(ui, models, options, intents);
        rack_ui(ui, &mut view.rack, &mut options.adapters);
        view.speculation.ui(ui, engine, models, options);
        sampling_ui(ui, view, options);
        prompt = prompt_ui(ui, state);
        ui.add_space(theme::GAP);
        let defaults = settings::Chat {
            system_prompt: options.system_prompt.clone(),
            read_aloud: options.read_aloud,
            adapters: options.adapters.iter().map(taken_off).collect(),
            ..settings::Chat::default()
        };
        let button = ui.add_enabled(*options != defaults, Button::new("Restore defaults"));
        let tip = "Model, speculation and sampling as they were at first, and no adapter; the system prompt stays";
        let button = button.on_hover_text(tip);
        if button.on_disabled_hover_text("Everything stands at its default").clicked() {
            *options = defaults;
        }
    });
    prompt
}

/// An adapter keeps its place and its scale.
fn taken_off(slot: &AdapterSlot) -> AdapterSlot {
    AdapterSlot { is_on: false, ..slot.clone() }
}

fn model_ui(
    ui: &mut Ui,
    models: &[ModelInfo],
    options: &mut settings::Chat,
    intents: &mut Vec<Intent>,
) {
    section(ui, "Model", "Which language model writes the replies");
    let known: Vec<_> = models.iter().filter(|model| model.kind == ModelKind::Llama).collect();
    let chosen = known.iter().find(|model| model.id == options.model);
    let name = chosen.map_or(options.model.as_str(), |model| model.name.as_str()).to_owned();
    ComboBox::from_id_salt("chat model")
        .selected_text(name)
        .width(ui.available_width())
        .truncate()
        .show_ui(ui, |ui| {
            for model in &known {
                let text = match model.state {
                    ModelState::Ready { .. } => RichText::new(&model.name),
                    _ => muted(ui, format!("{} (not on this machine)", model.name)),
                };
                ui.selectable_value(&mut options.model, model.id.clone(), text);
            }
        })
        .response
        .accessible_name("Model");
    let problem = match chosen.map(|model| (&model.state, model.bytes)) {
        Some((ModelState::Ready { .. }, _)) => return,
        Some((ModelState::Missing, bytes)) => {
            format!("It is not on this machine yet; fetch it ({}).", units::bytes(bytes))
        }
        Some((ModelState::Damaged { why }, _)) => format!("It cannot be used: {why}."),
        None => "There is no such model here.".to_owned(),
    };
    ui.horizontal_wrapped(|ui| {
        let warn = theme::color(Hue::Warn, ui.visuals());
        ui.label(RichText::new(format!("⚠ {problem}")).color(warn));
        if ui.button("Open Models").clicked() {
            intents.push(Intent::OpenModels);
        }
    });
}

fn sampling_ui(ui: &mut Ui, view: &mut View, options: &mut settings::Chat) {
    section(
        ui,
        "Sampling",
        "How each token is chosen, in this order: repetition penalty, temperature, min-p, top-k, top-p",
    );
    let sampling = &mut options.sampling;
    row(
        ui,
        "Temperature",
        "0 takes the likeliest token, always; higher is more varied",
        &mut sampling.temperature,
        0.0..=2.0,
    );
    let is_greedy = sampling.temperature == 0.0;
    let greedy = "At temperature 0 the likeliest token is taken; this changes nothing";
    let choices = ui.add_enabled_ui(!is_greedy, |ui| {
        row(
            ui,
            "Top-k",
            "Keeps this many of the likeliest tokens; 0 keeps all",
            &mut sampling.top_k,
            0..=200,
        );
        row(
            ui,
            "Top-p",
            "Keeps the smallest set of tokens whose probabilities reach this sum; 1 keeps all",
            &mut sampling.top_p,
            0.01..=1.0,
        );
        row(
            ui,
            "Min-p",
            "Drops tokens less likely than this share of the likeliest; 0 drops none",
            &mut sampling.min_p,
            0.0..=1.0,
        );
    });
    choices.response.on_disabled_hover_text(greedy);
    row(
        ui,
        "Repetition",
        "Repetition penalty: makes tokens that were there before less likely; 1 leaves them",
        &mut sampling.repetition_penalty,
        0.5..=2.0,
    );
    row(
        ui,
        "Max tokens",
        "A reply is cut off after this many tokens",
        &mut options.max_tokens,
        MAX_TOKENS,
    );
    let seed = &mut options.sampling.seed;
    ui.horizontal(|ui| {
        let tip = "On the CPU the same seed and the same conversation give the same reply";
        let name = name_ui(ui, "Seed", tip);
        ui.add(DragValue::new(seed).range(0..=u64::from(u32::MAX))).labelled_by(name);
        if icon_button(ui, Icon::Dice, "New random seed").clicked() {
            *seed = random_seed();
        }
    });
    ui.horizontal(|ui| {
        ui.add_space(NAME_WIDTH + ui.spacing().item_spacing.x);
        let lock = ui.add(Checkbox::new(&mut view.habits.seed_locked, "Lock the seed"));
        lock.on_hover_text("Locked: every reply uses this seed. Not locked: each reply takes a new one, and keeps it in its record");
    });
}

fn prompt_ui(ui: &mut Ui, state: &State) -> Option<String> {
    let tip = "Instructions above this conversation, and above new ones from now on; empty takes the model's own";
    section(ui, "System prompt", tip);
    let mut prompt = state.shown().system_prompt.clone();
    let field = TextEdit::multiline(&mut prompt)
        .hint_text("The model's own")
        .desired_rows(2)
        .desired_width(f32::INFINITY);
    let changed = ui.add(field).accessible_name("System prompt").changed();
    if !state.shown().tree.is_empty() {
        ui.label(small(ui, "Heeded from the next reply on."));
    }
    changed.then_some(prompt)
}

/// A name, a slider and a number.
pub fn row<N: Numeric>(
    ui: &mut Ui,
    name: &str,
    tip: &str,
    value: &mut N,
    range: RangeInclusive<N>,
) {
    ui.horizontal(|ui| {
        let label = name_ui(ui, name, tip);
        let mut slider = Slider::new(value, range);
        if !N::INTEGRAL {
            slider = slider.max_decimals(2);
        }
        ui.add(slider).labelled_by(label).on_hover_text(tip);
    });
}

pub fn name_ui(ui: &mut Ui, name: &str, tip: &str) -> eframe::egui::Id {
    let height = ui.spacing().interact_size.y;
    ui.allocate_ui_with_layout(
        eframe::egui::vec2(NAME_WIDTH, height),
        eframe::egui::Layout::left_to_right(eframe::egui::Align::Center),
        |ui| {
            ui.set_min_width(NAME_WIDTH);
            ui.label(name).on_hover_text(tip).id
        },
    )
    .inner
}

//! Which way to speculate replies are written by, and how it is led.

use std::{mem::discriminant, path::PathBuf, task::Poll};

use eframe::egui::{self, Button, Checkbox, ComboBox, RichText, Ui};

use super::{
    options::{name_ui, row},
    parts::{section, small},
};
use crate::{
    domain::{DraftShape, Learnt, ModelInfo, ModelKind, Occurrence, Progress, Speculative},
    engine::{Client, EngineJob},
    job::Update,
    settings,
    ui::{
        dialogs::{Dialog, Pick},
        theme::{self, Hue},
        units,
    },
};

const DRAFT_TIP: &str = "Tokens drafted for a pass at most; a wrong one costs a little time";
const LEAST_TIP: &str = "Drafts end before they become less likely than this";

/// The ways there are, each as it was led last.
pub struct SpeculationChoice {
    ways: Vec<Speculative>,
    dialog: Option<(Purpose, Dialog)>,
    /// What suffix decoding knows, if that is known, and for which model, after how many replies.
    learnt: Option<Learnt>,
    key: Option<(String, bool)>,
    looking: Option<EngineJob<Progress, Option<Learnt>>>,
    learning: Option<EngineJob<Progress, Learnt>>,
    problem: Option<String>,
}

/// What a file is chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Retrieval,
    Learning,
}

impl Default for SpeculationChoice {
    fn default() -> Self {
        Self {
            ways: all_ways(),
            dialog: None,
            learnt: None,
            key: None,
            looking: None,
            learning: None,
            problem: None,
        }
    }
}

/// Every way with its defaults.
pub fn all_ways() -> Vec<Speculative> {
    vec![
        Speculative::None,
        Speculative::NGRAM,
        Speculative::SUFFIX,
        Speculative::retrieval(Vec::new()),
        Speculative::draft(String::new()),
        Speculative::eagle3(String::new()),
        Speculative::ADAPTIVE,
    ]
}

impl SpeculationChoice {
    /// Asks what suffix decoding knows after every reply, and takes in answers.
    pub fn logic(&mut self, engine: &Client, options: &mut settings::Chat, is_writing: bool) {
        let learns = matches!(
            options.speculative,
            Speculative::Suffix { .. } | Speculative::Adaptive { .. }
        );
        let key = (options.model.clone(), is_writing);
        if learns && self.key.as_ref() != Some(&key) {
            self.looking = Some(engine.learnt(&options.model));
            self.key = Some(key);
        }
        while let Some(update) = self.looking.as_ref().and_then(EngineJob::poll) {
            match update {
                Update::Event(_) => continue,
                Update::Done(found) => self.learnt = found.ok().flatten(),
                Update::Lost => (),
            }
            self.looking = None;
        }
        while let Some(update) = self.learning.as_ref().and_then(EngineJob::poll) {
            match update {
                Update::Event(_) => continue,
                Update::Done(Ok(learnt)) => self.learnt = Some(learnt),
                Update::Done(Err(error)) => self.problem = Some(error.to_string()),
                Update::Lost => self.problem = Some("the engine ended early; try again".to_owned()),
            }
            self.learning = None;
        }
        let poll = |(purpose, dialog): &(Purpose, Dialog)| match dialog.poll() {
            Poll::Ready(chosen) => Some((*purpose, chosen)),
            Poll::Pending => None,
        };
        if let Some((purpose, chosen)) = self.dialog.as_ref().and_then(poll) {
            self.dialog = None;
            let documents: Vec<PathBuf> = chosen.into_iter().collect();
            match (purpose, &mut options.speculative) {
                (Purpose::Retrieval, Speculative::Retrieval { documents: known, .. }) => {
                    known.extend(documents);
                }
                (Purpose::Learning, _) if !documents.is_empty() => {
                    self.problem = None;
                    self.learning = Some(engine.learn(&options.model, documents));
                }
                _ => (),
            }
        }
    }

    /// Draws the choice and what belongs to the way that is chosen.
    pub fn ui(
        &mut self,
        ui: &mut Ui,
        engine: &Client,
        models: &[ModelInfo],
        options: &mut settings::Chat,
    ) {
        section(
            ui,
            "Speculation",
            "How several tokens may be had from one pass of the model. The text stays the same; only the time changes.",
        );
        let mut picked = None;
        ui.horizontal_wrapped(|ui| {
            for way in &self.ways {
                let is_it = discriminant(way) == discriminant(&options.speculative);
                let why_not = why_not(way, models, &options.model).filter(|_| !is_it);
                let radio =
                    ui.add_enabled(why_not.is_none(), egui::RadioButton::new(is_it, label(way)));
                let radio = radio.on_hover_text(tip(way));
                let radio = radio.on_disabled_hover_text(why_not.unwrap_or_default());
                if radio.clicked() && !is_it {
                    picked = Some(way.clone());
                }
            }
        });
        if let Some(mut picked) = picked {
            fill_in(&mut picked, models, &options.model);
            let before = std::mem::replace(&mut options.speculative, picked);
            let same = |way: &&mut Speculative| discriminant(&**way) == discriminant(&before);
            if let Some(way) = self.ways.iter_mut().find(same) {
                *way = before;
            }
        }
        self.options_ui(ui, models, options);
        if matches!(options.speculative, Speculative::Suffix { .. } | Speculative::Adaptive { .. })
        {
            self.learnt_ui(ui, engine, &options.model);
        }
        if let Some(problem) = options.speculative.problem() {
            let warn = theme::color(Hue::Warn, ui.visuals());
            ui.add(egui::Label::new(RichText::new(format!("⚠ {problem}")).color(warn)).wrap());
        }
    }

    /// What suffix decoding knows beside the conversation.
    fn learnt_ui(&mut self, ui: &mut Ui, engine: &Client, model: &str) {
        let told = match self.learnt {
            Some(Learnt { n_texts: 0, .. }) => "Nothing learnt from replies yet".to_owned(),
            Some(Learnt { n_texts, n_tokens, n_bytes }) => format!(
                "Learnt from {}: {n_tokens} tokens, {}",
                units::count(n_texts, "text"),
                units::bytes(n_bytes)
            ),
            None => "What was learnt is read with the model".to_owned(),
        };
        ui.label(small(ui, told)).on_hover_text(
            "Every reply is kept, on this machine alone, so that what it says again is drafted; documents can be added",
        );
        ui.horizontal(|ui| {
            let is_free = self.learning.is_none() && self.dialog.is_none();
            let button = ui.add_enabled(is_free, Button::new("Learn from document…"));
            let tip = "A text file is read as if it were a past reply";
            if button.on_hover_text(tip).clicked() {
                let dialog = Dialog::open(ui.ctx(), Pick::File("txt"));
                self.dialog = Some((Purpose::Learning, dialog));
            }
            let has_some = self.learnt.is_some_and(|learnt| learnt.n_texts > 0);
            let button = ui.add_enabled(is_free && has_some, Button::new("Forget all"));
            let tip = "Forgets all replies and documents, on disk too; it cannot be undone";
            if button.on_hover_text(tip).clicked() {
                self.problem = None;
                self.learning = Some(engine.forget_learnt(model));
            }
        });
        if let Some(problem) = &self.problem {
            let bad = theme::color(Hue::Bad, ui.visuals());
            ui.add(egui::Label::new(RichText::new(format!("⚠ {problem}")).color(bad)).wrap());
        }
    }

    fn options_ui(&mut self, ui: &mut Ui, models: &[ModelInfo], options: &mut settings::Chat) {
        let of_model = options.model.clone();
        match &mut options.speculative {
            Speculative::None => (),
            Speculative::Ngram { min, max, draft_tokens, occurrence } => {
                row(ui, "Shortest match", "Tokens that must match at least", min, 1..=8);
                row(ui, "Longest match", "Tokens that are looked for first", max, 1..=8);
                row(ui, "Draft tokens", DRAFT_TIP, draft_tokens, 1..=16);
                *max = (*max).max(*min);
                let mut is_latest = *occurrence == Occurrence::Latest;
                let tip = "Of several matches the last one; vLLM takes the first. The last is often better in a chat";
                ui.add(Checkbox::new(&mut is_latest, "Latest match")).on_hover_text(tip);
                *occurrence = if is_latest { Occurrence::Latest } else { Occurrence::Earliest };
            }
            Speculative::Suffix { draft_tokens, min_probability, .. } => {
                row(ui, "Draft tokens", DRAFT_TIP, draft_tokens, 1..=32);
                row(ui, "Least prob.", LEAST_TIP, min_probability, 0.0..=1.0);
            }
            Speculative::Retrieval { documents, draft_tokens, min, .. } => {
                let mut dropped = None;
                for (at, path) in documents.iter().enumerate() {
                    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
                    ui.horizontal(|ui| {
                        ui.label(small(ui, &*name)).on_hover_text(path.display().to_string());
                        let button = Button::new("Remove").small();
                        let button = ui.add(button).on_hover_text(format!("Remove {name}"));
                        dropped = button.clicked().then_some(at).or(dropped);
                    });
                }
                if let Some(at) = dropped {
                    documents.remove(at);
                }
                let tip = "A text file; what follows the end of the reply in it is drafted";
                let button = ui.add_enabled(self.dialog.is_none(), Button::new("Add document…"));
                if button.on_hover_text(tip).clicked() {
                    let dialog = Dialog::open(ui.ctx(), Pick::File("txt"));
                    self.dialog = Some((Purpose::Retrieval, dialog));
                }
                row(ui, "Draft tokens", DRAFT_TIP, draft_tokens, 1..=32);
                row(ui, "Shortest match", "Tokens that must match at least", min, 1..=8);
            }
            Speculative::Draft { model, draft_tokens, min_probability } => {
                let others = drafters(models, &of_model);
                model_ui(ui, "Draft model", &others, model);
                row(ui, "Draft tokens", DRAFT_TIP, draft_tokens, 1..=16);
                row(ui, "Least prob.", LEAST_TIP, min_probability, 0.0..=1.0);
            }
            Speculative::Eagle3 { head, draft_tokens, shape, .. } => {
                model_ui(ui, "Head", &heads(models), head);
                row(ui, "Draft tokens", DRAFT_TIP, draft_tokens, 1..=32);
                let mut is_tree = matches!(shape, DraftShape::Tree { .. });
                let tip = "Several continuations that share their beginnings, verified in one pass; more rows, more time";
                let box_ = ui.add(Checkbox::new(&mut is_tree, "Tree")).on_hover_text(tip);
                if box_.changed() {
                    *shape = match Speculative::eagle3_tree(String::new()) {
                        Speculative::Eagle3 { shape, .. } if is_tree => shape,
                        _ => DraftShape::Chain,
                    };
                }
                if let DraftShape::Tree { depth, top_k } = shape {
                    row(ui, "Depth", "Tokens one after the other at most", depth, 1..=8);
                    row(ui, "Top-k", "Continuations that are followed at a time", top_k, 1..=10);
                }
            }
            Speculative::Adaptive { draft_tokens, head } => {
                row(ui, "Draft tokens", DRAFT_TIP, draft_tokens, 1..=16);
                let heads = heads(models);
                let mut is_with_head = head.is_some();
                let why_not = "there is no EAGLE-3 head on this machine";
                let tip = "An EAGLE-3 head is one of the methods to choose from, too";
                let box_ = Checkbox::new(&mut is_with_head, "With EAGLE-3");
                let box_ = ui.add_enabled(!heads.is_empty(), box_);
                if box_.on_hover_text(tip).on_disabled_hover_text(why_not).changed() {
                    *head = heads.first().filter(|_| is_with_head).map(|it| it.id.clone());
                }
            }
        }
    }
}

/// A model of several.
fn model_ui(ui: &mut Ui, name: &str, models: &[&ModelInfo], chosen: &mut String) {
    ui.horizontal(|ui| {
        let label = name_ui(ui, name, "Which of those that are on this machine");
        let shown = models.iter().find(|model| model.id == *chosen);
        let shown = shown.map_or("The one made for the model", |model| model.name.as_str());
        ComboBox::from_id_salt(name)
            .selected_text(shown)
            .width(ui.available_width())
            .truncate()
            .show_ui(ui, |ui| {
                for model in models {
                    ui.selectable_value(chosen, model.id.clone(), &model.name);
                }
            })
            .response
            .labelled_by(label);
    });
}

fn heads(models: &[ModelInfo]) -> Vec<&ModelInfo> {
    let is_head = |model: &&ModelInfo| model.kind == ModelKind::Eagle3Head && model.is_ready();
    models.iter().filter(is_head).collect()
}

/// Language models that could draft for another one; whether the vocabularies are the same is seen
/// when they are loaded.
fn drafters<'a>(models: &'a [ModelInfo], of_model: &str) -> Vec<&'a ModelInfo> {
    let is_other = |model: &&ModelInfo| {
        model.kind == ModelKind::Llama && model.is_ready() && model.id != of_model
    };
    models.iter().filter(is_other).collect()
}

/// Why a way cannot be chosen.
pub fn why_not(way: &Speculative, models: &[ModelInfo], of_model: &str) -> Option<&'static str> {
    match way {
        Speculative::Draft { .. } if drafters(models, of_model).is_empty() => Some(
            "There is no other language model on this machine; import a smaller one of the same vocabulary on the Models page",
        ),
        Speculative::Eagle3 { .. } if heads(models).is_empty() => {
            Some("There is no EAGLE-3 head on this machine; import one on the Models page")
        }
        _ => None,
    }
}

/// Takes what there is for what was not chosen yet.
pub fn fill_in(way: &mut Speculative, models: &[ModelInfo], of_model: &str) {
    let (name, known) = match way {
        Speculative::Draft { model, .. } => (model, drafters(models, of_model)),
        Speculative::Eagle3 { head, .. } => (head, heads(models)),
        _ => return,
    };
    if let Some(first) = known.first().filter(|_| name.is_empty()) {
        name.clone_from(&first.id);
    }
}

fn label(way: &Speculative) -> &'static str {
    match way {
        Speculative::None => "Off",
        Speculative::Suffix { .. } => "Suffix",
        Speculative::Retrieval { .. } => "Retrieval",
        Speculative::Draft { .. } => "Draft model",
        Speculative::Eagle3 { .. } => "EAGLE-3",
        Speculative::Adaptive { .. } => "Adaptive",
        Speculative::Ngram { .. } => way.label(),
    }
}

fn tip(way: &Speculative) -> &'static str {
    match way {
        Speculative::None => "One token per pass",
        Speculative::Ngram { .. } => {
            "Prompt lookup: what followed the last tokens earlier in the conversation is drafted, and one pass says how much of it stands"
        }
        Speculative::Suffix { .. } => {
            "What most often followed the end of the text, in this conversation and in past replies, is drafted; the surer, the longer"
        }
        Speculative::Retrieval { .. } => {
            "What follows the end of the text in documents of yours is drafted"
        }
        Speculative::Draft { .. } => "A smaller model of the same vocabulary drafts",
        Speculative::Eagle3 { .. } => "A head that reads the model's hidden states drafts",
        Speculative::Adaptive { .. } => {
            "Whichever of the others promises most at each step drafts, if any does"
        }
    }
}

//! Ways to speculate, side by side on one prompt: what is compared, and how far it has come.

use std::{mem::discriminant, sync::Arc};

use eframe::egui::{self, Button, Checkbox, DragValue, RichText, ScrollArea, TextEdit, Ui};

use super::{
    commands,
    compare_results::{Results, results_ui},
    parts::muted,
    speculation::{all_ways, fill_in, why_not},
};
use crate::{
    domain::{Message, ModelInfo, Progress, Speculative, Stage, comparison_csv},
    engine::{Client, CompareEvent, CompareRequest, Comparison, EngineJob},
    job::{Update, Waker},
    plot, settings,
    ui::{
        Action, Activity,
        exporting::{Export, among_documents, export, hear_exports, meant},
        theme::{self, Hue},
        units,
        widgets::progress_ui,
    },
};

/// What is asked first: its answer repeats what was asked, but for a word.
const PROMPT: &str = "Repeat this text word for word, but write \"dog\" in place of \"cat\":\n\nThe cat sat by the window and watched the rain. When the rain had stopped, the cat went out, and the neighbours said that no cat had ever looked so pleased with a wet garden.";

/// Tokens of a reply: enough for a figure, few enough not to wait for.
const MAX_TOKENS: usize = 128;

const PROGRESS_WIDTH: f32 = 220.0;
const EXPORT_WIDTH: f32 = 240.0;

/// The comparison on show, and the next one.
pub struct Compare {
    /// Whether it stands in the place of the conversation.
    pub is_open: bool,
    prompt: String,
    /// The ways with whether each takes part; plain decoding always does.
    ways: Vec<(Speculative, bool)>,
    n_repeats: usize,
    max_tokens: usize,
    job: Option<EngineJob<CompareEvent, Comparison>>,
    progress: Option<Progress>,
    results: Results,
    problem: Option<String>,
    export_to: String,
    exports: Vec<Export>,
}

impl Default for Compare {
    fn default() -> Self {
        let is_chosen = |way: &Speculative| {
            matches!(
                way,
                Speculative::Ngram { .. }
                    | Speculative::Suffix { .. }
                    | Speculative::Adaptive { .. }
            )
        };
        let ways = all_ways().into_iter().filter(|way| *way != Speculative::None);
        Self {
            is_open: false,
            prompt: PROMPT.to_owned(),
            ways: ways.map(|way| (way.clone(), is_chosen(&way))).collect(),
            n_repeats: 3,
            max_tokens: MAX_TOKENS,
            job: None,
            progress: None,
            results: Results::default(),
            problem: None,
            export_to: among_documents("compare"),
            exports: Vec::new(),
        }
    }
}

impl Compare {
    /// Puts a prompt there, if it says anything.
    pub fn ask_about(&mut self, prompt: &str) {
        if !prompt.trim().is_empty() {
            prompt.trim().clone_into(&mut self.prompt);
        }
    }

    /// Whether figures are being taken.
    pub fn is_running(&self) -> bool {
        self.job.is_some()
    }

    /// Ends it; what was measured stays.
    pub fn stop(&mut self) {
        if let Some(job) = &self.job {
            job.cancel();
        }
    }

    /// What the status strip tells of it.
    pub fn activity(&self) -> Option<Activity> {
        self.job.as_ref()?;
        let progress = self.progress.as_ref();
        let known = progress.filter(|progress| progress.total > 0);
        Some(Activity {
            label: progress.map_or_else(|| "Comparing".to_owned(), stage),
            fraction: known.map(|it| it.done as f32 / it.total as f32),
            figures: Vec::new(),
            stop: Some(commands::STOP),
        })
    }

    /// Takes in what the engine and the exports have brought.
    pub fn logic(&mut self, actions: &mut Vec<Action>) {
        while let Some(update) = self.job.as_ref().and_then(EngineJob::poll) {
            match update {
                Update::Event(CompareEvent::Progress(progress)) => self.progress = Some(progress),
                Update::Event(CompareEvent::Measured { method_idx, measurement }) => {
                    self.results.take(method_idx, measurement);
                }
                Update::Done(outcome) => {
                    match outcome {
                        Ok(comparison) => self.results.finish(comparison),
                        Err(error) => self.problem = Some(error.to_string()),
                    }
                    (self.job, self.progress) = (None, None);
                }
                Update::Lost => {
                    let lost = "the engine ended before the figures stood; try again";
                    self.problem = Some(lost.to_owned());
                    (self.job, self.progress) = (None, None);
                }
            }
        }
        hear_exports(&mut self.exports, actions);
    }

    /// Draws it, and begins what is asked for.
    pub fn ui(
        &mut self,
        ui: &mut Ui,
        engine: &Client,
        models: &[ModelInfo],
        options: &settings::Chat,
    ) {
        ScrollArea::vertical().id_salt("compare").auto_shrink(false).show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.heading("Compare ways to speculate");
                if ui.button("Close").on_hover_text("Back to the conversation").clicked() {
                    self.is_open = false;
                }
            });
            ui.label(muted(
                ui,
                "One prompt, written by each in turns; plain decoding is measured beside them. None may change a word.",
            ));
            ui.add_space(theme::GAP);
            self.setup_ui(ui, engine, models, options);
            if let Some(problem) = &self.problem {
                let bad = theme::color(Hue::Bad, ui.visuals());
                ui.add(egui::Label::new(RichText::new(format!("⚠ {problem}")).color(bad)).wrap());
            }
            ui.add_space(theme::GAP);
            results_ui(ui, &mut self.results);
            self.export_ui(ui);
        });
    }

    fn setup_ui(
        &mut self,
        ui: &mut Ui,
        engine: &Client,
        models: &[ModelInfo],
        options: &settings::Chat,
    ) {
        let label = ui.label("Prompt").id;
        let field =
            TextEdit::multiline(&mut self.prompt).desired_rows(3).desired_width(f32::INFINITY);
        ui.add(field).labelled_by(label);
        ui.horizontal_wrapped(|ui| {
            for (way, is_chosen) in &mut self.ways {
                // The way of the options is measured as it is led there.
                if discriminant(way) == discriminant(&options.speculative) {
                    way.clone_from(&options.speculative);
                }
                let why_not = why_not(way, models, &options.model).map(str::to_owned);
                fill_in(way, models, &options.model);
                let why_not = why_not.or_else(|| way.problem());
                let box_ = Checkbox::new(is_chosen, way.label());
                let box_ = ui.add_enabled(why_not.is_none(), box_);
                box_.on_hover_text(way.describe())
                    .on_disabled_hover_text(why_not.clone().unwrap_or_default());
                *is_chosen &= why_not.is_none();
            }
        });
        ui.horizontal(|ui| {
            let repeats = ui.label("Repeats").id;
            let tip = "Times that each is measured, after one that warms up";
            ui.add(DragValue::new(&mut self.n_repeats).range(1..=50))
                .on_hover_text(tip)
                .labelled_by(repeats);
            let tokens = ui.label("Tokens").id;
            ui.add(DragValue::new(&mut self.max_tokens).range(2..=4096))
                .on_hover_text("Tokens of each reply at most")
                .labelled_by(tokens);
            if self.job.is_some() {
                if ui.button("Stop").on_hover_text("Keeps what is measured").clicked() {
                    self.stop();
                }
                let progress = self.progress.as_ref();
                ui.label(muted(ui, progress.map_or_else(|| "Getting ready".to_owned(), stage)));
                if let Some(progress) = progress.filter(|progress| progress.total > 0) {
                    let share = progress.done as f32 / progress.total as f32;
                    progress_ui(ui, "Compared", PROGRESS_WIDTH, Some(share));
                }
                return;
            }
            let why_not = if self.prompt.trim().is_empty() {
                Some("Write a prompt first")
            } else if self.ways.iter().all(|(_, is_chosen)| !is_chosen) {
                Some("Choose at least one way")
            } else {
                None
            };
            let button = theme::primary_button("Run", ui.visuals());
            let button = ui.add_enabled(why_not.is_none(), button);
            let tip = "Writes the reply by each way in turns, with the model, the adapters and the sampling of the options";
            let button = button.on_hover_text(tip);
            if button.on_disabled_hover_text(why_not.unwrap_or_default()).clicked() {
                self.begin(engine, options);
            }
        });
    }

    fn begin(&mut self, engine: &Client, options: &settings::Chat) {
        let system = options.system_prompt.trim();
        let system = (!system.is_empty()).then(|| Message::system(system));
        let messages = system.into_iter().chain([Message::user(self.prompt.trim())]).collect();
        let chosen = self.ways.iter().filter(|(_, is_chosen)| *is_chosen);
        self.problem = None;
        self.results = Results::default();
        self.job = Some(engine.compare(CompareRequest {
            model: options.model.clone(),
            adapters: options.adapters_on(),
            messages,
            sampling: options.sampling,
            max_tokens: self.max_tokens,
            methods: chosen.map(|(way, _)| way.clone()).collect(),
            n_repeats: self.n_repeats,
        }));
    }

    fn export_ui(&mut self, ui: &mut Ui) {
        let Some(comparison) = self.results.comparison.clone() else { return };
        ui.add_space(theme::GAP);
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Export to").id;
            let field = TextEdit::singleline(&mut self.export_to).desired_width(EXPORT_WIDTH);
            ui.add(field).on_hover_text("Folder and name; the ending is added").labelled_by(label);
            let to = meant(&self.export_to);
            let is_ready = !self.export_to.trim().is_empty();
            for (format, tip) in [
                ("CSV", "A line of figures for each way"),
                ("JSON", "Everything: every go of every way, and what was written"),
                ("PNG", "The speeds as a picture"),
            ] {
                let button = ui.add_enabled(is_ready, Button::new(format)).on_hover_text(tip);
                if !button.on_disabled_hover_text("Name a file first").clicked() {
                    continue;
                }
                let ctx = ui.ctx().clone();
                let waker: Waker = Arc::new(move || ctx.request_repaint());
                let comparison = Arc::clone(&comparison);
                let ending = format.to_lowercase();
                self.exports.push(export(&to, &ending, waker, move || bytes(&comparison, format)));
            }
        });
    }
}

fn bytes(comparison: &Comparison, format: &str) -> Result<Vec<u8>, String> {
    match format {
        "CSV" => Ok(comparison_csv(&comparison.methods).into_bytes()),
        "JSON" => serde_json::to_vec_pretty(comparison).map_err(|error| error.to_string()),
        _ => {
            let heading = format!(
                "{}, {}, {}, {} tokens of prompt",
                comparison.model,
                comparison.arithmetic,
                units::count(comparison.n_threads, "thread"),
                comparison.prompt_tokens
            );
            plot::comparison_png(&heading, &comparison.methods).map_err(|error| error.to_string())
        }
    }
}

fn stage(progress: &Progress) -> String {
    match progress.stage {
        Stage::Measure => {
            format!("{} of {}: {}", progress.done + 1, progress.total, progress.subject)
        }
        _ => format!("Loading {}", progress.subject),
    }
}

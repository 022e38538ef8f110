//! The page: what is chosen on the left, what came of it on the right.

use std::{path::PathBuf, sync::Arc};

use eframe::egui::{
    CentralPanel, Frame, Key, KeyboardShortcut, Margin, Modifiers, Panel, TextEdit, Ui,
};

use super::{
    files::{Format, Recordings, export, read_recordings},
    results::results_ui,
    setup::{self, setup_ui},
    state::{EvaluateState, Phase},
};
use crate::{
    domain::Stage,
    engine::{EngineJob, ErrorKind, EvaluateEvent, EvaluateRequest, Trial},
    job::{Update, Waker},
    ui::{
        Action, Activity, Context, Page, PageCommand,
        exporting::{Export, among_documents, hear_exports, meant},
        theme,
        widgets::{empty_state_ui, progress_ui},
    },
};

/// Begins.
const RUN: &str = "evaluate.run";
/// Ends; what is measured stays.
const STOP: &str = "evaluate.stop";
/// Width of the field for where results go.
const EXPORT_WIDTH: f32 = 300.0;

/// See the module.
pub struct EvaluatePage {
    /// What the page knows.
    pub state: EvaluateState,
    recordings: Option<(Recordings, EvaluateRequest)>,
    job: Option<EngineJob<EvaluateEvent, ()>>,
    exports: Vec<Export>,
    blocked: Option<&'static str>,
    /// Whether the voices that are here were chosen already, as they are at the start.
    has_chosen: bool,
    waker: Waker,
}

impl EvaluatePage {
    /// The page as it is at the start; `waker` is called whenever a thread of it has news.
    pub fn new(waker: Waker) -> Self {
        Self {
            state: EvaluateState::new(among_documents("evaluation")),
            recordings: None,
            job: None,
            exports: Vec::new(),
            blocked: None,
            has_chosen: false,
            waker,
        }
    }

    fn begin(&mut self, ctx: &mut Context<'_>) {
        let state = &mut self.state;
        if state.blocked(ctx.models).is_some() {
            return;
        }
        let Ok(systems) = state.systems(ctx.models) else { return };
        state.phase = Phase::Running;
        state.progress = None;
        state.evaluation = None;
        let sentences = state.texts();
        let request = EvaluateRequest {
            systems,
            trials: Vec::new(),
            measures: state.measures.iter().copied().collect(),
            seed: state.seed,
        };
        let folder = state.recordings.trim();
        if folder.is_empty() {
            let trials = sentences.into_iter().map(|sentence| Trial { sentence, reference: None });
            let request = EvaluateRequest { trials: trials.collect(), ..request };
            self.job = Some(ctx.engine.evaluate(request));
        } else {
            let folder = PathBuf::from(folder);
            let reading = read_recordings(sentences, folder, Arc::clone(&self.waker));
            self.recordings = Some((reading, request));
        }
    }

    fn stop(&mut self) {
        if self.recordings.take().is_some() {
            self.state.phase = Phase::Stopped;
        }
        if let Some(job) = &self.job {
            job.cancel();
        }
    }

    fn hear_recordings(&mut self, ctx: &mut Context<'_>) {
        let Some((reading, _)) = &self.recordings else { return };
        let outcome = match reading.poll() {
            Some(Update::Done(outcome)) => outcome,
            Some(Update::Lost) => Err("the recordings could not be read; try again".to_owned()),
            _ => return,
        };
        let Some((_, request)) = self.recordings.take() else { return };
        match outcome {
            Ok(trials) => {
                self.job = Some(ctx.engine.evaluate(EvaluateRequest { trials, ..request }));
            }
            Err(why) => self.state.phase = Phase::Failed(why),
        }
    }

    fn hear_engine(&mut self) {
        while let Some(job) = &self.job {
            let phase = match job.poll() {
                None => return,
                Some(Update::Event(event)) => {
                    self.state.apply(event);
                    continue;
                }
                Some(Update::Done(Ok(()))) => Phase::Idle,
                Some(Update::Done(Err(error))) if error.kind() == ErrorKind::Cancelled => {
                    Phase::Stopped
                }
                Some(Update::Done(Err(error))) => Phase::Failed(error.to_string()),
                Some(Update::Lost) => {
                    Phase::Failed("the engine ended before the figures stood; try again".to_owned())
                }
            };
            self.state.phase = phase;
            self.job = None;
        }
    }

    fn head_ui(&mut self, ui: &mut Ui, ctx: &mut Context<'_>) {
        ui.horizontal(|ui| {
            ui.heading("Evaluate");
            let words = "Speech systems side by side, in figures";
            ui.label(theme::muted(words, ui.visuals()));
        });
        ui.add_space(theme::TIGHT);
        ui.horizontal(|ui| {
            if self.state.phase == Phase::Running {
                if ui.button("Stop").on_hover_text("Keeps what is measured (Esc)").clicked() {
                    self.stop();
                }
                let fraction = self.state.fraction();
                progress_ui(ui, "Progress of the evaluation", 160.0, fraction);
                ui.label(theme::caption(self.doing(), ui.visuals()));
                return;
            }
            let run = theme::primary_button("Run", ui.visuals());
            let run = ui.add_enabled(self.blocked.is_none(), run);
            let run =
                run.on_hover_text("Speak every sentence by every system, and measure (Ctrl+Enter)");
            let why = self.blocked.unwrap_or_default();
            if run.on_disabled_hover_text(why).clicked() {
                self.begin(ctx);
            }
            match (&self.state.phase, self.blocked) {
                (Phase::Failed(why), _) => {
                    let ink = theme::color(theme::Hue::Bad, ui.visuals());
                    ui.label(eframe::egui::RichText::new(why).color(ink));
                }
                (_, Some(why)) => {
                    ui.label(theme::caption(sentence(why), ui.visuals()));
                }
                (Phase::Stopped, None) => {
                    ui.label(theme::caption("Stopped; what was measured stands.", ui.visuals()));
                }
                _ => (),
            }
        });
    }

    fn doing(&self) -> String {
        let Some(progress) = &self.state.progress else { return "Getting ready".to_owned() };
        match progress.stage {
            Stage::Load => format!("Loading {}", progress.subject),
            _ => format!("{} of {}, {}", progress.done + 1, progress.total, progress.subject),
        }
    }

    fn export_ui(&mut self, ui: &mut Ui) {
        let Some(evaluation) = &self.state.evaluation else { return };
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Export to");
            let field = TextEdit::singleline(&mut self.state.export_to).desired_width(EXPORT_WIDTH);
            let hint = "Folder and name; the ending is added";
            ui.add(field).on_hover_text(hint).labelled_by(label.id);
            let is_ready = !evaluation.scores.is_empty() && !self.state.export_to.trim().is_empty();
            for format in Format::ALL {
                let button = eframe::egui::Button::new(format.label());
                let button = ui.add_enabled(is_ready, button).on_hover_text(format.meaning());
                let button =
                    button.on_disabled_hover_text("Measure something and name a file first");
                if button.clicked() {
                    let to = meant(&self.state.export_to);
                    let waker = Arc::clone(&self.waker);
                    self.exports.push(export(evaluation.clone(), format, &to, waker));
                }
            }
        });
        ui.add_space(theme::GAP);
    }
}

impl Page for EvaluatePage {
    fn title(&self) -> &'static str {
        "Evaluate"
    }

    fn logic(&mut self, ctx: &mut Context<'_>) {
        let voices = ctx.models.iter().filter(|model| model.kind.is_voice() && model.is_ready());
        if !self.has_chosen && voices.clone().next().is_some() {
            // At the start two of them stand there to be compared.
            for voice in voices.take(2) {
                self.state.toggle(&voice.id);
            }
            self.has_chosen = true;
        }
        self.hear_recordings(ctx);
        self.hear_engine();
        hear_exports(&mut self.exports, ctx.actions);
        self.blocked = self.state.blocked(ctx.models);
    }

    fn ui(&mut self, ui: &mut Ui, ctx: &mut Context<'_>) {
        self.head_ui(ui, ctx);
        ui.add_space(theme::GAP);
        let gap = theme::GAP as i8;
        let beside = Frame::NONE.inner_margin(Margin { right: gap, ..Margin::ZERO });
        let left =
            Panel::left("evaluate-setup").resizable(true).default_size(400.0).min_size(300.0);
        left.frame(beside).show(ui, |ui| {
            let is_idle = self.state.phase != Phase::Running;
            ui.add_enabled_ui(is_idle, |ui| {
                if setup_ui(ui, &mut self.state, ctx.models) == setup::Pressed::Models {
                    ctx.actions.push(Action::Show("Models"));
                }
            });
        });
        let centre = Frame::NONE.inner_margin(Margin { left: gap, ..Margin::ZERO });
        CentralPanel::no_frame().frame(centre).show(ui, |ui| {
            if self.state.evaluation.is_none() {
                empty_ui(ui, self.state.phase == Phase::Running);
                return;
            }
            self.export_ui(ui);
            eframe::egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                results_ui(ui, &mut self.state);
            });
        });
    }

    fn commands(&self) -> Vec<PageCommand> {
        let is_running = self.state.phase == Phase::Running;
        vec![
            PageCommand {
                id: RUN,
                name: "Evaluate the chosen systems",
                shortcut: Some(KeyboardShortcut::new(Modifiers::COMMAND, Key::Enter)),
                disabled: self.blocked,
            },
            PageCommand {
                id: STOP,
                name: "Stop the evaluation",
                shortcut: None,
                disabled: (!is_running).then_some("nothing is evaluated"),
            },
        ]
    }

    fn run(&mut self, command: &'static str, ctx: &mut Context<'_>) {
        match command {
            RUN => self.begin(ctx),
            STOP => self.stop(),
            _ => (),
        }
    }

    fn activity(&self) -> Option<Activity> {
        (self.state.phase == Phase::Running).then(|| Activity {
            label: "Evaluating".to_owned(),
            fraction: self.state.fraction(),
            figures: Vec::new(),
            stop: Some(STOP),
        })
    }
}

fn empty_ui(ui: &mut Ui, is_running: bool) {
    if is_running {
        let words = "Models are loaded and warmed up first, so that only speaking is timed.";
        empty_state_ui(ui, "Getting ready", words, |_| ());
        return;
    }
    let words = "Choose systems on the left and press Run. Each speaks the same sentences; the table \
        fills as they are spoken: how fast it was, how many words a recognizer gets wrong, how clean \
        it sounds, whether attention slipped, and, where you have recordings of the same sentences, \
        how far it is from them.";
    empty_state_ui(ui, "Compare voices in figures", words, |_| ());
}

/// A reason as a sentence.
fn sentence(why: &str) -> String {
    let mut letters = why.chars();
    letters
        .next()
        .map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

//! Keeps the jobs and draws the list.

use std::{path::PathBuf, time::Instant};

use eframe::egui::{self, Key, KeyboardShortcut, Modifiers};

use super::{
    card::{self, Pressed},
    import::{Import, Wish},
    state::{Doing, Ending, State},
};
use crate::{
    domain::{ModelInfo, ModelKind, ModelOrigin, ModelState, Progress},
    engine::{self, EngineJob, ErrorKind, ImportRequest, Status},
    job::{Job, Update},
    library::{self, catalog},
    ui::{
        Action, Activity, Context, Page, PageCommand, Toast,
        theme::{self, Hue},
        units, widgets,
    },
};

/// Looks again which models there are.
const REFRESH: &str = "models.refresh";
/// Fetches every model that is missing.
const FETCH_ALL: &str = "models.fetch_all";
/// Empties the memory.
const UNLOAD_ALL: &str = "models.unload_all";
/// Ends all work.
const STOP: &str = "models.stop";

/// See the module above.
#[derive(Default)]
pub struct ModelsPage {
    state: State,
    import: Import,
    jobs: Vec<(String, AnyJob)>,
    /// As they were in the last frame, for commands and words outside of one.
    missing: Vec<String>,
    n_loaded: usize,
    running_name: String,
}

/// Whatever is done to a model.
enum AnyJob {
    Fetch(Job<Progress, Result<PathBuf, library::Error>>),
    Verify(Job<Progress, Result<(), library::Error>>),
    Engine(EngineJob<Progress, ()>),
    Import(EngineJob<Progress, ModelInfo>),
}

impl AnyJob {
    /// Its next word, with the outcome as the page sees it.
    fn poll(&self) -> Option<Update<Progress, Ending>> {
        match self {
            Self::Fetch(job) => job.poll().map(|update| ended(update, of_library)),
            Self::Verify(job) => job.poll().map(|update| ended(update, of_library)),
            Self::Engine(job) => job.poll().map(|update| ended(update, of_engine)),
            Self::Import(job) => job.poll().map(|update| ended(update, of_engine)),
        }
    }

    fn cancel(&self) {
        match self {
            Self::Fetch(job) => job.cancel(),
            Self::Verify(job) => job.cancel(),
            Self::Engine(job) => job.cancel(),
            Self::Import(job) => job.cancel(),
        }
    }
}

fn ended<T, E>(
    update: Update<Progress, Result<T, E>>,
    ending: fn(&E) -> Ending,
) -> Update<Progress, Ending> {
    match update {
        Update::Event(progress) => Update::Event(progress),
        Update::Done(Ok(_)) => Update::Done(Ending::Well),
        Update::Done(Err(error)) => Update::Done(ending(&error)),
        Update::Lost => Update::Lost,
    }
}

fn of_library(error: &library::Error) -> Ending {
    match error {
        library::Error::Cancelled(_) => Ending::Stopped,
        error => Ending::Badly(error.to_string()),
    }
}

fn of_engine(error: &engine::Error) -> Ending {
    match error.kind() {
        ErrorKind::Cancelled => Ending::Stopped,
        _ => Ending::Badly(error.to_string()),
    }
}

impl Page for ModelsPage {
    fn title(&self) -> &'static str {
        "Models"
    }

    fn logic(&mut self, ctx: &mut Context<'_>) {
        let mut still_running = Vec::new();
        for (id, job) in std::mem::take(&mut self.jobs) {
            let ending = loop {
                match job.poll() {
                    None => break None,
                    Some(Update::Event(progress)) => {
                        self.state.apply(&id, progress, Instant::now());
                    }
                    Some(Update::Done(ending)) => break Some(ending),
                    Some(Update::Lost) => {
                        let why = "the work ended without an answer; try again".to_owned();
                        break Some(Ending::Badly(why));
                    }
                }
            };
            match ending {
                None => still_running.push((id, job)),
                Some(ending) => self.end(&id, ending, ctx),
            }
        }
        self.jobs = still_running;
        self.import.logic(ctx.engine);
        // Published speech models are for those who ask for them one by one: they are large.
        let is_speech = |model: &ModelInfo| model.kind.is_voice() || model.kind.is_vocoder();
        let is_missing =
            |model: &&ModelInfo| model.state == ModelState::Missing && !is_speech(model);
        self.missing = ctx.models.iter().filter(is_missing).map(|model| model.id.clone()).collect();
        self.n_loaded = ctx.status.loaded.len();
        let running = self.state.all_work().next().map(|(id, _)| id);
        self.running_name = running.map(|id| name_of(id, ctx.models)).unwrap_or_default();
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &mut Context<'_>) {
        for file in ui.input(|input| input.raw.dropped_files.clone()) {
            self.import.drop_in(file.path());
            ui.ctx().request_repaint();
        }
        self.list_ui(ui, ctx);
    }

    fn commands(&self) -> Vec<PageCommand> {
        let unless = |possible: bool, why| if possible { None } else { Some(why) };
        let command = |id, name, disabled| PageCommand { id, name, shortcut: None, disabled };
        vec![
            PageCommand {
                shortcut: Some(KeyboardShortcut::new(Modifiers::NONE, Key::F5)),
                ..command(REFRESH, "Look again which models there are", None)
            },
            command(
                FETCH_ALL,
                "Fetch all missing language models and judges",
                unless(!self.missing.is_empty(), "none of them is missing"),
            ),
            command(
                UNLOAD_ALL,
                "Unload all models",
                unless(self.n_loaded > 0, "no model is in memory"),
            ),
            command(
                STOP,
                "Stop fetching, checking and loading",
                unless(!self.jobs.is_empty(), "nothing is fetched, checked or loaded"),
            ),
        ]
    }

    fn run(&mut self, command: &'static str, ctx: &mut Context<'_>) {
        match command {
            REFRESH => ctx.actions.push(Action::RefreshModels),
            FETCH_ALL => {
                for id in self.missing.clone() {
                    self.begin(&id, Doing::Fetch, ctx);
                }
            }
            UNLOAD_ALL => {
                for loaded in &ctx.status.clone().loaded {
                    self.begin(&loaded.id, Doing::Unload, ctx);
                }
            }
            STOP => self.jobs.iter().for_each(|(_, job)| job.cancel()),
            _ => (),
        }
    }

    fn activity(&self) -> Option<Activity> {
        let (_, work) = self.state.all_work().next()?;
        let mut figures = work.figures();
        let n_others = self.jobs.len().saturating_sub(1);
        if n_others > 0 {
            figures.push(("more", n_others.to_string()));
        }
        Some(Activity {
            label: format!("{} {}", work.label(), self.running_name),
            fraction: work.fraction(),
            figures,
            stop: Some(STOP),
        })
    }
}

impl ModelsPage {
    fn list_ui(&mut self, ui: &mut egui::Ui, ctx: &mut Context<'_>) {
        ui.horizontal(|ui| {
            ui.heading("Models");
            let summary = ui.label(theme::muted(summary(ctx), ui.visuals()));
            summary.on_hover_text(memory(&ctx.status));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let refresh = ui.button("Refresh").on_hover_text("Look again on disk (F5)");
                if refresh.clicked() {
                    ctx.actions.push(Action::RefreshModels);
                }
            });
        });
        ui.add_space(theme::GAP);
        if ctx.models.is_empty() {
            let words = "The list is being read from disk.";
            widgets::empty_state_ui(ui, "Looking for models", words, |_| ());
            return;
        }
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            for group in Group::ALL {
                ui.push_id(group.title(), |ui| self.group_ui(ui, group, ctx));
            }
        });
    }

    fn group_ui(&mut self, ui: &mut egui::Ui, group: Group, ctx: &mut Context<'_>) {
        let models = ctx.models;
        let mut of_group = models.iter().filter(|model| group.holds(model)).peekable();
        theme::section(ui, group.title());
        ui.label(theme::caption(group.words(), ui.visuals()));
        if of_group.peek().is_none() {
            theme::card(ui, |ui| {
                ui.label(group.absence());
            });
        }
        if matches!(group, Group::Language) {
            self.import_ui(ui, ctx);
        }
        for model in of_group {
            let pressed =
                ui.push_id(&model.id, |ui| card::ui(ui, model, &self.state, &ctx.status)).inner;
            match pressed {
                Some(Pressed::Fetch) => self.begin(&model.id, Doing::Fetch, ctx),
                Some(Pressed::Verify) => self.begin(&model.id, Doing::Verify, ctx),
                Some(Pressed::Load) => self.begin(&model.id, Doing::Load, ctx),
                Some(Pressed::Unload) => self.begin(&model.id, Doing::Unload, ctx),
                Some(Pressed::Stop) => self.stop(&model.id),
                Some(Pressed::Forgive) => self.state.forgive(&model.id),
                Some(Pressed::Doubt) => self.state.doubt(Some(&model.id)),
                Some(Pressed::Keep) => self.state.doubt(None),
                Some(Pressed::Remove) => {
                    self.state.doubt(None);
                    self.begin(&model.id, Doing::Remove, ctx);
                }
                None => (),
            }
        }
        ui.add_space(theme::WIDE);
    }

    fn import_ui(&mut self, ui: &mut egui::Ui, ctx: &mut Context<'_>) {
        let imports = self.state.all_work().find(|(_, work)| work.doing == Doing::Import);
        let path = imports.map(|(path, _)| path.to_owned());
        if let Some(Wish { path, placement }) = self.import.ui(ui, path.is_some()) {
            let key = path.display().to_string();
            let job = ctx.engine.import(ImportRequest { path, id: None, placement });
            self.state.begin(&key, Doing::Import);
            self.jobs.push((key, AnyJob::Import(job)));
        }
        let Some(path) = path else {
            let found = self.import.path();
            if let Some(trouble) = found.and_then(|path| self.state.trouble(&path)) {
                let ink = theme::color(Hue::Bad, ui.visuals());
                ui.add(egui::Label::new(egui::RichText::new(trouble).color(ink)).wrap());
            }
            return;
        };
        let pressed = self.state.work(&path).and_then(|work| card::work_ui(ui, work));
        if pressed == Some(Pressed::Stop) {
            self.stop(&path);
        }
    }

    fn begin(&mut self, id: &str, doing: Doing, ctx: &mut Context<'_>) {
        if self.state.work(id).is_some() {
            return;
        }
        let job = match doing {
            Doing::Fetch => AnyJob::Fetch(ctx.downloads.fetch(id)),
            Doing::Verify => AnyJob::Verify(ctx.downloads.verify(id)),
            Doing::Load => AnyJob::Engine(ctx.engine.load(id)),
            Doing::Unload => AnyJob::Engine(ctx.engine.unload(id)),
            Doing::Remove => AnyJob::Engine(ctx.engine.remove(id)),
            Doing::Import => return,
        };
        self.state.begin(id, doing);
        self.jobs.push((id.to_owned(), job));
    }

    fn stop(&self, id: &str) {
        if let Some((_, job)) = self.jobs.iter().find(|(running, _)| running == id) {
            job.cancel();
        }
    }

    fn end(&mut self, id: &str, ending: Ending, ctx: &mut Context<'_>) {
        let doing = self.state.work(id).map(|work| work.doing);
        let name = name_of(id, ctx.models);
        match (&ending, doing) {
            (Ending::Well, Some(Doing::Fetch)) => {
                let text = format!("{name} is here and whole; it can be used now");
                ctx.actions.push(Action::Toast(Toast::info(text)));
            }
            (Ending::Well, Some(Doing::Verify)) => {
                let text = format!("{name} is whole: its SHA-256 is as it should be");
                ctx.actions.push(Action::Toast(Toast::info(text)));
            }
            (Ending::Well, Some(Doing::Import)) => {
                let text = format!("{name} is in the library; choose it where it is used");
                ctx.actions.push(Action::Toast(Toast::info(text)));
                self.import.forget(id);
            }
            (Ending::Well, Some(Doing::Remove)) => {
                let text = format!("{name} is no longer in the library");
                ctx.actions.push(Action::Toast(Toast::info(text)));
            }
            (Ending::Badly(why), _) => {
                ctx.actions.push(Action::Toast(Toast::error(format!("{name}: {why}"))));
            }
            _ => (),
        }
        if !matches!(doing, Some(Doing::Load | Doing::Unload)) {
            ctx.actions.push(Action::RefreshModels);
        }
        self.state.end(id, ending);
    }
}

fn name_of(id: &str, models: &[ModelInfo]) -> String {
    let model = models.iter().find(|model| model.id == id);
    // What is being imported goes by its path.
    let file_name = || PathBuf::from(id).file_name().unwrap_or_default().to_string_lossy().into();
    model.map_or_else(file_name, |model| model.name.clone())
}

/// `5 models, 4 ready · 123 MB on disk · 98.4 MB in memory`
fn summary(ctx: &Context<'_>) -> String {
    let ready = || ctx.models.iter().filter(|model| model.is_ready());
    let on_disk = ready().map(|model| model.bytes).sum();
    format!(
        "{}, {} ready · {} on disk · {} in memory",
        units::count(ctx.models.len(), "model"),
        ready().count(),
        units::bytes(on_disk),
        units::bytes(ctx.status.total_bytes()),
    )
}

/// What the memory is taken by.
fn memory(status: &Status) -> String {
    let replies = &status.replies;
    format!(
        "Weights {}, key-value caches {} (of {} that they may take), buffers {}",
        units::bytes(status.weights_bytes()),
        units::bytes(replies.kv_bytes),
        units::bytes(replies.kv_budget_bytes),
        units::bytes(replies.scratch_bytes),
    )
}

/// Models that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Speech,
    Hearing,
    Language,
    Published,
}

impl Group {
    const ALL: [Self; 4] = [Self::Speech, Self::Hearing, Self::Language, Self::Published];

    fn title(self) -> &'static str {
        match self {
            Self::Speech => "Speech",
            Self::Hearing => "Speech to text",
            Self::Language => "Language models",
            Self::Published => "Published speech models",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Speech => {
                "Text becomes phonemes (G2P), phonemes become a mel (FastSpeech 2, Matcha-TTS, the Tacotrons), the mel becomes sound (HiFi-GAN, WaveNet)."
            }
            Self::Hearing => {
                "They write down what voices say, to tell on the Evaluate page how well they are understood."
            }
            Self::Language => {
                "They write the replies on the Chat page; LoRA adapters change what one of them writes, EAGLE-3 heads draft for them."
            }
            Self::Published => {
                "Voices and vocoders that others trained on LJSpeech, to compare with: fetched when you want them, as they were published."
            }
        }
    }

    fn holds(self, model: &ModelInfo) -> bool {
        let is_elsewhere =
            model.origin == ModelOrigin::Catalog && model.state == ModelState::Missing;
        let group = match model.kind {
            ModelKind::Llama | ModelKind::LoraAdapter | ModelKind::Eagle3Head => Self::Language,
            ModelKind::Whisper => Self::Hearing,
            _ if is_elsewhere => Self::Published,
            _ => Self::Speech,
        };
        self == group
    }

    /// What to do where none is.
    fn absence(self) -> String {
        match self {
            Self::Speech => format!(
                "No speech model was found. Formant comes with a folder called models that holds \
                 {}, {} and {}; put it beside the program, or name it with FORMANT_MODELS, and \
                 press Refresh.",
                catalog::VOICE,
                catalog::VOCODER,
                catalog::G2P,
            ),
            Self::Hearing => "No recognizer is known.".to_owned(),
            Self::Language => "No language model is known.".to_owned(),
            Self::Published => "All that are known are here.".to_owned(),
        }
    }
}

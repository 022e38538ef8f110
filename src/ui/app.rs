//! The window without a frame around it: pages, what they share, and what they asked for.

use std::{sync::Arc, thread};

use eframe::egui::{self, Key, Modifiers, ViewportCommand};

use super::{
    Action, Context, EvaluatePage, ModelsPage, Page, PageCommand, SettingsPage, Toast,
    chat::ChatPage,
    disk::{Disk, FileContent, Outcome, Task},
    keys,
    palette::{Answer, Entry, Owner, Palette},
    rail,
    read_aloud::{LOOK_AGAIN, ReadAloud},
    speak::SpeakPage,
    status_strip::{self, Running, Strip},
    theme,
    toasts::{Rescue, Toasts},
};
use crate::{
    audio::Player,
    domain::{DeviceChoice, ModelInfo},
    engine::Client,
    job::{self, Job, Update, Waker},
    library::{Downloads, Folders, Library},
    settings::{self, Settings},
};

/// How long settings must have stood still before they are written.
const SAVE_AFTER_SECS: f64 = 0.5;
/// Step of the scale that Ctrl and plus take.
const ZOOM_STEP: f32 = 0.1;
/// Name of the window's own commands in the palette.
const WINDOW: &str = "Window";

/// What a window is made of; opened before it, and outliving its pages.
pub struct AppParts {
    /// What the user chose.
    pub settings: Settings,
    /// Where models and files are kept.
    pub library: Library,
    /// Where missing models come from.
    pub downloads: Downloads,
    /// The sound card.
    pub player: Player,
    /// Wakes the window from any thread.
    pub waker: Waker,
    /// What should be told at the start: settings that could not be read.
    pub toasts: Vec<Toast>,
    /// Where work goes.
    pub engine: Client,
}

impl AppParts {
    /// Opens everything over `folders`; `waker` is called on any thread whenever there is news.
    ///
    /// # Errors
    /// If the system gives no thread for the engine.
    pub fn open(folders: Folders, settings: Settings, waker: Waker) -> std::io::Result<Self> {
        let library = Library::new(folders);
        Ok(Self {
            engine: Client::start(library.clone(), Arc::clone(&waker))?,
            downloads: Downloads::new(library.clone(), Arc::clone(&waker)),
            player: Player::new(&settings.audio.device, Arc::clone(&waker)),
            settings,
            library,
            waker,
            toasts: Vec::new(),
        })
    }
}

/// The window. Holds no frame, so that a test can hold it: call [`App::logic`], then [`App::ui`].
pub struct App {
    pages: Vec<Box<dyn Page>>,
    current: usize,
    front: Front,
    toasts: Toasts,
    read_aloud: ReadAloud,
    looking: Option<Job<(), Vec<ModelInfo>>>,
    look_again: bool,
    /// What the file on disk says, and since when the user's choice differs.
    saved: Settings,
    changed_at: Option<f64>,
    device_in_use: String,
    /// As the settings have it: zero is what the engine starts with.
    threads_in_use: usize,
    /// What language models run on, or were to; the engine starts with the CPU.
    processor_in_use: DeviceChoice,
    disk: Disk,
    // Last, since it holds the engine, which ends after everybody who may talk to it.
    shared: Shared,
}

/// What stands in front of the pages.
enum Front {
    Nothing,
    Palette(Palette),
    Keys,
}

/// What pages borrow.
struct Shared {
    models: Vec<ModelInfo>,
    downloads: Downloads,
    player: Player,
    settings: Settings,
    actions: Vec<Action>,
    library: Library,
    waker: Waker,
    engine: Client,
}

impl Shared {
    fn context(&mut self) -> Context<'_> {
        Context {
            engine: &self.engine,
            status: self.engine.status(),
            models: &self.models,
            downloads: &self.downloads,
            player: &mut self.player,
            settings: &mut self.settings,
            actions: &mut self.actions,
        }
    }
}

impl App {
    /// The studio with all its pages.
    pub fn new(ctx: &egui::Context, parts: AppParts) -> Self {
        let pages: Vec<Box<dyn Page>> = vec![
            Box::new(SpeakPage::new(&parts.settings, parts.library.folders().dictionary())),
            Box::new(EvaluatePage::new(Arc::clone(&parts.waker))),
            Box::new(ChatPage::new(&parts.settings, parts.library.folders().conversations())),
            Box::new(ModelsPage::default()),
            Box::new(SettingsPage::new(parts.library.folders(), Arc::clone(&parts.waker))),
        ];
        Self::with_pages(ctx, parts, pages)
    }

    /// A studio with these pages, for whoever wants fewer or others.
    pub fn with_pages(ctx: &egui::Context, parts: AppParts, pages: Vec<Box<dyn Page>>) -> Self {
        let AppParts { settings, library, downloads, player, waker, toasts: told, engine } = parts;
        theme::install(ctx);
        theme::apply(ctx, &settings.appearance);
        // Both are commands of this window, so that the size is kept and the end is orderly.
        ctx.options_mut(|options| {
            options.zoom_with_keyboard = false;
            options.quit_shortcuts.clear();
        });
        let mut toasts = Toasts::default();
        for toast in told {
            toasts.add(toast);
        }
        let remembered: Option<String> =
            ctx.data_mut(|memory| memory.get_persisted(current_page_id()));
        let current = pages.iter().position(|page| Some(page.title()) == remembered.as_deref());
        Self {
            current: current.unwrap_or(0),
            pages,
            front: Front::Nothing,
            toasts,
            read_aloud: ReadAloud::default(),
            looking: None,
            look_again: true,
            saved: settings.clone(),
            changed_at: None,
            device_in_use: settings.audio.device.clone(),
            threads_in_use: 0,
            processor_in_use: DeviceChoice::Cpu,
            disk: Disk::start(Arc::clone(&waker)),
            shared: Shared {
                models: Vec::new(),
                downloads,
                player,
                settings,
                actions: Vec::new(),
                library,
                waker,
                engine,
            },
        }
    }

    /// Takes in what other threads have sent; before each [`App::ui`], and while hidden, too.
    pub fn logic(&mut self, ctx: &egui::Context) {
        self.look_for_models();
        self.hear_from_disk();
        for page in &mut self.pages {
            page.logic(&mut self.shared.context());
        }
        let Shared { engine, settings, player, .. } = &mut self.shared;
        if let Some(trouble) = self.read_aloud.logic(engine, &settings.speak, player) {
            self.toasts.add(trouble);
        }
        if self.read_aloud.is_active() {
            ctx.request_repaint_after(LOOK_AGAIN);
        }
        self.perform_actions(ctx);
        self.follow_settings(ctx);
    }

    /// Draws the window.
    pub fn ui(&mut self, ui: &mut egui::Ui) {
        let ctx = ui.ctx().clone();
        self.hear_keys(&ctx);
        let running = self.running();
        let status = self.shared.engine.status();
        let strip = Strip {
            status: &status,
            running: &running,
            sound_problem: self.shared.player.problem(),
        };
        let on_strip = strip.ui(ui);
        let titles = self.titles();
        let busy: Vec<_> = self.pages.iter().map(|page| page.activity().is_some()).collect();
        let on_rail = rail::ui(ui, &titles, self.current, &busy);
        let frame = egui::Frame::new()
            .fill(theme::color(theme::Hue::Page, ui.visuals()))
            .inner_margin(egui::Margin::same(theme::PAD as i8));
        egui::CentralPanel::no_frame().frame(frame).show(ui, |ui| {
            if let Some(page) = self.pages.get_mut(self.current) {
                ui.push_id(page.title(), |ui| page.ui(ui, &mut self.shared.context()));
            }
        });
        if let Some(rescue) = self.toasts.ui(&ctx) {
            match rescue {
                Rescue::TryAgain(content) => self.disk.ask(Task::Write(content)),
                Rescue::SaveElsewhere(content) => self.disk.save_elsewhere(content),
            }
        }
        self.front_ui(&ctx);
        match on_rail {
            Some(rail::Pressed::Page(page_idx)) => self.go_to(&ctx, page_idx),
            Some(rail::Pressed::Width) => rail::toggle(&ctx),
            None => (),
        }
        match on_strip {
            Some(status_strip::Pressed::Stop(running_idx)) => self.stop(&running, running_idx),
            Some(status_strip::Pressed::Models) => self.show(&ctx, "Models"),
            Some(status_strip::Pressed::Sound | status_strip::Pressed::Processor) => {
                self.show(&ctx, "Settings");
            }
            Some(status_strip::Pressed::Palette) => {
                self.front = Front::Palette(Palette::open(&ctx));
            }
            None => (),
        }
        self.perform_actions(&ctx);
        self.follow_settings(&ctx);
    }

    /// The page that is shown.
    pub fn current_title(&self) -> &'static str {
        self.pages.get(self.current).map_or("", |page| page.title())
    }

    /// What the user chose so far.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// The models that are known by now.
    pub fn models(&self) -> &[ModelInfo] {
        &self.shared.models
    }

    /// Does what a page would ask for.
    pub fn act(&mut self, ctx: &egui::Context, action: Action) {
        self.shared.actions.push(action);
        self.perform_actions(ctx);
    }

    fn titles(&self) -> Vec<&'static str> {
        self.pages.iter().map(|page| page.title()).collect()
    }

    fn go_to(&mut self, ctx: &egui::Context, page_idx: usize) {
        let Some(page) = self.pages.get(page_idx) else { return };
        self.current = page_idx;
        let title = page.title().to_owned();
        ctx.data_mut(|memory| memory.insert_persisted(current_page_id(), title));
    }

    fn show(&mut self, ctx: &egui::Context, title: &str) {
        if let Some(page_idx) = self.pages.iter().position(|page| page.title() == title) {
            self.go_to(ctx, page_idx);
            ctx.request_repaint();
        }
    }
}

/// Keys and commands.
impl App {
    fn hear_keys(&mut self, ctx: &egui::Context) {
        if keys::something_in_front(ctx) || !matches!(self.front, Front::Nothing) {
            // Popups and modals close themselves by Esc and take all other keys.
            return;
        }
        let running = self.running();
        let can_stop = running.iter().position(|running| running.activity.stop.is_some());
        if let Some(running_idx) = can_stop
            && ctx.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape))
        {
            self.stop(&running, running_idx);
        }
        let of_page = self.pages.get(self.current).map(|page| page.commands()).unwrap_or_default();
        if let Some(id) = keys::pressed(ctx, &of_page) {
            self.run(ctx, Owner::Page(self.current), id);
        } else if let Some(id) = keys::pressed(ctx, &self.window_commands()) {
            self.run(ctx, Owner::Window, id);
        }
    }

    fn window_commands(&self) -> Vec<PageCommand> {
        let state = keys::State {
            busy: self.running().iter().any(|running| running.activity.stop.is_some()),
            reading: self.read_aloud.is_active(),
            toasts: !self.toasts.is_empty(),
        };
        keys::commands(&self.titles(), &state)
    }

    /// What runs: the page in front first, since Esc means what one looks at.
    fn running(&self) -> Vec<Running> {
        let of_page = |page_idx: usize| {
            let activity = self.pages.get(page_idx)?.activity()?;
            Some(Running { owner: Owner::Page(page_idx), activity })
        };
        let read_aloud = self
            .read_aloud
            .activity(keys::HUSH)
            .map(|activity| Running { owner: Owner::Window, activity });
        let others = (0..self.pages.len()).filter(|page_idx| *page_idx != self.current);
        of_page(self.current)
            .into_iter()
            .chain(read_aloud)
            .chain(others.filter_map(of_page))
            .collect()
    }

    fn stop(&mut self, running: &[Running], running_idx: usize) {
        let Some(Running { owner, activity }) = running.get(running_idx) else { return };
        let Some(command) = activity.stop else { return };
        match owner {
            Owner::Window => self.read_aloud.hush(&mut self.shared.player),
            Owner::Page(page_idx) => {
                if let Some(page) = self.pages.get_mut(*page_idx) {
                    page.run(command, &mut self.shared.context());
                }
            }
        }
    }

    fn run(&mut self, ctx: &egui::Context, owner: Owner, id: &'static str) {
        if let Owner::Page(page_idx) = owner {
            self.go_to(ctx, page_idx);
            if let Some(page) = self.pages.get_mut(page_idx) {
                page.run(id, &mut self.shared.context());
            }
            return;
        }
        let appearance = &mut self.shared.settings.appearance;
        match id {
            keys::PALETTE => self.front = Front::Palette(Palette::open(ctx)),
            keys::KEYS => self.front = Front::Keys,
            keys::THEME => {
                appearance.theme = match ctx.theme() {
                    egui::Theme::Dark => settings::Theme::Light,
                    egui::Theme::Light => settings::Theme::Dark,
                }
            }
            keys::ZOOM_IN => appearance.zoom = zoomed(appearance.zoom + ZOOM_STEP),
            keys::ZOOM_OUT => appearance.zoom = zoomed(appearance.zoom - ZOOM_STEP),
            keys::ZOOM_RESET => appearance.zoom = 1.0,
            keys::RAIL => rail::toggle(ctx),
            keys::HUSH => self.read_aloud.hush(&mut self.shared.player),
            keys::CLEAR => self.toasts.clear(),
            keys::STOP => {
                let running = self.running();
                let can_stop = running.iter().position(|running| running.activity.stop.is_some());
                self.stop(&running, can_stop.unwrap_or_default());
            }
            keys::QUIT => ctx.send_viewport_cmd(ViewportCommand::Close),
            _ => {
                if let Some(way) = keys::way(|way| way.id == id) {
                    self.show(ctx, way.title);
                }
            }
        }
        // What just changed is seen in the frame after this one.
        ctx.request_repaint();
    }

    fn front_ui(&mut self, ctx: &egui::Context) {
        match &mut self.front {
            Front::Nothing => (),
            Front::Keys => {
                let mut groups = vec![(WINDOW, self.window_commands())];
                groups.extend(self.pages.iter().map(|page| (page.title(), page.commands())));
                if !keys::list_ui(ctx, &groups) {
                    self.front = Front::Nothing;
                }
            }
            Front::Palette(_) => {
                let entries = self.entries();
                let Front::Palette(palette) = &mut self.front else { return };
                match palette.ui(ctx, &entries) {
                    Answer::StillOpen => (),
                    Answer::Closed => self.front = Front::Nothing,
                    Answer::Chosen(owner, id) => {
                        self.front = Front::Nothing;
                        self.run(ctx, owner, id);
                    }
                }
            }
        }
    }

    /// Everything that can be done: on the page in front, in the window, on other pages.
    fn entries(&self) -> Vec<Entry> {
        let of_page = |page_idx: usize| {
            let page = &self.pages[page_idx];
            let commands = page.commands().into_iter();
            commands
                .map(|command| Entry { owner: Owner::Page(page_idx), group: page.title(), command })
                .collect::<Vec<_>>()
        };
        let mut entries = of_page(self.current);
        let of_window = self.window_commands().into_iter();
        entries.extend(
            of_window.filter(|command| command.id != keys::PALETTE).map(|command| Entry {
                owner: Owner::Window,
                group: WINDOW,
                command,
            }),
        );
        for page_idx in (0..self.pages.len()).filter(|page_idx| *page_idx != self.current) {
            entries.extend(of_page(page_idx));
        }
        entries
    }
}

/// What pages asked for, and what has to follow.
impl App {
    fn perform_actions(&mut self, ctx: &egui::Context) {
        // A page may answer one action with another: bounded, so that two never play ping-pong.
        for _ in 0..8 {
            let actions = std::mem::take(&mut self.shared.actions);
            if actions.is_empty() {
                return;
            }
            for action in actions {
                self.perform(ctx, action);
            }
            ctx.request_repaint();
        }
        tracing::warn!("pages ask each other for things without end; the rest waits a frame");
    }

    fn perform(&mut self, ctx: &egui::Context, action: Action) {
        match action {
            Action::Show(title) => self.show(ctx, title),
            Action::Toast(toast) => self.toasts.add(toast),
            Action::Speak(_) => {
                if let Some(page) = self.pages.iter_mut().find(|page| page.title() == "Speak") {
                    page.receive(&action, &mut self.shared.context());
                }
                self.show(ctx, "Speak");
            }
            Action::ReadAloud(text) => self.read_aloud.push(text),
            Action::Hush => self.read_aloud.hush(&mut self.shared.player),
            Action::RefreshModels => self.look_again = true,
            Action::WriteFile { path, bytes } => {
                self.disk.ask(Task::Write(FileContent { path, bytes }));
            }
            Action::DeleteFile(path) => self.disk.ask(Task::Delete(path)),
        }
    }

    fn look_for_models(&mut self) {
        if let Some(job) = &self.looking {
            match job.poll() {
                None | Some(Update::Event(())) => return,
                Some(Update::Done(models)) => self.shared.models = models,
                Some(Update::Lost) => {
                    let text = "The list of models could not be read; press F5 on the Models page";
                    self.toasts.add(Toast::error(text));
                }
            }
            self.looking = None;
        }
        if !std::mem::take(&mut self.look_again) {
            return;
        }
        let (reply, job) = job::channel(Arc::clone(&self.shared.waker));
        let library = self.shared.library.clone();
        let work = move || reply.finish(library.models());
        // Without a thread the reply is dropped and the job is seen as lost.
        if let Err(error) = thread::Builder::new().name("library".into()).spawn(work) {
            tracing::error!("no thread to look for models: {error}");
        }
        self.looking = Some(job);
    }

    fn hear_from_disk(&mut self) {
        while let Some(outcome) = self.disk.poll() {
            match outcome {
                Outcome::Written(path) => self.toasts.written(&path),
                Outcome::NotWritten(content, why) => self.toasts.add_unsaved(&why, content),
                Outcome::NotDeleted(path, why) => {
                    let text = format!("Cannot delete the file ({why}): {}", path.display());
                    self.toasts.add(Toast::error(text));
                }
                Outcome::SettingsNotSaved(why) => {
                    let text = format!("Your settings hold until you quit: {why}");
                    self.toasts.add(Toast::error(text));
                }
            }
        }
    }

    fn follow_settings(&mut self, ctx: &egui::Context) {
        let settings = &self.shared.settings;
        theme::apply(ctx, &settings.appearance);
        self.shared.engine.set_kv_budget(settings.engine.kv_budget_bytes());
        if self.device_in_use != settings.audio.device {
            self.device_in_use.clone_from(&settings.audio.device);
            self.shared.player.set_device(&settings.audio.device);
        }
        if self.threads_in_use != settings.engine.n_threads() {
            self.threads_in_use = settings.engine.n_threads();
            self.shared.engine.set_threads(self.threads_in_use);
        }
        if self.processor_in_use != settings.engine.device {
            self.processor_in_use = settings.engine.device;
            // What it came to, good or bad, is in the status; nobody waits for the job's own end.
            drop(self.shared.engine.set_device(self.processor_in_use));
        }
        if *settings == self.saved {
            self.changed_at = None;
            return;
        }
        let now = ctx.input(|input| input.time);
        let wait_secs = *self.changed_at.get_or_insert(now) + SAVE_AFTER_SECS - now;
        if wait_secs > 0.0 {
            ctx.request_repaint_after(std::time::Duration::from_secs_f64(wait_secs));
        } else {
            self.save_settings();
        }
    }

    fn save_settings(&mut self) {
        let settings = &self.shared.settings;
        if *settings == self.saved {
            return;
        }
        self.saved.clone_from(settings);
        self.changed_at = None;
        self.disk.ask(Task::SaveSettings {
            settings: Box::new(settings.clone()),
            path: self.shared.library.folders().settings(),
        });
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // The disk's own drop waits until this is written.
        self.save_settings();
        for content in self.toasts.unsaved() {
            self.disk.ask(Task::Write(content));
        }
    }
}

/// Where it is remembered which page was shown last.
fn current_page_id() -> egui::Id {
    egui::Id::unique("page in front")
}

/// A scale in whole steps, within what can be read.
fn zoomed(zoom: f32) -> f32 {
    ((zoom / ZOOM_STEP).round() * ZOOM_STEP).clamp(theme::MIN_ZOOM, theme::MAX_ZOOM)
}

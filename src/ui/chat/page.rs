//! The Chat page: drains the replies under way, draws, and carries out what was asked for.

use std::{
    collections::HashMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, TryRecvError};
use eframe::egui::{self, Align, CentralPanel, Label, Layout, Panel, RichText, Ui, UiBuilder};

use super::{
    commands,
    composer::composer_ui,
    conversation::{Conversation, ConversationId},
    export::ExportDialog,
    figures::plots_ui,
    icons::{Icon, icon_button},
    list::list_ui,
    message::stage_text,
    options::options_ui,
    parts::muted,
    state::{State, random_seed},
    storage::{self, Found},
    transcript::transcript_ui,
    view::{Editing, Habits, Intent, Renaming, View},
};
use crate::{
    domain::Progress,
    engine::{ChatEvent, ChatRequest, ChatSummary, EngineJob},
    files,
    job::Update,
    settings::Settings,
    ui::{Action, Activity, Context, Page, PageCommand, units},
};

/// Time that taking in events may cost a frame.
const DRAIN_BUDGET: Duration = Duration::from_millis(10);

/// How often the page looks whether the conversations have been read.
const READING_POLL: Duration = Duration::from_millis(50);

/// Widths of the list and of the options, in points: at first, and within which limits.
const LIST_WIDTH: (f32, [f32; 2]) = (200.0, [140.0, 360.0]);
const OPTIONS_WIDTH: (f32, [f32; 2]) = (290.0, [240.0, 460.0]);

/// Height of the plots below the options, in points: at first, and at least.
const PLOTS_HEIGHT: (f32, f32) = (384.0, 80.0);

/// The Chat page.
pub struct ChatPage {
    state: State,
    view: View,
    reading: Option<Receiver<Found>>,
    jobs: HashMap<ConversationId, EngineJob<ChatEvent, ChatSummary>>,
    /// Known once the page was drawn.
    egui: Option<egui::Context>,
}

impl ChatPage {
    /// A page over a folder of conversations, which is read on another thread.
    pub fn new(settings: &Settings, conversations_folder: PathBuf) -> Self {
        let reading = storage::read_in_background(conversations_folder.clone());
        Self {
            state: State::new(conversations_folder, &settings.chat.system_prompt),
            view: View::new(),
            reading: Some(reading),
            jobs: HashMap::new(),
            egui: None,
        }
    }

    /// Whether the folder of conversations has been read.
    pub fn is_ready(&self) -> bool {
        self.reading.is_none()
    }

    /// Titles of all conversations and whether a reply is being written in each, newest first.
    pub fn conversations(&self) -> Vec<(String, bool)> {
        let is_writing = |id| self.state.writing(id).is_some();
        self.state.listed().map(|c| (c.title(), is_writing(&c.id))).collect()
    }

    /// The messages on show, by their texts.
    pub fn messages(&self) -> Vec<String> {
        texts(self.state.shown())
    }

    /// The messages of the conversation beside, by their texts.
    pub fn messages_beside(&self) -> Vec<String> {
        self.state.beside().map_or_else(Vec::new, texts)
    }

    /// What stands in the composer.
    pub fn draft(&self) -> &str {
        &self.state.shown().draft
    }

    /// Whether tokens are coloured by origin.
    pub fn colors_tokens(&self) -> bool {
        self.view.habits.colors
    }

    /// Takes in the events of every reply, within the budget; returns whether some are left.
    fn drain(&mut self, now: Instant) -> bool {
        // A reply that was deleted is not wanted any more; to drop its job is to cancel it.
        self.jobs.retain(|id, _| self.state.writing(id).is_some());
        let ids: Vec<_> = self.jobs.keys().cloned().collect();
        for id in ids {
            let Some(job) = self.jobs.get(&id) else { continue };
            let outcome = loop {
                if now.elapsed() > DRAIN_BUDGET {
                    return true;
                }
                match job.poll() {
                    Some(Update::Event(event)) => self.state.apply(&id, event, Instant::now()),
                    Some(Update::Done(outcome)) => break Some(Some(outcome)),
                    Some(Update::Lost) => break Some(None),
                    None => break None,
                }
            };
            if let Some(outcome) = outcome {
                self.jobs.remove(&id);
                self.state.finish(&id, outcome, Instant::now());
            }
        }
        false
    }

    fn take_found(&mut self) {
        let found = match self.reading.as_ref().map(Receiver::try_recv) {
            Some(Ok(found)) => found,
            Some(Err(TryRecvError::Disconnected)) => Found::default(),
            Some(Err(TryRecvError::Empty)) | None => return,
        };
        self.reading = None;
        self.state.add_found(found);
    }

    /// Hands the request over and keeps the job.
    fn begin(&mut self, request: Option<ChatRequest>, ctx: &mut Context<'_>) {
        let Some(request) = request else { return };
        let id = self.state.shown().id.clone();
        self.jobs.insert(id, ctx.engine.chat(request));
    }

    /// A new seed for the reply about to be asked for, unless it is locked.
    fn reseed(&self, ctx: &mut Context<'_>) {
        if !self.view.habits.seed_locked {
            ctx.settings.chat.sampling.seed = random_seed();
        }
    }

    fn carry_out(&mut self, intent: Intent, ctx: &mut Context<'_>) {
        let now = Instant::now();
        match intent {
            Intent::Send => {
                if self.state.cannot_send().is_none() {
                    self.reseed(ctx);
                    let text = self.state.shown().draft.clone();
                    let request = self.state.send(&ctx.settings.chat, now);
                    self.begin(request, ctx);
                    if self.state.beside().is_some() {
                        self.say_beside(&text, ctx, now);
                    }
                }
                self.view.focus_composer = true;
            }
            Intent::Pair => {
                if self.state.beside().is_some() {
                    self.state.part(now);
                } else {
                    self.state.pair();
                }
                self.view.transcript.forget();
                self.view.focus_composer = true;
            }
            Intent::Beside(intent) => {
                if self.state.turn_over() {
                    self.with_base(ctx, |page, ctx| page.carry_out(*intent, ctx));
                    self.state.turn_over();
                }
            }
            Intent::Compose(prompt) => {
                self.state.set_draft(prompt, now);
                self.view.focus_composer = true;
            }
            Intent::Stop => self.stop(),
            Intent::Regenerate(node) => {
                self.reseed(ctx);
                let request = self.state.regenerate(node, &ctx.settings.chat, now);
                self.begin(request, ctx);
            }
            Intent::Branch(node, token_idx, alternative_idx) => {
                let options = &ctx.settings.chat;
                let request = self.state.branch(node, token_idx, alternative_idx, options, now);
                self.begin(request, ctx);
            }
            Intent::BeginEdit(node) => {
                let shown = self.state.shown();
                let text = shown.tree.user_text(node).unwrap_or_default().to_owned();
                let conversation = shown.id.clone();
                self.view.editing = Some(Editing { conversation, node, text, focus: true });
            }
            Intent::CancelEdit => {
                self.view.editing = None;
                self.view.renaming = None;
            }
            Intent::Edit(node, text) => {
                self.view.editing = None;
                self.reseed(ctx);
                let request = self.state.edit(node, &text, &ctx.settings.chat, now);
                self.begin(request, ctx);
                self.view.focus_composer = true;
            }
            Intent::Switch(node, by) => self.state.switch(node, by, now),
            Intent::DeleteMessage(node) => self.state.delete_message(node, now),
            Intent::ReadAloud(node) => self.state.read_aloud(node),
            Intent::Hush => self.state.hush(),
            Intent::Copy(text) => {
                if let Some(egui) = &self.egui {
                    egui.copy_text(text);
                }
            }
            Intent::Show(id) => {
                self.state.show(&id);
                self.view.focus_composer = true;
            }
            Intent::Begin => {
                self.state.begin_conversation(&ctx.settings.chat.system_prompt);
                self.view.search.clear();
                self.view.focus_composer = true;
            }
            Intent::BeginRename(id) => {
                let title = self.state.conversation(&id).and_then(|c| c.own_title.clone());
                let title = title.unwrap_or_default();
                self.view.renaming = Some(Renaming { conversation: id, title, focus: true });
            }
            Intent::Rename(id, title) => {
                self.state.rename(&id, &title, now);
                self.view.renaming = None;
            }
            Intent::Delete(id) => self.state.delete(&id),
            Intent::Undo => self.state.undo(now),
            Intent::ForgetUndo => self.state.forget_undo(),
            Intent::OpenModels => ctx.actions.push(Action::Show("Models")),
            Intent::Compare => {
                let compare = &mut self.view.compare;
                compare.is_open = !compare.is_open;
                if compare.is_open {
                    compare.ask_about(&self.state.shown().draft);
                }
            }
            Intent::BeginExport => self.view.export = Some(ExportDialog::new(self.state.shown())),
        }
    }

    /// Says the same to the model without adapters, by the same seed.
    fn say_beside(&mut self, text: &str, ctx: &mut Context<'_>, now: Instant) {
        self.state.turn_over();
        self.state.set_draft(text, now);
        self.with_base(ctx, |page, ctx| {
            let request = page.state.send(&ctx.settings.chat, now);
            page.begin(request, ctx);
        });
        self.state.turn_over();
    }

    /// Does something by the options as they are, but for adapters; and only one of two reads aloud.
    fn with_base(&mut self, ctx: &mut Context<'_>, act: impl FnOnce(&mut Self, &mut Context<'_>)) {
        let adapters = std::mem::take(&mut ctx.settings.chat.adapters);
        let read_aloud = std::mem::take(&mut ctx.settings.chat.read_aloud);
        act(self, ctx);
        (ctx.settings.chat.adapters, ctx.settings.chat.read_aloud) = (adapters, read_aloud);
    }

    /// Stops the replies on show, or else one that is written elsewhere.
    fn stop(&mut self) {
        let shown = [Some(self.state.shown()), self.state.beside()].into_iter().flatten();
        let shown = shown.map(|conversation| conversation.id.clone());
        let mut ids: Vec<_> = shown.filter(|id| self.state.writing(id).is_some()).collect();
        if ids.is_empty() {
            ids.extend(self.state.writer().map(|(conversation, _)| conversation.id.clone()));
        }
        for id in ids {
            if let Some(job) = self.jobs.get(&id) {
                job.cancel();
            }
            self.state.stopping(&id);
        }
        self.view.focus_composer = true;
    }

    fn header_ui(&mut self, ui: &mut Ui, intents: &mut Vec<Intent>) {
        ui.horizontal(|ui| {
            let habits = &mut self.view.habits;
            let name = if habits.list { "Hide conversations" } else { "Show conversations" };
            if icon_button(ui, Icon::List, name).clicked() {
                habits.list = !habits.list;
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let name = if habits.options { "Hide options" } else { "Show options" };
                if icon_button(ui, Icon::Options, name).clicked() {
                    habits.options = !habits.options;
                }
                let tip = "One prompt by several ways to speculate, side by side (Ctrl+Shift+M)";
                let is_open = self.view.compare.is_open;
                if ui.selectable_label(is_open, "Compare").on_hover_text(tip).clicked() {
                    intents.push(Intent::Compare);
                }
                let is_paired = self.state.beside().is_some();
                let tip = "Each message is answered by the model without adapters as well, in a history of its own, by the same seed (Ctrl+Shift+B)";
                if ui.selectable_label(is_paired, "Base beside").on_hover_text(tip).clicked() {
                    intents.push(Intent::Pair);
                }
                let shown = self.state.shown();
                if !shown.tree.is_empty()
                    && icon_button(ui, Icon::Export, "Export conversation… (Ctrl+Shift+E)")
                        .clicked()
                {
                    intents.push(Intent::BeginExport);
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(Label::new(RichText::new(shown.title()).strong()).truncate());
                });
            });
        });
    }

    /// When the page has something to do that no event announces.
    fn schedule(&self, ui: &Ui) {
        if self.reading.is_some() {
            ui.request_repaint_after(READING_POLL);
        }
        if let Some(due) = self.state.next_save() {
            ui.request_repaint_after(due.saturating_duration_since(Instant::now()));
        }
    }
}

/// The path on show, by its texts.
fn texts(conversation: &Conversation) -> Vec<String> {
    let tree = &conversation.tree;
    let turns = tree.path().into_iter().filter_map(|node| tree.turn(node));
    turns.map(|turn| turn.text().to_owned()).collect()
}

/// The conversation on show, and the one beside it.
fn transcripts_ui(
    ui: &mut Ui,
    state: &State,
    ctx: &Context<'_>,
    view: &mut View,
    intents: &mut Vec<Intent>,
) {
    let Some(beside) = state.beside() else {
        transcript_ui(ui, state, state.shown(), ctx.models, view, intents);
        return;
    };
    ui.columns(2, |columns| {
        let adapters = ctx.settings.chat.adapters_on();
        let with = match adapters.len() {
            0 => "No adapter is on".to_owned(),
            n => format!("With {}", units::count(n, "adapter")),
        };
        // Columns would spread the words of a line; and what is in one is not what is in the other.
        let plain = |side| UiBuilder::new().id_salt(side).layout(Layout::top_down(Align::Min));
        columns[0].scope_builder(plain("shown"), |ui| {
            ui.label(muted(ui, with));
            transcript_ui(ui, state, state.shown(), ctx.models, view, intents);
        });
        let mut asked = Vec::new();
        columns[1].scope_builder(plain("beside"), |ui| {
            ui.label(muted(ui, "Base, without adapters"));
            transcript_ui(ui, state, beside, ctx.models, view, &mut asked);
        });
        intents.extend(asked.into_iter().map(|intent| Intent::Beside(Box::new(intent))));
    });
}

impl Drop for ChatPage {
    /// Writes what is not on disk yet: the window does not write for pages that are gone.
    fn drop(&mut self) {
        for (path, bytes) in self.state.take_unsaved() {
            // The writer may still be at work on an older version of it, under its own suffix.
            if let Err(error) = files::write_by_way_of(&path, "last", &bytes) {
                tracing::error!("a conversation is not saved ({error}): {}", path.display());
            }
        }
    }
}

impl Page for ChatPage {
    fn title(&self) -> &'static str {
        "Chat"
    }

    fn logic(&mut self, ctx: &mut Context<'_>) {
        let now = Instant::now();
        self.take_found();
        let is_behind = self.drain(now);
        self.state.save_due(now);
        self.view.compare.logic(ctx.actions);
        let is_writing = self.state.n_writing() > 0;
        self.view.speculation.logic(ctx.engine, &mut ctx.settings.chat, is_writing);
        self.view.rack.logic(ctx.engine, ctx.models, &mut ctx.settings.chat);
        ctx.actions.append(&mut self.state.take_actions());
        if let Some(egui) = self.egui.as_ref().filter(|_| is_behind) {
            egui.request_repaint();
        }
    }

    fn ui(&mut self, ui: &mut Ui, ctx: &mut Context<'_>) {
        if self.egui.is_none() {
            self.egui = Some(ui.ctx().clone());
            self.view.habits = Habits::load(ui.ctx());
        }
        for file in ui.input(|input| input.raw.dropped_files.clone()) {
            self.view.rack.bring(file.path());
            ui.ctx().request_repaint();
        }
        let before = self.view.habits;
        let mut intents = Vec::new();
        let mut draft = None;
        let mut prompt = None;

        let (size, [min, max]) = LIST_WIDTH;
        let mut is_open = self.view.habits.list;
        Panel::left("chat list").default_size(size).size_range(min..=max).show_collapsible(
            ui,
            &mut is_open,
            |ui| list_ui(ui, &self.state, &mut self.view, &mut intents),
        );
        self.view.habits.list = is_open;

        let (size, [min, max]) = OPTIONS_WIDTH;
        let mut is_open = self.view.habits.options;
        Panel::right("chat options").default_size(size).size_range(min..=max).show_collapsible(
            ui,
            &mut is_open,
            |ui| {
                let (height, min) = PLOTS_HEIGHT;
                // In a low window the options keep their half.
                let height = height.min(ui.available_height() / 2.0);
                Panel::bottom("chat plots")
                    .resizable(true)
                    .default_size(height)
                    .min_size(min)
                    .show(ui, |ui| plots_ui(ui, &self.state, &mut self.view.plots));
                let options = &mut ctx.settings.chat;
                prompt = options_ui(
                    ui,
                    &self.state,
                    ctx.engine,
                    ctx.models,
                    &mut self.view,
                    options,
                    &mut intents,
                );
            },
        );
        self.view.habits.options = is_open;

        CentralPanel::default().show(ui, |ui| {
            self.header_ui(ui, &mut intents);
            if self.view.compare.is_open {
                let View { compare, .. } = &mut self.view;
                compare.ui(ui, ctx.engine, ctx.models, &ctx.settings.chat);
                return;
            }
            Panel::bottom("chat composer").show_separator_line(false).show(ui, |ui| {
                let options = &mut ctx.settings.chat;
                draft = composer_ui(ui, &self.state, &mut self.view, options, &mut intents);
            });
            CentralPanel::no_frame().show(ui, |ui| {
                transcripts_ui(ui, &self.state, ctx, &mut self.view, &mut intents);
            });
        });

        let now = Instant::now();
        if let Some(draft) = draft {
            self.state.set_draft(&draft, now);
        }
        if let Some(prompt) = prompt {
            self.state.set_system_prompt(&prompt, now);
            ctx.settings.chat.system_prompt = prompt;
        }
        if let Some(export) = &mut self.view.export
            && !export.ui(ui.ctx(), self.state.shown(), ctx.actions)
        {
            self.view.export = None;
        }
        for intent in intents {
            self.carry_out(intent, ctx);
            // What was asked for shows in the next frame.
            ui.request_repaint();
        }
        if self.view.habits != before {
            self.view.habits.keep(ui.ctx());
        }
        ctx.actions.append(&mut self.state.take_actions());
        self.schedule(ui);
    }

    fn commands(&self) -> Vec<PageCommand> {
        commands::commands(&self.state, &self.view)
    }

    fn run(&mut self, command: &'static str, ctx: &mut Context<'_>) {
        let before = self.view.habits;
        if let Some(intent) = commands::intent(command, &mut self.state, &mut self.view) {
            self.carry_out(intent, ctx);
        }
        ctx.actions.append(&mut self.state.take_actions());
        if let Some(egui) = &self.egui {
            if self.view.habits != before {
                self.view.habits.keep(egui);
            }
            egui.request_repaint();
        }
    }

    fn activity(&self) -> Option<Activity> {
        if let Some(activity) = self.view.compare.activity() {
            return Some(activity);
        }
        let (conversation, writing) = self.state.writer()?;
        let reply = conversation.tree.reply(writing.node)?;
        let figures = &reply.figures;
        let known = writing.progress.as_ref().filter(|progress| progress.total > 0);
        let fraction = known.map(|Progress { done, total, .. }| *done as f32 / *total as f32);
        let label = match (&writing.progress, self.state.n_writing()) {
            (Some(progress), _) => stage_text(progress),
            (None, 1) => "Writing a reply".to_owned(),
            (None, n) => format!("Writing {n} replies"),
        };
        let mut shown = Vec::new();
        if let Some(ttft) = figures.ttft_ms {
            shown.push(("TTFT", format!("{ttft:.0} ms")));
        }
        if let Some(rate) = figures.tokens_per_sec() {
            shown.push(("Speed", format!("{rate:.1} tok/s")));
        }
        if let Some(rate) = figures.speculation.acceptance_rate() {
            shown.push(("Accepted", format!("{:.0} %", 1e2 * rate)));
        }
        Some(Activity { label, fraction, figures: shown, stop: Some(commands::STOP) })
    }
}

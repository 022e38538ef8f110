//! The page: draws, and carries out what was pressed.

mod files;
mod sound;

use std::{
    collections::VecDeque,
    path::PathBuf,
    time::{Duration, Instant},
};

use eframe::egui::{self, Button, CentralPanel, Frame, Margin, Panel, Ui};

use self::files::sound_folder;
use super::{
    commands::{self, commands, toggle_lane},
    composer::{blocked, composer_ui, has_voice},
    difference::Comparer,
    export::ExportDialog,
    files::{Content, Files},
    lanes::{Lane, LaneLayout},
    playback::{Playing, What},
    stage::{Stage, recall_lanes, remember_lanes},
    state::SpeakState,
    take::{Take, TakeId},
    takes::takes_ui,
    transport::transport_ui,
};
use crate::{
    domain::{ProsodyControls, Stage as Work},
    engine::{EngineJob, SpeakEvent, Speech},
    settings::Settings,
    ui::{
        Action, Activity, Context, Page, PageCommand, Toast,
        dialogs::{Dialog, Pick},
        theme,
        widgets::empty_state_ui,
    },
};

/// Time between two frames while the play cursor moves.
const PLAY_FRAME: Duration = Duration::from_millis(16);

/// How far one press of a key zooms.
const ZOOM_STEP: f64 = 1.5;

/// How far one press of a key scrolls, of what is seen.
const SCROLL_STEP: f64 = 0.2;

/// Something that was pressed while the page was drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Request {
    /// One of the page's commands.
    Run(&'static str),
    /// Play this.
    Play(What),
    /// Play the take from its start.
    Replay,
    /// Show this take alone.
    Select(TakeId),
    /// Show this take beside the others, or no longer.
    Compare(TakeId),
}

/// See the module.
pub struct SpeakPage {
    /// What the page knows.
    pub state: SpeakState,
    /// The takes being made, in the state's order.
    jobs: VecDeque<(TakeId, EngineJob<SpeakEvent, Speech>)>,
    playing: Option<Playing>,
    /// Whether the samples of the take being made go to the player.
    autoplay: bool,
    stage: Stage,
    comparer: Comparer,
    files: Files,
    export: Option<ExportDialog>,
    /// The system's dialog that asks for a TextGrid.
    opening: Option<Dialog>,
    /// The file of the user's dictionary.
    dictionary: PathBuf,
    /// Where the last export went.
    folder: PathBuf,
    /// To repaint from outside a frame; known from the first frame on.
    egui: Option<egui::Context>,
    /// The panels as they were kept last, alone and compared.
    kept_lanes: [LaneLayout; 2],
}

impl SpeakPage {
    /// The page as it is at the start; `dictionary` is the file of the user's pronunciations.
    pub fn new(settings: &Settings, dictionary: PathBuf) -> Self {
        Self {
            state: SpeakState::new(settings.speak.clone()),
            jobs: VecDeque::new(),
            playing: None,
            autoplay: false,
            stage: Stage::default(),
            comparer: Comparer::default(),
            files: Files::default(),
            export: None,
            opening: None,
            dictionary,
            folder: sound_folder(),
            egui: None,
            kept_lanes: [LaneLayout::default(), LaneLayout::compared()],
        }
    }

    fn repaint(&self) {
        if let Some(egui) = &self.egui {
            egui.request_repaint();
        }
    }

    fn centre_ui(
        &mut self,
        ui: &mut Ui,
        ctx: &mut Context<'_>,
        commands: &[PageCommand],
        requests: &mut Vec<Request>,
    ) {
        if self.state.takes.iter().all(|take| !self.state.shows(take.id) || take.is_empty()) {
            empty_ui(ui, &self.state, ctx, requests);
            return;
        }
        transport_ui(ui, &mut self.state, commands, self.playing.is_some(), requests);
        let playhead = self.playhead_secs(ctx);
        let map = ctx.settings.appearance.color_map;
        if let Some(wish) = self.stage.ui(ui, &mut self.state, playhead, map) {
            self.switch(ctx, |state| state.switch_to(wish.take));
            requests.push(Request::Play(wish.what));
        }
        let lanes = [self.state.lanes, self.state.compared_lanes];
        if lanes != self.kept_lanes {
            self.kept_lanes = lanes;
            remember_lanes(ui.ctx(), &self.state);
        }
    }
}

impl Page for SpeakPage {
    fn title(&self) -> &'static str {
        "Speak"
    }

    fn logic(&mut self, ctx: &mut Context<'_>) {
        if self.state.options != ctx.settings.speak {
            self.state.options.clone_from(&ctx.settings.speak);
        }
        let systems = || ctx.models.iter().filter(|model| model.kind.is_voice());
        if !systems().map(|model| &model.id).eq(&self.state.systems) {
            self.state.systems = systems().map(|model| model.id.clone()).collect();
            self.state.kinds = systems().map(|model| model.kind).collect();
        }
        self.drain(ctx);
        self.follow(ctx);
        self.drain_files(ctx);
        self.save_dictionary();
        if let Some(egui) = &self.egui {
            self.comparer.follow(&mut self.state, egui);
        }
        self.state.blocked = blocked(&self.state.text, &self.state.options, ctx.models);
    }

    fn ui(&mut self, ui: &mut Ui, ctx: &mut Context<'_>) {
        let is_first_frame = self.egui.is_none();
        if is_first_frame {
            self.egui = Some(ui.ctx().clone());
            recall_lanes(ui.ctx(), &mut self.state);
            self.kept_lanes = [self.state.lanes, self.state.compared_lanes];
            self.files.read_dictionary(ui.ctx(), self.dictionary.clone());
        }
        self.drops(ui);
        let commands = self.commands();
        let mut requests = Vec::new();
        let gap = theme::GAP as i8;
        let below = Frame::NONE.inner_margin(Margin { bottom: gap, ..Margin::ZERO });
        Panel::top("speak-composer")
            .resizable(true)
            .default_size(172.0)
            .min_size(160.0)
            .frame(below)
            .show(ui, |ui| {
                let state = &mut self.state;
                composer_ui(ui, state, ctx.models, &commands, is_first_frame, &mut requests);
            });
        let beside = Frame::NONE.inner_margin(Margin { left: gap, top: gap, ..Margin::ZERO });
        Panel::right("speak-takes")
            .resizable(true)
            .default_size(270.0)
            .min_size(200.0)
            .frame(beside)
            .show(ui, |ui| takes_ui(ui, &mut self.state, &commands, &mut requests));
        let centre = Frame::NONE.inner_margin(Margin { right: gap, top: gap, ..Margin::ZERO });
        CentralPanel::no_frame().frame(centre).show(ui, |ui| {
            self.centre_ui(ui, ctx, &commands, &mut requests);
        });
        self.export_ui(ui);
        self.dictionary_ui(ui, ctx);
        for request in requests {
            match request {
                Request::Run(command) => self.run(command, ctx),
                Request::Play(what) => self.play(what, ctx),
                Request::Replay => self.play(What::From(0.0), ctx),
                Request::Select(id) => self.switch(ctx, |state| state.select(id)),
                Request::Compare(id) => self.switch(ctx, |state| state.toggle_compared(id)),
            }
        }
        if self.state.options != ctx.settings.speak {
            ctx.settings.speak.clone_from(&self.state.options);
        }
        if self.playing.is_some() {
            ui.ctx().request_repaint_after(PLAY_FRAME);
        }
    }

    fn commands(&self) -> Vec<PageCommand> {
        commands(&self.state, self.playing.is_some())
    }

    fn run(&mut self, command: &'static str, ctx: &mut Context<'_>) {
        let middle = f64::midpoint(self.state.view.time.start, self.state.view.time.end);
        let span = self.state.view.time.span();
        match command {
            commands::SPEAK => self.speak(ctx),
            commands::STOP => self.stop(ctx),
            commands::PLAY => self.play_or_pause(ctx),
            commands::PLAY_SELECTION => self.play(What::Selection, ctx),
            commands::LOOP => self.toggle_loop(ctx),
            commands::FIT => self.state.fit(),
            commands::FIT_SELECTION => self.state.fit_selection(),
            commands::ZOOM_IN => self.state.zoom_time(ZOOM_STEP, middle),
            commands::ZOOM_OUT => self.state.zoom_time(1.0 / ZOOM_STEP, middle),
            commands::EARLIER => self.state.pan_time(-SCROLL_STEP * span),
            commands::LATER => self.state.pan_time(SCROLL_STEP * span),
            commands::START => self.go_to(0.0, ctx),
            commands::END => self.go_to(self.state.limits().full, ctx),
            commands::PREVIOUS => self.switch(ctx, |state| state.select_neighbour(-1)),
            commands::NEXT => self.switch(ctx, |state| state.select_neighbour(1)),
            commands::SWITCH => self.switch(ctx, SpeakState::switch_to_next),
            commands::COMPARE_PREVIOUS => self.state.compare_previous(),
            commands::END_COMPARISON => self.state.end_comparison(),
            commands::DIFFERENCE => self.state.toggle_difference(),
            commands::USE_SETTINGS => {
                if let Some(id) = self.state.selected {
                    self.state.use_settings(id);
                    ctx.settings.speak.clone_from(&self.state.options);
                }
            }
            commands::DELETE => {
                if let Some(id) = self.state.selected {
                    self.stop_making(id);
                    if self.playing.as_ref().is_some_and(|playing| playing.take == id) {
                        self.stop_playing(ctx);
                    }
                    self.state.delete(id);
                }
            }
            commands::UNDO_DELETE => self.state.undo_delete(),
            commands::EXPORT_WAV => {
                self.open_export(|take| {
                    Content::Wav(take.waveform.clone(), take.record.clone().map(Box::new))
                });
            }
            commands::EXPORT_MEL => {
                let map = ctx.settings.appearance.color_map;
                self.open_export(|take| {
                    let sentences = take.pieces.iter().map(|piece| piece.spoken.clone());
                    Content::MelPng(sentences.collect(), map)
                });
            }
            commands::EXPORT_TEXT_GRID => {
                self.open_export(|take| {
                    let sentences = take.pieces.iter();
                    let sentences = sentences.map(|it| (it.start_secs, it.spoken.clone()));
                    Content::TextGrid(sentences.collect(), take.duration_secs())
                });
            }
            commands::IMPORT_TEXT_GRID => {
                // A dialog that is open stays the only one.
                if let (None, Some(egui)) = (&self.opening, &self.egui) {
                    self.opening = Some(Dialog::open(egui, Pick::File("TextGrid")));
                }
            }
            commands::DICTIONARY => self.toggle_dictionary(),
            commands::UNDO_DICTIONARY => self.state.dictionary.undo(),
            commands::EDIT => self.state.editing ^= true,
            commands::SPEAK_EDIT => {
                if let Some(request) = self.state.edited_request() {
                    self.make(vec![request], ctx);
                }
            }
            commands::UNDO_EDIT => {
                self.state.selected_take_mut().into_iter().for_each(Take::undo_edit);
            }
            commands::REDO_EDIT => {
                self.state.selected_take_mut().into_iter().for_each(Take::redo_edit);
            }
            commands::FORGET_GIVEN => self.state.given = None,
            commands::COPY_PHONEMES => {
                if let (Some(take), Some(egui)) = (self.state.selected_take(), &self.egui) {
                    egui.copy_text(take.arpabet());
                    let text = format!("Copied {} phonemes", take.phonemes.len());
                    ctx.actions.push(Action::Toast(Toast::info(text)));
                }
            }
            commands::RESET_PROSODY => {
                self.state.options.controls = ProsodyControls::default();
                ctx.settings.speak.controls = ProsodyControls::default();
            }
            commands::RESET_PANELS => {
                self.state.lanes = LaneLayout::default();
                self.state.compared_lanes = LaneLayout::compared();
            }
            other => {
                let nudge = commands::NUDGES.into_iter().find(|(id, ..)| *id == other);
                if let Some((_, _, quality, steps)) = nudge {
                    self.state.nudge(quality, steps);
                }
                if let Some(lane) = Lane::ALL.into_iter().find(|lane| toggle_lane(*lane).0 == other)
                {
                    self.state.layout_mut().toggle(lane);
                }
            }
        }
        self.repaint();
    }

    fn activity(&self) -> Option<Activity> {
        let Some(speaking) = &self.state.speaking else {
            return self.playing.as_ref().map(|_| Activity {
                label: "Playing".to_owned(),
                stop: Some(commands::STOP),
                ..Activity::default()
            });
        };
        let loads = |stage| matches!(stage, Work::Load | Work::Queue | Work::Verify);
        let mut label = match &speaking.progress {
            Some(progress) if loads(progress.stage) => format!("Loading {}", progress.subject),
            Some(progress) if progress.total > 1 => {
                format!("Speaking sentence {} of {}", progress.done + 1, progress.total)
            }
            _ => "Speaking".to_owned(),
        };
        match self.state.waiting.len() {
            0 => (),
            1 => label.push_str(", one more system waits"),
            n => label.push_str(&format!(", {n} more systems wait")),
        }
        let mut figures = Vec::new();
        if let Some(rtf) = self.state.live_rtf(Instant::now()) {
            figures.push(("RTF", format!("{rtf:.3}")));
        }
        let take = self.state.takes.iter().find(|take| take.id == speaking.take);
        if let Some(first_audio) = take.and_then(|take| take.first_audio) {
            figures.push(("First audio", format!("{} ms", first_audio.as_millis())));
        }
        let fraction = self.state.fraction();
        Some(Activity { label, fraction, figures, stop: Some(commands::STOP) })
    }

    fn receive(&mut self, action: &Action, ctx: &mut Context<'_>) {
        if let Action::Speak(text) = action {
            self.state.text.clone_from(text);
            self.speak(ctx);
        }
    }
}

/// What stands in the centre while there is nothing to see: what to do.
fn empty_ui(ui: &mut Ui, state: &SpeakState, ctx: &mut Context<'_>, requests: &mut Vec<Request>) {
    if state.speaking.is_some() {
        empty_state_ui(ui, "Speaking", "The first sentence is on its way.", |_| ());
    } else if has_voice(ctx.models) {
        let words = "Waveform, mel, phonemes, pitch and energy of a take are shown here.";
        empty_state_ui(ui, "Nothing is spoken yet", words, |ui| {
            let speak =
                ui.add_enabled(state.blocked.is_none(), Button::new("Speak the text above"));
            let speak = speak.on_disabled_hover_text(state.blocked.unwrap_or_default());
            if speak.clicked() {
                requests.push(Request::Run(commands::SPEAK));
            }
        });
    } else {
        let words = "Formant speaks with the voices in its models folder, and none is there.";
        empty_state_ui(ui, "No voice is here", words, |ui| {
            if ui.button("Open Models").clicked() {
                ctx.actions.push(Action::Show("Models"));
            }
        });
    }
}

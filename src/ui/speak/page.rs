//! The page: drains the engine and the files' threads, draws, and carries out what was pressed.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use eframe::egui::{
    self, Align2, Button, CentralPanel, Frame, Id, LayerId, Margin, Order, Panel, TextStyle, Ui,
};

use super::{
    commands::{self, commands, toggle_lane},
    composer::{blocked, composer_ui, has_voice},
    export::{ExportDialog, Pressed, Progress as ExportProgress},
    files::{Content, FileEvent, Files, Written},
    lanes::{Lane, LaneLayout},
    playback::{Playing, What},
    stage::{Stage, recall_lanes, remember_lanes},
    state::SpeakState,
    take::Take,
    takes::takes_ui,
    transport::transport_ui,
};
use crate::{
    audio::{Fate, Loops},
    domain::{ModelInfo, ProsodyControls, SpeechRecord, Stage as Work, VocoderChoice},
    engine::{EngineJob, SpeakEvent, SpeakRequest, Speech},
    job::Update,
    library::catalog,
    settings::Settings,
    ui::{
        Action, Activity, Context, Page, PageCommand, Toast,
        theme::{self, Hue},
        widgets::empty_state_ui,
    },
};

/// How long one frame may listen to the engine.
const DRAIN_BUDGET: Duration = Duration::from_millis(10);

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
}

/// See the module.
pub struct SpeakPage {
    /// What the page knows.
    pub state: SpeakState,
    job: Option<EngineJob<SpeakEvent, Speech>>,
    playing: Option<Playing>,
    /// Whether the samples of the take being made go to the player.
    autoplay: bool,
    stage: Stage,
    files: Files,
    export: Option<ExportDialog>,
    /// Where the last export went.
    folder: PathBuf,
    /// To repaint from outside a frame; known from the first frame on.
    egui: Option<egui::Context>,
    /// The panels as they were kept last.
    kept_lanes: LaneLayout,
}

impl SpeakPage {
    /// The page as it is at the start.
    pub fn new(settings: &Settings) -> Self {
        Self {
            state: SpeakState::new(settings.speak.clone()),
            job: None,
            playing: None,
            autoplay: false,
            stage: Stage::default(),
            files: Files::default(),
            export: None,
            folder: sound_folder(),
            egui: None,
            kept_lanes: LaneLayout::default(),
        }
    }

    fn repaint(&self) {
        if let Some(egui) = &self.egui {
            egui.request_repaint();
        }
    }

    /// Asks the engine for the text as it stands; a take under way is stopped and kept.
    fn speak(&mut self, ctx: &mut Context<'_>) {
        if let Some(why) = blocked(&self.state.text, &self.state.options, ctx.models) {
            ctx.actions.push(Action::Toast(Toast::error(format!("Nothing was spoken.\n{why}."))));
            return;
        }
        self.stop(ctx);
        let request = self.state.request();
        let record = record(&request, ctx);
        self.job = Some(ctx.engine.speak(request.clone()));
        self.autoplay = true;
        self.state.begin(request, record, Instant::now());
    }

    /// Stops speaking and playing; what was made is kept.
    fn stop(&mut self, ctx: &mut Context<'_>) {
        if let Some(job) = self.job.take() {
            // What has arrived already is made: keep it.
            while let Some(Update::Event(event)) = job.poll() {
                self.state.apply(event, Instant::now());
            }
            self.state.stop_speaking();
        }
        self.stop_playing(ctx);
    }

    fn stop_playing(&mut self, ctx: &mut Context<'_>) {
        self.autoplay = false;
        if let Some(playing) = self.playing.take() {
            playing.stop(ctx.player);
        }
    }

    /// Takes in what the engine has sent, for as long as a frame may.
    fn drain(&mut self, ctx: &mut Context<'_>) {
        let Some(job) = self.job.take() else { return };
        let begun = Instant::now();
        loop {
            match job.poll() {
                None => break,
                Some(Update::Event(event)) => self.take_in(event, ctx),
                Some(Update::Done(outcome)) => {
                    self.end(ctx);
                    let toast = self.state.finish(outcome);
                    ctx.actions.extend(toast.map(Action::Toast));
                    return;
                }
                Some(Update::Lost) => {
                    self.end(ctx);
                    let toast = self.state.lose();
                    ctx.actions.extend(toast.map(Action::Toast));
                    return;
                }
            }
            if begun.elapsed() > DRAIN_BUDGET {
                self.repaint();
                break;
            }
        }
        self.job = Some(job);
    }

    fn take_in(&mut self, event: SpeakEvent, ctx: &mut Context<'_>) {
        if let (SpeakEvent::Samples { sample_rate, samples }, Some(speaking)) =
            (&event, &self.state.speaking)
        {
            let take = speaking.take;
            if std::mem::take(&mut self.autoplay) {
                self.playing = Some(Playing::stream(take, *sample_rate, ctx.player));
            }
            let stream = self.playing.as_ref().and_then(|playing| playing.stream_of(take));
            if let Some(stream) = stream {
                ctx.player.push(stream, samples);
            }
        }
        self.state.apply(event, Instant::now());
    }

    /// No more samples will come.
    fn end(&mut self, ctx: &mut Context<'_>) {
        self.autoplay = false;
        let take = self.state.speaking.as_ref().map(|speaking| speaking.take);
        let playing = take.zip(self.playing.as_ref());
        if let Some(stream) = playing.and_then(|(take, playing)| playing.stream_of(take)) {
            ctx.player.end_stream(stream);
        }
    }

    /// Follows the player: another round of a loop, the end, another's sound in the place of this,
    /// the page that turns with the cursor.
    fn follow(&mut self, ctx: &mut Context<'_>) {
        let Some(playing) = &self.playing else { return };
        match playing.fate(ctx.player) {
            Fate::Playing => (),
            Fate::Over => return self.playing = playing.next(&self.state, ctx.player),
            Fate::Displaced => return self.playing = None,
        }
        if let Some(secs) = self.playhead_secs(ctx)
            && !self.state.view.fitted
        {
            let limits = self.state.limits();
            self.state.view.time = self.state.view.time.following(secs, limits);
        }
    }

    /// Where the play cursor is in the selected take.
    fn playhead_secs(&self, ctx: &Context<'_>) -> Option<f64> {
        let take = self.state.selected_take()?;
        self.playing.as_ref()?.position_secs(take, ctx.player)
    }

    fn play(&mut self, what: What, ctx: &mut Context<'_>) {
        if matches!(what, What::Seek(_)) && self.playing.is_none() {
            return;
        }
        self.autoplay = false;
        self.playing = Playing::start(&mut self.state, ctx.player, what);
    }

    fn play_or_pause(&mut self, ctx: &mut Context<'_>) {
        if self.playing.is_some() {
            self.state.paused_secs = self.playhead_secs(ctx);
            self.stop_playing(ctx);
        } else {
            self.play(What::FromCursor, ctx);
        }
    }

    fn toggle_loop(&mut self, ctx: &mut Context<'_>) {
        self.state.loops = match self.state.loops {
            Loops::Once => Loops::Forever,
            Loops::Forever => Loops::Once,
        };
        if self.state.loops == Loops::Once
            && let Some(playing) = self.playing.as_mut().filter(|playing| playing.is_endless())
            && let Some(take) = self.state.takes.iter().find(|take| take.id == playing.take)
        {
            playing.unloop(take, ctx.player);
        }
    }

    fn go_to(&mut self, secs: f64, ctx: &mut Context<'_>) {
        self.state.cursor_secs = secs;
        self.state.paused_secs = None;
        self.play(What::Seek(secs), ctx);
        let limits = self.state.limits();
        self.state.view.time = self.state.view.time.following(secs, limits);
    }

    fn drain_files(&mut self, ctx: &mut Context<'_>) {
        while let Some(event) = self.files.poll() {
            match event {
                FileEvent::Read { path, outcome: Ok(restored) } => {
                    let name = path.file_stem().map_or_else(
                        || "Dropped sound".to_owned(),
                        |stem| stem.to_string_lossy().into_owned(),
                    );
                    if restored.record.is_none() {
                        ctx.actions.push(Action::Toast(Toast::info(format!(
                            "{name} was not written by Formant: it has a sound, but no text or options to restore."
                        ))));
                    }
                    self.stop_playing(ctx);
                    self.state.restore(name, *restored);
                    ctx.settings.speak.clone_from(&self.state.options);
                }
                FileEvent::Read { outcome: Err(why), .. } => {
                    ctx.actions.push(Action::Toast(Toast::error(format!(
                        "The dropped file was not opened.\n{why}\nDrop a WAV file."
                    ))));
                }
                FileEvent::Chosen(chosen) => {
                    if let Some(dialog) = &mut self.export {
                        if let Some(path) = chosen {
                            dialog.path = path.display().to_string();
                        }
                        dialog.progress = ExportProgress::Asking;
                    }
                }
                FileEvent::Written(written) => self.hear_of_export(written, ctx),
            }
        }
    }

    fn hear_of_export(&mut self, written: Written, ctx: &mut Context<'_>) {
        match written {
            Written::Done(path) => {
                if let Some(folder) = path.parent() {
                    folder.clone_into(&mut self.folder);
                }
                self.export = None;
                let text = format!("Exported {}", path.display());
                ctx.actions.push(Action::Toast(Toast::info(text)));
            }
            Written::Exists(path) => {
                if let Some(dialog) = &mut self.export {
                    dialog.progress = ExportProgress::Exists(path);
                }
            }
            Written::Failed(why) => {
                if let Some(dialog) = &mut self.export {
                    dialog.progress = ExportProgress::Asking;
                }
                ctx.actions.push(Action::Toast(Toast::error(why)));
            }
        }
    }

    fn open_export(&mut self, content: impl FnOnce(&Take) -> Content) {
        if let Some(take) = self.state.selected_take() {
            self.export = Some(ExportDialog::new(content(take), take, &self.folder));
        }
    }

    fn export_ui(&mut self, ui: &Ui) {
        let Some(dialog) = &mut self.export else { return };
        match dialog.ui(ui.ctx()) {
            Pressed::Nothing => (),
            Pressed::Browse => {
                dialog.progress = ExportProgress::Browsing;
                self.files.browse(ui.ctx(), &dialog.target());
            }
            Pressed::Export(overwrite) => {
                let (path, content) = (dialog.target(), dialog.content.clone());
                dialog.progress = ExportProgress::Writing;
                self.files.write(ui.ctx(), path, content, overwrite);
            }
            Pressed::Cancel => self.export = None,
        }
    }

    /// Reads what is dropped on the window while this page is shown, and says before that it may be.
    fn drops(&self, ui: &Ui) {
        if ui.input(|input| !input.raw.hovered_files.is_empty()) {
            let words = "Drop a WAV that Formant wrote to get its take back";
            let layer = LayerId::new(Order::Foreground, Id::unique("speak-drop"));
            let painter = ui.ctx().layer_painter(layer);
            let area = ui.max_rect();
            let shade = theme::color(Hue::Page, ui.visuals()).gamma_multiply(0.85);
            painter.rect_filled(area, 0.0, shade);
            let font = TextStyle::Heading.resolve(ui.style());
            let ink = theme::color(Hue::Text, ui.visuals());
            painter.text(area.center(), Align2::CENTER_CENTER, words, font, ink);
        }
        for file in ui.input(|input| input.raw.dropped_files.clone()) {
            self.files.read(ui.ctx(), file.path().to_owned());
        }
    }

    fn centre_ui(
        &mut self,
        ui: &mut Ui,
        ctx: &mut Context<'_>,
        commands: &[PageCommand],
        requests: &mut Vec<Request>,
    ) {
        if self.state.selected_take().is_none_or(Take::is_empty) {
            empty_ui(ui, &self.state, ctx, requests);
            return;
        }
        transport_ui(ui, &mut self.state, commands, self.playing.is_some(), requests);
        let playhead = self.playhead_secs(ctx);
        let map = ctx.settings.appearance.color_map;
        if let Some(what) = self.stage.ui(ui, &mut self.state, playhead, map) {
            requests.push(Request::Play(what));
        }
        if self.state.lanes != self.kept_lanes {
            self.kept_lanes = self.state.lanes;
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
        self.drain(ctx);
        self.follow(ctx);
        self.drain_files(ctx);
        self.state.blocked = blocked(&self.state.text, &self.state.options, ctx.models);
    }

    fn ui(&mut self, ui: &mut Ui, ctx: &mut Context<'_>) {
        let is_first_frame = self.egui.is_none();
        if is_first_frame {
            self.egui = Some(ui.ctx().clone());
            recall_lanes(ui.ctx(), &mut self.state);
            self.kept_lanes = self.state.lanes;
        }
        self.drops(ui);
        let commands = self.commands();
        let mut requests = Vec::new();
        let gap = theme::GAP as i8;
        let below = Frame::NONE.inner_margin(Margin { bottom: gap, ..Margin::ZERO });
        Panel::top("speak-composer")
            .resizable(true)
            .default_size(140.0)
            .min_size(128.0)
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
        for request in requests {
            match request {
                Request::Run(command) => self.run(command, ctx),
                Request::Play(what) => self.play(what, ctx),
                Request::Replay => self.play(What::From(0.0), ctx),
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
            commands::PREVIOUS => self.state.select_neighbour(-1),
            commands::NEXT => self.state.select_neighbour(1),
            commands::USE_SETTINGS => {
                if let Some(id) = self.state.selected {
                    self.state.use_settings(id);
                    ctx.settings.speak.clone_from(&self.state.options);
                }
            }
            commands::DELETE => {
                if let Some(id) = self.state.selected {
                    if self.state.speaking.as_ref().is_some_and(|speaking| speaking.take == id) {
                        self.stop(ctx);
                    }
                    if self.playing.as_ref().is_some_and(|playing| playing.take == id) {
                        self.stop_playing(ctx);
                    }
                    self.state.delete(id);
                }
            }
            commands::UNDO_DELETE => self.state.undo_delete(),
            commands::EXPORT_WAV => {
                self.open_export(|take| Content::Wav(take.waveform.clone(), take.record.clone()));
            }
            commands::EXPORT_MEL => {
                let map = ctx.settings.appearance.color_map;
                self.open_export(|take| {
                    let sentences = take.pieces.iter().map(|piece| piece.spoken.clone());
                    Content::MelPng(sentences.collect(), map)
                });
            }
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
            commands::RESET_PANELS => self.state.lanes = LaneLayout::default(),
            other => {
                if let Some(lane) = Lane::ALL.into_iter().find(|lane| toggle_lane(*lane).0 == other)
                {
                    self.state.lanes.toggle(lane);
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
        let label = match &speaking.progress {
            Some(progress) if loads(progress.stage) => format!("Loading {}", progress.subject),
            Some(progress) if progress.total > 1 => {
                format!("Speaking sentence {} of {}", progress.done + 1, progress.total)
            }
            _ => "Speaking".to_owned(),
        };
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

/// What is known of a take's making before the engine tells: for one that is stopped half-way.
fn record(request: &SpeakRequest, ctx: &Context<'_>) -> SpeechRecord {
    let sha256 = |id: &str| {
        let model = ctx.models.iter().find(|model: &&ModelInfo| model.id == id);
        model.map_or_else(String::new, |model| model.sha256.clone())
    };
    SpeechRecord {
        text: request.text.clone(),
        voice: request.voice.clone(),
        voice_sha256: sha256(&request.voice),
        vocoder: request.vocoder,
        vocoder_sha256: match request.vocoder {
            VocoderChoice::HifiGan => sha256(catalog::VOCODER),
            VocoderChoice::GriffinLim => String::new(),
        },
        controls: request.controls,
        seed: request.seed,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        device: ctx.status.device.clone(),
    }
}

/// Where exports go at first: the user's folder for sound, else for everything.
fn sound_folder() -> PathBuf {
    let folders = directories::UserDirs::new();
    let folder = folders.as_ref().map(|folders| {
        folders.audio_dir().or(folders.document_dir()).unwrap_or(folders.home_dir()).to_owned()
    });
    folder.unwrap_or_default()
}

//! Speaking and playing: what goes to the engine and the player, and what comes back.

use std::time::{Duration, Instant};

use super::{
    super::{
        composer::blocked,
        playback::{Onward, Playing, What},
        state::SpeakState,
        take::TakeId,
    },
    SpeakPage,
};
use crate::{
    audio::{Fate, Loops},
    domain::{ModelInfo, SpeechRecord, VocoderChoice},
    engine::{SpeakEvent, SpeakRequest},
    job::Update,
    library::catalog,
    ui::{Action, Context, Toast},
};

/// How long one frame may listen to the engine.
const DRAIN_BUDGET: Duration = Duration::from_millis(10);

impl SpeakPage {
    /// Asks the engine for the text as it stands; a take under way is stopped and kept.
    pub(super) fn speak(&mut self, ctx: &mut Context<'_>) {
        if let Some(why) = blocked(&self.state.text, &self.state.options, ctx.models) {
            ctx.actions.push(Action::Toast(Toast::error(format!("Nothing was spoken.\n{why}."))));
            return;
        }
        self.make(self.state.requests(), ctx);
    }

    /// Makes a take of each request; one under way is stopped and kept.
    pub(super) fn make(&mut self, requests: Vec<SpeakRequest>, ctx: &mut Context<'_>) {
        self.stop(ctx);
        // All stand in the engine's line at once, so that it never waits for a frame of the window.
        for request in requests {
            let record = record(&request, ctx);
            let job = ctx.engine.speak(request.clone());
            let take = self.state.begin(request, record, Instant::now());
            self.jobs.push_back((take, job));
        }
        self.autoplay = true;
    }

    /// Stops speaking and playing; what was made is kept.
    pub(super) fn stop(&mut self, ctx: &mut Context<'_>) {
        if let Some((_, job)) = self.jobs.pop_front() {
            // What has arrived already is made: keep it.
            while let Some(Update::Event(event)) = job.poll() {
                self.state.apply(event, Instant::now());
            }
        }
        self.jobs.clear();
        self.state.stop_speaking();
        self.stop_playing(ctx);
    }

    /// A take is not made, or no further; those after it go on.
    pub(super) fn stop_making(&mut self, id: TakeId) {
        self.jobs.retain(|(take, _)| *take != id);
        self.state.leave_unmade(id, Instant::now());
    }

    pub(super) fn stop_playing(&mut self, ctx: &mut Context<'_>) {
        self.autoplay = false;
        if let Some(playing) = self.playing.take() {
            playing.stop(ctx.player);
        }
    }

    /// Takes in what the engine has sent, for as long as a frame may.
    pub(super) fn drain(&mut self, ctx: &mut Context<'_>) {
        let begun = Instant::now();
        while let Some((take, job)) = self.jobs.pop_front() {
            let toast = loop {
                match job.poll() {
                    None => return self.jobs.push_front((take, job)),
                    Some(Update::Event(event)) => self.take_in(event, ctx),
                    Some(Update::Done(outcome)) => {
                        self.end(ctx);
                        break self.state.finish(outcome, Instant::now());
                    }
                    Some(Update::Lost) => {
                        self.end(ctx);
                        self.jobs.clear();
                        break self.state.lose();
                    }
                }
                if begun.elapsed() > DRAIN_BUDGET {
                    self.repaint();
                    return self.jobs.push_front((take, job));
                }
            };
            ctx.actions.extend(toast.map(Action::Toast));
        }
    }

    pub(super) fn take_in(&mut self, event: SpeakEvent, ctx: &mut Context<'_>) {
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

    /// No more samples will come of the take that was made.
    pub(super) fn end(&mut self, ctx: &mut Context<'_>) {
        // Where the first system had nothing to say, the next one is heard.
        self.autoplay &= !self.jobs.is_empty();
        let take = self.state.speaking.as_ref().map(|speaking| speaking.take);
        let playing = take.zip(self.playing.as_ref());
        if let Some(stream) = playing.and_then(|(take, playing)| playing.stream_of(take)) {
            ctx.player.end_stream(stream);
        }
    }

    /// Follows the player: another round of a loop, the end, another's sound in the place of this,
    /// the page that turns with the cursor.
    pub(super) fn follow(&mut self, ctx: &mut Context<'_>) {
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
    pub(super) fn playhead_secs(&self, ctx: &Context<'_>) -> Option<f64> {
        let take = self.state.selected_take()?;
        self.playing.as_ref()?.position_secs(take, ctx.player)
    }

    pub(super) fn play(&mut self, what: What, ctx: &mut Context<'_>) {
        if matches!(what, What::Seek(_)) && self.playing.is_none() {
            return;
        }
        self.autoplay = false;
        self.playing = Playing::start(&mut self.state, ctx.player, what);
    }

    /// Changes which take is selected. What plays goes on in the take that is selected then, from
    /// where it was, or stops at that take's end.
    pub(super) fn switch(&mut self, ctx: &mut Context<'_>, choose: impl FnOnce(&mut SpeakState)) {
        let before = self.state.selected;
        let secs = self.playhead_secs(ctx);
        choose(&mut self.state);
        if self.state.selected == before {
            return;
        }
        let Some(playing) = &self.playing else { return };
        match Onward::new(&self.state, secs, playing.is_endless()) {
            Onward::Play(what) => self.play(what, ctx),
            Onward::End(secs) => {
                self.stop_playing(ctx);
                self.state.cursor_secs = secs;
            }
        }
    }

    pub(super) fn play_or_pause(&mut self, ctx: &mut Context<'_>) {
        if self.playing.is_some() {
            self.state.paused_secs = self.playhead_secs(ctx);
            self.stop_playing(ctx);
        } else {
            self.play(What::FromCursor, ctx);
        }
    }

    pub(super) fn toggle_loop(&mut self, ctx: &mut Context<'_>) {
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

    pub(super) fn go_to(&mut self, secs: f64, ctx: &mut Context<'_>) {
        self.state.cursor_secs = secs;
        self.state.paused_secs = None;
        self.play(What::Seek(secs), ctx);
        let limits = self.state.limits();
        self.state.view.time = self.state.view.time.following(secs, limits);
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
        vocoder: request.vocoder.clone(),
        vocoder_sha256: match &request.vocoder {
            VocoderChoice::HifiGan => sha256(catalog::VOCODER),
            VocoderChoice::GriffinLim => String::new(),
            VocoderChoice::Model(id) => sha256(id),
        },
        controls: request.controls,
        options: request.options,
        pronunciations: request.pronunciations.clone().unwrap_or_default(),
        given: request.given.clone(),
        seed: request.seed,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        device: ctx.status.device.clone(),
    }
}

//! Takes while they are made: one after the other, each growing as events come.

use std::time::{Duration, Instant};

use super::{SpeakState, Speaking};
use crate::{
    domain::{SpeechRecord, Stage},
    engine::{Error, ErrorKind, SpeakEvent, SpeakRequest, Speech},
    ui::{
        Toast,
        speak::{
            edits::Edits,
            take::{Phase, Take, TakeId},
        },
    },
};

impl SpeakState {
    /// Adds a take to those being made. If there is none, it begins now, is selected and shown as it
    /// grows; else it waits for its turn, and is shown beside them. `record` is what is known of its
    /// making beforehand, for a take that is stopped half-way.
    pub fn begin(&mut self, request: SpeakRequest, record: SpeechRecord, now: Instant) -> TakeId {
        let id = self.fresh_id();
        let mut take = Take::new(id, Some(request));
        take.record = Some(record);
        if self.speaking.is_none() {
            self.add(take);
            self.speaking = Some(Speaking { take: id, since: now, progress: None });
        } else {
            take.phase = Phase::Waiting;
            self.takes.push(take);
            self.waiting.push_back(id);
            self.compare(id);
        }
        id
    }

    /// Takes in what the engine says of the take being made.
    pub fn apply(&mut self, event: SpeakEvent, now: Instant) {
        let Some(speaking) = &mut self.speaking else { return };
        let Some(take) = self.takes.iter_mut().find(|take| take.id == speaking.take) else {
            return;
        };
        match event {
            SpeakEvent::Progress(progress) => {
                if matches!(progress.stage, Stage::Load | Stage::Queue) {
                    speaking.since = now;
                }
                speaking.progress = Some(progress);
            }
            SpeakEvent::Sentence(sentence) => take.push_sentence(sentence),
            SpeakEvent::Samples { sample_rate, samples } => {
                take.first_audio.get_or_insert(now.saturating_duration_since(speaking.since));
                take.push_samples(sample_rate, &samples);
            }
            SpeakEvent::Pitch { sentence_idx, f0_hz } => take.set_pitch(sentence_idx, f0_hz),
        }
        let id = speaking.take;
        self.refit_if_shown(id);
    }

    /// The end of the take being made; the next one that waits begins. Says what the user should
    /// hear of it.
    pub fn finish(&mut self, outcome: Result<Speech, Error>, now: Instant) -> Option<Toast> {
        let id = self.speaking.take()?.take;
        let toast = match outcome {
            Ok(speech) => {
                if let Some(take) = self.takes.iter_mut().find(|take| take.id == id) {
                    take.phase = Phase::Done;
                    take.first_audio = Some(speech.timing.first_audio);
                    take.timing = Some(speech.timing);
                    take.edits = Edits::new(speech.record.given.clone());
                    take.record = Some(speech.record);
                    take.warnings = speech.warnings;
                    take.n_sentences = speech.n_sentences;
                    take.waveform = speech.waveform;
                    take.revision += 1;
                }
                self.refit_if_shown(id);
                None
            }
            Err(error) => {
                let was_stopped = error.kind() == ErrorKind::Cancelled;
                self.end_early(id, if was_stopped { Phase::Stopped } else { Phase::Failed });
                (!was_stopped).then(|| Toast::error(explain(&error)))
            }
        };
        self.begin_next(now);
        toast
    }

    /// The engine went away without a word.
    pub fn lose(&mut self) -> Option<Toast> {
        let id = self.speaking.take()?.take;
        self.end_early(id, Phase::Failed);
        self.forget_waiting();
        Some(Toast::error(
            "Speech ended before its time.\nThe engine's thread is gone; the text is kept.\n\
             Start Formant again.",
        ))
    }

    /// Marks the take being made as stopped at once; what was made of it is kept. Those that wait
    /// are not made.
    pub fn stop_speaking(&mut self) {
        if let Some(speaking) = self.speaking.take() {
            self.end_early(speaking.take, Phase::Stopped);
        }
        self.forget_waiting();
    }

    /// A take will not be made, or no further; if it was at it, the next one begins.
    pub fn leave_unmade(&mut self, id: TakeId, now: Instant) {
        self.waiting.retain(|waiting| *waiting != id);
        if self.speaking.as_ref().is_some_and(|speaking| speaking.take == id) {
            self.speaking = None;
            self.begin_next(now);
        }
        if let Some(take) = self.takes.iter_mut().find(|take| take.id == id)
            && matches!(take.phase, Phase::Speaking | Phase::Waiting)
        {
            take.phase = Phase::Stopped;
        }
    }

    fn begin_next(&mut self, now: Instant) {
        let Some(id) = self.waiting.pop_front() else { return };
        self.speaking = Some(Speaking { take: id, since: now, progress: None });
        if let Some(take) = self.takes.iter_mut().find(|take| take.id == id) {
            take.phase = Phase::Speaking;
        }
    }

    fn forget_waiting(&mut self) {
        while let Some(id) = self.waiting.pop_front() {
            self.end_early(id, Phase::Stopped);
        }
    }

    /// Keeps what was made of a take; a take without anything goes.
    fn end_early(&mut self, id: TakeId, phase: Phase) {
        let Some(idx) = self.idx_of(id) else { return };
        if !self.takes[idx].is_empty() {
            self.takes[idx].phase = phase;
            return;
        }
        self.takes.remove(idx);
        self.put_out_of_sight(id);
        if self.selected.is_none()
            && let Some(last) = self.takes.last()
        {
            self.select(last.id);
        }
    }

    fn refit_if_shown(&mut self, id: TakeId) {
        if self.shows(id) {
            self.refit();
        }
    }

    /// Seconds of sound of the take being made, and how long that took.
    pub fn live_rtf(&self, now: Instant) -> Option<f64> {
        let speaking = self.speaking.as_ref()?;
        let take = self.takes.iter().find(|take| take.id == speaking.take)?;
        let made_secs = take.waveform.duration_secs();
        let elapsed: Duration = now.saturating_duration_since(speaking.since);
        (made_secs > 0.0).then(|| elapsed.as_secs_f64() / made_secs)
    }

    /// Share of the sentences of the take being made that have sounded, or of a model's loading.
    pub fn fraction(&self) -> Option<f32> {
        let speaking = self.speaking.as_ref()?;
        let take = self.takes.iter().find(|take| take.id == speaking.take)?;
        if take.pieces.is_empty() {
            let progress = speaking.progress.as_ref()?;
            return (progress.total > 0).then(|| progress.done as f32 / progress.total as f32);
        }
        let frames = take.pieces.last().map_or(0, |piece| piece.spoken.mel.n_frames());
        let last = take.pieces.last()?;
        let mel_secs = frames as f64 * last.spoken.mel.config.frame_secs();
        let sounded =
            ((take.waveform.duration_secs() - last.start_secs) / mel_secs.max(1e-9)) as f32;
        let n_before = (take.pieces.len() - 1) as f32;
        Some((n_before + sounded.clamp(0.0, 1.0)) / take.n_sentences.max(1) as f32)
    }
}

/// An error as the window tells it: what happened, why, what to do.
fn explain(error: &Error) -> String {
    let advice = match error.kind() {
        ErrorKind::NotFound => "Open the Models page to fetch or restore it; the text is kept.",
        ErrorKind::BadRequest => {
            "Change the text or the options and speak again; the text is kept."
        }
        ErrorKind::Busy => "Wait for a job to end and speak again; the text is kept.",
        ErrorKind::Cancelled | ErrorKind::Internal => "Try again; the text is kept.",
    };
    format!("Speech could not be made.\n{error}.\n{advice}")
}

//! What the Evaluate page knows: plain data, changed by the user and by events.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    domain::{Evaluation, Figure, Measure, ModelInfo, Progress, SpeechSystem, TestSentence},
    engine::{EvaluateEvent, held_out_sentences},
};

/// Held-out sentences at first: enough to see something within a minute.
const SENTENCES: usize = 5;
/// How many there are.
pub const MOST_SENTENCES: usize = 50;

/// A system that was chosen, with its options as they are typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Id of the voice, or `copy:VOCODER`.
    pub id: String,
    /// `steps=2 temperature=0.5`.
    pub options: String,
}

impl Chosen {
    /// Whether it sounds recordings.
    pub fn is_copy(&self) -> bool {
        self.id.starts_with("copy:")
    }

    /// The system, if the options make sense.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn system(&self, models: &[ModelInfo]) -> Result<SpeechSystem, String> {
        let mut system = SpeechSystem::parse(&self.id)?;
        system.lead(&self.options)?;
        let kind = models.iter().find(|model| model.id == self.id).map(|model| model.kind);
        if let Some((kind, control)) = kind.and_then(|kind| Some((kind, system.unheeded(kind)?))) {
            let heeded: Vec<&str> = kind.controls().iter().map(|control| control.key()).collect();
            return Err(format!(
                "a {} voice does not heed {}; it heeds {}",
                kind.label(),
                control.label(),
                heeded.join(", ")
            ));
        }
        Ok(system)
    }
}

/// What is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sentences {
    /// The first of those that no bundled voice was trained on.
    #[default]
    HeldOut,
    /// The user's own.
    Own,
}

/// What the page is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing.
    #[default]
    Idle,
    /// Reading recordings, loading models, measuring.
    Running,
    /// It was stopped; what had been measured stands.
    Stopped,
    /// It could not be done.
    Failed(String),
}

/// See the module.
#[derive(Debug)]
pub struct EvaluateState {
    /// Who speaks.
    pub chosen: Vec<Chosen>,
    /// What is spoken.
    pub sentences: Sentences,
    /// How many held-out ones.
    pub n_held_out: usize,
    /// The user's own, a line each.
    pub own: String,
    /// Folder with recordings of the sentences; empty for none.
    pub recordings: String,
    /// What is measured.
    pub measures: BTreeSet<Measure>,
    /// Seed of everything random.
    pub seed: u64,
    /// What was measured last, as far as it stands.
    pub evaluation: Option<Evaluation>,
    /// Figures that have a plot; `None` takes the first of each kind.
    pub plotted: BTreeSet<Figure>,
    /// What the page is doing.
    pub phase: Phase,
    /// How far it is.
    pub progress: Option<Progress>,
    /// Where results are written to, without an ending.
    pub export_to: String,
}

impl EvaluateState {
    /// The page as it is at the start.
    pub fn new(export_to: String) -> Self {
        let usual = [Measure::Speed, Measure::Wer, Measure::Dnsmos, Measure::Attention];
        Self {
            chosen: Vec::new(),
            sentences: Sentences::default(),
            n_held_out: SENTENCES,
            own: String::new(),
            recordings: String::new(),
            measures: usual.into(),
            seed: 0,
            evaluation: None,
            plotted: [Figure::Rtf, Figure::WerPercent, Figure::DnsmosOvrl, Figure::McdDb].into(),
            phase: Phase::Idle,
            progress: None,
            export_to,
        }
    }

    /// Whether a system is chosen, with whatever options.
    pub fn has(&self, id: &str) -> bool {
        self.chosen.iter().any(|chosen| chosen.id == id)
    }

    /// Chooses a system, or lets it go with all its rows.
    pub fn toggle(&mut self, id: &str) {
        if self.has(id) {
            self.chosen.retain(|chosen| chosen.id != id);
        } else {
            self.chosen.push(Chosen { id: id.to_owned(), options: String::new() });
        }
    }

    /// The sentences that would be spoken.
    pub fn texts(&self) -> Vec<TestSentence> {
        match self.sentences {
            Sentences::HeldOut => held_out_sentences(self.n_held_out),
            Sentences::Own => TestSentence::lines(&self.own),
        }
    }

    /// The systems, in the order they were chosen.
    ///
    /// # Errors
    /// The first thing that is wrong with one.
    pub fn systems(&self, models: &[ModelInfo]) -> Result<Vec<SpeechSystem>, String> {
        self.chosen.iter().map(|chosen| chosen.system(models)).collect()
    }

    /// Why it cannot run now.
    pub fn blocked(&self, models: &[ModelInfo]) -> Option<&'static str> {
        let is_copied = self.chosen.iter().any(Chosen::is_copy);
        let has_recordings = !self.recordings.trim().is_empty();
        if self.phase == Phase::Running {
            Some("it is running; stop it first")
        } else if self.chosen.is_empty() {
            Some("choose a system first")
        } else if self.systems(models).is_err() {
            Some("an option of a system is not understood; it says why beside it")
        } else if self.texts().is_empty() {
            Some("write a sentence first")
        } else if self.measures.is_empty() {
            Some("choose something to measure first")
        } else if is_copied && !has_recordings {
            Some("copies need a folder of recordings")
        } else {
            None
        }
    }

    /// Takes in news of a run.
    pub fn apply(&mut self, event: EvaluateEvent) {
        match event {
            EvaluateEvent::Progress(progress) => self.progress = Some(progress),
            EvaluateEvent::Begun(evaluation) => {
                self.evaluation = Some(Arc::unwrap_or_clone(evaluation));
            }
            EvaluateEvent::Scored { score, .. } => {
                if let Some(evaluation) = &mut self.evaluation {
                    evaluation.scores.push(Arc::unwrap_or_clone(score));
                }
            }
        }
    }

    /// Share that is done; `None` before the first sentence.
    pub fn fraction(&self) -> Option<f32> {
        let evaluation = self.evaluation.as_ref()?;
        let total = evaluation.systems.len() * evaluation.sentences.len();
        (total > 0).then(|| evaluation.scores.len() as f32 / total as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ScoredSentence, Stage};

    fn state() -> EvaluateState {
        let mut state = EvaluateState::new(String::new());
        state.toggle("joe");
        state
    }

    #[test]
    fn what_is_missing_is_said_before_it_runs() {
        let mut state = state();
        assert_eq!(state.blocked(&[]), None);
        state.sentences = Sentences::Own;
        assert_eq!(state.blocked(&[]), Some("write a sentence first"));
        state.own = "One.\nTwo.".to_owned();
        assert_eq!(state.texts().len(), 2);
        state.chosen[0].options = "steps=many".to_owned();
        assert!(state.blocked(&[]).unwrap().contains("not understood"));
        state.chosen[0].options = "steps=2".to_owned();
        assert_eq!(state.systems(&[]).unwrap()[0].options.steps, 2);
        state.toggle("copy:hifigan");
        assert_eq!(state.blocked(&[]), Some("copies need a folder of recordings"));
        state.toggle("copy:hifigan");
        state.measures.clear();
        assert!(state.blocked(&[]).is_some());
        state.toggle("joe");
        assert_eq!(state.blocked(&[]), Some("choose a system first"));
    }

    #[test]
    fn scores_arrive_one_by_one() {
        let mut state = state();
        state.apply(EvaluateEvent::Progress(Progress {
            stage: Stage::Measure,
            subject: "joe".into(),
            done: 0,
            total: 2,
        }));
        assert_eq!(state.fraction(), None);
        state.apply(EvaluateEvent::Begun(Arc::new(Evaluation {
            systems: vec![SpeechSystem::of_voice("joe")],
            sentences: TestSentence::lines("One.\nTwo."),
            ..Evaluation::default()
        })));
        let score = Arc::new(ScoredSentence::default());
        state.apply(EvaluateEvent::Scored { score, sound: None });
        assert_eq!(state.fraction(), Some(0.5));
    }
}

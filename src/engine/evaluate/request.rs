//! What is put to the test, and what is heard of it.

use std::sync::Arc;

use crate::domain::{
    Evaluation, Measure, Progress, ScoredSentence, SpeechSystem, TestSentence, Waveform,
};

/// A sentence to be spoken, with a recording of it where there is one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trial {
    /// What is to be said, and what it is called.
    pub sentence: TestSentence,
    /// The same sentence by a person, or by what voices are to be compared with.
    pub reference: Option<Arc<Waveform>>,
}

/// Systems and sentences.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EvaluateRequest {
    /// Who speaks.
    pub systems: Vec<SpeechSystem>,
    /// What is said.
    pub trials: Vec<Trial>,
    /// What is measured.
    pub measures: Vec<Measure>,
    /// Seed of everything random.
    pub seed: u64,
}

/// Heard on the way. What is done stands in the events, so that whoever stops keeps it.
#[derive(Debug, Clone, PartialEq)]
pub enum EvaluateEvent {
    /// Models are being loaded, or sentences counted off.
    Progress(Progress),
    /// All is ready: an evaluation without scores, with what cannot be measured, and the sound that
    /// each score will belong to.
    Begun(Arc<Evaluation>),
    /// One sentence by one system, with its sound.
    Scored {
        /// Its figures.
        score: Arc<ScoredSentence>,
        /// What was made; `None` if nothing could be.
        sound: Option<Arc<Waveform>>,
    },
}

/// Sentences that no bundled voice was trained on.
const HELD_OUT: &str = include_str!("../../../models/recipes/heldout.txt");

/// The first `n` of the sentences that come with Formant and that no bundled voice was trained on.
pub fn held_out_sentences(n: usize) -> Vec<TestSentence> {
    let mut sentences = TestSentence::lines(HELD_OUT);
    sentences.truncate(n);
    sentences
}

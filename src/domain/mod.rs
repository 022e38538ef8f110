//! The words every layer shares: plain data, no tensors and no widgets.

mod alignment;
mod chat;
mod decimal;
mod decoding;
mod measurement;
mod mel;
mod model;
mod phoneme;
mod progress;
mod prosody;
mod sampling;
mod speech;
mod waveform;

pub use alignment::Alignment;
pub use chat::{Message, Role};
pub use decoding::{
    Alternative, DecodeStep, FinishReason, MAX_TOP_LOGPROBS, Origin, SpeculationCounts,
    Speculative, Token,
};
pub use measurement::{Measurement, Sample, Spread, Work};
pub use mel::{MelConfig, MelConvention, MelSpectrogram};
pub use model::{LanguageModelInfo, ModelInfo, ModelKind, ModelOrigin, ModelState};
pub use phoneme::{Phoneme, PhonemeSequence, Word};
pub use progress::{Progress, Stage};
pub use prosody::{Prosody, ProsodyControls};
pub use sampling::Sampling;
pub use speech::{SpeechRecord, SpeechTiming, VocoderChoice};
pub use waveform::Waveform;

//! The words every layer shares: plain data, no tensors and no widgets.

mod adapter;
mod alignment;
mod arpabet;
mod attention;
mod attention_diagnosis;
mod chat;
mod comparison;
mod decimal;
mod decoding;
mod device;
mod evaluation;
mod glimpse;
mod interval;
mod linear;
mod measurement;
mod mel;
mod model;
mod phoneme;
mod progress;
mod pronunciations;
mod prosody;
mod sampling;
mod speculative;
mod speech;
mod speech_bench;
mod speech_system;
mod speech_warning;
mod text_grid;
mod voice_options;
mod waveform;

pub use adapter::{AdaptedModule, AdapterChoice, AdapterFit, AdapterInfo, AdapterStamp};
pub use alignment::Alignment;
pub use arpabet::{ArpabetError, parse_arpabet};
pub use attention::Attention;
pub use attention_diagnosis::AttentionDiagnosis;
pub use chat::{Message, Role};
pub use comparison::{MethodMeasurement, Sameness, comparison_csv};
pub use decoding::{
    Alternative, DecodeStep, DraftChoice, DraftMatch, DraftedToken, FinishReason, Guess,
    MAX_TOP_LOGPROBS, MatchSource, Origin, SpeculationCounts, StepDraft, Token,
};
pub use device::{DeviceChoice, ModelShape};
pub use evaluation::{Evaluation, Figure, Measure, ScoredSentence, Sense, TestSentence};
pub use glimpse::{Glimpse, GlimpseKind};
pub use interval::Interval;
pub use linear::{LinearConfig, LinearSpectrogram};
pub use measurement::{Clock, Measurement, Sample, Spread, Work};
pub use mel::{MelConfig, MelConvention, MelSpectrogram};
pub use model::{
    Brought, HeadInfo, LanguageModelInfo, ModelInfo, ModelKind, ModelOrigin, ModelState,
    SpeechModelInfo,
};
pub use phoneme::{Phoneme, PhonemeSequence, Word, WordOrigin};
pub use progress::{Progress, Stage};
pub use pronunciations::{PronunciationError, Pronunciations};
pub use prosody::{GivenProsody, Prosody, ProsodyControls};
pub use sampling::Sampling;
pub use speculative::{DraftShape, Learnt, MAX_DRAFT_TOKENS, Method, Occurrence, Speculative};
pub use speech::{SpeechRecord, SpeechTiming, VocoderChoice};
pub use speech_bench::{PeerSamples, SpeechFigure, SpeechPart};
pub use speech_system::SpeechSystem;
pub use speech_warning::SpeechWarning;
pub use text_grid::{
    PhoneTiming, SpokenSpan, TextGrid, TextGridError, TextGridInterval, TextGridTier, TimingError,
};
pub use voice_options::{AttentionWindow, Control, DurationChoice, VoiceOptions, WindowChoice};
pub use waveform::Waveform;

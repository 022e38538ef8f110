//! What can be asked of the engine, and what it answers: plain data, the same for the window, the
//! commands and the tests.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::ReplyMemory;
use crate::domain::{
    AdapterChoice, AdapterStamp, Alignment, Attention, DecodeStep, FinishReason, GivenProsody,
    Glimpse, MelSpectrogram, Message, PhoneTiming, PhonemeSequence, Progress, Pronunciations,
    Prosody, ProsodyControls, Sampling, SpeculationCounts, Speculative, SpeechRecord, SpeechTiming,
    SpeechWarning, VocoderChoice, VoiceOptions, Waveform,
};

/// Text to be spoken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeakRequest {
    /// Any length; spoken sentence by sentence.
    pub text: String,
    /// Id of an acoustic model in the library.
    pub voice: String,
    /// What makes sound of the mel.
    pub vocoder: VocoderChoice,
    /// Pace, pitch and energy, for voices that have them.
    pub controls: ProsodyControls,
    /// What only some voices have.
    #[serde(default)]
    pub options: VoiceOptions,
    /// What is given in place of predictions, sentence by sentence; those that are missing are
    /// predicted.
    #[serde(default)]
    pub given: Vec<GivenProsody>,
    /// When each phone is to be heard, in place of predicted durations.
    #[serde(default)]
    pub timing: Option<PhoneTiming>,
    /// Words that are said as the user wants; `None` is the user's dictionary as it is then.
    #[serde(default)]
    pub pronunciations: Option<Pronunciations>,
    /// Seed of everything random: the noise that a mel begins as, the units that fall silent, the
    /// phases that Griffin-Lim begins with. Same seed, same samples.
    pub seed: u64,
}

/// One sentence as the acoustic model sees it, before it is heard.
///
/// A voice that makes its frames one after the other shows a sentence several times while it grows:
/// the last one stands for all of them, and only that is whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpokenSentence {
    /// Its place in the text, from zero.
    pub sentence_idx: usize,
    /// How many sentences the text has.
    pub n_sentences: usize,
    /// Words and phonemes.
    pub phonemes: PhonemeSequence,
    /// The mel that the vocoder will sound.
    pub mel: MelSpectrogram,
    /// Frames of each phoneme.
    pub alignment: Alignment,
    /// Predicted pitch and energy of each phoneme, if the model predicts them.
    pub prosody: Option<Prosody>,
    /// Where the voice looked, if it looks.
    #[serde(default)]
    pub attention: Option<Attention>,
    /// Energy of each frame: the L2 norm over its linear mel bands.
    pub energy: Vec<f32>,
    /// What the voice made on the way, as small pictures.
    #[serde(skip, default = "no_glimpses")]
    pub glimpses: Arc<[Glimpse]>,
    /// Whether no frame will follow.
    pub is_whole: bool,
}

fn no_glimpses() -> Arc<[Glimpse]> {
    Arc::new([])
}

/// Heard while speech is made, in order: for each sentence its [`SpokenSentence`], its samples in
/// chunks, then its measured pitch. Of a sentence that grows, samples may come before it is whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", content = "value", rename_all = "snake_case")]
pub enum SpeakEvent {
    /// Models are being loaded, or sentences counted off.
    Progress(Progress),
    /// A sentence's mel stands, or some more of it; its samples follow.
    Sentence(Arc<SpokenSentence>),
    /// The next samples, in order and without a gap over all sentences.
    Samples {
        /// Samples per second.
        sample_rate: u32,
        /// In −1..=1.
        #[serde(skip)]
        samples: Arc<[f32]>,
    },
    /// Fundamental frequency measured in the finished sound of a sentence.
    Pitch {
        /// Which sentence.
        sentence_idx: usize,
        /// Hz per mel frame; zero where unvoiced.
        f0_hz: Vec<f32>,
    },
}

/// A finished piece of speech.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Speech {
    /// All sentences in one.
    #[serde(skip)]
    pub waveform: Arc<Waveform>,
    /// How long each part took.
    pub timing: SpeechTiming,
    /// All that is needed to make it again.
    pub record: SpeechRecord,
    /// How many sentences were spoken.
    pub n_sentences: usize,
    /// How many phonemes were spoken.
    pub n_phonemes: usize,
    /// What is not as it should be.
    pub warnings: Vec<SpeechWarning>,
}

/// A conversation that waits for its next turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// Id of a language model in the library.
    pub model: String,
    /// What changes it, and by how much; none leaves it as it is.
    #[serde(default)]
    pub adapters: Vec<AdapterChoice>,
    /// The turns so far, the user's last.
    pub messages: Vec<Message>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Tokens to write at most.
    pub max_tokens: usize,
    /// How several tokens may be had from one pass.
    pub speculative: Speculative,
    /// Alternatives to name beside each token, up to
    /// [`MAX_TOP_LOGPROBS`](crate::domain::MAX_TOP_LOGPROBS).
    pub top_logprobs: usize,
    /// Tokens that the reply is to begin with; the answer is what follows them.
    #[serde(default)]
    pub opening: Vec<u32>,
}

/// Heard while a reply is written.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", content = "value", rename_all = "snake_case")]
pub enum ChatEvent {
    /// The model is being loaded, or the prompt read.
    Progress(Progress),
    /// The prompt has been read.
    Started {
        /// Tokens of the templated conversation.
        prompt_tokens: usize,
        /// How many of them were still in the cache from an earlier turn.
        reused_tokens: usize,
        /// Tokens that the model can hold.
        context_length: usize,
    },
    /// A decode step; one or more tokens.
    Step(DecodeStep),
}

/// Wall-clock figures of one reply, in the terms of `vllm bench serve`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatTiming {
    /// Loading the model, if it was not loaded; in none of the other figures.
    pub load: Duration,
    /// Time to first token: from the request (model loaded) to the first token.
    pub ttft: Duration,
    /// From the request (model loaded) to the last token.
    pub total: Duration,
    /// Inter-token latencies: gaps between streamed steps, each of one or more tokens.
    pub itl: Vec<Duration>,
}

impl ChatTiming {
    /// Time per output token after the first: `(total − ttft) / (tokens − 1)`.
    pub fn tpot(&self, n_tokens: usize) -> Option<Duration> {
        (n_tokens > 1).then(|| self.total.saturating_sub(self.ttft) / (n_tokens as u32 - 1))
    }
}

/// A finished (or stopped) reply.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChatSummary {
    /// The whole reply.
    pub text: String,
    /// Its tokens.
    pub token_ids: Vec<u32>,
    /// Tokens of the templated conversation.
    pub prompt_tokens: usize,
    /// How many of them were still in the cache.
    pub reused_tokens: usize,
    /// Tokens that the model can hold.
    pub context_length: usize,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// How long it took.
    pub timing: ChatTiming,
    /// What speculation did.
    pub speculation: SpeculationCounts,
    /// What did the model's arithmetic: an instruction set, or a graphics processor.
    pub arithmetic: String,
    /// Bytes of the model's weights.
    pub weights_bytes: u64,
    /// What changed the model, with its memory, which is not among the model's.
    pub adapters: Vec<AdapterStamp>,
    /// What all replies took beside that when this one ended.
    pub memory: ReplyMemory,
}

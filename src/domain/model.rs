//! Models as the library and the pages speak of them.

use serde::{Deserialize, Serialize};

use super::{AdapterInfo, Control, MelConfig, MelConvention};

/// What a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// Phonemes to mel, all frames at once.
    #[serde(rename = "fastspeech2")]
    FastSpeech2,
    /// Phonemes to mel, in a few steps from noise.
    Matcha,
    /// Phonemes to mel, frame after frame.
    Tacotron2,
    /// Phonemes to mel and linear spectrogram, a few frames a step.
    Tacotron,
    /// Mel to sound.
    #[serde(rename = "hifigan")]
    HifiGan,
    /// Mel to sound, sample after sample.
    #[serde(rename = "wavenet")]
    WaveNet,
    /// Letters to phonemes, for words outside the dictionary.
    G2p,
    /// A Llama-family language model.
    Llama,
    /// Small changes to a language model.
    LoraAdapter,
    /// Hidden states of a language model to guesses of what it says next.
    #[serde(rename = "eagle3-head")]
    Eagle3Head,
    /// Sound to text.
    Whisper,
}

impl ModelKind {
    /// Its name in tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::FastSpeech2 => "FastSpeech 2",
            Self::Matcha => "Matcha-TTS",
            Self::Tacotron2 => "Tacotron 2",
            Self::Tacotron => "Tacotron",
            Self::HifiGan => "HiFi-GAN",
            Self::WaveNet => "WaveNet",
            Self::G2p => "G2P",
            Self::Llama => "Language model",
            Self::LoraAdapter => "LoRA adapter",
            Self::Eagle3Head => "EAGLE-3 head",
            Self::Whisper => "Whisper",
        }
    }
}

impl ModelKind {
    /// Its word in `model.toml`.
    pub fn key(self) -> &'static str {
        match self {
            Self::FastSpeech2 => "fastspeech2",
            Self::Matcha => "matcha",
            Self::Tacotron2 => "tacotron2",
            Self::Tacotron => "tacotron",
            Self::HifiGan => "hifigan",
            Self::WaveNet => "wavenet",
            Self::G2p => "g2p",
            Self::Llama => "llama",
            Self::LoraAdapter => "lora-adapter",
            Self::Eagle3Head => "eagle3-head",
            Self::Whisper => "whisper",
        }
    }

    /// Whether it speaks: phonemes to mel.
    pub fn is_voice(self) -> bool {
        matches!(self, Self::FastSpeech2 | Self::Matcha | Self::Tacotron2 | Self::Tacotron)
    }

    /// Whether it sounds mels.
    pub fn is_vocoder(self) -> bool {
        matches!(self, Self::HifiGan | Self::WaveNet)
    }

    /// What can be set when it speaks; nothing else has an effect.
    pub fn controls(self) -> &'static [Control] {
        use Control::{
            Durations, Energy, GateThreshold, LengthScale, Pace, Pitch, Steps, Temperature, Window,
        };
        match self {
            Self::FastSpeech2 => &[Pace, Pitch, Energy],
            Self::Matcha => &[Steps, Temperature, LengthScale, Durations],
            Self::Tacotron2 => &[GateThreshold, Window],
            Self::Tacotron => &[Window],
            Self::HifiGan
            | Self::WaveNet
            | Self::G2p
            | Self::Llama
            | Self::LoraAdapter
            | Self::Eagle3Head
            | Self::Whisper => &[],
        }
    }
}

/// Whether a model can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum ModelState {
    /// Its file is there.
    Ready {
        /// Where.
        path: std::path::PathBuf,
        /// Size of the file.
        bytes: u64,
    },
    /// It can be fetched.
    Missing,
    /// A file is there but cannot be what it should be.
    Damaged {
        /// What is wrong with it.
        why: String,
    },
}

/// One entry of the library.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Short name for commands and files: `joe-fastspeech2`.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// What it does.
    pub kind: ModelKind,
    /// Under which terms it may be used.
    pub licence: String,
    /// Where it comes from.
    pub source: String,
    /// Expected SHA-256 of its file, in hex.
    pub sha256: String,
    /// Size of its file when whole, in bytes; zero where unknown.
    pub bytes: u64,
    /// Whether it can be used now.
    #[serde(flatten)]
    pub state: ModelState,
    /// Measured quality figures by name (`wer_percent`, `dnsmos_ovrl`), in the card's order.
    pub quality: Vec<(String, f64)>,
    /// Whose it is.
    #[serde(default)]
    pub origin: ModelOrigin,
    /// What kind of language model it is, where its files were looked into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language_model: Option<LanguageModelInfo>,
    /// What kind of speech model it is, where it was brought by the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speech_model: Option<SpeechModelInfo>,
    /// What kind of adapter it is, where its files were looked into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora_adapter: Option<AdapterInfo>,
}

/// What a speech model is, as the names and shapes of its tensors tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeechModelInfo {
    /// What it is called for people.
    pub name: String,
    /// What it does.
    pub kind: ModelKind,
    /// Its architecture, with its variant: `HiFi-GAN V1`.
    pub architecture: String,
    /// Weights in all.
    pub n_parameters: u64,
    /// What a voice is given, in words; `None` for vocoders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<String>,
    /// What its mels look like.
    pub mel: MelConfig,
}

impl SpeechModelInfo {
    /// One line of it: `HiFi-GAN V1 vocoder, 13.9 M parameters`.
    pub fn summary(&self) -> String {
        let does = if self.kind.is_voice() { "voice" } else { "vocoder" };
        let millions = self.n_parameters as f64 / 1e6;
        format!("{} {does}, {millions:.1} M parameters", self.architecture)
    }

    /// What it reads and makes, and what fits it, by name.
    pub fn particulars(&self) -> Vec<(&'static str, String)> {
        let mel = &self.mel;
        let frames = match mel.convention {
            MelConvention::HifiGan => "frames between hops (HiFi-GAN)",
            MelConvention::SpeechBrain => "centred frames (SpeechBrain, NVIDIA)",
        };
        let bands = format!(
            "{} bands from {} to {} Hz every {} of {} samples a second, {frames}",
            mel.n_mels, mel.f_min, mel.f_max, mel.hop_length, mel.sample_rate
        );
        // A shift of half a hop is not heard, so only the bands decide.
        let is_usual = MelConfig { convention: mel.convention, ..MelConfig::default() } == *mel;
        let fits = match (self.kind.is_voice(), is_usual) {
            (true, true) => "HiFi-GAN of the bundled voices or of LJSpeech; Griffin-Lim",
            (true, false) => "Griffin-Lim; a neural vocoder only if it was trained on these bands",
            (false, true) => "the bundled voices and published ones of LJSpeech",
            (false, false) => "only voices with these very bands",
        };
        let mut particulars = Vec::new();
        particulars.extend(self.reads.clone().map(|reads| ("Reads", reads)));
        particulars.push(("Mel", bands));
        particulars.push(("Fits", fits.to_owned()));
        particulars
    }
}

/// A model of the user's own, as a look into its files tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Brought {
    /// One that writes.
    Language(LanguageModelInfo),
    /// One that speaks or sounds.
    Speech(SpeechModelInfo),
    /// One that changes another that writes.
    Adapter(AdapterInfo),
    /// One that guesses what another will write.
    Head(HeadInfo),
}

/// What an EAGLE-3 head is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadInfo {
    /// What its folder is called.
    pub name: String,
    /// Weights of its matrices.
    pub n_parameters: u64,
    /// Width of its features.
    pub n_embd: usize,
    /// Tokens that it can draft.
    pub n_drafted: usize,
    /// Whether it brings an embedding of its own; else it takes the model's.
    pub has_embedding: bool,
}

impl HeadInfo {
    /// One line of it: `EAGLE-3 head, 9.8 M parameters, drafts 8192 tokens, width 576`.
    pub fn summary(&self) -> String {
        let millions = self.n_parameters as f64 / 1e6;
        let Self { n_drafted, n_embd, .. } = self;
        format!(
            "EAGLE-3 head, {millions:.1} M parameters, drafts {n_drafted} tokens, width {n_embd}"
        )
    }

    /// What it is made of, by name.
    pub fn particulars(&self) -> Vec<(&'static str, String)> {
        let embedding = if self.has_embedding { "its own" } else { "the model's" };
        vec![("Embedding", embedding.to_owned())]
    }
}

impl Brought {
    /// What it is called for people.
    pub fn name(&self) -> &str {
        match self {
            Self::Language(model) => &model.name,
            Self::Speech(model) => &model.name,
            Self::Adapter(adapter) => &adapter.name,
            Self::Head(head) => &head.name,
        }
    }

    /// One line of it.
    pub fn summary(&self) -> String {
        match self {
            Self::Language(model) => model.summary(),
            Self::Speech(model) => model.summary(),
            Self::Adapter(adapter) => adapter.summary(),
            Self::Head(head) => head.summary(),
        }
    }

    /// What it is made of, by name.
    pub fn particulars(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Language(model) => model.particulars(),
            Self::Speech(model) => model.particulars(),
            Self::Adapter(adapter) => adapter.particulars(),
            Self::Head(head) => head.particulars(),
        }
    }

    /// What it cannot do that one might expect of it.
    pub fn caution(&self) -> Option<&'static str> {
        match self {
            Self::Language(model) if !model.has_chat_template => Some(
                "It brings no chat template, so it cannot chat; an instruct or chat model can.",
            ),
            _ => None,
        }
    }
}

/// How a model came here, which tells who may take it away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelOrigin {
    /// With Formant.
    #[default]
    Bundled,
    /// It can be fetched, and fetched again.
    Catalog,
    /// The user brought it.
    Imported,
}

/// What a language model is, as its files tell before its weights are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LanguageModelInfo {
    /// What the files call it.
    pub name: String,
    /// How the files are laid out: `GGUF`, `safetensors`.
    pub layout: String,
    /// Formats of the weights, the one with most bytes first: `Q4_1`, `F32`.
    pub formats: Vec<String>,
    /// Weights in all.
    pub n_parameters: u64,
    /// Transformer blocks.
    pub n_layers: usize,
    /// Width of the residual stream.
    pub n_embd: usize,
    /// Width of the feed-forward layers.
    pub n_ff: usize,
    /// Query heads.
    pub n_heads: usize,
    /// Key/value heads.
    pub n_kv_heads: usize,
    /// Dimensions of a head.
    pub head_dim: usize,
    /// Tokens that have an embedding.
    pub n_vocab: usize,
    /// Tokens that it can look at.
    pub context_length: usize,
    /// The kind of tokenizer, in words.
    pub tokenizer: String,
    /// Whether it brings a chat template; without one it cannot chat.
    pub has_chat_template: bool,
    /// Terms of use, as the files state them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

impl LanguageModelInfo {
    /// One line of it: `Llama, 134.5 M parameters, Q4_1, context 8192, with a chat template`.
    pub fn summary(&self) -> String {
        let millions = self.n_parameters as f64 / 1e6;
        let size = if millions < 1000.0 {
            format!("{millions:.1} M")
        } else {
            format!("{:.2} B", millions / 1e3)
        };
        let template = if self.has_chat_template { "with a" } else { "without a" };
        format!(
            "Llama in {}, {size} parameters, {}, context {}, {template} chat template",
            self.layout,
            self.formats.first().map_or("no weights", String::as_str),
            self.context_length,
        )
    }

    /// What it is made of, by name.
    pub fn particulars(&self) -> Vec<(&'static str, String)> {
        vec![
            ("Layers", self.n_layers.to_string()),
            ("Width", format!("{}, feed-forward {}", self.n_embd, self.n_ff)),
            (
                "Heads",
                format!("{} of {}, {} key/value", self.n_heads, self.head_dim, self.n_kv_heads),
            ),
            ("Weights", self.formats.join(", ")),
            ("Tokenizer", self.tokenizer.clone()),
        ]
    }
}

impl ModelInfo {
    /// Whether the model can be used now.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, ModelState::Ready { .. })
    }
}

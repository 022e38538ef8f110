//! What can be typed after `formant`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    domain::{
        AdapterChoice, AttentionWindow, DeviceChoice, DurationChoice, Measure, ModelShape,
        Occurrence, ProsodyControls, Speculative, VoiceOptions, WindowChoice,
    },
    engine::{BenchPart, SpeechEngine},
    settings::Engine,
};

/// A studio for speech synthesis and language-model inference; without a command it opens its
/// window.
#[derive(Debug, Parser)]
#[command(
    name = "formant",
    version,
    about,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage."
)]
pub struct Arguments {
    /// What to do; nothing opens the window.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// One page's work.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Speak a text: to a WAV file, or aloud
    Speak(Speak),
    /// Chat with a language model: one prompt, or a conversation
    Chat(Chat),
    /// Compare ways to speculate on one prompt: speed, acceptance, and that the text is the same
    Compare(Compare),
    /// What speculation has learnt from past replies
    Speculation(Speculation),
    /// List, inspect, fetch and verify models
    Models(Models),
    /// Look at LoRA adapters, and whether they fit a language model
    Adapters(Adapters),
    /// Say words your own way: list, add and remove pronunciations
    Dictionary(Dictionary),
    /// List the outputs that sound can go to
    Devices(Devices),
    /// Measure how fast Formant is on this machine
    Bench(Bench),
    /// Compare speech systems: speed, word errors, signal quality, attention, distance from recordings
    Eval(Eval),
}

/// `formant speak`
#[derive(Debug, Args)]
pub struct Speak {
    /// What to say; "-" reads it from standard input
    pub text: String,
    /// Write this WAV file (16-bit mono) instead of playing the speech
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Voice, as `formant models list` names it; several, with commas between, speak in turn, and the
    /// names of what they write end with theirs
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub voice: Vec<String>,
    /// What makes sound of the mel spectrogram: "hifigan", "griffin-lim", or a vocoder as `formant
    /// models list` names it
    #[arg(long, value_name = "ID")]
    pub vocoder: Option<String>,
    /// Speaking rate: 2 takes half the time (FastSpeech 2)
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    pub pace: Option<f32>,
    /// Factor on the predicted pitch (FastSpeech 2)
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    pub pitch: Option<f32>,
    /// Factor on the predicted energy (FastSpeech 2)
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    pub energy: Option<f32>,
    /// Steps from noise to mel, up to 100 (Matcha-TTS)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub steps: Option<u32>,
    /// Factor on the noise that a mel begins as, from 0 to 2 (Matcha-TTS)
    #[arg(long, value_name = "T", value_parser = temperature)]
    pub temperature: Option<f32>,
    /// Factor on durations: 2 takes twice the time (Matcha-TTS)
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    pub length_scale: Option<f32>,
    /// Where durations come from (Matcha-TTS)
    #[arg(long, value_enum)]
    pub durations: Option<Durations>,
    /// Take durations from the tier of phones of this TextGrid (FastSpeech 2, Matcha-TTS)
    #[arg(long, value_name = "FILE")]
    pub durations_from: Option<PathBuf>,
    /// How sure the decoder must be of the end, from 0.01 to 0.99 (Tacotron 2)
    #[arg(long, value_name = "P", value_parser = gate_threshold)]
    pub gate_threshold: Option<f32>,
    /// How many phonemes back and ahead the decoder may look, as BACK,AHEAD; "off" for anywhere
    /// (Tacotron, Tacotron 2)
    #[arg(long, value_name = "BACK,AHEAD", value_parser = window)]
    pub window: Option<WindowChoice>,
    /// Seed of everything random
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Also write words and phones as a TextGrid, for Praat and aligners
    #[arg(long, value_name = "FILE")]
    pub textgrid: Option<PathBuf>,
    /// Also write the mel spectrogram as a picture
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    /// Print one line of JSON per event, and all figures in the last
    #[arg(long)]
    pub json: bool,
}

/// `formant chat`
#[derive(Debug, Args)]
pub struct Chat {
    /// Language model, as `formant models list` names it
    #[arg(long, value_name = "ID")]
    pub model: Option<String>,
    /// Adapter to put on the model, as `formant models list` names it or by its path, and how much
    /// of it: NAME=0.5 is half, NAME=0 nothing; may be given several times
    #[arg(long = "adapter", value_name = "NAME[=SCALE]", value_parser = adapter)]
    pub adapters: Vec<AdapterChoice>,
    /// Answer this and end; "-" reads it from standard input; without it a conversation begins
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// Instructions above the conversation
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// Tokens of a reply at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_tokens: Option<u32>,
    /// 0 takes the likeliest token each time
    #[arg(long, value_name = "T")]
    pub temperature: Option<f32>,
    /// Keep this many of the likeliest tokens; 0 keeps all
    #[arg(long, value_name = "N")]
    pub top_k: Option<usize>,
    /// Keep the likeliest tokens up to this sum of probabilities
    #[arg(long, value_name = "P")]
    pub top_p: Option<f32>,
    /// Drop tokens less likely than this share of the likeliest
    #[arg(long, value_name = "P")]
    pub min_p: Option<f32>,
    /// Make tokens seen before less likely; 1 leaves them
    #[arg(long, value_name = "FACTOR")]
    pub repetition_penalty: Option<f32>,
    /// Same seed and same prompt, same reply (on the CPU)
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How several tokens may be had from one pass
    #[arg(long, value_enum, value_name = "METHOD")]
    pub speculative: Option<Method>,
    /// What the method works with
    #[command(flatten)]
    pub drafting: Drafting,
    /// What the language model runs on; only the CPU's replies are the same with and without
    /// speculation, token for token
    #[arg(long, value_enum)]
    pub device: Option<Device>,
    /// Threads of the language model, up to 64; 0 takes one for each core, up to four
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// With --json: each token's log-probability and its N likeliest alternatives (at most 20), by
    /// the model's own distribution, before penalty, temperature and cuts
    #[arg(long, value_name = "N", requires = "json")]
    pub logprobs: Option<u8>,
    /// Print one line of JSON per event, and all figures in the last
    #[arg(long)]
    pub json: bool,
}

/// What ways to speculate work with.
#[derive(Debug, Args)]
pub struct Drafting {
    /// Tokens to draft for a pass at most, up to 64
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub draft_tokens: Option<u32>,
    /// Of several occurrences take the last (ngram, pld)
    #[arg(long)]
    pub latest_match: bool,
    /// A smaller model of the same vocabulary (draft)
    #[arg(long, value_name = "ID")]
    pub draft_model: Option<String>,
    /// An EAGLE-3 head (eagle3, eagle3-tree: if left out, the one that goes with the model; adaptive)
    #[arg(long, value_name = "ID")]
    pub head: Option<String>,
    /// A text to draft from, up to 4 MB in all; may be given several times (retrieval)
    #[arg(long, value_name = "FILE")]
    pub document: Vec<PathBuf>,
}

impl Drafting {
    /// A method with these options.
    ///
    /// # Errors
    /// If it needs one that is not there.
    pub fn speculative(&self, method: Method) -> anyhow::Result<Speculative> {
        let head = || self.head.clone().unwrap_or_default();
        let speculative = match method {
            Method::Off => Speculative::None,
            Method::Ngram => Speculative::NGRAM,
            Method::Pld => Speculative::PLD,
            Method::Suffix => Speculative::SUFFIX,
            Method::Retrieval if self.document.is_empty() => {
                anyhow::bail!("retrieval drafts from documents; name one with --document")
            }
            Method::Retrieval => Speculative::retrieval(self.document.clone()),
            Method::Draft => match &self.draft_model {
                Some(model) => Speculative::draft(model.clone()),
                None => anyhow::bail!("a smaller model drafts; name it with --draft-model"),
            },
            Method::Eagle3 => Speculative::eagle3(head()),
            Method::Eagle3Tree => Speculative::eagle3_tree(head()),
            Method::Adaptive => match (Speculative::ADAPTIVE, &self.head) {
                (Speculative::Adaptive { draft_tokens, .. }, head) => {
                    Speculative::Adaptive { draft_tokens, head: head.clone() }
                }
                (other, _) => other,
            },
        };
        Ok(self.adjust(speculative))
    }

    /// A way to speculate with those of the options that it knows.
    pub fn adjust(&self, mut speculative: Speculative) -> Speculative {
        if let Speculative::Ngram { occurrence, .. } = &mut speculative
            && self.latest_match
        {
            *occurrence = Occurrence::Latest;
        }
        match self.draft_tokens {
            Some(n_tokens) => speculative.with_draft_tokens(n_tokens as usize),
            None => speculative,
        }
    }
}

/// `formant compare`
#[derive(Debug, Args)]
pub struct Compare {
    /// Answer this each time; "-" reads it from standard input
    #[arg(long, value_name = "TEXT")]
    pub prompt: String,
    /// Ways to compare with plain decoding
    #[arg(long, value_enum, value_delimiter = ',', value_name = "METHODS", required = true)]
    pub methods: Vec<Method>,
    /// What the methods work with
    #[command(flatten)]
    pub drafting: Drafting,
    /// Put this LoRA adapter on the model, for every way: its id or path, and a factor; may be given
    /// several times
    #[arg(long = "adapter", value_name = "NAME[=SCALE]", value_parser = adapter)]
    pub adapters: Vec<AdapterChoice>,
    /// Times that each is measured, in turns
    #[arg(long, value_name = "N", default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeats: u32,
    /// Tokens of a reply at most
    #[arg(long, value_name = "N", default_value_t = 128,
        value_parser = clap::value_parser!(u32).range(2..))]
    pub max_tokens: u32,
    /// Language model, as `formant models list` names it
    #[arg(long, value_name = "ID")]
    pub model: Option<String>,
    /// 0 takes the likeliest token each time
    #[arg(long, value_name = "T")]
    pub temperature: Option<f32>,
    /// Same seed and same prompt, same reply (on the CPU)
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// What the language model runs on
    #[arg(long, value_enum)]
    pub device: Option<Device>,
    /// Threads of the language model, up to 64; 0 takes one for each core, up to four
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Print one line of JSON per event, and all figures in the last
    #[arg(long)]
    pub json: bool,
}

/// `formant speculation`
#[derive(Debug, Args)]
pub struct Speculation {
    /// What to do with it
    #[command(subcommand)]
    pub action: SpeculationAction,
}

/// What can be done with what was learnt.
#[derive(Debug, Clone, Subcommand)]
pub enum SpeculationAction {
    /// How much is kept, and where
    Info {
        /// Print JSON, one vocabulary a line
        #[arg(long)]
        json: bool,
    },
    /// Have suffix decoding learn from text files, as if they were past replies
    Learn {
        /// The files
        #[arg(required = true)]
        documents: Vec<PathBuf>,
        /// For which language model, and all of its vocabulary
        #[arg(long)]
        model: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget all of it
    Clear,
}

/// `formant models`
#[derive(Debug, Args)]
pub struct Models {
    /// What to do with them
    #[command(subcommand)]
    pub action: ModelsAction,
}

/// What can be done with models.
#[derive(Debug, Subcommand)]
pub enum ModelsAction {
    /// Every model there is or could be
    List {
        /// Print JSON, one model a line
        #[arg(long)]
        json: bool,
    },
    /// All that is known of a model
    Info {
        /// Which
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch a model and check its hash; goes on where an earlier try stopped
    Fetch {
        /// Which
        id: String,
        /// Print one line of JSON per event
        #[arg(long)]
        json: bool,
    },
    /// Take in models of your own: a language model's GGUF file or its folder as on Hugging Face; a
    /// speech model's checkpoint (.ckpt, .pt, .pth, .safetensors)
    Import {
        /// The files, or the folders with config.json, tokenizer.json and safetensors
        #[arg(value_name = "FILE", required = true)]
        paths: Vec<PathBuf>,
        /// What it is to be called, if it is one; made from its name if left out
        #[arg(long)]
        id: Option<String>,
        /// Leave the files where they are, instead of copying them
        #[arg(long)]
        in_place: bool,
        /// Print one line of JSON per event
        #[arg(long)]
        json: bool,
    },
    /// Take away a model that was imported or fetched; files left in place stay there
    Remove {
        /// Which
        id: String,
    },
    /// Read a model's files in full and compare their hashes
    Verify {
        /// Which; all that are here if none is named
        ids: Vec<String>,
        /// Print one line of JSON per model
        #[arg(long)]
        json: bool,
    },
}

/// `formant dictionary`
#[derive(Debug, Args)]
pub struct Dictionary {
    /// What to do with it
    #[command(subcommand)]
    pub action: DictionaryAction,
}

/// What can be done with the user's dictionary.
#[derive(Debug, Subcommand)]
pub enum DictionaryAction {
    /// All words of your own, and where their file is
    List {
        /// Print JSON, one word a line
        #[arg(long)]
        json: bool,
    },
    /// Say a word so from now on, in place of how it was said before
    Add {
        /// The word, in any case
        word: String,
        /// ARPAbet, each vowel with its stress: JH IH1 F
        #[arg(required = true)]
        phonemes: Vec<String>,
    },
    /// Say words as Formant does again
    Remove {
        /// The words
        #[arg(value_name = "WORD", required = true)]
        words: Vec<String>,
    },
}

/// `formant adapters`
#[derive(Debug, Args)]
pub struct Adapters {
    /// What to do with them
    #[command(subcommand)]
    pub action: AdaptersAction,
}

/// What can be done with adapters.
#[derive(Debug, Subcommand)]
pub enum AdaptersAction {
    /// The library's adapters, and whether they fit a language model
    List {
        /// Language model, as `formant models list` names it
        #[arg(long, value_name = "ID")]
        model: Option<String>,
        /// Print JSON, one adapter a line
        #[arg(long)]
        json: bool,
    },
    /// Rank, alpha, modules, size and the model that an adapter names as its base
    Info {
        /// A PEFT folder, one of its files, a GGUF file, or an id
        #[arg(value_name = "PATH")]
        adapter: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Whether an adapter can be put on the language models that are here, and why not; all of its
    /// weights are read
    LoadCheck {
        /// A PEFT folder, one of its files, a GGUF file, or an id
        #[arg(value_name = "PATH")]
        adapter: String,
        /// Only this language model, as `formant models list` names it
        #[arg(long, value_name = "ID")]
        model: Option<String>,
        /// Print JSON, one language model a line
        #[arg(long)]
        json: bool,
    },
}

/// `formant devices`
#[derive(Debug, Args)]
pub struct Devices {
    /// Print JSON, one device a line
    #[arg(long)]
    pub json: bool,
}

/// `formant bench`
#[derive(Debug, Args)]
pub struct Bench {
    /// What to measure
    #[command(subcommand)]
    pub subject: BenchSubject,
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum BenchSubject {
    /// The language engine: prompts, decoding, drafts, memory; beside llama.cpp if wanted
    Engine(BenchEngine),
    /// Voices and vocoders; beside ONNX Runtime and PyTorch if wanted
    Speech(BenchSpeech),
}

/// `formant bench speech`
#[derive(Debug, Args)]
pub struct BenchSpeech {
    /// Voices, as `formant models list` names them; all that came along if none is named
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub voices: Vec<String>,
    /// The neural vocoder
    #[arg(long, value_name = "ID")]
    pub vocoder: Option<String>,
    /// Also measure with so many threads, beside one; one for each core, up to four, if left out
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Two goes of everything: tells whether all is well, not how fast it is
    #[arg(long)]
    pub quick: bool,
    /// Measure these engines in turns with ours, on the same weights
    #[arg(long, value_enum, value_name = "ENGINE", value_delimiter = ',')]
    pub peer: Vec<SpeechPeer>,
    /// A Python that has them, as `benches/peer_speech.sh` makes one
    #[arg(long, value_name = "PROGRAM", default_value = "python3", requires = "peer")]
    pub peer_python: PathBuf,
    /// Print one line of JSON with all figures
    #[arg(long)]
    pub json: bool,
}

/// Engines that run speech models.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SpeechPeer {
    /// ONNX Runtime, on graphs exported from PyTorch
    #[value(name = "onnxruntime")]
    OnnxRuntime,
    /// PyTorch, eager
    #[value(name = "pytorch")]
    PyTorch,
}

/// `formant bench engine`
#[derive(Debug, Args)]
pub struct BenchEngine {
    /// Language model, as `formant models list` names it
    #[arg(long, value_name = "ID")]
    pub model: Option<String>,
    /// A model file in GGUF format that is in no library
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    pub file: Option<PathBuf>,
    /// Well-known sizes with made-up weights, on a graphics processor; wants no file
    #[arg(long, value_enum, conflicts_with_all = ["model", "file"])]
    pub shape: Option<Shape>,
    /// What is measured; on a graphics processor all is measured by the clock
    #[arg(long, value_enum)]
    pub device: Option<Device>,
    /// Also measure what this LoRA adapter costs, by id or path; may be given several times
    #[arg(long = "adapter", value_name = "NAME")]
    pub adapters: Vec<String>,
    /// Take only these figures
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',')]
    pub only: Vec<Part>,
    /// Threads of what is measured by the clock; all else is measured on one. 0 takes one for each core, up to four
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Short prompts and two goes of everything: tells whether all is well, not how fast it is
    #[arg(long)]
    pub quick: bool,
    /// Measure this engine in turns with ours
    #[arg(long, value_enum, value_name = "ENGINE")]
    pub peer: Option<PeerName>,
    /// A Python that has llama-cpp-python, as `benches/peer_llama_cpp.sh` makes one
    #[arg(long, value_name = "PROGRAM", default_value = "python3", requires = "peer")]
    pub peer_python: PathBuf,
    /// Model file for the peer, where that is another than ours
    #[arg(long, value_name = "FILE", requires = "peer")]
    pub peer_model: Option<PathBuf>,
    /// Print one line of JSON per event, and all figures in the last
    #[arg(long)]
    pub json: bool,
}

/// `formant eval`
#[derive(Debug, Args)]
pub struct Eval {
    /// Voices as `formant models list` names them, with what they are led by:
    /// joe-fastspeech2,joe-matcha:steps=2:temperature=0.5; all that are here if none is named
    #[arg(long, value_name = "SYSTEM", value_delimiter = ',')]
    pub systems: Vec<String>,
    /// Vocoders, each of which sounds every system that names none: hifigan, griffin-lim, or as
    /// `formant models list` names them
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub vocoder: Vec<String>,
    /// Sentences, a line each, named 000, 001, …; or NAME|TEXT
    #[arg(long, value_name = "FILE")]
    pub sentences: Option<PathBuf>,
    /// How many of the fifty sentences that no bundled voice was trained on; with --sentences, how
    /// many of those [default: 10]
    #[arg(long, value_name = "N")]
    pub heldout: Option<usize>,
    /// Recordings of the sentences, named as they are (000.wav): to tell how far the systems are from
    /// them
    #[arg(long, value_name = "FOLDER")]
    pub references: Option<PathBuf>,
    /// Instead of speaking, let vocoders sound the mels of these recordings, and tell what is lost
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["systems", "references"])]
    pub copy_synthesis: Option<PathBuf>,
    /// Take only these figures
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',')]
    pub metrics: Vec<Metric>,
    /// Seed of everything random
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Write a line of figures for each sentence and system
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write everything, the table with its intervals first; "-" prints it instead of the table
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the figures as a picture
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    /// Keep what the systems said in this folder
    #[arg(long, value_name = "FOLDER")]
    pub keep: Option<PathBuf>,
}

/// Kinds of figures of speech.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Metric {
    /// Real-time factors and first audio
    Speed,
    /// Word error rate by Whisper tiny.en
    Wer,
    /// Signal quality by DNSMOS
    Dnsmos,
    /// Skips, repeats and stalls
    Attention,
    /// Mel L1, MCD and F0 beside recordings; STOI and PESQ of copies
    Reference,
}

/// Figures that belong together.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Part {
    /// Load, and load to first token
    Load,
    /// Reading prompts
    Prefill,
    /// Writing token after token
    Decode,
    /// What a pass over several rows costs
    Verify,
    /// Several replies at once
    Together,
    /// What adapters cost; wants --adapter
    Adapters,
    /// What n-gram lookup brings
    Ngram,
    /// Beside busy threads
    Contended,
    /// Perplexity on Shakespeare's sonnets
    Perplexity,
    /// Bytes
    Memory,
}

/// What language models run on.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Device {
    /// CUDA or Metal if this build and this machine have it, else the CPU
    Auto,
    /// Our own kernels
    Cpu,
    /// An NVIDIA graphics processor; the program must be built with `--features cuda`
    Cuda,
    /// An Apple graphics processor; the program must be built with `--features metal`
    Metal,
}

/// Sizes of models.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Shape {
    /// 30 layers of 576
    #[value(name = "smollm2-135m")]
    SmolLm2,
    /// 16 layers of 2048
    #[value(name = "llama-3.2-1b")]
    Llama1B,
    /// 32 layers of 4096
    #[value(name = "llama-3.1-8b")]
    Llama8B,
}

/// Other engines.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PeerName {
    /// By way of llama-cpp-python
    #[value(name = "llama.cpp")]
    LlamaCpp,
}

/// Where durations come from.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Durations {
    /// The likeliest
    Predicted,
    /// Drawn from what is likely, by the seed
    Drawn,
}

impl From<SpeechPeer> for SpeechEngine {
    fn from(peer: SpeechPeer) -> Self {
        match peer {
            SpeechPeer::OnnxRuntime => Self::OnnxRuntime,
            SpeechPeer::PyTorch => Self::PyTorch,
        }
    }
}

impl From<Durations> for DurationChoice {
    fn from(durations: Durations) -> Self {
        match durations {
            Durations::Predicted => Self::Predicted,
            Durations::Drawn => Self::Drawn,
        }
    }
}

impl From<Device> for DeviceChoice {
    fn from(device: Device) -> Self {
        match device {
            Device::Auto => Self::Auto,
            Device::Cpu => Self::Cpu,
            Device::Cuda => Self::Cuda,
            Device::Metal => Self::Metal,
        }
    }
}

impl From<Metric> for Measure {
    fn from(metric: Metric) -> Self {
        match metric {
            Metric::Speed => Self::Speed,
            Metric::Wer => Self::Wer,
            Metric::Dnsmos => Self::Dnsmos,
            Metric::Attention => Self::Attention,
            Metric::Reference => Self::Reference,
        }
    }
}

impl From<Shape> for ModelShape {
    fn from(shape: Shape) -> Self {
        match shape {
            Shape::SmolLm2 => Self::SmolLm2,
            Shape::Llama1B => Self::Llama1B,
            Shape::Llama8B => Self::Llama8B,
        }
    }
}

impl From<Part> for BenchPart {
    fn from(part: Part) -> Self {
        match part {
            Part::Load => Self::Load,
            Part::Prefill => Self::Prefill,
            Part::Decode => Self::Decode,
            Part::Verify => Self::Verify,
            Part::Together => Self::Together,
            Part::Adapters => Self::Adapters,
            Part::Ngram => Self::Ngram,
            Part::Contended => Self::Contended,
            Part::Perplexity => Self::Perplexity,
            Part::Memory => Self::Memory,
        }
    }
}

/// How several tokens may be had from one pass.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Method {
    /// One token per pass
    #[value(alias = "none")]
    Off,
    /// What followed the last tokens the first time, as in vLLM
    Ngram,
    /// The same as prompt lookup decoding has it: shorter matches, longer drafts
    Pld,
    /// What most often followed the end of the text, in it and in past replies
    Suffix,
    /// What follows the end of the text in documents, as a tree
    Retrieval,
    /// What a smaller model of the same vocabulary says
    Draft,
    /// What a head on the model's hidden states says
    Eagle3,
    /// The same as a tree
    Eagle3Tree,
    /// Whichever promises most at each step, if any does
    Adaptive,
}

fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n <= Engine::MOST_THREADS => Ok(n),
        _ => Err(format!("a number from 0 to {}", Engine::MOST_THREADS)),
    }
}

fn temperature(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(value) if VoiceOptions::TEMPERATURES.contains(&value) => Ok(value),
        _ => Err("a number from 0 to 2".to_owned()),
    }
}

fn gate_threshold(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(value) if VoiceOptions::GATE_THRESHOLDS.contains(&value) => Ok(value),
        _ => Err("a probability from 0.01 to 0.99".to_owned()),
    }
}

fn window(text: &str) -> Result<WindowChoice, String> {
    if text == "off" {
        return Ok(WindowChoice::Off);
    }
    let reach =
        |text: &str| text.trim().parse().ok().filter(|n| VoiceOptions::WINDOW_REACH.contains(n));
    let window = text.split_once(',').and_then(|(back, ahead)| {
        Some(AttentionWindow { back: reach(back)?, ahead: reach(ahead)? })
    });
    window
        .map(WindowChoice::Held)
        .ok_or_else(|| "two numbers of phonemes up to 100, as in 1,4; or off".to_owned())
}

/// A path may hold a "=", a scale does not: the last one divides them if a number stands behind it.
fn adapter(text: &str) -> Result<AdapterChoice, String> {
    match text.rsplit_once('=') {
        Some((id, scale)) if !id.is_empty() => match scale.parse::<f32>() {
            Ok(scale) if scale.is_finite() => Ok(AdapterChoice { id: id.to_owned(), scale }),
            _ => Err("a name or a path, and perhaps = and a number, where 1 is as trained".into()),
        },
        Some(_) => Err("a name or a path comes before the =".into()),
        None => Ok(AdapterChoice::new(text)),
    }
}

fn factor(text: &str) -> Result<f32, String> {
    let range = ProsodyControls::RANGE;
    match text.parse() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => Err(format!(
            "a factor from {} to {}, where 1 is as predicted",
            range.start(),
            range.end()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn adapters_come_with_a_scale_or_without() {
        assert_eq!(adapter("rugby"), Ok(AdapterChoice { id: "rugby".into(), scale: 1.0 }));
        assert_eq!(adapter("a=b/c=-0.5"), Ok(AdapterChoice { id: "a=b/c".into(), scale: -0.5 }));
        for wrong in ["rugby=", "rugby=much", "rugby=inf", "=1"] {
            assert!(adapter(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_factor_out_of_range_is_wrong_usage() {
        let typed = ["formant", "speak", "hi", "--pace", "0"];
        let error = Arguments::try_parse_from(typed).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}

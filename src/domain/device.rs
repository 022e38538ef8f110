//! What language models are to run on, and the sizes of well-known ones.

use serde::{Deserialize, Serialize};

/// A wish; what it came to stands in the engine's status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// A graphics processor if this build can use one and the machine has it, else the CPU.
    #[default]
    Auto,
    /// Our own kernels.
    Cpu,
    /// NVIDIA's graphics processors.
    Cuda,
    /// Apple's graphics processors.
    Metal,
}

impl DeviceChoice {
    /// Every choice, in the order of menus.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Cpu, Self::Cuda, Self::Metal];

    /// Its name, for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Auto => "Automatic",
            Self::Cpu => "CPU",
            Self::Cuda => "CUDA",
            Self::Metal => "Metal",
        }
    }

    /// Whether this build was made for it.
    pub fn is_built_in(self) -> bool {
        match self {
            Self::Auto | Self::Cpu => true,
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Metal => cfg!(feature = "metal"),
        }
    }
}

/// A model's sizes without its weights: for figures that need no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelShape {
    /// The default model.
    #[serde(rename = "smollm2-135m")]
    SmolLm2,
    /// Meta's smallest.
    #[serde(rename = "llama-3.2-1b")]
    Llama1B,
    /// What servers are compared with.
    #[serde(rename = "llama-3.1-8b")]
    Llama8B,
}

impl ModelShape {
    /// Every shape, the smallest first.
    pub const ALL: [Self; 3] = [Self::SmolLm2, Self::Llama1B, Self::Llama8B];

    /// Its name.
    pub fn label(self) -> &'static str {
        match self {
            Self::SmolLm2 => "SmolLM2-135M",
            Self::Llama1B => "Llama-3.2-1B",
            Self::Llama8B => "Llama-3.1-8B",
        }
    }
}

//! LoRA adapters: small changes to a language model that are put on and taken off at will.

use serde::{Deserialize, Serialize};

/// An adapter that a reply is to be written with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdapterChoice {
    /// Its id in the library, or the path of its folder or GGUF file.
    pub id: String,
    /// Factor on all that it changes: 0 leaves the model as it is, 1 is what it was trained for.
    pub scale: f32,
}

impl AdapterChoice {
    /// The adapter as it was trained.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), scale: 1.0 }
    }
}

/// An adapter that a reply was written with: the stamp that goes with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdapterStamp {
    /// What was asked for.
    #[serde(flatten)]
    pub choice: AdapterChoice,
    /// Its name for people.
    pub name: String,
    /// Its largest rank.
    pub rank: usize,
    /// Bytes that it took in memory.
    pub bytes: u64,
}

impl AdapterStamp {
    /// Name and scale: `Touch rugby × 0.5`, or the name alone where the scale is 1.
    pub fn label(&self) -> String {
        let Self { name, choice, .. } = self;
        let is_plain = choice.scale.to_bits() == 1f32.to_bits();
        if is_plain { name.clone() } else { format!("{name} × {}", choice.scale) }
    }
}

/// What an adapter is, as its files tell before its weights are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdapterInfo {
    /// What its files call it.
    pub name: String,
    /// How the files are laid out: `PEFT`, `GGUF`.
    pub layout: String,
    /// Formats of the weights, the one with most bytes first: `BF16`, `F32`.
    pub formats: Vec<String>,
    /// The largest rank of a module.
    pub rank: usize,
    /// What its scale is made of: alpha over the rank, or over the rank's root.
    pub alpha: f64,
    /// Whether the scale is alpha over the root of the rank.
    pub is_rank_stabilized: bool,
    /// The modules that it changes, each with its shape.
    pub modules: Vec<AdaptedModule>,
    /// Transformer blocks that the model must have at least.
    pub n_layers: usize,
    /// Weights in all.
    pub n_parameters: u64,
    /// Bytes of the weights in the files.
    pub bytes: u64,
    /// The model that it names as its base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
}

/// A kind of linear layer that an adapter changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdaptedModule {
    /// Its name in Hugging Face's models: `q_proj`.
    pub name: String,
    /// Inputs.
    pub n_in: usize,
    /// Outputs.
    pub n_out: usize,
    /// In how many blocks it is changed.
    pub n_layers: usize,
}

impl AdapterInfo {
    /// One line of it: `LoRA in PEFT, rank 16, alpha 32, 4.9 M parameters, for SmolLM2-135M`.
    pub fn summary(&self) -> String {
        let millions = self.n_parameters as f64 / 1e6;
        let base = self.base.as_ref().map_or(String::new(), |base| format!(", for {base}"));
        let rslora = if self.is_rank_stabilized { " (rsLoRA)" } else { "" };
        let Self { layout, rank, alpha, .. } = self;
        format!(
            "LoRA in {layout}, rank {rank}, alpha {alpha}{rslora}, {millions:.2} M parameters{base}"
        )
    }

    /// What it is made of, by name.
    pub fn particulars(&self) -> Vec<(&'static str, String)> {
        let module = |module: &AdaptedModule| {
            let AdaptedModule { name, n_in, n_out, n_layers } = module;
            format!("{name} {n_in}→{n_out} in {n_layers}")
        };
        let modules: Vec<String> = self.modules.iter().map(module).collect();
        let scale = if self.is_rank_stabilized { "alpha / √rank" } else { "alpha / rank" };
        vec![
            ("Modules", modules.join(", ")),
            ("Scale", scale.to_owned()),
            ("Weights", self.formats.join(", ")),
            ("Base", self.base.clone().unwrap_or_else(|| "not stated".to_owned())),
        ]
    }
}

/// Whether an adapter of the library can be put on a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdapterFit {
    /// Its id in the library.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What it is; `None` if its files cannot be read.
    pub adapter: Option<AdapterInfo>,
    /// Why it does not fit, with the shapes; `None` if it does.
    pub problem: Option<String>,
}

impl AdapterFit {
    /// Whether it can be put on.
    pub fn fits(&self) -> bool {
        self.problem.is_none()
    }
}

//! An adapter in memory, laid down for the kernels.

use std::{
    ops::Range,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    file::{AdapterFile, Pair, Values},
    fit,
};
use crate::{
    domain::AdapterInfo,
    lm::{Error, LanguageModel, checkpoint::Part, config::Config, network::Network},
    nn::kernels::{Matrix, Store},
};

/// What an adapter's first matrices read: one set of activations each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The normed rows before attention: queries, keys and values.
    Attention,
    /// What the heads have gathered: the output.
    Mixed,
    /// The normed rows before the feed-forward layer: gate and up.
    FeedForward,
    /// What the gate has let through: down.
    Gated,
}

impl Input {
    const ALL: [Self; 4] = [Self::Attention, Self::Mixed, Self::FeedForward, Self::Gated];

    /// The linear layers that read it, in the order of their outputs.
    fn parts(self) -> &'static [Part] {
        match self {
            Self::Attention => &[Part::Query, Part::Key, Part::Value],
            Self::Mixed => &[Part::Output],
            Self::FeedForward => &[Part::Gate, Part::Up],
            Self::Gated => &[Part::Down],
        }
    }
}

/// An adapter, ready for a model of certain sizes. It does not change, so replies share it.
#[derive(Debug)]
pub struct Adapter {
    serial: u64,
    info: AdapterInfo,
    config: Config,
    layers: Vec<[Option<Site>; 4]>,
}

/// The changes of the linear layers that read the same input.
#[derive(Debug)]
pub struct Site {
    /// Their first matrices, one below the other: `(sum of the ranks, n_in)`, so that the input is
    /// read once.
    pub shrink: Matrix,
    /// The others.
    pub branches: Vec<Branch>,
}

/// One linear layer's part of a [`Site`].
#[derive(Debug)]
pub struct Branch {
    /// Which of the outputs it is added to.
    pub output_idx: usize,
    /// Its rows among those of [`Site::shrink`].
    pub ranks: Range<usize>,
    /// What it is multiplied by.
    pub scale: f32,
    /// `(n_out, rank)`.
    pub expand: Matrix,
}

impl Adapter {
    /// Reads an adapter for a model: a PEFT folder, one of its files, or a GGUF file.
    ///
    /// Beside a quantized base, numbers of four bytes are kept in two: what that rounds away is a
    /// tenth of what the base does to its activations, and each token reads half the bytes.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, changes more than linear layers, or was made for a model of
    /// other sizes.
    pub fn load(path: &Path, model: &LanguageModel) -> Result<Self, Error> {
        /// Tells adapters in memory apart; one that is loaded again is another one.
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let network = model.network();
        let config = network.config();
        let mut file = AdapterFile::open(path)?;
        fit::check(&file, config).map_err(|problem| problem.of(&file.path))?;
        let mut store = Store::default();
        let mut layers = Vec::new();
        for layer_idx in 0..config.n_layers {
            let mut sites = [const { None }; 4];
            for (site, input) in sites.iter_mut().zip(Input::ALL) {
                *site = Site::read(&mut file, &mut store, (layer_idx, input), network)?;
            }
            layers.push(sites);
        }
        Ok(Self {
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            info: file.info(),
            config: config.clone(),
            layers,
        })
    }

    /// What it is.
    pub fn info(&self) -> &AdapterInfo {
        &self.info
    }

    /// What its files call it.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// Bytes of its weights in memory.
    pub fn n_bytes(&self) -> u64 {
        let sites = self.layers.iter().flatten().flatten();
        let matrices = sites.flat_map(|site| {
            let branches = site.branches.iter().map(|branch| &branch.expand);
            branches.chain(std::iter::once(&site.shrink))
        });
        matrices.map(Matrix::n_bytes).sum()
    }

    /// Tells it from every other adapter that was loaded since the program began.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Whether it was loaded for a model of these sizes.
    pub fn fits(&self, config: &Config) -> bool {
        self.config == *config
    }

    /// What it changes of the layers of a block that read some input.
    pub fn site(&self, layer_idx: usize, input: Input) -> Option<&Site> {
        self.layers.get(layer_idx)?[input as usize].as_ref()
    }
}

impl Site {
    fn read(
        file: &mut AdapterFile,
        store: &mut Store,
        (layer_idx, input): (usize, Input),
        network: &Network,
    ) -> Result<Option<Self>, Error> {
        let kept = |values: Values| if network.is_quantized() { values.narrowed() } else { values };
        let head_dim = network.config().head_dim;
        let mut firsts: Vec<Values> = Vec::new();
        let mut branches = Vec::new();
        let (mut n_ranks, mut n_inputs) = (0, 0);
        for (output_idx, part) in input.parts().iter().enumerate() {
            let found = |pair: &&Pair| (pair.layer_idx, pair.part) == (layer_idx, *part);
            let Some(pair) = file.pairs.iter().find(found).cloned() else { continue };
            firsts.push(kept(file.values(&pair.a)?));
            let Values { float, bytes } = kept(file.outputs(&pair, head_dim)?);
            let expand = float.matrix(store, &bytes, pair.n_out, pair.rank);
            branches.push(Branch {
                output_idx,
                ranks: n_ranks..n_ranks + pair.rank,
                scale: pair.scale as f32,
                expand: expand.map_err(Error::read(&file.path))?,
            });
            n_ranks += pair.rank;
            n_inputs = pair.n_in;
        }
        let Some(first) = firsts.first() else { return Ok(None) };
        let float = first.float;
        // Files that mix formats are rare; what is narrow loses nothing when it is widened.
        let is_uniform = firsts.iter().all(|values| values.float == float);
        let firsts = if is_uniform { firsts } else { firsts.iter().map(Values::widened).collect() };
        let float = firsts[0].float;
        let bytes: Vec<u8> = firsts.into_iter().flat_map(|values| values.bytes).collect();
        let shrink = float.matrix(store, &bytes, n_ranks, n_inputs);
        Ok(Some(Self { shrink: shrink.map_err(Error::read(&file.path))?, branches }))
    }
}

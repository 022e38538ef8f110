//! Recordings of reference implementations, and how ours are compared with them.
//!
//! A fixture is a folder `tts/KIND` or `tts/KIND-anything` under `tests/fixtures`, or under the
//! folder that `FORMANT_FIXTURES` names: weights (`model.safetensors`, random and tiny), recorded
//! inputs and outputs (`io.npz`) and sizes (`config.json`). The committed ones were made with torch
//! 2.15 on CPU by SpeechBrain 1.1.2, matcha-tts 0.0.7.2 (which carries jik876's generator), librosa 0.11
//! and `g2p_en` 2.1.0, and from `r9y9/tacotron_pytorch`, `r9y9/wavenet_vocoder` at a35fff7 and
//! jaywalnut310/vits at 2e561ba. Those of metrics were made by pystoi, librosa 0.11 and pyworld;
//! dnsmos by the ONNX runtime on speechmos 0.0.1.1; whisper by `models/recipes/make_scorers.py`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
};

use candle_core::{DType, Tensor};
use formant::nn::{Features, Weights};
use serde_json::Value;

/// How far a value may be from its reference.
pub const TOLERANCE: f32 = 1e-4;

/// One folder of recordings.
pub struct Fixture {
    /// Where it lies.
    pub folder: PathBuf,
    /// Recorded inputs and outputs.
    pub io: HashMap<String, Tensor>,
    /// Sizes.
    pub config: Value,
}

/// Every folder of a kind.
#[track_caller]
pub fn fixtures(kind: &str) -> Vec<Fixture> {
    let root = env::var_os("FORMANT_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"),
        PathBuf::from,
    );
    let family = root.join("tts");
    let mut folders: Vec<PathBuf> = fs::read_dir(&family)
        .unwrap_or_else(|error| panic!("cannot list the fixtures: {error}: {}", family.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            path.is_dir() && (name == kind || name.starts_with(&format!("{kind}-")))
        })
        .collect();
    folders.sort();
    assert!(
        !folders.is_empty(),
        "there is no fixture of the kind {kind}; put a folder {kind} or {kind}-anything into {}",
        family.display()
    );
    folders.into_iter().map(Fixture::open).collect()
}

impl Fixture {
    fn open(folder: PathBuf) -> Self {
        let io = Tensor::read_npz(folder.join("io.npz"))
            .unwrap_or_else(|error| panic!("cannot read io.npz: {error}: {}", folder.display()));
        let config = fs::read_to_string(folder.join("config.json"))
            .map_err(|error| error.to_string())
            .and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()))
            .unwrap_or_else(|error| {
                panic!("cannot read config.json: {error}: {}", folder.display())
            });
        Self { folder, io: io.into_iter().collect(), config }
    }

    /// The fixture's own weights.
    pub fn weights(&self) -> Weights {
        Weights::read(&self.folder.join("model.safetensors")).unwrap()
    }

    /// Whether there is a recording of that name.
    pub fn has(&self, name: &str) -> bool {
        self.io.contains_key(name)
    }

    /// The recording of that name.
    #[track_caller]
    pub fn tensor(&self, name: &str) -> &Tensor {
        let tensor = self.io.get(name);
        tensor.unwrap_or_else(|| panic!("io.npz has no {name}: {}", self.folder.display()))
    }

    /// All values of a recording.
    #[track_caller]
    pub fn values(&self, name: &str) -> Vec<f32> {
        let tensor = self.tensor(name).to_dtype(DType::F32).unwrap();
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// A recording as whole numbers.
    #[track_caller]
    pub fn ids(&self, name: &str) -> Vec<u32> {
        self.values(name).into_iter().map(|id| id as u32).collect()
    }

    /// `(1, channels, len)` or `(channels, len)`.
    #[track_caller]
    pub fn features(&self, name: &str) -> Features {
        let values = self.values(name);
        let len = *self.tensor(name).dims().last().unwrap();
        Features { n_channels: values.len() / len, values, len }
    }

    /// `(bins, frames)`, frame after frame.
    #[track_caller]
    pub fn columns(&self, name: &str) -> Vec<f32> {
        self.features(name).to_columns()
    }

    /// The prefixes of names that end so.
    pub fn tags(&self, ending: &str) -> Vec<String> {
        let tags = self.io.keys().filter_map(|name| name.strip_suffix(ending));
        tags.map(str::to_owned).collect()
    }

    /// A whole number of the configuration.
    pub fn count(&self, key: &str) -> Option<usize> {
        Some(self.config.get(key)?.as_u64()? as usize)
    }

    /// A number of the configuration.
    pub fn number(&self, key: &str) -> Option<f32> {
        Some(self.config.get(key)?.as_f64()? as f32)
    }

    /// A list of whole numbers of the configuration.
    pub fn counts(&self, key: &str) -> Option<Vec<usize>> {
        counts(self.config.get(key)?)
    }

    /// A list of lists of whole numbers of the configuration.
    pub fn dilations(&self, key: &str) -> Option<Vec<Vec<usize>>> {
        self.config.get(key)?.as_array()?.iter().map(counts).collect()
    }

    /// Every value is near the recorded one.
    #[track_caller]
    pub fn check(&self, name: &str, got: &[f32]) {
        self.check_within(name, got, TOLERANCE);
    }

    /// Against a recording whose rows are channels, frame after frame on our side.
    #[track_caller]
    pub fn check_rows(&self, name: &str, got: &[f32], n_channels: usize) {
        self.check(name, &Features::from_columns(got, n_channels).values);
    }

    /// Every value is as near as told.
    #[track_caller]
    pub fn check_within(&self, name: &str, got: &[f32], tolerance: f32) {
        let label = format!("{name} of {}", self.folder.display());
        assert_close(&label, got, &self.values(name), tolerance);
    }
}

fn counts(list: &Value) -> Option<Vec<usize>> {
    list.as_array()?.iter().map(|value| Some(value.as_u64()? as usize)).collect()
}

/// Every value is near its reference; tells the worst if not.
#[track_caller]
pub fn assert_close(label: &str, got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len(), "{label} has another length");
    let error = |at: usize| (got[at] - want[at]).abs() / want[at].abs().max(1.0);
    // What is not a number counts as the worst.
    let badness = |at: usize| if error(at).is_nan() { f32::INFINITY } else { error(at) };
    let Some(worst) = (0..got.len()).max_by(|&a, &b| badness(a).total_cmp(&badness(b))) else {
        return;
    };
    assert!(
        badness(worst) <= tolerance,
        "{label} is {} away at {worst}: {}, expected {} within {tolerance}",
        badness(worst),
        got[worst],
        want[worst]
    );
}

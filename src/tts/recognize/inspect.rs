//! A look at a speech checkpoint: what it is, and whether it could be loaded.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{
    architectures::{
        FASTSPEECH2, HIFIGAN, HIFIGAN_ONE, HIFIGAN_TWO, MATCHA, MATCHA_DURATIONS,
        MATCHA_STOCHASTIC, TACOTRON, TACOTRON2, WAVENET,
    },
    schema::{Comparison, Shapes, compare},
};
use crate::{
    domain::{MelConfig, MelConvention, ModelKind, SpeechModelInfo},
    nn::{Padding, Scope, Weights, WeightsError},
    tts::{
        Error, SymbolTable,
        acoustic::{fastspeech2, matcha, tacotron, tacotron2},
        symbols::Writing,
        vocoder::{Generator, GeneratorConfig, WaveNetNetwork},
    },
};

/// Share of an architecture's or of a file's tensors that must be known for it to be that.
const LEAST_SHARE: f64 = 0.5;
/// Stacks of the published WaveNet.
const WAVENET_STACKS: usize = 4;
/// Tensors that are named where a file is nothing known.
const EXAMPLES: usize = 3;

/// What a look at a checkpoint has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognized {
    /// What it is.
    pub model: SpeechModelInfo,
    /// What `model.toml` has to say of it beyond that.
    pub description: toml::Table,
    /// Its file.
    pub file: PathBuf,
}

/// Looks into a file of weights, in any container: which architecture it is of, and whether every
/// tensor is there in the right shape.
///
/// # Errors
/// If the file cannot be read, is of no known architecture, or does not fit the one it is of: then
/// every tensor that is missing or of a wrong shape is named.
pub fn inspect(path: &Path) -> Result<Recognized, Error> {
    let weights = Weights::read(path)?;
    let shapes = weights.shapes();
    let found = recognize(&shapes, path)?;
    let n_symbols = found.comparison.sizes.get("S").copied();
    if !found.comparison.complaints.is_empty() {
        return Err(Error::Unfit {
            kind: found.kind,
            complaints: found.comparison.complaints,
            path: path.to_owned(),
        });
    }
    let is_speechbrain = shapes.keys().any(|name| name.starts_with("conv_pre.conv."));
    let mel = mel(found.kind, is_speechbrain, found.comparison.sizes.get("M").copied());
    try_to_build(found.kind, &weights.scope(""))?;

    let symbols = match n_symbols {
        None => None,
        Some(n) => {
            let table = SymbolTable::published(n);
            Some(table.ok_or(Error::UnknownSymbols { n, path: path.to_owned() })?)
        }
    };
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let n_parameters = shapes.values().map(|shape| shape.iter().product::<usize>() as u64).sum();
    let model = SpeechModelInfo {
        name: format!("{} {stem}", found.label),
        kind: found.kind,
        architecture: found.label.to_owned(),
        n_parameters,
        reads: symbols.as_ref().map(|table| reads(table).to_owned()),
        mel,
    };
    let description = description(&model, symbols.as_ref())?;
    Ok(Recognized { model, description, file: path.to_owned() })
}

struct Found {
    kind: ModelKind,
    label: &'static str,
    comparison: Comparison,
}

/// The architecture that most tensors belong to.
fn recognize(shapes: &Shapes<'_>, path: &Path) -> Result<Found, Error> {
    let has = |prefix: &str| shapes.keys().any(|name| name.starts_with(prefix));
    let durations = if has("encoder.proj_w.flows") { MATCHA_STOCHASTIC } else { MATCHA_DURATIONS };
    let (blocks, generator) = if has("resblocks.0.convs.") {
        (HIFIGAN_ONE, "HiFi-GAN V3")
    } else if shapes.get("ups.0.weight_v").is_some_and(|shape| shape[0] <= 128) {
        (HIFIGAN_TWO, "HiFi-GAN V2")
    } else {
        (HIFIGAN_TWO, "HiFi-GAN V1")
    };
    let candidates = [
        (ModelKind::FastSpeech2, "FastSpeech 2", FASTSPEECH2.to_owned()),
        (ModelKind::Matcha, "Matcha-TTS", format!("{MATCHA}{durations}")),
        (ModelKind::Tacotron2, "Tacotron 2", TACOTRON2.to_owned()),
        (ModelKind::Tacotron, "Tacotron", TACOTRON.to_owned()),
        (ModelKind::HifiGan, generator, format!("{HIFIGAN}{blocks}")),
        (ModelKind::WaveNet, "WaveNet", WAVENET.to_owned()),
    ];
    let compared = candidates.map(|(kind, label, lines)| {
        let comparison = compare(&lines, shapes);
        Found { kind, label, comparison }
    });
    // Of all that the architecture wants and of all that the file has, so that neither a part of a
    // model nor a model beside others is taken for another.
    let share = |found: &Found| {
        let known = found.comparison.known.len();
        let wanted = known + found.comparison.complaints.len();
        known as f64 / wanted.max(shapes.len() / 2).max(1) as f64
    };
    let best = compared.into_iter().max_by(|a, b| share(a).total_cmp(&share(b)));
    best.filter(|best| share(best) >= LEAST_SHARE).ok_or_else(|| {
        let examples = shapes.keys().take(EXAMPLES).map(|&name| name.to_owned()).collect();
        Error::Unrecognized { n: shapes.len(), examples, path: path.to_owned() }
    })
}

/// Loads what loading would load, since shapes that stand in no line must fit each other, too.
fn try_to_build(kind: ModelKind, scope: &Scope<'_>) -> Result<(), WeightsError> {
    match kind {
        ModelKind::FastSpeech2 => {
            let heads = fastspeech2::Heads { encoder: 2, decoder: 2 };
            fastspeech2::Network::load(scope, heads).map(drop)
        }
        ModelKind::Matcha => {
            let heads = matcha::Heads { encoder: 2, decoder: 2 };
            matcha::Network::load(scope, heads).map(drop)
        }
        ModelKind::Tacotron2 => tacotron2::Network::load(scope).map(drop),
        ModelKind::Tacotron => tacotron::Network::load(scope).map(drop),
        ModelKind::WaveNet => WaveNetNetwork::load(scope, WAVENET_STACKS).map(drop),
        _ => {
            let padding = Padding::Zero;
            let config =
                GeneratorConfig { upsample_rates: None, resblock_dilations: None, padding };
            Generator::load(scope, &config).map(drop)
        }
    }
}

/// What the published models of a kind were trained on.
fn mel(kind: ModelKind, is_speechbrain: bool, n_mels: Option<usize>) -> MelConfig {
    let default = MelConfig::default();
    let centred = MelConvention::SpeechBrain;
    let n_mels = n_mels.unwrap_or(default.n_mels);
    match kind {
        ModelKind::FastSpeech2 | ModelKind::Tacotron2 => {
            MelConfig { n_mels, convention: centred, ..default }
        }
        ModelKind::HifiGan if is_speechbrain => {
            MelConfig { n_mels, convention: centred, ..default }
        }
        ModelKind::Tacotron => MelConfig {
            sample_rate: 20_000,
            n_fft: 2048,
            hop_length: 250,
            win_length: 1000,
            n_mels,
            f_min: 0.0,
            f_max: 10_000.0,
            convention: centred,
        },
        ModelKind::WaveNet => {
            MelConfig { n_mels, f_min: 125.0, f_max: 7600.0, convention: centred, ..default }
        }
        _ => MelConfig { n_mels, ..default },
    }
}

fn reads(table: &SymbolTable) -> &'static str {
    match table.writing() {
        Writing::Arpabet => "phonemes (ARPAbet)",
        Writing::Ipa => "phonemes (IPA)",
        Writing::Letters => "letters",
    }
}

/// `[mel]` and the table of the kind, as the published models need them.
fn description(
    model: &SpeechModelInfo,
    symbols: Option<&SymbolTable>,
) -> Result<toml::Table, Error> {
    let mut table = toml::Table::new();
    if let Some(symbols) = symbols {
        table.insert("symbols".into(), symbols.symbols().to_vec().into());
    }
    let own = symbols == Some(&SymbolTable::formant());
    let extra = match model.kind {
        // Pitch as SpeechBrain's recipe states it; energy runs from 0 to 1 in each sentence.
        ModelKind::FastSpeech2 => {
            "n_heads = 2\npitch_mean_hz = 256.1733\npitch_std_hz = 328.3198\n\
             energy_mean = 0.0\nenergy_std = 1.0\n"
        }
        ModelKind::Matcha if !own => "add_blank = true\n",
        ModelKind::Tacotron => "linear = { preemphasis = 0.97, power = 1.5 }\n",
        ModelKind::WaveNet => "n_stacks = 4\npreemphasis = 0.85\ngain = 0.55\n",
        _ => "",
    };
    let wrong = |why: String| Error::Description { why, path: PathBuf::new() };
    let extra: toml::Table =
        extra.parse().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
    table.extend(extra);
    let mut description = toml::Table::new();
    let mel = toml::Table::try_from(&model.mel).map_err(|error| wrong(error.to_string()))?;
    description.insert("mel".into(), mel.into());
    description.insert(model.kind.key().into(), table.into());
    Ok(description)
}

/// Names of tensors in one sentence, the first of them and how many more there are.
pub(in crate::tts) fn listed<T: ToString>(items: &[T]) -> String {
    const MOST: usize = 12;
    let shown: BTreeSet<String> = items.iter().take(MOST).map(ToString::to_string).collect();
    let shown: Vec<String> = shown.into_iter().collect();
    match items.len().checked_sub(MOST) {
        Some(more) if more > 0 => format!("{}; and {more} more", shown.join("; ")),
        _ => shown.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tts").join(name)
    }

    #[track_caller]
    fn check(name: &str, kind: ModelKind, architecture: &str, convention: MelConvention) {
        let found = inspect(&fixture(name)).unwrap();
        assert_eq!((found.model.kind, found.model.architecture.as_str()), (kind, architecture));
        assert_eq!(found.model.mel.convention, convention, "{name}");
    }

    #[test]
    fn each_architecture_is_recognized() {
        let centred = MelConvention::SpeechBrain;
        let hifigan = MelConvention::HifiGan;
        check("matcha/model.safetensors", ModelKind::Matcha, "Matcha-TTS", hifigan);
        check("tacotron2/model.safetensors", ModelKind::Tacotron2, "Tacotron 2", centred);
        check("tacotron1/model.safetensors", ModelKind::Tacotron, "Tacotron", centred);
        check("hifigan/model.safetensors", ModelKind::HifiGan, "HiFi-GAN V2", hifigan);
        check("fastspeech2/model.safetensors", ModelKind::FastSpeech2, "FastSpeech 2", centred);
        check("checkpoints/matcha_lightning.ckpt", ModelKind::Matcha, "Matcha-TTS", hifigan);
    }

    #[test]
    fn all_that_is_missing_is_told_by_name() {
        for (name, missing) in [
            (
                "checkpoints/speechbrain_generator_weight_g.ckpt",
                "resblocks.0.convs1.0.weight is missing",
            ),
            ("checkpoints/hifigan_generator_legacy.pth", "ups.0.weight is missing"),
        ] {
            let error = inspect(&fixture(name)).unwrap_err().to_string();
            assert!(error.contains("HiFi-GAN") && error.contains(missing), "{error}");
        }
    }

    #[test]
    fn what_is_nothing_known_is_said_to_be_so() {
        let error = inspect(&fixture("sdp/model.safetensors")).unwrap_err();
        assert!(matches!(error, Error::Unrecognized { .. }), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ckpt");
        fs::write(&path, b"PK\x03\x04nothing of the kind").unwrap();
        assert!(matches!(inspect(&path), Err(Error::Weights(WeightsError::Damaged { .. }))));
    }
}

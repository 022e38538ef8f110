//! Matcha-TTS as a voice: phonemes in, a mel out.

use crate::{
    domain::{
        Alignment, DurationChoice, Glimpse, MelConfig, MelSpectrogram, PhonemeSequence,
        VoiceOptions,
    },
    nn::{Features, Weights},
    tts::{
        Error, SymbolTable,
        acoustic::{
            AcousticModel, Acoustics, Manner, OnFrames,
            matcha::{
                duration::{Durations, Rounding, StochasticDurations},
                flow::{Flow, noise},
                network::{Heads, Network},
            },
            model::{MAX_FRAMES, checked_durations, checked_ids, checked_range, refuse},
        },
    },
};

/// The symbol between two others, and at both ends, of voices that were trained so.
const BLANK: u32 = 0;
/// Durations are drawn from another stretch of the random numbers than the mel.
const DURATION_STREAM: u64 = 0x6475_7261_7469_6f6e;

/// What the weights do not tell.
#[derive(Debug, Clone, PartialEq)]
pub struct MatchaConfig {
    /// Attention heads.
    pub heads: Heads,
    /// Symbols in the order of the embedding.
    pub symbols: SymbolTable,
    /// What the mels look like.
    pub mel: MelConfig,
    /// Whether a blank stands between any two symbols and at both ends.
    pub blanks: bool,
    /// How predicted durations become frames.
    pub rounding: Rounding,
    /// Factor on the noise that drawn durations begin with.
    pub noise_scale_w: f32,
    /// Mean and standard deviation that mels were normalized with, where the weights do not say.
    pub mel_statistics: Option<[f32; 2]>,
}

/// A Matcha-TTS voice.
#[derive(Debug, Clone)]
pub struct Matcha {
    network: Network,
    /// A stochastic predictor beside the network's own.
    drawn: Option<StochasticDurations>,
    config: MatchaConfig,
    mel_mean: f32,
    mel_std: f32,
}

impl Matcha {
    /// Puts weights and their description together.
    ///
    /// # Errors
    /// If a tensor is missing or does not fit the description.
    pub fn new(weights: &Weights, config: MatchaConfig) -> Result<Self, Error> {
        let scope = weights.scope("");
        let network = Network::load(&scope, config.heads)?;
        if network.n_symbols() != config.symbols.len() {
            let expected = format!("{} rows, one per symbol", config.symbols.len());
            return Err(scope.unexpected("encoder.emb.weight", expected).into());
        }
        if network.n_mels() != config.mel.n_mels {
            let expected = format!("{} rows, one per mel band", config.mel.n_mels);
            return Err(scope.unexpected("encoder.proj_m.weight", expected).into());
        }
        let [mel_mean, mel_std] = match config.mel_statistics {
            Some(statistics) => statistics,
            None => {
                [scope.shaped("mel_mean", &[])?.values[0], scope.shaped("mel_std", &[])?.values[0]]
            }
        };
        Ok(Self { network, drawn: None, config, mel_mean, mel_std })
    }

    /// Adds a stochastic predictor of durations in the names of VITS.
    ///
    /// # Errors
    /// If a tensor is missing or does not fit the encoder.
    pub fn with_drawn_durations(mut self, weights: &Weights) -> Result<Self, Error> {
        let width = self.network.width();
        self.drawn = Some(StochasticDurations::load(&weights.scope(""), width)?);
        Ok(self)
    }

    /// The first frames of a mel of the network, in natural logarithms.
    fn frames(&self, mel: &Features, n_frames: usize) -> Vec<f32> {
        let mut columns = mel.to_columns();
        columns.truncate(n_frames * mel.n_channels);
        for value in &mut columns {
            *value = *value * self.mel_std + self.mel_mean;
        }
        columns
    }

    /// The layers, for those who want to see what is between.
    pub fn network(&self) -> &Network {
        &self.network
    }
}

impl AcousticModel for Matcha {
    fn symbols(&self) -> &SymbolTable {
        &self.config.symbols
    }

    fn mel_config(&self) -> &MelConfig {
        &self.config.mel
    }

    fn n_bytes(&self) -> u64 {
        self.network.n_bytes()
    }

    fn synthesize(
        &mut self,
        phonemes: &PhonemeSequence,
        manner: &Manner<'_>,
        on_frames: OnFrames<'_>,
    ) -> Result<Acoustics, Error> {
        let options = manner.options;
        let (fewest, most) = (*VoiceOptions::STEPS.start(), *VoiceOptions::STEPS.end());
        checked_range("steps", options.steps as f32, fewest as f32..=most as f32)?;
        checked_range("length scale", options.length_scale, VoiceOptions::LENGTH_SCALES)?;
        checked_range("temperature", options.temperature, VoiceOptions::TEMPERATURES)?;
        let ids = checked_ids(phonemes, self.network.n_symbols())?;
        refuse("pitch", manner.given.f0_hz.as_ref())?;
        refuse("energy", manner.given.energy.as_ref())?;
        let given = manner.given.durations.as_deref();
        let given = given.map(|given| checked_durations(given, ids.len())).transpose()?;
        let ids = if self.config.blanks { between_blanks(&ids) } else { ids };
        let network = &self.network;

        let encoded = network.encode(&ids);
        let log_durations = match (network.durations(), options.durations, &self.drawn) {
            (Durations::Deterministic(predictor), DurationChoice::Predicted, _) => {
                predictor.forward(&encoded.hidden)
            }
            (Durations::Deterministic(_), DurationChoice::Drawn, None) => {
                return Err(Error::NoDrawnDurations);
            }
            // A voice that can only draw them does so whatever was chosen.
            (Durations::Stochastic(stochastic), ..) | (_, _, Some(stochastic)) => {
                let mut drawn = noise(2, ids.len(), manner.seed ^ DURATION_STREAM);
                drawn.map(|value| value * self.config.noise_scale_w);
                stochastic.forward(&encoded.hidden, &drawn)
            }
        };
        let mut frames =
            Network::frames(&log_durations, self.config.rounding, options.length_scale);
        if let Some(given) = given {
            frames = if self.config.blanks { shared_with_blanks(&given, &frames) } else { given };
        }
        let n_frames = frames.iter().map(|&frames| frames as usize).sum();
        if n_frames > MAX_FRAMES {
            return Err(Error::TooLong { n_frames, limit: MAX_FRAMES });
        }

        let mu = network.spread(&encoded.mu, &frames);
        let start = noise(mu.n_channels, mu.len, manner.seed);
        let flow = Flow { n_steps: options.steps as usize, temperature: options.temperature };
        let mut glimpses = Vec::new();
        let mut step = 0;
        let mel = flow.follow(&start, |x, time| {
            on_frames(None)?;
            if Glimpse::keeps_step(step, flow.n_steps) {
                glimpses.push(Glimpse::flow_step(time, &self.frames(x, n_frames), x.n_channels));
            }
            step += 1;
            Ok::<_, Error>(network.decoder().forward(x, &mu, n_frames, time, &mut |_, _| ()))
        })?;
        let columns = self.frames(&mel, n_frames);
        glimpses.push(Glimpse::flow_step(1.0, &columns, mel.n_channels));
        let durations = if self.config.blanks { without_blanks(&frames) } else { frames };
        Ok(Acoustics {
            mel: MelSpectrogram { frames: columns, config: self.config.mel.clone() },
            alignment: Alignment { durations },
            prosody: None,
            attention: None,
            linear: None,
            glimpses,
        })
    }
}

/// A blank before each symbol and one at the end.
fn between_blanks(ids: &[u32]) -> Vec<u32> {
    ids.iter().flat_map(|&id| [BLANK, id]).chain([BLANK]).collect()
}

/// The frames of each symbol and of the blank before it; the last one has the blank at the end too.
fn without_blanks(frames: &[u32]) -> Vec<u32> {
    let (pairs, last) = frames.as_chunks::<2>();
    let mut durations: Vec<u32> = pairs.iter().map(|[blank, own]| blank + own).collect();
    if let (Some(duration), Some(blank)) = (durations.last_mut(), last.first()) {
        *duration += blank;
    }
    durations
}

/// The frames of each symbol, shared among it and the blank before it, and for the last symbol the
/// one at the end, as they are predicted to share.
fn shared_with_blanks(given: &[u32], predicted: &[u32]) -> Vec<u32> {
    let mut frames = Vec::with_capacity(predicted.len());
    for (at, &whole) in given.iter().enumerate() {
        let end = if at + 1 == given.len() { predicted.len() } else { 2 * at + 2 };
        let parts = &predicted[2 * at..end];
        let all: u64 = parts.iter().map(|&part| u64::from(part)).sum();
        let (mut so_far, mut begin) = (0, 0);
        for (part_idx, &part) in parts.iter().enumerate() {
            so_far += u64::from(part);
            let end = match (all, part_idx + 1 == parts.len()) {
                (_, true) => whole,
                (0, false) => 0,
                (all, false) => (u64::from(whole) * so_far / all) as u32,
            };
            frames.push(end - begin);
            begin = end;
        }
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{GivenProsody, GlimpseKind, ModelKind, ProsodyControls},
        tts::load::tests::{check_whole, other_voice, speak, symbols},
    };

    #[test]
    fn blanks_come_and_go() {
        assert_eq!(between_blanks(&[5, 6]), [0, 5, 0, 6, 0]);
        assert_eq!(without_blanks(&[1, 2, 3, 4, 5]), [3, 12]);
    }

    #[test]
    fn given_durations_are_shared_with_blanks_and_come_back() {
        let predicted = [1, 3, 0, 0, 2, 2, 4];
        let shared = shared_with_blanks(&[8, 5, 16], &predicted);
        assert_eq!(shared, [2, 6, 0, 5, 4, 4, 8]);
        assert_eq!(without_blanks(&shared), [8, 5, 16]);
    }

    #[test]
    fn given_durations_stand_and_pitch_is_refused() {
        for description in ["", "add_blank = true"] {
            let mut voice = other_voice(ModelKind::Matcha, 178, description);
            let options = VoiceOptions { steps: 1, length_scale: 2.0, ..VoiceOptions::default() };
            let mut given =
                GivenProsody { durations: Some(vec![3, 0, 7, 2]), ..GivenProsody::default() };
            let controls = &ProsodyControls::default();
            let mut speak = |given: &GivenProsody| {
                let manner = Manner { given, controls, options: &options, seed: 0 };
                voice.synthesize(&symbols(1..5), &manner, &mut |_| Ok(()))
            };
            let acoustics = speak(&given).unwrap();
            assert_eq!(acoustics.alignment.durations, [3, 0, 7, 2]);
            check_whole(&acoustics, 4);
            given.f0_hz = Some(vec![100.0; 4]);
            assert!(matches!(speak(&given), Err(Error::Unheeded { what: "pitch" })));
        }
    }

    fn spoken(n_symbols: u32, length_scale: f32, seed: u64) -> Acoustics {
        let mut voice = other_voice(ModelKind::Matcha, 178, "");
        let options = VoiceOptions { steps: 2, length_scale, ..VoiceOptions::default() };
        let phonemes = symbols((0..n_symbols).map(|at| 1 + at % 170));
        speak(&mut *voice, &phonemes, &options, seed, &mut |_| ()).unwrap()
    }

    #[test]
    fn sentences_of_any_length_are_spoken() {
        check_whole(&spoken(1, 1.0, 0), 1);
        let short = spoken(1, 0.25, 0);
        check_whole(&short, 1);
        assert!(short.mel.n_frames() <= 2, "{} frames", short.mel.n_frames());
        let long = spoken(200, 4.0, 0);
        check_whole(&long, 200);
        assert!(long.mel.n_frames() >= 2_500, "{} frames", long.mel.n_frames());
    }

    #[test]
    fn every_step_from_noise_to_mel_is_seen() {
        let acoustics = spoken(12, 1.0, 5);
        let times: Vec<f32> = acoustics
            .glimpses
            .iter()
            .filter_map(|glimpse| match glimpse.kind {
                GlimpseKind::FlowStep { time } => Some(time),
                GlimpseKind::EncoderCbhg | GlimpseKind::PostnetCbhg => None,
            })
            .collect();
        assert_eq!(times, [0.0, 0.5, 1.0]);
        let mel = Glimpse::flow_step(1.0, &acoustics.mel.frames, acoustics.mel.config.n_mels);
        assert_eq!(acoustics.glimpses[2], mel);
        assert_ne!(acoustics.glimpses[0].levels, mel.levels);
    }

    #[test]
    fn the_seed_and_nothing_else_decides_the_mel() {
        assert_eq!(spoken(20, 1.0, 3), spoken(20, 1.0, 3));
        assert_ne!(spoken(20, 1.0, 3), spoken(20, 1.0, 4));
    }

    #[test]
    fn blanks_belong_to_the_symbol_after_them() {
        let mut voice = other_voice(ModelKind::Matcha, 178, "add_blank = true");
        let options = VoiceOptions { steps: 1, ..VoiceOptions::default() };
        let acoustics = speak(&mut *voice, &symbols(1..10), &options, 0, &mut |_| ()).unwrap();
        check_whole(&acoustics, 9);
    }

    #[test]
    fn options_out_of_range_are_refused() {
        let mut voice = other_voice(ModelKind::Matcha, 178, "");
        for options in [
            VoiceOptions { steps: 0, ..VoiceOptions::default() },
            VoiceOptions { temperature: -1.0, ..VoiceOptions::default() },
            VoiceOptions { length_scale: f32::NAN, ..VoiceOptions::default() },
        ] {
            let refused = speak(&mut *voice, &symbols(1..4), &options, 0, &mut |_| ());
            assert!(matches!(refused, Err(Error::ControlRange { .. })), "{options:?}");
        }
    }
}

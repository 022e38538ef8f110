//! WaveNet as a vocoder: slow, since each sample waits for the one before.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    domain::MelConfig,
    nn::{Features, Stepper, Weights},
    tts::{
        Error,
        vocoder::{
            model::{Heard, OnSamples, Vocoder, check_mel},
            wavenet::network::Network,
        },
    },
};

/// Samples from one hand-over to the next.
const STRETCH: usize = 256;
/// Uniform draws keep this far from zero and one, whose logarithms are not finite.
const EDGE: f32 = 1e-5;

/// What the weights do not tell.
#[derive(Debug, Clone, PartialEq)]
pub struct WaveNetConfig {
    /// How often the dilations begin again.
    pub n_stacks: usize,
    /// Mean of each band, as a natural logarithm; none are zeros.
    pub mel_mean: Option<Vec<f32>>,
    /// Deviation of each band; none are ones.
    pub mel_std: Option<Vec<f32>>,
    /// The share of each sample that was taken from the next one; zero is none.
    pub preemphasis: f32,
    /// What sound was multiplied with.
    pub gain: f32,
    /// Factor on the scales that samples are drawn with: below one there is less noise, and less life.
    pub temperature: f32,
}

/// A WaveNet vocoder.
#[derive(Debug)]
pub struct WaveNet {
    network: Network,
    config: WaveNetConfig,
    mel: MelConfig,
    stepper: Stepper,
}

impl WaveNet {
    /// Puts weights and their description together.
    ///
    /// # Errors
    /// If a tensor is missing, or the layers do not fit the mel.
    pub fn new(weights: &Weights, config: &WaveNetConfig, mel: MelConfig) -> Result<Self, Error> {
        let scope = weights.scope("");
        let network = Network::load(&scope, config.n_stacks)?;
        if network.n_mels() != mel.n_mels {
            let expected = format!("{} input channels, one per mel band", mel.n_mels);
            return Err(scope.unexpected("upsample_net.conv_in.weight", expected).into());
        }
        if network.hop_length() != mel.hop_length {
            let name = "upsample_net.upsample.up_layers.1.weight_v";
            let expected = format!("upsampling scales whose product is {}", mel.hop_length);
            return Err(scope.unexpected(name, expected).into());
        }
        for statistics in [&config.mel_mean, &config.mel_std].into_iter().flatten() {
            if statistics.len() != mel.n_mels {
                let expected = format!("{} statistics, one per mel band", mel.n_mels);
                return Err(scope.unexpected("upsample_net.conv_in.weight", expected).into());
            }
        }
        Ok(Self { network, config: config.clone(), mel, stepper: Stepper::default() })
    }

    /// The layers, for those who want to see what is between.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The mel as the network wants it: normalized, and its first and last frame repeated.
    fn prepare(&self, heard: &Heard<'_>) -> Features {
        let mut mel = Features::from_columns(&heard.mel.frames, self.mel.n_mels);
        for channel in 0..mel.n_channels {
            let of = |statistics: &Option<Vec<f32>>, otherwise| {
                statistics.as_ref().map_or(otherwise, |all| all[channel])
            };
            let (mean, std) = (of(&self.config.mel_mean, 0.0), of(&self.config.mel_std, 1.0));
            mel.row_mut(channel).iter_mut().for_each(|value| *value = (*value - mean) / std);
        }
        let reach = self.network.frame_reach() as isize;
        let last = mel.len as isize - 1;
        let columns: Vec<usize> =
            (-reach..=last + reach).map(|at| at.clamp(0, last) as usize).collect();
        mel.select(&columns)
    }
}

impl Vocoder for WaveNet {
    fn n_bytes(&self) -> u64 {
        self.network.n_bytes()
    }

    /// Only a whole mel: waiting for it is nothing beside sounding it.
    fn mel_config(&self) -> Option<&MelConfig> {
        Some(&self.mel)
    }

    fn sound(
        &mut self,
        heard: &Heard<'_>,
        from: usize,
        on_samples: OnSamples<'_>,
    ) -> Result<usize, Error> {
        check_mel(&heard.mel.config, &self.mel)?;
        let n_frames = heard.mel.n_frames();
        if !heard.is_whole || from >= n_frames {
            return Ok(from);
        }
        let upsampled = self.network.upsample(&self.prepare(heard));
        let mut rng = ChaCha8Rng::seed_from_u64(heard.seed);
        let mut uniform = move || rng.random_range(EDGE..1.0 - EDGE);
        let mut past = self.network.begin();
        let (mut sample, mut emphasized) = (0.0, 0.0);
        for start in (0..upsampled.len).step_by(STRETCH) {
            let columns: Vec<usize> = (start..(start + STRETCH).min(upsampled.len)).collect();
            let conditions = self.network.conditions(&upsampled.select(&columns));
            let n_conditions = conditions.n_channels;
            let mut samples = Vec::with_capacity(columns.len());
            for conditions in conditions.to_columns().chunks_exact(n_conditions) {
                let params = self.network.step(&mut self.stepper, &mut past, sample, conditions);
                let which: Vec<f32> = (0..params.len() / 3).map(|_| uniform()).collect();
                sample = Network::draw(&params, self.config.temperature, &which, uniform());
                emphasized = sample + self.config.preemphasis * emphasized;
                samples.push((emphasized / self.config.gain).clamp(-1.0, 1.0));
            }
            on_samples(&samples)?;
        }
        Ok(n_frames)
    }
}

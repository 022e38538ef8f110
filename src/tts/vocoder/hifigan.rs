//! HiFi-GAN as a vocoder: whole mels in, stretches of sound out.

use crate::{
    domain::{MelConfig, MelConvention, MelSpectrogram, Waveform},
    job::Cancelled,
    nn::{Features, Weights},
    tts::{
        Error,
        vocoder::{
            Vocoder,
            generator::{Generator, GeneratorConfig},
            model::check_mel,
        },
    },
};

/// Frames that SpeechBrain repeats at both ends before it generates.
const SPEECHBRAIN_PADDING: usize = 5;
/// Multiply-adds in one stretch: about 30 ms of one core, so that others get their turn.
const STRETCH_COST: u64 = 1_000_000_000;
/// Frames in one stretch; fewer would spend most of the work on what lies around it.
const STRETCH_FRAMES: std::ops::RangeInclusive<u64> = 16..=64;

/// A HiFi-GAN vocoder.
#[derive(Debug, Clone)]
pub struct HifiGan {
    generator: Generator,
    mel: MelConfig,
}

impl HifiGan {
    /// Puts weights and their description together.
    ///
    /// # Errors
    /// If a tensor is missing, or the layers do not fit the mel.
    pub fn new(weights: &Weights, config: &GeneratorConfig, mel: MelConfig) -> Result<Self, Error> {
        let scope = weights.scope("");
        let generator = Generator::load(&scope, config)?;
        if generator.n_mels() != mel.n_mels {
            let expected = format!("{} input channels, one per mel band", mel.n_mels);
            return Err(scope.unexpected("conv_pre.weight", expected).into());
        }
        if generator.hop_length() != mel.hop_length {
            let expected = format!("upsampling rates whose product is {}", mel.hop_length);
            return Err(scope.unexpected("ups.0.weight", expected).into());
        }
        Ok(Self { generator, mel })
    }

    /// The layers, for those who want to see what is between.
    pub fn generator(&self) -> &Generator {
        &self.generator
    }
}

impl Vocoder for HifiGan {
    fn n_bytes(&self) -> u64 {
        self.generator.n_bytes()
    }

    fn vocode(
        &mut self,
        mel: &MelSpectrogram,
        on_samples: &mut dyn FnMut(&[f32]) -> Result<(), Cancelled>,
    ) -> Result<Waveform, Error> {
        check_mel(&mel.config, &self.mel)?;
        let mut waveform = Waveform { samples: Vec::new(), sample_rate: mel.config.sample_rate };
        let n_frames = mel.n_frames();
        if n_frames == 0 {
            return Ok(waveform);
        }
        let features = Features::from_columns(&mel.frames, mel.config.n_mels);
        let (features, first) = match mel.config.convention {
            MelConvention::HifiGan => (features, 0),
            MelConvention::SpeechBrain => (repeat_ends(&features), SPEECHBRAIN_PADDING),
        };
        let step = if self.generator.has_even_borders() {
            let affordable = STRETCH_COST / self.generator.cost_per_frame().max(1);
            affordable.clamp(*STRETCH_FRAMES.start(), *STRETCH_FRAMES.end()) as usize
        } else {
            n_frames
        };
        for start in (0..n_frames).step_by(step) {
            let end = (start + step).min(n_frames);
            let samples = self.generator.stretch(&features, first + start..first + end);
            on_samples(&samples)?;
            waveform.samples.extend_from_slice(&samples);
        }
        Ok(waveform)
    }
}

/// The mel with its first and last frame repeated.
fn repeat_ends(mel: &Features) -> Features {
    let last = mel.len as isize + SPEECHBRAIN_PADDING as isize;
    let columns: Vec<usize> = (-(SPEECHBRAIN_PADDING as isize)..last)
        .map(|at| at.clamp(0, mel.len as isize - 1) as usize)
        .collect();
    mel.select(&columns)
}

//! HiFi-GAN as a vocoder: whole mels in, stretches of sound out.

use crate::{
    domain::{MelConfig, MelConvention},
    nn::{Features, Weights, n_threads, side_by_side},
    tts::{
        Error,
        vocoder::{
            generator::{Generator, GeneratorConfig},
            model::{Heard, OnSamples, Vocoder, check_mel},
        },
    },
};

/// Frames that SpeechBrain repeats at both ends before it generates.
const SPEECHBRAIN_PADDING: usize = 5;
/// Multiply-adds in one stretch: 30 to 50 ms of one core, so that others get their turn.
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

    fn mel_config(&self) -> Option<&MelConfig> {
        Some(&self.mel)
    }

    fn sound(
        &mut self,
        heard: &Heard<'_>,
        from: usize,
        on_samples: OnSamples<'_>,
    ) -> Result<usize, Error> {
        let mel = heard.mel;
        check_mel(&mel.config, &self.mel)?;
        let n_frames = mel.n_frames();
        let end = match (heard.is_whole, self.generator.has_even_borders()) {
            (true, _) => n_frames,
            (false, true) => n_frames.saturating_sub(self.generator.frame_reach()),
            (false, false) => 0,
        };
        if end <= from {
            return Ok(from);
        }
        let features = Features::from_columns(&mel.frames, mel.config.n_mels);
        // Before the end, the frames that are repeated there are not heard yet.
        let (features, first) = match self.mel.convention {
            MelConvention::HifiGan => (features, 0),
            MelConvention::SpeechBrain => (repeat_ends(&features), SPEECHBRAIN_PADDING),
        };
        let step = if self.generator.has_even_borders() {
            let affordable = STRETCH_COST / self.generator.cost_per_frame().max(1);
            affordable.clamp(*STRETCH_FRAMES.start(), *STRETCH_FRAMES.end()) as usize
        } else {
            n_frames
        };
        // The first stretch is waited for, so all threads share its layers; of the rest each thread
        // takes stretches of its own, which do not wait for each other.
        let mut start = from;
        let mut n_together = 1;
        while start < end {
            let n = (end - start).div_ceil(step).min(n_together);
            let sound = |at: usize| {
                let start = start + at * step;
                let stop = (start + step).min(end);
                self.generator.stretch(&features, first + start..first + stop)
            };
            let stretches = if n == 1 { vec![sound(0)] } else { side_by_side(n, sound) };
            for samples in stretches {
                on_samples(&samples)?;
            }
            start += n * step;
            n_together = n_threads();
        }
        Ok(end)
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

#[cfg(test)]
mod tests {
    use std::{num::NonZeroUsize, sync::Arc};

    use super::*;
    use crate::{
        domain::MelSpectrogram,
        job::Cancelled,
        nn::{kernels::Pool, share_work_among},
        tts::load::tests::vocoder,
    };

    fn mel(convention: MelConvention, n_frames: usize) -> MelSpectrogram {
        let frames =
            (0..n_frames * 80).map(|at| ((at * 31 + 7) % 97) as f32 / 25.0 - 6.0).collect();
        MelSpectrogram { frames, config: MelConfig { convention, ..MelConfig::default() } }
    }

    #[track_caller]
    fn check(name: &str, convention: MelConvention, n_frames: usize) {
        let (mut vocoder, mel) = (vocoder(name), mel(convention, n_frames));
        let mut streamed = Vec::new();
        let sound = vocoder
            .vocode(&mel, &mut |samples| {
                streamed.extend_from_slice(samples);
                Ok(())
            })
            .unwrap();
        assert_eq!(streamed, sound.samples);
        assert_eq!(streamed.len(), n_frames * 256);
        let features = Features::from_columns(&mel.frames, 80);
        let whole = match convention {
            MelConvention::HifiGan => vocoder.generator.forward(&features),
            MelConvention::SpeechBrain => {
                let whole = vocoder.generator.forward(&repeat_ends(&features));
                whole[5 * 256..(5 + n_frames) * 256].to_vec()
            }
        };
        for (at, (piece, whole)) in streamed.iter().zip(&whole).enumerate() {
            assert!((piece - whole).abs() < 1e-6, "sample {at}: {piece}, expected {whole}");
        }
    }

    #[test]
    fn sound_in_stretches_equals_sound_as_a_whole() {
        for n_frames in [1, 2, 3, 64, 65, 130, 200] {
            check("hifigan", MelConvention::HifiGan, n_frames);
            check("speechbrain", MelConvention::SpeechBrain, n_frames);
        }
    }

    #[test]
    fn several_threads_give_the_samples_of_one() {
        let mel = mel(MelConvention::HifiGan, 230);
        let sound = || vocoder("hifigan").vocode(&mel, &mut |_| Ok(())).unwrap().samples;
        let alone = sound();
        let three = Pool::new(NonZeroUsize::new(3).unwrap()).unwrap();
        share_work_among(Arc::new(three));
        assert_eq!(sound(), alone);
    }

    #[test]
    fn a_mel_that_grows_sounds_as_it_does_whole() {
        for (name, convention) in
            [("hifigan", MelConvention::HifiGan), ("speechbrain", MelConvention::SpeechBrain)]
        {
            let (mut vocoder, whole) = (vocoder(name), mel(convention, 150));
            let expected = vocoder.vocode(&whole, &mut |_| Ok(())).unwrap().samples;
            let (mut samples, mut from) = (Vec::new(), 0);
            for n_frames in [1, 20, 21, 64, 149, 150] {
                let frames = whole.frames[..n_frames * 80].to_vec();
                let mel = MelSpectrogram { frames, config: whole.config.clone() };
                let is_whole = n_frames == 150;
                let heard = Heard { mel: &mel, linear: None, is_whole, seed: 0 };
                let mut on_samples = |piece: &[f32]| {
                    samples.extend_from_slice(piece);
                    Ok(())
                };
                from = vocoder.sound(&heard, from, &mut on_samples).unwrap();
                assert_eq!(samples.len(), from * 256);
                assert!(n_frames < 64 || from > 0, "nothing was heard of {n_frames} frames");
            }
            assert_eq!(from, 150);
            for (at, (piece, whole)) in samples.iter().zip(&expected).enumerate() {
                assert!((piece - whole).abs() < 1e-6, "sample {at}: {piece}, expected {whole}");
            }
        }
    }

    #[test]
    fn long_mels_are_spoken_and_empty_ones_are_silent() {
        let mut vocoder = vocoder("hifigan");
        let sound = vocoder.vocode(&mel(MelConvention::HifiGan, 2_600), &mut |_| Ok(())).unwrap();
        assert_eq!(sound.samples.len(), 2_600 * 256);
        assert!(sound.samples.iter().all(|sample| sample.abs() <= 1.0));
        let silence = vocoder.vocode(&mel(MelConvention::HifiGan, 0), &mut |_| Ok(())).unwrap();
        assert!(silence.samples.is_empty());
    }

    #[test]
    fn a_client_that_left_ends_the_work() {
        let mut n_stretches = 0;
        let refused = vocoder("hifigan").vocode(&mel(MelConvention::HifiGan, 500), &mut |_| {
            n_stretches += 1;
            if n_stretches == 2 { Err(Cancelled) } else { Ok(()) }
        });
        assert!(matches!(refused, Err(Error::Cancelled(_))));
        assert_eq!(n_stretches, 2);
    }
}

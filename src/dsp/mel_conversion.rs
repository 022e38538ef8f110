//! A mel as other models write it.
//!
//! Bands are turned back into the bins of a spectrum (the non-negative ones whose bands come
//! nearest) and those into the other bands. Only what frames hold can be converted: where they lie
//! in time cannot.

use crate::{
    domain::{MelConfig, MelSpectrogram},
    dsp::{
        griffin_lim::magnitudes,
        mel::{FLOOR, MelFilterBank},
    },
};

/// From one kind of mel to another, frame by frame.
#[derive(Debug, Clone)]
pub struct MelConversion {
    to: MelConfig,
    bank: MelFilterBank,
}

impl MelConversion {
    /// `None` where frames of `from` and `to` are of other stretches of sound, or lie elsewhere.
    ///
    /// Conventions may differ: that moves all frames by half a hop and changes nothing else.
    pub fn new(from: &MelConfig, to: &MelConfig) -> Option<Self> {
        let time = |mel: &MelConfig| (mel.sample_rate, mel.hop_length, mel.n_fft, mel.win_length);
        (time(from) == time(to)).then(|| Self { to: to.clone(), bank: MelFilterBank::new(to) })
    }

    /// The same sound in the other bands.
    pub fn convert(&self, mel: &MelSpectrogram) -> MelSpectrogram {
        let mut bands = vec![0.0; self.to.n_mels];
        let mut frames = Vec::with_capacity(mel.n_frames() * self.to.n_mels);
        for bins in magnitudes(mel).chunks_exact(self.bank.n_bins()) {
            self.bank.apply(bins, &mut bands);
            frames.extend(bands.iter().map(|band| band.max(FLOOR).ln()));
        }
        MelSpectrogram { frames, config: self.to.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::mel_spectrogram;

    /// A buzz whose overtones fall off as those of a voice.
    fn buzz(n: usize) -> Vec<f32> {
        let partial = |at: usize, k: usize| {
            (std::f32::consts::TAU * 150.0 * k as f32 * at as f32 / 22_050.0).sin() / k as f32
        };
        (0..n).map(|at| (1..40).map(|k| partial(at, k)).sum::<f32>() * 0.2).collect()
    }

    #[test]
    fn a_converted_mel_is_near_to_the_one_made_from_the_sound() {
        let sound = buzz(16_384);
        let from = MelConfig::default();
        let to = MelConfig { n_mels: 64, f_min: 125.0, f_max: 7600.0, ..from.clone() };
        let conversion = MelConversion::new(&from, &to).unwrap();
        let converted = conversion.convert(&mel_spectrogram(&sound, &from));
        let expected = mel_spectrogram(&sound, &to);
        assert_eq!(converted.config, expected.config);
        let error: f32 = converted
            .frames
            .iter()
            .zip(&expected.frames)
            .map(|(got, want)| (got - want).abs())
            .sum::<f32>()
            / expected.frames.len() as f32;
        // Taken for each other as they are, the first 64 bands are 0.6 apart.
        assert!(error < 0.2, "mean error {error}");
    }

    #[test]
    fn frames_of_other_stretches_of_sound_are_not_converted() {
        let from = MelConfig::default();
        for to in [
            MelConfig { sample_rate: 16_000, ..from.clone() },
            MelConfig { hop_length: 300, ..from.clone() },
            MelConfig { n_fft: 2048, ..from.clone() },
        ] {
            assert!(MelConversion::new(&from, &to).is_none(), "{to:?}");
        }
    }
}

//! What stands between a voice and a vocoder that has learned another kind of mel.

use crate::{
    domain::{MelConfig, MelSpectrogram},
    dsp::MelConversion,
    tts::{Error, vocoder::model::check_mel},
};

/// A voice's mel as a vocoder reads it, each frame converted once.
#[derive(Debug, Clone)]
pub struct MelReader {
    conversion: MelConversion,
    converted: MelSpectrogram,
}

impl MelReader {
    /// For mels of `from`, for a vocoder that reads `to`; `None` if it reads them as they are.
    ///
    /// # Errors
    /// [`Error::MelMismatch`] if one cannot be made the other.
    pub fn new(from: &MelConfig, to: &MelConfig) -> Result<Option<Self>, Error> {
        let Err(mismatch) = check_mel(from, to) else { return Ok(None) };
        let conversion = MelConversion::new(from, to).ok_or(mismatch)?;
        Ok(Some(Self { conversion, converted: MelSpectrogram::empty(to.clone()) }))
    }

    /// The frames of `mel`, whose first `known` are those of the call before.
    pub fn read(&mut self, mel: &MelSpectrogram, known: usize) -> &MelSpectrogram {
        let n_mels = self.converted.config.n_mels;
        let known = known.min(self.converted.n_frames());
        self.converted.frames.truncate(known * n_mels);
        let first = known * mel.config.n_mels;
        let frames = mel.frames.get(first..).unwrap_or_default().to_vec();
        let new = MelSpectrogram { frames, config: mel.config.clone() };
        self.converted.frames.extend(self.conversion.convert(&new).frames);
        &self.converted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MelConvention;

    fn mel(n_frames: usize) -> MelSpectrogram {
        let value = |at: usize| ((at * 31 + 7) % 97) as f32 / 25.0 - 6.0;
        let config = MelConfig::default();
        MelSpectrogram { frames: (0..n_frames * config.n_mels).map(value).collect(), config }
    }

    #[test]
    fn a_mel_that_grows_is_converted_as_if_whole() {
        let whole = mel(20);
        let to = MelConfig { f_min: 125.0, f_max: 7600.0, ..whole.config.clone() };
        let mut reader = MelReader::new(&whole.config, &to).unwrap().unwrap();
        let mut grown = Vec::new();
        for (known, n) in [(0, 6), (6, 13), (13, 20)] {
            grown.clone_from(&reader.read(&mel(n), known).frames);
        }
        let mut again = MelReader::new(&whole.config, &to).unwrap().unwrap();
        assert_eq!(grown, again.read(&whole, 0).frames);
    }

    #[test]
    fn another_convention_is_read_as_it_is_and_another_rate_refused() {
        let from = MelConfig::default();
        let centred = MelConfig { convention: MelConvention::SpeechBrain, ..from.clone() };
        assert!(MelReader::new(&from, &centred).unwrap().is_none());
        let slower = MelConfig { sample_rate: 16_000, ..from.clone() };
        assert!(matches!(MelReader::new(&from, &slower), Err(Error::MelMismatch { .. })));
    }
}

//! Tacotron as a voice: phonemes in; a mel while it is made and a linear spectrogram at the end, or a
//! better mel at the end.

use crate::{
    domain::{
        Attention, AttentionWindow, Glimpse, LinearConfig, LinearSpectrogram, MelConfig,
        PhonemeSequence,
    },
    dsp::FLOOR,
    nn::{Features, Stepper, Weights},
    tts::{
        Error, SymbolTable,
        acoustic::{
            AcousticModel, Acoustics, Manner, OnFrames,
            model::{checked_ids, refuse_given},
            prenet::{SentenceDropout, no_dropout, seeded_dropout},
            tacotron::network::Network,
            window::Guard,
        },
    },
};

/// Steps before which no silence is an end.
const FIRST_STEPS: usize = 2;
/// Frames from one hand-over to the next.
const STRETCH: usize = 64;

/// How values of the network become logarithms of magnitudes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    scale: f32,
    shift: f32,
}

impl Levels {
    /// Decibels: 0 stands for `reference + least`, 1 for `reference`.
    pub fn decibels(reference: f32, least: f32) -> Self {
        let per_decibel = std::f32::consts::LN_10 / 20.0;
        Self { scale: -least * per_decibel, shift: (reference + least) * per_decibel }
    }

    /// Of one value, which is held between the two.
    pub fn ln(self, value: f32) -> f32 {
        (value.clamp(0.0, 1.0) * self.scale + self.shift).max(FLOOR.ln())
    }
}

/// What the weights do not tell.
#[derive(Debug, Clone, PartialEq)]
pub struct TacotronConfig {
    /// Symbols in the order of the embedding.
    pub symbols: SymbolTable,
    /// What the mels look like.
    pub mel: MelConfig,
    /// What the linear spectrograms look like, for voices that end with one.
    pub linear: LinearConfig,
    /// How values of mels and linear spectrograms are meant.
    pub levels: Levels,
    /// Whether units of the pre-net fall silent at random.
    pub dropout: bool,
    /// A step none of whose values is above this ends the sentence.
    pub stop_below: f32,
    /// The window that the voice needs, if it needs one.
    pub window: Option<AttentionWindow>,
    /// Steps that one sentence may take.
    pub max_decoder_steps: usize,
}

/// What the post-net makes of a whole mel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// A linear spectrogram, as in the paper: the mel stands as the decoder makes it.
    Linear,
    /// A better mel, which only then stands.
    Mel,
}

/// A Tacotron voice.
#[derive(Debug)]
pub struct Tacotron {
    network: Network,
    ends_with: End,
    config: TacotronConfig,
    stepper: Stepper,
}

impl Tacotron {
    /// Puts weights and their description together.
    ///
    /// # Errors
    /// If a tensor is missing or does not fit the description.
    pub fn new(weights: &Weights, config: TacotronConfig) -> Result<Self, Error> {
        let scope = weights.scope("");
        let network = Network::load(&scope)?;
        if network.n_symbols() != config.symbols.len() {
            let expected = format!("{} rows, one per symbol", config.symbols.len());
            return Err(scope.unexpected("embedding.weight", expected).into());
        }
        if network.n_mels() != config.mel.n_mels {
            let expected = format!("{} input channels, one per mel band", config.mel.n_mels);
            let name = "postnet.conv1d_banks.0.conv1d.weight";
            return Err(scope.unexpected(name, expected).into());
        }
        let ends_with = match network.n_bins() {
            n if n == config.linear.n_bins() => End::Linear,
            n if n == config.mel.n_mels => End::Mel,
            _ => {
                let (bins, bands) = (config.linear.n_bins(), config.mel.n_mels);
                let expected = format!("{bins} rows, one per bin, or {bands}, one per mel band");
                return Err(scope.unexpected("last_linear.weight", expected).into());
            }
        };
        Ok(Self { network, ends_with, config, stepper: Stepper::default() })
    }

    /// The layers, for those who want to see what is between.
    pub fn network(&self) -> &Network {
        &self.network
    }
}

impl AcousticModel for Tacotron {
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
        refuse_given(manner.given)?;
        let Self { network, ends_with, config, stepper } = self;
        let ids = checked_ids(phonemes, network.n_symbols())?;
        let mut dropout: SentenceDropout = if config.dropout {
            Box::new(seeded_dropout(manner.seed))
        } else {
            Box::new(no_dropout)
        };
        let frames_per_step = network.frames_per_step();
        let mut guard = Guard::new(manner.options.window.resolve(config.window));
        let encoded = network.encode(stepper, &ids);
        let cbhg = Glimpse::encoder_cbhg(&encoded.to_columns(), encoded.n_channels);
        let mut utterance = network.decoder.begin(encoded);
        let mut attention =
            Attention { weights: Vec::new(), n_phonemes: ids.len(), frames_per_step };
        let mut acoustics = Acoustics::empty(config.mel.clone());
        acoustics.glimpses.push(cbhg);
        let mut raw = Vec::new();
        let mut next_stretch = STRETCH;
        loop {
            let allowed = guard.allowed(ids.len());
            network.decoder.step(stepper, &mut utterance, &allowed, &mut *dropout);
            guard.advance(&utterance.weights);
            raw.extend_from_slice(&utterance.frames);
            attention.weights.extend_from_slice(&utterance.weights);
            let is_silent = utterance.frames.iter().all(|&value| value <= config.stop_below);
            if attention.n_steps() >= FIRST_STEPS && is_silent && guard.may_end(ids.len()) {
                break;
            }
            let n_frames = attention.n_steps() * frames_per_step;
            if attention.n_steps() >= config.max_decoder_steps {
                return Err(Error::NoEnd { n_frames });
            }
            if *ends_with == End::Linear && n_frames >= next_stretch {
                next_stretch = n_frames + STRETCH;
                acoustics.mel.frames = raw.iter().map(|&value| config.levels.ln(value)).collect();
                acoustics.attend(&attention, n_frames);
                on_frames(Some(&acoustics))?;
            } else {
                on_frames(None)?;
            }
        }
        let mel = Features::from_columns(&raw, network.n_mels());
        let heard = network.postnet(stepper, &mel);
        let refined = network.linear(&heard).to_columns();
        let ln = |values: &[f32]| values.iter().map(|&value| config.levels.ln(value)).collect();
        match ends_with {
            End::Linear => {
                acoustics.mel.frames = ln(&raw);
                acoustics.linear =
                    Some(LinearSpectrogram { frames: ln(&refined), config: config.linear.clone() });
            }
            End::Mel => {
                // The step that says that all is over is no sound.
                let n_heard = (attention.n_steps() - 1) * frames_per_step * network.n_mels();
                acoustics.mel.frames = ln(&refined[..n_heard]);
            }
        }
        let n_frames = acoustics.mel.n_frames();
        let n_channels = heard.n_channels;
        let seen = &heard.to_columns()[..n_frames * n_channels];
        acoustics.glimpses.push(Glimpse::postnet_cbhg(seen, n_channels));
        acoustics.attend(&attention, n_frames);
        Ok(acoustics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{GlimpseKind, ModelKind, VoiceOptions},
        tts::load::tests::{check_whole, other_voice, speak, symbols},
    };

    #[test]
    fn normalized_decibels_become_logarithms_of_magnitudes() {
        // S = 20 log10(magnitude) − 20, then (S + 100) / 100.
        for magnitude in [1e-3_f32, 0.5, 7.0] {
            let value = (20.0 * magnitude.log10() - 20.0 + 100.0) / 100.0;
            let ln = Levels::decibels(20.0, -100.0).ln(value);
            assert!((ln - magnitude.ln()).abs() < 1e-4, "{magnitude}: {ln}");
        }
        assert_eq!(Levels::decibels(20.0, -100.0).ln(-3.0), Levels::decibels(20.0, -100.0).ln(0.0));
    }

    #[test]
    fn a_step_of_silence_ends_the_sentence_and_a_linear_spectrogram_follows() {
        // The tiny voice has bands and bins of its own, and no level that it would call silence.
        let rest = "stop_below = 1000.0\nlinear = { n_fft = 128, hop_length = 32 }";
        let mut voice = tiny(rest);
        let acoustics =
            speak(&mut *voice, &symbols(2..16), &VoiceOptions::default(), 1, &mut |_| ()).unwrap();
        check_whole(&acoustics, 14);
        assert_eq!(acoustics.mel.n_frames(), 10);
        let kinds: Vec<_> = acoustics.glimpses.iter().map(|glimpse| glimpse.kind).collect();
        assert_eq!(kinds, [GlimpseKind::EncoderCbhg, GlimpseKind::PostnetCbhg]);
        assert_eq!([0, 1].map(|at| acoustics.glimpses[at].width), [14, 10]);
        let linear = acoustics.linear.unwrap();
        assert_eq!((linear.n_frames(), linear.config.n_bins()), (10, 65));
        assert!(linear.frames.iter().all(|value| value.is_finite()));
    }

    #[test]
    fn a_sentence_of_one_symbol_and_a_sentence_without_end() {
        let rest = "stop_below = -1000.0\nmax_decoder_steps = 500\nlinear = { n_fft = 128, hop_length = 32 }";
        for n_symbols in [1, 30] {
            let mut n_frames = 0;
            let phonemes = symbols(2..2 + n_symbols);
            let ended =
                speak(&mut *tiny(rest), &phonemes, &VoiceOptions::default(), 1, &mut |acoustics| {
                    assert!(acoustics.mel.n_frames() > n_frames);
                    n_frames = acoustics.mel.n_frames();
                    check_whole(acoustics, n_symbols as usize);
                });
            assert!(matches!(ended, Err(Error::NoEnd { n_frames: 2500 })), "{ended:?}");
        }
    }

    fn tiny(rest: &str) -> Box<dyn AcousticModel> {
        other_voice(ModelKind::Tacotron, 149, rest)
    }
}

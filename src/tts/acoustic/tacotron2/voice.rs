//! Tacotron 2 as a voice: phonemes in; frames out while they are made.

use crate::{
    domain::{
        Attention, AttentionWindow, MelConfig, MelSpectrogram, PhonemeSequence, VoiceOptions,
    },
    nn::{Stepper, Weights},
    tts::{
        Error, SymbolTable,
        acoustic::{
            AcousticModel, Acoustics, Manner, OnFrames,
            model::{checked_ids, checked_range, refuse_given},
            prenet::{SentenceDropout, no_dropout, seeded_dropout},
            tacotron2::network::Network,
            window::Guard,
        },
    },
};

/// Frames that stand before the first sound: a third of a second.
const FIRST_STRETCH: usize = 32;
/// Frames from then on; fewer would hear the post-net's surroundings too often.
const STRETCH: usize = 64;

/// What the weights do not tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Tacotron2Config {
    /// Symbols in the order of the embedding.
    pub symbols: SymbolTable,
    /// What the mels look like.
    pub mel: MelConfig,
    /// Mean and standard deviation that mels were normalized with.
    pub mel_statistics: [f32; 2],
    /// Whether units of the pre-net fall silent at random.
    pub dropout: bool,
    /// The window that the voice needs, if it needs one.
    pub window: Option<AttentionWindow>,
    /// Steps that one sentence may take.
    pub max_decoder_steps: usize,
}

/// A Tacotron 2 voice.
#[derive(Debug)]
pub struct Tacotron2 {
    network: Network,
    config: Tacotron2Config,
    stepper: Stepper,
}

impl Tacotron2 {
    /// Puts weights and their description together.
    ///
    /// # Errors
    /// If a tensor is missing or does not fit the description.
    pub fn new(weights: &Weights, config: Tacotron2Config) -> Result<Self, Error> {
        let scope = weights.scope("");
        let network = Network::load(&scope)?;
        if network.encoder.n_symbols() != config.symbols.len() {
            let expected = format!("{} rows, one per symbol", config.symbols.len());
            return Err(scope.unexpected("embedding.weight", expected).into());
        }
        if network.n_mels() != config.mel.n_mels {
            let expected = format!("{} input channels, one per mel band", config.mel.n_mels);
            let name = "postnet.convolutions.0.0.conv.weight";
            return Err(scope.unexpected(name, expected).into());
        }
        Ok(Self { network, config, stepper: Stepper::default() })
    }

    /// The layers, for those who want to see what is between.
    pub fn network(&self) -> &Network {
        &self.network
    }
}

impl AcousticModel for Tacotron2 {
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
        let threshold = manner.options.gate_threshold;
        checked_range("gate threshold", threshold, VoiceOptions::GATE_THRESHOLDS)?;
        let Self { network, config, stepper } = self;
        let ids = checked_ids(phonemes, network.encoder.n_symbols())?;
        let mut dropout: SentenceDropout = if config.dropout {
            Box::new(seeded_dropout(manner.seed))
        } else {
            Box::new(no_dropout)
        };
        let frames_per_step = network.frames_per_step();
        let mut guard = Guard::new(manner.options.window.resolve(config.window));
        let mut utterance = network.decoder.begin(network.encoder.forward(stepper, &ids));
        let mut growing = Growing::new(network, config, ids.len());
        let mut next_stretch = FIRST_STRETCH;
        loop {
            let allowed = guard.allowed(ids.len());
            let gate = network.decoder.step(stepper, &mut utterance, &allowed, &mut *dropout);
            guard.advance(utterance.weights());
            growing.push(&utterance.frames, utterance.weights());
            // A logistic function above the threshold; the frame that says so is the last.
            if 1.0 / (1.0 + (-gate).exp()) > threshold && guard.may_end(ids.len()) {
                break;
            }
            let n_frames = growing.n_frames();
            if n_frames >= config.max_decoder_steps * frames_per_step {
                return Err(Error::NoEnd { n_frames });
            }
            if n_frames >= next_stretch {
                next_stretch = n_frames + STRETCH;
                growing.finish_frames(n_frames.saturating_sub(network.postnet.reach()));
                on_frames(Some(&growing.acoustics))?;
            } else {
                on_frames(None)?;
            }
        }
        growing.finish_frames(growing.n_frames());
        Ok(growing.acoustics)
    }
}

/// A sentence whose first frames stand.
struct Growing<'a> {
    network: &'a Network,
    statistics: [f32; 2],
    /// Frame after frame, before the post-net.
    before: Vec<f32>,
    attention: Attention,
    acoustics: Acoustics,
}

impl<'a> Growing<'a> {
    fn new(network: &'a Network, config: &Tacotron2Config, n_phonemes: usize) -> Self {
        let frames_per_step = network.frames_per_step();
        Self {
            network,
            statistics: config.mel_statistics,
            before: Vec::new(),
            attention: Attention { weights: Vec::new(), n_phonemes, frames_per_step },
            acoustics: Acoustics::empty(config.mel.clone()),
        }
    }

    fn n_frames(&self) -> usize {
        self.before.len() / self.network.n_mels()
    }

    fn push(&mut self, frames: &[f32], weights: &[f32]) {
        self.before.extend_from_slice(frames);
        self.attention.weights.extend_from_slice(weights);
    }

    /// Lets frames stand up to `end`, and the attention and alignment that go with them.
    fn finish_frames(&mut self, end: usize) {
        let n_mels = self.network.n_mels();
        let MelSpectrogram { frames, .. } = &mut self.acoustics.mel;
        let wanted = frames.len() / n_mels..end;
        let [mean, std] = self.statistics;
        let stretch = self.network.postnet.stretch(&self.before, n_mels, wanted);
        frames.extend(stretch.into_iter().map(|value| value * std + mean));
        self.acoustics.attend(&self.attention, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{DurationChoice, ModelKind, WindowChoice},
        tts::load::tests::{check_whole, other_voice, speak, symbols},
    };

    /// Ends early, since the weights are random and any step may be the last.
    const OPTIONS: VoiceOptions = VoiceOptions {
        steps: 1,
        temperature: 1.0,
        length_scale: 1.0,
        durations: DurationChoice::Predicted,
        gate_threshold: 0.3,
        window: WindowChoice::AsVoice,
    };

    #[test]
    fn a_sentence_grows_and_what_stood_stays() {
        let mut voice = other_voice(ModelKind::Tacotron2, 148, "");
        let (mut grown, mut n_times) = (Acoustics::empty(MelConfig::default()), 0);
        let phonemes = symbols(20..55);
        let options = VoiceOptions { gate_threshold: 0.99, ..OPTIONS };
        let ended = speak(&mut *voice, &phonemes, &options, 1, &mut |acoustics| {
            let n = grown.mel.frames.len();
            assert!(acoustics.mel.frames[..n] == grown.mel.frames, "what stood has changed");
            assert!(acoustics.mel.frames.len() > n, "nothing is new");
            check_whole(acoustics, 35);
            grown = acoustics.clone();
            n_times += 1;
        });
        // So high a threshold is never reached by chance.
        assert!(matches!(ended, Err(Error::NoEnd { n_frames: 1000 })), "{ended:?}");
        assert!(n_times > 12, "heard {n_times} times");
    }

    #[test]
    fn sentences_of_any_length_are_spoken() {
        for n_symbols in [1, 2, 35] {
            let mut voice = other_voice(ModelKind::Tacotron2, 148, "max_decoder_steps = 2600");
            let phonemes = symbols(20..20 + n_symbols);
            match speak(&mut *voice, &phonemes, &OPTIONS, 1, &mut |_| ()) {
                Ok(acoustics) => check_whole(&acoustics, n_symbols as usize),
                Err(error) => assert!(matches!(error, Error::NoEnd { n_frames: 2600 }), "{error}"),
            }
        }
    }

    #[test]
    fn the_seed_decides_which_units_fall_silent() {
        let spoken = |seed, rest: &str| {
            let mut voice = other_voice(ModelKind::Tacotron2, 148, rest);
            let mut first = None;
            let options = VoiceOptions { gate_threshold: 0.99, ..OPTIONS };
            speak(&mut *voice, &symbols(20..40), &options, seed, &mut |acoustics| {
                first.get_or_insert_with(|| acoustics.clone());
            })
            .unwrap_err();
            first.unwrap()
        };
        let few = "max_decoder_steps = 100";
        assert_eq!(spoken(1, few), spoken(1, few));
        assert_ne!(spoken(1, few), spoken(2, few));
        let without = "max_decoder_steps = 100\ndropout = false";
        assert_eq!(spoken(1, without), spoken(2, without));
    }

    #[test]
    fn a_window_holds_attention_near_where_it_was() {
        let window = AttentionWindow { back: 1, ahead: 2 };
        let options =
            VoiceOptions { gate_threshold: 0.99, window: WindowChoice::Held(window), ..OPTIONS };
        let mut voice = other_voice(ModelKind::Tacotron2, 148, "max_decoder_steps = 200");
        let mut last = None;
        speak(&mut *voice, &symbols(20..50), &options, 1, &mut |acoustics| {
            last.clone_from(&acoustics.attention);
        })
        .unwrap_err();
        let attention = last.unwrap();
        let mut position = 0;
        for step_idx in 0..attention.n_steps() {
            let weights = attention.step(step_idx);
            let heard: Vec<usize> = (0..30).filter(|&at| weights[at] > 0.0).collect();
            assert!(heard.iter().all(|at| (position.max(1) - 1..=position + 2).contains(at)));
            position = (0..30).max_by(|&a, &b| weights[a].total_cmp(&weights[b])).unwrap();
        }
    }
}

//! FastSpeech 2 as a voice: phonemes in, a mel out, with prosody in Hz and the user's factors.

use crate::{
    domain::{
        Alignment, MelConfig, MelSpectrogram, Phoneme, PhonemeSequence, Prosody, ProsodyControls,
    },
    nn::Weights,
    tts::{
        Error, SymbolTable,
        acoustic::{
            AcousticModel, Acoustics, Manner, OnFrames,
            fastspeech2::network::{EMBEDDING, Heads, Network, frames},
            model::{MAX_FRAMES, checked_durations, checked_ids, checked_length, checked_range},
        },
        symbols::is_voiced,
    },
};

/// SpeechBrain's symbol of a pause.
const PAUSE: &str = "spn";

/// What the weights do not tell.
#[derive(Debug, Clone, PartialEq)]
pub struct FastSpeech2Config {
    /// Attention heads.
    pub heads: Heads,
    /// Symbols in the order of the embedding.
    pub symbols: SymbolTable,
    /// What the mels look like.
    pub mel: MelConfig,
    /// Mean and standard deviation that pitch was normalized with, in Hz.
    pub pitch_hz: Statistics,
    /// Mean and standard deviation that energy was normalized with.
    pub energy: Statistics,
}

/// Mean and standard deviation over the training data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// Mean.
    pub mean: f32,
    /// Standard deviation.
    pub std: f32,
}

impl Statistics {
    fn restore(self, normalized: f32) -> f32 {
        normalized * self.std + self.mean
    }

    /// A value, scaled in its own unit, in the unit of the network.
    fn normalize(self, value: f32, factor: f32) -> f32 {
        (value * factor - self.mean) / self.std
    }
}

/// A FastSpeech 2 voice.
#[derive(Debug, Clone)]
pub struct FastSpeech2 {
    network: Network,
    config: FastSpeech2Config,
}

impl FastSpeech2 {
    /// Puts weights and their description together.
    ///
    /// # Errors
    /// If a tensor is missing or does not fit the description.
    pub fn new(weights: &Weights, config: FastSpeech2Config) -> Result<Self, Error> {
        let scope = weights.scope("");
        let network = Network::load(&scope, config.heads)?;
        let sizes = network.sizes();
        if sizes.n_symbols != config.symbols.len() {
            let expected = format!("{} rows, one per symbol", config.symbols.len());
            return Err(scope.unexpected(EMBEDDING, expected).into());
        }
        if sizes.n_mels != config.mel.n_mels {
            let expected = format!("{} rows, one per mel band", config.mel.n_mels);
            return Err(scope.unexpected("linear.w.weight", expected).into());
        }
        Ok(Self { network, config })
    }

    /// The layers, for those who want to see what is between.
    pub fn network(&self) -> &Network {
        &self.network
    }
}

impl AcousticModel for FastSpeech2 {
    fn symbols(&self) -> &SymbolTable {
        &self.config.symbols
    }

    fn mel_config(&self) -> &MelConfig {
        &self.config.mel
    }

    fn n_bytes(&self) -> u64 {
        self.network.n_bytes()
    }

    /// A pause behind each word where its predictor, if it has one, hears one and none is written.
    fn complete(&self, phonemes: PhonemeSequence) -> PhonemeSequence {
        let Some(id) = self.config.symbols.id(PAUSE) else { return phonemes };
        let ids = phonemes.ids();
        let mut ends_word = vec![0.0; ids.len()];
        for word in phonemes.words.iter().filter(|word| !word.phonemes.is_empty()) {
            ends_word[word.phonemes.end - 1] = 1.0;
        }
        let Some(logits) = self.network.silence_logits(&ids, &ends_word) else { return phonemes };
        let is_paused = |at: usize| {
            let next = phonemes.phonemes.get(at + 1);
            ends_word[at] > 0.0 && logits[at] > 0.0 && next.is_some_and(|next| next.id != id)
        };
        insert_pauses(&phonemes, id, is_paused)
    }

    fn synthesize(
        &mut self,
        phonemes: &PhonemeSequence,
        manner: &Manner<'_>,
        _on_frames: OnFrames<'_>,
    ) -> Result<Acoustics, Error> {
        let Manner { given, controls, .. } = *manner;
        check_controls(controls)?;
        let ids = checked_ids(phonemes, self.network.sizes().n_symbols)?;
        for values in [&given.f0_hz, &given.energy].into_iter().flatten() {
            checked_length(values.len(), ids.len())?;
        }
        let (network, config) = (&self.network, &self.config);

        let mut hidden = network.encode(&ids);
        let log_durations = network.log_durations(&hidden);
        let durations = match &given.durations {
            Some(given) => checked_durations(given, ids.len())?,
            None => durations(&log_durations, controls.pace)?,
        };

        let predicted = network.pitch(&hidden).into_iter().map(|p| config.pitch_hz.restore(p));
        let f0_hz: Vec<f32> = override_with(predicted, given.f0_hz.as_ref(), |f0| f0 > 0.0);
        let pitch = |&f0: &f32| config.pitch_hz.normalize(f0, controls.pitch);
        network.add_pitch(&mut hidden, &f0_hz.iter().map(pitch).collect::<Vec<_>>());

        let predicted = network.energy(&hidden).into_iter().map(|e| config.energy.restore(e));
        let energy: Vec<f32> = override_with(predicted, given.energy.as_ref(), |_| true);
        let normalized = |&energy: &f32| config.energy.normalize(energy, controls.energy);
        network.add_energy(&mut hidden, &energy.iter().map(normalized).collect::<Vec<_>>());

        let decoded = network.decode(&hidden, &durations);
        let mel = network.mel(&network.mel_before_postnet(&decoded));
        let heard_hz = phonemes
            .phonemes
            .iter()
            .zip(f0_hz)
            .map(|(phoneme, f0)| if is_voiced(&phoneme.symbol) { f0.max(0.0) } else { 0.0 });
        Ok(Acoustics {
            mel: MelSpectrogram { frames: mel.to_columns(), config: config.mel.clone() },
            alignment: Alignment { durations },
            prosody: Some(Prosody { f0_hz: heard_hz.collect(), energy }),
            attention: None,
            linear: None,
            glimpses: Vec::new(),
        })
    }
}

/// The sequence with a pause behind each phoneme that has one.
fn insert_pauses(
    sequence: &PhonemeSequence,
    id: u32,
    is_paused: impl Fn(usize) -> bool,
) -> PhonemeSequence {
    let mut phonemes = Vec::new();
    // Where each phoneme has gone.
    let mut places = Vec::new();
    for (at, phoneme) in sequence.phonemes.iter().enumerate() {
        places.push(phonemes.len());
        phonemes.push(phoneme.clone());
        if is_paused(at) {
            phonemes.push(Phoneme { symbol: PAUSE.to_owned(), id, word_idx: None });
        }
    }
    let mut words = sequence.words.clone();
    for word in words.iter_mut().filter(|word| !word.phonemes.is_empty()) {
        word.phonemes = places[word.phonemes.start]..places[word.phonemes.end - 1] + 1;
    }
    PhonemeSequence { phonemes, words, ..sequence.clone() }
}

/// Frames of each phoneme; at least one in all.
fn durations(log_durations: &[f32], pace: f32) -> Result<Vec<u32>, Error> {
    let mut durations: Vec<u32> =
        log_durations.iter().map(|&log_duration| frames(log_duration, 1.0 / pace)).collect();
    let n_frames: usize = durations.iter().map(|&frames| frames as usize).sum();
    if n_frames > MAX_FRAMES {
        return Err(Error::TooLong { n_frames, limit: MAX_FRAMES });
    }
    if n_frames == 0 {
        let longest = (0..durations.len())
            .max_by(|&a, &b| log_durations[a].total_cmp(&log_durations[b]))
            .unwrap_or(0);
        durations[longest] = 1;
    }
    Ok(durations)
}

fn override_with(
    predicted: impl Iterator<Item = f32>,
    given: Option<&Vec<f32>>,
    counts: impl Fn(f32) -> bool,
) -> Vec<f32> {
    match given {
        None => predicted.collect(),
        Some(given) => predicted
            .zip(given)
            .map(
                |(predicted, &given)| {
                    if given.is_finite() && counts(given) { given } else { predicted }
                },
            )
            .collect(),
    }
}

fn check_controls(controls: &ProsodyControls) -> Result<(), Error> {
    checked_range("pace", controls.pace, ProsodyControls::RANGE)?;
    checked_range("pitch", controls.pitch, ProsodyControls::RANGE)?;
    checked_range("energy", controls.energy, ProsodyControls::RANGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{GivenProsody, VoiceOptions, Word, WordOrigin},
        tts::load::tests::{phonemes, voice},
    };

    fn try_to_speak(
        phonemes: &PhonemeSequence,
        prosody: Option<&Prosody>,
        controls: &ProsodyControls,
    ) -> Result<Acoustics, Error> {
        let given = prosody.map(|prosody| GivenProsody {
            durations: None,
            f0_hz: Some(prosody.f0_hz.clone()),
            energy: Some(prosody.energy.clone()),
        });
        speak_as_given(phonemes, &given.unwrap_or_default(), controls)
    }

    fn speak_as_given(
        phonemes: &PhonemeSequence,
        given: &GivenProsody,
        controls: &ProsodyControls,
    ) -> Result<Acoustics, Error> {
        let options = &VoiceOptions::default();
        let manner = Manner { given, controls, options, seed: 0 };
        voice().synthesize(phonemes, &manner, &mut |_| Ok(()))
    }

    fn speak(ids: std::ops::Range<u32>, controls: ProsodyControls) -> Acoustics {
        try_to_speak(&phonemes(ids), None, &controls).unwrap()
    }

    #[track_caller]
    fn check_whole(acoustics: &Acoustics, n_phonemes: usize) {
        assert_eq!(acoustics.alignment.durations.len(), n_phonemes);
        assert_eq!(acoustics.mel.n_frames(), acoustics.alignment.n_frames());
        assert!(acoustics.mel.n_frames() > 0);
        assert!(acoustics.mel.frames.iter().all(|value| value.is_finite()));
        let prosody = acoustics.prosody.as_ref().unwrap();
        assert_eq!((prosody.f0_hz.len(), prosody.energy.len()), (n_phonemes, n_phonemes));
    }

    #[test]
    fn words_keep_their_phonemes_where_pauses_come_between() {
        let mut sequence = phonemes(1..6);
        let word = |text: &str, phonemes| Word {
            text: text.into(),
            phonemes,
            origin: WordOrigin::Dictionary,
        };
        sequence.words = vec![word("a", 0..2), word("b", 2..5)];
        let paused = insert_pauses(&sequence, 40, |at| at == 1);
        assert_eq!(paused.ids(), [1, 2, 40, 3, 4, 5]);
        assert_eq!(paused.words[0].phonemes, 0..2);
        assert_eq!(paused.words[1].phonemes, 3..6);
        assert_eq!(paused.phonemes[2].word_idx, None);
    }

    #[test]
    fn pauses_come_only_behind_words_and_not_twice() {
        let voice = voice();
        let pause = voice.symbols().id(PAUSE).unwrap();
        let mut sequence = phonemes([1, 2, pause, 3, 4, 5]);
        let word = |text: &str, phonemes| Word {
            text: text.into(),
            phonemes,
            origin: WordOrigin::Dictionary,
        };
        sequence.words = vec![word("a", 0..2), word("b", 3..5), word("c", 5..6)];
        let ids = voice.complete(sequence).ids();
        let without: Vec<u32> = ids.iter().copied().filter(|&id| id != pause).collect();
        assert_eq!(without, [1, 2, 3, 4, 5]);
        assert!(ids.windows(2).all(|pair| pair != [pause, pause]), "{ids:?}");
    }

    #[test]
    fn sentences_of_any_length_are_spoken() {
        for n_phonemes in 1..8 {
            check_whole(&speak(1..1 + n_phonemes, ProsodyControls::default()), n_phonemes as usize);
        }
        let many = phonemes((0..450).map(|at| 1 + at % 39));
        let slow = ProsodyControls { pace: 0.5, ..ProsodyControls::default() };
        let acoustics = try_to_speak(&many, None, &slow).unwrap();
        assert!(acoustics.mel.n_frames() > 2_600, "{}", acoustics.mel.n_frames());
        check_whole(&acoustics, 450);
    }

    #[test]
    fn twice_the_pace_takes_half_the_time() {
        let pace = |pace| {
            speak(1..40, ProsodyControls { pace, ..ProsodyControls::default() }).mel.n_frames()
                as f32
        };
        // Durations are cut to whole frames, so that slow speech comes nearer to the ratio.
        let ratio = pace(0.25) / pace(0.5);
        assert!((ratio - 2.0).abs() < 0.1, "{ratio}");
    }

    #[test]
    fn prosody_handed_back_changes_nothing() {
        let controls = ProsodyControls { pitch: 1.2, energy: 0.9, ..ProsodyControls::default() };
        let first = speak(1..30, controls);
        let again = try_to_speak(&phonemes(1..30), first.prosody.as_ref(), &controls).unwrap();
        assert_eq!(again.alignment, first.alignment);
        for (a, b) in again.mel.frames.iter().zip(&first.mel.frames) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
    }

    #[test]
    fn an_edited_pitch_is_heard_and_voiceless_phonemes_have_none() {
        let first = speak(1..30, ProsodyControls::default());
        let mut prosody = first.prosody.clone().unwrap();
        let voiced = phonemes(1..30);
        for (f0, phoneme) in prosody.f0_hz.iter().zip(&voiced.phonemes) {
            assert!(*f0 == 0.0 || is_voiced(&phoneme.symbol));
        }
        prosody.f0_hz.fill(300.0);
        let controls = ProsodyControls::default();
        let edited = try_to_speak(&voiced, Some(&prosody), &controls).unwrap();
        assert!(edited.mel != first.mel, "the edit is not heard");
        assert!((edited.prosody.unwrap().f0_hz[0] - 300.0).abs() < 1e-3);
    }

    #[test]
    fn given_durations_stand_whatever_the_pace() {
        let durations: Vec<u32> = (0..29).map(|at| at % 5).collect();
        let given = GivenProsody { durations: Some(durations.clone()), ..GivenProsody::default() };
        let fast = ProsodyControls { pace: 2.0, ..ProsodyControls::default() };
        let acoustics = speak_as_given(&phonemes(1..30), &given, &fast).unwrap();
        assert_eq!(acoustics.alignment.durations, durations);
        check_whole(&acoustics, 29);
        for (durations, told) in
            [(vec![1; 3], "3 values for 29"), (vec![0; 29], "0 frames"), (vec![9999; 29], "20000")]
        {
            let given = GivenProsody { durations: Some(durations), ..GivenProsody::default() };
            let refused = speak_as_given(&phonemes(1..30), &given, &fast).unwrap_err();
            assert!(refused.is_bad_request() && refused.to_string().contains(told), "{refused}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let controls = ProsodyControls::default();
        let prosody = Prosody { f0_hz: vec![100.0; 3], energy: vec![1.0; 3] };
        assert!(matches!(
            try_to_speak(&phonemes(1..5), Some(&prosody), &controls),
            Err(Error::ProsodyLength { found: 3, expected: 4 })
        ));
        for pace in [0.0, -1.0, 9.0, f32::NAN] {
            let controls = ProsodyControls { pace, ..controls };
            let refused = try_to_speak(&phonemes(1..5), None, &controls);
            assert!(matches!(refused, Err(Error::ControlRange { name: "pace", .. })));
        }
        let mut strange = phonemes(1..5);
        strange.phonemes[2].id = 42;
        assert!(matches!(
            try_to_speak(&strange, None, &controls),
            Err(Error::UnknownSymbol { id: 42, n_symbols: 42 })
        ));
        let nothing = phonemes(1..1);
        assert!(matches!(try_to_speak(&nothing, None, &controls), Err(Error::EmptyText)));
    }
}

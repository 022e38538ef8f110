//! What every acoustic model can do.

use std::ops::RangeInclusive;

use crate::{
    domain::{
        Alignment, Attention, GivenProsody, Glimpse, LinearSpectrogram, MelConfig, MelSpectrogram,
        PhonemeSequence, Prosody, ProsodyControls, VoiceOptions,
    },
    tts::{Error, SymbolTable},
};

/// What an acoustic model makes of one sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct Acoustics {
    /// The sentence's mel.
    pub mel: MelSpectrogram,
    /// Frames of each phoneme.
    pub alignment: Alignment,
    /// Pitch and energy of each phoneme before the factors of the controls, so that it can be
    /// edited and handed back with the same controls; `None` where the model has no such thing.
    /// Pitch is 0 where the phoneme is voiceless or a pause.
    pub prosody: Option<Prosody>,
    /// Where the model looked, if it looks.
    pub attention: Option<Attention>,
    /// A linear spectrogram of the same frames, from models that make one.
    pub linear: Option<LinearSpectrogram>,
    /// What was made on the way, from models that let it be seen.
    pub glimpses: Vec<Glimpse>,
}

impl Acoustics {
    /// Before the first frame.
    pub(super) fn empty(mel: MelConfig) -> Self {
        Self {
            mel: MelSpectrogram::empty(mel),
            alignment: Alignment::default(),
            prosody: None,
            attention: None,
            linear: None,
            glimpses: Vec::new(),
        }
    }

    /// Takes over the attention of the first `n_frames`, and the alignment that follows from it.
    pub(super) fn attend(&mut self, attention: &Attention, n_frames: usize) {
        let n_steps = n_frames.div_ceil(attention.frames_per_step.max(1));
        let weights = attention.weights[..n_steps * attention.n_phonemes].to_vec();
        let attention = Attention { weights, ..*attention };
        self.alignment = attention.alignment();
        // The last step may make more frames than stand.
        let mut surplus = self.alignment.n_frames().saturating_sub(n_frames) as u32;
        for duration in self.alignment.durations.iter_mut().rev() {
            let cut = surplus.min(*duration);
            *duration -= cut;
            surplus -= cut;
        }
        self.attention = Some(attention);
    }
}

/// How a sentence is to be spoken; each model heeds what it can.
#[derive(Debug, Clone, Copy)]
pub struct Manner<'a> {
    /// Takes the place of what the model would predict.
    pub given: &'a GivenProsody,
    /// Factors on pace, pitch and energy.
    pub controls: &'a ProsodyControls,
    /// What only some kinds of model have.
    pub options: &'a VoiceOptions,
    /// Seed of everything random: same seed, same mel.
    pub seed: u64,
}

/// Hears of a sentence while it is made: all of it that stands, or nothing, only to be asked whether
/// it is still wanted. What stood once stays as it is. The end is not told: it is the result.
pub type OnFrames<'a> = &'a mut dyn FnMut(Option<&Acoustics>) -> Result<(), Error>;

/// Phonemes to mel.
pub trait AcousticModel: Send {
    /// The symbols it was trained on.
    fn symbols(&self) -> &SymbolTable;

    /// What its mels look like.
    fn mel_config(&self) -> &MelConfig;

    /// Memory of its weights.
    fn n_bytes(&self) -> u64;

    /// The sentence with what the model itself adds to it before it speaks: pauses, where it tells
    /// where a reader would make one.
    fn complete(&self, phonemes: PhonemeSequence) -> PhonemeSequence {
        phonemes
    }

    /// The mel of one sentence.
    ///
    /// # Errors
    /// If a symbol, the prosody, a control or an option does not fit the voice, it finds no end, or
    /// `on_frames` no longer wants any.
    fn synthesize(
        &mut self,
        phonemes: &PhonemeSequence,
        manner: &Manner<'_>,
        on_frames: OnFrames<'_>,
    ) -> Result<Acoustics, Error>;
}

/// The rows of the phonemes in an embedding of `n_symbols`.
pub(super) fn checked_ids(phonemes: &PhonemeSequence, n_symbols: usize) -> Result<Vec<u32>, Error> {
    let ids = phonemes.ids();
    if ids.is_empty() {
        return Err(Error::EmptyText);
    }
    match ids.iter().find(|&&id| id as usize >= n_symbols) {
        Some(&id) => Err(Error::UnknownSymbol { id, n_symbols }),
        None => Ok(ids),
    }
}

/// Frames that one sentence may take: four minutes at 86 frames a second.
pub(super) const MAX_FRAMES: usize = 20_000;

/// The durations that were given, if there are some for each phoneme and they are neither nothing
/// nor endless.
pub(super) fn checked_durations(given: &[u32], n_phonemes: usize) -> Result<Vec<u32>, Error> {
    checked_length(given.len(), n_phonemes)?;
    let n_frames = given.iter().map(|&frames| frames as usize).sum();
    if n_frames == 0 || n_frames > MAX_FRAMES {
        return Err(Error::GivenTime { n_frames, limit: MAX_FRAMES });
    }
    Ok(given.to_vec())
}

/// Refuses values that belong to another sentence.
pub(super) fn checked_length(found: usize, expected: usize) -> Result<(), Error> {
    if found == expected { Ok(()) } else { Err(Error::ProsodyLength { found, expected }) }
}

/// Refuses what a model cannot take over.
pub(super) fn refuse<T>(what: &'static str, given: Option<&T>) -> Result<(), Error> {
    given.map_or(Ok(()), |_| Err(Error::Unheeded { what }))
}

/// Refuses all that can be given, for models whose decoder finds its own way.
pub(super) fn refuse_given(given: &GivenProsody) -> Result<(), Error> {
    refuse("durations", given.durations.as_ref())?;
    refuse("pitch", given.f0_hz.as_ref())?;
    refuse("energy", given.energy.as_ref())
}

/// Refuses an option outside its range.
pub(super) fn checked_range(
    name: &'static str,
    value: f32,
    range: RangeInclusive<f32>,
) -> Result<(), Error> {
    if range.contains(&value) { Ok(()) } else { Err(Error::ControlRange { name, value, range }) }
}

//! What every acoustic model can do.

use crate::{
    domain::{Alignment, MelConfig, MelSpectrogram, PhonemeSequence, Prosody, ProsodyControls},
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
}

/// Phonemes to mel.
pub trait AcousticModel: Send {
    /// The symbols it was trained on.
    fn symbols(&self) -> &SymbolTable;

    /// What its mels look like.
    fn mel_config(&self) -> &MelConfig;

    /// Memory of its weights.
    fn n_bytes(&self) -> u64;

    /// The mel of one sentence.
    ///
    /// `prosody` replaces the predicted pitch and energy, phoneme by phoneme; a pitch of 0 leaves
    /// what was predicted.
    ///
    /// # Errors
    /// If a symbol, the prosody or a control does not fit the voice.
    fn synthesize(
        &mut self,
        phonemes: &PhonemeSequence,
        prosody: Option<&Prosody>,
        controls: &ProsodyControls,
    ) -> Result<Acoustics, Error>;
}

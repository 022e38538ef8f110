//! stand-in
#![allow(missing_docs, clippy::all, clippy::pedantic)]
use crate::{domain::*, job::Cancelled};
use std::path::Path;
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    #[error("not built")]
    None,
}
impl Error {
    pub fn is_bad_request(&self) -> bool {
        false
    }
}
pub struct SymbolTable;
pub struct G2p;
impl G2p {
    pub fn load(_: &Path) -> Result<Self, Error> {
        Ok(Self)
    }
}
pub struct FrontEnd;
impl FrontEnd {
    pub fn new(_: G2p) -> Self {
        Self
    }
    pub fn sentences(&self, _: &str) -> Result<Vec<String>, Error> {
        Err(Error::None)
    }
    pub fn phonemes(&self, _: &str, _: &SymbolTable) -> Result<PhonemeSequence, Error> {
        Err(Error::None)
    }
}
pub struct Acoustics {
    pub mel: MelSpectrogram,
    pub alignment: Alignment,
    pub prosody: Option<Prosody>,
}
pub trait AcousticModel: Send {
    fn symbols(&self) -> &SymbolTable;
    fn mel_config(&self) -> &MelConfig;
    fn n_bytes(&self) -> u64;
    fn synthesize(
        &mut self,
        p: &PhonemeSequence,
        prosody: Option<&Prosody>,
        c: &ProsodyControls,
    ) -> Result<Acoustics, Error>;
}
pub trait Vocoder: Send {
    fn n_bytes(&self) -> u64;
    fn vocode(
        &mut self,
        mel: &MelSpectrogram,
        f: &mut dyn FnMut(&[f32]) -> Result<(), Cancelled>,
    ) -> Result<Waveform, Error>;
}
pub fn load_acoustic(_: &Path) -> Result<Box<dyn AcousticModel>, Error> {
    Err(Error::None)
}
pub fn load_vocoder(_: &Path) -> Result<Box<dyn Vocoder>, Error> {
    Err(Error::None)
}
pub struct GriffinLim;
impl GriffinLim {
    pub fn new(_: u64) -> Self {
        Self
    }
}
impl Vocoder for GriffinLim {
    fn n_bytes(&self) -> u64 {
        0
    }
    fn vocode(
        &mut self,
        _: &MelSpectrogram,
        _: &mut dyn FnMut(&[f32]) -> Result<(), Cancelled>,
    ) -> Result<Waveform, Error> {
        Err(Error::None)
    }
}

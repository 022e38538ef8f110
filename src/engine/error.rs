//! What can go wrong with a job, and which kind of wrong it is.

use crate::{job::Cancelled, library, lm, nn, tts};

/// Why a job has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client no longer wanted it; never shown.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// Too many jobs wait already.
    #[error("the engine has {waiting} jobs in line already; wait for one to end, or stop one")]
    Busy {
        /// How many.
        waiting: usize,
    },
    /// The engine's thread has ended.
    #[error("the engine has stopped; start Formant again")]
    Gone,
    /// A request that makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// From the library of models.
    #[error(transparent)]
    Library(#[from] library::Error),
    /// From the speech models.
    #[error(transparent)]
    Tts(#[from] tts::Error),
    /// From the language models.
    #[error(transparent)]
    Lm(#[from] lm::Error),
    /// What was asked for to run on cannot be had.
    #[error(transparent)]
    Device(#[from] nn::DeviceError),
    /// What listens to speech could not be loaded.
    #[error(transparent)]
    Weights(#[from] nn::WeightsError),
    /// Figures could not be taken.
    #[error("{0}")]
    Bench(String),
    /// The job's code panicked; the engine goes on.
    #[error(
        "an internal fault ended this job ({0}); the rest of Formant goes on, please report it"
    )]
    Panicked(String),
}

/// By which the window and the commands decide what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Stopped on request.
    Cancelled,
    /// Try again later.
    Busy,
    /// A model that is not there.
    NotFound,
    /// The request has to change.
    BadRequest,
    /// A fault of the program or of a file.
    Internal,
}

impl Error {
    /// Which kind of wrong this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Cancelled(_)
            | Self::Tts(tts::Error::Cancelled(_))
            | Self::Lm(lm::Error::Cancelled(_))
            | Self::Library(library::Error::Cancelled(_)) => ErrorKind::Cancelled,
            Self::Busy { .. } => ErrorKind::Busy,
            Self::BadRequest(_)
            | Self::Device(_)
            | Self::Library(library::Error::WrongKind { .. }) => ErrorKind::BadRequest,
            Self::Library(error) if error.is_not_found() => ErrorKind::NotFound,
            Self::Tts(error) if error.is_bad_request() => ErrorKind::BadRequest,
            Self::Lm(error) if error.is_bad_request() => ErrorKind::BadRequest,
            _ => ErrorKind::Internal,
        }
    }
}

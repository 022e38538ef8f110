//! What can go wrong between a model's name and its file.

use std::path::PathBuf;

use crate::{domain::ModelKind, files, job::Cancelled};

/// Why a model cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such id.
    #[error("there is no model called {id:?}; known are {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        id: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Known, but its file is not here.
    #[error(
        "{id} is not on this machine yet; fetch it on the Models page or with `formant models fetch {id}`"
    )]
    Missing {
        /// The model.
        id: String,
    },
    /// Its file is here and not what it should be.
    #[error("{id} cannot be used: {why}; {advice}")]
    Damaged {
        /// The model.
        id: String,
        /// What is wrong.
        why: String,
        /// What helps.
        advice: String,
    },
    /// It is there, but does something else.
    #[error("{id} is of kind {}, and this needs {}; see `formant models list`", found.label(), needed.label())]
    WrongKind {
        /// The model.
        id: String,
        /// What it is.
        found: ModelKind,
        /// What was needed.
        needed: ModelKind,
    },
    /// Bundled models have no origin.
    #[error(
        "{id} comes with Formant and cannot be fetched; take Formant's models folder again to restore it"
    )]
    NotFetchable {
        /// The model.
        id: String,
    },
    /// Each origin failed.
    #[error("{id} could not be fetched ({}); check the connection and try again, what has arrived is kept", tried.join("; "))]
    Unreachable {
        /// The model.
        id: String,
        /// What each origin answered.
        tried: Vec<String>,
    },
    /// What arrived is something else.
    #[error(
        "the file that arrived for {id} has SHA-256 {found}, not {expected}; it was thrown away, fetch it again"
    )]
    WrongHash {
        /// The model.
        id: String,
        /// Hash of what arrived.
        found: String,
        /// Hash that it should have.
        expected: String,
    },
    /// The same model under another name.
    #[error("this model is in the library already: {id}")]
    AlreadyThere {
        /// Its id.
        id: String,
    },
    /// Another model is called so.
    #[error("another model is called {id:?}; choose another id")]
    Taken {
        /// The id.
        id: String,
    },
    /// An id that cannot be typed or be a folder.
    #[error(
        "{id:?} cannot be an id: small letters, digits, dots and dashes can, for instance {like:?}"
    )]
    BadId {
        /// What was asked for.
        id: String,
        /// What would do.
        like: String,
    },
    /// A model without files.
    #[error("{id} has no files; name a GGUF file or a model folder")]
    NoFiles {
        /// The model.
        id: String,
    },
    /// A file that grew or shrank while it was read.
    #[error("the file changed while it was read; try again when nothing writes to it: {}", path.display())]
    Changed {
        /// Which file.
        path: PathBuf,
    },
    /// A path that a manifest cannot hold.
    #[error("the path is not text, so it cannot be remembered; copy the model instead: {}", path.display())]
    BadPath {
        /// Which path.
        path: PathBuf,
    },
    /// A manifest that cannot be written down.
    #[error("the card of {id} cannot be written: {why}")]
    Manifest {
        /// The model.
        id: String,
        /// Why not.
        why: String,
    },
    /// Another import or removal is under way.
    #[error("the library is being changed already; wait until that has ended")]
    Locked,
    /// Bundled models stay.
    #[error("{id} comes with Formant and cannot be removed")]
    NotRemovable {
        /// The model.
        id: String,
    },
    /// A file could not be read or written.
    #[error("cannot {action} ({why}){}: {}", files::advice(why), path.display())]
    File {
        /// Read, write, make.
        action: &'static str,
        /// What the system says.
        why: std::io::Error,
        /// Which file.
        path: PathBuf,
    },
    /// Stopped on request.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Error {
    /// Whether the model is simply not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::Missing { .. })
    }

    pub(super) fn file(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |why| Self::File { action, why, path }
    }
}

//! Recordings and results, on threads of their own.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    audio,
    domain::{Evaluation, TestSentence},
    engine::Trial,
    job::{Job, Waker},
    plot,
    ui::{
        exporting::{self, Export, begin},
        units,
    },
};

/// What can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    Json,
    Png,
}

impl Format {
    pub(super) const ALL: [Self; 3] = [Self::Csv, Self::Json, Self::Png];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Json => "JSON",
            Self::Png => "PNG",
        }
    }

    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Csv => "A line of figures for each sentence and system",
            Self::Json => "Everything: the table with its intervals, every sentence, what made it",
            Self::Png => "Every figure as a plot",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Png => "png",
        }
    }

    fn bytes(self, evaluation: &Evaluation) -> Result<Vec<u8>, String> {
        match self {
            Self::Csv => Ok(evaluation.csv().into_bytes()),
            Self::Json => {
                serde_json::to_vec_pretty(&evaluation.report()).map_err(|error| error.to_string())
            }
            Self::Png => plot::evaluation_png(evaluation).map_err(|error| error.to_string()),
        }
    }
}

/// Sentences with the recordings of a folder.
pub(super) type Recordings = Job<(), Result<Vec<Trial>, String>>;

/// Reads the recordings of sentences: `NAME.wav` in a folder.
pub(super) fn read_recordings(
    sentences: Vec<TestSentence>,
    folder: PathBuf,
    waker: Waker,
) -> Recordings {
    begin("recordings", waker, move || {
        let mut found = 0;
        let mut trials = Vec::with_capacity(sentences.len());
        for sentence in sentences {
            let path = folder.join(format!("{}.wav", sentence.name));
            let mut reference = None;
            if path.is_file() {
                let (waveform, _) = audio::read_wav(&path).map_err(|error| error.to_string())?;
                reference = Some(Arc::new(waveform));
                found += 1;
            }
            trials.push(Trial { sentence, reference });
        }
        if found == 0 {
            let n = units::count(trials.len(), "sentence");
            let first = trials.first().map_or("000", |trial| trial.sentence.name.as_str());
            return Err(format!(
                "none of {n} has a recording there; the first would be {first}.wav: {}",
                folder.display()
            ));
        }
        Ok(trials)
    })
}

/// Makes a file of an evaluation, whose place must be free.
pub(super) fn export(evaluation: Evaluation, format: Format, to: &Path, waker: Waker) -> Export {
    exporting::export(to, format.extension(), waker, move || format.bytes(&evaluation))
}

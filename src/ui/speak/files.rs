//! Files, on threads of their own: takes read from dropped WAVs, exports, and the dialog that asks
//! where to.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use crossbeam_channel::{Receiver, Sender, bounded};
use eframe::egui;

use crate::{
    audio,
    domain::{
        Alignment, MelConfig, MelSpectrogram, PhoneTiming, PhonemeSequence, SpeechRecord,
        SpokenSpan, TextGrid, Waveform,
    },
    dsp,
    engine::SpokenSentence,
    files::{advice, write_atomically},
    library::Dictionary,
    settings::ColorMap,
    ui::{dialogs::block_on, widgets::mel_view_scale::map_of},
};

/// Results that may wait for the page; more threads than this wait themselves.
const RESULTS: usize = 16;

/// What a thread has to tell.
#[derive(Debug)]
pub enum FileEvent {
    /// A WAV was read.
    Read {
        /// From where.
        path: PathBuf,
        /// The sound and what made it, or why not.
        outcome: Result<Box<Restored>, String>,
    },
    /// A TextGrid was read.
    Timing {
        /// From where.
        path: PathBuf,
        /// Its phones and their times, or why not.
        outcome: Result<PhoneTiming, String>,
    },
    /// The dialog was closed; `None` if it was cancelled or there is none on this system.
    Chosen(Option<PathBuf>),
    /// An export ended.
    Written(Written),
    /// The dictionary was read, or why not.
    Dictionary(Result<Dictionary, String>),
    /// The dictionary was written, or why not.
    DictionarySaved(Result<(), String>),
}

/// How an export ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The file is there.
    Done(PathBuf),
    /// Another file is there already and may not be replaced.
    Exists(PathBuf),
    /// It could not be written: why.
    Failed(String),
}

/// What is to be written.
#[derive(Debug, Clone)]
pub enum Content {
    /// The sound, with what made it.
    Wav(Arc<Waveform>, Option<Box<SpeechRecord>>),
    /// The mel, a pixel per cell.
    MelPng(Vec<Arc<SpokenSentence>>, ColorMap),
    /// Words and phones of a sound that ends then, with when each sentence begins.
    TextGrid(Vec<(f64, Arc<SpokenSentence>)>, f64),
}

impl Content {
    /// The file's ending.
    pub fn extension(&self) -> &'static str {
        match self {
            Self::Wav(..) => "wav",
            Self::MelPng(..) => "png",
            Self::TextGrid(..) => "TextGrid",
        }
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// If the take is longer than the format can hold.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Wav(waveform, record) => {
                audio::wav_bytes(waveform, record.as_deref()).map_err(|error| error.to_string())
            }
            Self::MelPng(sentences, map) => mel_png(sentences, *map),
            Self::TextGrid(sentences, end_secs) => {
                let spans: Vec<SpokenSpan<'_>> = sentences
                    .iter()
                    .map(|(start_secs, sentence)| SpokenSpan {
                        start_secs: *start_secs,
                        frame_secs: sentence.mel.config.frame_secs(),
                        phonemes: &sentence.phonemes,
                        alignment: &sentence.alignment,
                    })
                    .collect();
                Ok(TextGrid::of_speech(&spans, *end_secs).to_long_text().into_bytes())
            }
        }
    }
}

/// All sentences' frames one after the other, as a picture without axes.
fn mel_png(sentences: &[Arc<SpokenSentence>], map: ColorMap) -> Result<Vec<u8>, String> {
    let first = sentences.first().ok_or("the take has no mel")?;
    let mut mel = MelSpectrogram::empty(first.mel.config.clone());
    for sentence in sentences {
        mel.frames.extend_from_slice(&sentence.mel.frames);
    }
    let picture = dsp::mel_picture(&mel, map_of(map));
    picture.png().map_err(|error| error.to_string())
}

/// A sound from a file, and what can be seen of it.
#[derive(Debug, Clone)]
pub struct Restored {
    /// The sound.
    pub waveform: Waveform,
    /// What made it, if Formant did.
    pub record: Option<SpeechRecord>,
    /// The mel of the sound. What was spoken in it is not kept in a file.
    pub heard: SpokenSentence,
    /// The pitch measured in it, Hz per mel frame.
    pub f0_hz: Vec<f32>,
}

/// Reads a WAV and measures it.
fn read(path: &Path) -> Result<Restored, String> {
    let (waveform, record) = audio::read_wav(path).map_err(|error| error.to_string())?;
    let defaults = MelConfig::default();
    let config = MelConfig {
        sample_rate: waveform.sample_rate,
        f_max: defaults.f_max.min(f64::from(waveform.sample_rate) / 2.0),
        ..defaults
    };
    if waveform.sample_rate == 0 || waveform.samples.len() < config.n_fft {
        return Err(format!("there is no sound in it that can be shown: {}", path.display()));
    }
    let mel = dsp::mel_spectrogram(&waveform.samples, &config);
    let f0_hz = dsp::pitch_track(&waveform.samples, waveform.sample_rate, config.hop_length);
    let heard = SpokenSentence {
        sentence_idx: 0,
        n_sentences: 1,
        phonemes: PhonemeSequence::default(),
        energy: dsp::mel_energy(&mel),
        mel,
        alignment: Alignment::default(),
        prosody: None,
        attention: None,
        glimpses: Arc::new([]),
        is_whole: true,
    };
    Ok(Restored { waveform, record, heard, f0_hz })
}

fn read_timing(path: &Path) -> Result<PhoneTiming, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let grid = TextGrid::read(&bytes).map_err(|error| error.to_string())?;
    PhoneTiming::of(grid).map_err(|error| error.to_string())
}

/// Whether an export may take the place of another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// No: it is told that there is one.
    Never,
    /// Yes.
    Allowed,
}

/// Writes `content` to `path`, whole or not at all.
pub fn write(path: &Path, content: &Content, overwrite: Overwrite) -> Written {
    if overwrite == Overwrite::Never && path.exists() {
        return Written::Exists(path.to_owned());
    }
    match content.bytes() {
        Ok(bytes) => match write_atomically(path, &bytes) {
            Ok(()) => Written::Done(path.to_owned()),
            Err(error) => Written::Failed(format!(
                "The file could not be written.\n{error}{}: {}\nThe take is kept.",
                advice(&error),
                path.display()
            )),
        },
        Err(why) => Written::Failed(format!("The take could not be exported.\n{why}.")),
    }
}

/// Threads for files, and the way back from them.
#[derive(Debug)]
pub struct Files {
    sender: Sender<FileEvent>,
    receiver: Receiver<FileEvent>,
}

impl Default for Files {
    fn default() -> Self {
        let (sender, receiver) = bounded(RESULTS);
        Self { sender, receiver }
    }
}

impl Files {
    /// The next result, if one has arrived. Never blocks.
    pub fn poll(&self) -> Option<FileEvent> {
        self.receiver.try_recv().ok()
    }

    /// Reads a WAV, or a TextGrid, which its ending tells.
    pub fn read(&self, ctx: &egui::Context, path: PathBuf) {
        let ending = path.extension().unwrap_or_default();
        if ending.eq_ignore_ascii_case("textgrid") {
            return self.spawn(ctx, "read-textgrid", move || {
                let outcome = read_timing(&path);
                FileEvent::Timing { path, outcome }
            });
        }
        self.spawn(ctx, "read-wav", move || {
            let outcome = read(&path).map(Box::new);
            FileEvent::Read { path, outcome }
        });
    }

    /// Writes an export.
    pub fn write(
        &self,
        ctx: &egui::Context,
        path: PathBuf,
        content: Content,
        overwrite: Overwrite,
    ) {
        self.spawn(ctx, "export", move || FileEvent::Written(write(&path, &content, overwrite)));
    }

    /// Reads the dictionary.
    pub fn read_dictionary(&self, ctx: &egui::Context, path: PathBuf) {
        self.spawn(ctx, "read-dictionary", move || {
            FileEvent::Dictionary(Dictionary::read(&path).map_err(|error| error.to_string()))
        });
    }

    /// Writes the dictionary.
    pub fn write_dictionary(&self, ctx: &egui::Context, path: PathBuf, dictionary: Dictionary) {
        self.spawn(ctx, "write-dictionary", move || {
            let outcome = dictionary.write(&path).map_err(|error| error.to_string());
            FileEvent::DictionarySaved(outcome)
        });
    }

    /// Asks where to, in the system's own dialog.
    pub fn browse(&self, ctx: &egui::Context, path: &Path) {
        let mut dialog = rfd::AsyncFileDialog::new();
        if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
            dialog = dialog.add_filter(extension.to_uppercase(), &[extension]);
        }
        if let Some(folder) = path.parent() {
            dialog = dialog.set_directory(folder);
        }
        if let Some(name) = path.file_name() {
            dialog = dialog.set_file_name(name.to_string_lossy());
        }
        // The dialog is made here, where windows live, and waited for elsewhere.
        let chosen = dialog.save_file();
        self.spawn(ctx, "file-dialog", move || {
            FileEvent::Chosen(block_on(chosen).map(|file| file.path().to_owned()))
        });
    }

    fn spawn(
        &self,
        ctx: &egui::Context,
        name: &'static str,
        work: impl FnOnce() -> FileEvent + Send + 'static,
    ) {
        let (sender, ctx) = (self.sender.clone(), ctx.clone());
        let work = move || {
            // A page that is gone does not want to know.
            sender.send(work()).ok();
            ctx.request_repaint();
        };
        if let Err(error) = thread::Builder::new().name(name.into()).spawn(work) {
            tracing::error!("no thread to {name}: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::speak::example;

    #[test]
    fn a_png_has_a_pixel_for_each_cell_of_every_sentence() {
        let take = example::take(11.0);
        let sentences = take.pieces.iter().map(|piece| Arc::clone(&piece.spoken)).collect();
        let bytes = Content::MelPng(sentences, ColorMap::Magma).bytes().unwrap();
        let image = image::load_from_memory(&bytes).unwrap();
        assert_eq!(image.width() as usize, take.n_frames());
        assert_eq!(image.height(), 80);
    }

    #[test]
    fn an_exported_text_grid_is_the_timing_of_the_take() {
        let take = example::take(11.0);
        let sentences: Vec<_> =
            take.pieces.iter().map(|piece| (piece.start_secs, piece.spoken.clone())).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("take.TextGrid");
        let content = Content::TextGrid(sentences, take.waveform.duration_secs());
        assert!(matches!(write(&path, &content, Overwrite::Never), Written::Done(_)));
        let spoken: Vec<PhonemeSequence> =
            take.pieces.iter().map(|piece| piece.spoken.phonemes.clone()).collect();
        let frame_secs = take.pieces[0].spoken.mel.config.frame_secs();
        let durations = read_timing(&path).unwrap().durations(&spoken, frame_secs).unwrap();
        for (found, piece) in durations.iter().zip(&take.pieces) {
            assert_eq!(*found, piece.spoken.alignment.durations);
        }
        std::fs::write(&path, "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n0")
            .unwrap();
        let why = read_timing(&path).unwrap_err();
        assert!(why.contains("where the grid ends"), "{why}");
    }

    #[test]
    fn an_export_never_takes_the_place_of_a_file_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let content = Content::Wav(example::take(0.5).waveform, None);
        assert_eq!(write(&path, &content, Overwrite::Never), Written::Done(path.clone()));
        assert_eq!(write(&path, &content, Overwrite::Never), Written::Exists(path.clone()));
        assert_eq!(write(&path, &content, Overwrite::Allowed), Written::Done(path.clone()));
        assert_eq!(std::fs::read(&path).unwrap()[..4], *b"RIFF");
    }
}

//! WAV files, with the record of what made them.
//!
//! The record travels as JSON in a `LIST/INFO` chunk's comment field (`ICMT`), which every player
//! passes over and every tag reader shows.

use std::{
    fs,
    io::{self, Cursor, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use crate::{
    domain::{SpeechRecord, Waveform},
    files,
};

/// Why a WAV could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// The file itself.
    #[error("cannot {action} the sound file ({why}){advice}: {}", path.display())]
    File {
        /// Read or write.
        action: &'static str,
        /// What the system says.
        why: std::io::Error,
        /// What helps, where something does.
        advice: &'static str,
        /// Which file.
        path: PathBuf,
    },
    /// Its content.
    #[error("this is not a WAV file that can be read ({why}): {}", path.display())]
    Format {
        /// What is wrong.
        why: hound::Error,
        /// Which file.
        path: PathBuf,
    },
}

/// Writes 16-bit mono PCM, atomically, with `record` if there is one.
///
/// # Errors
/// If the file cannot be written.
pub fn write_wav(
    path: &Path,
    waveform: &Waveform,
    record: Option<&SpeechRecord>,
) -> Result<(), WavError> {
    let write = |file: &mut _| {
        put_wav(file, waveform, record).map_err(|why| match why {
            hound::Error::IoError(why) => why,
            why => io::Error::other(why),
        })
    };
    files::write_piecewise(path, write).map_err(|why| WavError::File {
        advice: files::advice(&why),
        action: "write",
        why,
        path: path.to_owned(),
    })
}

/// A WAV file in memory: 16-bit mono PCM, with `record` if there is one.
///
/// # Errors
/// If the waveform is longer than a WAV can hold.
pub fn wav_bytes(
    waveform: &Waveform,
    record: Option<&SpeechRecord>,
) -> Result<Vec<u8>, hound::Error> {
    let mut cursor = Cursor::new(Vec::new());
    put_wav(&mut cursor, waveform, record)?;
    Ok(cursor.into_inner())
}

fn put_wav(
    mut out: &mut (impl Write + Seek),
    waveform: &Waveform,
    record: Option<&SpeechRecord>,
) -> Result<(), hound::Error> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: waveform.sample_rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::new(&mut out, spec)?;
    for &sample in &waveform.samples {
        writer.write_sample(to_i16(sample))?;
    }
    writer.finalize()?;
    if let Some(record) = record.and_then(|record| serde_json::to_vec(record).ok()) {
        append_comment(out, &record)?;
    }
    Ok(())
}

/// The 16-bit value of a sample in −1..=1; louder ones are clipped, NaN is silence.
fn to_i16(sample: f32) -> i16 {
    (sample * 32767.0).round().clamp(-32768.0, 32767.0) as i16
}

/// Adds `LIST/INFO/ICMT` at the end and mends the RIFF size.
fn append_comment(out: &mut (impl Write + Seek), comment: &[u8]) -> io::Result<()> {
    let padded = comment.len() + 1 + (comment.len() + 1) % 2;
    out.seek(SeekFrom::End(0))?;
    out.write_all(b"LIST")?;
    out.write_all(&(4 + 8 + padded as u32).to_le_bytes())?;
    out.write_all(b"INFOICMT")?;
    out.write_all(&(comment.len() as u32 + 1).to_le_bytes())?;
    out.write_all(comment)?;
    out.write_all(&[0; 2][..padded - comment.len()])?;
    let riff_size = out.stream_position()? as u32 - 8;
    out.seek(SeekFrom::Start(4))?;
    out.write_all(&riff_size.to_le_bytes())
}

/// Reads a WAV (any width, first channel only) and the record of what made it, if Formant did.
///
/// # Errors
/// If the file cannot be read or is no WAV.
pub fn read_wav(path: &Path) -> Result<(Waveform, Option<SpeechRecord>), WavError> {
    let bytes = fs::read(path).map_err(|why| WavError::File {
        action: "read",
        why,
        advice: "",
        path: path.to_owned(),
    })?;
    let format = |why| WavError::Format { why, path: path.to_owned() };
    let mut reader = hound::WavReader::new(Cursor::new(&bytes)).map_err(format)?;
    let spec = reader.spec();
    let step = usize::from(spec.channels.max(1));
    let samples: Result<Vec<f32>, _> = match spec.sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().step_by(step).collect(),
        hound::SampleFormat::Int => {
            let scale = 1.0 / f32::powi(2.0, i32::from(spec.bits_per_sample) - 1);
            let samples = reader.samples::<i32>().step_by(step);
            samples.map(|sample| sample.map(|sample| sample as f32 * scale)).collect()
        }
    };
    let samples = samples.map_err(format)?;
    let record = comment(&bytes).and_then(|json| serde_json::from_slice(json).ok());
    Ok((Waveform { samples, sample_rate: spec.sample_rate }, record))
}

/// The text of the first `LIST/INFO/ICMT`.
fn comment(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 12;
    while let Some((id, body)) = chunk(bytes, at) {
        if id == b"LIST" && body.starts_with(b"INFO") {
            let mut inner = 4;
            while let Some((id, text)) = chunk(body, inner) {
                if id == b"ICMT" {
                    return Some(text.split(|&byte| byte == 0).next().unwrap_or_default());
                }
                inner += 8 + text.len() + text.len() % 2;
            }
        }
        at += 8 + body.len() + body.len() % 2;
    }
    None
}

fn chunk(bytes: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    let head = bytes.get(at..at + 8)?;
    let len = u32::from_le_bytes(head[4..8].try_into().ok()?) as usize;
    Some((&head[..4], bytes.get(at + 8..(at + 8).checked_add(len)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Pronunciations, ProsodyControls, VocoderChoice, VoiceOptions};

    fn record() -> SpeechRecord {
        SpeechRecord {
            text: "Grüße, “world”.".into(),
            voice: "joe".into(),
            voice_sha256: "ab".into(),
            vocoder: VocoderChoice::GriffinLim,
            vocoder_sha256: String::new(),
            controls: ProsodyControls { pace: 1.25, ..ProsodyControls::default() },
            options: VoiceOptions { steps: 7, ..VoiceOptions::default() },
            given: Vec::new(),
            seed: 3,
            version: "0".into(),
            pronunciations: Pronunciations::default(),
            device: "CPU".into(),
        }
    }

    #[test]
    fn the_record_comes_back_with_the_sound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new folder/a.wav");
        let samples: Vec<f32> = (0..999).map(|n| (n as f32 * 0.05).sin() * 0.8).collect();
        let waveform = Waveform { samples, sample_rate: 22_050 };
        write_wav(&path, &waveform, Some(&record())).unwrap();
        let (read, found) = read_wav(&path).unwrap();
        assert_eq!(found, Some(record()));
        assert_eq!(read.sample_rate, 22_050);
        assert_eq!(read.samples.len(), 999);
        for (a, b) in read.samples.iter().zip(&waveform.samples) {
            assert!((a - b).abs() < 1e-4, "{a} is not {b}");
        }
    }

    #[test]
    fn samples_beyond_the_range_are_clipped() {
        assert_eq!([2.0, -2.0, f32::NAN].map(to_i16), [32767, -32768, 0]);
    }

    #[test]
    fn another_file_is_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not.wav");
        fs::write(&path, b"RIFFnothing of the kind").unwrap();
        assert!(read_wav(&path).unwrap_err().to_string().ends_with("not.wav"));
    }
}

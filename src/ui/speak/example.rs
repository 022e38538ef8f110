//! A take without an engine: harmonics that glide, cut into phonemes. For tests, and for timing a
//! frame of the page.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    page::SpeakPage,
    take::{Phase, Take, TakeId},
};
use crate::{
    domain::{
        Alignment, MelConfig, MelSpectrogram, Phoneme, PhonemeSequence, Prosody, ProsodyControls,
        SpeechTiming, VocoderChoice, VoiceOptions, Word, WordOrigin,
    },
    engine::{SpeakEvent, SpeakRequest, SpokenSentence},
    settings::Settings,
    ui::widgets::mel_view_scale::MelScale,
};

/// Phonemes of the words that are said over and over.
const WORDS: [(&str, &[&str]); 8] = [
    ("the", &["DH", "AH0"]),
    ("birch", &["B", "ER1", "CH"]),
    ("canoe", &["K", "AH0", "N", "UW1"]),
    ("slid", &["S", "L", "IH1", "D"]),
    ("on", &["AA1", "N"]),
    ("the", &["DH", "AH0"]),
    ("smooth", &["S", "M", "UW1", "DH"]),
    ("planks", &["P", "L", "AE1", "NG", "K", "S"]),
];

/// Frames of a phoneme, in turn.
const DURATIONS: [u32; 7] = [5, 8, 4, 11, 6, 9, 3];

/// A sentence is at most so long.
const SENTENCE_SECS: f64 = 5.0;

/// Samples that come at once.
const CHUNK: usize = 4096;

/// What the take was asked for.
pub fn request() -> SpeakRequest {
    SpeakRequest {
        text: "The birch canoe slid on the smooth planks.".to_owned(),
        voice: "joe-fastspeech2".to_owned(),
        vocoder: VocoderChoice::HifiGan,
        controls: ProsodyControls::default(),
        options: VoiceOptions::default(),
        given: Vec::new(),
        timing: None,
        pronunciations: None,
        seed: 7,
    }
}

/// A finished take of about `duration_secs`, one sentence for each five seconds.
pub fn take(duration_secs: f64) -> Take {
    let mut take = Take::new(TakeId(1), Some(request()));
    for event in events(duration_secs) {
        match event {
            SpeakEvent::Sentence(sentence) => take.push_sentence(sentence),
            SpeakEvent::Samples { sample_rate, samples } => {
                take.push_samples(sample_rate, &samples);
            }
            SpeakEvent::Pitch { sentence_idx, f0_hz } => take.set_pitch(sentence_idx, f0_hz),
            SpeakEvent::Progress(_) => (),
        }
    }
    take.phase = Phase::Done;
    take.timing = Some(SpeechTiming {
        total: Duration::from_secs_f64(0.12 * duration_secs),
        first_audio: Duration::from_millis(85),
        ..SpeechTiming::default()
    });
    take.first_audio = Some(Duration::from_millis(85));
    take
}

/// A page that shows such a take: what a frame of the page costs is measured on it.
pub fn page(duration_secs: f64) -> SpeakPage {
    page_with(&[duration_secs])
}

/// A page with a take of each of these lengths; the last one is shown.
pub fn page_with(durations_secs: &[f64]) -> SpeakPage {
    let mut page = SpeakPage::new(&Settings::default(), PathBuf::new());
    for duration_secs in durations_secs {
        let mut take = take(*duration_secs);
        take.id = page.state.fresh_id();
        take.name = format!("Take {}", take.id.0);
        page.state.add(take);
    }
    page
}

/// What an engine would send while it speaks for about `duration_secs`.
pub fn events(duration_secs: f64) -> Vec<SpeakEvent> {
    let config = MelConfig::default();
    let n_sentences = (duration_secs / SENTENCE_SECS).ceil().max(1.0) as usize;
    let secs = duration_secs / n_sentences as f64;
    let n_frames = (secs / config.frame_secs()) as usize;
    let mut events = Vec::new();
    for sentence_idx in 0..n_sentences {
        let spoken = sentence(sentence_idx, n_sentences, n_frames, &config);
        let f0_hz: Vec<f32> = (0..n_frames)
            .map(|frame_idx| {
                let phoneme = spoken.alignment.phoneme_at(frame_idx);
                if phoneme.is_some_and(|idx| is_voiced(&spoken.phonemes.phonemes[idx].symbol)) {
                    f0_at(frame_idx as f64 * config.frame_secs()) as f32
                } else {
                    0.0
                }
            })
            .collect();
        let samples = sound(&f0_hz, &config);
        events.push(SpeakEvent::Sentence(Arc::new(spoken)));
        events.extend(samples.chunks(CHUNK).map(|chunk| SpeakEvent::Samples {
            sample_rate: config.sample_rate,
            samples: chunk.into(),
        }));
        events.push(SpeakEvent::Pitch { sentence_idx, f0_hz });
    }
    events
}

/// A slow glide, as in a calm sentence.
fn f0_at(secs: f64) -> f64 {
    118.0 + 24.0 * (secs * 2.1).sin() - 6.0 * secs + 5.0 * (secs * 9.0).sin()
}

fn is_voiced(symbol: &str) -> bool {
    !matches!(symbol, "S" | "CH" | "K" | "P" | " ")
}

fn sentence(
    sentence_idx: usize,
    n_sentences: usize,
    n_frames: usize,
    config: &MelConfig,
) -> SpokenSentence {
    let mut sequence = PhonemeSequence {
        normalized: "the birch canoe slid on the smooth planks".to_owned(),
        ..PhonemeSequence::default()
    };
    let mut durations = Vec::new();
    let mut left = n_frames as u32;
    'words: for (n, (text, symbols)) in WORDS.iter().cycle().enumerate() {
        let first = sequence.phonemes.len();
        let word_idx = sequence.words.len();
        for symbol in *symbols {
            push(&mut sequence, &mut durations, &mut left, symbol, Some(word_idx));
            if left == 0 {
                break;
            }
        }
        let phonemes = first..sequence.phonemes.len();
        let origin = if n % 8 == 2 { WordOrigin::Guessed } else { WordOrigin::Dictionary };
        sequence.words.push(Word { text: (*text).to_owned(), phonemes, origin });
        if left == 0 {
            break 'words;
        }
        if n % 4 == 3 {
            push(&mut sequence, &mut durations, &mut left, " ", None);
        }
    }
    let alignment = Alignment { durations };
    let mel = mel(&sequence, &alignment, n_frames, config);
    let energy = (0..n_frames)
        .map(|frame_idx| mel.frame(frame_idx).iter().map(|ln| (2.0 * ln).exp()).sum::<f32>().sqrt())
        .collect();
    let boundaries = alignment.boundaries();
    let prosody = Prosody {
        f0_hz: sequence
            .phonemes
            .iter()
            .zip(&boundaries)
            .map(|(phoneme, &frame_idx)| {
                let hz = f0_at(frame_idx as f64 * config.frame_secs());
                if is_voiced(&phoneme.symbol) { hz as f32 } else { 0.0 }
            })
            .collect(),
        energy: sequence
            .phonemes
            .iter()
            .map(|phoneme| if is_voiced(&phoneme.symbol) { 4.0 } else { 1.5 })
            .collect(),
    };
    SpokenSentence {
        sentence_idx,
        n_sentences,
        phonemes: sequence,
        mel,
        alignment,
        prosody: Some(prosody),
        attention: None,
        glimpses: Arc::new([]),
        energy,
        is_whole: true,
    }
}

fn push(
    sequence: &mut PhonemeSequence,
    durations: &mut Vec<u32>,
    left: &mut u32,
    symbol: &str,
    word_idx: Option<usize>,
) {
    let duration = DURATIONS[durations.len() % DURATIONS.len()].min(*left);
    let id = durations.len() as u32;
    sequence.phonemes.push(Phoneme { symbol: symbol.to_owned(), id, word_idx });
    durations.push(duration);
    *left -= duration;
}

/// Harmonics under two formants where it is voiced, hiss where it is not.
fn mel(
    sequence: &PhonemeSequence,
    alignment: &Alignment,
    n_frames: usize,
    config: &MelConfig,
) -> MelSpectrogram {
    let scale = MelScale::new(config);
    let centres: Vec<f64> = (0..config.n_mels).map(|band| scale.hz(band as f64 + 0.5)).collect();
    let mut frames = Vec::with_capacity(n_frames * config.n_mels);
    for frame_idx in 0..n_frames {
        let secs = frame_idx as f64 * config.frame_secs();
        let idx = alignment.phoneme_at(frame_idx).unwrap_or(0);
        let symbol = sequence.phonemes.get(idx).map_or(" ", |phoneme| phoneme.symbol.as_str());
        let f0 = f0_at(secs);
        let (first, second) = (500.0 + 60.0 * (idx % 5) as f64, 1100.0 + 240.0 * (idx % 7) as f64);
        for &hz in &centres {
            let level = if symbol == " " {
                -10.5
            } else if is_voiced(symbol) {
                let ripple =
                    if hz < 1500.0 { 1.2 * (std::f64::consts::TAU * hz / f0).cos() } else { 0.0 };
                let hill = |at: f64, width: f64| (-((hz - at) / width).powi(2)).exp();
                -7.5 + ripple
                    + 6.0 * hill(first, 260.0)
                    + 4.5 * hill(second, 380.0)
                    + 2.5 * hill(2700.0, 700.0)
                    - hz / 2600.0
            } else {
                -9.0 + 5.5 * (hz / 8000.0)
            };
            let grain = ((frame_idx * 31 + hz as usize * 17) % 97) as f64 / 97.0 - 0.5;
            frames.push((level + 0.7 * grain).max(-11.5) as f32);
        }
    }
    MelSpectrogram { frames, config: config.clone() }
}

/// The sound of a pitch track: three harmonics, a little hiss between.
fn sound(f0_hz: &[f32], config: &MelConfig) -> Vec<f32> {
    let mut phase = 0.0_f32;
    let mut samples = Vec::with_capacity(f0_hz.len() * config.hop_length);
    for (frame_idx, &hz) in f0_hz.iter().enumerate() {
        let swell = 0.3 + 0.2 * (frame_idx as f32 * 0.11).sin();
        for n in 0..config.hop_length {
            let hiss = ((frame_idx * 977 + n * 7919) % 1009) as f32 / 1009.0 - 0.5;
            if hz > 0.0 {
                phase = (phase + hz / config.sample_rate as f32).fract();
                let wave = std::f32::consts::TAU * phase;
                samples.push(
                    swell * (wave.sin() + 0.5 * (2.0 * wave).sin() + 0.3 * (3.0 * wave).sin()),
                );
            } else {
                samples.push(0.12 * hiss);
            }
        }
    }
    samples
}

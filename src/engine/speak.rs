//! Text to speech: one straight line, that lets replies be written between its pieces.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Error,
    accelerator::Accelerator,
    models::Shared,
    protocol::{SpeakEvent, SpeakRequest, Speech, SpokenSentence},
};
use crate::{
    domain::{
        GivenProsody, PhonemeSequence, Progress, Pronunciations, ProsodyControls, SpeechRecord,
        SpeechTiming, SpeechWarning, Stage, VocoderChoice, Waveform,
    },
    dsp,
    job::{Cancelled, Reply},
    library::catalog,
    nn::device,
    tts::{self, Acoustics, GriffinLim, Heard, Manner, MelReader, Vocoder},
};

/// Speaks `request`, sentence by sentence.
///
/// # Errors
/// If a model is missing or broken, the controls are out of range, or no sentence can be spoken.
pub(super) fn run(
    accelerator: &mut Accelerator,
    request: &SpeakRequest,
    reply: &Reply<SpeakEvent, Result<Speech, Error>>,
) -> Result<Speech, Error> {
    accelerator.speaking = true;
    accelerator.publish();
    let outcome = speak(accelerator, request, reply);
    accelerator.speaking = false;
    outcome
}

fn speak(
    accelerator: &mut Accelerator,
    request: &SpeakRequest,
    reply: &Reply<SpeakEvent, Result<Speech, Error>>,
) -> Result<Speech, Error> {
    check_controls(&request.controls)?;
    let loading = Instant::now();
    let mut on_load = |progress| reply.offer(SpeakEvent::Progress(progress));
    let front_end = accelerator.models.front_end()?;
    let voice = accelerator.models.voice(&request.voice, &mut on_load)?;
    let vocoder: Shared<dyn Vocoder> = match &request.vocoder {
        VocoderChoice::HifiGan => accelerator.models.vocoder(catalog::VOCODER, &mut on_load)?,
        VocoderChoice::Model(id) => accelerator.models.vocoder(id, &mut on_load)?,
        VocoderChoice::GriffinLim => Rc::new(RefCell::new(Box::new(GriffinLim::default()))),
    };
    let mut record = record(accelerator, request)?;
    let mut timing = SpeechTiming { load: loading.elapsed(), ..SpeechTiming::default() };

    let begun = Instant::now();
    let own = match &request.pronunciations {
        Some(own) => own.clone(),
        None => accelerator.models.pronunciations()?,
    };
    let mut own_words = Vec::new();
    let sentences = front_end.sentences(&request.text)?;
    let n_sentences = sentences.len();
    let all_phonemes = || {
        let voice = voice.borrow();
        let phonemes = |sentence: &String| {
            let phonemes = front_end.phonemes_with(sentence, voice.symbols(), &own)?;
            Ok(voice.complete(phonemes))
        };
        sentences.iter().map(phonemes).collect()
    };
    let frame_secs = voice.borrow().mel_config().frame_secs();
    record.given = given(request, n_sentences, frame_secs, all_phonemes)?;
    timing.front_end += begun.elapsed();
    let mel_config = voice.borrow().mel_config().clone();
    let sample_rate = mel_config.sample_rate;
    let mut warnings = Vec::new();
    let reads = vocoder.borrow().mel_config().cloned();
    let reader = match &reads {
        Some(reads) => MelReader::new(&mel_config, reads)?,
        None => None,
    };
    if reader.is_some() {
        warnings.push(SpeechWarning::MelConverted);
    }
    if reads.is_some_and(|reads| reads.convention != mel_config.convention) {
        warnings.push(SpeechWarning::FramesMoved { millis: 500.0 * mel_config.frame_secs() });
    }
    let mut speaker = Speaker {
        accelerator,
        reply,
        vocoder,
        reader,
        limiter: dsp::Limiter::default(),
        seed: request.seed,
        waveform: Waveform { samples: Vec::new(), sample_rate },
        begun,
        first_audio: None,
        sounding: Duration::ZERO,
    };
    let mut n_phonemes = 0;
    let mut left_out: Vec<String> = Vec::new();
    let as_predicted = GivenProsody::default();
    for (sentence_idx, sentence) in sentences.iter().enumerate() {
        reply.offer(SpeakEvent::Progress(Progress {
            stage: Stage::Acoustic,
            subject: request.voice.clone(),
            done: sentence_idx as u64,
            total: n_sentences as u64,
        }))?;
        let since = Instant::now();
        let phonemes = front_end.phonemes_with(sentence, voice.borrow().symbols(), &own)?;
        let phonemes = voice.borrow().complete(phonemes);
        timing.front_end += since.elapsed();
        n_phonemes += phonemes.phonemes.len();
        own_words.extend_from_slice(&phonemes.own_words);
        left_out.extend(
            phonemes
                .left_out
                .iter()
                .filter(|symbol| !left_out.contains(symbol))
                .cloned()
                .collect::<Vec<_>>(),
        );

        let manner = Manner {
            given: record.given.get(sentence_idx).unwrap_or(&as_predicted),
            controls: &request.controls,
            options: &request.options,
            seed: request.seed,
        };
        let place = Place { sentence_idx, n_sentences, phonemes: &phonemes };
        let first_sample = speaker.waveform.samples.len();
        let mut n_sounded = 0;
        let since = Instant::now();
        let sounding_before = speaker.sounding;
        let acoustics = voice.borrow_mut().synthesize(&phonemes, &manner, &mut |growing| {
            if let Some(acoustics) = growing {
                n_sounded = speaker.sound(&place, acoustics, n_sounded, false)?;
            } else {
                reply.check()?;
                speaker.accelerator.breathe();
            }
            Ok::<_, tts::Error>(())
        })?;
        // What was sounded in between is not the acoustic model's time.
        let sounding = speaker.sounding.saturating_sub(sounding_before);
        timing.acoustic += since.elapsed().saturating_sub(sounding);
        speaker.sound(&place, &acoustics, n_sounded, true)?;
        let spoken = &speaker.waveform.samples[first_sample..];
        let f0_hz = dsp::pitch_track(spoken, sample_rate, acoustics.mel.config.hop_length);
        reply.send(SpeakEvent::Pitch { sentence_idx, f0_hz })?;
    }
    timing.vocoder = speaker.sounding;
    timing.first_audio = speaker.first_audio.unwrap_or_default();
    timing.total = begun.elapsed();
    if !left_out.is_empty() {
        warnings.push(SpeechWarning::LeftOut { symbols: left_out });
    }
    let told = front_end.broken_inline(&request.text);
    if !told.is_empty() {
        warnings.push(SpeechWarning::NotArpabet { told });
    }
    record.pronunciations = own.only(&own_words);
    warnings.extend(heard_of(&speaker.limiter, sample_rate));
    let waveform = Arc::new(speaker.waveform);
    Ok(Speech { waveform, timing, record, n_sentences, n_phonemes, warnings })
}

/// What the limiter had to do.
fn heard_of(limiter: &dsp::Limiter, sample_rate: u32) -> Vec<SpeechWarning> {
    let (n_samples, turned_down) = (limiter.not_numbers(), limiter.turned_down());
    let mut warnings = Vec::new();
    if n_samples > 0 {
        warnings.push(SpeechWarning::NotNumbers { n_samples });
    }
    if turned_down > 0 {
        warnings.push(SpeechWarning::TurnedDown {
            secs: turned_down as f64 / f64::from(sample_rate),
            loudest_dbfs: 20.0 * f64::from(limiter.loudest().max(f32::MIN_POSITIVE)).log10(),
        });
    }
    warnings
}

/// A sentence of the text.
struct Place<'a> {
    sentence_idx: usize,
    n_sentences: usize,
    phonemes: &'a PhonemeSequence,
}

/// Hands frames to the client and to the vocoder, and its sound to the client.
struct Speaker<'a> {
    accelerator: &'a mut Accelerator,
    reply: &'a Reply<SpeakEvent, Result<Speech, Error>>,
    vocoder: Shared<dyn Vocoder>,
    /// Where the vocoder has learned another kind of mel.
    reader: Option<MelReader>,
    limiter: dsp::Limiter,
    seed: u64,
    waveform: Waveform,
    begun: Instant,
    first_audio: Option<Duration>,
    /// Spent in the vocoder and on what it made.
    sounding: Duration,
}

impl Speaker<'_> {
    /// Shows a sentence as far as it stands and sounds its frames from `from` on, as far as they
    /// can be; returns where it stopped.
    fn sound(
        &mut self,
        place: &Place<'_>,
        acoustics: &Acoustics,
        from: usize,
        is_whole: bool,
    ) -> Result<usize, tts::Error> {
        let since = Instant::now();
        let Self {
            accelerator,
            reply,
            vocoder,
            reader,
            limiter,
            seed,
            waveform,
            begun,
            first_audio,
            ..
        } = self;
        reply.send(SpeakEvent::Sentence(Arc::new(SpokenSentence {
            sentence_idx: place.sentence_idx,
            n_sentences: place.n_sentences,
            phonemes: place.phonemes.clone(),
            energy: dsp::mel_energy(&acoustics.mel),
            mel: acoustics.mel.clone(),
            alignment: acoustics.alignment.clone(),
            prosody: acoustics.prosody.clone(),
            attention: acoustics.attention.clone(),
            glimpses: acoustics.glimpses.as_slice().into(),
            is_whole,
        })))?;
        accelerator.breathe();
        let mel = match reader {
            Some(reader) => reader.read(&acoustics.mel, from),
            None => &acoustics.mel,
        };
        let heard = Heard { mel, linear: acoustics.linear.as_ref(), is_whole, seed: *seed };
        let sample_rate = waveform.sample_rate;
        let mut hand_over = |samples: Vec<f32>| {
            // A vocoder that has nothing to hand over yet calls to hear whether to go on.
            if samples.is_empty() {
                reply.check()?;
            } else {
                first_audio.get_or_insert_with(|| begun.elapsed());
                waveform.samples.extend_from_slice(&samples);
                reply.send(SpeakEvent::Samples { sample_rate, samples: samples.into() })?;
            }
            accelerator.breathe();
            Ok::<_, Cancelled>(())
        };
        let end = vocoder
            .borrow_mut()
            .sound(&heard, from, &mut |samples| hand_over(limiter.pass(samples)))?;
        if is_whole {
            hand_over(limiter.finish())?;
        }
        self.sounding += since.elapsed();
        Ok(end)
    }
}

/// What takes the place of predictions, for each sentence that has anything.
fn given(
    request: &SpeakRequest,
    n_sentences: usize,
    frame_secs: f64,
    all_phonemes: impl FnOnce() -> Result<Vec<PhonemeSequence>, tts::Error>,
) -> Result<Vec<GivenProsody>, Error> {
    let mut given = request.given.clone();
    if given.len() > n_sentences {
        return Err(Error::BadRequest(format!(
            "prosody is given for {} sentences, but the text has {n_sentences}; \
             take the text it was made for, or leave the prosody as predicted",
            given.len()
        )));
    }
    if let Some(timing) = &request.timing {
        let durations = timing.durations(&all_phonemes()?, frame_secs);
        let durations = durations.map_err(|error| Error::BadRequest(error.to_string()))?;
        given.resize(n_sentences, GivenProsody::default());
        for (given, durations) in given.iter_mut().zip(durations) {
            given.durations = Some(durations);
        }
    }
    while given.pop_if(|last| last.is_empty()).is_some() {}
    Ok(given)
}

fn check_controls(controls: &ProsodyControls) -> Result<(), Error> {
    let range = ProsodyControls::RANGE;
    for (name, value) in
        [("pace", controls.pace), ("pitch", controls.pitch), ("energy", controls.energy)]
    {
        if !range.contains(&value) {
            return Err(Error::BadRequest(format!(
                "{name} is {value}; it must lie in {} to {}, where 1 is as predicted",
                range.start(),
                range.end()
            )));
        }
    }
    Ok(())
}

fn record(accelerator: &Accelerator, request: &SpeakRequest) -> Result<SpeechRecord, Error> {
    Ok(SpeechRecord {
        text: request.text.clone(),
        voice: request.voice.clone(),
        voice_sha256: accelerator.models.sha256(&request.voice)?,
        vocoder: request.vocoder.clone(),
        vocoder_sha256: match &request.vocoder {
            VocoderChoice::HifiGan => accelerator.models.sha256(catalog::VOCODER)?,
            VocoderChoice::Model(id) => accelerator.models.sha256(id)?,
            VocoderChoice::GriffinLim => String::new(),
        },
        controls: request.controls,
        options: request.options,
        pronunciations: Pronunciations::default(),
        given: request.given.clone(),
        seed: request.seed,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        // Speech runs on the thread that asks for it.
        device: device::name(1),
    })
}

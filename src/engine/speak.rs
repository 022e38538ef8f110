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
        PhonemeSequence, Progress, ProsodyControls, SpeechRecord, SpeechTiming, Stage,
        VocoderChoice, Waveform,
    },
    dsp,
    job::Reply,
    library::catalog,
    nn::device,
    tts::{self, Acoustics, GriffinLim, Heard, Manner, Vocoder},
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
    let record = record(accelerator, request)?;
    let mut timing = SpeechTiming { load: loading.elapsed(), ..SpeechTiming::default() };

    let begun = Instant::now();
    let sentences = front_end.sentences(&request.text)?;
    let n_sentences = sentences.len();
    timing.front_end += begun.elapsed();
    let sample_rate = voice.borrow().mel_config().sample_rate;
    let mut speaker = Speaker {
        accelerator,
        reply,
        vocoder,
        seed: request.seed,
        waveform: Waveform { samples: Vec::new(), sample_rate },
        begun,
        first_audio: None,
        sounding: Duration::ZERO,
    };
    let mut n_phonemes = 0;
    for (sentence_idx, sentence) in sentences.iter().enumerate() {
        reply.offer(SpeakEvent::Progress(Progress {
            stage: Stage::Acoustic,
            subject: request.voice.clone(),
            done: sentence_idx as u64,
            total: n_sentences as u64,
        }))?;
        let since = Instant::now();
        let phonemes = front_end.phonemes(sentence, voice.borrow().symbols())?;
        timing.front_end += since.elapsed();
        n_phonemes += phonemes.phonemes.len();

        let manner = Manner {
            prosody: None,
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
    let waveform = Arc::new(speaker.waveform);
    Ok(Speech { waveform, timing, record, n_sentences, n_phonemes })
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
        let Self { accelerator, reply, vocoder, seed, waveform, begun, first_audio, .. } = self;
        reply.send(SpeakEvent::Sentence(Arc::new(SpokenSentence {
            sentence_idx: place.sentence_idx,
            n_sentences: place.n_sentences,
            phonemes: place.phonemes.clone(),
            energy: dsp::mel_energy(&acoustics.mel),
            mel: acoustics.mel.clone(),
            alignment: acoustics.alignment.clone(),
            prosody: acoustics.prosody.clone(),
            attention: acoustics.attention.clone(),
            is_whole,
        })))?;
        accelerator.breathe();
        let heard =
            Heard { mel: &acoustics.mel, linear: acoustics.linear.as_ref(), is_whole, seed: *seed };
        let sample_rate = waveform.sample_rate;
        let end = vocoder.borrow_mut().sound(&heard, from, &mut |samples| {
            // A vocoder that has nothing to hand over yet calls to hear whether to go on.
            if samples.is_empty() {
                reply.check()?;
            } else {
                first_audio.get_or_insert_with(|| begun.elapsed());
                waveform.samples.extend_from_slice(samples);
                reply.send(SpeakEvent::Samples { sample_rate, samples: samples.into() })?;
            }
            accelerator.breathe();
            Ok(())
        })?;
        self.sounding += since.elapsed();
        Ok(end)
    }
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
        seed: request.seed,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        // Speech runs on the thread that asks for it.
        device: device::name(1),
    })
}

//! Text to speech: one straight line, that lets replies be written between its pieces.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Instant};

use super::{
    Error,
    accelerator::Accelerator,
    models::Shared,
    protocol::{SpeakEvent, SpeakRequest, Speech, SpokenSentence},
};
use crate::{
    domain::{
        Progress, ProsodyControls, SpeechRecord, SpeechTiming, Stage, VocoderChoice, Waveform,
    },
    dsp,
    job::Reply,
    library::catalog,
    nn::device,
    tts::{GriffinLim, Vocoder},
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
    let vocoder: Shared<dyn Vocoder> = match request.vocoder {
        VocoderChoice::HifiGan => accelerator.models.vocoder(catalog::VOCODER, &mut on_load)?,
        VocoderChoice::GriffinLim => {
            let griffin_lim = GriffinLim { seed: request.seed, ..GriffinLim::default() };
            Rc::new(RefCell::new(Box::new(griffin_lim)))
        }
    };
    let record = record(accelerator, request)?;
    let mut timing = SpeechTiming { load: loading.elapsed(), ..SpeechTiming::default() };

    let begun = Instant::now();
    let sentences = front_end.sentences(&request.text)?;
    let n_sentences = sentences.len();
    timing.front_end += begun.elapsed();
    let mut waveform = Waveform::default();
    let mut n_phonemes = 0;
    let mut first_audio = None;
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

        let since = Instant::now();
        let acoustics = voice.borrow_mut().synthesize(&phonemes, None, &request.controls)?;
        timing.acoustic += since.elapsed();
        let mel = acoustics.mel.clone();
        waveform.sample_rate = mel.config.sample_rate;
        reply.send(SpeakEvent::Sentence(Arc::new(SpokenSentence {
            sentence_idx,
            n_sentences,
            phonemes,
            energy: dsp::mel_energy(&mel),
            mel: acoustics.mel,
            alignment: acoustics.alignment,
            prosody: acoustics.prosody,
        })))?;
        accelerator.breathe();

        let since = Instant::now();
        let sample_rate = mel.config.sample_rate;
        let spoken = vocoder.borrow_mut().vocode(&mel, &mut |samples| {
            // A vocoder that has nothing to hand over yet calls to hear whether to go on.
            if samples.is_empty() {
                reply.check()?;
            } else {
                first_audio.get_or_insert_with(|| begun.elapsed());
                reply.send(SpeakEvent::Samples { sample_rate, samples: samples.into() })?;
            }
            accelerator.breathe();
            Ok(())
        })?;
        timing.vocoder += since.elapsed();
        let f0_hz = dsp::pitch_track(&spoken.samples, sample_rate, mel.config.hop_length);
        reply.send(SpeakEvent::Pitch { sentence_idx, f0_hz })?;
        waveform.samples.extend_from_slice(&spoken.samples);
    }
    timing.first_audio = first_audio.unwrap_or_default();
    timing.total = begun.elapsed();
    Ok(Speech { waveform: Arc::new(waveform), timing, record, n_sentences, n_phonemes })
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
        vocoder: request.vocoder,
        vocoder_sha256: match request.vocoder {
            VocoderChoice::HifiGan => accelerator.models.sha256(catalog::VOCODER)?,
            VocoderChoice::GriffinLim => String::new(),
        },
        controls: request.controls,
        seed: request.seed,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        // Speech runs on the thread that asks for it.
        device: device::name(1),
    })
}

//! One sentence made by one system, and how long each part took.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use crate::{
    domain::{AttentionDiagnosis, GivenProsody, MelConfig, SpeechSystem, VocoderChoice, Waveform},
    dsp::{self, LowPass},
    engine::{
        Error,
        accelerator::Accelerator,
        models::{OnProgress, Shared},
    },
    job::Cancelled,
    library::catalog,
    tts::{self, AcousticModel, FrontEnd, GriffinLim, Heard, Manner, Vocoder},
};

/// A system with its models in memory.
pub(super) struct Loaded {
    pub(super) system: SpeechSystem,
    voice: Option<Shared<dyn AcousticModel>>,
    vocoder: Shared<dyn Vocoder>,
}

/// What a system made.
pub(super) struct Utterance {
    pub(super) waveform: Waveform,
    /// Text and acoustic model.
    pub(super) acoustic: Duration,
    pub(super) vocoder: Duration,
    pub(super) first_audio: Duration,
    pub(super) total: Duration,
    /// Of each part of the text, where the voice looked.
    pub(super) attention: Vec<AttentionDiagnosis>,
}

impl Loaded {
    pub(super) fn load(
        accelerator: &mut Accelerator,
        system: &SpeechSystem,
        on_progress: OnProgress<'_>,
    ) -> Result<Self, Error> {
        let models = &mut accelerator.models;
        let voice = match &system.voice {
            Some(id) => {
                let kind = models.kind(id)?;
                if let Some(control) = system.unheeded(kind) {
                    return Err(Error::BadRequest(format!(
                        "{id} does not heed {}, since it is a {} voice; leave it out of {system}",
                        control.label(),
                        kind.label()
                    )));
                }
                Some(models.voice(id, on_progress)?)
            }
            None => None,
        };
        let vocoder: Shared<dyn Vocoder> = match &system.vocoder {
            VocoderChoice::HifiGan => models.vocoder(catalog::VOCODER, on_progress)?,
            VocoderChoice::Model(id) => models.vocoder(id, on_progress)?,
            VocoderChoice::GriffinLim => Rc::new(RefCell::new(Box::new(GriffinLim::default()))),
        };
        Ok(Self { system: system.clone(), voice, vocoder })
    }

    /// Speaks a text, or sounds the mel of a recording where there is no voice.
    pub(super) fn utter(
        &self,
        accelerator: &mut Accelerator,
        front_end: &FrontEnd,
        text: &str,
        reference: Option<&Waveform>,
        seed: u64,
        check: &dyn Fn() -> Result<(), Cancelled>,
    ) -> Result<Utterance, Error> {
        let begun = Instant::now();
        let mut maker = Maker {
            accelerator,
            check,
            vocoder: &self.vocoder,
            seed,
            begun,
            first_audio: None,
            sounding: Duration::ZERO,
            waveform: Waveform::default(),
        };
        let mut attention = Vec::new();
        let mut acoustic = Duration::ZERO;
        if let Some(voice) = &self.voice {
            maker.waveform.sample_rate = voice.borrow().mel_config().sample_rate;
            let frame_secs = voice.borrow().mel_config().frame_secs();
            for sentence in front_end.sentences(text)? {
                let (since, sounding) = (Instant::now(), maker.sounding);
                let phonemes = front_end.phonemes(&sentence, voice.borrow().symbols())?;
                let manner = Manner {
                    given: &GivenProsody::default(),
                    controls: &self.system.controls,
                    options: &self.system.options,
                    seed,
                };
                let mut n_sounded = 0;
                let acoustics =
                    voice.borrow_mut().synthesize(&phonemes, &manner, &mut |growing| {
                        let Some(acoustics) = growing else {
                            check()?;
                            maker.accelerator.breathe();
                            return Ok(());
                        };
                        let heard = Heard {
                            mel: &acoustics.mel,
                            linear: acoustics.linear.as_ref(),
                            is_whole: false,
                            seed,
                        };
                        n_sounded = maker.sound(&heard, n_sounded)?;
                        Ok::<_, tts::Error>(())
                    })?;
                acoustic += since.elapsed().saturating_sub(maker.sounding.saturating_sub(sounding));
                let heard = Heard {
                    mel: &acoustics.mel,
                    linear: acoustics.linear.as_ref(),
                    is_whole: true,
                    seed,
                };
                maker.sound(&heard, n_sounded)?;
                attention.extend(acoustics.attention.as_ref().map(|attention| {
                    AttentionDiagnosis::of_sentence(attention, &phonemes, frame_secs)
                }));
            }
        } else {
            let recording = reference.ok_or_else(|| {
                Error::BadRequest(format!("{} needs a recording of each sentence", self.system))
            })?;
            let config = MelConfig::default();
            let rate = config.sample_rate;
            let samples =
                dsp::resample(&recording.samples, recording.sample_rate, rate, LowPass::Scipy);
            let mel = dsp::mel_spectrogram(&samples, &config);
            acoustic = begun.elapsed();
            maker.waveform.sample_rate = rate;
            maker.sound(&Heard { mel: &mel, linear: None, is_whole: true, seed }, 0)?;
        }
        Ok(Utterance {
            acoustic,
            vocoder: maker.sounding,
            first_audio: maker.first_audio.unwrap_or_default(),
            total: begun.elapsed(),
            waveform: maker.waveform,
            attention,
        })
    }
}

/// Collects what the vocoder makes.
struct Maker<'a> {
    accelerator: &'a mut Accelerator,
    check: &'a dyn Fn() -> Result<(), Cancelled>,
    vocoder: &'a Shared<dyn Vocoder>,
    seed: u64,
    begun: Instant,
    first_audio: Option<Duration>,
    sounding: Duration,
    waveform: Waveform,
}

impl Maker<'_> {
    fn sound(&mut self, heard: &Heard<'_>, from: usize) -> Result<usize, tts::Error> {
        let since = Instant::now();
        let Self { accelerator, check, vocoder, begun, first_audio, waveform, .. } = self;
        let heard = Heard { seed: self.seed, ..*heard };
        let end = vocoder.borrow_mut().sound(&heard, from, &mut |samples| {
            check()?;
            if !samples.is_empty() {
                first_audio.get_or_insert_with(|| begun.elapsed());
                waveform.samples.extend_from_slice(samples);
            }
            accelerator.breathe();
            Ok(())
        })?;
        self.sounding += since.elapsed();
        Ok(end)
    }
}

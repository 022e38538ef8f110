//! The evaluation: models first, then sentence by sentence, each by every system in turn.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    judges::{Judges, Occasion},
    request::{EvaluateEvent, EvaluateRequest, Trial},
    utterance::Loaded,
};
use crate::{
    domain::{Evaluation, Measure, Progress, ScoredSentence, Stage},
    engine::{Error, ErrorKind, accelerator::Accelerator},
    job::Reply,
    library::catalog,
    nn::device,
    tts::FrontEnd,
};

/// Spoken by each voice before anything is timed.
const WARM_UP: &str = "This is only to warm up.";

type Events = Reply<EvaluateEvent, Result<(), Error>>;

/// Puts systems to the test; all that is found is in the events.
///
/// # Errors
/// If a model is missing or broken, a system is led by what it does not heed, or there is nothing to do.
/// A sentence that one system cannot speak is a score, not an error.
pub(in crate::engine) fn run(
    accelerator: &mut Accelerator,
    request: &EvaluateRequest,
    reply: &Events,
) -> Result<(), Error> {
    accelerator.speaking = true;
    accelerator.publish();
    let outcome = evaluate(accelerator, request, reply);
    accelerator.speaking = false;
    outcome
}

fn evaluate(
    accelerator: &mut Accelerator,
    request: &EvaluateRequest,
    reply: &Events,
) -> Result<(), Error> {
    check(request)?;
    let mut on_load = |progress| reply.offer(EvaluateEvent::Progress(progress));
    let front_end = accelerator.models.front_end()?;
    let mut systems = Vec::new();
    for system in &request.systems {
        systems.push(Loaded::load(accelerator, system, &mut on_load)?);
    }
    let mut not_measured = reasons(request);
    let wants = |measure| request.measures.contains(&measure);
    let mut whisper = None;
    if wants(Measure::Wer) && !not_measured.contains_key(&Measure::Wer) {
        let id = catalog::RECOGNIZER;
        match accelerator.models.whisper(id, &mut on_load) {
            Ok(loaded) => whisper = Some(loaded),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let why = format!("not measured: fetch {id} with `formant models fetch {id}`");
                not_measured.insert(Measure::Wer, why);
            }
            Err(error) => return Err(error),
        }
    }
    let dnsmos = wants(Measure::Dnsmos).then(|| accelerator.models.dnsmos()).transpose()?;
    let judges = Judges { measures: request.measures.clone(), dnsmos, whisper };
    reply.send(EvaluateEvent::Begun(Arc::new(Evaluation {
        systems: request.systems.clone(),
        sentences: request.trials.iter().map(|trial| trial.sentence.clone()).collect(),
        scores: Vec::new(),
        not_measured,
        seed: request.seed,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        // Speech runs on the thread that asks for it.
        device: device::name(1),
    })))?;
    warm_up(accelerator, &front_end, &systems, request, reply)?;
    let total = (systems.len() * request.trials.len()) as u64;
    let mut done = 0;
    for (sentence_idx, trial) in request.trials.iter().enumerate() {
        for (system_idx, loaded) in systems.iter().enumerate() {
            reply.offer(EvaluateEvent::Progress(Progress {
                stage: Stage::Measure,
                subject: loaded.system.to_string(),
                done,
                total,
            }))?;
            let (score, sound) =
                one(accelerator, &front_end, loaded, trial, &judges, request.seed, reply)?;
            let score = Arc::new(ScoredSentence { system_idx, sentence_idx, ..score });
            reply.send(EvaluateEvent::Scored { score, sound })?;
            done += 1;
        }
    }
    Ok(())
}

type Scored = (ScoredSentence, Option<Arc<crate::domain::Waveform>>);

fn one(
    accelerator: &mut Accelerator,
    front_end: &FrontEnd,
    loaded: &Loaded,
    trial: &Trial,
    judges: &Judges,
    seed: u64,
    reply: &Events,
) -> Result<Scored, Error> {
    let (text, reference) = (trial.sentence.text.as_str(), trial.reference.as_deref());
    let check = || reply.check();
    let made = loaded.utter(accelerator, front_end, text, reference, seed, &check);
    let utterance = match made {
        Ok(utterance) => utterance,
        Err(error) if error.kind() == ErrorKind::BadRequest => {
            return Ok((judges.failed(text, error.to_string()), None));
        }
        Err(error) => return Err(error),
    };
    let occasion = Occasion { text, reference, is_copy: loaded.system.voice.is_none() };
    let mut go_on = || {
        accelerator.breathe();
        reply.check()
    };
    let score = judges.judge(&utterance, &occasion, &mut go_on)?;
    Ok((score, Some(Arc::new(utterance.waveform))))
}

/// Lets every voice speak once, so that none is timed cold.
fn warm_up(
    accelerator: &mut Accelerator,
    front_end: &FrontEnd,
    systems: &[Loaded],
    request: &EvaluateRequest,
    reply: &Events,
) -> Result<(), Error> {
    if !request.measures.contains(&Measure::Speed) {
        return Ok(());
    }
    let reference = request.trials.first().and_then(|trial| trial.reference.as_deref());
    for loaded in systems {
        let check = || reply.check();
        match loaded.utter(accelerator, front_end, WARM_UP, reference, request.seed, &check) {
            // What a voice cannot speak now is told of the sentences.
            Err(error) if error.kind() != ErrorKind::BadRequest => return Err(error),
            _ => (),
        }
    }
    Ok(())
}

fn check(request: &EvaluateRequest) -> Result<(), Error> {
    let lacks = |what: &str| Err(Error::BadRequest(what.to_owned()));
    if request.systems.is_empty() {
        return lacks("there is no system to evaluate; choose a voice");
    }
    if request.trials.is_empty() {
        return lacks("there is no sentence to speak; give one");
    }
    if request.measures.is_empty() {
        return lacks("there is nothing to measure; choose at least one kind of figure");
    }
    let is_copied = request.systems.iter().any(|system| system.voice.is_none());
    if is_copied && request.trials.iter().any(|trial| trial.reference.is_none()) {
        return lacks("copy synthesis needs a recording of each sentence; name their folder");
    }
    let is_spoken = request.systems.iter().any(|system| system.voice.is_some());
    let is_empty = |trial: &Trial| trial.sentence.text.trim().is_empty();
    if is_spoken && request.trials.iter().any(is_empty) {
        return lacks("a sentence has no text, and a voice cannot speak it; write one");
    }
    Ok(())
}

/// What this request cannot measure, and why.
fn reasons(request: &EvaluateRequest) -> BTreeMap<Measure, String> {
    let mut reasons = BTreeMap::new();
    let mut refuse = |measure, is_possible: bool, why: &str| {
        if request.measures.contains(&measure) && !is_possible {
            reasons.insert(measure, format!("not measured: {why}"));
        }
    };
    let trials = &request.trials;
    refuse(
        Measure::Reference,
        trials.iter().any(|trial| trial.reference.is_some()),
        "it needs recordings of the sentences; name the folder that holds them as 000.wav, 001.wav",
    );
    refuse(
        Measure::Wer,
        trials.iter().any(|trial| !trial.sentence.text.trim().is_empty()),
        "it needs the text of the recordings",
    );
    reasons
}

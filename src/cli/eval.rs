//! `formant eval`: speech systems side by side, in figures.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow, bail};

use super::{args::Eval, eval_table::table, interrupt::Interrupt, output::Bar, run::Setting};
use crate::{
    audio::{read_wav, write_wav},
    domain::{Evaluation, Measure, ModelInfo, SpeechSystem, TestSentence, VocoderChoice, Waveform},
    engine::{ErrorKind, EvaluateEvent, EvaluateRequest, Trial, held_out_sentences},
    files, plot,
};

/// Sentences that are spoken unless others are named.
const SENTENCES: usize = 10;

pub(super) fn run(setting: &Setting, args: &Eval) -> Result<()> {
    let request = request(setting, args)?;
    let n_planned = request.systems.len() * request.trials.len();
    let engine = setting.engine(None)?;
    let interrupt = Interrupt::listen()?;
    let mut bar = Bar::new();
    let mut evaluation: Option<Evaluation> = None;
    let mut unkept = None;
    let job = engine.evaluate(request);
    interrupt.set(job.canceller());
    let outcome = job.wait(|event| match event {
        EvaluateEvent::Progress(progress) => bar.show(&progress),
        EvaluateEvent::Begun(begun) => evaluation = Some(Evaluation::clone(&begun)),
        EvaluateEvent::Scored { score, sound } => {
            let Some(evaluation) = &mut evaluation else { return };
            if let (Some(folder), Some(sound)) = (&args.keep, &sound) {
                let place = place(folder, evaluation, score.system_idx, score.sentence_idx);
                unkept = unkept.take().or(write_wav(&place, sound, None).err());
            }
            evaluation.scores.push(Arc::unwrap_or_clone(score));
        }
    });
    interrupt.clear();
    bar.clear();
    let outcome = outcome.context("the engine ended before the figures stood; start it again")?;
    let is_stopped = match outcome {
        Ok(()) => false,
        Err(error) if error.kind() == ErrorKind::Cancelled => true,
        Err(error) => return Err(error.into()),
    };
    // Stopped while models were loaded: there is nothing to show.
    let Some(evaluation) = evaluation else { return Ok(()) };
    report(&evaluation, args)?;
    if is_stopped {
        eprintln!(
            "Stopped after {} of {n_planned}; what is done stands above.",
            evaluation.scores.len()
        );
    }
    unkept.map_or(Ok(()), |error| Err(error.into()))
}

/// The table, and the files that were asked for.
fn report(evaluation: &Evaluation, args: &Eval) -> Result<()> {
    if let Some(path) = &args.csv {
        write(path, evaluation.csv().as_bytes())?;
    }
    if let Some(path) = &args.json {
        let json = serde_json::to_string_pretty(&evaluation.report())? + "\n";
        if path == Path::new("-") {
            print!("{json}");
            return Ok(());
        }
        write(path, json.as_bytes())?;
    }
    if let Some(path) = &args.png {
        write(path, &plot::evaluation_png(evaluation)?)?;
    }
    print!("{}", table(evaluation));
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    files::write_atomically(path, bytes).map_err(|error| {
        anyhow!("cannot write the file ({error}){}: {}", files::advice(&error), path.display())
    })
}

/// Where a sound is kept: a folder for each system, a file for each sentence.
fn place(
    folder: &Path,
    evaluation: &Evaluation,
    system_idx: usize,
    sentence_idx: usize,
) -> PathBuf {
    let name = evaluation.systems[system_idx].to_string();
    // No system can be a path, and colons are none on every system.
    let name: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() || "-.".contains(c) { c } else { '_' })
        .collect();
    folder.join(name).join(format!("{}.wav", evaluation.sentences[sentence_idx].name))
}

fn request(setting: &Setting, args: &Eval) -> Result<EvaluateRequest> {
    for path in [&args.csv, &args.json, &args.png].into_iter().flatten() {
        if path.is_dir() {
            bail!("cannot write the file, there is a folder of that name: {}", path.display());
        }
    }
    let measures = if args.metrics.is_empty() {
        Measure::ALL.to_vec()
    } else {
        args.metrics.iter().map(|&metric| metric.into()).collect()
    };
    let mut trials = trials(args)?;
    let folder = args.copy_synthesis.as_ref().or(args.references.as_ref());
    if let Some(folder) = folder {
        let mut found = 0;
        for trial in &mut trials {
            let path = folder.join(format!("{}.wav", trial.sentence.name));
            if path.is_file() {
                trial.reference = Some(Arc::new(recording(&path)?));
                found += 1;
            }
        }
        if found == 0 {
            bail!(
                "no sentence has a recording there, the first would be {}.wav: {}",
                trials.first().map_or("000", |trial| trial.sentence.name.as_str()),
                folder.display()
            );
        }
    }
    Ok(EvaluateRequest {
        systems: systems(setting, args)?,
        trials,
        measures,
        seed: args.seed.unwrap_or(setting.settings.speak.seed),
    })
}

fn recording(path: &Path) -> Result<Waveform> {
    Ok(read_wav(path)?.0)
}

fn systems(setting: &Setting, args: &Eval) -> Result<Vec<SpeechSystem>> {
    if args.copy_synthesis.is_some() {
        let mut vocoders: Vec<VocoderChoice> =
            args.vocoder.iter().cloned().map(Into::into).collect();
        if vocoders.is_empty() {
            vocoders = VocoderChoice::ALWAYS.to_vec();
        }
        return Ok(vocoders.into_iter().map(SpeechSystem::copy_by).collect());
    }
    let voices = || setting.library.models().into_iter().filter(|model| model.kind.is_voice());
    let mut systems = args
        .systems
        .iter()
        .map(|word| SpeechSystem::parse(word).map_err(|why| anyhow!("{why} (in {word})")))
        .collect::<Result<Vec<_>>>()?;
    if systems.is_empty() {
        systems = voices()
            .filter(ModelInfo::is_ready)
            .map(|model| SpeechSystem::of_voice(&model.id))
            .collect();
    }
    if args.vocoder.is_empty() {
        return Ok(systems);
    }
    // Every system with every vocoder, but for those that name their own.
    let mut paired = Vec::new();
    for system in systems {
        if system.vocoder != VocoderChoice::default() {
            paired.push(system);
            continue;
        }
        for vocoder in &args.vocoder {
            paired.push(SpeechSystem { vocoder: vocoder.clone().into(), ..system.clone() });
        }
    }
    Ok(paired)
}

/// The sentences, yet without recordings.
fn trials(args: &Eval) -> Result<Vec<Trial>> {
    let mut sentences = match (&args.sentences, &args.copy_synthesis) {
        (Some(path), _) => {
            let text = fs::read_to_string(path).with_context(|| {
                format!("cannot read the sentences, a line each: {}", path.display())
            })?;
            TestSentence::lines(&text)
        }
        (None, Some(folder)) => recordings_of(folder)?,
        (None, None) => held_out_sentences(args.heldout.unwrap_or(SENTENCES)),
    };
    if let (Some(n), true) = (args.heldout, args.sentences.is_some()) {
        sentences.truncate(n);
    }
    if sentences.is_empty() {
        bail!("there is no sentence to speak; write one a line");
    }
    Ok(sentences.into_iter().map(|sentence| Trial { sentence, reference: None }).collect())
}

/// The recordings of a folder, of which nobody knows what they say.
fn recordings_of(folder: &Path) -> Result<Vec<TestSentence>> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder of recordings: {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("wav")))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    if names.is_empty() {
        bail!("there is no WAV file in the folder: {}", folder.display());
    }
    Ok(names.into_iter().map(|name| TestSentence { name, text: String::new() }).collect())
}

//! `formant bench speech`: how fast voices and vocoders are here, in turns with other engines on the
//! same weights.

use std::{collections::HashMap, num::NonZeroUsize, path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::dialogue::{About, Dialogue};
use crate::{
    domain::{
        GivenProsody, MelSpectrogram, PeerSamples, PhonemeSequence, Progress, ProsodyControls,
        Sample, SpeechFigure, SpeechPart, Stage, VoiceOptions,
    },
    engine::{Error, accelerator::Accelerator, models::Shared},
    job::Reply,
    lm::bench::{Stopwatch, date_and_time},
    nn::{device, kernels::Pool, share_work_among},
    tts::{self, AcousticModel, Heard, Manner, Vocoder},
};

const SCRIPT: &str = include_str!("../../../benches/peer_speech.py");

/// Five seconds of speech; some other in each run would make figures of two runs incomparable.
const SENTENCE: &str = "The quick brown fox jumps over the lazy dog, while a small grey cat sleeps \
                        in the warm afternoon sun.";

/// A wish for figures of speech.
#[derive(Debug, Clone)]
pub struct SpeechBenchRequest {
    /// Ids of voices.
    pub voices: Vec<String>,
    /// Id of a neural vocoder.
    pub vocoder: String,
    /// Threads to measure with beside one; zero stands for as many as serve this machine.
    pub threads: usize,
    /// Goes that count; one before them warms up.
    pub n_goes: usize,
    /// Other engines, and the Python that has them.
    pub peers: Vec<SpeechEngine>,
    /// A Python with torch, safetensors, onnx and onnxruntime.
    pub python: PathBuf,
}

/// Engines that run the same weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpeechEngine {
    /// ONNX Runtime, on graphs exported from torch.
    OnnxRuntime,
    /// PyTorch, eager.
    PyTorch,
}

/// Heard while figures are taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", content = "value", rename_all = "snake_case")]
pub enum SpeechBenchEvent {
    /// How far it is.
    Progress(Progress),
}

/// All that was measured, and what made it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpeechBenchReport {
    /// Version of Formant.
    pub version: String,
    /// Whether the compiler optimized.
    pub optimized: bool,
    /// Logical processors of the machine.
    pub n_processors: usize,
    /// When (UTC), as `2026-01-31 12:00`.
    pub date: String,
    /// The other engines with their versions.
    pub peers: Vec<String>,
    /// What was spoken.
    pub sentence: &'static str,
    /// How long each part took.
    pub figures: Vec<SpeechFigure>,
}

/// What is measured again and again.
enum Task {
    Acoustic { voice: Shared<dyn AcousticModel>, phonemes: PhonemeSequence },
    Vocoder { vocoder: Shared<dyn Vocoder>, mel: MelSpectrogram },
}

struct Job {
    task: Task,
    /// For the peers.
    order: serde_json::Value,
    figure: SpeechFigure,
}

struct Peer {
    name: &'static str,
    dialogue: Dialogue,
    version: String,
}

type BenchReply = Reply<SpeechBenchEvent, Result<SpeechBenchReport, Error>>;

/// Runs on the accelerator thread, which does nothing else meanwhile.
pub(in crate::engine) fn run(
    accelerator: &mut Accelerator,
    request: &SpeechBenchRequest,
    reply: &BenchReply,
) -> Result<SpeechBenchReport, Error> {
    let recipes = accelerator.models.library().folders().bundled.join("recipes");
    let start = |&engine: &SpeechEngine| Peer::start(engine, request, &recipes);
    let mut peers = request.peers.iter().map(start).collect::<Result<Vec<_>, _>>()?;
    let mut jobs = jobs(accelerator, request, reply)?;
    let measured = measure(&mut jobs, &mut peers, request.n_goes, reply);
    share_work_among(Arc::clone(&accelerator.pool));
    measured?;
    Ok(SpeechBenchReport {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        optimized: !cfg!(debug_assertions),
        n_processors: device::available_threads(),
        date: date_and_time(),
        peers: peers.iter().map(|peer| format!("{} {}", peer.name, peer.version)).collect(),
        sentence: SENTENCE,
        figures: jobs.into_iter().map(|job| job.figure).collect(),
    })
}

/// Every part with every number of threads.
fn jobs(
    accelerator: &mut Accelerator,
    request: &SpeechBenchRequest,
    reply: &BenchReply,
) -> Result<Vec<Job>, Error> {
    let mut on_load = |progress| reply.offer(SpeechBenchEvent::Progress(progress));
    let front_end = accelerator.models.front_end()?;
    let sentences = front_end.sentences(SENTENCE)?;
    let most = NonZeroUsize::new(request.threads).unwrap_or_else(device::default_threads);
    let mut n_threads = vec![1, most.get()];
    n_threads.dedup();
    let mut jobs = Vec::new();
    let mut mel = None;
    for id in &request.voices {
        let voice = accelerator.models.voice(id, &mut on_load)?;
        let phonemes = front_end.phonemes(&sentences[0], voice.borrow().symbols())?;
        let acoustics = speak(&voice, &phonemes)?;
        let frame_secs = acoustics.config.frame_secs();
        let ids: Vec<u32> = phonemes.phonemes.iter().map(|phoneme| phoneme.id).collect();
        let kind = accelerator.models.library().find(id)?.kind;
        let weights = accelerator.models.path(id, kind)?;
        mel.get_or_insert(acoustics);
        for &threads in &n_threads {
            let steps = VoiceOptions::default().steps;
            jobs.push(Job {
                task: Task::Acoustic { voice: voice.clone(), phonemes: phonemes.clone() },
                order: json!({
                    "part": "acoustic", "weights": weights, "ids": ids, "steps": steps,
                    "threads": threads
                }),
                figure: figure(id, SpeechPart::Acoustic, threads, frame_secs),
            });
        }
    }
    let Some(mel) = mel else { return Ok(jobs) };
    let id = &request.vocoder;
    let vocoder = accelerator.models.vocoder(id, &mut on_load)?;
    let kind = accelerator.models.library().find(id)?.kind;
    let weights = accelerator.models.path(id, kind)?;
    for &threads in &n_threads {
        jobs.push(Job {
            task: Task::Vocoder { vocoder: vocoder.clone(), mel: mel.clone() },
            order: json!({
                "part": "vocoder", "weights": weights, "n_frames": mel.n_frames(),
                "threads": threads
            }),
            figure: figure(id, SpeechPart::Vocoder, threads, mel.config.frame_secs()),
        });
    }
    Ok(jobs)
}

fn figure(model: &str, part: SpeechPart, threads: usize, frame_secs: f64) -> SpeechFigure {
    let model = model.to_owned();
    SpeechFigure { model, part, threads, frame_secs, samples: Vec::new(), peers: Vec::new() }
}

/// Each job in turn with the peers, and all of them again and again; the first go does not count.
fn measure(
    jobs: &mut [Job],
    peers: &mut [Peer],
    n_goes: usize,
    reply: &BenchReply,
) -> Result<(), Error> {
    let mut pools: HashMap<usize, Arc<Pool>> = HashMap::new();
    let total = ((n_goes + 1) * jobs.len()) as u64;
    for turn in 0..=n_goes {
        let n_jobs = jobs.len();
        for (at, job) in jobs.iter_mut().enumerate() {
            reply.offer(SpeechBenchEvent::Progress(Progress {
                stage: Stage::Measure,
                subject: job.figure.model.clone(),
                done: (turn * n_jobs + at) as u64,
                total,
            }))?;
            let threads = NonZeroUsize::new(job.figure.threads).unwrap_or(NonZeroUsize::MIN);
            let pool = if let Some(pool) = pools.get(&threads.get()) {
                Arc::clone(pool)
            } else {
                let pool = Pool::new(threads)
                    .map_err(|error| Error::Bench(format!("no {threads} threads: {error}")))?;
                Arc::clone(pools.entry(threads.get()).or_insert(Arc::new(pool)))
            };
            share_work_among(pool);
            let sample = job.task.run()?;
            if turn > 0 {
                job.figure.samples.push(sample);
            }
            for (at, peer) in peers.iter_mut().enumerate() {
                let sample: Option<Sample> = peer.dialogue.ask(&job.order)?;
                if job.figure.peers.len() <= at {
                    let engine = peer.name.to_owned();
                    job.figure.peers.push(PeerSamples { engine, samples: Vec::new() });
                }
                if turn > 0 {
                    job.figure.peers[at].samples.extend(sample);
                }
            }
        }
    }
    Ok(())
}

impl Task {
    fn run(&self) -> Result<Sample, Error> {
        let watch = Stopwatch::start();
        match self {
            Self::Acoustic { voice, phonemes } => {
                let mel = speak(voice, phonemes)?;
                Ok(watch.lap(mel.n_frames()))
            }
            Self::Vocoder { vocoder, mel } => {
                let heard = Heard { mel, linear: None, is_whole: true, seed: 0 };
                vocoder.borrow_mut().sound(&heard, 0, &mut |_| Ok(()))?;
                Ok(watch.lap(mel.n_frames()))
            }
        }
    }
}

fn speak(
    voice: &Shared<dyn AcousticModel>,
    phonemes: &PhonemeSequence,
) -> Result<MelSpectrogram, Error> {
    let manner = Manner {
        given: &GivenProsody::default(),
        controls: &ProsodyControls::default(),
        options: &VoiceOptions::default(),
        seed: 0,
    };
    let acoustics =
        voice.borrow_mut().synthesize(phonemes, &manner, &mut |_| Ok::<_, tts::Error>(()))?;
    Ok(acoustics.mel)
}

impl Peer {
    fn start(
        engine: SpeechEngine,
        request: &SpeechBenchRequest,
        recipes: &std::path::Path,
    ) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Ready {
            version: String,
        }
        let (name, key) = match engine {
            SpeechEngine::OnnxRuntime => ("ONNX Runtime", "onnxruntime"),
            SpeechEngine::PyTorch => ("PyTorch", "pytorch"),
        };
        let about = About {
            name,
            missing: " is missing",
            advice: "install it with `benches/peer_speech.sh FOLDER` and pass `--peer-python \
                     FOLDER/bin/python`",
        };
        let args = [key.into(), recipes.into()];
        let mut dialogue = Dialogue::start(about, &request.python, SCRIPT, args)?;
        let Ready { version } = dialogue.hear()?;
        Ok(Self { name, dialogue, version })
    }
}

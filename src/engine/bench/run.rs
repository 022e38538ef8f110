//! Takes the figures: every kind of work several times, in turns with the peer.

use std::{path::PathBuf, sync::Arc};

use super::{
    BenchEvent, BenchModel, BenchPart, BenchRecord, BenchReport, BenchRequest, Effort, Memory,
    Perplexity, peer::Peer, texts,
};
use crate::{
    domain::{Clock, Measurement, Message, ModelKind, Progress, Sample, Speculative, Stage, Work},
    engine::{Error, accelerator::Accelerator, adapters::adapter_files},
    job::Reply,
    lm::{
        Adapter, AdapterSet, Backend, LanguageModel,
        bench::{self, Busy, Passes},
    },
    nn::{device, kernels::Pool},
};

type BenchReply = Reply<BenchEvent, Result<BenchReport, Error>>;

/// How much of each kind of work is done.
struct Plan {
    prefills: &'static [usize],
    contexts: &'static [usize],
    n_decoded: usize,
    rows: &'static [usize],
    sequences: &'static [usize],
    n_steps: usize,
    n_written: usize,
    busy: &'static [usize],
    n_perplexity: usize,
    /// Goes of work that takes long; short work is done twice as often.
    n_goes: usize,
}

/// Tokens of the prompt whose first answered token is waited for.
const FIRST_TOKEN_PROMPT: usize = 20;

/// Rows of a pass that reads a prompt, at most.
const READING_ROWS: usize = 64;

/// Tokens that the perplexity's windows have, as many as llama.cpp takes in one batch.
const WINDOW: usize = 500;

impl Effort {
    fn plan(self) -> Plan {
        match self {
            Self::Full => Plan {
                prefills: &[512, 2048],
                contexts: &[0, 2000],
                n_decoded: 32,
                rows: &[1, 2, 3, 4, 5, 8, 16],
                sequences: &[1, 8],
                n_steps: 32,
                n_written: 160,
                busy: &[0, 2],
                n_perplexity: 4000,
                n_goes: 5,
            },
            Self::Quick => Plan {
                prefills: &[64],
                contexts: &[0, 96],
                n_decoded: 4,
                rows: &[1, 2, 4],
                sequences: &[1, 8],
                n_steps: 4,
                n_written: 24,
                busy: &[0, 2],
                n_perplexity: 100,
                n_goes: 2,
            },
        }
    }
}

/// All that figures are taken with.
struct Bench<'a> {
    reply: &'a BenchReply,
    plan: Plan,
    backend: Backend,
    model: Arc<LanguageModel>,
    /// Empty where there is no file.
    path: PathBuf,
    /// Files of adapters.
    adapters: Vec<PathBuf>,
    /// What contexts and prompts are made of.
    text: Vec<u32>,
    passes: Passes,
    peer: Option<Peer>,
    /// The threads of what is measured by the clock; all else is measured on one.
    pool: Arc<Pool>,
    one: Arc<Pool>,
    measurements: Vec<Measurement>,
}

/// Runs on the accelerator thread, which does nothing else meanwhile.
pub(in crate::engine) fn run(
    accelerator: &mut Accelerator,
    request: &BenchRequest,
    reply: &BenchReply,
) -> Result<BenchReport, Error> {
    let backend = accelerator.models.backend().clone();
    let (model, path, sha256) = model(accelerator, request, reply)?;
    let on_device = !backend.is_row_exact();
    let parts = request.possible_parts(on_device);
    if parts.is_empty() {
        let what = "none of these figures can be had of it; see `formant bench engine --help`";
        return Err(Error::BadRequest(what.to_owned()));
    }
    if on_device && request.peer.is_some() {
        let what = "the peer runs on the CPU; measure beside it there, or leave it out";
        return Err(Error::BadRequest(what.to_owned()));
    }
    let plan = request.effort.plan();
    let wanted = plan.longest(&parts);
    let text = match request.model {
        BenchModel::Shape(_) => texts::ids(wanted),
        BenchModel::Id(_) | BenchModel::File(_) => model.tokens(texts::SONNETS)?,
    };
    let room = text.len().min(model.context_length());
    if wanted > room {
        return Err(Error::BadRequest(format!(
            "the figures want a context of {wanted} tokens and the model holds {room}; measure \
             quickly, or leave out what takes long contexts"
        )));
    }
    let (pool, one) = (Arc::clone(&accelerator.pool), Arc::default());
    let peer = match &request.peer {
        Some(peer) => Some(Peer::start(peer, &path, wanted + 64)?),
        None => None,
    };
    let record = BenchRecord {
        model: model.name().to_owned(),
        sha256,
        instructions: model.arithmetic().to_owned(),
        clock: if on_device { Clock::Wall } else { Clock::Processor },
        n_threads: pool.n_threads(),
        n_processors: device::available_threads(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        optimized: !cfg!(debug_assertions),
        date: bench::date_and_time(),
        effort: request.effort,
        parts: parts.clone(),
        peer: peer.as_ref().map(|peer| peer.record().clone()),
    };
    let library = accelerator.models.library();
    let adapters = request.adapters.iter().map(|id| Ok(adapter_files(library, id)?.0));
    let adapters = adapters.collect::<Result<Vec<_>, Error>>()?;
    let passes = Passes::new(Arc::clone(&model), text.clone())?;
    let measurements = Vec::new();
    let mut bench = Bench {
        reply,
        plan,
        backend,
        model,
        path,
        adapters,
        text,
        passes,
        peer,
        pool,
        one,
        measurements,
    };
    let (mut perplexity, mut memory) = (None, None);
    for part in parts {
        match part {
            BenchPart::Load => bench.load()?,
            BenchPart::Prefill => bench.prefill()?,
            BenchPart::Decode => bench.decode()?,
            BenchPart::Verify => bench.verify()?,
            BenchPart::Together => bench.together()?,
            BenchPart::Adapters => bench.adapters()?,
            BenchPart::Ngram => bench.ngram()?,
            BenchPart::Contended => bench.contended()?,
            BenchPart::Perplexity => perplexity = Some(bench.perplexity()?),
            BenchPart::Memory => memory = Some(bench.memory()?),
        }
    }
    Ok(BenchReport { record, measurements: bench.measurements, perplexity, memory })
}

/// The model that is measured, its file, and the hash of that.
fn model(
    accelerator: &mut Accelerator,
    request: &BenchRequest,
    reply: &BenchReply,
) -> Result<(Arc<LanguageModel>, PathBuf, String), Error> {
    let models = &accelerator.models;
    let (path, sha256) = match &request.model {
        BenchModel::Id(id) => (models.path(id, ModelKind::Llama)?, models.sha256(id)?),
        BenchModel::File(path) => {
            let mut on_progress = |progress| reply.offer(BenchEvent::Progress(progress));
            (path.clone(), crate::library::sha256("the model", path, &mut on_progress)?)
        }
        BenchModel::Shape(shape) => {
            let Backend::Tensors(device) = models.backend() else {
                return Err(Error::BadRequest(
                    "sizes without weights are measured on a graphics processor; say --device cuda \
                     or metal, or name a model"
                        .to_owned(),
                ));
            };
            let model = LanguageModel::random(*shape, device)?;
            return Ok((Arc::new(model), PathBuf::new(), String::new()));
        }
    };
    let model = LanguageModel::load_on(models.backend(), &path, &mut |done, total| {
        let subject = path.display().to_string();
        reply.offer(BenchEvent::Progress(Progress { stage: Stage::Load, subject, done, total }))
    })?;
    Ok((Arc::new(model), path, sha256))
}

impl Plan {
    /// Tokens of the longest context that the parts want.
    fn longest(&self, parts: &[BenchPart]) -> usize {
        let most = |numbers: &[usize]| numbers.iter().copied().max().unwrap_or(0);
        let of_part = |part: &BenchPart| match part {
            BenchPart::Prefill => most(self.prefills) + 1,
            BenchPart::Decode => most(self.contexts) + self.n_decoded + 1,
            BenchPart::Verify => most(self.contexts) + most(self.rows),
            BenchPart::Contended => self.n_decoded + 1,
            BenchPart::Perplexity => self.n_perplexity,
            BenchPart::Memory => READING_ROWS,
            BenchPart::Load => FIRST_TOKEN_PROMPT + 1,
            // Prompts of their own, far shorter.
            BenchPart::Together | BenchPart::Adapters | BenchPart::Ngram => 0,
        };
        parts.iter().map(of_part).max().unwrap_or(0)
    }
}

impl Bench<'_> {
    /// Goes through kinds of work that are to be compared, turn by turn; the first turn warms up
    /// and is not counted. What is different about each kind is handed to those who do it.
    fn in_turns<T: Clone>(
        &mut self,
        works: &[(Work, T)],
        n_goes: usize,
        mut ours: impl FnMut(&mut Self, T) -> Result<Sample, Error>,
        mut peers: impl FnMut(&mut Peer, &[u32], T) -> Result<Option<Sample>, Error>,
    ) -> Result<(), Error> {
        let (samples, peer) = (Vec::new(), Vec::new());
        let mut measurements: Vec<Measurement> = works
            .iter()
            .map(|(work, _)| Measurement {
                work: *work,
                samples: samples.clone(),
                peer: peer.clone(),
            })
            .collect();
        for turn in 0..=n_goes {
            for (i, (work, how)) in works.iter().enumerate() {
                self.reply.offer(BenchEvent::Progress(Progress {
                    stage: Stage::Measure,
                    subject: subject(*work).to_owned(),
                    done: (turn * works.len() + i) as u64,
                    total: ((n_goes + 1) * works.len()) as u64,
                }))?;
                let sample = ours(self, how.clone())?;
                let peer = match &mut self.peer {
                    Some(peer) => peers(peer, &self.text, how.clone())?,
                    None => None,
                };
                if turn > 0 {
                    measurements[i].samples.push(sample);
                    measurements[i].peer.extend(peer);
                }
            }
        }
        for measurement in measurements {
            self.reply.send(BenchEvent::Measured(measurement.clone()))?;
            self.measurements.push(measurement);
        }
        Ok(())
    }

    fn load(&mut self) -> Result<(), Error> {
        let works = [(Work::Load, true), (Work::FirstToken { prompt: FIRST_TOKEN_PROMPT }, false)];
        let prompt = self.text[..FIRST_TOKEN_PROMPT].to_vec();
        let mut to_first_token = None;
        let ours = |bench: &mut Self, loads: bool| match to_first_token.take() {
            Some(sample) if !loads => Ok(sample),
            _ => {
                let (load, all) =
                    bench::first_token(&bench.backend, &bench.path, &prompt, &bench.pool)?;
                to_first_token = Some(all);
                Ok(load)
            }
        };
        self.in_turns(&works, self.plan.n_goes, ours, |_, _, _| Ok(None))
    }

    fn prefill(&mut self) -> Result<(), Error> {
        let works: Vec<_> =
            self.plan.prefills.iter().map(|&prompt| (Work::Prefill { prompt }, prompt)).collect();
        let ours = |bench: &mut Self, prompt| {
            let prompt = &bench.text[..prompt];
            let written = bench::written(&bench.model, prompt, 1, Speculative::None, &bench.one)?;
            Ok(written.prefill)
        };
        let peers = |peer: &mut Peer, text: &[u32], prompt| peer.prefill(&text[..prompt]).map(Some);
        self.in_turns(&works, self.plan.n_goes.div_ceil(2).max(2), ours, peers)
    }

    fn decode(&mut self) -> Result<(), Error> {
        let n_decoded = self.plan.n_decoded;
        for &context in self.plan.contexts {
            let works = [(Work::Decode { context }, ())];
            let ours = |bench: &mut Self, ()| Ok(bench.passes.decode(context, n_decoded)?);
            let peers = |peer: &mut Peer, text: &[u32], ()| {
                peer.decode(&text[..context], text[context], n_decoded).map(Some)
            };
            self.in_turns(&works, 2 * self.plan.n_goes, ours, peers)?;
        }
        Ok(())
    }

    fn verify(&mut self) -> Result<(), Error> {
        for &context in self.plan.contexts {
            let rows = self.plan.rows.iter();
            let works: Vec<_> = rows.map(|&rows| (Work::Verify { context, rows }, rows)).collect();
            let ours = |bench: &mut Self, rows| Ok(bench.passes.verify(context, rows)?);
            let peers = |peer: &mut Peer, text: &[u32], rows| {
                peer.verify(&text[..context], &text[context..][..rows]).map(Some)
            };
            self.in_turns(&works, 3 * self.plan.n_goes, ours, peers)?;
        }
        Ok(())
    }

    fn together(&mut self) -> Result<(), Error> {
        let works: Vec<_> =
            self.plan.sequences.iter().map(|&n| (Work::Together { sequences: n }, n)).collect();
        let n_steps = self.plan.n_steps;
        let ours = |bench: &mut Self, n| {
            let prompts = texts::stories(n)
                .map(|story| bench.model.prompt(&[Message::user(story)]))
                .collect::<Result<Vec<_>, _>>()?;
            let none = vec![AdapterSet::default(); n];
            Ok(bench::together(&bench.model, &prompts, &none, n_steps)?)
        };
        self.in_turns(&works, self.plan.n_goes, ours, |_, _, _| Ok(None))
    }

    /// What loading an adapter takes, what one costs a reply, and what all cost several at once, where
    /// they take turns with none.
    fn adapters(&mut self) -> Result<(), Error> {
        let paths = self.adapters.clone();
        let first = paths[0].clone();
        let load = |bench: &mut Self, ()| {
            let watch = bench::Stopwatch::start();
            Adapter::load(&first, &bench.model)?;
            Ok(watch.lap(0))
        };
        let works = [(Work::LoadAdapter, ())];
        self.in_turns(&works, self.plan.n_goes, load, |_, _, ()| Ok(None))?;
        let mut sets = vec![AdapterSet::default()];
        for path in &paths {
            let adapter = Arc::new(Adapter::load(path, &self.model)?);
            sets.push(AdapterSet::new(vec![(adapter, 1.0)])?);
        }
        let n_steps = self.plan.n_steps;
        let most = self.plan.sequences.iter().copied().max().unwrap_or(1);
        let works =
            [(1, 0), (1, 1), (most, 0), (most, paths.len())].map(|(sequences, adapters)| {
                (Work::Adapted { sequences, adapters }, (sequences, adapters))
            });
        let ours = |bench: &mut Self, (n, adapters): (usize, usize)| {
            let prompts = texts::stories(n)
                .map(|story| bench.model.prompt(&[Message::user(story)]))
                .collect::<Result<Vec<_>, _>>()?;
            // One reply has the adapter, several begin with the one that has none.
            let set = |i: usize| sets[(i + usize::from(n == 1)) % (adapters + 1)].clone();
            let chosen: Vec<_> = (0..n).map(set).collect();
            Ok(bench::together(&bench.model, &prompts, &chosen, n_steps)?)
        };
        self.in_turns(&works, self.plan.n_goes, ours, |_, _, _| Ok(None))
    }

    fn ngram(&mut self) -> Result<(), Error> {
        let copy = [false, true].map(|ngram| Work::Copy { ngram });
        let summarise = [false, true].map(|ngram| Work::Summarise { ngram });
        for (text, [without, with]) in [(texts::copy(), copy), (texts::summarise(), summarise)] {
            let prompt = self.model.prompt(&[Message::user(text)])?;
            let n_written = self.plan.n_written;
            let mut said: Option<Vec<u32>> = None;
            let ours = |bench: &mut Self, speculative| {
                let written =
                    bench::written(&bench.model, &prompt, n_written, speculative, &bench.one)?;
                // The promise without which the two are not to be compared, and which only the
                // CPU gives.
                if bench.backend.is_row_exact()
                    && let Some(said) = &said
                    && *said != written.ids
                {
                    let n_same = said.iter().zip(&written.ids).take_while(|(a, b)| a == b).count();
                    return Err(Error::Bench(format!(
                        "n-gram lookup changed the reply after {n_same} tokens; please report it"
                    )));
                }
                said = Some(written.ids);
                Ok(written.decode)
            };
            let works = [(without, Speculative::None), (with, Speculative::NGRAM)];
            self.in_turns(&works, self.plan.n_goes, ours, |_, _, _| Ok(None))?;
        }
        Ok(())
    }

    fn contended(&mut self) -> Result<(), Error> {
        let mut pools = vec![Arc::clone(&self.one), Arc::clone(&self.pool)];
        pools.dedup_by_key(|pool| pool.n_threads());
        let n_decoded = self.plan.n_decoded;
        for &busy in self.plan.busy {
            let works: Vec<_> = pools
                .iter()
                .map(|pool| (Work::Contended { threads: pool.n_threads(), busy }, pool))
                .collect();
            let beside = Busy::start(busy).map_err(|error| {
                Error::Bench(format!("the system gives no thread to be busy with: {error}"))
            })?;
            let ours = |bench: &mut Self, pool: &Arc<Pool>| {
                bench.passes.set_pool(Arc::clone(pool));
                Ok(bench.passes.decode(0, n_decoded)?)
            };
            self.in_turns(&works, 2 * self.plan.n_goes, ours, |_, _, _| Ok(None))?;
            self.passes.set_pool(Arc::clone(&self.one));
            drop(beside);
        }
        Ok(())
    }

    fn perplexity(&mut self) -> Result<Perplexity, Error> {
        let n_tokens = self.plan.n_perplexity;
        let (mut ours, mut peers, mut n_guessed) = (0.0, 0.0, 0);
        for window in self.text[..n_tokens].chunks(WINDOW) {
            self.reply.offer(BenchEvent::Progress(Progress {
                stage: Stage::Measure,
                subject: "guessing a text".into(),
                done: n_guessed as u64,
                total: n_tokens as u64,
            }))?;
            ours += self.passes.negative_log_likelihood(window)?;
            if let Some(peer) = &mut self.peer {
                peers += peer.negative_log_likelihood(window)?;
            }
            n_guessed += window.len() - 1;
        }
        let perplexity = |sum: f64| (sum / n_guessed as f64).exp();
        let peer = self.peer.as_ref().map(|_| perplexity(peers));
        Ok(Perplexity { n_tokens, window: WINDOW, ours: perplexity(ours), peer })
    }

    fn memory(&mut self) -> Result<Memory, Error> {
        let context = self.plan.contexts.iter().copied().max().unwrap_or(0);
        // Buffers grow with the first pass; this one is as wide as those that read prompts.
        self.passes.verify(0, READING_ROWS.min(self.passes.room()))?;
        Ok(Memory {
            weights: self.model.n_bytes(),
            context,
            kv: self.passes.kv_bytes(context),
            scratch: self.passes.scratch_bytes(),
            resident: bench::resident_bytes(),
            device: match &self.backend {
                Backend::Kernels => None,
                Backend::Tensors(device) => device.used_bytes(),
            },
        })
    }
}

/// The work, for whoever waits.
fn subject(work: Work) -> &'static str {
    match work {
        Work::Load | Work::FirstToken { .. } => "loading",
        Work::Prefill { .. } => "reading prompts",
        Work::Decode { .. } => "writing",
        Work::Verify { .. } => "verifying drafts",
        Work::Together { .. } => "several replies at once",
        Work::LoadAdapter | Work::Adapted { .. } => "adapters",
        Work::Copy { .. } | Work::Summarise { .. } => "n-gram lookup",
        Work::Contended { .. } => "beside busy threads",
    }
}

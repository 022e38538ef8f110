//! Whole replies, as the scheduler writes them: what somebody who waits for one gets.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::Stopwatch;
use crate::{
    domain::{Sample, Sampling, SpeculationCounts, Speculative, Token},
    job::Cancelled,
    lm::{
        AdapterSet, Backend, Draft, Drafter, Error, LanguageModel, Limits, Scheduler,
        SequenceEvent, SequenceRequest, Sources, Verdict, build_drafter,
    },
    nn::kernels::Pool,
};

/// A reply, and how long its parts took.
#[derive(Debug)]
pub struct Written {
    /// Its tokens.
    pub ids: Vec<u32>,
    /// Passes of the model that it took after the first token.
    pub n_passes: usize,
    /// Bytes of text that each pass wrote, that of the first token too.
    pub pass_bytes: Vec<usize>,
    /// The most that the drafter held, beside the text and the model.
    pub drafter_bytes: u64,
    /// What was drafted, and what stood.
    pub counts: SpeculationCounts,
    /// Between the two likeliest tokens at each of them, in log-probability; none if the request did
    /// not ask for two alternatives.
    pub margins: Vec<f32>,
    /// Reading the prompt, to the first token.
    pub prefill: Sample,
    /// Writing the rest.
    pub decode: Sample,
}

/// Writes a reply to `prompt` on the threads of `pool`, the likeliest token each time.
///
/// # Errors
/// If the model cannot take the prompt, or its numbers are none.
pub fn written(
    model: &Arc<LanguageModel>,
    prompt: &[u32],
    max_tokens: usize,
    speculative: Speculative,
    pool: &Arc<Pool>,
) -> Result<Written, Error> {
    let request = request(model, prompt, max_tokens, speculative);
    let drafter = build_drafter(&request, &Sources::default())?;
    written_by(request, drafter, pool, &mut || Ok(()))
}

/// Writes the reply to a request with a drafter on the threads of `pool`; `check` is asked before
/// every layer whether it is still wanted.
///
/// # Errors
/// As [`written`], or if `check` said so.
pub fn written_by(
    request: SequenceRequest,
    drafter: Option<Box<dyn Drafter>>,
    pool: &Arc<Pool>,
    check: &mut dyn FnMut() -> Result<(), Cancelled>,
) -> Result<Written, Error> {
    // One of its own: nothing of an earlier reply is known to it.
    let mut scheduler = Scheduler::new(Arc::clone(pool));
    let n_prompt = request.prompt.len();
    let drafter_bytes = Arc::new(AtomicU64::new(0));
    let weighed = drafter.map(|drafter| -> Box<dyn Drafter> {
        Box::new(Weighed { drafter, most: Arc::clone(&drafter_bytes) })
    });
    scheduler.add_with_drafter(request, weighed)?;
    let mut watch = Stopwatch::start();
    let mut prefill = None;
    let (mut ids, mut n_passes, mut n_first) = (Vec::new(), 0, 0);
    let mut pass_bytes = Vec::new();
    let (mut counts, mut margins) = (SpeculationCounts::default(), Vec::new());
    while !scheduler.is_idle() {
        check()?;
        for (_, event) in scheduler.step_checked(check) {
            match event {
                SequenceEvent::Step(step) => {
                    ids.extend(step.token_ids());
                    margins.extend(step.tokens.iter().filter_map(margin));
                    counts += &step;
                    pass_bytes.push(step.text().len());
                    n_passes += 1;
                }
                SequenceEvent::Failed(error) => return Err(error),
                SequenceEvent::Waiting { .. }
                | SequenceEvent::Prefill { .. }
                | SequenceEvent::Finished { .. } => (),
            }
        }
        if prefill.is_none() && !ids.is_empty() {
            prefill = Some(watch.lap(n_prompt));
            (n_first, n_passes) = (ids.len(), 0);
            watch = Stopwatch::start();
        }
    }
    let decode = watch.lap(ids.len() - n_first);
    let prefill = prefill.unwrap_or_else(|| watch.lap(n_prompt));
    let drafter_bytes = drafter_bytes.load(Ordering::Relaxed);
    Ok(Written { ids, n_passes, pass_bytes, drafter_bytes, counts, margins, prefill, decode })
}

/// A drafter, and the most that it has held so far.
struct Weighed {
    drafter: Box<dyn Drafter>,
    most: Arc<AtomicU64>,
}

impl Drafter for Weighed {
    fn draft(&mut self, context: &[u32], limits: Limits) -> Draft {
        let draft = self.drafter.draft(context, limits);
        self.most.fetch_max(self.drafter.n_bytes(), Ordering::Relaxed);
        draft
    }

    fn taps(&self) -> &[usize] {
        self.drafter.taps()
    }

    fn observe(&mut self, first_position: usize, hidden: &[f32]) {
        self.drafter.observe(first_position, hidden);
    }

    fn n_bytes(&self) -> u64 {
        self.drafter.n_bytes()
    }

    fn judge(&mut self, verdict: &Verdict) {
        self.drafter.judge(verdict);
    }
}

/// How far the likeliest token is ahead of the next.
fn margin(token: &Token) -> Option<f32> {
    let [first, second, ..] = token.top_logprobs.as_slice() else { return None };
    Some(first.logprob - second.logprob)
}

/// Writes as many replies at once as there are prompts, each with its adapters, and measures `n_steps` steps in which all
/// are being written (fewer where a reply ends before).
///
/// # Errors
/// As [`written`].
pub fn together(
    model: &Arc<LanguageModel>,
    prompts: &[Vec<u32>],
    adapters: &[AdapterSet],
    n_steps: usize,
) -> Result<Sample, Error> {
    let mut scheduler = Scheduler::default();
    for (prompt, adapters) in prompts.iter().zip(adapters) {
        // Prompts are read one after the other, while those who were first write already.
        let max_tokens = n_steps + prompts.iter().map(Vec::len).sum::<usize>();
        let request = request(model, prompt, max_tokens, Speculative::None);
        scheduler.add(SequenceRequest { adapters: adapters.clone(), ..request })?;
    }
    let mut begun = std::collections::HashSet::new();
    let mut watch = None;
    let (mut n_tokens, mut n_measured) = (0, 0);
    while n_measured < n_steps && !scheduler.is_idle() {
        let mut ended = false;
        for (id, event) in scheduler.step() {
            match event {
                SequenceEvent::Step(step) => {
                    begun.insert(id);
                    n_tokens += step.tokens.len();
                }
                SequenceEvent::Finished { .. } => ended = true,
                SequenceEvent::Failed(error) => return Err(error),
                SequenceEvent::Waiting { .. } | SequenceEvent::Prefill { .. } => (),
            }
        }
        if watch.is_some() {
            n_measured += 1;
        } else if begun.len() == prompts.len() {
            n_tokens = 0;
            watch = Some(Stopwatch::start());
        }
        if ended && watch.is_some() {
            break;
        }
    }
    Ok(watch.unwrap_or_else(Stopwatch::start).lap(n_tokens))
}

/// From a file that lies in the system's cache to the first token of a reply: the load alone, and
/// all of it.
///
/// # Errors
/// If the model cannot be loaded, or as [`written`].
pub fn first_token(
    backend: &Backend,
    path: &Path,
    prompt: &[u32],
    pool: &Arc<Pool>,
) -> Result<(Sample, Sample), Error> {
    let watch = Stopwatch::start();
    let model = Arc::new(LanguageModel::load_on(backend, path, &mut |_, _| Ok(()))?);
    let load = watch.lap(0);
    let written = written(&model, prompt, 1, Speculative::None, pool)?;
    Ok((load, watch.lap(written.ids.len())))
}

fn request(
    model: &Arc<LanguageModel>,
    prompt: &[u32],
    max_tokens: usize,
    speculative: Speculative,
) -> SequenceRequest {
    SequenceRequest {
        model: Arc::clone(model),
        adapters: AdapterSet::default(),
        prompt: prompt.to_vec(),
        sampling: Sampling::default(),
        max_tokens,
        speculative,
        top_logprobs: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::tiny::{self, TinyFile};

    #[test]
    fn every_token_after_the_first_counts_as_decoded() {
        let model = tiny::model(1);
        let pool = Arc::default();
        let plain = written(&model, &[1, 2, 3, 4], 30, Speculative::None, &pool).unwrap();
        assert_eq!(plain.decode.n_tokens + 1, plain.ids.len());
        assert_eq!((plain.prefill.n_tokens, plain.n_passes), (4, plain.decode.n_tokens));
        let drafted = written(&model, &[1, 2, 3, 4], 30, Speculative::NGRAM, &pool).unwrap();
        assert_eq!(drafted.ids, plain.ids);
    }

    #[test]
    fn what_a_drafter_holds_is_told() {
        let (model, pool) = (tiny::model(1), Arc::default());
        let bytes = |speculative| {
            written(&model, &[1, 2, 3, 4], 30, speculative, &pool).unwrap().drafter_bytes
        };
        assert_eq!((bytes(Speculative::None), bytes(Speculative::NGRAM)), (0, 0));
        assert!(bytes(Speculative::SUFFIX) > 0);
    }

    #[test]
    fn replies_at_once_are_counted_while_all_are_written() {
        let model = tiny::model(1);
        let prompts: Vec<Vec<u32>> = (0..5).map(|i| vec![7, 9 + i, 11]).collect();
        let sample =
            together(&model, &prompts, &vec![AdapterSet::default(); prompts.len()], 6).unwrap();
        assert_eq!(sample.n_tokens, 5 * 6);
    }

    #[test]
    fn the_first_token_includes_the_load() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.gguf");
        TinyFile::new(1).write(&path);
        let kernels = Backend::Kernels;
        let (load, all) = first_token(&kernels, &path, &[5; 20], &Arc::default()).unwrap();
        assert!(all.wall_secs > load.wall_secs);
        let missing = folder.path().join("none.gguf");
        assert!(first_token(&kernels, &missing, &[5], &Arc::default()).is_err());
    }
}

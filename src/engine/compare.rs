//! One prompt, several ways to speculate, in turns: how fast each is, and that none changes a word.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Error, accelerator::Accelerator, drafting};
use crate::{
    domain::{
        AdapterChoice, Message, MethodMeasurement, Progress, Sameness, Sampling, SpeculationCounts,
        Speculative, Stage,
    },
    job::Reply,
    lm::{SequenceRequest, bench, build_drafter},
};

/// Ways to be compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompareRequest {
    /// Id of a language model in the library.
    pub model: String,
    /// What changes it, and by how much, for every way.
    #[serde(default)]
    pub adapters: Vec<AdapterChoice>,
    /// The turns so far, the user's last.
    pub messages: Vec<Message>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Tokens to write at most.
    pub max_tokens: usize,
    /// The ways; plain decoding is measured beside them in any case.
    pub methods: Vec<Speculative>,
    /// Times that each is measured, after one that warms up.
    pub n_repeats: usize,
}

/// Heard while ways are compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", content = "value", rename_all = "snake_case")]
pub enum CompareEvent {
    /// The model is being loaded, or goes counted off.
    Progress(Progress),
    /// What a way has come to so far; said after each of its goes.
    Measured {
        /// Which, in the order of [`Comparison::methods`].
        method_idx: usize,
        /// Its figures.
        measurement: MethodMeasurement,
    },
}

/// How the ways compare.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What the model's file calls it.
    pub model: String,
    /// What did its arithmetic.
    pub arithmetic: String,
    /// Threads that shared the work.
    pub n_threads: usize,
    /// Tokens of the templated conversation.
    pub prompt_tokens: usize,
    /// The ways, plain decoding first.
    pub methods: Vec<MethodMeasurement>,
}

/// Runs on the accelerator thread, which does nothing else meanwhile.
pub(super) fn run(
    accelerator: &mut Accelerator,
    request: &CompareRequest,
    reply: &Reply<CompareEvent, Result<Comparison, Error>>,
) -> Result<Comparison, Error> {
    if request.n_repeats == 0 {
        return Err(Error::BadRequest("0 goes measure nothing; ask for at least 1".to_owned()));
    }
    let mut on_progress = |progress| reply.offer(CompareEvent::Progress(progress));
    let model = accelerator.models.language(&request.model, &mut on_progress)?;
    let (adapters, _) = accelerator.models.adapters(&request.adapters, &request.model, &model)?;
    let prompt = model.prompt(&request.messages)?;
    let others = request.methods.iter().filter(|method| **method != Speculative::None).cloned();
    let speculatives: Vec<Speculative> = std::iter::once(Speculative::None).chain(others).collect();
    let mut sources = Vec::new();
    for speculative in &speculatives {
        let id = &request.model;
        let source = drafting::sources(accelerator, id, &model, speculative, &mut on_progress)?;
        // What a go learns is no help to the next one, and no reply of the user's.
        sources.push(source.forgetful());
    }
    let pool = Arc::clone(&accelerator.pool);
    let mut methods: Vec<MethodMeasurement> = Vec::new();
    let (mut plain, mut margins) = (Vec::new(), Vec::new());
    for turn in 0..=request.n_repeats {
        for (method_idx, speculative) in speculatives.iter().enumerate() {
            reply.offer(CompareEvent::Progress(Progress {
                stage: Stage::Measure,
                subject: speculative.label().to_owned(),
                done: (turn * speculatives.len() + method_idx) as u64,
                total: ((request.n_repeats + 1) * speculatives.len()) as u64,
            }))?;
            let is_plain_first = turn == 0 && method_idx == 0;
            let sequence = SequenceRequest {
                model: Arc::clone(&model),
                adapters: adapters.clone(),
                prompt: prompt.clone(),
                sampling: request.sampling,
                max_tokens: request.max_tokens,
                speculative: speculative.clone(),
                top_logprobs: if is_plain_first { 2 } else { 0 },
            };
            let drafter = build_drafter(&sequence, &sources[method_idx].forgetful())?;
            let mut check = || reply.check();
            let written = bench::written_by(sequence, drafter, &pool, &mut check)?;
            if is_plain_first {
                (plain, margins) = (written.ids.clone(), written.margins);
            }
            let sameness = Sameness::of(&written.ids, &plain, &margins);
            if turn == 0 {
                methods.push(MethodMeasurement {
                    speculative: speculative.clone(),
                    samples: Vec::new(),
                    n_passes: written.n_passes,
                    counts: SpeculationCounts::default(),
                    drafter_bytes: 0,
                    sameness,
                    text: model.text(&written.ids),
                    pass_bytes: written.pass_bytes,
                });
                continue;
            }
            let measurement = &mut methods[method_idx];
            measurement.samples.push(written.decode);
            measurement.pass_bytes = written.pass_bytes;
            measurement.drafter_bytes = written.drafter_bytes;
            (measurement.n_passes, measurement.counts) = (written.n_passes, written.counts);
            if sameness != Sameness::Identical {
                measurement.sameness = sameness;
            }
            let measurement = measurement.clone();
            reply.send(CompareEvent::Measured { method_idx, measurement })?;
        }
    }
    Ok(Comparison {
        model: model.name().to_owned(),
        arithmetic: model.arithmetic().to_owned(),
        n_threads: pool.n_threads(),
        prompt_tokens: prompt.len(),
        methods,
    })
}

//! Replies being written: the scheduler's events on their way to the clients.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use super::{
    Error, ReplyMemory,
    accelerator::Accelerator,
    drafting,
    protocol::{ChatEvent, ChatRequest, ChatSummary, ChatTiming},
};
use crate::{
    domain::{DecodeStep, FinishReason, Progress, SpeculationCounts, Stage},
    job::{Cancelled, Reply, panic_message},
    lm::{Scheduler, SequenceEvent, SequenceId, SequenceRequest, build_drafter},
};

type ChatReply = Reply<ChatEvent, Result<ChatSummary, Error>>;

/// Every reply under way.
#[derive(Default)]
pub(super) struct Chats {
    running: HashMap<SequenceId, Chat>,
}

/// One reply, as far as it has come.
struct Chat {
    reply: ChatReply,
    model: String,
    begun: Instant,
    /// When the last step was heard of.
    last_step: Option<Instant>,
    started: bool,
    cancelled: bool,
    summary: ChatSummary,
}

/// Loads the model if need be, templates the conversation and adds it to the running ones.
pub(super) fn begin(accelerator: &mut Accelerator, request: &ChatRequest, reply: ChatReply) {
    let prepared = catch_unwind(AssertUnwindSafe(|| prepare(accelerator, request, &reply)))
        .unwrap_or_else(|panic| Err(Error::Panicked(panic_message(&*panic))));
    match prepared {
        Ok((id, summary)) => {
            let chat = Chat {
                reply,
                model: request.model.clone(),
                begun: Instant::now(),
                last_step: None,
                started: false,
                cancelled: false,
                summary,
            };
            accelerator.chats.running.insert(id, chat);
        }
        Err(error) => reply.finish(Err(error)),
    }
}

fn prepare(
    accelerator: &mut Accelerator,
    request: &ChatRequest,
    reply: &ChatReply,
) -> Result<(SequenceId, ChatSummary), Error> {
    reply.check()?;
    let loading = Instant::now();
    let model = accelerator
        .models
        .language(&request.model, &mut |progress| reply.offer(ChatEvent::Progress(progress)))?;
    let load = loading.elapsed();
    let (adapters, stamps) =
        accelerator.models.adapters(&request.adapters, &request.model, &model)?;
    let mut prompt = model.prompt(&request.messages)?;
    if request.opening.iter().any(|id| model.ends_with(*id)) {
        return Err(Error::BadRequest(
            "the reply would begin with a token that ends it; choose another one".to_owned(),
        ));
    }
    prompt.extend(&request.opening);
    let summary = ChatSummary {
        text: String::new(),
        token_ids: Vec::new(),
        prompt_tokens: prompt.len(),
        reused_tokens: 0,
        context_length: model.context_length(),
        finish_reason: FinishReason::Cancelled,
        timing: ChatTiming { load, ..ChatTiming::default() },
        speculation: SpeculationCounts::default(),
        arithmetic: model.arithmetic().to_owned(),
        weights_bytes: model.n_bytes(),
        adapters: stamps,
        memory: ReplyMemory::default(),
    };
    let sources = drafting::sources(
        accelerator,
        &request.model,
        &model,
        &request.speculative,
        &mut |progress| reply.offer(ChatEvent::Progress(progress)),
    )?;
    let sequence = SequenceRequest {
        model,
        adapters,
        prompt,
        sampling: request.sampling,
        max_tokens: request.max_tokens,
        speculative: request.speculative.clone(),
        top_logprobs: request.top_logprobs,
    };
    let drafter = build_drafter(&sequence, &sources)?;
    let id = accelerator.scheduler.add_with_drafter(sequence, drafter)?;
    Ok((id, summary))
}

impl Chats {
    /// How many replies are under way.
    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// Tells the scheduler which replies nobody wants any more.
    pub(super) fn pass_on_cancels(&mut self, scheduler: &mut Scheduler) {
        for (id, chat) in &mut self.running {
            if !chat.cancelled && chat.reply.check().is_err() {
                chat.cancelled = true;
                scheduler.cancel(*id);
            }
        }
    }

    /// Whether nobody has stopped waiting for a reply since [`Chats::pass_on_cancels`].
    ///
    /// # Errors
    /// [`Cancelled`] if somebody has.
    pub(super) fn check_cancels(&self) -> Result<(), Cancelled> {
        self.running.values().filter(|chat| !chat.cancelled).try_for_each(|chat| chat.reply.check())
    }

    /// Hands the events of a step to those who wait for them.
    pub(super) fn pass_on(
        &mut self,
        events: Vec<(SequenceId, SequenceEvent)>,
        memory: ReplyMemory,
    ) {
        for (id, event) in events {
            let Some(chat) = self.running.get_mut(&id) else { continue };
            match event {
                SequenceEvent::Waiting { .. } => {
                    chat.wait().ok();
                }
                SequenceEvent::Prefill { done, total, reused } => {
                    // A cancel is seen before the next step, with the text so far kept.
                    chat.prefill(done, total, reused).ok();
                }
                SequenceEvent::Step(step) => {
                    chat.step(step).ok();
                }
                SequenceEvent::Finished { reason, text_tail } => {
                    if let Some(mut chat) = self.running.remove(&id) {
                        chat.summary.memory = memory;
                        chat.finish(reason, &text_tail);
                    }
                }
                SequenceEvent::Failed(error) => {
                    if let Some(chat) = self.running.remove(&id) {
                        chat.reply.finish(Err(error.into()));
                    }
                }
            }
        }
    }

    /// Ends every reply after a panic in a step they shared.
    pub(super) fn fail_all(&mut self, panic: &str) {
        for (_, chat) in self.running.drain() {
            chat.reply.finish(Err(Error::Panicked(panic.to_owned())));
        }
    }
}

impl Chat {
    fn wait(&mut self) -> Result<(), Cancelled> {
        let (stage, subject) = (Stage::Queue, self.model.clone());
        self.reply.offer(ChatEvent::Progress(Progress { stage, subject, done: 0, total: 0 }))
    }

    fn prefill(&mut self, done: usize, total: usize, reused: usize) -> Result<(), Cancelled> {
        self.summary.reused_tokens = reused;
        if done < total {
            return self.reply.offer(ChatEvent::Progress(Progress {
                stage: Stage::Prefill,
                subject: self.model.clone(),
                done: done as u64,
                total: total as u64,
            }));
        }
        self.start()
    }

    /// Says once that the prompt has been read.
    fn start(&mut self) -> Result<(), Cancelled> {
        if self.started {
            return Ok(());
        }
        self.started = true;
        self.reply.send(ChatEvent::Started {
            prompt_tokens: self.summary.prompt_tokens,
            reused_tokens: self.summary.reused_tokens,
            context_length: self.summary.context_length,
        })
    }

    fn step(&mut self, step: DecodeStep) -> Result<(), Cancelled> {
        self.start()?;
        let now = Instant::now();
        match self.last_step {
            None => self.summary.timing.ttft = now - self.begun,
            Some(last_step) => self.summary.timing.itl.push(now - last_step),
        }
        self.last_step = Some(now);
        self.summary.speculation += &step;
        for token in &step.tokens {
            self.summary.token_ids.push(token.id);
            self.summary.text.push_str(&token.text);
        }
        self.reply.send(ChatEvent::Step(step))
    }

    fn finish(self, reason: FinishReason, text_tail: &str) {
        let Self { reply, mut summary, begun, last_step, .. } = self;
        summary.text.push_str(text_tail);
        summary.finish_reason = reason;
        summary.timing.total = last_step.map_or(Duration::ZERO, |last_step| last_step - begun);
        reply.finish(Ok(summary));
    }
}

//! Writes several replies at once, a step at a time.
//!
//! Each step is one pass of the model over a row for every reply that is being written, their
//! drafts, and a stretch of one prompt that is still being read (continuous batching with chunked
//! prefill, <https://arxiv.org/abs/2308.16369>). So a long prompt does not hold up the others, and
//! the thread is free again within some 50 ms.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use super::{
    Error, LanguageModel,
    kept::KeptCaches,
    logprobs::Logprobs,
    pace::Pace,
    sequence::{Sequence, SequenceId, SequenceRequest},
    speculative::{Drafter, Ngram},
    transformer::{Scratch, Span},
};
use crate::{
    domain::{DecodeStep, FinishReason, Speculative},
    job::Cancelled,
    nn::kernels::Pool,
};

/// Replies written at once; more of them wait.
const MAX_RUNNING: usize = 8;

/// Replies that may wait.
const MAX_WAITING: usize = 64;

/// Tokens that may be drafted for a pass: beyond some rows a pass costs more than it can bring.
pub const MAX_DRAFT_TOKENS: usize = 64;

/// What happened to a reply.
#[derive(Debug)]
pub enum SequenceEvent {
    /// A stretch of the prompt was read.
    Prefill {
        /// Prompt tokens read so far.
        done: usize,
        /// Prompt tokens in all.
        total: usize,
        /// Prompt tokens that were known from an earlier reply.
        reused: usize,
    },
    /// The reply grew.
    Step(DecodeStep),
    /// The reply is complete.
    Finished {
        /// Why it ended.
        reason: FinishReason,
        /// Text that no step could show: `�` for a character that was never completed.
        text_tail: String,
    },
    /// The reply cannot be completed.
    Failed(Error),
}

/// A request that has not been begun.
struct Waiting {
    id: SequenceId,
    request: SequenceRequest,
    drafter: Option<Box<dyn Drafter>>,
    logprobs: Logprobs,
}

/// The replies under way and what earlier ones left behind.
#[derive(Default)]
pub struct Scheduler {
    n_added: u64,
    n_steps: u64,
    waiting: VecDeque<Waiting>,
    cancelled_waiting: Vec<SequenceId>,
    running: Vec<Sequence>,
    kept: KeptCaches,
    scratch: Scratch,
    pace: Pace,
}

impl Scheduler {
    /// No replies yet; passes will share their work among the threads of `pool`.
    pub fn new(pool: Arc<Pool>) -> Self {
        let mut scheduler = Self::default();
        scheduler.set_pool(pool);
        scheduler
    }

    /// Lets passes share their work among other threads from the next one on.
    pub fn set_pool(&mut self, pool: Arc<Pool>) {
        self.scratch.set_pool(pool);
    }

    /// Takes in a request; its first event comes with one of the next steps.
    ///
    /// # Errors
    /// If the prompt is empty or leaves no room for a reply, a parameter is out of range, or too
    /// many replies wait already.
    pub fn add(&mut self, request: SequenceRequest) -> Result<SequenceId, Error> {
        let drafter: Option<Box<dyn Drafter>> = match request.speculative {
            Speculative::None => None,
            Speculative::Ngram { min, max, draft_tokens } => {
                if min == 0 || max < min || !(1..=MAX_DRAFT_TOKENS).contains(&draft_tokens) {
                    return Err(Error::Ngram { min, max, draft_tokens, most: MAX_DRAFT_TOKENS });
                }
                Some(Box::new(Ngram { min, max, draft_tokens }))
            }
        };
        self.add_with_drafter(request, drafter)
    }

    fn add_with_drafter(
        &mut self,
        request: SequenceRequest,
        drafter: Option<Box<dyn Drafter>>,
    ) -> Result<SequenceId, Error> {
        check(&request)?;
        let logprobs = Logprobs::new(request.top_logprobs)?;
        if self.waiting.len() >= MAX_WAITING {
            return Err(Error::Busy { waiting: self.waiting.len() });
        }
        self.n_added += 1;
        let id = SequenceId(self.n_added);
        self.waiting.push_back(Waiting { id, request, drafter, logprobs });
        Ok(id)
    }

    /// Ends a reply; its [`SequenceEvent::Finished`] comes with the next step.
    pub fn cancel(&mut self, id: SequenceId) {
        if let Some(sequence) = self.running.iter_mut().find(|sequence| sequence.id == id) {
            sequence.cancelled = true;
        }
        if let Some(idx) = self.waiting.iter().position(|waiting| waiting.id == id) {
            self.waiting.remove(idx);
            self.cancelled_waiting.push(id);
        }
    }

    /// Whether a step would do nothing.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty() && self.cancelled_waiting.is_empty()
    }

    /// Bytes of keys and values, of replies under way and of ended ones.
    pub fn kv_bytes(&self) -> u64 {
        let running: u64 = self.running.iter().map(|sequence| sequence.cache.n_bytes()).sum();
        running + self.kept.n_bytes()
    }

    /// One pass over all replies under way, and what came of it.
    pub fn step(&mut self) -> Vec<(SequenceId, SequenceEvent)> {
        self.step_checked(&mut || Ok(()))
    }

    /// As [`Scheduler::step`], but drops the pass when `check` says so, as if it had not begun.
    ///
    /// `check` is asked before every layer, so that models too slow for steps of 50 ms can be
    /// stopped within one.
    pub fn step_checked(
        &mut self,
        check: &mut dyn FnMut() -> Result<(), Cancelled>,
    ) -> Vec<(SequenceId, SequenceEvent)> {
        self.n_steps += 1;
        let mut events = Vec::new();
        self.end_cancelled(&mut events);
        self.admit();
        for model in self.models() {
            let pass_begun = Instant::now();
            self.assemble(&model);
            if self.pass(&model, pass_begun, check, &mut events).is_err() {
                break;
            }
        }
        events
    }

    fn end_cancelled(&mut self, events: &mut Vec<(SequenceId, SequenceEvent)>) {
        let reason = FinishReason::Cancelled;
        for id in self.cancelled_waiting.drain(..) {
            let text_tail = String::new();
            events.push((id, SequenceEvent::Finished { reason, text_tail }));
        }
        for mut sequence in self.running.extract_if(.., |sequence| sequence.cancelled) {
            let text_tail = sequence.text_tail();
            events.push((sequence.id, SequenceEvent::Finished { reason, text_tail }));
            let (model, tokens, cache) = sequence.into_cache();
            self.kept.keep(&model, tokens, cache);
        }
        self.kept.forget_unused_models();
    }

    fn admit(&mut self) {
        while self.running.len() < MAX_RUNNING
            && let Some(waiting) = self.waiting.pop_front()
        {
            let Waiting { id, request, drafter, logprobs } = waiting;
            let cache = self.kept.begin(&request.model, &request.prompt);
            self.running.push(Sequence::new(id, request, drafter, logprobs, cache));
        }
    }

    /// The models of the replies under way, each once.
    fn models(&self) -> Vec<Arc<LanguageModel>> {
        let mut models: Vec<Arc<LanguageModel>> = Vec::new();
        for sequence in &self.running {
            if !models.iter().any(|model| Arc::ptr_eq(model, &sequence.model)) {
                models.push(Arc::clone(&sequence.model));
            }
        }
        models
    }

    /// Decides which rows each reply of a model has in the next pass.
    fn assemble(&mut self, model: &Arc<LanguageModel>) {
        let mut n_decoded = 0;
        let mut next_reader: Option<&mut Sequence> = None;
        for sequence in &mut self.running {
            sequence.rows.clear();
            if !Arc::ptr_eq(&sequence.model, model) {
                continue;
            }
            if !sequence.is_reading() {
                sequence.guess();
                n_decoded += sequence.rows.len();
            } else if next_reader.as_ref().is_none_or(|next| sequence.last_turn < next.last_turn) {
                next_reader = Some(sequence);
            }
        }
        if let Some(reader) = next_reader {
            reader.last_turn = self.n_steps;
            reader.read_on(self.pace.prompt_rows(n_decoded));
        }
    }

    fn pass(
        &mut self,
        model: &LanguageModel,
        pass_begun: Instant,
        check: &mut dyn FnMut() -> Result<(), Cancelled>,
        events: &mut Vec<(SequenceId, SequenceEvent)>,
    ) -> Result<(), Cancelled> {
        let takes_part = |sequence: &&mut Sequence| !sequence.rows.is_empty();
        let mut spans: Vec<Span<'_>> = self
            .running
            .iter_mut()
            .filter(takes_part)
            .map(|sequence| Span {
                n_logits: sequence.n_logits(),
                tokens: &sequence.rows,
                cache: &mut sequence.cache,
            })
            .collect();
        let n_wanted: Vec<usize> = spans.iter().map(|span| span.n_logits).collect();
        let n_rows = spans.iter().map(|span| span.tokens.len()).sum();
        let mut logits = model.transformer().forward(&mut spans, &mut self.scratch, check)?;
        self.pace.observe(n_rows, pass_begun.elapsed());

        let n_vocab = model.transformer().config().n_vocab;
        let (mut ended, mut failed) = (Vec::new(), Vec::new());
        for (sequence, n_wanted) in self.running.iter_mut().filter(takes_part).zip(n_wanted) {
            let own;
            (own, logits) = logits.split_at(n_wanted * n_vocab);
            let (done, total, reused) = sequence.prefill_progress();
            if sequence.has_said_nothing() {
                events.push((sequence.id, SequenceEvent::Prefill { done, total, reused }));
            }
            if n_wanted == 0 {
                continue;
            }
            match sequence.verify(own, pass_begun) {
                Ok((step, reason)) => {
                    if !step.tokens.is_empty() || step.drafted > 0 {
                        events.push((sequence.id, SequenceEvent::Step(step)));
                    }
                    if let Some(reason) = reason {
                        let text_tail = sequence.text_tail();
                        events.push((sequence.id, SequenceEvent::Finished { reason, text_tail }));
                        ended.push(sequence.id);
                    }
                }
                Err(error) => {
                    events.push((sequence.id, SequenceEvent::Failed(error)));
                    failed.push(sequence.id);
                }
            }
        }
        self.running.retain(|sequence| !failed.contains(&sequence.id));
        for sequence in self.running.extract_if(.., |sequence| ended.contains(&sequence.id)) {
            let (model, tokens, cache) = sequence.into_cache();
            self.kept.keep(&model, tokens, cache);
        }
        Ok(())
    }
}

fn check(request: &SequenceRequest) -> Result<(), Error> {
    let SequenceRequest { model, prompt, sampling, max_tokens, .. } = request;
    let config = model.transformer().config();
    if prompt.is_empty() {
        return Err(Error::EmptyPrompt);
    }
    if prompt.len() >= config.context_length {
        let (n_tokens, context_length) = (prompt.len(), config.context_length);
        return Err(Error::PromptTooLong { n_tokens, context_length });
    }
    if let Some(&id) = prompt.iter().find(|&&id| id as usize >= config.n_vocab) {
        return Err(Error::UnknownToken { id, last: config.n_vocab - 1 });
    }
    if *max_tokens == 0 {
        return Err(Error::NoTokens);
    }
    sampling.problem().map_or(Ok(()), |problem| Err(Error::Sampling(problem)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Alternative, Message, Origin, Sampling, Token},
        lm::{speculative::Draft, tiny},
    };
    use std::collections::HashMap;

    /// Knows a text and guesses from it: all of it, nothing right, or right for some tokens.
    struct Cheat {
        text: Vec<u32>,
        n_right: usize,
        n_drafted: usize,
    }

    impl Drafter for Cheat {
        fn draft(&mut self, context: &[u32], max_tokens: usize) -> Draft {
            let ahead = self.text[context.len().min(self.text.len())..].iter();
            let guess =
                |(i, &id): (usize, &u32)| if i < self.n_right { id } else { (id + 1) % 256 };
            let tokens =
                ahead.enumerate().map(guess).take(self.n_drafted.min(max_tokens)).collect();
            Draft { tokens }
        }
    }

    /// What became of a reply.
    #[derive(Debug, Default, Clone, PartialEq)]
    struct Reply {
        ids: Vec<u32>,
        text: String,
        /// How likely each token was, and what else.
        figures: Vec<(f32, Vec<Alternative>)>,
        reason: Option<FinishReason>,
        drafted: usize,
        accepted: usize,
        n_steps: usize,
        reused: usize,
    }

    fn request(model: &Arc<LanguageModel>, prompt: &[u32], sampling: Sampling) -> SequenceRequest {
        SequenceRequest {
            model: Arc::clone(model),
            prompt: prompt.to_vec(),
            sampling,
            max_tokens: 60,
            speculative: Speculative::None,
            top_logprobs: 3,
        }
    }

    fn run(scheduler: &mut Scheduler) -> HashMap<SequenceId, Reply> {
        let mut replies: HashMap<SequenceId, Reply> = HashMap::new();
        while !scheduler.is_idle() {
            for (id, event) in scheduler.step() {
                let reply = replies.entry(id).or_default();
                match event {
                    SequenceEvent::Prefill { reused, .. } => reply.reused = reused,
                    SequenceEvent::Step(step) => {
                        reply.ids.extend(step.token_ids());
                        reply.text.push_str(&step.text());
                        let n_drafted = |token: &&Token| token.origin == Origin::Drafted;
                        assert_eq!(step.tokens.iter().filter(n_drafted).count(), step.accepted);
                        let figures = |token: Token| (token.logprob, token.top_logprobs);
                        reply.figures.extend(step.tokens.into_iter().map(figures));
                        reply.drafted += step.drafted;
                        reply.accepted += step.accepted;
                        reply.n_steps += 1;
                    }
                    SequenceEvent::Finished { reason, text_tail } => {
                        reply.reason = Some(reason);
                        reply.text.push_str(&text_tail);
                    }
                    SequenceEvent::Failed(error) => panic!("{error}"),
                }
            }
        }
        replies
    }

    fn alone(request: SequenceRequest, drafter: Option<Box<dyn Drafter>>) -> Reply {
        let mut scheduler = Scheduler::default();
        let id = scheduler.add_with_drafter(request, drafter).unwrap();
        run(&mut scheduler).remove(&id).unwrap()
    }

    const WARM: Sampling = Sampling {
        temperature: 0.9,
        top_k: 40,
        top_p: 0.95,
        min_p: 0.02,
        repetition_penalty: 1.1,
        seed: 11,
    };

    const PROMPT: [u32; 9] = [1, 2, 3, 4, 1, 2, 3, 4, 1];

    #[test]
    fn no_drafter_changes_a_word_or_a_figure() {
        let model = tiny::model(1);
        for sampling in [Sampling::default(), WARM, Sampling { seed: 5, ..WARM }] {
            let plain = alone(request(&model, &PROMPT, sampling), None);
            let text = [&PROMPT[..], &plain.ids].concat();
            let cheat = |n_right, n_drafted| Cheat { text: text.clone(), n_right, n_drafted };
            let drafters: [Box<dyn Drafter>; 6] = [
                Box::new(Ngram { min: 1, max: 4, draft_tokens: 5 }),
                Box::new(cheat(usize::MAX, 7)),
                Box::new(cheat(0, 7)),
                Box::new(cheat(1, 4)),
                Box::new(cheat(2, 4)),
                Box::new(cheat(3, 3)),
            ];
            for drafter in drafters {
                let drafted = alone(request(&model, &PROMPT, sampling), Some(drafter));
                assert_eq!(
                    (drafted.ids, drafted.text, drafted.figures, drafted.reason),
                    (plain.ids.clone(), plain.text.clone(), plain.figures.clone(), plain.reason)
                );
            }
        }
    }

    #[test]
    fn an_oracle_saves_passes_and_an_adversary_saves_none() {
        let model = tiny::model(1);
        let plain = alone(request(&model, &PROMPT, WARM), None);
        let text = [&PROMPT[..], &plain.ids].concat();
        let n_tokens = plain.ids.len();
        let oracle = Cheat { text: text.clone(), n_right: usize::MAX, n_drafted: 4 };
        let reply = alone(request(&model, &PROMPT, WARM), Some(Box::new(oracle)));
        assert_eq!(reply.accepted, reply.drafted);
        // The first token comes with the prompt, then five to a pass.
        assert!(reply.n_steps <= 1 + n_tokens.div_ceil(5), "{} passes", reply.n_steps);
        let adversary = Cheat { text, n_right: 0, n_drafted: 4 };
        let reply = alone(request(&model, &PROMPT, WARM), Some(Box::new(adversary)));
        assert_eq!((reply.accepted, reply.n_steps), (0, plain.n_steps));
        assert!(reply.drafted > 0);
    }

    #[test]
    fn company_changes_no_word() {
        let model = tiny::model(1);
        let other = tiny::model(2);
        let requests: Vec<SequenceRequest> = (0..11u32)
            .map(|i| {
                let prompt: Vec<u32> = (0..=i * 5).map(|j| (j * j + i) % 250).collect();
                let model = if i % 4 == 3 { &other } else { &model };
                let sampling = if i % 2 == 0 { Sampling::default() } else { WARM };
                let speculative = match i % 3 {
                    0 => Speculative::Ngram { min: 1, max: 3, draft_tokens: 3 },
                    _ => Speculative::None,
                };
                let max_tokens = 10 + 4 * i as usize;
                SequenceRequest { max_tokens, speculative, ..request(model, &prompt, sampling) }
            })
            .collect();
        let mut scheduler = Scheduler::default();
        let ids: Vec<SequenceId> =
            requests.iter().map(|request| scheduler.add(request.clone()).unwrap()).collect();
        let together = run(&mut scheduler);
        for (id, request) in ids.iter().zip(requests) {
            let n_prompt = request.prompt.len();
            assert_eq!(together[id].ids, alone(request, None).ids, "prompt of {n_prompt}");
        }
    }

    #[test]
    fn the_next_turn_reads_only_what_is_new() {
        let model = tiny::model(1);
        let mut scheduler = Scheduler::default();
        let id = scheduler.add(request(&model, &PROMPT, WARM)).unwrap();
        let first = run(&mut scheduler).remove(&id).unwrap();
        let next = [&PROMPT[..], &first.ids, &[7, 8, 9]].concat();
        let id = scheduler.add(request(&model, &next, WARM)).unwrap();
        let second = run(&mut scheduler).remove(&id).unwrap();
        assert!(second.reused >= next.len() - 4, "{} of {} reused", second.reused, next.len());
        let fresh = alone(request(&model, &next, WARM), None);
        assert_eq!(second.ids, fresh.ids);
        // Only the first tokens are shared, so the longer conversation stays.
        let id = scheduler.add(request(&model, &PROMPT[..4], WARM)).unwrap();
        let third = run(&mut scheduler).remove(&id).unwrap();
        assert_eq!(third.reused, 3);
        assert_eq!(third.ids, alone(request(&model, &PROMPT[..4], WARM), None).ids);
    }

    #[test]
    fn what_a_model_left_behind_goes_with_it() {
        let model = tiny::model(1);
        let mut scheduler = Scheduler::default();
        scheduler.add(request(&model, &PROMPT, WARM)).unwrap();
        run(&mut scheduler);
        assert!(scheduler.kv_bytes() > 0);
        drop(model);
        scheduler.step();
        assert_eq!(scheduler.kv_bytes(), 0);
    }

    #[test]
    fn a_reply_ends_with_its_tokens_or_the_context() {
        let model = tiny::model(1);
        let oracle = |text: &[u32]| -> Option<Box<dyn Drafter>> {
            Some(Box::new(Cheat { text: text.to_vec(), n_right: usize::MAX, n_drafted: 9 }))
        };
        let plain = alone(request(&model, &PROMPT, WARM), None);
        let text = [&PROMPT[..], &plain.ids].concat();
        for max_tokens in [1, 2, 7] {
            let request = SequenceRequest { max_tokens, ..request(&model, &PROMPT, WARM) };
            let reply = alone(request, oracle(&text));
            assert_eq!(reply.ids, plain.ids[..max_tokens]);
            assert_eq!(reply.reason, Some(FinishReason::Length));
        }
        let prompt: Vec<u32> = (0..tiny::CONTEXT as u32 - 5).collect();
        let long = SequenceRequest {
            max_tokens: usize::MAX,
            speculative: Speculative::NGRAM,
            ..request(&model, &prompt, WARM)
        };
        let reply = alone(long, None);
        assert!(reply.ids.len() <= 5, "{} tokens", reply.ids.len());
        if reply.reason == Some(FinishReason::Length) {
            assert_eq!(reply.ids.len(), 5);
        }
    }

    #[test]
    fn a_cancelled_reply_ends_with_the_next_step() {
        let model = tiny::model(1);
        let mut scheduler = Scheduler::default();
        let ids: Vec<SequenceId> = (0..=MAX_RUNNING)
            .map(|_| scheduler.add(request(&model, &PROMPT, WARM)).unwrap())
            .collect();
        scheduler.step();
        for id in &ids {
            scheduler.cancel(*id);
        }
        let ended = scheduler.step().into_iter().filter(|(_, event)| {
            matches!(event, SequenceEvent::Finished { reason: FinishReason::Cancelled, .. })
        });
        assert_eq!(ended.count(), ids.len());
        assert!(scheduler.is_idle());
    }

    #[test]
    fn a_dropped_pass_is_as_if_it_had_not_begun() {
        let model = tiny::model(1);
        let mut scheduler = Scheduler::default();
        let id = scheduler.add(request(&model, &PROMPT, WARM)).unwrap();
        let mut ids = Vec::new();
        while !scheduler.is_idle() {
            assert!(scheduler.step_checked(&mut || Err(Cancelled)).is_empty());
            for (_, event) in scheduler.step() {
                if let SequenceEvent::Step(step) = event {
                    ids.extend(step.token_ids());
                }
            }
        }
        assert_eq!(ids, alone(request(&model, &PROMPT, WARM), None).ids, "{id:?}");
    }

    #[test]
    fn prompts_that_cannot_be_continued_are_refused_with_numbers() {
        let model = tiny::model(1);
        let refusal =
            |request: SequenceRequest| Scheduler::default().add(request).unwrap_err().to_string();
        let good = request(&model, &PROMPT, WARM);
        assert_eq!(
            refusal(SequenceRequest { prompt: vec![1; 160], ..good.clone() }),
            "the prompt has 160 tokens and the model's context holds 160; shorten the conversation"
        );
        assert_eq!(
            refusal(SequenceRequest { prompt: vec![], ..good.clone() }),
            "the prompt is empty; write a message"
        );
        assert_eq!(
            refusal(SequenceRequest { prompt: vec![999], ..good.clone() }),
            "the prompt has token 999, and the model knows 0 to 257"
        );
        let sampling = Sampling { top_p: 0.0, ..WARM };
        assert!(refusal(SequenceRequest { sampling, ..good.clone() }).starts_with("top-p is 0"));
        let speculative = Speculative::Ngram { min: 3, max: 2, draft_tokens: 3 };
        assert!(refusal(SequenceRequest { speculative, ..good }).contains("3 to 2"));
    }

    #[test]
    fn a_conversation_becomes_ids_and_ids_become_text() {
        let model = tiny::model(1);
        let prompt = model.prompt(&[Message::user("hé")]).unwrap();
        assert_eq!(prompt, [256, u32::from(b'h'), 0xC3, 0xA9, 257, 256]);
        assert_eq!(model.text(&prompt), "hé");
        assert_eq!(model.count_tokens("hé"), 3);
    }
}

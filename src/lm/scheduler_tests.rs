//! The scheduler against plain decoding: one reply after the other, alone.

use std::{collections::HashMap, sync::Mutex};

use candle_core::{
    Device, Tensor,
    quantized::{GgmlDType, QTensor},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::{
    domain::{Alternative, Message, Occurrence, Origin, Sampling, Speculative, Token},
    lm::{
        AdapterSet,
        speculative::{Draft, Limits, Ngram, Node, PastReplies, Suffix},
        tiny,
    },
};

/// Knows a text and guesses from it: all of it, nothing right, or right for some tokens.
struct Cheat {
    text: Vec<u32>,
    n_right: usize,
    n_drafted: usize,
}

impl Drafter for Cheat {
    fn draft(&mut self, context: &[u32], limits: Limits) -> Draft {
        let ahead = self.text[context.len().min(self.text.len())..].iter();
        let guess = |(i, &id): (usize, &u32)| if i < self.n_right { id } else { (id + 1) % 256 };
        let n_tokens = self.n_drafted.min(limits.n_tokens).min(limits.depth);
        Draft::chain(ahead.enumerate().map(guess).take(n_tokens))
    }
}

/// Grows trees at random around a text that it knows: some paths are right for a while, some never,
/// and some go deeper than anybody asked.
pub(super) struct Gardener {
    text: Vec<u32>,
    n_nodes: usize,
    /// In a hundred, how often a node is the right one for its place.
    percent_right: u64,
    random: ChaCha8Rng,
}

impl Gardener {
    pub(super) fn new(text: &[u32], n_nodes: usize, percent_right: u64, seed: u64) -> Self {
        let random = ChaCha8Rng::seed_from_u64(seed);
        Self { text: text.to_vec(), n_nodes, percent_right, random }
    }
}

impl Drafter for Gardener {
    fn draft(&mut self, context: &[u32], _limits: Limits) -> Draft {
        let mut nodes: Vec<Node> = Vec::new();
        let mut depths: Vec<usize> = Vec::new();
        for n_before in 0..self.n_nodes {
            // The youngest are likelier to have children, so that trees are deep, too.
            let youngest = n_before.saturating_sub(3);
            let parent = match self.random.random_range(0..4) {
                0 => self.random.random_range(0..=n_before).checked_sub(1),
                _ => self.random.random_range(youngest..=n_before).checked_sub(1),
            };
            let depth = parent.map_or(0, |parent| depths[parent] + 1);
            let right = self.text.get(context.len() + depth).copied();
            let lucky = self.random.random_range(0..100) < self.percent_right;
            let token = right.filter(|_| lucky).unwrap_or(self.random.random_range(0..256));
            nodes.push(Node { token, parent });
            depths.push(depth);
        }
        Draft::tree(nodes)
    }
}

/// Positions and their hidden states.
type Heard = Arc<Mutex<Vec<(usize, Vec<f32>)>>>;

/// Listens to the hidden states and guesses like somebody else.
struct Listener {
    drafter: Box<dyn Drafter>,
    /// Positions and hidden states, as they were heard.
    heard: Heard,
}

impl Drafter for Listener {
    fn draft(&mut self, context: &[u32], limits: Limits) -> Draft {
        self.drafter.draft(context, limits)
    }

    fn taps(&self) -> &[usize] {
        &[2, 1]
    }

    fn observe(&mut self, first_position: usize, hidden: &[f32]) {
        let rows = hidden.chunks(2 * tiny::N_EMBD).map(<[f32]>::to_vec);
        self.heard.lock().unwrap().extend((first_position..).zip(rows));
    }
}

/// Does what no drafter should.
struct Faulty(fn() -> Draft);

impl Drafter for Faulty {
    fn draft(&mut self, _context: &[u32], _limits: Limits) -> Draft {
        (self.0)()
    }
}

/// n-gram lookup from one token on.
pub(super) fn ngram(max: usize, draft_tokens: usize) -> Ngram {
    Ngram { min: 1, max, draft_tokens, occurrence: Occurrence::Earliest }
}

/// What became of a reply.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Reply {
    pub(super) ids: Vec<u32>,
    text: String,
    /// How likely each token was, and what else.
    figures: Vec<(f32, Vec<Alternative>)>,
    pub(super) reason: Option<FinishReason>,
    drafted: usize,
    accepted: usize,
    n_steps: usize,
    reused: usize,
    error: Option<String>,
}

pub(super) fn request(
    model: &Arc<LanguageModel>,
    prompt: &[u32],
    sampling: Sampling,
) -> SequenceRequest {
    SequenceRequest {
        model: Arc::clone(model),
        adapters: AdapterSet::default(),
        prompt: prompt.to_vec(),
        sampling,
        max_tokens: 60,
        speculative: Speculative::None,
        top_logprobs: 3,
    }
}

impl Reply {
    pub(super) fn reused(&self) -> usize {
        self.reused
    }
}

pub(super) fn run(scheduler: &mut Scheduler) -> HashMap<SequenceId, Reply> {
    let mut replies: HashMap<SequenceId, Reply> = HashMap::new();
    while !scheduler.is_idle() {
        for (id, event) in scheduler.step() {
            let reply = replies.entry(id).or_default();
            match event {
                SequenceEvent::Waiting { .. } => (),
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
                SequenceEvent::Failed(error) => reply.error = Some(error.to_string()),
            }
        }
    }
    replies
}

pub(super) fn alone(request: SequenceRequest, drafter: Option<Box<dyn Drafter>>) -> Reply {
    let mut scheduler = Scheduler::default();
    let id = scheduler.add_with_drafter(request, drafter).unwrap();
    run(&mut scheduler).remove(&id).unwrap()
}

pub(super) const WARM: Sampling = Sampling {
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
        let gardener = |n_nodes, percent, seed| Gardener::new(&text, n_nodes, percent, seed);
        let knows = PastReplies::default();
        knows.keep(plain.ids.clone());
        let drafters: [Box<dyn Drafter>; 13] = [
            Box::new(gardener(MAX_DRAFT_TOKENS + 9, 60, 1)),
            Box::new(gardener(30, 80, 2)),
            Box::new(gardener(12, 100, 3)),
            Box::new(gardener(9, 0, 4)),
            Box::new(Listener { drafter: Box::new(gardener(20, 70, 5)), heard: Arc::default() }),
            Box::new(ngram(4, 5)),
            Box::new(Suffix::new(9, 24, 0.1, PROMPT.len(), knows.clone())),
            Box::new(Suffix::new(9, 24, 0.1, PROMPT.len(), PastReplies::default())),
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
fn trees_in_company_change_no_word() {
    let model = tiny::model(1);
    let mut scheduler = Scheduler::default();
    let mut expected = Vec::new();
    for i in 0..6u32 {
        let prompt: Vec<u32> = (0..8 + 3 * i).map(|j| (j * 7 + i) % 250).collect();
        let sampling = if i % 2 == 0 { Sampling::default() } else { WARM };
        let request = request(&model, &prompt, sampling);
        let plain = alone(request.clone(), None);
        let text = [prompt, plain.ids.clone()].concat();
        let gardener = Gardener::new(&text, 10 + 6 * i as usize, 65, i.into());
        let drafter: Option<Box<dyn Drafter>> = (i != 3).then(|| Box::new(gardener) as _);
        let id = scheduler.add_with_drafter(request, drafter).unwrap();
        expected.push((id, plain));
    }
    let together = run(&mut scheduler);
    for (id, plain) in expected {
        let reply = &together[&id];
        assert_eq!((&reply.ids, &reply.figures), (&plain.ids, &plain.figures));
    }
    let accepted: usize = together.values().map(|reply| reply.accepted).sum();
    assert!(accepted > 30, "{accepted} accepted");
}

#[test]
fn a_drafter_hears_the_hidden_states_of_what_stands_and_of_nothing_else() {
    let model = tiny::model(1);
    let plain = alone(request(&model, &PROMPT, WARM), None);
    let text = [&PROMPT[..], &plain.ids].concat();
    let listen = |drafter: Box<dyn Drafter>| {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = Listener { drafter, heard: Arc::clone(&heard) };
        alone(request(&model, &PROMPT, WARM), Some(Box::new(listener)));
        std::mem::take(&mut *heard.lock().unwrap())
    };
    let expected = listen(Box::new(Cheat { text: text.clone(), n_right: 0, n_drafted: 0 }));
    let positions: Vec<usize> = expected.iter().map(|(position, _)| *position).collect();
    assert_eq!(positions, (0..positions.len()).collect::<Vec<_>>());
    for seed in 0..4 {
        let heard = listen(Box::new(Gardener::new(&text, 16, 75, seed)));
        // The last pass may end the reply with more, or fewer, of its tokens passed through.
        let n = heard.len().min(expected.len());
        assert!(n + 16 > text.len(), "{n} of {} heard", text.len());
        assert_eq!(heard[..n], expected[..n]);
    }
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
                0 => Speculative::PLD.with_draft_tokens(3),
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
    let ids: Vec<SequenceId> = (0..MAX_RUNNING + 2)
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
    let occurrence = Occurrence::Earliest;
    let speculative = Speculative::Ngram { min: 3, max: 2, draft_tokens: 3, occurrence };
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

/// Wants to hear of what is not there.
struct Deep;

impl Drafter for Deep {
    fn draft(&mut self, _context: &[u32], _limits: Limits) -> Draft {
        Draft::default()
    }
    fn taps(&self) -> &[usize] {
        &[3]
    }
}

#[test]
fn numbers_that_are_none_end_their_reply_and_no_other() {
    const POISON: u32 = 200;
    let tensor = |values, n_rows: usize| {
        let tensor = Tensor::from_vec(values, (n_rows, tiny::N_EMBD), &Device::Cpu).unwrap();
        QTensor::quantize(&tensor, GgmlDType::F32).unwrap()
    };
    let wave =
        |scale: f32| (0..tiny::N_VOCAB * tiny::N_EMBD).map(move |i| (i as f32 * scale).sin());
    let mut embedding: Vec<f32> = wave(1.3).collect();
    embedding[POISON as usize * tiny::N_EMBD..][..tiny::N_EMBD].fill(f32::NAN);
    let mut file = tiny::TinyFile::new(1);
    file.set_tensor("token_embd.weight", tensor(embedding, tiny::N_VOCAB));
    // A head of its own, as the poisoned row would be a column of everybody's logits.
    file.set_tensor("output.weight", tensor(wave(0.7).collect(), tiny::N_VOCAB));
    let model = Arc::new(file.load().unwrap());

    let mut scheduler = Scheduler::default();
    let before = scheduler.add(request(&model, &PROMPT, WARM)).unwrap();
    let poisoned = scheduler.add(request(&model, &[1, POISON, 2], WARM)).unwrap();
    let after = scheduler.add(request(&model, &PROMPT[2..], WARM)).unwrap();
    let replies = run(&mut scheduler);
    let error = replies[&poisoned].error.as_deref().unwrap_or_default();
    assert_eq!(error, Error::NotANumber.to_string());
    for (id, skipped) in [(before, 0), (after, 2)] {
        let plain = alone(request(&model, &PROMPT[skipped..], WARM), None);
        assert!(plain.error.is_none() && replies[&id].ids == plain.ids);
    }
}

/// A drafter, and what its reply's failure says.
type Fault = (fn() -> Draft, &'static str);

#[test]
fn a_fault_ends_its_reply_and_no_other() {
    let model = tiny::model(1);
    let faults: [Fault; 4] = [
        (|| panic!("the drafter's own fault"), "the drafter's own fault"),
        (|| Draft::chain([1, 300]), "its node 1 is token 300, and the model knows 0 to 257"),
        (|| Draft::tree(vec![Node { token: 1, parent: Some(4) }]), "which is not before it"),
        (Draft::default, ""),
    ];
    for (fault, why) in faults {
        let mut scheduler = Scheduler::default();
        let before = scheduler.add(request(&model, &PROMPT, WARM)).unwrap();
        let faulty = Some(Box::new(Faulty(fault)) as _);
        let faulty = scheduler.add_with_drafter(request(&model, &PROMPT[1..], WARM), faulty);
        let after = scheduler.add(request(&model, &PROMPT[2..], WARM)).unwrap();
        let replies = run(&mut scheduler);
        let error = replies[&faulty.unwrap()].error.clone().unwrap_or_default();
        assert!(error.contains(why) && error.is_empty() == why.is_empty(), "{error}");
        for (id, skipped) in [(before, 0), (after, 2)] {
            let plain = alone(request(&model, &PROMPT[skipped..], WARM), None);
            assert_eq!(replies[&id].ids, plain.ids);
        }
    }
    let added =
        Scheduler::default().add_with_drafter(request(&model, &PROMPT, WARM), Some(Box::new(Deep)));
    assert!(added.unwrap_err().to_string().contains("layer 3, and the model's end is 2"));
}

#[test]
fn what_runs_at_the_same_time_reads_a_shared_beginning_once() {
    let model = tiny::model(1);
    let beginning: Vec<u32> = (0..100).map(|i| (i * i + 3) % 250).collect();
    let prompt = |i: u32| [&beginning[..], &[i, i + 1, i + 2]].concat();
    let mut scheduler = Scheduler::default();
    let first = scheduler.add(request(&model, &prompt(1), WARM)).unwrap();
    // One comes with the first, one when the first has been read.
    let second = scheduler.add(request(&model, &prompt(2), WARM)).unwrap();
    let mut events = Vec::new();
    while !events.iter().any(|(_, event)| matches!(event, SequenceEvent::Step(_))) {
        events.extend(scheduler.step());
    }
    let third = scheduler.add(request(&model, &prompt(3), WARM)).unwrap();
    let replies = run(&mut scheduler);
    let begun = |id: SequenceId, event: &SequenceEvent| match event {
        SequenceEvent::Prefill { reused, .. } => Some((id, *reused)),
        _ => None,
    };
    let reused: HashMap<SequenceId, usize> =
        events.iter().filter_map(|(id, event)| begun(*id, event)).collect();
    // Between them, the first two read the beginning once; neither waits for the other.
    let of_two = reused[&first].max(replies[&first].reused)
        + reused.get(&second).copied().unwrap_or(0).max(replies[&second].reused);
    assert!(of_two >= 80, "{of_two} tokens copied");
    assert_eq!(replies[&third].reused, 100);
    for (id, i) in [(first, 1), (second, 2), (third, 3)] {
        // The first words of some were heard above.
        let begun =
            events.iter().filter(|(of, _)| *of == id).filter_map(|(_, event)| match event {
                SequenceEvent::Step(step) => Some(step.token_ids()),
                _ => None,
            });
        let ids: Vec<u32> = begun.flatten().chain(replies[&id].ids.iter().copied()).collect();
        assert_eq!(ids, alone(request(&model, &prompt(i), WARM), None).ids);
    }
}

#[test]
fn replies_wait_until_their_keys_and_values_fit() {
    let model = tiny::model(1);
    let one = request(&model, &PROMPT, WARM).kv_bytes_at_end();
    let mut scheduler = Scheduler::default();
    scheduler.set_kv_budget(2 * one);
    let ids: Vec<_> =
        (0..5).map(|_| scheduler.add(request(&model, &PROMPT, WARM)).unwrap()).collect();
    let mut told = Vec::new();
    let mut finished = 0;
    while !scheduler.is_idle() {
        for (id, event) in scheduler.step() {
            match event {
                SequenceEvent::Waiting { ahead } => told.push((id, ahead)),
                SequenceEvent::Finished { reason, .. } => {
                    assert_ne!(reason, FinishReason::Cancelled);
                    finished += 1;
                }
                _ => (),
            }
        }
        assert!(scheduler.kv_bytes() <= scheduler.kv_budget());
    }
    assert_eq!(finished, ids.len());
    assert_eq!(told[..3], [(ids[2], 0), (ids[3], 1), (ids[4], 2)]);
}

#[test]
fn a_reply_that_could_never_fit_is_refused_with_numbers() {
    let model = tiny::model(1);
    let mut scheduler = Scheduler::default();
    scheduler.set_kv_budget(60_000);
    let error = scheduler.add(request(&model, &PROMPT, WARM)).unwrap_err().to_string();
    assert_eq!(
        error,
        "a reply of up to 69 tokens, prompt included, needs 66 kB for keys and values, and 60 kB may \
         be used; ask for fewer tokens, or raise the limit in the settings"
    );
    // One that was let in before the limit was lowered fails in its turn, and the next goes on.
    let mut scheduler = Scheduler::default();
    let id = scheduler.add(request(&model, &PROMPT, WARM)).unwrap();
    scheduler.set_kv_budget(60_000);
    assert!(run(&mut scheduler)[&id].error.as_ref().unwrap().contains("69 tokens"));
}

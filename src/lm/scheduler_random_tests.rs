//! Thousands of random submits, cancels, regenerations and steps: no wrong token, no byte lost.

use std::{collections::HashMap, sync::Arc};

use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    tests::{Gardener, Reply, WARM, alone, ngram, request},
    *,
};
use crate::{
    domain::Sampling,
    lm::{AdapterSet, adapters::tiny::TinyAdapter, tiny},
};

const N_OPERATIONS: usize = 10_000;

/// What was asked for and what has come of it.
struct Asked {
    request: SequenceRequest,
    ids: Vec<u32>,
    reason: Option<FinishReason>,
}

/// A user who cannot make up their mind.
struct Fidget {
    models: Vec<Arc<LanguageModel>>,
    /// What replies are written with; none for most.
    sets: Vec<AdapterSet>,
    scheduler: Scheduler,
    random: ChaCha8Rng,
    asked: HashMap<SequenceId, Asked>,
    order: Vec<SequenceId>,
    n_refused: usize,
}

impl Fidget {
    fn operate(&mut self) {
        match self.random.random_range(0..100) {
            0..14 => self.submit_new(),
            14..20 => self.regenerate(),
            20..25 => self.cancel(),
            25..27 => {
                // From two replies at a time up to all of them.
                let budget = self.random.random_range(2..24) * self.worst_case();
                self.scheduler.set_kv_budget(budget);
            }
            27..32 => {
                let mut n_layers = self.random.random_range(0..4);
                let events = self.scheduler.step_checked(&mut || {
                    n_layers -= 1;
                    if n_layers < 0 { Err(Cancelled) } else { Ok(()) }
                });
                self.hear(events);
            }
            _ => self.step(),
        }
        // What is kept gives way to what runs, and what runs stays within what it was given.
        let most = self.scheduler.kv_budget().max(self.scheduler.reserved());
        assert!(self.scheduler.kv_bytes() <= most);
    }

    fn worst_case(&self) -> u64 {
        request(&self.models[0], &[1], WARM).kv_bytes_at_end()
    }

    /// A prompt of one of a few families, so that many begin alike.
    fn submit_new(&mut self) {
        let family = self.random.random_range(0..5u32);
        let n_tokens = self.random.random_range(1..60);
        let mut prompt: Vec<u32> = (0..n_tokens).map(|i| (i * i + family * 31) % 250).collect();
        if self.random.random_bool(0.3) {
            prompt.push(self.random.random_range(0..256));
        }
        self.submit(prompt);
    }

    /// Goes back to the middle of a reply, or on from its end.
    fn regenerate(&mut self) {
        let Some(id) = self.order.choose(&mut self.random) else { return self.submit_new() };
        let Asked { request, ids, .. } = &self.asked[id];
        let mut prompt = [&request.prompt[..], ids].concat();
        if self.random.random_bool(0.5) {
            prompt.truncate(self.random.random_range(1..=prompt.len()));
        }
        prompt.truncate(tiny::CONTEXT - 20);
        prompt.push(self.random.random_range(0..256));
        self.submit(prompt);
    }

    fn submit(&mut self, prompt: Vec<u32>) {
        let model = self.models.choose(&mut self.random).unwrap();
        let sampling = [Sampling::default(), WARM][self.random.random_range(0..2)];
        let mut request = request(model, &prompt, sampling);
        request.max_tokens = self.random.random_range(1..14);
        request.top_logprobs = 0;
        if self.random.random_bool(0.4) {
            request.adapters = self.sets.choose(&mut self.random).unwrap().clone();
        }
        let drafter: Option<Box<dyn Drafter>> = match self.random.random_range(0..3) {
            0 => None,
            1 => Some(Box::new(ngram(3, 4))),
            _ => {
                let (n_nodes, seed) = (self.random.random_range(0..20), self.random.random());
                Some(Box::new(Gardener::new(&[prompt.clone(), prompt].concat(), n_nodes, 50, seed)))
            }
        };
        match self.scheduler.add_with_drafter(request.clone(), drafter) {
            Ok(id) => {
                self.order.push(id);
                self.asked.insert(id, Asked { request, ids: Vec::new(), reason: None });
            }
            Err(Error::Busy { .. }) => self.n_refused += 1,
            Err(error) => panic!("{error}"),
        }
    }

    fn cancel(&mut self) {
        // One that runs or waits, now and then one that has ended.
        let goes_on = |id: &&SequenceId| self.asked[id].reason.is_none();
        let id = self.order.iter().rev().filter(goes_on).nth(self.random.random_range(0..4));
        if let Some(id) = id.or(self.order.last()) {
            self.scheduler.cancel(*id);
        }
    }

    fn step(&mut self) {
        let events = self.scheduler.step();
        self.hear(events);
    }

    fn hear(&mut self, events: Events) {
        for (id, event) in events {
            let asked = self.asked.get_mut(&id).unwrap();
            assert_eq!(asked.reason, None, "something was said of a reply after its end");
            match event {
                SequenceEvent::Step(step) => asked.ids.extend(step.token_ids()),
                SequenceEvent::Finished { reason, .. } => asked.reason = Some(reason),
                SequenceEvent::Failed(error) => panic!("{error}"),
                SequenceEvent::Waiting { .. } | SequenceEvent::Prefill { .. } => (),
            }
        }
    }
}

#[test]
fn no_order_of_events_leaks_a_byte_or_changes_a_token() {
    let models = vec![tiny::model(1), tiny::model(2)];
    let [a, b] = [(1, 4), (2, 2)].map(|(seed, rank)| {
        // Both models have the same sizes, so an adapter goes with either.
        TinyAdapter::new(seed, rank).load(&models[0]).unwrap()
    });
    let sets = [vec![(Arc::clone(&a), 1.0)], vec![(Arc::clone(&b), 1.0)], vec![(a, 0.5), (b, 0.5)]];
    let mut fidget = Fidget {
        models,
        sets: sets.map(|set| AdapterSet::new(set).unwrap()).into(),
        scheduler: Scheduler::default(),
        random: ChaCha8Rng::seed_from_u64(20_260_101),
        asked: HashMap::new(),
        order: Vec::new(),
        n_refused: 0,
    };
    for _ in 0..N_OPERATIONS {
        fidget.operate();
    }
    while !fidget.scheduler.is_idle() {
        fidget.step();
    }
    let Fidget { models, mut scheduler, asked, n_refused, .. } = fidget;
    let mut known: HashMap<String, Reply> = HashMap::new();
    let (mut n_cancelled, mut n_tokens) = (0, 0);
    for Asked { request, ids, reason } in asked.into_values() {
        let SequenceRequest { model, adapters, prompt, sampling, max_tokens, .. } = &request;
        let of_first = Arc::ptr_eq(model, &models[0]);
        let adapters = adapters.key();
        let key = format!("{of_first} {adapters:?} {prompt:?} {sampling:?} {max_tokens}");
        let expected = known.entry(key).or_insert_with(|| alone(request.clone(), None));
        n_tokens += ids.len();
        if reason == Some(FinishReason::Cancelled) {
            n_cancelled += 1;
            assert_eq!(ids, expected.ids[..ids.len()]);
        } else {
            assert_eq!((&ids, reason), (&expected.ids, expected.reason), "{prompt:?}");
        }
    }
    assert!(n_cancelled > 100 && n_tokens > 5000, "{n_cancelled}, {n_tokens}, {n_refused} refused");
    // Nothing is left but what is kept for the next turn, and that goes with the models.
    assert_eq!(scheduler.kv_bytes(), scheduler.kept.n_bytes());
    assert!(models.iter().all(|model| Arc::strong_count(model) == 1));
    drop(models);
    scheduler.step();
    assert_eq!(scheduler.kv_bytes(), 0);
}

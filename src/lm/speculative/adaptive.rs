//! Whichever drafter promises most at each step, if any does, and as many tokens as pay.
//!
//! A draft of `k` tokens, the first `i` of which stand with probability `s_i`, brings
//! `1 + s_1 + … + s_k` tokens for the time of a pass over `k + 1` rows and of the drafting: worth it
//! if that is more tokens in a plain pass's time than one (as in "`SmartSpec`",
//! <https://arxiv.org/abs/2406.14066>). How often tokens stood is counted by how long the match was
//! and how sure the drafter; guesses that were not verified are counted, too, as the text goes on.

use std::{collections::VecDeque, time::Instant};

use super::{About, Costs, Draft, Drafter, Limits, Verdict};
use crate::domain::{DraftChoice, Method};

/// Gain below which nothing is drafted: it would be lost in what the choice itself costs.
const LEAST_GAIN: f64 = 1.05;
/// Positions of a draft that are counted apart; later ones count as the last.
const POSITIONS: usize = 6;
/// Kinds of matches that are counted apart.
const KINDS: usize = 8;
/// What a count is worth after another one.
const DECAY: f64 = 0.97;
/// Counts that what is assumed at first is worth.
const ASSUMED: f64 = 2.0;
/// Steps between two tries of a drafter that costs too much to be asked in vain.
const STEPS_TO_TRY: usize = 64;

/// The drafter of one reply.
pub struct Adaptive {
    arms: Vec<Arm>,
    draft_tokens: usize,
    costs: Costs,
    guesses: VecDeque<Guess>,
    n_steps: usize,
    /// Who drafted last.
    drafted: Option<usize>,
}

/// A drafter to choose from.
struct Arm {
    method: Method,
    drafter: Box<dyn Drafter>,
    /// Whether asking it costs next to nothing.
    is_cheap: bool,
    record: Record,
    /// Time of a drafted token, if drafting costs anything.
    secs_per_token: f64,
}

/// What a drafter guessed, to be held against the text.
struct Guess {
    arm: usize,
    kind: usize,
    /// Where in the text it begins.
    begin: usize,
    tokens: Vec<u32>,
    n_told: usize,
}

/// How often tokens stood where those before them did: stood and all, decaying.
struct Record([[(f64, f64); POSITIONS]; KINDS]);

/// A draft and what it promises.
struct Offer {
    arm: usize,
    draft: Draft,
    n_tokens: usize,
    /// Tokens it is expected to bring, the model's own included.
    expected: f64,
    /// Its time in plain steps'.
    cost: f64,
}

impl Offer {
    fn gain(&self) -> f64 {
        self.expected / self.cost
    }
}

impl Adaptive {
    /// Chooses from drafters that cost next to nothing, and others.
    pub fn new(
        cheap: Vec<(Method, Box<dyn Drafter>)>,
        others: Vec<(Method, Box<dyn Drafter>)>,
        draft_tokens: usize,
        costs: Costs,
    ) -> Self {
        let arm = |is_cheap: bool| {
            move |(method, drafter)| {
                let record = Record::default();
                Arm { method, drafter, is_cheap, record, secs_per_token: 0.0 }
            }
        };
        let arms = cheap.into_iter().map(arm(true)).chain(others.into_iter().map(arm(false)));
        let (arms, guesses) = (arms.collect(), VecDeque::new());
        Self { arms, draft_tokens, costs, guesses, n_steps: 0, drafted: None }
    }

    /// Holds guesses against what was said.
    fn learn(&mut self, context: &[u32]) {
        let Self { arms, guesses, .. } = self;
        guesses.retain_mut(|guess| {
            while let Some(token) = guess.tokens.get(guess.n_told)
                && let Some(said) = context.get(guess.begin + guess.n_told)
            {
                let stood = said == token;
                arms[guess.arm].record.count(guess.kind, guess.n_told, stood);
                guess.n_told += 1;
                if !stood {
                    return false;
                }
            }
            guess.n_told < guess.tokens.len()
        });
    }

    /// How many tokens of a chain pay, and what they promise.
    fn weigh(&self, arm: usize, kind: usize, draft: Draft) -> Offer {
        let Arm { record, secs_per_token, .. } = &self.arms[arm];
        let per_token = self.costs.plain_secs().map_or(0.0, |plain| secs_per_token / plain);
        let mut best = Offer { arm, draft, n_tokens: 0, expected: 1.0, cost: 1.0 };
        let (mut stands, mut expected) = (1.0, 1.0);
        for n_tokens in 1..=best.draft.len() {
            stands *= record.rate(kind, n_tokens - 1);
            expected += stands;
            let cost = self.costs.relative(n_tokens + 1) + per_token * n_tokens as f64;
            // Where nothing pays, what a single token would come to is told.
            if n_tokens == 1 || expected / cost > best.gain() {
                best = Offer { n_tokens, expected, cost, ..best };
            }
        }
        best
    }

    fn ask(&mut self, arm: usize, context: &[u32], limits: Limits) -> Option<Offer> {
        let begun = Instant::now();
        let most = self.draft_tokens.min(limits.n_tokens).min(limits.depth);
        let limits = Limits { n_tokens: most, depth: most };
        let mut draft = self.arms[arm].drafter.draft(context, limits);
        draft.prune(limits);
        if draft.is_empty() || !draft.is_chain() {
            return None;
        }
        if !self.arms[arm].is_cheap {
            let secs = begun.elapsed().as_secs_f64() / draft.len() as f64;
            let known = &mut self.arms[arm].secs_per_token;
            *known = if *known == 0.0 { secs } else { 0.8 * *known + 0.2 * secs };
        }
        let kind = kind(&draft);
        let tokens = draft.nodes().iter().map(|node| node.token).collect();
        self.guesses.push_back(Guess { arm, kind, begin: context.len(), tokens, n_told: 0 });
        Some(self.weigh(arm, kind, draft))
    }

    /// What a drafter that costs something promises before it is asked.
    fn promise(&self, arm: usize) -> f64 {
        let draft = Draft::chain((0..self.draft_tokens as u32).collect::<Vec<_>>());
        self.weigh(arm, 0, draft).gain()
    }
}

impl Drafter for Adaptive {
    fn n_bytes(&self) -> u64 {
        self.arms.iter().map(|arm| arm.drafter.n_bytes()).sum()
    }

    fn draft(&mut self, context: &[u32], limits: Limits) -> Draft {
        self.learn(context);
        self.n_steps += 1;
        self.drafted = None;
        let mut best: Option<Offer> = None;
        for arm in 0..self.arms.len() {
            let to_beat = best.as_ref().map_or(LEAST_GAIN, Offer::gain).max(LEAST_GAIN);
            let tries = self.n_steps % STEPS_TO_TRY < 4;
            if !self.arms[arm].is_cheap && !tries && self.promise(arm) <= to_beat {
                continue;
            }
            let offer = self.ask(arm, context, limits);
            best = match (best, offer) {
                (Some(best), Some(offer)) if offer.gain() > best.gain() => Some(offer),
                (best, offer) => best.or(offer),
            };
        }
        let Some(offer) = best else { return nothing("nothing matches".to_owned(), 1.0) };
        let gain = offer.gain();
        let (expected, cost) = (offer.expected, offer.cost);
        if gain < LEAST_GAIN {
            return nothing(format!("{expected:.1} tokens in {cost:.1} steps' time"), gain as f32);
        }
        let Offer { arm, mut draft, n_tokens, .. } = offer;
        draft.prune(Limits { n_tokens, depth: n_tokens });
        self.drafted = Some(arm);
        let method = Some(self.arms[arm].method);
        let reason = format!("{expected:.1} tokens in {cost:.1} steps' time");
        let choice = DraftChoice { method, draft_tokens: n_tokens, gain: gain as f32, reason };
        let about = About { choice: Some(choice), ..draft.about().clone() };
        draft.with_about(about)
    }

    fn taps(&self) -> &[usize] {
        self.arms.iter().map(|arm| arm.drafter.taps()).find(|taps| !taps.is_empty()).unwrap_or(&[])
    }

    fn observe(&mut self, first_position: usize, hidden: &[f32]) {
        for arm in self.arms.iter_mut().filter(|arm| !arm.drafter.taps().is_empty()) {
            arm.drafter.observe(first_position, hidden);
        }
    }

    fn judge(&mut self, verdict: &Verdict) {
        if verdict.alone {
            self.costs.observe(verdict.drafted + 1, verdict.pass_time);
        }
        if let Some(arm) = self.drafted {
            self.arms[arm].drafter.judge(verdict);
        }
    }
}

fn nothing(reason: String, gain: f32) -> Draft {
    let choice = Some(DraftChoice { method: None, draft_tokens: 0, gain, reason });
    Draft::default().with_about(About { choice, ..About::default() })
}

/// Kinds of guesses: by how many tokens matched, and whether the drafter is sure.
fn kind(draft: &Draft) -> usize {
    let n_matched = draft.about().matched.as_ref().map_or(0, |matched| matched.positions.len());
    let by_length = match n_matched {
        0..3 => 0,
        3..5 => 1,
        5..9 => 2,
        _ => 3,
    };
    let is_sure = draft.probability(0).is_none_or(|probability| probability > 0.8);
    2 * by_length + usize::from(is_sure)
}

impl Default for Record {
    fn default() -> Self {
        // Longer matches and surer drafters are more often right.
        let rate = |kind: usize| 0.3 + 0.15 * (kind / 2) as f64 + 0.08 * (kind % 2) as f64;
        Self(std::array::from_fn(|kind| [(ASSUMED * rate(kind), ASSUMED); POSITIONS]))
    }
}

impl Record {
    fn count(&mut self, kind: usize, position: usize, stood: bool) {
        let (hits, all) = &mut self.0[kind][position.min(POSITIONS - 1)];
        *hits = DECAY * *hits + f64::from(u8::from(stood));
        *all = DECAY * *all + 1.0;
    }

    /// How often a token stands where those before it do.
    fn rate(&self, kind: usize, position: usize) -> f64 {
        let (hits, all) = self.0[kind][position.min(POSITIONS - 1)];
        hits / all
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{domain::Occurrence, lm::speculative::Ngram};

    const WIDE: Limits = Limits { n_tokens: 64, depth: 64 };

    fn ngram() -> (Method, Box<dyn Drafter>) {
        let occurrence = Occurrence::Latest;
        (Method::Ngram, Box::new(Ngram { min: 2, max: 8, draft_tokens: 8, occurrence }))
    }

    /// A controller that knows what rows cost.
    fn adaptive(per_row: f64) -> Adaptive {
        let costs = Costs::default();
        for n_rows in 1..=9 {
            let time = Duration::from_secs_f64(0.01 * (1.0 + per_row * (n_rows as f64 - 1.0)));
            (0..3).for_each(|_| costs.observe(n_rows, time));
        }
        Adaptive::new(vec![ngram()], Vec::new(), 8, costs)
    }

    /// Steps through a text; how much was drafted in the last ten steps, and the last reason.
    fn drafted(adaptive: &mut Adaptive, text: &[u32]) -> (usize, DraftChoice) {
        let mut lengths = Vec::new();
        let mut choice = None;
        for n in 2..text.len() {
            let draft = adaptive.draft(&text[..n], WIDE);
            lengths.push(draft.len());
            choice = draft.about().choice.clone();
        }
        (lengths.iter().rev().take(10).sum(), choice.unwrap())
    }

    #[test]
    fn what_keeps_coming_true_is_drafted_at_length() {
        let text: Vec<u32> = (0..200).map(|i| i % 10).collect();
        let (n_drafted, choice) = drafted(&mut adaptive(0.3), &text);
        assert!(n_drafted >= 70, "{n_drafted}");
        assert_eq!(choice.method, Some(Method::Ngram));
        assert!(choice.gain > 2.0, "{choice:?}");
    }

    #[test]
    fn what_keeps_failing_is_not_drafted_any_more() {
        // Each pair of tokens comes back, and never goes on as it did before.
        let text: Vec<u32> = (0..600).map(|i| if i % 3 < 2 { i % 3 } else { 10 + i }).collect();
        let (n_drafted, choice) = drafted(&mut adaptive(0.3), &text);
        assert_eq!((n_drafted, choice.method), (0, None));
    }

    #[test]
    fn nothing_is_drafted_where_rows_cost_as_much_as_steps() {
        let text: Vec<u32> = (0..200).map(|i| i % 10).collect();
        let (n_drafted, choice) = drafted(&mut adaptive(1.0), &text);
        assert_eq!((n_drafted, choice.method), (0, None), "{choice:?}");
        assert!(choice.reason.contains("steps' time"), "{choice:?}");
    }
}

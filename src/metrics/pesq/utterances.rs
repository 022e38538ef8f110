//! Which part of the reference has which delay: utterance by utterance.
//!
//! Source: ITU-T P.862 §10.1.4. Places are in steps of 4 ms of the reference with the silence before
//! it, delays in samples.

use super::{
    delay::{Pair, Votes},
    split,
};

/// Steps by which the search for an utterance's delay goes beyond it, and that its ends keep free.
pub(super) const MARGIN: i64 = 75;
/// Speech shorter than this has the delay of what lies beside it.
const SHORTEST: i64 = 50;

/// A stretch of the reference of one delay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Utterance {
    /// First step and the one past its end.
    pub(super) from: i64,
    pub(super) to: i64,
    /// Delay by its envelope.
    pub(super) rough_delay: i64,
    /// Delay to the sample.
    pub(super) delay: i64,
    /// The share of windows that agree on it.
    pub(super) confidence: f64,
}

/// All utterances, in the order of time; none where nothing is said in both sounds.
pub(super) fn locate(pair: &Pair) -> Vec<Utterance> {
    let n_steps = pair.reference_activity.power.len() as i64;
    let whole = pair.whole_delay();
    let step = pair.step();
    // What lies outside the degraded sound cannot be found there.
    let earliest = SHORTEST - whole / step;
    let latest = (pair.degraded_len() - whole) / step - SHORTEST;
    let runs = pair.reference_activity.runs().into_iter();
    let mut utterances: Vec<Utterance> = runs
        .map(|(from, to)| (from as i64, to as i64))
        .filter(|(from, to)| to - from >= SHORTEST && *from < latest && *to > earliest)
        .map(|(from, to)| {
            let search = ((from - MARGIN).max(0), (to + MARGIN).min(n_steps - 1));
            let (rough_delay, _) = pair.envelope_delay(search, whole);
            let (delay, confidence) = exact_delay(pair, search, rough_delay);
            Utterance { from, to, rough_delay, delay, confidence }
        })
        .collect();
    if utterances.is_empty() {
        return utterances;
    }
    share_out(&mut utterances, n_steps, pair);
    split::split(&mut utterances, pair);
    utterances
}

/// What the windows of some steps say, from a delay that is about right.
fn exact_delay(pair: &Pair, (from, to): (i64, i64), about: i64) -> (i64, f64) {
    let mut votes = Votes::none(pair.window());
    let mut at = (from * pair.step()).max(-about);
    while at + about + pair.window() <= pair.degraded_len()
        && at + pair.window() <= to * pair.step()
    {
        pair.vote(&pair.hann, at, at + about, &mut votes);
        at += pair.window() / 4;
    }
    let (more, confidence) = votes.best();
    (about + more, confidence)
}

/// Gives each pause to the utterances beside it, half and half, and sees that no two of them take the
/// same samples of the degraded sound and none goes beyond its ends.
fn share_out(utterances: &mut [Utterance], n_steps: i64, pair: &Pair) {
    let step = pair.step();
    let last = utterances.len() - 1;
    utterances[0].from = MARGIN;
    utterances[last].to = n_steps - MARGIN;
    for at in 1..=last {
        let middle = i64::midpoint(utterances[at].from, utterances[at - 1].to);
        utterances[at].from = middle;
        utterances[at - 1].to = middle;
    }
    let first = &mut utterances[0];
    if first.from * step + first.delay < MARGIN * step {
        first.from = MARGIN + (step - 1 - first.delay) / step;
    }
    let end = &mut utterances[last];
    if end.to * step + end.delay > pair.degraded_len() - MARGIN * step {
        end.to = (pair.degraded_len() - end.delay) / step - MARGIN;
    }
    for at in 1..=last {
        let start = utterances[at].from * step + utterances[at].delay;
        let end = utterances[at - 1].to * step + utterances[at - 1].delay;
        if start < end {
            let middle = start.midpoint(end);
            utterances[at].from = (step - 1 + middle - utterances[at].delay) / step;
            utterances[at - 1].to = (middle - utterances[at - 1].delay) / step;
        }
    }
}

/// The delay that a sample of the reference has.
pub(super) fn delay_at(utterances: &[Utterance], sample: usize, step: usize) -> i64 {
    let begun = |it: &&Utterance| it.from * step as i64 <= sample as i64;
    utterances.iter().rev().find(begun).or(utterances.first()).map_or(0, |it| it.delay)
}

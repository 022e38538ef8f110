//! Delays that change within an utterance: it is taken apart where both parts agree better.
//!
//! Source: ITU-T P.862 §10.1.4 (utterance splitting).

use super::{
    delay::{Pair, Votes},
    utterances::{MARGIN, Utterance},
};

/// An utterance with less speech is left whole, in steps.
const SHORTEST_SPLIT: i64 = 200;
/// No more utterances than this.
const MOST_UTTERANCES: usize = 50;
/// Places at which a cut is tried, at most.
const MOST_CUTS: usize = 40;
/// Steps of speech that each part keeps at least; a tenth of the speech if that is more.
const LEAST_PART: i64 = 75;
/// Places are apart by a multiple of this many steps.
const GRAIN: i64 = 4;

/// The delay of one part of an utterance.
#[derive(Debug, Clone, Copy)]
struct Part {
    rough_delay: i64,
    delay: i64,
    confidence: f64,
}

/// Takes utterances apart, and their parts, as long as both agree better on their delays.
pub(super) fn split(utterances: &mut Vec<Utterance>, pair: &Pair) {
    let mut at = 0;
    while at < utterances.len() && utterances.len() < MOST_UTTERANCES {
        let Some([first, second]) = parts(&utterances[at], pair) else {
            at += 1;
            continue;
        };
        utterances.splice(at..=at, [first, second]);
    }
}

fn parts(whole: &Utterance, pair: &Pair) -> Option<[Utterance; 2]> {
    let speaks =
        |at: i64| pair.reference_activity.power.get(at as usize).is_some_and(|power| *power > 0.0);
    let from = (whole.from..whole.to).find(|at| speaks(*at)).unwrap_or(whole.to);
    let to = (whole.from + 1..=whole.to).rev().find(|at| speaks(*at)).unwrap_or(whole.from) + 1;
    if to - from < SHORTEST_SPLIT {
        return None;
    }
    let (cut, [first, second]) = best_cut(whole, cuts(from, to), pair)?;
    let step = pair.step();
    // Where the delay grows, the samples in between belong to neither.
    let overlap = ((second.delay - first.delay) / (2 * step)).max(0);
    let of = |part: Part, from, to| Utterance {
        from,
        to,
        rough_delay: part.rough_delay,
        delay: part.delay,
        confidence: part.confidence,
    };
    let mut parts = [of(first, whole.from, cut + overlap), of(second, cut - overlap, whole.to)];
    if (parts[0].from - MARGIN) * step + first.delay < 0 {
        parts[0].from = MARGIN + (step - 1 - first.delay) / step;
    }
    if parts[1].to * step + second.delay > pair.degraded_len() - MARGIN * step {
        parts[1].to = (pair.degraded_len() - second.delay) / step - MARGIN;
    }
    Some(parts)
}

/// Where a cut is tried, in speech between two steps.
fn cuts(from: i64, to: i64) -> Vec<i64> {
    let n_steps = to - from;
    let spacing = MOST_CUTS as i64 * GRAIN;
    let apart = ((0.801 * n_steps as f64 + (spacing - 1) as f64) / spacing as f64) as i64 * GRAIN;
    let least = LEAST_PART.max(n_steps / 10);
    // The first is tried in any case.
    (0..MOST_CUTS as i64)
        .map(|idx| from + least + idx * apart)
        .take_while(|cut| *cut == from + least || *cut <= to - least)
        .collect()
}

/// A place at which a cut is tried, with the rough delays of what lies before and after it.
struct Cut {
    at: i64,
    rough_delays: [i64; 2],
}

/// The cut whose parts agree best on delays that differ; `None` where the whole is surer of its own.
fn best_cut(whole: &Utterance, cuts: Vec<i64>, pair: &Pair) -> Option<(i64, [Part; 2])> {
    let mut window = pair.hann.clone();
    let cut_of = |at: i64| {
        let rough_delays = [(whole.from, at), (at, whole.to)].map(|steps| {
            let (delay, correlation) = pair.envelope_delay(steps, whole.rough_delay);
            overwrite(&mut window, &correlation);
            delay
        });
        Cut { at, rough_delays }
    };
    let cuts: Vec<Cut> = cuts.into_iter().map(cut_of).collect();
    let firsts = delays_before(whole, &cuts, &window, pair);
    let is_better = |part: &Part| part.confidence > whole.confidence;
    let sure: Vec<(Cut, Part)> =
        cuts.into_iter().zip(firsts).filter(|(_, part)| is_better(part)).collect();
    let seconds = delays_after(whole, sure.iter().map(|(cut, _)| cut), &window, pair);
    let mut best: Option<(f64, i64, [Part; 2])> = None;
    for ((cut, first), second) in sure.into_iter().zip(seconds) {
        let confidence = first.confidence + second.confidence;
        if (second.delay - first.delay).abs() >= pair.step()
            && is_better(&second)
            && best.is_none_or(|(most, ..)| confidence > most)
        {
            best = Some((confidence, cut.at, [first, second]));
        }
    }
    best.map(|(_, cut, parts)| (cut, parts))
}

/// Puts a correlation over the window, as it comes to lie in the scratch memory of the reference
/// implementation, where the window follows three buffers of its length. So an utterance of more than
/// six seconds (three at 8 kHz) is looked at through another window when it is split. Published figures
/// are made so, and ours are to be the same.
fn overwrite(window: &mut [f64], correlation: &[f64]) {
    let before = 3 * window.len() + 6;
    for (value, written) in window.iter_mut().zip(correlation.iter().skip(before)) {
        *value = *written;
    }
}

/// Votes of windows that begin at a rough delay, kept so that the next cut adds its own to them.
struct Count {
    rough_delay: i64,
    votes: Votes,
    /// Sample of the reference at which the next window lies.
    next: i64,
}

impl Count {
    fn part(&self) -> Part {
        let (more, confidence) = self.votes.best();
        Part { rough_delay: self.rough_delay, delay: self.rough_delay + more, confidence }
    }
}

/// The count for a rough delay, begun where there is none yet.
fn count_of(
    counts: &mut Vec<Count>,
    rough_delay: i64,
    begin: impl FnOnce() -> (i64, Votes),
) -> &mut Count {
    let found = counts.iter().position(|count| count.rough_delay == rough_delay);
    let at = found.unwrap_or_else(|| {
        let (next, votes) = begin();
        counts.push(Count { rough_delay, votes, next });
        counts.len() - 1
    });
    &mut counts[at]
}

/// The delay of what lies before each cut, counted from the left.
fn delays_before(whole: &Utterance, cuts: &[Cut], window: &[f64], pair: &Pair) -> Vec<Part> {
    let (step, n) = (pair.step(), pair.window());
    let mut counts = Vec::new();
    let of_cut = |cut: &Cut| {
        let rough = cut.rough_delays[0];
        let begin = || ((whole.from * step).max(-rough), Votes::none(n));
        let count = count_of(&mut counts, rough, begin);
        while count.next + rough + n <= pair.degraded_len() && count.next + n <= cut.at * step {
            pair.vote(window, count.next, count.next + rough, &mut count.votes);
            count.next += n / 4;
        }
        count.part()
    };
    cuts.iter().map(of_cut).collect()
}

/// The delay of what lies after each cut, counted from the right.
fn delays_after<'a>(
    whole: &Utterance,
    cuts: impl DoubleEndedIterator<Item = &'a Cut>,
    window: &[f64],
    pair: &Pair,
) -> Vec<Part> {
    let (step, n) = (pair.step(), pair.window());
    let mut counts = Vec::new();
    let of_cut = |cut: &Cut| {
        let rough = cut.rough_delays[1];
        let last = (whole.to * step).min(pair.degraded_len() - rough) - n;
        let count = count_of(&mut counts, rough, || (last, Votes::none(n)));
        while count.next + rough >= 0 && count.next >= cut.at * step {
            pair.vote(window, count.next, count.next + rough, &mut count.votes);
            count.next -= n / 4;
        }
        count.part()
    };
    let mut parts: Vec<Part> = cuts.rev().map(of_cut).collect();
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_leave_each_part_its_share_and_are_forty_at_most() {
        for (n_steps, apart) in [(200, 4), (750, 16), (4000, 84)] {
            let cuts = cuts(1000, 1000 + n_steps);
            let least = LEAST_PART.max(n_steps / 10);
            assert!(cuts.len() <= MOST_CUTS);
            assert_eq!(cuts[0], 1000 + least);
            assert!(*cuts.last().unwrap() <= 1000 + n_steps - least);
            assert!(cuts.windows(2).all(|pair| pair[1] - pair[0] == apart), "{cuts:?}");
        }
    }
}

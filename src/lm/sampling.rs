//! From logits to the next token, the same way for greedy, random and drafted text.
//!
//! The one random number that a token needs is a function of the seed and the token's position in
//! the sequence, not of how many were drawn before. So a pass that verifies several drafted tokens
//! chooses at each position what plain decoding would have chosen there, and a seed gives the same
//! text with speculation on or off.
//! Order as in vLLM: repetition penalty (<https://arxiv.org/abs/1909.05858>), temperature, min-p
//! (<https://arxiv.org/abs/2407.01082>), top-k, top-p (<https://arxiv.org/abs/1904.09751>).

use super::Error;
use crate::domain::Sampling;

/// Chooses the tokens of one sequence.
#[derive(Debug)]
pub struct Sampler {
    sampling: Sampling,
    /// Whether a token occurred; empty where nobody asks.
    seen: Vec<bool>,
    candidates: Vec<Candidate>,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    id: u32,
    /// Logit first, weight relative to the likeliest later.
    weight: f32,
}

impl Sampler {
    /// A sampler for a sequence that begins with `prompt`.
    pub fn new(sampling: Sampling, prompt: &[u32], n_vocab: usize) -> Self {
        let penalizes = (sampling.repetition_penalty - 1.0).abs() > f32::EPSILON;
        let seen = if penalizes { vec![false; n_vocab] } else { Vec::new() };
        let mut sampler = Self { sampling, seen, candidates: Vec::new() };
        for &id in prompt {
            sampler.observe(id);
        }
        sampler
    }

    /// Hears of a token that joined the sequence.
    pub fn observe(&mut self, id: u32) {
        if let Some(seen) = self.seen.get_mut(id as usize) {
            *seen = true;
        }
    }

    /// The token for a position of the sequence.
    ///
    /// Logits that are not a number are as good as absent.
    ///
    /// # Errors
    /// [`Error::NotANumber`] if no finite logit is left to choose from.
    pub fn choose(&mut self, logits: &[f32], position: usize) -> Result<u32, Error> {
        let best = self.best(logits);
        let highest = best.weight;
        if !highest.is_finite() {
            return Err(Error::NotANumber);
        }
        let Sampling { temperature, top_k, top_p, min_p, seed, .. } = self.sampling;
        if temperature <= 0.0 {
            return Ok(best.id);
        }

        // Weights are e^((logit − highest) / temperature): the likeliest has 1.
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.clear();
        for (id, logit) in (0..).zip(logits) {
            let weight = ((self.penalized(id, *logit) - highest) / temperature).exp();
            // Also false where the logit was not a number.
            if weight > 0.0 && weight >= min_p {
                candidates.push(Candidate { id, weight });
            }
        }
        let likeliest_first =
            |a: &Candidate, b: &Candidate| b.weight.total_cmp(&a.weight).then(a.id.cmp(&b.id));
        if top_k > 0 && top_k < candidates.len() {
            candidates.select_nth_unstable_by(top_k - 1, likeliest_first);
            candidates.truncate(top_k);
        }
        let sum = |candidates: &[Candidate]| -> f64 {
            candidates.iter().map(|candidate| f64::from(candidate.weight)).sum()
        };
        candidates.sort_unstable_by_key(|candidate| candidate.id);
        if top_p < 1.0 {
            let wanted = f64::from(top_p) * sum(&candidates);
            // Together, those below this weight cannot make up what the nucleus leaves out.
            let floor = f64::from(1.0 - top_p) * sum(&candidates) / candidates.len() as f64;
            candidates.retain(|candidate| f64::from(candidate.weight) >= floor);
            candidates.sort_unstable_by(likeliest_first);
            let mut reached = 0.0;
            let nucleus = candidates.iter().position(|candidate| {
                reached += f64::from(candidate.weight);
                reached >= wanted
            });
            candidates.truncate(nucleus.map_or(candidates.len(), |last| last + 1));
        }

        let mut left = uniform(seed, position as u64) * sum(&candidates);
        let drawn = candidates.iter().find(|candidate| {
            left -= f64::from(candidate.weight);
            left < 0.0
        });
        let id = drawn.or(candidates.last()).map_or(best.id, |candidate| candidate.id);
        self.candidates = candidates;
        Ok(id)
    }

    /// The likeliest token, the first among equals.
    fn best(&self, logits: &[f32]) -> Candidate {
        let mut best = Candidate { id: 0, weight: f32::NEG_INFINITY };
        for (id, logit) in (0..).zip(logits) {
            let weight = self.penalized(id, *logit);
            if weight > best.weight {
                best = Candidate { id, weight };
            }
        }
        best
    }

    fn penalized(&self, id: u32, logit: f32) -> f32 {
        let penalty = self.sampling.repetition_penalty;
        match self.seen.get(id as usize) {
            Some(true) if logit > 0.0 => logit / penalty,
            Some(true) => logit * penalty,
            _ => logit,
        }
    }
}

/// A number in 0..1 that is a function of seed and position: two rounds of `SplitMix64`.
fn uniform(seed: u64, position: u64) -> f64 {
    let bits = mix(mix(seed).wrapping_add(position));
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// The output function of `SplitMix64`, <https://doi.org/10.1145/2714064.2660195>.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [1.0, 3.0, 2.0, -1.0, 2.5];

    fn shares(sampling: Sampling, logits: &[f32], prompt: &[u32]) -> Vec<f64> {
        const DRAWS: usize = 20_000;
        let mut sampler = Sampler::new(sampling, prompt, logits.len());
        let mut shares = vec![0.0; logits.len()];
        for position in 0..DRAWS {
            shares[sampler.choose(logits, position).unwrap() as usize] += 1.0 / DRAWS as f64;
        }
        shares
    }

    /// Draws must fall as softmax over the kept tokens says, within four standard deviations.
    #[track_caller]
    fn check(sampling: Sampling, kept: &[usize]) {
        let temperature = f64::from(sampling.temperature);
        let weight = |id: &usize| (f64::from(LOGITS[*id]) / temperature).exp();
        let total: f64 = kept.iter().map(weight).sum();
        for (id, share) in shares(sampling, &LOGITS, &[]).into_iter().enumerate() {
            let expected = if kept.contains(&id) { weight(&id) / total } else { 0.0 };
            let deviation = (expected * (1.0 - expected) / 20_000.0).sqrt();
            assert!((share - expected).abs() <= 4.0 * deviation, "{id}: {share}, not {expected}");
        }
    }

    #[test]
    fn draws_follow_the_softmax() {
        check(Sampling { temperature: 1.0, ..Sampling::default() }, &[0, 1, 2, 3, 4]);
        check(Sampling { temperature: 0.5, seed: 9, ..Sampling::default() }, &[0, 1, 2, 3, 4]);
    }

    #[test]
    fn top_k_keeps_the_likeliest() {
        check(Sampling { temperature: 1.0, top_k: 2, ..Sampling::default() }, &[1, 4]);
    }

    #[test]
    fn top_p_keeps_the_nucleus() {
        // Shares are .43, .26, .16, .08 …: three of them reach 0.8.
        check(Sampling { temperature: 1.0, top_p: 0.8, ..Sampling::default() }, &[1, 4, 2]);
    }

    #[test]
    fn min_p_drops_what_is_far_below_the_likeliest() {
        check(Sampling { temperature: 1.0, min_p: 0.3, ..Sampling::default() }, &[1, 2, 4]);
    }

    #[test]
    fn zero_temperature_takes_the_first_of_the_likeliest() {
        let mut sampler = Sampler::new(Sampling::default(), &[], 3);
        assert_eq!(sampler.choose(&[1.0, 2.0, 2.0], 0).unwrap(), 1);
    }

    #[test]
    fn repetition_is_penalized_on_both_sides_of_zero() {
        let sampling = Sampling { repetition_penalty: 2.0, ..Sampling::default() };
        let mut sampler = Sampler::new(sampling, &[1], 3);
        assert_eq!(sampler.choose(&[1.5, 2.0, 0.0], 0).unwrap(), 0);
        sampler.observe(0);
        assert_eq!(sampler.choose(&[-1.0, -1.5, -1.9], 0).unwrap(), 2);
    }

    #[test]
    fn what_is_not_a_number_is_never_chosen() {
        for temperature in [0.0, 1.0] {
            let sampling = Sampling { temperature, ..Sampling::default() };
            let mut sampler = Sampler::new(sampling, &[], 3);
            for position in 0..50 {
                assert_eq!(
                    sampler.choose(&[f32::NAN, 1.0, f32::NEG_INFINITY], position).unwrap(),
                    1
                );
            }
            assert!(matches!(sampler.choose(&[f32::NAN; 3], 0), Err(Error::NotANumber)));
        }
    }

    #[test]
    fn a_position_s_draw_does_not_depend_on_the_draws_before() {
        let sampling = Sampling { temperature: 1.0, seed: 3, ..Sampling::default() };
        let mut one = Sampler::new(sampling, &[], 5);
        let all: Vec<u32> =
            (0..50).map(|position| one.choose(&LOGITS, position).unwrap()).collect();
        let mut other = Sampler::new(sampling, &[], 5);
        assert_eq!(other.choose(&LOGITS, 49).unwrap(), all[49]);
    }
}

//! How likely a token was, and what else was likely in its place.
//!
//! Natural logarithms of the softmax of the raw logits, as vLLM reports them by default
//! (`raw_logprobs`): what the model thought, whatever the sampling made of it.

use super::{Error, LanguageModel};
use crate::{
    domain::{Alternative, MAX_TOP_LOGPROBS},
    nn::kernels::{Instructions, exponentials},
};

/// Reads log-probabilities from logits.
#[derive(Debug)]
pub struct Logprobs {
    /// How many of the likeliest tokens are named.
    n_top: usize,
    instructions: Instructions,
    scores: Vec<f32>,
    /// The likeliest tokens and their logits, the likeliest first, the lower id first among equals.
    top: Vec<(u32, f32)>,
}

impl Logprobs {
    /// For a request that wants `n_top` alternatives beside each token.
    ///
    /// # Errors
    /// If it wants more than [`MAX_TOP_LOGPROBS`].
    pub fn new(n_top: usize) -> Result<Self, Error> {
        if n_top > MAX_TOP_LOGPROBS {
            return Err(Error::TopLogprobs { asked: n_top, most: MAX_TOP_LOGPROBS });
        }
        let instructions = Instructions::best();
        Ok(Self { n_top, instructions, scores: Vec::new(), top: Vec::new() })
    }

    /// The log-probability of `id`, and the likeliest tokens with theirs.
    ///
    /// Logits that are not a number are as good as absent.
    pub fn of(
        &mut self,
        model: &LanguageModel,
        logits: &[f32],
        id: u32,
    ) -> (f32, Vec<Alternative>) {
        let finite = |logit: &f32| if logit.is_nan() { f32::NEG_INFINITY } else { *logit };
        self.scores.clear();
        self.scores.extend(logits.iter().map(finite));
        let highest = highest(&self.scores);
        self.find_top();
        let normalizer = highest + exponentials(self.instructions, &mut self.scores).ln();
        let alternative = |&(id, logit): &(u32, f32)| Alternative {
            id,
            text: model.token_text(id),
            logprob: logit - normalizer,
        };
        let logprob = finite(&logits[id as usize]) - normalizer;
        (logprob, self.top.iter().map(alternative).collect())
    }

    fn find_top(&mut self) {
        self.top.clear();
        let mut floor = f32::NEG_INFINITY;
        for (id, score) in (0..).zip(&self.scores) {
            // An equal one that comes later has the higher id, and stays out.
            if *score <= floor || self.n_top == 0 {
                continue;
            }
            let place = self.top.partition_point(|(_, other)| other >= score);
            self.top.insert(place, (id, *score));
            self.top.truncate(self.n_top);
            if let Some((_, last)) = self.top.get(self.n_top - 1) {
                floor = *last;
            }
        }
    }
}

/// The highest of some numbers, eight lanes at a time.
fn highest(scores: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 8];
    let (blocks, rest) = scores.as_chunks::<8>();
    for block in blocks {
        for (lane, score) in lanes.iter_mut().zip(block) {
            *lane = if *score > *lane { *score } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::tiny::{self, N_VOCAB};
    use proptest::prelude::*;

    /// The softmax in double precision.
    fn oracle(logits: &[f32]) -> Vec<f64> {
        let sum: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
        logits.iter().map(|logit| f64::from(*logit) - sum.ln()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn log_probabilities_are_those_of_the_softmax(
            logits in prop::collection::vec((-120i16..120).prop_map(|n| f32::from(n) / 8.0), N_VOCAB),
            id in 0..N_VOCAB as u32,
            n_top in 0..=MAX_TOP_LOGPROBS,
        ) {
            let model = tiny::model(1);
            let (logprob, top) = Logprobs::new(n_top).unwrap().of(&model, &logits, id);
            let expected = oracle(&logits);
            prop_assert!((f64::from(logprob) - expected[id as usize]).abs() < 1e-4);
            let mut likeliest: Vec<u32> = (0..N_VOCAB as u32).collect();
            likeliest.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b)));
            prop_assert_eq!(top.iter().map(|token| token.id).collect::<Vec<_>>(), &likeliest[..n_top]);
            for token in top {
                prop_assert!((f64::from(token.logprob) - expected[token.id as usize]).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn what_is_not_a_number_is_no_alternative() {
        let model = tiny::model(1);
        let mut logits = vec![f32::NAN; N_VOCAB];
        (logits[7], logits[65]) = (1.0, 1.0);
        let (logprob, top) = Logprobs::new(4).unwrap().of(&model, &logits, 65);
        assert!((logprob - 0.5f32.ln()).abs() < 1e-6, "{logprob}");
        let top: Vec<_> = top.into_iter().map(|token| (token.id, token.text)).collect();
        assert_eq!(top, [(7, "\u{7}".to_owned()), (65, "A".to_owned())]);
    }

    #[test]
    fn more_alternatives_than_anybody_reads_are_refused() {
        let error = Logprobs::new(21).unwrap_err().to_string();
        assert_eq!(error, "21 alternatives are asked for each token; ask for 0 to 20");
    }
}

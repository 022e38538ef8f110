//! Single passes over a context that stays the same from one go to the next.

use std::sync::Arc;

use super::Stopwatch;
use crate::{
    domain::Sample,
    lm::{
        Error, LanguageModel,
        network::Cache,
        transformer::{Scratch, Span},
    },
    nn::kernels::Pool,
};

/// Rows of a pass that only brings the context into the cache.
const ROWS: usize = 64;

/// A model, a text, and a cache that holds the text's first tokens.
pub struct Passes {
    model: Arc<LanguageModel>,
    text: Vec<u32>,
    cache: Cache,
    scratch: Scratch,
}

impl Passes {
    /// Passes over `text`, which contexts and rows are taken from.
    ///
    /// # Errors
    /// If a token of the text is not in the model's vocabulary.
    pub fn new(model: Arc<LanguageModel>, text: Vec<u32>) -> Result<Self, Error> {
        let config = model.network().config();
        if let Some(&id) = text.iter().find(|&&id| id as usize >= config.n_vocab) {
            return Err(Error::UnknownToken { id, last: config.n_vocab - 1 });
        }
        let cache = model.network().new_cache();
        Ok(Self { model, text, cache, scratch: Scratch::default() })
    }

    /// Lets the passes share their work among the threads of `pool`; without, they have one.
    pub fn set_pool(&mut self, pool: Arc<Pool>) {
        self.scratch.set_pool(pool);
    }

    /// Tokens that a context and what comes after it may have together.
    pub fn room(&self) -> usize {
        self.text.len().min(self.model.context_length())
    }

    /// Writes `n_tokens` behind the first `context` tokens of the text, the likeliest each time.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If there is no [room](Passes::room) for them.
    pub fn decode(&mut self, context: usize, n_tokens: usize) -> Result<Sample, Error> {
        self.hold(context)?;
        let mut token = self.text[context];
        let watch = Stopwatch::start();
        for _ in 0..n_tokens {
            token = self.pass(&[token], 1)?[0];
        }
        Ok(watch.lap(n_tokens))
    }

    /// One pass over `n_rows` tokens behind the first `context`, and the likeliest after each.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If there is no [room](Passes::room) for them.
    pub fn verify(&mut self, context: usize, n_rows: usize) -> Result<Sample, Error> {
        self.hold(context)?;
        let rows = self.text[context..][..n_rows].to_vec();
        let watch = Stopwatch::start();
        self.pass(&rows, n_rows)?;
        Ok(watch.lap(n_rows))
    }

    /// The sum of what the tokens of a window were worth, `-ln p` behind those before them; the
    /// first is given.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If the window is longer than the model's context, or not of its vocabulary.
    pub fn negative_log_likelihood(&mut self, window: &[u32]) -> Result<f64, Error> {
        let n_vocab = self.model.network().config().n_vocab;
        let mut sum = 0.0;
        let mut next = window.iter().skip(1);
        self.cache.truncate(0);
        for rows in window.chunks(ROWS) {
            let logits = self.logits(rows, rows.len())?;
            for (logits, next) in logits.chunks_exact(n_vocab).zip(&mut next) {
                sum -= log_probability(logits, *next);
            }
        }
        self.cache.truncate(0);
        Ok(sum)
    }

    /// Bytes of the keys and values of `context` tokens, as a reply of that length has them.
    pub fn kv_bytes(&self, context: usize) -> u64 {
        self.model.network().cache_bytes(context)
    }

    /// Bytes of the buffers that passes use again and again.
    pub fn scratch_bytes(&self) -> u64 {
        self.scratch.n_bytes()
    }

    /// Makes the cache hold the first `context` tokens of the text, and no more.
    fn hold(&mut self, context: usize) -> Result<(), Error> {
        self.cache.truncate(context);
        let from = self.cache.len();
        let missing = self.text[from..context].to_vec();
        for rows in missing.chunks(ROWS) {
            self.logits(rows, 0)?;
        }
        Ok(())
    }

    /// The likeliest token after each of the last rows.
    fn pass(&mut self, rows: &[u32], n_logits: usize) -> Result<Vec<u32>, Error> {
        let n_vocab = self.model.network().config().n_vocab;
        Ok(self.logits(rows, n_logits)?.chunks_exact(n_vocab).map(likeliest).collect())
    }

    fn logits(&mut self, rows: &[u32], n_logits: usize) -> Result<&[f32], Error> {
        let span = Span::chain(rows, &mut self.cache, n_logits);
        // Nobody cancels here.
        Ok(self.model.network().forward(vec![span], &mut self.scratch, &mut || Ok(()))?)
    }
}

fn likeliest(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
    best.map_or(0, |(id, _)| id as u32)
}

/// Of the token `id` under a softmax of the logits.
fn log_probability(logits: &[f32], id: u32) -> f64 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - highest).exp()).sum();
    f64::from(logits[id as usize] - highest) - sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::tiny;

    fn text(n: usize) -> Vec<u32> {
        (0..n as u32).map(|i| (i * 37 + 11) % 256).collect()
    }

    #[test]
    fn a_go_leaves_the_context_as_the_next_go_wants_it() {
        let mut passes = Passes::new(tiny::model(1), text(100)).unwrap();
        assert_eq!(passes.decode(40, 5).unwrap().n_tokens, 5);
        let rows = passes.text[40..48].to_vec();
        passes.hold(40).unwrap();
        let first = passes.pass(&rows, 8).unwrap();
        assert_eq!(passes.verify(40, 8).unwrap().n_tokens, 8);
        passes.hold(3).unwrap();
        passes.hold(40).unwrap();
        assert_eq!(passes.pass(&rows, 8).unwrap(), first);
    }

    #[test]
    fn likelihoods_are_those_of_the_rows_one_by_one() {
        let mut passes = Passes::new(tiny::model(2), text(100)).unwrap();
        let together = passes.negative_log_likelihood(&text(90)).unwrap();
        let mut alone = 0.0;
        for pair in text(90).windows(2) {
            alone -= log_probability(passes.logits(&pair[..1], 1).unwrap(), pair[1]);
        }
        assert!((together - alone).abs() < 1e-9 * alone, "{together} is not {alone}");
    }

    #[test]
    fn probabilities_sum_to_one() {
        let logits = [3.0, -1.0, 0.5, 900.0, 899.0];
        let sum: f64 = (0..5).map(|id| log_probability(&logits, id).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    }

    #[test]
    fn a_text_of_another_vocabulary_is_refused() {
        assert!(Passes::new(tiny::model(1), vec![1, 9999]).is_err());
    }
}

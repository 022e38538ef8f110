//! A smaller model of the same vocabulary guesses, token by token, the likeliest each time.
//!
//! After "Fast Inference from Transformers via Speculative Decoding",
//! <https://arxiv.org/abs/2211.17192>, with guesses that are not sampled.

use std::sync::Arc;

use super::{About, Draft, Drafter, Limits};
use crate::{
    domain::Method,
    lm::{
        Error, LanguageModel,
        kept::common_prefix,
        network::Cache,
        transformer::{Scratch, Span},
    },
    nn::kernels::Pool,
};

/// Rows of the text that are read before a draft: a prompt takes several steps, which stay short.
const MOST_ROWS: usize = 128;

/// The drafter of one reply.
pub struct DraftModel {
    model: Arc<LanguageModel>,
    draft_tokens: usize,
    min_probability: f32,
    cache: Cache,
    /// The tokens that the cache holds.
    held: Vec<u32>,
    scratch: Scratch,
}

impl DraftModel {
    /// For a reply of `target`.
    ///
    /// # Errors
    /// If the smaller model has another vocabulary.
    pub fn new(
        model: Arc<LanguageModel>,
        target: &LanguageModel,
        draft_tokens: usize,
        min_probability: f32,
        pool: Arc<Pool>,
    ) -> Result<Self, Error> {
        let sizes = [&*model, target].map(|model| model.network().config().n_vocab);
        if sizes[0] != sizes[1] || model.vocabulary_hash() != target.vocabulary_hash() {
            return Err(Error::Speculation(format!(
                "{} cannot draft for {}: their vocabularies differ ({} and {} tokens); take a model \
                 of the same family",
                model.name(),
                target.name(),
                sizes[0],
                sizes[1],
            )));
        }
        let mut scratch = Scratch::default();
        scratch.set_pool(pool);
        let (cache, held) = (model.network().new_cache(), Vec::new());
        Ok(Self { model, draft_tokens, min_probability, cache, held, scratch })
    }

    /// Reads tokens; the likeliest next one and how likely it is.
    fn read(&mut self, tokens: &[u32]) -> Option<(u32, f32)> {
        let span = Span::chain(tokens, &mut self.cache, 1);
        // A pass that failed leaves no draft; whether the device is broken the reply will tell.
        let logits = self.model.network().forward(vec![span], &mut self.scratch, &mut || Ok(()));
        let found = logits.ok().map(likeliest);
        self.held.extend_from_slice(tokens);
        self.held.truncate(self.cache.len());
        found
    }
}

impl Drafter for DraftModel {
    fn n_bytes(&self) -> u64 {
        self.model.n_bytes() + self.cache.n_bytes()
    }

    fn draft(&mut self, context: &[u32], limits: Limits) -> Draft {
        let n_tokens = self.draft_tokens.min(limits.n_tokens).min(limits.depth);
        // The last token is read again if need be, to learn what follows it.
        let known = common_prefix(&self.held, &context[..context.len() - 1])
            .min(self.model.context_length());
        self.cache.truncate(known);
        self.held.truncate(known);
        let unread = &context[known..];
        if context.len() + n_tokens > self.model.context_length() || n_tokens == 0 {
            return Draft::default();
        }
        if unread.len() > MOST_ROWS {
            self.read(&unread[..MOST_ROWS]);
            return Draft::default();
        }
        let mut next = self.read(unread);
        let (mut tokens, mut probabilities) = (Vec::new(), Vec::new());
        while let Some((token, probability)) = next
            && probability >= self.min_probability
        {
            tokens.push(token);
            probabilities.push(probability);
            if tokens.len() == n_tokens {
                break;
            }
            next = self.read(&[token]);
        }
        let about = About { method: Some(Method::Draft), ..About::default() };
        Draft::chain(tokens).with_probabilities(probabilities).with_about(about)
    }
}

fn likeliest(logits: &[f32]) -> (u32, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (id, logit) in (0..).zip(logits) {
        if *logit > best.1 {
            best = (id, *logit);
        }
    }
    let total: f32 = logits.iter().map(|logit| (logit - best.1).exp()).sum();
    (best.0, 1.0 / total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Sampling, Speculative},
        lm::{
            AdapterSet, Scheduler, SequenceEvent, SequenceRequest,
            tiny::{self, TinyFile},
        },
    };
    use candle_core::quantized::gguf_file::Value;

    fn request(model: &Arc<LanguageModel>, temperature: f32) -> SequenceRequest {
        SequenceRequest {
            model: Arc::clone(model),
            adapters: AdapterSet::default(),
            prompt: (0..30).collect(),
            sampling: Sampling { temperature, seed: 3, ..Sampling::default() },
            max_tokens: 40,
            speculative: Speculative::None,
            top_logprobs: 0,
        }
    }

    /// The text, how much was drafted and how much of that stood.
    fn written(
        request: SequenceRequest,
        drafter: Option<Box<dyn Drafter>>,
    ) -> (Vec<u32>, usize, usize) {
        let mut scheduler = Scheduler::default();
        scheduler.add_with_drafter(request, drafter).unwrap();
        let (mut text, mut drafted, mut accepted) = (Vec::new(), 0, 0);
        while !scheduler.is_idle() {
            for (_, event) in scheduler.step() {
                if let SequenceEvent::Step(step) = event {
                    text.extend(step.token_ids());
                    drafted += step.drafted;
                    accepted += step.accepted;
                }
            }
        }
        (text, drafted, accepted)
    }

    #[test]
    fn a_model_that_drafts_changes_no_word_and_drafts_for_itself_without_error() {
        let target = tiny::model(1);
        for temperature in [0.0, 0.9] {
            let plain = written(request(&target, temperature), None).0;
            for seed in [1, 2] {
                let model = tiny::model(seed);
                let drafter = DraftModel::new(model, &target, 4, 0.0, Arc::default()).unwrap();
                let drafted = written(request(&target, temperature), Some(Box::new(drafter)));
                assert_eq!(drafted.0, plain);
                assert!(drafted.1 > 0);
                if seed == 1 && temperature == 0.0 {
                    // Its last draft may reach beyond the end of the reply.
                    assert!(drafted.2 + 4 >= drafted.1, "{} of {}", drafted.2, drafted.1);
                }
            }
        }
    }

    #[test]
    fn a_model_of_another_vocabulary_is_refused() {
        let mut file = TinyFile::new(1);
        for (key, value) in &mut file.values {
            if let ("tokenizer.ggml.tokens", Value::Array(tokens)) = (key.as_str(), value) {
                tokens[256] = Value::String("<|im_begin|>".to_owned());
            }
        }
        let other = Arc::new(file.load().unwrap());
        let refused = DraftModel::new(other, &tiny::model(1), 4, 0.0, Arc::default());
        let why = refused.err().unwrap().to_string();
        assert!(why.contains("their vocabularies differ (258 and 258 tokens)"), "{why}");
    }
}

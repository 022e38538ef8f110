//! From what is asked for to who does it.

use std::sync::Arc;

use super::{
    Adaptive, Costs, Documents, DraftModel, Drafter, Eagle3, Eagle3Head, Ngram, PastReplies,
    Retrieval, Suffix,
};
use crate::{
    domain::{DraftShape, Method, Occurrence, Speculative},
    lm::{Error, LanguageModel, SequenceRequest},
    nn::kernels::Pool,
};

/// What drafters draw from beside the text.
#[derive(Clone, Default)]
pub struct Sources {
    /// Replies of the same vocabulary.
    pub past: PastReplies,
    /// Documents in its tokens.
    pub documents: Option<Arc<Documents>>,
    /// A smaller model.
    pub draft_model: Option<Arc<LanguageModel>>,
    /// An EAGLE-3 head.
    pub head: Option<Arc<Eagle3Head>>,
    /// What passes of the model cost.
    pub costs: Costs,
    /// Threads that drafting shares its work among.
    pub pool: Arc<Pool>,
}

impl Sources {
    /// The same without what earlier replies have taught, and without passing anything on.
    #[must_use]
    pub fn forgetful(&self) -> Self {
        Self { past: PastReplies::default(), costs: Costs::default(), ..self.clone() }
    }
}

/// Makes the drafter that a request asks for; none without speculation.
///
/// # Errors
/// If an option is out of range, or what the method draws from is not there.
pub fn build(
    request: &SequenceRequest,
    sources: &Sources,
) -> Result<Option<Box<dyn Drafter>>, Error> {
    if let Some(problem) = request.speculative.problem() {
        return Err(Error::Speculation(problem));
    }
    let label = request.speculative.label();
    let missing = |what: &str| Error::Speculation(format!("{label} is without {what}"));
    let (model, pool) = (&request.model, || Arc::clone(&sources.pool));
    Ok(Some(match request.speculative {
        Speculative::None => return Ok(None),
        Speculative::Ngram { min, max, draft_tokens, occurrence } => {
            Box::new(Ngram { min, max, draft_tokens, occurrence })
        }
        Speculative::Suffix { draft_tokens, depth, min_probability } => {
            let (n_prompt, past) = (request.prompt.len(), sources.past.clone());
            Box::new(Suffix::new(draft_tokens, depth, min_probability, n_prompt, past))
        }
        Speculative::Retrieval { draft_tokens, min, max, .. } => {
            let documents = sources.documents.clone().ok_or_else(|| missing("its documents"))?;
            Box::new(Retrieval { documents, min, max, draft_tokens })
        }
        Speculative::Draft { draft_tokens, min_probability, .. } => {
            let smaller = sources.draft_model.clone().ok_or_else(|| missing("its model"))?;
            Box::new(DraftModel::new(smaller, model, draft_tokens, min_probability, pool())?)
        }
        Speculative::Eagle3 { draft_tokens, shape, min_probability, .. } => {
            let head = sources.head.clone().ok_or_else(|| missing("its head"))?;
            let model = Arc::clone(model);
            Box::new(Eagle3::new(head, model, draft_tokens, shape, min_probability, pool())?)
        }
        Speculative::Adaptive { draft_tokens, .. } => {
            Box::new(adaptive(request, sources, draft_tokens)?)
        }
    }))
}

/// Chooses from what the text and past replies say, and from a head if there is one.
fn adaptive(
    request: &SequenceRequest,
    sources: &Sources,
    draft_tokens: usize,
) -> Result<Adaptive, Error> {
    let n_prompt = request.prompt.len();
    let occurrence = Occurrence::Latest;
    let ngram = Ngram { min: 3, max: 8, draft_tokens, occurrence };
    let suffix = Suffix::new(draft_tokens, 24, 0.1, n_prompt, sources.past.clone());
    let cheap: Vec<(Method, Box<dyn Drafter>)> =
        vec![(Method::Suffix, Box::new(suffix)), (Method::Ngram, Box::new(ngram))];
    let mut others: Vec<(Method, Box<dyn Drafter>)> = Vec::new();
    if let Some(head) = &sources.head {
        let (head, model) = (Arc::clone(head), Arc::clone(&request.model));
        let (n_tokens, pool) = (draft_tokens.min(4), Arc::clone(&sources.pool));
        let head = Eagle3::new(head, model, n_tokens, DraftShape::Chain, 0.2, pool)?;
        others.push((Method::Eagle3, Box::new(head)));
    }
    Ok(Adaptive::new(cheap, others, draft_tokens, sources.costs.clone()))
}

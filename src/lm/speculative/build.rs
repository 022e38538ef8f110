//! From what is asked for to who does it.

use std::sync::Arc;

use super::{Documents, Drafter, Ngram, PastReplies, Retrieval, Suffix};
use crate::{
    domain::Speculative,
    lm::{Error, SequenceRequest},
};

/// What drafters draw from beside the text.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Replies of the same vocabulary.
    pub past: PastReplies,
    /// Documents in its tokens.
    pub documents: Option<Arc<Documents>>,
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
        Speculative::Draft { .. } | Speculative::Eagle3 { .. } | Speculative::Adaptive { .. } => {
            let why = format!("{label} is not among the methods of this version; choose another");
            return Err(Error::Speculation(why));
        }
    }))
}

//! Which drafted tokens stand: those that the model would have said anyway.
//!
//! A draft that was not sampled stands for a distribution with all its mass on one token, for which
//! rejection sampling (<https://arxiv.org/abs/2211.17192>) comes down to this: draw from the model
//! at each position and go on while the draw equals the draft. As draws are keyed by position, the
//! text is the same as without a draft, greedy or not.

/// What the model says after its context, as far as `draft` guessed it and one token further.
///
/// `choose` draws the token after the first `n` drafted ones.
///
/// # Errors
/// Whatever `choose` failed with.
pub fn accept<E>(
    draft: &[u32],
    mut choose: impl FnMut(usize) -> Result<u32, E>,
) -> Result<Vec<u32>, E> {
    let mut tokens = Vec::new();
    loop {
        let token = choose(tokens.len())?;
        let guessed = draft.get(tokens.len()) == Some(&token);
        tokens.push(token);
        if !guessed {
            return Ok(tokens);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(draft: &[u32], said: &[u32], expected: &[u32]) {
        let tokens = accept(draft, |n| Ok::<_, ()>(said[n]));
        assert_eq!(tokens.unwrap(), expected);
    }

    #[test]
    fn a_right_draft_brings_one_token_more() {
        check(&[1, 2], &[1, 2, 3], &[1, 2, 3]);
    }

    #[test]
    fn the_first_wrong_token_is_replaced_and_ends_the_pass() {
        check(&[1, 9, 3], &[1, 2, 3, 4], &[1, 2]);
    }

    #[test]
    fn without_a_draft_there_is_one_token() {
        check(&[], &[7], &[7]);
    }
}

//! Which drafted tokens stand: those that the model would have said anyway.
//!
//! A draft that was not sampled stands for a distribution with all its mass on one token, for which
//! rejection sampling (<https://arxiv.org/abs/2211.17192>) comes down to this: draw from the model
//! at each position and go on while the draw equals a drafted child. As draws are keyed by position,
//! the text is the same as without a draft, greedy or not, from a chain or a tree.

use super::Draft;

/// What came of a draft.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// What the model says after its context, as far as the draft guessed it and one token further.
    pub tokens: Vec<u32>,
    /// The row of the pass that each token was drawn from: 0 is the context's last token, `i + 1`
    /// the draft's node `i`. The tokens of all but the first row are drafted ones that stand.
    pub rows: Vec<usize>,
}

/// Goes from the context into the draft for as long as the model says what was guessed.
///
/// `choose` draws the token after a row; it is asked once for each position, in order.
///
/// # Errors
/// Whatever `choose` failed with.
pub fn accept<E>(
    draft: &Draft,
    mut choose: impl FnMut(usize) -> Result<u32, E>,
) -> Result<Accepted, E> {
    let mut accepted = Accepted::default();
    let mut at: Option<usize> = None;
    loop {
        let row = at.map_or(0, |node| node + 1);
        let token = choose(row)?;
        accepted.rows.push(row);
        accepted.tokens.push(token);
        at = draft.child(at, token);
        if at.is_none() {
            return Ok(accepted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::speculative::Node;

    /// `said[row]` is what the model says after a row.
    #[track_caller]
    fn check(draft: &Draft, said: &[u32], tokens: &[u32], rows: &[usize]) {
        let accepted = accept(draft, |row| Ok::<_, ()>(said[row])).unwrap();
        assert_eq!((accepted.tokens.as_slice(), accepted.rows.as_slice()), (tokens, rows));
    }

    #[test]
    fn a_right_draft_brings_one_token_more() {
        check(&Draft::chain([1, 2]), &[1, 2, 3], &[1, 2, 3], &[0, 1, 2]);
    }

    #[test]
    fn the_first_wrong_token_is_replaced_and_ends_the_pass() {
        check(&Draft::chain([1, 9, 3]), &[1, 2, 3, 4], &[1, 2], &[0, 1]);
    }

    #[test]
    fn without_a_draft_there_is_one_token() {
        check(&Draft::default(), &[7], &[7], &[0]);
    }

    #[test]
    fn the_branch_that_the_model_takes_is_followed() {
        let node = |token, parent| Node { token, parent };
        let draft =
            Draft::tree(vec![node(1, None), node(2, None), node(5, Some(0)), node(6, Some(1))]);
        check(&draft, &[2, 0, 6, 0, 8], &[2, 6, 8], &[0, 2, 4]);
        check(&draft, &[2, 0, 5, 0, 8], &[2, 5], &[0, 2]);
    }
}

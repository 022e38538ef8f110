//! A guard on attention: a decoder may look only a little back and a little ahead of where it has
//! come, so that it cannot skip or repeat a stretch of text.

use std::ops::Range;

use crate::domain::AttentionWindow;

/// How far a decoder has come, and what it may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    window: Option<AttentionWindow>,
    position: usize,
}

impl Guard {
    /// At the beginning of a sentence.
    pub fn new(window: Option<AttentionWindow>) -> Self {
        Self { window, position: 0 }
    }

    /// The phonemes that may be looked at, of `n_phonemes`.
    pub fn allowed(&self, n_phonemes: usize) -> Range<usize> {
        match self.window {
            None => 0..n_phonemes,
            Some(AttentionWindow { back, ahead }) => {
                let last = (self.position + ahead as usize).min(n_phonemes.saturating_sub(1));
                self.position.saturating_sub(back as usize)..last + 1
            }
        }
    }

    /// Takes note of where the decoder looked.
    pub fn advance(&mut self, weights: &[f32]) {
        let place = (0..weights.len()).max_by(|&a, &b| weights[a].total_cmp(&weights[b]));
        self.position = place.unwrap_or(0);
    }

    /// Whether the decoder may end: with a window, not before it has come to the last two phonemes.
    pub fn may_end(&self, n_phonemes: usize) -> bool {
        self.window.is_none() || self.position + 2 >= n_phonemes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_goes_with_the_decoder() {
        let mut guard = Guard::new(Some(AttentionWindow { back: 1, ahead: 2 }));
        assert_eq!(guard.allowed(6), 0..3);
        guard.advance(&[0.0, 0.1, 0.7, 0.2, 0.0, 0.0]);
        assert_eq!(guard.allowed(6), 1..5);
        assert!(!guard.may_end(6));
        guard.advance(&[0.0, 0.0, 0.0, 0.0, 0.8, 0.2]);
        assert_eq!(guard.allowed(6), 3..6);
        assert!(guard.may_end(6));
        let free = Guard::new(None);
        assert_eq!(free.allowed(6), 0..6);
        assert!(free.may_end(6));
    }
}

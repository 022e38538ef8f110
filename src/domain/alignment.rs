//! Which phoneme is heard in which frame.

use serde::{Deserialize, Serialize};

/// Durations of phonemes, in frames; the hard alignment of models with a duration predictor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alignment {
    /// Frames of each phoneme, in order; a phoneme may have none.
    pub durations: Vec<u32>,
}

impl Alignment {
    /// How many frames the phonemes take together.
    pub fn n_frames(&self) -> usize {
        self.durations.iter().map(|&frames| frames as usize).sum()
    }

    /// First frame of each phoneme, and one past the last frame: `n_phonemes + 1` values.
    pub fn boundaries(&self) -> Vec<usize> {
        let mut boundaries = Vec::with_capacity(self.durations.len() + 1);
        let mut frame_idx = 0;
        boundaries.push(0);
        for &frames in &self.durations {
            frame_idx += frames as usize;
            boundaries.push(frame_idx);
        }
        boundaries
    }

    /// The phoneme heard in a frame; `None` past the end.
    pub fn phoneme_at(&self, frame_idx: usize) -> Option<usize> {
        let mut end = 0;
        self.durations.iter().position(|&frames| {
            end += frames as usize;
            frame_idx < end
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_belongs_to_the_phoneme_that_spans_it() {
        let alignment = Alignment { durations: vec![2, 0, 3] };
        let heard: Vec<_> = (0..6).map(|frame| alignment.phoneme_at(frame)).collect();
        assert_eq!(heard, [Some(0), Some(0), Some(2), Some(2), Some(2), None]);
        assert_eq!(alignment.boundaries(), [0, 2, 2, 5]);
        assert_eq!(alignment.n_frames(), 5);
    }
}

//! The panels over the common time base: which there are, and how high each is.

use eframe::egui::Rangef;
use serde::{Deserialize, Serialize};

/// A panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Samples.
    Waveform,
    /// Mel spectrogram.
    Mel,
    /// Words.
    Words,
    /// Phonemes.
    Phonemes,
    /// Phoneme over time.
    Alignment,
    /// Fundamental frequency.
    Pitch,
    /// Energy.
    Energy,
    /// What the voice made on the way.
    Inside,
}

/// Height of a tier.
const TIER: f32 = 21.0;

/// Room between two panels, in which the handle lies.
pub const GAP: f32 = 6.0;

/// The least that a panel shrinks to by its handle.
const MIN_HEIGHT: f32 = 36.0;

impl Lane {
    /// Every panel, from top to bottom.
    pub const ALL: [Self; 8] = [
        Self::Waveform,
        Self::Mel,
        Self::Words,
        Self::Phonemes,
        Self::Alignment,
        Self::Pitch,
        Self::Energy,
        Self::Inside,
    ];

    /// On its chip.
    pub fn label(self) -> &'static str {
        match self {
            Self::Waveform => "Waveform",
            Self::Mel => "Mel",
            Self::Words => "Words",
            Self::Phonemes => "Phonemes",
            Self::Alignment => "Alignment",
            Self::Pitch => "F0",
            Self::Energy => "Energy",
            Self::Inside => "Inside",
        }
    }

    /// At its y axis, with the unit.
    pub fn title(self) -> &'static str {
        match self {
            Self::Waveform => "Amplitude (FS)",
            Self::Mel => "Mel band (Hz)",
            Self::Words => "Words",
            Self::Phonemes => "Phonemes",
            Self::Alignment => "Phoneme",
            Self::Pitch => "F0 (Hz)",
            Self::Energy => "Energy (L2)",
            Self::Inside => "Inside",
        }
    }

    /// What it shows, for its chip's tooltip.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Waveform => "Samples, of full scale",
            Self::Mel => "Mel spectrogram: the frames that the vocoder sounds",
            Self::Words => "Words; dots mark a guessed pronunciation, a line one of your own",
            Self::Phonemes => "Phonemes in ARPAbet",
            Self::Alignment => {
                "Which phoneme is heard in which frame; of a Tacotron, which one each decoder step looked at"
            }
            Self::Pitch => "Fundamental frequency: measured as a line, predicted as bars",
            Self::Inside => {
                "What the voice made on the way: Matcha-TTS's steps from noise to mel, a Tacotron's CBHG"
            }
            Self::Energy => {
                "Energy, the L2 norm over linear mel bands: measured as a line, predicted as bars"
            }
        }
    }

    fn idx(self) -> usize {
        self as usize
    }

    /// Tiers have one height, everything else shares what is left.
    fn is_tier(self) -> bool {
        matches!(self, Self::Words | Self::Phonemes)
    }
}

/// What the user made of the panels; kept from one start to the next.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LaneLayout {
    shown: [bool; Lane::ALL.len()],
    /// Shares of the height; those of tiers are unused.
    weights: [f32; Lane::ALL.len()],
}

impl Default for LaneLayout {
    fn default() -> Self {
        Self {
            shown: [true, true, true, true, false, true, true, false],
            weights: [1.0, 2.6, 0.0, 0.0, 1.4, 1.1, 0.8, 1.2],
        }
    }
}

impl LaneLayout {
    /// The panels of each of several takes at the first start: as few as tell them apart.
    pub fn compared() -> Self {
        Self { shown: [true, true, false, true, false, false, false, false], ..Self::default() }
    }

    /// Whether a panel is there.
    pub fn shows(&self, lane: Lane) -> bool {
        self.shown[lane.idx()]
    }

    /// Shows a panel, or puts it away.
    pub fn toggle(&mut self, lane: Lane) {
        self.shown[lane.idx()] ^= true;
    }

    /// The panels that are there.
    pub fn shown(&self) -> impl DoubleEndedIterator<Item = Lane> {
        let shown = self.shown;
        Lane::ALL.into_iter().filter(move |lane| shown[lane.idx()])
    }

    /// Where each panel lies between `y.min` and `y.max`.
    pub fn place(&self, y: Rangef) -> Vec<(Lane, Rangef)> {
        let lanes: Vec<Lane> = self.shown().collect();
        let scale = self.points_per_weight(y.span());
        let mut top = y.min;
        let place = |lane: Lane| {
            let height = if lane.is_tier() { TIER } else { self.weights[lane.idx()] * scale };
            let place = Rangef::new(top, top + height);
            top += height + GAP;
            (lane, place)
        };
        lanes.into_iter().map(place).collect()
    }

    fn points_per_weight(&self, height: f32) -> f32 {
        let n_lanes = self.shown().count();
        let tiers = self.shown().filter(|lane| lane.is_tier()).count() as f32 * TIER;
        let gaps = n_lanes.saturating_sub(1) as f32 * GAP;
        let weights: f32 =
            self.shown().filter(|lane| !lane.is_tier()).map(|lane| self.weights[lane.idx()]).sum();
        if weights > 0.0 { (height - tiers - gaps).max(0.0) / weights } else { 0.0 }
    }

    /// The panels whose border the handle below `lane` moves: the nearest above and below it that
    /// are not tiers.
    pub fn split(&self, lane: Lane) -> Option<(Lane, Lane)> {
        let above = self.shown().rev().find(|other| other.idx() <= lane.idx() && !other.is_tier());
        let below = self.shown().find(|other| other.idx() > lane.idx() && !other.is_tier());
        above.zip(below)
    }

    /// Moves the border below `lane` by `dy` points, in a stack of `height` points.
    pub fn drag(&mut self, lane: Lane, dy: f32, height: f32) {
        let scale = self.points_per_weight(height);
        let Some((above, below)) = self.split(lane) else { return };
        if scale <= 0.0 {
            return;
        }
        let min = MIN_HEIGHT / scale;
        let (a, b) = (self.weights[above.idx()], self.weights[below.idx()]);
        // Neither shrinks below the least, nor grows while it is below it already.
        let delta = (dy / scale).clamp((min - a).min(0.0), (b - min).max(0.0));
        self.weights[above.idx()] = a + delta;
        self.weights[below.idx()] = b - delta;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn panels_fill_the_height_whatever_is_shown(
            hidden in prop::collection::vec(0_usize..7, 0..5), height in 260.0_f32..1500.0,
            drags in prop::collection::vec((0_usize..7, -300.0_f32..300.0), 0..8),
        ) {
            let mut layout = LaneLayout::default();
            for idx in hidden {
                layout.shown[idx] = false;
            }
            layout.shown[1] = true;
            for (idx, dy) in drags {
                layout.drag(Lane::ALL[idx], dy, height);
            }
            let places = layout.place(Rangef::new(100.0, 100.0 + height));
            let end = places.last().unwrap().1.max;
            prop_assert!((end - 100.0 - height).abs() < 0.5, "ends at {end}");
            for pair in places.windows(2) {
                prop_assert!((pair[1].1.min - pair[0].1.max - GAP).abs() < 1e-3);
                prop_assert!(pair[0].1.span() >= 0.0);
            }
        }
    }

    #[test]
    fn a_handle_moves_the_border_of_the_panels_around_it() {
        let mut layout = LaneLayout::default();
        let height = 600.0;
        let before = layout.place(Rangef::new(0.0, height));
        // The handle below the phonemes lies between mel and pitch, over two tiers.
        assert_eq!(layout.split(Lane::Phonemes), Some((Lane::Mel, Lane::Pitch)));
        layout.drag(Lane::Phonemes, 30.0, height);
        let after = layout.place(Rangef::new(0.0, height));
        assert!((after[1].1.span() - before[1].1.span() - 30.0).abs() < 0.01);
        assert!((after[4].1.span() - before[4].1.span() + 30.0).abs() < 0.01);
        assert_eq!(layout.split(Lane::Energy), None);
    }
}

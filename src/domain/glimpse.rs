//! What a voice makes on the way from symbols to the mel, as small pictures.

/// Pictures of one sentence at most.
const MAX_STEPS: usize = 8;

/// Columns of a picture at most; a longer one is thinned.
const MAX_WIDTH: usize = 400;

/// Levels of a mel that a picture spans, from its floor to a loud vowel: those of all mel pictures.
const MEL_LEVELS: [f32; 2] = [-11.5, 1.0];

/// What a picture shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GlimpseKind {
    /// A mel on its way from noise, at a time from 0 to 1 of the flow.
    FlowStep {
        /// From 0, noise, to 1, the mel.
        time: f32,
    },
    /// What the CBHG of an encoder makes of the symbols: a column each.
    EncoderCbhg,
    /// What the CBHG of a post-net makes of the mel: a column each frame.
    PostnetCbhg,
}

/// A picture of what lies between symbols and mel.
#[derive(Debug, Clone, PartialEq)]
pub struct Glimpse {
    /// What it shows.
    pub kind: GlimpseKind,
    /// Columns: frames, or symbols.
    pub width: usize,
    /// Rows: mel bands, or channels.
    pub height: usize,
    /// `(width, height)`, column by column from the lowest row, in 256 steps of what it spans.
    pub levels: Vec<u8>,
}

impl Glimpse {
    /// A mel of the flow, given as `(n_frames, n_mels)` natural logarithms.
    pub fn flow_step(time: f32, frames: &[f32], n_mels: usize) -> Self {
        let columns = frames.chunks_exact(n_mels.max(1));
        let every = columns.len().div_ceil(MAX_WIDTH).max(1);
        let thinned: Vec<&[f32]> = columns.step_by(every).collect();
        let levels = thinned.iter().flat_map(|frame| frame.iter().map(|&ln| level(ln, MEL_LEVELS)));
        Self {
            kind: GlimpseKind::FlowStep { time },
            width: thinned.len(),
            height: n_mels,
            levels: levels.collect(),
        }
    }

    /// What a CBHG made of symbols, given as `(n_symbols, n_channels)` values from −1 to 1.
    pub fn encoder_cbhg(columns: &[f32], n_channels: usize) -> Self {
        Self::cbhg(GlimpseKind::EncoderCbhg, columns, n_channels)
    }

    /// What a CBHG made of a mel, given as `(n_frames, n_channels)` values from −1 to 1.
    pub fn postnet_cbhg(columns: &[f32], n_channels: usize) -> Self {
        Self::cbhg(GlimpseKind::PostnetCbhg, columns, n_channels)
    }

    fn cbhg(kind: GlimpseKind, columns: &[f32], n_channels: usize) -> Self {
        let columns = columns.chunks_exact(n_channels.max(1));
        let every = columns.len().div_ceil(MAX_WIDTH).max(1);
        let thinned: Vec<&[f32]> = columns.step_by(every).collect();
        let values = thinned.iter().flat_map(|column| column.iter());
        Self {
            kind,
            width: thinned.len(),
            height: n_channels,
            levels: values.map(|&value| level(value, [-1.0, 1.0])).collect(),
        }
    }

    /// Whether a step of so many is kept as a picture: the first, and others evenly over the rest.
    pub fn keeps_step(step: usize, n_steps: usize) -> bool {
        let kept = (MAX_STEPS - 1).min(n_steps);
        // The end is kept beside these.
        kept == 0 || (0..kept).any(|n| n * n_steps / kept == step)
    }
}

fn level(value: f32, [low, high]: [f32; 2]) -> u8 {
    // What is not a number is dark.
    ((value - low) / (high - low) * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_span_what_is_drawn() {
        let glimpse = Glimpse::flow_step(0.5, &[-11.5, 1.0, -99.0, 99.0, f32::NAN, -5.25], 2);
        assert_eq!((glimpse.width, glimpse.height), (3, 2));
        assert_eq!(glimpse.levels, [0, 255, 0, 255, 0, 128]);
        assert_eq!(Glimpse::encoder_cbhg(&[-1.0, 0.0, 1.0], 3).levels, [0, 128, 255]);
    }

    #[test]
    fn minutes_of_speech_are_small_pictures() {
        let frames = vec![0.0; 20_000 * 80];
        let glimpse = Glimpse::flow_step(0.0, &frames, 80);
        assert!(glimpse.width <= MAX_WIDTH && glimpse.levels.len() == glimpse.width * 80);
        let glimpse = Glimpse::postnet_cbhg(&frames, 80);
        assert!(glimpse.width <= MAX_WIDTH && glimpse.levels.len() == glimpse.width * 80);
    }

    #[test]
    fn few_steps_are_all_kept_and_many_thinned() {
        for n_steps in 1..=100 {
            let kept: Vec<usize> =
                (0..n_steps).filter(|step| Glimpse::keeps_step(*step, n_steps)).collect();
            assert_eq!(kept[0], 0, "noise is kept");
            assert_eq!(kept.len(), n_steps.min(MAX_STEPS - 1), "{n_steps} steps: {kept:?}");
        }
    }
}

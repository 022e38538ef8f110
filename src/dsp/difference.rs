//! Two mels compared cell by cell: how much louder the one is than the other, in decibels.

use super::{
    picture::Picture,
    warp::{warp_by_distance, warp_by_durations},
};
use crate::domain::MelSpectrogram;

/// dB of one unit of the natural logarithm of a magnitude: `20 / ln 10`.
const DB_PER_LN: f32 = 8.685_89;

/// Differences from here on have the colour of the ends, in dB.
pub const WIDEST_DB: f32 = 20.0;

/// How time of one sound was laid onto the other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlignedBy {
    /// Both say the same symbols, whose borders are known.
    Symbols,
    /// By likeness: dynamic time warping.
    Warping,
}

impl AlignedBy {
    /// In words.
    pub fn label(self) -> &'static str {
        match self {
            Self::Symbols => "aligned by phoneme",
            Self::Warping => "aligned by dynamic time warping",
        }
    }
}

/// A sound as it is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// Its mel.
    pub mel: MelSpectrogram,
    /// What it says, symbol by symbol; empty where nobody knows.
    pub symbols: Vec<String>,
    /// Frames of each symbol.
    pub durations: Vec<u32>,
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct MelDifference {
    /// `(n_frames, n_mels)`, row-major, on the first sound's frames: its level less the second's, in
    /// dB.
    pub db: Vec<f32>,
    /// Mel bands.
    pub n_mels: usize,
    /// How the frames were laid onto each other.
    pub aligned_by: AlignedBy,
    /// Mean over all cells, in dB.
    pub mean_db: f32,
    /// Mean of the magnitudes over all cells, in dB.
    pub mean_abs_db: f32,
}

/// Compares two sounds.
///
/// # Errors
/// Why not, in words: one is empty, or they have other bands or frames.
pub fn mel_difference(first: &Compared, second: &Compared) -> Result<MelDifference, String> {
    let (a, b) = (&first.mel.config, &second.mel.config);
    let n_mels = a.n_mels;
    if n_mels != b.n_mels || (a.f_min, a.f_max) != (b.f_min, b.f_max) {
        return Err(format!(
            "their bands differ: {n_mels} from {} to {} Hz, and {} from {} to {} Hz",
            a.f_min, a.f_max, b.n_mels, b.f_min, b.f_max
        ));
    }
    let says_the_same = !first.symbols.is_empty()
        && first.symbols == second.symbols
        && covers(first)
        && covers(second);
    let by_symbols =
        says_the_same.then(|| warp_by_durations(&first.durations, &second.durations)).flatten();
    let (warp, aligned_by) = match by_symbols {
        Some(warp) => (warp, AlignedBy::Symbols),
        None => (
            warp_by_distance(&first.mel, &second.mel).ok_or("one of them has no sound")?,
            AlignedBy::Warping,
        ),
    };
    let mut db = Vec::with_capacity(warp.len() * n_mels);
    for (frame_idx, &onto) in warp.iter().enumerate() {
        let (frame, other) = (first.mel.frame(frame_idx), second.mel.frame(onto));
        db.extend(frame.iter().zip(other).map(|(a, b)| (a - b) * DB_PER_LN));
    }
    let mean = |value: fn(f64) -> f64| {
        let sum: f64 = db.iter().map(|&db| value(f64::from(db))).sum();
        (sum / db.len().max(1) as f64) as f32
    };
    let (mean_db, mean_abs_db) = (mean(|db| db), mean(f64::abs));
    Ok(MelDifference { db, n_mels, aligned_by, mean_db, mean_abs_db })
}

/// Whether the durations are those of the mel.
fn covers(sound: &Compared) -> bool {
    let n_frames: usize = sound.durations.iter().map(|&frames| frames as usize).sum();
    n_frames == sound.mel.n_frames() && sound.durations.len() == sound.symbols.len()
}

/// Blue over white to red, `ColorBrewer`'s `RdBu` with nine classes.
const DIVERGING: [u32; 9] = [
    0x21_66ac, 0x43_93c3, 0x92_c5de, 0xd1_e5f0, 0xf7_f7f7, 0xfd_dbc7, 0xf4_a582, 0xd6_604d,
    0xb2_182b,
];

/// Red, green and blue of a signed share from −1 (less) over 0 (white) to 1 (more).
pub fn diverging_rgb(share: f32) -> [u8; 3] {
    let share = if share.is_nan() { 0.0 } else { share.clamp(-1.0, 1.0) };
    let at = f32::midpoint(share, 1.0) * (DIVERGING.len() - 1) as f32;
    let below = (at as usize).min(DIVERGING.len() - 2);
    let part = at - below as f32;
    [16, 8, 0].map(|shift| {
        let channel = |point: u32| ((point >> shift) & 0xff) as f32;
        let (low, high) = (channel(DIVERGING[below]), channel(DIVERGING[below + 1]));
        (low + part * (high - low)).round() as u8
    })
}

/// Paints frames of a difference, red where the first is louder.
pub fn difference_picture(difference: &MelDifference, frames: std::ops::Range<usize>) -> Picture {
    let (width, height) = (frames.len(), difference.n_mels);
    let mut rgba = vec![0xff; width * height * 4];
    for (column, frame_idx) in frames.enumerate() {
        let frame = &difference.db[frame_idx * height..(frame_idx + 1) * height];
        for (band, db) in frame.iter().enumerate() {
            let pixel = ((height - 1 - band) * width + column) * 4;
            rgba[pixel..pixel + 3].copy_from_slice(&diverging_rgb(db / WIDEST_DB));
        }
    }
    Picture { width, height, rgba }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MelConfig;

    fn sound(frames: &[[f32; 2]], symbols: &[&str], durations: &[u32]) -> Compared {
        let config = MelConfig { n_mels: 2, ..MelConfig::default() };
        Compared {
            mel: MelSpectrogram { frames: frames.concat(), config },
            symbols: symbols.iter().map(|symbol| (*symbol).to_owned()).collect(),
            durations: durations.to_vec(),
        }
    }

    #[test]
    fn the_same_symbols_are_compared_part_by_part() {
        let first = sound(&[[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]], &["A", "B"], &[1, 2]);
        let second = sound(&[[-1.0, 0.0], [-1.0, 0.0], [3.0, 0.0]], &["A", "B"], &[2, 1]);
        let difference = mel_difference(&first, &second).unwrap();
        assert_eq!(difference.aligned_by, AlignedBy::Symbols);
        // A: 0 against −1; B: twice 1 against 3. Every second band is the same.
        let expected = [1.0, 0.0, -2.0, 0.0, -2.0, 0.0].map(|ln: f32| 20.0 * ln / 10_f32.ln());
        for (found, expected) in difference.db.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
        }
        let db = 20.0 / 10_f32.ln();
        assert!((difference.mean_db - -3.0 / 6.0 * db).abs() < 1e-4);
        assert!((difference.mean_abs_db - 5.0 / 6.0 * db).abs() < 1e-4);
    }

    #[test]
    fn other_symbols_are_compared_by_likeness() {
        let frames = [[0.0, 1.0], [4.0, 2.0], [8.0, 3.0]];
        let slower = [frames[0], frames[0], frames[1], frames[2], frames[2]];
        let first = sound(&frames, &["A"], &[3]);
        for second in [
            sound(&slower, &["B"], &[5]),
            sound(&slower, &[], &[]),
            // Durations of another mel say nothing.
            sound(&slower, &["A"], &[4]),
        ] {
            let difference = mel_difference(&first, &second).unwrap();
            assert_eq!(difference.aligned_by, AlignedBy::Warping);
            assert!(difference.mean_abs_db < 1e-6, "{:?}", difference.db);
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let first = sound(&[[0.0, 1.0]], &[], &[]);
        let nothing = sound(&[], &[], &[]);
        assert!(mel_difference(&first, &nothing).is_err());
        let mut other = first.clone();
        other.mel.config.f_max = 7600.0;
        let why = mel_difference(&first, &other).unwrap_err();
        assert!(why.contains("8000") && why.contains("7600"), "{why}");
    }

    #[test]
    fn no_difference_is_white_and_more_is_red() {
        assert_eq!(diverging_rgb(0.0), [0xf7; 3]);
        assert_eq!(diverging_rgb(-9.0), [0x21, 0x66, 0xac]);
        assert_eq!(diverging_rgb(1.0), [0xb2, 0x18, 0x2b]);
        let difference = MelDifference {
            db: vec![0.0, 0.0, WIDEST_DB, 0.0],
            n_mels: 2,
            aligned_by: AlignedBy::Symbols,
            mean_db: 0.0,
            mean_abs_db: 0.0,
        };
        let picture = difference_picture(&difference, 1..2);
        assert_eq!((picture.width, picture.height), (1, 2));
        assert_eq!(picture.rgba[4..7], [0xb2, 0x18, 0x2b], "the lowest band is at the bottom");
    }
}

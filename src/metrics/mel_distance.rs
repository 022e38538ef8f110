//! How far a sound is from a recording of the same sentence, by its mel spectrum.
//!
//! The mean absolute difference in decibels, frame beside frame, is the figure of published
//! comparisons that report values of ten and more; it mostly tells how the timing differs. The same
//! with the frames warped on each other tells of the sound, and so does mel-cepstral distortion.

use super::cepstrum::{CEPSTRUM, LEAST_POWER, N_MELS, cepstrum, mel_power};
use crate::{
    domain::MelConfig,
    dsp::{distance, mel_spectrogram, time_warping_path},
};

/// Decibels below the loudest value that are still looked at.
const RANGE_DB: f32 = 80.0;

/// Distances between the mel spectra of two sounds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MelDistance {
    /// Mean absolute difference of power in dB, frame beside frame up to the shorter end.
    pub l1_db: f64,
    /// The same of natural logarithms of magnitudes, in the features of the bundled voices.
    pub l1_ln: f64,
    /// As `l1_db`, over the pairs of the cheapest warping.
    pub l1_db_aligned: f64,
    /// Mel-cepstral distortion in dB: coefficients 1 to 13 over the same pairs.
    pub mcd_db: f64,
}

/// How far `sound` is from `reference`; both at the same rate. `None` if one is empty.
///
/// Frames are warped by their cepstra.
pub fn mel_distance(reference: &[f32], sound: &[f32], sample_rate: u32) -> Option<MelDistance> {
    if reference.is_empty() || sound.is_empty() {
        return None;
    }
    let power = [reference, sound].map(|samples| mel_power(samples, sample_rate));
    let [a, b] = [cepstrum(&power[0]), cepstrum(&power[1])];
    let path = time_warping_path(&a, &b, CEPSTRUM, |_| 0..b.len() / CEPSTRUM);
    let pairs = path.len() as f64;
    let frame = |values: &[f32], at: usize, n: usize| values[at * n..(at + 1) * n].to_vec();
    let cepstral: f64 =
        path.iter().map(|&(i, j)| distance(&frame(&a, i, CEPSTRUM), &frame(&b, j, CEPSTRUM))).sum();
    let [x, y] = power.map(|power| decibels(&power));
    let warped: f64 =
        path.iter().map(|&(i, j)| l1(&frame(&x, i, N_MELS), &frame(&y, j, N_MELS))).sum();
    let config = MelConfig {
        sample_rate,
        f_max: (f64::from(sample_rate) / 2.0).min(MelConfig::default().f_max),
        ..MelConfig::default()
    };
    let n = reference.len().min(sound.len());
    let [p, q] = [reference, sound].map(|samples| mel_spectrogram(&samples[..n], &config).frames);
    Some(MelDistance {
        l1_db: l1(&x, &y),
        l1_ln: l1(&p, &q),
        l1_db_aligned: warped / pairs,
        mcd_db: 10.0 * std::f64::consts::SQRT_2 / std::f64::consts::LN_10 * cepstral / pairs,
    })
}

/// The mel spectrum of a sound in dB, no value more than 80 dB below the greatest: `(n_frames, 80)`.
pub fn mel_decibels(samples: &[f32], sample_rate: u32) -> Vec<f32> {
    decibels(&mel_power(samples, sample_rate))
}

fn decibels(power: &[f32]) -> Vec<f32> {
    let mut values: Vec<f32> = power.iter().map(|&p| 10.0 * p.max(LEAST_POWER).log10()).collect();
    let floor = values.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b)) - RANGE_DB;
    for value in &mut values {
        *value = value.max(floor);
    }
    values
}

/// Mean absolute difference, up to the shorter end.
fn l1(a: &[f32], b: &[f32]) -> f64 {
    let n = a.len().min(b.len());
    let sum: f64 = a.iter().zip(b).map(|(&a, &b)| f64::from((a - b).abs())).sum();
    if n == 0 { 0.0 } else { sum / n as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(hz: f32, secs: f32) -> Vec<f32> {
        (0..(secs * 22_050.0) as usize)
            .map(|at| {
                let t = at as f32 / 22_050.0;
                let partial =
                    |k: usize| (std::f32::consts::TAU * hz * t * k as f32).sin() / k as f32;
                0.1 * (1..9).map(partial).sum::<f32>()
            })
            .collect()
    }

    #[test]
    fn a_sound_is_no_way_from_itself() {
        let sound = voice(120.0, 0.4);
        assert_eq!(mel_distance(&sound, &sound, 22_050), Some(MelDistance::default()));
        assert_eq!(mel_distance(&sound, &[], 22_050), None);
    }

    #[test]
    fn warping_forgives_a_pause_and_frame_beside_frame_does_not() {
        let said = [voice(120.0, 0.3), voice(210.0, 0.3)].concat();
        let late = [vec![0.0; 4096], said.clone()].concat();
        let far = mel_distance(&said, &late, 22_050).unwrap();
        assert!(far.l1_db > 1.4 * far.l1_db_aligned, "{far:?}");
    }

    #[test]
    fn ten_times_the_amplitude_is_twenty_decibels() {
        // Every band has power, so that none stands on the floor.
        let mut state = 1_u32;
        let mut hiss = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let sound: Vec<f32> = (0..8192).map(|_| 0.05 * hiss()).collect();
        let loud: Vec<f32> = sound.iter().map(|x| 10.0 * x).collect();
        let far = mel_distance(&sound, &loud, 22_050).unwrap();
        assert!((far.l1_db - 20.0).abs() < 0.1, "{far:?}");
        // Loudness is the coefficient that is left out.
        assert!(far.mcd_db < 0.1, "{far:?}");
    }
}

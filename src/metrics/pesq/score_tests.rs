//! Scores beside those of the Python package `pesq` 0.0.4, which runs the ITU's reference code, on the
//! same samples.

use std::f32::consts::TAU;

use super::*;

/// Values from -1 to 1, the same in every run.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Syllables of a gliding voice with two formants, each begun by a hiss; a pause after every seventh, if
/// there are to be pauses.
fn speech(secs: f32, sample_rate: u32, pauses: bool) -> Vec<f32> {
    let mut noise = Noise(9);
    let mut phase = 0.0;
    (0..(secs * sample_rate as f32) as usize)
        .map(|at| {
            let t = at as f32 / sample_rate as f32;
            let (syllable, within) = ((t / 0.23) as usize, t % 0.23 / 0.23);
            if pauses && syllable % 8 == 7 {
                return 0.0;
            }
            let f0_hz = 110.0 + 6.0 * ((syllable * 5) % 7) as f32 + 15.0 * within;
            phase = (phase + f0_hz / sample_rate as f32) % 1.0;
            let formants = [300.0 + 90.0 * ((syllable * 3) % 5) as f32, 1100.0 + 300.0 * within];
            let partial = |k: usize| {
                let hz = f0_hz * k as f32;
                let gain: f32 =
                    formants.iter().map(|f| 1.0 / (1.0 + ((hz - f) / 90.0).powi(2))).sum();
                gain * (TAU * phase * k as f32).sin()
            };
            let voice: f32 = (1..24).map(partial).sum();
            let hiss = if within < 0.2 { 0.3 * noise.next() } else { 0.0 };
            0.1 * (voice + hiss) * (std::f32::consts::PI * within).sin()
        })
        .collect()
}

fn with_noise(sound: &[f32], level: f32) -> Vec<f32> {
    let mut noise = Noise(4);
    sound.iter().map(|x| x + level * noise.next()).collect()
}

/// From a sample on later, or earlier and what lies between left out.
fn shifted(sound: &[f32], from: usize, by: i32) -> Vec<f32> {
    let n = by.unsigned_abs() as usize;
    if by > 0 {
        [&sound[..from], &vec![0.0; n], &sound[from..]].concat()
    } else {
        [&sound[..from], &sound[from + n..]].concat()
    }
}

#[track_caller]
fn check(reference: &[f32], sound: &[f32], sample_rate: u32, oracle: &[(Bandwidth, f64)]) {
    for &(bandwidth, oracle) in oracle {
        let ours = pesq(reference, sound, sample_rate, bandwidth).unwrap();
        assert!(
            (ours - oracle).abs() < 5e-4,
            "{bandwidth:?} at {sample_rate} Hz: {ours}, not {oracle}"
        );
    }
}

use Bandwidth::{Narrow, Wide};

#[test]
fn a_sound_is_as_good_as_itself_at_any_level() {
    let sound = speech(2.0, 16_000, false);
    let quiet: Vec<f32> = sound.iter().map(|x| 0.05 * x).collect();
    check(&sound, &quiet, 16_000, &[(Wide, 4.643_888), (Narrow, 4.548_638)]);
}

#[test]
fn noise_lowers_the_score_as_it_does_the_oracles() {
    let sound = speech(2.5, 16_000, true);
    check(&sound, &with_noise(&sound, 0.002), 16_000, &[(Wide, 2.140_681), (Narrow, 3.915_569)]);
    check(&sound, &with_noise(&sound, 0.05), 16_000, &[(Wide, 1.021_482), (Narrow, 1.810_893)]);
    let sound = speech(2.5, 8_000, true);
    check(&sound, &with_noise(&sound, 0.01), 8_000, &[(Narrow, 2.763_995)]);
}

#[test]
fn clipping_and_a_dull_sound_lower_the_score() {
    let sound = speech(2.0, 16_000, false);
    let clipped: Vec<f32> = sound.iter().map(|x| x.clamp(-0.04, 0.04)).collect();
    // So hard that frames are bad ones, which are looked for elsewhere.
    check(&sound, &clipped, 16_000, &[(Wide, 1.033_402), (Narrow, 1.240_922)]);
    let mut last = 0.0;
    let dull = |x: &f32| {
        last += 0.2 * (x - last);
        last
    };
    let dull: Vec<f32> = sound.iter().map(dull).collect();
    check(&sound, &dull, 16_000, &[(Wide, 4.535_635), (Narrow, 4.493_911)]);
}

#[test]
fn dropped_frames_lower_the_score() {
    let sound = speech(3.0, 16_000, false);
    let mut gaps = sound.clone();
    for from in [9_000, 22_000, 38_000] {
        gaps[from..from + 2_400].fill(0.0);
    }
    check(&sound, &gaps, 16_000, &[(Wide, 1.436_661), (Narrow, 1.305_854)]);
}

#[test]
fn a_delay_is_found() {
    let sound = speech(2.5, 16_000, true);
    let late = with_noise(&shifted(&sound, 0, 1_237), 0.004);
    check(&sound, &late, 16_000, &[(Wide, 1.707_68), (Narrow, 3.617_578)]);
}

#[test]
fn delays_that_change_are_found_in_pauses_and_within_speech() {
    let sound = speech(5.0, 16_000, true);
    // In the first pause, which is from 1.61 to 1.84 seconds; then within what follows.
    let jumped = with_noise(&shifted(&sound, 27_000, 900), 0.004);
    check(&sound, &jumped, 16_000, &[(Wide, 1.729_64), (Narrow, 3.615_167)]);
    let cut = with_noise(&shifted(&sound, 40_000, -700), 0.004);
    check(&sound, &cut, 16_000, &[(Wide, 1.739_385), (Narrow, 3.606_274)]);
}

#[test]
fn speech_without_a_pause_is_split_as_the_reference_code_does() {
    // So long that the window of the split is another.
    let sound = speech(5.0, 8_000, false);
    let jumped = with_noise(&shifted(&sound, 21_000, 333), 0.004);
    check(&sound, &jumped, 8_000, &[(Narrow, 3.154_934)]);
}

#[test]
fn the_start_of_a_long_sound_counts_for_less() {
    let sound = speech(18.0, 8_000, true);
    let mut worse = with_noise(&sound, 0.02);
    worse[60_000..].copy_from_slice(&sound[60_000..]);
    check(&sound, &worse, 8_000, &[(Narrow, 3.015_519)]);
}

#[test]
fn what_has_no_score_says_why() {
    let sound = speech(1.0, 16_000, false);
    let score = |a: &[f32], b: &[f32], rate, bandwidth| pesq(a, b, rate, bandwidth);
    assert_eq!(score(&sound, &sound, 22_050, Wide), Err(PesqError::Rate(22_050)));
    assert_eq!(score(&sound, &sound, 8_000, Wide), Err(PesqError::Rate(8_000)));
    assert_eq!(score(&sound[..3_999], &sound, 16_000, Wide), Err(PesqError::TooShort));
    assert_eq!(score(&vec![0.0; 8_000], &sound, 16_000, Wide), Err(PesqError::NoSpeech));
    assert_eq!(score(&sound, &vec![0.0; 8_000], 16_000, Narrow), Err(PesqError::NoSpeech));
    let why = PesqError::Rate(22_050).to_string();
    assert!(why.contains("22050") && why.contains("16000"), "{why}");
}

//! How much of the words comes through, from a clean reference and the same sound degraded.
//!
//! Sources: "An Algorithm for Intelligibility Prediction of Time-Frequency Weighted Noisy Speech",
//! Taal et al. 2011, and "An Algorithm for Predicting the Intelligibility of Speech Masked by Modulated
//! Noise Maskers", Jensen and Taal 2016 (extended). Both sounds must lie on each other in time.

use realfft::RealFftPlanner;

use crate::dsp::{Complex, LowPass, resample};

/// The rate that both measures are defined at.
const RATE: u32 = 10_000;
/// Samples of a frame; the next begins after half of them.
const FRAME: usize = 256;
/// Samples of its transform.
const N_FFT: usize = 512;
/// Third-octave bands.
const N_BANDS: usize = 15;
/// Centre of the lowest, in Hz.
const LOWEST_HZ: f64 = 150.0;
/// Frames of a segment: 384 ms.
const SEGMENT: usize = 30;
/// The least signal-to-distortion ratio that counts, in dB.
const LEAST_SDR_DB: f64 = -15.0;
/// Frames so far below the loudest are silence, in dB.
const RANGE_DB: f64 = 40.0;
/// Keeps divisions by silence finite.
const TINY: f64 = f64::EPSILON;

/// Both measures, from about zero (nothing comes through) to one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Intelligibility {
    /// STOI.
    pub stoi: f64,
    /// ESTOI.
    pub estoi: f64,
}

/// Compares a sound with its clean reference; `None` where less than 384 ms of the reference are
/// loud enough.
pub fn stoi(reference: &[f32], sound: &[f32], sample_rate: u32) -> Option<Intelligibility> {
    let n = reference.len().min(sound.len());
    let low = |samples: &[f32]| -> Vec<f64> {
        let samples = resample(&samples[..n], sample_rate, RATE, LowPass::Octave);
        samples.into_iter().map(f64::from).collect()
    };
    let (clean, degraded) = without_silence(&low(reference), &low(sound));
    let (x, y) = (bands(&clean), bands(&degraded));
    if x.len() < SEGMENT {
        return None;
    }
    let segments = x.windows(SEGMENT).zip(y.windows(SEGMENT));
    let n_segments = (x.len() - SEGMENT + 1) as f64;
    let (stoi, estoi) = segments.fold((0.0, 0.0), |(stoi, estoi), (x, y)| {
        (stoi + correlation_by_band(x, y), estoi + correlation_by_frame(x, y))
    });
    Some(Intelligibility { stoi: stoi / n_segments, estoi: estoi / n_segments })
}

/// Energies in the bands of one frame.
type Bands = [f64; N_BANDS];

fn window() -> Vec<f64> {
    let turn = std::f64::consts::TAU / (FRAME + 1) as f64;
    (1..=FRAME).map(|at| 0.5 - 0.5 * (turn * at as f64).cos()).collect()
}

fn frame_starts(n: usize) -> impl Iterator<Item = usize> {
    (0..n.saturating_sub(FRAME)).step_by(FRAME / 2)
}

/// Both sounds without the frames in which the first is silent, put together again.
fn without_silence(clean: &[f64], degraded: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let window = window();
    let energy_db = |start: usize| {
        let frame = clean[start..start + FRAME].iter().zip(&window);
        20.0 * (frame.map(|(x, w)| (x * w).powi(2)).sum::<f64>().sqrt() + TINY).log10()
    };
    let starts: Vec<usize> = frame_starts(clean.len()).collect();
    let energies: Vec<f64> = starts.iter().map(|&start| energy_db(start)).collect();
    let loudest = energies.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
    let heard = starts.iter().zip(&energies).filter(|(_, energy)| loudest - RANGE_DB < **energy);
    let heard: Vec<usize> = heard.map(|(&start, _)| start).collect();
    let joined = |samples: &[f64]| {
        let n = if heard.is_empty() { 0 } else { (heard.len() + 1) * FRAME / 2 };
        let mut out = vec![0.0; n];
        for (at, &start) in heard.iter().enumerate() {
            let frame = samples[start..start + FRAME].iter().zip(&window);
            for (out, (x, w)) in out[at * FRAME / 2..].iter_mut().zip(frame) {
                *out += x * w;
            }
        }
        out
    };
    (joined(clean), joined(degraded))
}

/// The square root of the energy in each band, frame by frame.
fn bands(samples: &[f64]) -> Vec<Bands> {
    let edges = band_edges();
    let window = window();
    let fft = RealFftPlanner::<f64>::new().plan_fft_forward(N_FFT);
    let (mut input, mut bins) = (fft.make_input_vec(), fft.make_output_vec());
    frame_starts(samples.len())
        .map(|start| {
            input.fill(0.0);
            for (value, (x, w)) in input.iter_mut().zip(samples[start..].iter().zip(&window)) {
                *value = x * w;
            }
            fft.process(&mut input, &mut bins).expect("the buffers were made by the plan");
            edges.map(|(from, to)| bins[from..to].iter().map(Complex::norm_sqr).sum::<f64>().sqrt())
        })
        .collect()
}

/// First bin of each band, and the one past its last.
fn band_edges() -> [(usize, usize); N_BANDS] {
    let nearest = |hz: f64| (hz * N_FFT as f64 / f64::from(RATE)).round() as usize;
    std::array::from_fn(|band| {
        let edge = |sixths: f64| nearest(LOWEST_HZ * 2.0_f64.powf(sixths / 6.0));
        (edge(2.0 * band as f64 - 1.0), edge(2.0 * band as f64 + 1.0))
    })
}

/// Mean over the bands of how their courses correlate, the degraded one brought to the same level and
/// cut where distortion is all there is.
fn correlation_by_band(x: &[Bands], y: &[Bands]) -> f64 {
    let most = 1.0 + 10.0_f64.powf(-LEAST_SDR_DB / 20.0);
    let of_band = |band: usize| {
        let (x, y) = (course(x, band), course(y, band));
        let level = norm(&x) / (norm(&y) + TINY);
        let cut: Vec<f64> = x.iter().zip(&y).map(|(x, y)| (y * level).min(x * most)).collect();
        let (x, cut) = (centred(&x), centred(&cut));
        dot(&x, &cut) / ((norm(&x) + TINY) * (norm(&cut) + TINY))
    };
    (0..N_BANDS).map(of_band).sum::<f64>() / N_BANDS as f64
}

/// Mean over the frames of how their spectra correlate, after the course of each band was brought to
/// zero mean and unit norm.
fn correlation_by_frame(x: &[Bands], y: &[Bands]) -> f64 {
    let normalized = |segment: &[Bands]| -> Vec<Vec<f64>> {
        let rows: Vec<Vec<f64>> =
            (0..N_BANDS).map(|band| unit(&centred(&course(segment, band)))).collect();
        let frame = |at: usize| rows.iter().map(|row| row[at]).collect::<Vec<f64>>();
        (0..segment.len()).map(|at| unit(&centred(&frame(at)))).collect()
    };
    let (x, y) = (normalized(x), normalized(y));
    x.iter().zip(&y).map(|(x, y)| dot(x, y)).sum::<f64>() / SEGMENT as f64
}

fn course(segment: &[Bands], band: usize) -> Vec<f64> {
    segment.iter().map(|bands| bands[band]).collect()
}

fn centred(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| value - mean).collect()
}

fn unit(values: &[f64]) -> Vec<f64> {
    let norm = norm(values) + TINY;
    values.iter().map(|value| value / norm).collect()
}

fn norm(values: &[f64]) -> f64 {
    dot(values, values).sqrt()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A voice that comes and goes, with noise of a given strength.
    fn speech(noise: f32) -> Vec<f32> {
        let mut state = 1_u32;
        (0..16_000)
            .map(|at| {
                let t = at as f32 / 16_000.0;
                let partial =
                    |k: usize| (std::f32::consts::TAU * (130.0 + 20.0 * t) * t * k as f32).sin();
                let loudness = (9.0 * t).sin().powi(2);
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let hiss = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
                0.03 * loudness * (1..25).map(partial).sum::<f32>() + noise * hiss
            })
            .collect()
    }

    #[test]
    fn a_sound_comes_through_itself_and_less_and_less_through_noise() {
        let clean = speech(0.0);
        let through = |noise| stoi(&clean, &speech(noise), 16_000).unwrap();
        let whole = through(0.0);
        assert!(whole.stoi > 0.999 && whole.estoi > 0.999, "{whole:?}");
        let (some, little) = (through(0.02), through(0.3));
        assert!(some.stoi < whole.stoi && little.stoi < some.stoi, "{some:?} {little:?}");
        assert!(some.estoi < whole.estoi && little.estoi < some.estoi, "{some:?} {little:?}");
    }

    #[test]
    fn too_little_sound_has_no_figure() {
        assert_eq!(stoi(&[0.1; 2000], &[0.1; 2000], 16_000), None);
        assert_eq!(stoi(&[], &[], 16_000), None);
    }
}

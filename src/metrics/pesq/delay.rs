//! How much later the degraded sound comes: roughly by envelopes, to the sample by waveforms.
//!
//! Source: ITU-T P.862 §10.1.4. Delays are in samples; positive ones make the degraded sound later.

use std::sync::Arc;

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use super::{activity::Activity, signal::Signal, tables::alignment_filter};
use crate::dsp::Complex;

/// A correlation so near to a window's best votes as well.
const NEAR_BEST: f64 = 0.99;
/// A window's vote is its best correlation to this power.
const VOTE_POWER: f64 = 0.125;

/// Both sounds as the alignment hears them.
pub(super) struct Pair {
    reference: Signal,
    degraded: Signal,
    pub(super) reference_activity: Activity,
    pub(super) degraded_activity: Activity,
    pub(super) hann: Vec<f64>,
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
}

impl Pair {
    pub(super) fn new(reference: &Signal, degraded: &Signal) -> Self {
        let grid = reference.grid;
        let sections = alignment_filter(grid.sample_rate);
        let [reference, degraded] = [reference, degraded].map(|it| it.for_alignment(sections));
        let mut planner = RealFftPlanner::new();
        Self {
            reference_activity: Activity::of(&reference),
            degraded_activity: Activity::of(&degraded),
            reference,
            degraded,
            hann: hann(grid.window),
            forward: planner.plan_fft_forward(grid.window),
            inverse: planner.plan_fft_inverse(grid.window),
        }
    }

    /// Samples of 4 ms.
    pub(super) fn step(&self) -> i64 {
        self.reference.grid.step as i64
    }

    /// Samples of a window of the fine alignment.
    pub(super) fn window(&self) -> i64 {
        self.reference.grid.window as i64
    }

    /// Samples of the degraded sound with the silence around it.
    pub(super) fn degraded_len(&self) -> i64 {
        self.degraded.len as i64
    }

    /// The delay by which the envelopes of the whole sounds lie best on each other.
    pub(super) fn whole_delay(&self) -> i64 {
        let envelopes = [&self.reference_activity.envelope, &self.degraded_activity.envelope];
        best_lag(&correlate(envelopes[0], envelopes[1]), envelopes[0].len()) * self.step()
    }

    /// The same for some steps of the reference, from a delay that is about right; with the correlation
    /// that it was found by.
    pub(super) fn envelope_delay(&self, (from, to): (i64, i64), about: i64) -> (i64, Vec<f64>) {
        let lag = about / self.step();
        let (reference_at, degraded_at) =
            if from + lag < 0 { (-lag, 0) } else { (from, from + lag) };
        let part = |envelope: &[f64], at: i64| -> Vec<f64> {
            let n = envelope.len() as i64;
            let start = at.clamp(0, n);
            let end = (at + to - reference_at).clamp(start, n);
            envelope[start as usize..end as usize].to_vec()
        };
        let reference = part(&self.reference_activity.envelope, reference_at);
        let degraded = part(&self.degraded_activity.envelope, degraded_at);
        let correlation = correlate(&reference, &degraded);
        (about + best_lag(&correlation, reference.len()) * self.step(), correlation)
    }

    /// Lets what is seen through a window at two places vote for delays.
    pub(super) fn vote(
        &self,
        window: &[f64],
        reference_at: i64,
        degraded_at: i64,
        votes: &mut Votes,
    ) {
        let spectrum = |signal: &Signal, at: i64| {
            let samples = signal.samples.get(at as usize..).unwrap_or_default();
            let (mut time, mut bins) =
                (self.forward.make_input_vec(), self.forward.make_output_vec());
            for (value, (x, w)) in time.iter_mut().zip(samples.iter().zip(window)) {
                *value = x * w;
            }
            self.forward.process(&mut time, &mut bins).expect("the buffers were made by the plan");
            bins
        };
        let mut product = spectrum(&self.degraded, degraded_at);
        for (bin, reference) in product.iter_mut().zip(spectrum(&self.reference, reference_at)) {
            *bin *= reference.conj() / window.len() as f64;
        }
        let mut correlation = self.inverse.make_output_vec();
        self.inverse
            .process(&mut product, &mut correlation)
            .expect("products of spectra of real sounds are such spectra");
        let best = correlation.iter().fold(0.0_f64, |best, x| best.max(x.abs()));
        let near = NEAR_BEST * best;
        let weight = near.powf(VOTE_POWER);
        for (lag, value) in correlation.iter().enumerate() {
            if value.abs() > near {
                votes.add(lag, weight);
            }
        }
    }
}

/// A window that rises and falls as a cosine and is zero at its first sample.
pub(super) fn hann(n: usize) -> Vec<f64> {
    let turn = std::f64::consts::TAU / n as f64;
    (0..n).map(|at| 0.5 - 0.5 * (turn * at as f64).cos()).collect()
}

/// What windows said about the delay, each vote spread over its neighbours as a triangle.
#[derive(Debug, Clone)]
pub(super) struct Votes {
    by_lag: Vec<f64>,
    total: f64,
}

impl Votes {
    pub(super) fn none(window: i64) -> Self {
        Self { by_lag: vec![0.0; window as usize], total: 0.0 }
    }

    fn add(&mut self, lag: usize, weight: f64) {
        let n = self.by_lag.len();
        let reach = n / 64;
        self.total += weight;
        for k in 0..reach {
            let share = weight * (1.0 - k as f64 / reach as f64);
            self.by_lag[(lag + k) % n] += share;
            if k > 0 {
                self.by_lag[(lag + n - k) % n] += share;
            }
        }
    }

    /// The delay that most agree on, and their share: zero where none voted.
    pub(super) fn best(&self) -> (i64, f64) {
        if self.total <= 0.0 {
            return (0, 0.0);
        }
        let (at, most) = greatest(&self.by_lag).unwrap_or((0, 0.0));
        let n = self.by_lag.len();
        let lag = if at >= n / 2 { at as i64 - n as i64 } else { at as i64 };
        (lag, most / self.total)
    }
}

/// The first of the greatest values, if any is positive.
fn greatest(values: &[f64]) -> Option<(usize, f64)> {
    let better = |best: Option<(usize, f64)>, (at, &value): (usize, &f64)| {
        if value > best.map_or(0.0, |(_, most)| most) { Some((at, value)) } else { best }
    };
    values.iter().enumerate().fold(None, better)
}

/// How much two envelopes have in common at each lag, from the least on; nothing where one is empty.
fn correlate(reference: &[f64], degraded: &[f64]) -> Vec<f64> {
    if reference.len() < 2 || degraded.len() < 2 {
        return Vec::new();
    }
    let turned: Vec<f64> = reference.iter().rev().copied().collect();
    convolve(&turned, degraded)
}

/// By how many steps an envelope comes later than another; none where they have nothing in common.
fn best_lag(correlation: &[f64], n_reference: usize) -> i64 {
    greatest(correlation).map_or(0, |(at, _)| at as i64 - (n_reference as i64 - 1))
}

fn convolve(a: &[f64], b: &[f64]) -> Vec<f64> {
    let n = a.len() + b.len() - 1;
    let n_fft = n.next_power_of_two();
    let mut planner = RealFftPlanner::<f64>::new();
    let (forward, inverse) = (planner.plan_fft_forward(n_fft), planner.plan_fft_inverse(n_fft));
    let spectrum = |x: &[f64]| -> Vec<Complex<f64>> {
        let (mut time, mut bins) = (forward.make_input_vec(), forward.make_output_vec());
        time[..x.len()].copy_from_slice(x);
        forward.process(&mut time, &mut bins).expect("the buffers were made by the plan");
        bins
    };
    let mut product = spectrum(a);
    for (a, b) in product.iter_mut().zip(spectrum(b)) {
        *a *= b / n_fft as f64;
    }
    let mut out = inverse.make_output_vec();
    inverse.process(&mut product, &mut out).expect("products of real spectra are such spectra");
    out.truncate(n);
    out
}

/// Mean power under which nothing is there to be compared.
const NOTHING: f64 = 1e-6;

/// The lag within a range at which the magnitudes of two stretches correlate most, with how much.
pub(super) fn best_shift(reference: &[f64], degraded: &[f64], range: usize) -> (i64, f64) {
    let n = reference.len();
    let energy = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
    let n_fft = (2 * n).next_power_of_two();
    let energies = [energy(reference), energy(degraded)];
    if energies.iter().any(|energy| energy / n_fft as f64 <= NOTHING) {
        return (0, 0.0);
    }
    let turned: Vec<f64> = reference.iter().rev().map(|x| x.abs()).collect();
    let magnitudes: Vec<f64> = degraded.iter().map(|x| x.abs()).collect();
    let correlation = convolve(&turned, &magnitudes);
    let at_zero = n - 1;
    let from = at_zero - range.min(at_zero);
    let to = (at_zero + range).min(correlation.len());
    let normal = (energies[0] * energies[1]).sqrt();
    greatest(&correlation[from..to])
        .map_or((0, 0.0), |(at, most)| ((from + at) as i64 - at_zero as i64, most / normal))
}

#[cfg(test)]
mod tests {
    use super::{super::signal::Grid, *};

    fn noise(n: usize) -> Vec<f32> {
        let mut state = 3_u32;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    #[test]
    fn windows_agree_on_the_delay() {
        let sound = noise(16_000);
        let late = [&vec![0.0; 137][..], &sound].concat();
        let grid = Grid::at(16_000);
        let pair = Pair::new(&Signal::new(&sound, grid), &Signal::new(&late, grid));
        let mut votes = Votes::none(pair.window());
        for at in (6_000..16_000).step_by(256) {
            pair.vote(&pair.hann, at, at, &mut votes);
        }
        let (delay, share) = votes.best();
        assert_eq!(delay, 137);
        assert!(share > 0.9, "{share}");
        assert_eq!(Votes::none(1024).best(), (0, 0.0));
    }

    #[test]
    fn envelopes_find_a_shift_either_way() {
        let envelope: Vec<f64> = (0..100).map(|at| f64::from(at % 17 == 3 && at < 60)).collect();
        for lag in [-20_i64, 0, 35] {
            let mut shifted = vec![0.0; 100];
            for (at, value) in envelope.iter().enumerate() {
                let to = at as i64 + lag;
                if let Ok(to) = usize::try_from(to)
                    && to < 100
                {
                    shifted[to] = *value;
                }
            }
            // Where a comb was cut, as many teeth as are left lie best where they came from.
            let found = best_lag(&correlate(&envelope, &shifted), 100);
            assert_eq!(found.rem_euclid(17), lag.rem_euclid(17), "{found}");
        }
        assert_eq!(best_lag(&correlate(&[0.0; 10], &[0.0; 10]), 10), 0);
    }

    #[test]
    fn a_shifted_stretch_is_found_within_its_range() {
        let sound: Vec<f64> = noise(3000).into_iter().map(|x| f64::from(100.0 * x)).collect();
        let (shift, likeness) = best_shift(&sound[500..2000], &sound[460..1960], 100);
        assert_eq!(shift, 40);
        assert!(likeness > 0.9, "{likeness}");
        assert_eq!(best_shift(&[0.0; 50], &[0.0; 50], 10), (0, 0.0));
    }
}

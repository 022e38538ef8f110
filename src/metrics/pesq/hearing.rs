//! What an ear makes of a frame: power over pitch, then loudness over pitch.
//!
//! Source: ITU-T P.862 §10.2.1 to §10.2.4.

use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};

use super::{
    delay::hann,
    signal::Grid,
    tables::{Band, LOUDNESS_SCALE, bands, power_scale},
};
use crate::dsp::Complex;

/// Loudness grows with power as in Zwicker's law.
const ZWICKER_POWER: f64 = 0.23;

/// An ear, for frames on one grid.
pub(super) struct Ear {
    pub(super) bands: Vec<Band>,
    power_scale: f64,
    hann: Vec<f64>,
    fft: Arc<dyn RealToComplex<f64>>,
    /// Exponent of loudness in each band.
    exponents: Vec<f64>,
}

impl Ear {
    pub(super) fn new(grid: Grid) -> Self {
        let bands = bands(grid.sample_rate);
        // Loudness grows faster at low frequencies.
        let exponent = |band: &Band| {
            let low = if band.centre_bark < 4.0 { 6.0 / (band.centre_bark + 2.0) } else { 1.0 };
            ZWICKER_POWER * low.min(2.0).powf(0.15)
        };
        Self {
            exponents: bands.iter().map(exponent).collect(),
            bands,
            power_scale: power_scale(grid.sample_rate),
            hann: hann(grid.frame),
            fft: RealFftPlanner::new().plan_fft_forward(grid.frame),
        }
    }

    /// Power over pitch of the frame that begins at a sample.
    pub(super) fn powers(&self, samples: &[f64], at: usize) -> Vec<f64> {
        let (mut time, mut bins) = (self.fft.make_input_vec(), self.fft.make_output_vec());
        let frame = samples.get(at..).unwrap_or_default();
        for (value, (x, w)) in time.iter_mut().zip(frame.iter().zip(&self.hann)) {
            *value = x * w;
        }
        self.fft.process(&mut time, &mut bins).expect("the buffers were made by the plan");
        bins[0] = Complex::default();
        let mut bins = bins.iter().map(Complex::norm_sqr);
        let density = |band: &Band| {
            bins.by_ref().take(band.n_bins).sum::<f64>() * band.density * self.power_scale
        };
        self.bands.iter().map(density).collect()
    }

    /// The power of a frame in all bands in which it is more than some times what is just heard; the
    /// lowest band does not count.
    pub(super) fn audible(&self, powers: &[f64], times: f64) -> f64 {
        let bands = powers.iter().zip(&self.bands).skip(1);
        bands.filter(|(power, band)| **power > times * band.threshold).map(|(power, _)| power).sum()
    }

    /// Loudness over pitch.
    pub(super) fn loudness(&self, powers: &[f64]) -> Vec<f64> {
        let of_band = |((power, band), exponent): ((&f64, &Band), &f64)| {
            if *power <= band.threshold {
                return 0.0;
            }
            let over = 0.5 + 0.5 * power / band.threshold;
            let at_threshold = (band.threshold / 0.5).powf(*exponent);
            LOUDNESS_SCALE * at_threshold * (over.powf(*exponent) - 1.0)
        };
        powers.iter().zip(&self.bands).zip(&self.exponents).map(of_band).collect()
    }

    /// A norm over pitch of something that each band has a density of.
    pub(super) fn norm(&self, densities: &[f64], p: i32) -> f64 {
        let bands = self.bands[1..].iter();
        let width: f64 = bands.clone().map(|band| band.width_bark).sum();
        let of_band = |(density, band): (&f64, &Band)| (density.abs() * band.width_bark).powi(p);
        let sum: f64 = densities[1..].iter().zip(bands).map(of_band).sum();
        width * (sum / width).powf(1.0 / f64::from(p))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_of_40_db_has_a_power_of_ten_thousand_and_one_sone() {
        for (rate, amplitude) in [(8_000, 29.54), (16_000, 29.54)] {
            let ear = Ear::new(Grid::at(rate));
            let turn = std::f64::consts::TAU * 1000.0 / f64::from(rate);
            let sine: Vec<f64> = (0..1024).map(|at| amplitude * (turn * at as f64).sin()).collect();
            let powers = ear.powers(&sine, 0);
            let most = powers.iter().copied().fold(0.0, f64::max);
            assert!((most / 1e4 - 1.0).abs() < 0.02, "{most}");
            let sone = ear.norm(&ear.loudness(&powers), 1);
            assert!((sone - 1.0).abs() < 0.05, "{sone}");
        }
    }

    #[test]
    fn what_is_below_the_threshold_is_not_heard() {
        let ear = Ear::new(Grid::at(16_000));
        let below: Vec<f64> = ear.bands.iter().map(|band| 0.9 * band.threshold).collect();
        assert!(ear.loudness(&below).iter().all(|loudness| *loudness == 0.0));
        assert_eq!(ear.audible(&below, 1.0), 0.0);
        assert!(ear.audible(&below, 0.5) > 0.0);
    }
}

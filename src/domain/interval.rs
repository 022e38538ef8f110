//! A mean, and how far from it the truth may lie.

use serde::{Deserialize, Serialize};

/// A mean with the half-width of its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Half of the interval; `None` from a single value.
    pub half_width: Option<f64>,
    /// Values.
    pub n: usize,
}

/// The mean of values with Student's interval: `t · s / √n`. `None` without a value.
pub fn of_mean(values: &[f64]) -> Option<Interval> {
    let pairs: Vec<(f64, f64)> = values.iter().map(|&value| (value, 1.0)).collect();
    of_ratio(&pairs)
}

/// The ratio of two sums, as of all errors to all words, with the interval of the ratio estimator
/// ("Sampling Techniques", Cochran 1977, §6.4). `None` where the lower sum is zero.
pub fn of_ratio(pairs: &[(f64, f64)]) -> Option<Interval> {
    let n = pairs.len();
    let (upper, lower) = pairs.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    if lower <= 0.0 {
        return None;
    }
    let mean = upper / lower;
    let squares: f64 = pairs.iter().map(|(x, y)| (x - mean * y).powi(2)).sum();
    let half_width = (n > 1).then(|| {
        let deviation = (squares / (n - 1) as f64).sqrt();
        student_975(n - 1) * deviation / (n as f64).sqrt() / (lower / n as f64)
    });
    Some(Interval { mean, half_width, n })
}

/// Above how many a value of Student's distribution lies in one of forty cases.
fn student_975(degrees: usize) -> f64 {
    let (mut low, mut high) = (0.0, 1000.0);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if two_sided(middle, degrees) < 0.95 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// How probable a value within ±t is: Abramowitz and Stegun 26.7.3 and 26.7.4, finite sums.
fn two_sided(t: f64, degrees: usize) -> f64 {
    let angle = (t / (degrees as f64).sqrt()).atan();
    let (sin, cos) = angle.sin_cos();
    let is_odd = degrees % 2 == 1;
    let (mut term, mut sum) = (if is_odd { cos } else { 1.0 }, 0.0);
    let mut at = if is_odd { 3 } else { 2 };
    while at <= degrees {
        sum += term;
        term *= cos * cos * (at - 1) as f64 / at as f64;
        at += 2;
    }
    if is_odd {
        (angle + sin * if degrees > 1 { sum } else { 0.0 }) * std::f64::consts::FRAC_2_PI
    } else {
        sin * sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_is_that_of_the_tables() {
        let table = [(1, 12.7062), (2, 4.3027), (5, 2.5706), (7, 2.3646), (10, 2.2281)];
        for (degrees, quantile) in table.into_iter().chain([(30, 2.0423), (100, 1.9840)]) {
            let got = student_975(degrees);
            assert!((got - quantile).abs() < 6e-5, "{degrees}: {got}, expected {quantile}");
        }
    }

    #[test]
    fn a_mean_has_an_interval_from_two_values_on() {
        let interval = of_mean(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((interval.mean, interval.n), (2.0, 3));
        assert!((interval.half_width.unwrap() - 4.3027 / 3_f64.sqrt()).abs() < 1e-3);
        assert_eq!(of_mean(&[4.0]).unwrap().half_width, None);
        assert_eq!(of_mean(&[]), None);
    }

    #[test]
    fn a_ratio_is_of_sums_and_not_the_mean_of_ratios() {
        let interval = of_ratio(&[(1.0, 1.0), (0.0, 9.0)]).unwrap();
        assert_eq!(interval.mean, 0.1);
        assert_eq!(of_ratio(&[(0.0, 0.0)]), None);
    }
}

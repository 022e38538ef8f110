//! A curve that always rises, made of quotients of parabolas, and its inverse.
//!
//! Source: "Neural Spline Flows", <https://arxiv.org/abs/1906.04032>; numbers as in
//! jaywalnut310/vits `transforms.py`: a square of ±5 with ten bins, a straight line outside.

/// Bins of the curve.
pub const N_BINS: usize = 10;
/// The curve lives in ±this.
const BOUND: f64 = 5.0;
/// The least width, height and slope.
const LEAST: f64 = 1e-3;

/// The curve's knots and its slopes there.
#[derive(Debug, Clone)]
pub struct Spline {
    x: [f64; N_BINS + 1],
    y: [f64; N_BINS + 1],
    slopes: [f64; N_BINS + 1],
}

impl Spline {
    /// From what a network says of widths and heights of the bins and of the inner slopes.
    ///
    /// # Panics
    /// If there is not one slope for each inner knot.
    pub fn new(widths: [f32; N_BINS], heights: [f32; N_BINS], inner_slopes: &[f32]) -> Self {
        assert_eq!(inner_slopes.len(), N_BINS - 1, "one slope for each inner knot");
        // At both ends the slope is that of the line outside.
        let mut slopes = [1.0; N_BINS + 1];
        for (slope, &raw) in slopes[1..].iter_mut().zip(inner_slopes) {
            *slope = LEAST + softplus(f64::from(raw));
        }
        Self { x: knots(widths), y: knots(heights), slopes }
    }

    /// Where the curve has this value.
    pub fn inverse(&self, value: f32) -> f32 {
        let y = f64::from(value);
        if !(-BOUND..=BOUND).contains(&y) {
            return value;
        }
        let bin = (1..N_BINS).take_while(|&knot| self.y[knot] <= y).count();
        let (width, height) = (self.x[bin + 1] - self.x[bin], self.y[bin + 1] - self.y[bin]);
        let (left, right) = (self.slopes[bin], self.slopes[bin + 1]);
        let slope = height / width;
        let above = y - self.y[bin];
        let bend = left + right - 2.0 * slope;
        // A quadratic equation in the place within the bin.
        let a = above * bend + height * (slope - left);
        let b = height * left - above * bend;
        let c = -slope * above;
        let root = 2.0 * c / (-b - (b * b - 4.0 * a * c).max(0.0).sqrt());
        (root * width + self.x[bin]) as f32
    }
}

fn knots(raw: [f32; N_BINS]) -> [f64; N_BINS + 1] {
    let highest = raw.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials = raw.map(|value| f64::from(value - highest).exp());
    let sum: f64 = exponentials.iter().sum();
    let mut knots = [-BOUND; N_BINS + 1];
    let mut share = 0.0;
    for (knot, exponential) in knots[1..].iter_mut().zip(exponentials) {
        share += LEAST + (1.0 - LEAST * N_BINS as f64) * exponential / sum;
        *knot = 2.0 * BOUND * share - BOUND;
    }
    knots[N_BINS] = BOUND;
    knots
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Spline {
        /// The curve itself, as the paper writes it.
        fn value(&self, x: f64) -> f64 {
            let bin = (1..N_BINS).take_while(|&knot| self.x[knot] <= x).count();
            let (width, height) = (self.x[bin + 1] - self.x[bin], self.y[bin + 1] - self.y[bin]);
            let slope = height / width;
            let at = (x - self.x[bin]) / width;
            let mixed = at * (1.0 - at);
            let bend = self.slopes[bin] + self.slopes[bin + 1] - 2.0 * slope;
            let share = (slope * at * at + self.slopes[bin] * mixed) / (slope + bend * mixed);
            self.y[bin] + height * share
        }
    }

    #[test]
    fn the_inverse_undoes_the_curve() {
        let raw = |seed: usize| std::array::from_fn(|at| ((at * 7 + seed) % 5) as f32 - 2.0);
        let slopes: [f32; N_BINS] = raw(3);
        let spline = Spline::new(raw(1), raw(2), &slopes[1..]);
        for step in 0..=100 {
            let x = -5.0 + f64::from(step) / 10.0;
            let back = spline.inverse(spline.value(x) as f32);
            assert!((f64::from(back) - x).abs() < 1e-3, "{x} came back as {back}");
        }
        assert_eq!((spline.inverse(7.5), spline.inverse(-6.0)), (7.5, -6.0));
    }
}

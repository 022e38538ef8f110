//! Activation functions over slices, written so that they compile to vector code.
//!
//! `f32::exp` and `f32::sin` are calls into the system's library, one value at a time; a mel of ten
//! seconds goes through tens of millions of them. The polynomials here are Cephes' (exponential,
//! <https://www.netlib.org/cephes/>) and a Taylor series (sine), within a few units in the last
//! place of the true value.

use pulp::Arch;

/// Adding and taking away this rounds a value of less than 2²² to a whole number.
const ROUNDER: f32 = 12_582_912.0;
/// Beyond these the exponential leaves the range of normal numbers.
const EXP_RANGE: [f32; 2] = [-87.0, 88.0];
/// π in three parts, so that whole multiples of it can be taken away without loss.
const PI_PARTS: [f32; 3] = [3.140_625, 9.675_026e-4, 1.509_958e-7];

/// Replaces each value by `max(value, 0)`.
pub fn relu(values: &mut [f32]) {
    each(values, |x| x.max(0.0));
}

/// Replaces each value by `1 / (1 + e^−value)`.
pub fn sigmoid(values: &mut [f32]) {
    each(values, sigmoid_of);
}

/// Replaces each value by its hyperbolic tangent.
pub fn tanh(values: &mut [f32]) {
    each(values, tanh_of);
}

/// Replaces each value by `value · sigmoid(value)`.
pub fn silu(values: &mut [f32]) {
    each(values, |x| x * sigmoid_of(x));
}

/// Replaces each value by `value · tanh(ln(1 + e^value))`.
///
/// Source: "Mish", <https://arxiv.org/abs/1908.08681>.
pub fn mish(values: &mut [f32]) {
    each(values, |x| {
        // With n = e^x (e^x + 2) the tangent is n / (n + 2); above 20 it is one in single precision.
        let e = exp_of(x.min(20.0));
        let n = e * (e + 2.0);
        x * (n / (n + 2.0))
    });
}

/// Replaces each value by its exponential.
pub fn exp(values: &mut [f32]) {
    each(values, exp_of);
}

/// Replaces each value by `value + sin²(value · frequency) · height`.
///
/// Source: the Snake of "Neural Networks Fail to Learn Periodic Functions",
/// <https://arxiv.org/abs/2006.08195>, with a height of its own as in Matcha-TTS.
pub fn snake(values: &mut [f32], frequency: f32, height: f32) {
    each(values, |x| x + sin_squared_of(x * frequency) * height);
}

/// Replaces each value by `value · Φ(value)`, `Φ` the normal distribution: `GELU` in its exact form.
///
/// Source of the polynomial, which is right to 1.5e-7: Abramowitz and Stegun, 7.1.26.
pub fn gelu(values: &mut [f32]) {
    each(values, |x| {
        let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
        let t = 1.0 / (1.0 + 0.327_591_1 * z);
        let mut p = 1.061_405_4;
        for coefficient in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
            p = p * t + coefficient;
        }
        // Twice the weight of the tail beyond |x|.
        let tail = p * t * exp_of(-z * z);
        x.max(0.0) - 0.5 * x.abs() * tail
    });
}

/// Applies `f` in the widest vectors that the processor has.
#[expect(clippy::inline_always, reason = "the loop must be compiled for the caller's instructions")]
#[inline(always)]
fn each(values: &mut [f32], f: impl Fn(f32) -> f32) {
    Arch::new().dispatch(|| {
        for value in values.iter_mut() {
            *value = f(*value);
        }
    });
}

#[expect(clippy::inline_always, reason = "part of a vector loop")]
#[inline(always)]
fn sigmoid_of(x: f32) -> f32 {
    1.0 / (1.0 + exp_of(-x))
}

#[expect(clippy::inline_always, reason = "part of a vector loop")]
#[inline(always)]
fn tanh_of(x: f32) -> f32 {
    1.0 - 2.0 / (exp_of(2.0 * x) + 1.0)
}

/// `e^x = 2^n · e^r` with `|r| ≤ ln 2 / 2`.
#[expect(clippy::inline_always, reason = "part of a vector loop")]
#[inline(always)]
fn exp_of(x: f32) -> f32 {
    let x = x.clamp(EXP_RANGE[0], EXP_RANGE[1]);
    let shifted = x * std::f32::consts::LOG2_E + ROUNDER;
    let n = shifted - ROUNDER;
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        p = p * r + coefficient;
    }
    // The whole number stands in the lowest bits of `shifted`; moved up it is an exponent.
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3F80_0000));
    (p * r * r + r + 1.0) * power
}

/// The square of the sine has the period π, so the angle is brought within ±π/2 first.
#[expect(clippy::inline_always, reason = "part of a vector loop")]
#[inline(always)]
fn sin_squared_of(x: f32) -> f32 {
    let n = (x * std::f32::consts::FRAC_1_PI + ROUNDER) - ROUNDER;
    let r = ((x - n * PI_PARTS[0]) - n * PI_PARTS[1]) - n * PI_PARTS[2];
    let square = r * r;
    let mut p = -2.505_210_8e-8;
    for coefficient in [2.755_731_9e-6, -1.984_126_9e-4, 8.333_333e-3, -0.166_666_67, 1.0] {
        p = p * square + coefficient;
    }
    let sine = p * r;
    sine * sine
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Within a few units in the last place of the exact value, or of one where terms cancel.
    #[track_caller]
    fn check(name: &str, x: f32, f: fn(&mut [f32]), exact: f64) {
        check_sum(name, x, f, exact, 1.0);
    }

    /// The same of a sum whose largest term is `term`.
    #[track_caller]
    fn check_sum(name: &str, x: f32, f: fn(&mut [f32]), exact: f64, term: f64) {
        let mut values = [x; 11];
        f(&mut values);
        for got in values {
            let error = (f64::from(got) - exact).abs();
            assert!(error <= 4e-7 * exact.abs().max(term), "{name}({x}) is {got}, not {exact}");
        }
    }

    proptest! {
        #[test]
        fn every_function_is_near_the_exact_one(x in -30f32..30.0) {
            let e = f64::from(x);
            check("sigmoid", x, sigmoid, 1.0 / (1.0 + (-e).exp()));
            check("tanh", x, tanh, e.tanh());
            check("silu", x, silu, e / (1.0 + (-e).exp()));
            check("mish", x, mish, e * e.exp().ln_1p().tanh());
            check("exp", x, exp, e.exp());
            let exact = e + 2.0 * e.sin().powi(2);
            check_sum("snake", x, |values| snake(values, 1.0, 2.0), exact, e.abs() + 2.0);
            check("relu", x, relu, e.max(0.0));
        }

        #[test]
        fn nothing_overflows_far_out(x in prop_oneof![-1e30f32..-30.0, 30f32..1e30]) {
            for f in [sigmoid, tanh, exp] {
                let mut value = [x];
                f(&mut value);
                prop_assert!(value[0].is_finite());
            }
            let mut value = [x];
            mish(&mut value);
            prop_assert_eq!(value[0], if x > 0.0 { x } else { value[0].min(0.0) });
        }
    }

    #[test]
    fn gelu_is_near_the_exact_one() {
        for (x, table) in [
            (0.0, 0.0),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (-2.0, -0.995_322_265_018_952_7),
            (3.0, 0.999_977_909_503_001_4),
        ] {
            assert!((erf(x) - table).abs() < 1e-12, "erf({x}) is {}", erf(x));
        }
        for step in -400..=400 {
            let x = step as f32 * 0.05;
            let e = f64::from(x);
            let exact = 0.5 * e * (1.0 + erf(e / std::f64::consts::SQRT_2));
            let mut values = [x; 9];
            gelu(&mut values);
            let error = (f64::from(values[8]) - exact).abs();
            assert!(error < 1e-6 * exact.abs().max(1.0), "GELU of {x} is off by {error}");
        }
    }

    /// The error function by its power series near zero and a continued fraction beyond.
    fn erf(x: f64) -> f64 {
        let magnitude = x.abs();
        let value = if magnitude < 2.5 {
            let (mut term, mut sum, mut n) = (magnitude, magnitude, 0.0);
            while term.abs() > 1e-17 {
                n += 1.0;
                term *= -magnitude * magnitude / n;
                sum += term / (2.0 * n + 1.0);
            }
            sum * std::f64::consts::FRAC_2_SQRT_PI
        } else {
            let mut fraction = 0.0;
            for n in (1..=60).rev() {
                fraction = f64::from(n) / 2.0 / (magnitude + fraction);
            }
            let tail = (-magnitude * magnitude).exp() / (magnitude + fraction);
            1.0 - tail * std::f64::consts::FRAC_2_SQRT_PI / 2.0
        };
        value.copysign(x)
    }
}

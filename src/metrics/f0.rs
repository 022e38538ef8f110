//! How far the pitch of a sound is from that of a recording.

/// Differences of two pitch tracks over paired frames.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct F0Distance {
    /// Root mean square over the pairs that are voiced in both, in Hz; zero if there are none.
    pub rmse_hz: f64,
    /// The same in cents: hundredths of a semitone.
    pub rmse_cents: f64,
    /// Share of the pairs that are voiced in only one.
    pub voicing_error: f64,
    /// Pairs that are voiced in both.
    pub n_voiced: usize,
}

/// Compares pitches in Hz (zero: unvoiced) over pairs of frames; pairs past an end are left out.
pub fn f0_distance(reference: &[f32], sound: &[f32], pairs: &[(usize, usize)]) -> F0Distance {
    let mut distance = F0Distance::default();
    let (mut squares_hz, mut squares_cents, mut n, mut n_differ) = (0.0, 0.0, 0_usize, 0_usize);
    for &(i, j) in pairs {
        let (Some(&a), Some(&b)) = (reference.get(i), sound.get(j)) else { continue };
        n += 1;
        if a > 0.0 && b > 0.0 {
            let (a, b) = (f64::from(a), f64::from(b));
            squares_hz += (a - b).powi(2);
            squares_cents += (1200.0 * (a / b).log2()).powi(2);
            distance.n_voiced += 1;
        } else if (a > 0.0) != (b > 0.0) {
            n_differ += 1;
        }
    }
    let voiced = distance.n_voiced.max(1) as f64;
    distance.rmse_hz = (squares_hz / voiced).sqrt();
    distance.rmse_cents = (squares_cents / voiced).sqrt();
    distance.voicing_error = n_differ as f64 / n.max(1) as f64;
    distance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_octave_is_twelve_hundred_cents_and_silence_is_no_pitch() {
        let pairs: Vec<_> = (0..5).map(|at| (at, at)).collect();
        let distance = f0_distance(&[100.0, 100.0, 0.0, 0.0], &[200.0, 0.0, 0.0, 90.0], &pairs);
        assert_eq!((distance.rmse_hz, distance.rmse_cents), (100.0, 1200.0));
        assert_eq!((distance.voicing_error, distance.n_voiced), (0.5, 1));
        assert_eq!(f0_distance(&[], &[], &pairs), F0Distance::default());
    }
}

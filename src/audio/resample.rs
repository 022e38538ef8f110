//! Sound at another rate.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};

/// Frames that the resampler works on at a time.
const CHUNK: usize = 1024;

/// `samples` at `to` samples per second; the same samples if the rates agree.
///
/// # Errors
/// What the resampler says; it refuses only rates of zero.
pub fn resample(samples: &[f32], from: u32, to: u32) -> Result<Vec<f32>, String> {
    if from == to || samples.is_empty() {
        return Ok(samples.to_vec());
    }
    let (rate_in, rate_out) = (from as usize, to as usize);
    let mut resampler = Fft::<f32>::new(rate_in, rate_out, CHUNK, 1, FixedSync::Both)
        .map_err(|error| error.to_string())?;
    let input = InterleavedSlice::new(samples, 1, samples.len()).map_err(|e| e.to_string())?;
    let output =
        resampler.process_all(&input, samples.len(), None).map_err(|error| error.to_string())?;
    Ok(output.take_data())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_pitch_and_its_length() {
        let tone = |rate: u32| -> Vec<f32> {
            (0..rate)
                .map(|n| (n as f32 * 440.0 * std::f32::consts::TAU / rate as f32).sin())
                .collect()
        };
        let resampled = resample(&tone(22_050), 22_050, 48_000).unwrap();
        assert_eq!(resampled.len(), 48_000);
        let expected = tone(48_000);
        // Away from the edges, where the filter sees silence.
        for n in 5_000..43_000 {
            assert!((resampled[n] - expected[n]).abs() < 2e-2, "sample {n}");
        }
    }
}

//! Sound at another rate.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};

/// Frames that the resampler works on at a time.
const CHUNK: usize = 1024;

/// Resamples a stream that comes in pieces of any length.
pub(super) struct StreamResampler {
    resampler: Fft<f32>,
    /// Samples that do not fill a chunk yet.
    waiting: Vec<f32>,
    /// Frames at the beginning that are the filter's delay, still to be dropped.
    delay: usize,
}

impl StreamResampler {
    /// From one rate to another.
    pub(super) fn new(from: u32, to: u32) -> Result<Self, String> {
        let (rate_in, rate_out) = (from as usize, to as usize);
        let resampler = Fft::new(rate_in, rate_out, CHUNK, 1, FixedSync::Input)
            .map_err(|error| error.to_string())?;
        let delay = resampler.output_delay();
        Ok(Self { resampler, waiting: Vec::new(), delay })
    }

    /// What can be had after more samples.
    pub(super) fn push(&mut self, samples: &[f32]) -> Vec<f32> {
        self.waiting.extend_from_slice(samples);
        let mut out = Vec::new();
        while self.waiting.len() >= self.resampler.input_frames_next() {
            let n = self.resampler.input_frames_next();
            let chunk: Vec<f32> = self.waiting.drain(..n).collect();
            out.extend(self.process(&chunk));
        }
        out
    }

    /// What is left at the end; the next push begins anew.
    pub(super) fn flush(&mut self) -> Vec<f32> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let n = self.resampler.input_frames_next();
        let mut chunk = std::mem::take(&mut self.waiting);
        chunk.resize(n, 0.0);
        let mut out = self.process(&chunk);
        out.extend(self.process(&vec![0.0; n]));
        self.reset();
        out
    }

    /// Forgets everything.
    pub(super) fn reset(&mut self) {
        self.waiting.clear();
        self.resampler.reset();
        self.delay = self.resampler.output_delay();
    }

    fn process(&mut self, chunk: &[f32]) -> Vec<f32> {
        let Ok(input) = InterleavedSlice::new(chunk, 1, chunk.len()) else { return Vec::new() };
        let Ok(output) = self.resampler.process(&input, None) else { return Vec::new() };
        let mut samples = output.take_data();
        let late = self.delay.min(samples.len());
        self.delay -= late;
        samples.drain(..late);
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_in_pieces_keeps_its_pitch_and_its_length() {
        let tone = |rate: u32| -> Vec<f32> {
            let step = 440.0 * std::f32::consts::TAU / rate as f32;
            (0..rate).map(|n| (n as f32 * step).sin()).collect()
        };
        let mut resampler = StreamResampler::new(22_050, 48_000).unwrap();
        let mut resampled = Vec::new();
        for piece in tone(22_050).chunks(777) {
            resampled.extend(resampler.push(piece));
        }
        resampled.extend(resampler.flush());
        assert!(resampled.len() >= 48_000, "{} samples", resampled.len());
        let expected = tone(48_000);
        // Away from the edges, where the filter sees silence.
        for n in 5_000..43_000 {
            assert!((resampled[n] - expected[n]).abs() < 2e-2, "sample {n}");
        }
    }
}

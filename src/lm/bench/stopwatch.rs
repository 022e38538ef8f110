//! The clock and the processor's time side by side.
//!
//! Seconds on the clock are what a person waits; seconds of processor time hold on a busy machine
//! as well, so figures that are to be compared are taken from those.

use std::time::Instant;

use cpu_time::ProcessTime;

use crate::domain::Sample;

/// Runs from its making on.
#[derive(Debug)]
pub struct Stopwatch {
    wall: Instant,
    cpu: ProcessTime,
}

impl Stopwatch {
    /// Begins to count.
    pub fn start() -> Self {
        Self { cpu: ProcessTime::now(), wall: Instant::now() }
    }

    /// What it took to read or write some tokens since the start.
    pub fn lap(&self, n_tokens: usize) -> Sample {
        let wall_secs = self.wall.elapsed().as_secs_f64();
        Sample { n_tokens, wall_secs, cpu_secs: self.cpu.elapsed().as_secs_f64() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_both_kinds_of_time() {
        let watch = Stopwatch::start();
        let sum = (0..2_000_000u64).fold(0, |sum, i| std::hint::black_box(sum ^ i));
        let sample = watch.lap(sum as usize % 2 + 7);
        assert!(sample.wall_secs > 0.0 && sample.cpu_secs > 0.0 && sample.n_tokens >= 7);
    }
}

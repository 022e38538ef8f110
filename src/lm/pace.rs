//! How much of a prompt is read in one step, so that a step stays short on any machine.
//!
//! The step is the grain of everything else: a cancel, a command or a stretch of speech waits for
//! one at most. As rows do not depend on their company, the cut changes no result.

use std::time::Duration;

/// What a step should take: a cancel must be seen within 100 ms, on a busy machine, too.
const STEP: Duration = Duration::from_millis(30);

/// Rows of a chunk: fewer waste the reading of the weights, more gain nothing.
const ROWS: std::ops::RangeInclusive<usize> = 8..=64;

/// The measured cost of a row.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    secs_per_row: f64,
}

impl Default for Pace {
    /// Before anything was measured: sixteen rows.
    fn default() -> Self {
        Self { secs_per_row: STEP.as_secs_f64() / 16.0 }
    }
}

impl Pace {
    /// Prompt tokens for a step that decodes `n_decoded` rows beside them.
    pub fn prompt_rows(self, n_decoded: usize) -> usize {
        let rows = (STEP.as_secs_f64() / self.secs_per_row) as usize;
        rows.saturating_sub(n_decoded).clamp(*ROWS.start(), *ROWS.end())
    }

    /// Hears how long a pass took; small ones say little, as they wait for the weights.
    pub fn observe(&mut self, n_rows: usize, elapsed: Duration) {
        if n_rows >= *ROWS.start() {
            let measured = elapsed.as_secs_f64() / n_rows as f64;
            self.secs_per_row = (self.secs_per_row + measured).max(1e-9) / 2.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_machine_reads_less_at_a_time() {
        let mut pace = Pace::default();
        assert_eq!(pace.prompt_rows(0), 16);
        for _ in 0..20 {
            pace.observe(16, Duration::from_millis(48));
        }
        assert_eq!((pace.prompt_rows(0), pace.prompt_rows(5)), (10, 8));
        for _ in 0..20 {
            pace.observe(64, Duration::from_millis(6));
        }
        assert_eq!(pace.prompt_rows(8), 64);
    }
}

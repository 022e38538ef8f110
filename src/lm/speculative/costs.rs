//! What passes over more rows cost, as measured while replies are written.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::domain::MAX_DRAFT_TOKENS;

/// Passes that are remembered for each number of rows; their median stands for them.
const RECENT: usize = 15;
/// Passes from which on a median says something.
const ENOUGH: usize = 3;
/// What another row costs in a plain pass's time, until it was measured: our kernels on a CPU.
const ANOTHER_ROW: f64 = 0.45;

/// Times of passes, shared by the replies of one model.
#[derive(Debug, Clone, Default)]
pub struct Costs(Arc<Mutex<Table>>);

/// Times by numbers of rows, less one.
#[derive(Debug, Default)]
struct Table(Vec<VecDeque<f64>>);

impl Costs {
    /// Hears how long a pass over some rows took.
    pub fn observe(&self, n_rows: usize, time: Duration) {
        let mut table = self.lock();
        let most = MAX_DRAFT_TOKENS + 1;
        if table.0.len() < most {
            table.0.resize(most, VecDeque::new());
        }
        if let Some(times) = n_rows.checked_sub(1).and_then(|idx| table.0.get_mut(idx)) {
            if times.len() == RECENT {
                times.pop_front();
            }
            times.push_back(time.as_secs_f64());
        }
    }

    /// A plain pass's time, if it was measured.
    pub fn plain_secs(&self) -> Option<f64> {
        self.lock().median(1)
    }

    /// Time of a pass over some rows, in plain passes'.
    pub fn relative(&self, n_rows: usize) -> f64 {
        let table = self.lock();
        let guess = |n_rows: usize| 1.0 + ANOTHER_ROW * (n_rows as f64 - 1.0);
        let Some(plain) = table.median(1) else { return guess(n_rows) };
        if let Some(measured) = table.median(n_rows) {
            return (measured / plain).max(1.0);
        }
        // From the nearest number of rows below that was measured on.
        let below = (1..n_rows).rev().find_map(|n| Some((n, table.median(n)? / plain)));
        below.map_or(1.0, |(n, cost)| cost.max(1.0) + guess(n_rows) - guess(n))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn median(&self, n_rows: usize) -> Option<f64> {
        let times = self.0.get(n_rows.checked_sub(1)?).filter(|times| times.len() >= ENOUGH)?;
        let mut times: Vec<f64> = times.iter().copied().collect();
        times.sort_by(f64::total_cmp);
        Some(times[times.len() / 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_replaces_what_was_guessed() {
        let costs = Costs::default();
        assert!((costs.relative(3) - 1.9).abs() < 1e-9);
        for _ in 0..5 {
            costs.observe(1, Duration::from_millis(10));
            costs.observe(4, Duration::from_millis(15));
        }
        // One that was held up does not count.
        costs.observe(4, Duration::from_secs(9));
        assert!((costs.relative(4) - 1.5).abs() < 1e-9);
        assert!((costs.relative(2) - 1.45).abs() < 1e-9);
        assert!((costs.relative(6) - 2.4).abs() < 1e-9);
        assert_eq!(costs.plain_secs(), Some(0.01));
    }
}

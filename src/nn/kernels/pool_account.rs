//! What the helpers of a pool bring and what they cost, and so how many are wanted.
//!
//! A helper saves the caller the chunks that it computes, and costs it the time that the caller
//! waits for chunks in progress. On a machine with a core to spare the first is far more. Where
//! other programs want the cores, helpers are stopped in the middle of chunks, for milliseconds at
//! a time, and the caller is better off alone.

use std::time::{Duration, Instant};

/// How much work must have been seen before it is judged.
const EVIDENCE: Duration = Duration::from_millis(15);

/// How much work is remembered: what was before counts half.
const MEMORY: Duration = Duration::from_millis(60);

/// What a helper must bring, as a share of the time that the work takes.
const LEAST_GAIN: f64 = 0.2;

/// For how long fewer helpers are wanted after they brought too little, at first and at most.
const SHORTEST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(2);

/// How one piece of work went, as its caller saw it.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    /// Chunks of it.
    pub n_chunks: usize,
    /// Chunks that the caller computed.
    pub n_own: usize,
    /// The shortest time that one of these took: the others may have been interrupted.
    pub shortest: Duration,
    /// How long the caller computed.
    pub worked: Duration,
    /// How long it waited for the others' last chunks.
    pub waited: Duration,
}

/// See the module.
#[derive(Debug)]
pub struct Account {
    n_helpers: usize,
    n_wanted: usize,
    /// Seconds of work that are remembered, and how many more the helpers saved.
    secs: f64,
    saved: f64,
    rest: Duration,
    /// When more helpers are tried again; `None` while the number is on trial, or all are wanted.
    next_try: Option<Instant>,
}

impl Account {
    /// All helpers are wanted at first.
    pub fn new(n_helpers: usize) -> Self {
        let (secs, saved) = (0.0, 0.0);
        let (rest, next_try) = (SHORTEST_REST, None);
        Self { n_helpers, n_wanted: n_helpers, secs, saved, rest, next_try }
    }

    /// How many helpers are wanted now.
    pub fn n_wanted(&mut self, now: Instant) -> usize {
        if self.next_try.is_some_and(|next_try| now >= next_try) {
            self.want((2 * self.n_wanted).max(1));
        }
        self.n_wanted
    }

    /// Takes in how a piece of work went that helpers took part in.
    pub fn enter(&mut self, piece: Piece, now: Instant) {
        let Piece { n_chunks, n_own, shortest, worked, waited } = piece;
        // A caller that found nothing left to do has nothing to compare with.
        let per_chunk = if n_own == 0 { Duration::ZERO } else { shortest };
        self.secs += (worked + waited).as_secs_f64();
        self.saved += per_chunk.as_secs_f64() * (n_chunks - n_own) as f64 - waited.as_secs_f64();
        if self.secs < EVIDENCE.as_secs_f64() {
            return;
        }
        if self.saved < LEAST_GAIN * self.secs * self.n_wanted as f64 {
            self.want(self.n_wanted / 2);
            self.next_try = Some(now + self.rest);
            self.rest = LONGEST_REST.min(2 * self.rest);
        } else if self.secs > MEMORY.as_secs_f64() {
            self.secs /= 2.0;
            self.saved /= 2.0;
            self.rest = SHORTEST_REST.max(self.rest / 2);
            if self.n_wanted < self.n_helpers && self.next_try.is_none() {
                self.want(2 * self.n_wanted);
            }
        }
    }

    fn want(&mut self, n: usize) {
        self.n_wanted = n.min(self.n_helpers);
        self.next_try = None;
        (self.secs, self.saved) = (0.0, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLIS: Duration = Duration::from_millis(1);

    /// Eight chunks of a millisecond, evenly shared, then a wait.
    fn piece(waited: Duration) -> Piece {
        Piece { n_chunks: 8, n_own: 4, shortest: MILLIS, worked: 4 * MILLIS, waited }
    }

    /// Enters pieces until a number of helpers is wanted; tells how many pieces it took.
    #[track_caller]
    fn until(account: &mut Account, n_wanted: usize, waited: Duration, now: Instant) -> usize {
        for n_pieces in 0..100 {
            if account.n_wanted(now) == n_wanted {
                return n_pieces;
            }
            account.enter(piece(waited), now);
        }
        panic!("{} helpers are wanted", account.n_wanted(now));
    }

    #[test]
    fn helpers_that_bring_something_stay() {
        let mut account = Account::new(3);
        let now = Instant::now();
        for _ in 0..200 {
            account.enter(piece(MILLIS / 10), now);
        }
        assert_eq!(account.n_wanted(now), 3);
    }

    #[test]
    fn helpers_that_are_waited_for_rest_and_are_tried_again() {
        let mut account = Account::new(1);
        let now = Instant::now();
        let n_pieces = until(&mut account, 0, 4 * MILLIS, now);
        assert!(n_pieces <= 3, "{n_pieces} pieces of 8 ms");
        assert_eq!(account.n_wanted(now + SHORTEST_REST / 2), 0);
        assert_eq!(account.n_wanted(now + SHORTEST_REST), 1);
    }

    #[test]
    fn each_try_in_vain_is_followed_by_a_longer_rest() {
        let mut account = Account::new(1);
        let mut now = Instant::now();
        let mut rests = Vec::new();
        for _ in 0..8 {
            until(&mut account, 0, 4 * MILLIS, now);
            let begun = now;
            while account.n_wanted(now) == 0 {
                now += 10 * MILLIS;
            }
            rests.push(now - begun);
        }
        assert_eq!(rests[..3], [100 * MILLIS, 200 * MILLIS, 400 * MILLIS]);
        assert_eq!(rests.last(), Some(&LONGEST_REST));
    }

    #[test]
    fn fewer_are_tried_before_none_and_all_come_back() {
        let mut account = Account::new(4);
        let now = Instant::now();
        until(&mut account, 2, 4 * MILLIS, now);
        until(&mut account, 1, 4 * MILLIS, now);
        until(&mut account, 0, 4 * MILLIS, now);
        let later = now + LONGEST_REST;
        assert_eq!(account.n_wanted(later), 1);
        until(&mut account, 4, Duration::ZERO, later);
    }

    #[test]
    fn an_interrupted_chunk_of_the_caller_is_not_what_the_others_saved() {
        let mut account = Account::new(1);
        let now = Instant::now();
        let piece = Piece { worked: 50 * MILLIS, waited: 4 * MILLIS, ..piece(MILLIS) };
        account.enter(piece, now);
        assert_eq!(account.n_wanted(now), 0);
    }
}

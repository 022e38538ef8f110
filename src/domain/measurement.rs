//! What was measured of the language engine: kinds of work, and how long each took.

use serde::{Deserialize, Serialize};

/// How long one go took, and how many tokens were read or written in it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Tokens read or written.
    pub n_tokens: usize,
    /// Seconds on the clock.
    pub wall_secs: f64,
    /// Seconds of processor time that the whole process took, all threads together.
    pub cpu_secs: f64,
}

/// Which of a sample's times says what the work costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// Processor time, which holds on a busy machine as well.
    Processor,
    /// What a person waits: where the work is done by a device, whose time no processor counts.
    Wall,
}

/// A kind of work that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum Work {
    /// From the file (in the system's cache) to a model in memory.
    Load,
    /// From the file to the first token of a reply.
    FirstToken {
        /// Tokens of its prompt.
        prompt: usize,
    },
    /// Reading a prompt, to the first token of the reply.
    Prefill {
        /// Tokens of the prompt.
        prompt: usize,
    },
    /// Writing token after token.
    Decode {
        /// Tokens that stand before.
        context: usize,
    },
    /// One pass over several rows, as verifying a draft takes it, with what follows each row.
    Verify {
        /// Tokens that stand before.
        context: usize,
        /// Rows of the pass: drafted tokens and one more.
        rows: usize,
    },
    /// Several replies written at once.
    Together {
        /// How many.
        sequences: usize,
    },
    /// An adapter's file, to an adapter in memory.
    LoadAdapter,
    /// Replies written at once, some of them with adapters.
    Adapted {
        /// How many.
        sequences: usize,
        /// Adapters that they have, in turns with none; zero where none has any.
        adapters: usize,
    },
    /// A reply that repeats a text it was given.
    Copy {
        /// Whether n-gram lookup drafts.
        ngram: bool,
    },
    /// A reply that sums up a text it was given.
    Summarise {
        /// Whether n-gram lookup drafts.
        ngram: bool,
    },
    /// Writing token after token while other work keeps processors busy.
    Contended {
        /// Threads of the engine.
        threads: usize,
        /// Threads that do nothing but turn.
        busy: usize,
    },
}

/// One kind of work, measured several times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// What was done.
    #[serde(flatten)]
    pub work: Work,
    /// How long it took us.
    pub samples: Vec<Sample>,
    /// How long it took the peer, in turns with us; empty where there is none.
    pub peer: Vec<Sample>,
}

/// The middle of several values, and between which they lie.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Half of the values lie above, half below.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Sample {
    /// Seconds by a clock.
    pub fn secs(&self, clock: Clock) -> f64 {
        match clock {
            Clock::Processor => self.cpu_secs,
            Clock::Wall => self.wall_secs,
        }
    }

    /// Tokens per second by a clock.
    pub fn tokens_per_sec_by(&self, clock: Clock) -> f64 {
        self.n_tokens as f64 / self.secs(clock)
    }

    /// Tokens per second on the clock.
    pub fn tokens_per_sec(&self) -> f64 {
        self.n_tokens as f64 / self.wall_secs
    }

    /// Tokens per second of processor time.
    pub fn tokens_per_cpu_sec(&self) -> f64 {
        self.n_tokens as f64 / self.cpu_secs
    }
}

impl Spread {
    /// `None` where there is no value.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { median: f64::midpoint(low, high), min, max })
    }
}

impl Measurement {
    /// Our figure of each sample, summed up.
    pub fn ours(&self, figure: impl FnMut(&Sample) -> f64) -> Option<Spread> {
        Spread::of(self.samples.iter().map(figure))
    }

    /// The peer's figure of each sample, summed up.
    pub fn peers(&self, figure: impl FnMut(&Sample) -> f64) -> Option<Spread> {
        Spread::of(self.peer.iter().map(figure))
    }

    /// How many times as many tokens we make of a second of processor time as the peer.
    ///
    /// The median over the turns, each of which compares two goes that followed each other: what
    /// else the machine did then slowed both.
    pub fn advantage(&self) -> Option<Spread> {
        let turns = self.samples.iter().zip(&self.peer);
        Spread::of(
            turns.map(|(ours, peers)| ours.tokens_per_cpu_sec() / peers.tokens_per_cpu_sec()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(n_tokens: usize, cpu_secs: f64) -> Sample {
        Sample { n_tokens, wall_secs: 2.0 * cpu_secs, cpu_secs }
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        let spread = Spread::of([4.0, 1.0, 2.0, 9.0]).unwrap();
        assert_eq!(spread, Spread { median: 3.0, min: 1.0, max: 9.0 });
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn an_advantage_is_the_middle_one_of_the_turns() {
        let measurement = Measurement {
            work: Work::Decode { context: 0 },
            samples: vec![sample(8, 1.0), sample(8, 2.0), sample(8, 1.0)],
            peer: vec![sample(4, 1.0), sample(4, 2.0), sample(4, 5.0)],
        };
        assert_eq!(measurement.advantage().unwrap().median, 2.0);
        assert_eq!(measurement.ours(Sample::tokens_per_sec).unwrap().max, 4.0);
        assert_eq!(measurement.peers(Sample::tokens_per_cpu_sec).unwrap().min, 0.8);
    }

    #[test]
    fn kinds_of_work_are_written_flat() {
        let work = Work::Verify { context: 2000, rows: 4 };
        let json = serde_json::to_value(work).unwrap();
        assert_eq!(json, serde_json::json!({ "work": "verify", "context": 2000, "rows": 4 }));
    }
}

//! The figures of one run, and what made them.

use serde::Serialize;

use super::{BenchPart, Effort};
use crate::domain::{Clock, Measurement, Sample, Spread, Work};

/// All that was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchReport {
    /// What made the figures.
    pub record: BenchRecord,
    /// How long each kind of work took.
    pub measurements: Vec<Measurement>,
    /// What the model makes of a text, if asked.
    pub perplexity: Option<Perplexity>,
    /// Bytes, if asked.
    pub memory: Option<Memory>,
}

/// What made the figures: enough to make them again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchRecord {
    /// What the model's file calls it.
    pub model: String,
    /// SHA-256 of that file.
    pub sha256: String,
    /// What did the arithmetic: the instruction set of the kernels, or a graphics processor.
    pub instructions: String,
    /// Which time the ratios are made of.
    pub clock: Clock,
    /// Threads of what is measured by the clock (load, and beside busy threads); all else, the peer
    /// included, is measured on one.
    pub n_threads: usize,
    /// Logical processors of the machine.
    pub n_processors: usize,
    /// Version of Formant.
    pub version: String,
    /// Whether the compiler optimized.
    pub optimized: bool,
    /// When it was measured (UTC), as `2026-01-31 12:00`.
    pub date: String,
    /// How thoroughly.
    pub effort: Effort,
    /// Which figures were asked for.
    pub parts: Vec<BenchPart>,
    /// The other engine, if there was one.
    pub peer: Option<PeerRecord>,
}

/// The other engine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PeerRecord {
    /// Its name.
    pub name: String,
    /// Version of the binding, and what it was built for.
    pub version: String,
    /// How its file stores weights.
    pub model: String,
}

/// `exp` of the mean negative log-likelihood of a text's tokens; lower is better.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Perplexity {
    /// Tokens of the text.
    pub n_tokens: usize,
    /// It is read in windows of so many tokens.
    pub window: usize,
    /// Ours.
    pub ours: f64,
    /// The peer's, on the same tokens.
    pub peer: Option<f64>,
}

/// What the model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Bytes of the weights.
    pub weights: u64,
    /// Tokens of context that the next figure holds for.
    pub context: usize,
    /// Bytes of the keys and values of such a context.
    pub kv: u64,
    /// Bytes of buffers that passes share.
    pub scratch: u64,
    /// Bytes of the whole process that lie in memory; `None` where the system does not tell.
    pub resident: Option<u64>,
    /// Bytes of the device's memory that are in use, by whatever program; `None` on the CPU, and
    /// where the device does not tell.
    pub device: Option<u64>,
}

/// What follows from the measurements taken together; `None` where one of them is missing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ratios {
    /// Tokens that we make of a second of processor time by those the peer makes.
    pub by_peer: Vec<(Work, Spread)>,
    /// `T(k)/T(1)` of passes: ours, and the peer's.
    pub verification: Vec<(Work, Spread, Option<Spread>)>,
    /// What n-gram lookup brings where a text is repeated.
    pub ngram_copy: Option<Spread>,
    /// What n-gram lookup brings where a text is summed up.
    pub ngram_summarise: Option<Spread>,
    /// Tokens per second of eight replies by those of one.
    pub eight_together: Option<Spread>,
    /// What an adapter costs a reply: its time by that without.
    pub one_adapted: Option<Spread>,
    /// What adapters cost replies that are written at once, and take turns with those that have none.
    pub several_adapted: Option<Spread>,
    /// What all threads bring by one, each beside its busy neighbours.
    pub threads: Vec<(Work, Spread)>,
}

impl BenchReport {
    /// All ratios that can be had.
    pub fn ratios(&self) -> Ratios {
        let works = || self.measurements.iter().map(|measurement| measurement.work);
        let verification = |work| match work {
            Work::Verify { context, rows } => {
                let (ours, peers) = self.verification_cost(context, rows)?;
                Some((work, ours, peers))
            }
            _ => None,
        };
        let threads = |work| match work {
            Work::Contended { threads, busy } if threads > 1 => {
                Some((work, self.threads_gain(threads, busy)?))
            }
            _ => None,
        };
        let by_peer =
            |measurement: &Measurement| Some((measurement.work, measurement.advantage()?));
        Ratios {
            by_peer: self.measurements.iter().filter_map(by_peer).collect(),
            verification: works().filter_map(verification).collect(),
            ngram_copy: self.ngram_gain(|ngram| Work::Copy { ngram }),
            ngram_summarise: self.ngram_gain(|ngram| Work::Summarise { ngram }),
            eight_together: self.together_gain(8),
            one_adapted: self.adapted_cost(|sequences| sequences == 1),
            several_adapted: self.adapted_cost(|sequences| sequences > 1),
            threads: works().filter_map(threads).collect(),
        }
    }

    /// How long a kind of work took, if it was measured.
    pub fn find(&self, work: Work) -> Option<&Measurement> {
        self.measurements.iter().find(|measurement| measurement.work == work)
    }

    /// What a pass over `rows` rows costs in passes over one, `T(k)/T(1)`: ours, and the peer's.
    pub fn verification_cost(
        &self,
        context: usize,
        rows: usize,
    ) -> Option<(Spread, Option<Spread>)> {
        let one = self.find(Work::Verify { context, rows: 1 })?;
        let many = self.find(Work::Verify { context, rows })?;
        let clock = self.record.clock;
        let of = |many: &[_], one: &[_]| Spread::of(ratios(many, one, |it| it.secs(clock)));
        Some((of(&many.samples, &one.samples)?, of(&many.peer, &one.peer)))
    }

    /// How many times as many tokens come of a second with n-gram lookup.
    pub fn ngram_gain(&self, work: fn(bool) -> Work) -> Option<Spread> {
        let (with, without) = (self.find(work(true))?, self.find(work(false))?);
        let clock = self.record.clock;
        Spread::of(ratios(&with.samples, &without.samples, |it| it.tokens_per_sec_by(clock)))
    }

    /// How many times as many tokens come of a second when several replies are written at once.
    pub fn together_gain(&self, sequences: usize) -> Option<Spread> {
        let many = self.find(Work::Together { sequences })?;
        let one = self.find(Work::Together { sequences: 1 })?;
        Spread::of(ratios(&many.samples, &one.samples, Sample::tokens_per_sec))
    }

    /// How many times as much processor time a token takes with adapters as without.
    fn adapted_cost(&self, is_it: fn(usize) -> bool) -> Option<Spread> {
        let find = |with: bool| {
            self.measurements.iter().find(|measurement| match measurement.work {
                Work::Adapted { sequences, adapters } => is_it(sequences) && (adapters > 0) == with,
                _ => false,
            })
        };
        let (with, without) = (find(true)?, find(false)?);
        Spread::of(ratios(&without.samples, &with.samples, Sample::tokens_per_cpu_sec))
    }

    /// How many times as many tokens come of a second on the clock with several threads, beside
    /// `busy` others.
    pub fn threads_gain(&self, threads: usize, busy: usize) -> Option<Spread> {
        let many = self.find(Work::Contended { threads, busy })?;
        let one = self.find(Work::Contended { threads: 1, busy })?;
        Spread::of(ratios(&many.samples, &one.samples, Sample::tokens_per_sec))
    }
}

/// The figure of each sample over that of the sample taken in the same turn.
fn ratios<'a>(
    above: &'a [Sample],
    below: &'a [Sample],
    figure: impl Fn(&Sample) -> f64 + 'a,
) -> impl Iterator<Item = f64> + 'a {
    above.iter().zip(below).map(move |(above, below)| figure(above) / figure(below))
}

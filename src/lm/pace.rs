//! How much of a prompt is read in one step, so that a step stays short on any machine.
//!
//! The step is the grain of everything else: a command, the next token of another reply or a stretch
//! of speech waits for one at most. Alone, a prompt may take longer steps, as fewer passes over the
//! weights read it sooner; a cancel does not wait for them, as it ends a pass between two layers.
//! As rows do not depend on their company, the cut changes no result.

use std::{
    ops::RangeInclusive,
    sync::{Arc, Weak},
    time::Duration,
};

use super::{LanguageModel, network::Network};

/// Who waits while a stretch of a prompt is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// Nobody: this prompt is all there is to do.
    None,
    /// Other replies, which say nothing meanwhile, or speech, which must not run dry.
    Waiting,
}

impl Company {
    /// What a step should take.
    fn step(self) -> Duration {
        match self {
            Self::None => Duration::from_millis(200),
            Self::Waiting => Duration::from_millis(30),
        }
    }
}

/// What does the reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// The CPU.
    Kernels,
    /// A graphics processor: a pass over a hundred rows takes as long as one over ten, because as
    /// many operations are queued.
    Device,
}

impl Reader {
    fn of(model: &LanguageModel) -> Self {
        match model.network() {
            Network::Kernels(_) => Self::Kernels,
            Network::Tensors(_) => Self::Device,
        }
    }

    /// Rows of a step in company before anything was measured.
    fn first_rows(self) -> usize {
        match self {
            Self::Kernels => 16,
            Self::Device => 128,
        }
    }

    /// Rows of a chunk: fewer waste the reading of the weights, more gain nothing.
    fn rows(self, company: Company) -> RangeInclusive<usize> {
        match (self, company) {
            (Self::Kernels, Company::None) => 8..=128,
            (Self::Kernels, Company::Waiting) => 8..=64,
            (Self::Device, _) => 64..=1024,
        }
    }
}

/// The measured cost of a row.
#[derive(Debug, Clone, Copy)]
struct Pace {
    reader: Reader,
    secs_per_row: f64,
}

impl Pace {
    fn begin(reader: Reader) -> Self {
        let secs_per_row = Company::Waiting.step().as_secs_f64() / reader.first_rows() as f64;
        Self { reader, secs_per_row }
    }

    fn prompt_rows(self, n_decoded: usize, company: Company) -> usize {
        let (least, most) = self.reader.rows(company).into_inner();
        let rows = (company.step().as_secs_f64() / self.secs_per_row) as usize;
        rows.saturating_sub(n_decoded).clamp(least, most)
    }

    /// Small passes say little, as they wait for the weights.
    fn observe(&mut self, n_rows: usize, elapsed: Duration) {
        if n_rows >= *self.reader.rows(Company::None).start() {
            let measured = elapsed.as_secs_f64() / n_rows as f64;
            self.secs_per_row = (self.secs_per_row + measured).max(1e-9) / 2.0;
        }
    }
}

/// What a row costs of each model in use.
#[derive(Debug, Default)]
pub struct Paces(Vec<(Weak<LanguageModel>, Pace)>);

impl Paces {
    /// Prompt tokens for a step that decodes `n_decoded` rows beside them.
    pub fn prompt_rows(
        &self,
        model: &Arc<LanguageModel>,
        n_decoded: usize,
        company: Company,
    ) -> usize {
        let known =
            self.0.iter().find(|(known, _)| std::ptr::eq(known.as_ptr(), &raw const **model));
        let pace = known.map_or_else(|| Pace::begin(Reader::of(model)), |(_, pace)| *pace);
        pace.prompt_rows(n_decoded, company)
    }

    /// Hears how long a pass took.
    pub fn observe(&mut self, model: &Arc<LanguageModel>, n_rows: usize, elapsed: Duration) {
        self.0.retain(|(known, _)| known.strong_count() > 0);
        let is_it = |(known, _): &(Weak<LanguageModel>, Pace)| {
            std::ptr::eq(known.as_ptr(), &raw const **model)
        };
        let idx = self.0.iter().position(is_it).unwrap_or_else(|| {
            self.0.push((Arc::downgrade(model), Pace::begin(Reader::of(model))));
            self.0.len() - 1
        });
        self.0[idx].1.observe(n_rows, elapsed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::tiny;

    #[test]
    fn a_slow_machine_reads_less_at_a_time() {
        let mut pace = Pace::begin(Reader::Kernels);
        assert_eq!(pace.prompt_rows(0, Company::Waiting), 16);
        for _ in 0..20 {
            pace.observe(16, Duration::from_millis(48));
        }
        let rows = |n_decoded| pace.prompt_rows(n_decoded, Company::Waiting);
        assert_eq!((rows(0), rows(5)), (10, 8));
        for _ in 0..20 {
            pace.observe(64, Duration::from_millis(6));
        }
        assert_eq!(pace.prompt_rows(8, Company::Waiting), 64);
    }

    #[test]
    fn a_prompt_alone_is_read_in_longer_stretches() {
        let pace = Pace::begin(Reader::Kernels);
        assert_eq!(pace.prompt_rows(0, Company::None), 106);
        let fast = Pace { secs_per_row: 1e-6, ..pace };
        assert_eq!(fast.prompt_rows(0, Company::None), 128);
    }

    #[test]
    fn a_device_begins_with_more_and_adapts() {
        let mut pace = Pace::begin(Reader::Device);
        assert_eq!(pace.prompt_rows(0, Company::Waiting), 128);
        for _ in 0..20 {
            pace.observe(128, Duration::from_secs(1));
        }
        assert_eq!(pace.prompt_rows(0, Company::None), 64);
        for _ in 0..20 {
            pace.observe(64, Duration::from_millis(1));
        }
        assert_eq!(pace.prompt_rows(0, Company::None), 1024);
    }

    #[test]
    fn each_model_has_a_pace_of_its_own() {
        let (slow, fast) = (tiny::model(1), tiny::model(2));
        let mut paces = Paces::default();
        for _ in 0..20 {
            paces.observe(&slow, 10, Duration::from_secs(1));
            paces.observe(&fast, 10, Duration::from_micros(10));
        }
        let rows = |model| paces.prompt_rows(model, 0, Company::None);
        assert_eq!((rows(&slow), rows(&fast)), (8, 128));
        drop(slow);
        paces.observe(&fast, 10, Duration::from_micros(10));
        assert_eq!(paces.0.len(), 1, "what is known of a model goes with it");
    }
}

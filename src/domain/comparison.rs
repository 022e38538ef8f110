//! Ways to speculate, side by side on one prompt.

use serde::{Deserialize, Serialize};

use super::{Sample, SpeculationCounts, Speculative, Spread};

/// What one way came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodMeasurement {
    /// The way.
    pub speculative: Speculative,
    /// Writing the reply after its first token, each time.
    pub samples: Vec<Sample>,
    /// Passes of the model that the reply took after its first token.
    pub n_passes: usize,
    /// What was drafted and what stood, in the last go.
    pub counts: SpeculationCounts,
    /// The most bytes that the drafter held: what it has learnt, weights, caches.
    pub drafter_bytes: u64,
    /// Whether the text is the same as without speculation.
    pub sameness: Sameness,
    /// What was written.
    pub text: String,
    /// Bytes of the text that each pass wrote, the first token's among them, in the last go.
    pub pass_bytes: Vec<usize>,
}

/// Whether two replies are the same, token for token.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Sameness {
    /// They are.
    Identical,
    /// They part where two tokens were as good as equally likely: rounding may decide there.
    NearTie {
        /// The first token that differs.
        token_idx: usize,
        /// Between the two likeliest tokens, in log-probability.
        margin: f32,
    },
    /// They part where they should not.
    Mismatch {
        /// The first token that differs.
        token_idx: usize,
        /// Between the two likeliest tokens, in log-probability.
        margin: f32,
    },
}

impl Sameness {
    /// Margins below which rounding may decide: what half precision leaves of a logit.
    const TIE: f32 = 0.25;

    /// Compares a reply with the plain one.
    ///
    /// * `margins`: between the two likeliest tokens, at each token of the plain reply.
    pub fn of(ids: &[u32], plain: &[u32], margins: &[f32]) -> Self {
        if ids == plain {
            return Self::Identical;
        }
        let token_idx = ids.iter().zip(plain).take_while(|(a, b)| a == b).count();
        let margin = margins.get(token_idx).copied().unwrap_or(f32::INFINITY);
        if margin < Self::TIE {
            Self::NearTie { token_idx, margin }
        } else {
            Self::Mismatch { token_idx, margin }
        }
    }
}

impl MethodMeasurement {
    /// Tokens a second on the clock.
    pub fn tokens_per_sec(&self) -> Option<Spread> {
        Spread::of(self.samples.iter().map(Sample::tokens_per_sec))
    }

    /// Tokens a second of processor time.
    pub fn tokens_per_cpu_sec(&self) -> Option<Spread> {
        Spread::of(self.samples.iter().map(Sample::tokens_per_cpu_sec))
    }

    /// Tokens that a pass of the model wrote.
    pub fn tokens_per_pass(&self) -> Option<f64> {
        let sample = self.samples.last()?;
        (self.n_passes > 0).then(|| sample.n_tokens as f64 / self.n_passes as f64)
    }

    /// How many times as fast as another way, turn by turn: what else the machine did in a turn
    /// slowed both. By processor time, or on the clock.
    pub fn speed_up(&self, plain: &Self, figure: fn(&Sample) -> f64) -> Option<Spread> {
        let turns = self.samples.iter().zip(&plain.samples);
        Spread::of(turns.map(|(ours, plain)| figure(ours) / figure(plain)))
    }
}

/// A line of figures for each way, plain decoding first among them.
pub fn comparison_csv(methods: &[MethodMeasurement]) -> String {
    let mut csv = "method,tokens_per_sec,tokens_per_cpu_sec,speed_up,speed_up_min,speed_up_max,\
                   tokens_per_pass,acceptance_length,drafter_bytes,verdict\n"
        .to_owned();
    let number = |value: Option<f64>| value.map_or_else(String::new, |it| format!("{it:.4}"));
    for method in methods {
        let speed_up =
            methods.first().and_then(|plain| method.speed_up(plain, Sample::tokens_per_cpu_sec));
        let verdict = match method.sameness {
            Sameness::Identical => "identical",
            Sameness::NearTie { .. } => "near-tie",
            Sameness::Mismatch { .. } => "mismatch",
        };
        let columns = [
            format!("\"{}\"", method.speculative.describe().replace('"', "\"\"")),
            number(method.tokens_per_sec().map(|it| it.median)),
            number(method.tokens_per_cpu_sec().map(|it| it.median)),
            number(speed_up.map(|it| it.median)),
            number(speed_up.map(|it| it.min)),
            number(speed_up.map(|it| it.max)),
            number(method.tokens_per_pass()),
            number(method.counts.acceptance_length()),
            method.drafter_bytes.to_string(),
            verdict.to_owned(),
        ];
        csv.push_str(&columns.join(","));
        csv.push('\n');
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_that_part_at_a_near_tie_are_told_from_those_that_should_not() {
        let margins = [3.0, 0.1, 2.0];
        assert_eq!(Sameness::of(&[1, 2, 3], &[1, 2, 3], &margins), Sameness::Identical);
        let tie = Sameness::NearTie { token_idx: 1, margin: 0.1 };
        assert_eq!(Sameness::of(&[1, 9, 3], &[1, 2, 3], &margins), tie);
        let wrong = Sameness::Mismatch { token_idx: 2, margin: 2.0 };
        assert_eq!(Sameness::of(&[1, 2, 9], &[1, 2, 3], &margins), wrong);
        let short = Sameness::Mismatch { token_idx: 2, margin: 2.0 };
        assert_eq!(Sameness::of(&[1, 2], &[1, 2, 3], &margins), short);
    }

    #[test]
    fn a_speed_up_compares_the_goes_of_a_turn() {
        let measurement = |secs: [f64; 3]| MethodMeasurement {
            speculative: Speculative::NGRAM,
            samples: secs
                .map(|cpu_secs| Sample { n_tokens: 10, wall_secs: cpu_secs, cpu_secs })
                .to_vec(),
            n_passes: 5,
            counts: SpeculationCounts::default(),
            sameness: Sameness::Identical,
            text: String::new(),
            drafter_bytes: 0,
            pass_bytes: Vec::new(),
        };
        // The machine was twice as slow in the second turn.
        let (plain, fast) = (measurement([1.0, 2.0, 1.0]), measurement([0.5, 1.0, 0.4]));
        let speed_up = fast.speed_up(&plain, Sample::tokens_per_cpu_sec).unwrap();
        assert_eq!(speed_up, Spread { median: 2.0, min: 2.0, max: 2.5 });
        assert_eq!(fast.tokens_per_pass(), Some(2.0));
        let csv = comparison_csv(&[plain, fast]);
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[2].starts_with("\"n-gram 3–5, 3 draft tokens\",20.0000,20.0000,2.0000,"));
        assert!(lines.iter().all(|line| line.split("\",").last().unwrap().split(',').count() >= 8));
    }
}

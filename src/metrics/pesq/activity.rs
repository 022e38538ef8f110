//! Where a sound has speech, in steps of 4 ms: what utterances are found by.
//!
//! Source: ITU-T P.862 §10.1.4 (envelope and voice activity).

use super::signal::Signal;

/// The quietest step counts as so much of the loudest one's power.
const LEAST_POWER: f64 = 1e-4;
/// Rounds in which the level of the noise settles.
const ROUNDS: usize = 12;
/// A run of speech so short is a click.
const SHORTEST_RUN: usize = 4;
/// Where speech is so far above the noise, a run must stand clear of it as well.
const CLEAN: f64 = 1000.0;
/// By which such a run must stand above the threshold on average.
const CLEAR: f64 = 3.0;
/// A gap so short lies within speech.
const LONGEST_GAP: usize = 50;

/// What is heard in each step.
#[derive(Debug, Clone)]
pub(super) struct Activity {
    /// Power where there is speech, zero elsewhere.
    pub(super) power: Vec<f64>,
    /// Its logarithm above the threshold, at least zero: the envelope that delays are found by.
    pub(super) envelope: Vec<f64>,
}

impl Activity {
    pub(super) fn of(signal: &Signal) -> Self {
        let step = signal.grid.step;
        let powers = signal.samples[..signal.len].chunks_exact(step);
        let mut powers: Vec<f64> =
            powers.map(|x| x.iter().map(|x| x * x).sum::<f64>() / step as f64).collect();
        let mean = powers.iter().sum::<f64>() / powers.len() as f64;
        let loudest = powers.iter().copied().fold(0.0, f64::max);
        let least = if loudest > 0.0 { LEAST_POWER * loudest } else { 1.0 };
        for power in &mut powers {
            *power = power.max(least);
        }
        let threshold = noise_threshold(&powers, mean);

        let mut track = Track { least, speaks: vec![false; powers.len()], powers };
        track.find(threshold);
        track.round_edges();

        let power: Vec<f64> = track
            .powers
            .iter()
            .zip(&track.speaks)
            .map(|(p, s)| if *s { *p } else { 0.0 })
            .collect();
        let threshold = if threshold > 0.0 { threshold } else { least };
        let envelope = power
            .iter()
            .map(|power| if *power > threshold { (power / threshold).ln() } else { 0.0 })
            .collect();
        Self { power, envelope }
    }

    /// Runs of steps that have speech, each with the step past its end.
    pub(super) fn runs(&self) -> Vec<(usize, usize)> {
        let speaks: Vec<bool> = self.power.iter().map(|power| *power > 0.0).collect();
        runs(&speaks)
    }
}

/// A little above two standard deviations over the mean of what is noise, which it tells itself.
fn noise_threshold(powers: &[f64], mean: f64) -> f64 {
    let mut threshold = mean;
    for _ in 0..ROUNDS {
        let noise: Vec<f64> = powers.iter().copied().filter(|power| *power <= threshold).collect();
        let n = noise.len().max(1) as f64;
        let level = noise.iter().sum::<f64>() / n;
        let variance = noise.iter().map(|power| (power - level).powi(2)).sum::<f64>() / n;
        threshold = 1.001 * (level + 2.0 * variance.sqrt());
    }
    threshold
}

fn runs(speaks: &[bool]) -> Vec<(usize, usize)> {
    let mut runs = Vec::new();
    let mut from = None;
    for (at, speaks) in speaks.iter().chain([&false]).enumerate() {
        match (from, speaks) {
            (None, true) => from = Some(at),
            (Some(start), false) => {
                runs.push((start, at));
                from = None;
            }
            _ => (),
        }
    }
    runs
}

struct Track {
    powers: Vec<f64>,
    speaks: Vec<bool>,
    least: f64,
}

impl Track {
    fn find(&mut self, threshold: f64) {
        let (loud, quiet): (Vec<f64>, Vec<f64>) =
            self.powers.iter().partition(|power| **power > threshold);
        let mean = |powers: &[f64]| powers.iter().sum::<f64>() / powers.len().max(1) as f64;
        let is_clean = !loud.is_empty()
            && mean(&loud) >= CLEAN * if quiet.is_empty() { 1.0 } else { mean(&quiet) };
        // Where nothing stands out, all is speech.
        let n = self.speaks.len();
        self.speaks = self.powers.iter().map(|p| loud.is_empty() || *p > threshold).collect();
        self.close_ends();
        for (from, to) in runs(&self.speaks) {
            let is_click = to - from <= SHORTEST_RUN;
            let clear = CLEAR * threshold * (to - from) as f64;
            if is_click || (is_clean && self.powers[from..to].iter().sum::<f64>() < clear) {
                self.speaks[from..to].fill(false);
            }
        }
        for pair in runs(&self.speaks).windows(2) {
            let (end, start) = (pair[0].1, pair[1].0);
            if start - end <= LONGEST_GAP {
                self.speaks[end..start].fill(true);
                self.powers[end..start].fill(self.least);
            }
        }
        if runs(&self.speaks).is_empty() {
            self.speaks = vec![true; n];
            self.close_ends();
        }
    }

    /// The first and the last step never have speech, so that each run has two ends.
    fn close_ends(&mut self) {
        let n = self.speaks.len();
        for at in [0, n - 1] {
            self.speaks[at] = false;
            self.powers[at] = self.least;
        }
    }

    /// Lets speech come up over two steps and go down over two.
    fn round_edges(&mut self) {
        let n = self.speaks.len();
        let mut at = 3;
        while at + 2 < n {
            if self.speaks[at] && !self.speaks[at - 2] {
                self.set(at - 2, 0.1 * self.powers[at]);
                self.set(at - 1, 0.3 * self.powers[at]);
                at += 1;
            }
            if !self.speaks[at] && self.speaks[at - 1] {
                let last = self.powers[at - 1];
                self.set(at, 0.3 * last);
                self.set(at + 1, 0.1 * last);
                at += 3;
            }
            at += 1;
        }
    }

    fn set(&mut self, at: usize, power: f64) {
        self.powers[at] = power;
        self.speaks[at] = true;
    }
}

#[cfg(test)]
mod tests {
    use super::{super::signal::Grid, *};

    /// Noise of a loudness in some places and a hundredth of it elsewhere, in steps.
    fn activity(loud: &[(usize, usize)]) -> Activity {
        let mut state = 7_u32;
        let sound: Vec<f32> = (0..500 * 64)
            .map(|at| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let hiss = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
                let is_loud = loud.iter().any(|&(from, to)| (from..to).contains(&(at / 64)));
                if is_loud { hiss } else { 1e-4 * hiss }
            })
            .collect();
        Activity::of(&Signal::new(&sound, Grid::at(16_000)))
    }

    #[test]
    fn speech_is_found_where_it_is_loud_with_its_edges() {
        let found = activity(&[(50, 150), (300, 400)]);
        // A margin of 75 steps before, and two steps at each edge.
        assert_eq!(found.runs(), [(123, 227), (373, 477)]);
        assert!(found.envelope[150] > 1.0 && found.envelope[300] == 0.0);
    }

    #[test]
    fn clicks_are_no_speech_and_gaps_within_it_are() {
        assert_eq!(activity(&[(50, 150), (180, 250), (400, 403)]).runs(), [(123, 327)]);
    }
}

//! What was measured of speech: which part of which model, and how long it took whom.

use serde::{Deserialize, Serialize};

use super::{Clock, Sample, Spread};

/// A part of speech synthesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpeechPart {
    /// Symbols to mel.
    Acoustic,
    /// Mel to samples.
    Vocoder,
}

/// One part, measured several times in turns with other engines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeechFigure {
    /// Id of the model.
    pub model: String,
    /// What it did.
    pub part: SpeechPart,
    /// Threads it could use.
    pub threads: usize,
    /// Seconds of speech in a frame, which is what a sample's tokens are here.
    pub frame_secs: f64,
    /// How long it took us.
    pub samples: Vec<Sample>,
    /// How long it took others.
    pub peers: Vec<PeerSamples>,
}

/// What another engine took for the same, turn by turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerSamples {
    /// Which.
    pub engine: String,
    /// Empty where it has no way to do it.
    pub samples: Vec<Sample>,
}

impl SpeechFigure {
    /// Processor time says what work on one thread costs, whatever else the machine does; with
    /// several it is the clock that they are for.
    pub fn clock(&self) -> Clock {
        if self.threads == 1 { Clock::Processor } else { Clock::Wall }
    }

    /// Seconds that a second of speech takes, by the figure's clock.
    pub fn real_time_factor(&self) -> Option<Spread> {
        let (clock, frame_secs) = (self.clock(), self.frame_secs);
        Spread::of(
            self.samples
                .iter()
                .map(|sample| sample.secs(clock) / (sample.n_tokens as f64 * frame_secs)),
        )
    }

    /// How many times as much speech we make in the same time as a peer: the median over the turns,
    /// each of which compares two goes that followed each other.
    pub fn advantage(&self, peer: &PeerSamples) -> Option<Spread> {
        let clock = self.clock();
        let turns = self.samples.iter().zip(&peer.samples);
        Spread::of(
            turns.map(|(ours, theirs)| {
                ours.tokens_per_sec_by(clock) / theirs.tokens_per_sec_by(clock)
            }),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(n_tokens: usize, wall_secs: f64, cpu_secs: f64) -> Sample {
        Sample { n_tokens, wall_secs, cpu_secs }
    }

    fn figure(threads: usize) -> SpeechFigure {
        SpeechFigure {
            model: "joe".into(),
            part: SpeechPart::Acoustic,
            threads,
            frame_secs: 0.01,
            samples: vec![sample(100, 0.25, 0.5)],
            peers: vec![PeerSamples {
                engine: "other".into(),
                samples: vec![sample(50, 0.5, 0.5)],
            }],
        }
    }

    #[test]
    fn one_thread_is_compared_by_processor_time_and_several_by_the_clock() {
        for (threads, factor, advantage) in [(1, 0.5, 2.0), (2, 0.25, 4.0)] {
            let figure = figure(threads);
            assert_eq!(figure.real_time_factor().unwrap().median, factor);
            assert_eq!(figure.advantage(&figure.peers[0]).unwrap().median, advantage);
        }
    }
}

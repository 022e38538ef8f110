//! Two takes compared: what the selected one has more, or less, than the other. Computed on a thread
//! of its own.

use std::{sync::Arc, thread};

use crossbeam_channel::{Receiver, Sender, bounded};
use eframe::egui;

use super::{
    state::SpeakState,
    take::{Phase, Piece, Take, TakeId},
};
use crate::{
    domain::MelSpectrogram,
    dsp::{self, Compared, MelDifference, Picture},
};

/// Frames in one picture: no wider than any card's textures.
const STRIP: usize = 2048;

/// Two takes as they were when they were compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The take whose level counts, and its revision.
    pub first: (TakeId, u64),
    /// The take whose level is taken off.
    pub second: (TakeId, u64),
}

/// A run of frames as a picture, on the first take's time.
#[derive(Debug, Clone, PartialEq)]
pub struct Strip {
    /// Where its first frame begins.
    pub start_secs: f64,
    /// From one frame to the next.
    pub frame_secs: f64,
    /// The place of its first frame among all.
    pub first_frame: usize,
    /// A pixel a cell.
    pub picture: Picture,
}

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// In dB.
    pub difference: MelDifference,
    /// The same as pictures.
    pub strips: Vec<Strip>,
}

impl Shown {
    /// The difference at a time and a place on the band axis, in dB.
    pub fn db_at(&self, secs: f64, band: f64) -> Option<f32> {
        let n_mels = self.difference.n_mels;
        let strip = self.strips.iter().rev().find(|strip| strip.start_secs <= secs)?;
        let frame = ((secs - strip.start_secs) / strip.frame_secs) as usize;
        if frame >= strip.picture.width || !(0.0..n_mels as f64).contains(&band) {
            return None;
        }
        let cell = (strip.first_frame + frame) * n_mels + band as usize;
        self.difference.db.get(cell).copied()
    }
}

/// How far a comparison has come.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Difference {
    /// The view is off.
    #[default]
    Off,
    /// One of the takes is still being made, or there is no second one.
    Waiting,
    /// It is being computed.
    Computing,
    /// It is there, or cannot be: why.
    Done(Pair, Result<Arc<Shown>, String>),
}

impl Difference {
    /// Whether the view is on.
    pub fn is_on(&self) -> bool {
        *self != Self::Off
    }
}

impl SpeakState {
    /// The takes that are compared by their difference: the selected one, and the first of the
    /// others that are shown.
    pub fn pair(&self) -> Option<[&Take; 2]> {
        let first = self.selected_take()?;
        let second = self.takes.iter().find(|take| take.id != first.id && self.shows(take.id))?;
        Some([first, second])
    }

    /// Shows the difference of two takes, or no longer.
    pub fn toggle_difference(&mut self) {
        self.difference = match self.difference {
            Difference::Off => Difference::Waiting,
            _ => Difference::Off,
        };
    }
}

/// A thread at work, and the way back from it.
#[derive(Debug)]
pub struct Comparer {
    sender: Sender<(Pair, Result<Shown, String>)>,
    receiver: Receiver<(Pair, Result<Shown, String>)>,
    running: bool,
}

impl Default for Comparer {
    fn default() -> Self {
        let (sender, receiver) = bounded(1);
        Self { sender, receiver, running: false }
    }
}

impl Comparer {
    /// Takes in what was computed, and has computed what is wanted now; one at a time.
    pub fn follow(&mut self, state: &mut SpeakState, ctx: &egui::Context) {
        if let Ok((pair, outcome)) = self.receiver.try_recv() {
            self.running = false;
            if state.difference.is_on() {
                state.difference = Difference::Done(pair, outcome.map(Arc::new));
            }
        }
        if !state.difference.is_on() {
            return;
        }
        let made = |take: &&Take| {
            !matches!(take.phase, Phase::Speaking | Phase::Waiting) && !take.pieces.is_empty()
        };
        let Some([first, second]) = state.pair().filter(|pair| pair.iter().all(made)) else {
            state.difference = Difference::Waiting;
            return;
        };
        let pair = Pair { first: (first.id, first.revision), second: (second.id, second.revision) };
        if matches!(&state.difference, Difference::Done(done, _) if *done == pair) {
            return;
        }
        if !self.running {
            let pieces = [first.pieces.clone(), second.pieces.clone()];
            self.running = self.start(pair, pieces, ctx);
        }
        state.difference = Difference::Computing;
    }

    fn start(&self, pair: Pair, pieces: [Vec<Piece>; 2], ctx: &egui::Context) -> bool {
        let (sender, ctx) = (self.sender.clone(), ctx.clone());
        let work = move || {
            let outcome = compare(&pieces[0], &pieces[1]);
            // A page that is gone does not want to know.
            sender.send((pair, outcome)).ok();
            ctx.request_repaint();
        };
        let spawned = thread::Builder::new().name("compare".into()).spawn(work);
        if let Err(error) = &spawned {
            tracing::error!("no thread to compare takes: {error}");
        }
        spawned.is_ok()
    }
}

/// Compares the sentences of two takes, all in one.
fn compare(first: &[Piece], second: &[Piece]) -> Result<Shown, String> {
    let difference = dsp::mel_difference(&joined(first)?, &joined(second)?)?;
    let mut strips = Vec::new();
    for piece in first {
        let mel = &piece.spoken.mel;
        let frame_secs = mel.config.frame_secs();
        for from in (0..mel.n_frames()).step_by(STRIP) {
            let to = (from + STRIP).min(mel.n_frames());
            let frames = piece.first_frame + from..piece.first_frame + to;
            strips.push(Strip {
                start_secs: piece.start_secs + from as f64 * frame_secs,
                frame_secs,
                first_frame: frames.start,
                picture: dsp::difference_picture(&difference, frames),
            });
        }
    }
    Ok(Shown { difference, strips })
}

fn joined(pieces: &[Piece]) -> Result<Compared, String> {
    let config = &pieces.first().ok_or("one of them has no mel")?.spoken.mel.config;
    let mut all = Compared {
        mel: MelSpectrogram::empty(config.clone()),
        symbols: Vec::new(),
        durations: Vec::new(),
    };
    for Piece { spoken, .. } in pieces {
        all.mel.frames.extend_from_slice(&spoken.mel.frames);
        let symbols = spoken.phonemes.phonemes.iter();
        all.symbols.extend(symbols.map(|phoneme| phoneme.symbol.clone()));
        all.durations.extend_from_slice(&spoken.alignment.durations);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dsp::AlignedBy, settings, ui::speak::example};

    fn two_takes() -> SpeakState {
        let mut state = SpeakState::new(settings::Speak::default());
        for _ in 0..2 {
            let mut take = example::take(6.0);
            take.id = state.fresh_id();
            state.add(take);
        }
        state.compare(state.takes[0].id);
        state
    }

    #[test]
    fn a_take_differs_from_itself_in_nothing_and_from_a_louder_one_by_its_level() {
        let state = two_takes();
        let quiet = &state.takes[0].pieces;
        let same = compare(quiet, quiet).unwrap();
        assert_eq!(same.difference.aligned_by, AlignedBy::Symbols);
        assert_eq!((same.difference.mean_db, same.difference.mean_abs_db), (0.0, 0.0));
        let louder: Vec<Piece> = quiet
            .iter()
            .map(|piece| {
                let mut spoken = piece.spoken.as_ref().clone();
                spoken.mel.frames.iter_mut().for_each(|level| *level += 10.0_f32.ln() / 2.0);
                Piece { spoken: spoken.into(), ..piece.clone() }
            })
            .collect();
        let shown = compare(&louder, quiet).unwrap();
        assert!((shown.difference.mean_db - 10.0).abs() < 1e-3, "{}", shown.difference.mean_db);
        let n_frames: usize = shown.strips.iter().map(|strip| strip.picture.width).sum();
        assert_eq!(n_frames, state.takes[0].n_frames());
        assert!((shown.db_at(5.5, 20.0).unwrap() - 10.0).abs() < 1e-3);
        assert_eq!(shown.db_at(99.0, 20.0), None);
    }

    #[test]
    fn a_comparison_follows_the_takes_that_are_shown() {
        let mut state = two_takes();
        let (mut comparer, ctx) = (Comparer::default(), egui::Context::default());
        comparer.follow(&mut state, &ctx);
        assert_eq!(state.difference, Difference::Off, "nobody asked");
        state.toggle_difference();
        let done = |comparer: &mut Comparer, state: &mut SpeakState| {
            let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
            loop {
                comparer.follow(state, &ctx);
                if let Difference::Done(pair, _) = &state.difference {
                    return *pair;
                }
                assert!(std::time::Instant::now() < until, "{:?}", state.difference);
                thread::yield_now();
            }
        };
        let ids = [state.takes[0].id, state.takes[1].id];
        let pair = done(&mut comparer, &mut state);
        assert_eq!([pair.first.0, pair.second.0], [ids[1], ids[0]]);
        state.switch_to(ids[0]);
        let pair = done(&mut comparer, &mut state);
        assert_eq!([pair.first.0, pair.second.0], ids);
        state.end_comparison();
        comparer.follow(&mut state, &ctx);
        assert_eq!(state.difference, Difference::Waiting);
    }
}

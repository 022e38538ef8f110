//! Playing a take: which samples, and where the play cursor is.
//!
//! A take that is still being made plays as a stream that grows; a finished one as a range.

use std::ops::Range;

use super::{
    state::SpeakState,
    take::{Take, TakeId},
};
use crate::audio::{Fate, Loops, Player, SoundId};

/// Nearer to the end than this there is nothing left to play.
const END_SECS: f64 = 0.01;

/// What is to be played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum What {
    /// From where it was paused or the cursor stands, to the end.
    FromCursor,
    /// From a time, to the end.
    From(f64),
    /// The same, but only if something plays already.
    Seek(f64),
    /// The selected stretch; without one, everything.
    Selection,
}

/// How what plays goes on when another take is selected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Onward {
    /// In that take.
    Play(What),
    /// Not at all: that take ends before.
    End(f64),
}

impl Onward {
    /// After `position_secs` of the take that played, in the take that `state` has selected since;
    /// without a position from where the cursor stands.
    pub fn new(state: &SpeakState, position_secs: Option<f64>, was_endless: bool) -> Self {
        let end = state.selected_take().map_or(0.0, |take| take.waveform.duration_secs());
        match position_secs {
            _ if was_endless && state.selection.is_some() => Self::Play(What::Selection),
            Some(secs) if secs > end - END_SECS => Self::End(end),
            Some(secs) => Self::Play(What::From(secs)),
            None => Self::Play(What::FromCursor),
        }
    }
}

/// Samples to be played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Which of the take.
    pub range: Range<usize>,
    /// Once or over and over.
    pub loops: Loops,
}

impl Plan {
    /// What to play of a take that is not growing.
    pub fn new(state: &SpeakState, take: &Take, what: What) -> Option<Self> {
        let n_samples = take.waveform.samples.len();
        let rate = f64::from(take.waveform.sample_rate);
        let sample = |secs: f64| ((secs * rate).max(0.0) as usize).min(n_samples);
        let duration_secs = take.waveform.duration_secs();
        let begin = |secs: f64| if secs > duration_secs - END_SECS { 0 } else { sample(secs) };
        let plan = match what {
            What::FromCursor => {
                let from = begin(state.paused_secs.unwrap_or(state.cursor_secs));
                Self { range: from..n_samples, loops: Loops::Once }
            }
            What::From(secs) | What::Seek(secs) => {
                Self { range: begin(secs)..n_samples, loops: Loops::Once }
            }
            What::Selection => {
                let range = state.selection.map_or(0..n_samples, |selection| {
                    sample(selection.start_secs)..sample(selection.end_secs)
                });
                Self { range, loops: state.loops }
            }
        };
        (!plan.range.is_empty()).then_some(plan)
    }

    /// What begins again when a loop is on and a stretch has ended.
    fn again(state: &SpeakState, take: &Take) -> Option<Self> {
        let plan = Self::new(state, take, What::Selection)?;
        (plan.loops == Loops::Forever).then_some(plan)
    }
}

/// What the page has given to the player.
#[derive(Debug, Clone, PartialEq)]
pub struct Playing {
    /// Which take is heard.
    pub take: TakeId,
    sound: SoundId,
    how: How,
}

#[derive(Debug, Clone, PartialEq)]
enum How {
    /// A take as it is made; the stream began at this sample of it.
    Stream { offset: usize },
    /// A part of a finished take.
    Range(Plan),
}

impl Playing {
    /// Starts playing the selected take; `None` if there is nothing to play.
    pub fn start(state: &mut SpeakState, player: &mut Player, what: What) -> Option<Self> {
        let take = state.selected_take()?;
        let id = take.id;
        let is_growing = state.speaking.as_ref().is_some_and(|speaking| speaking.take == id);
        let (sound, how) = if is_growing && what != What::Selection {
            let from = Plan::new(state, take, what).map_or(0, |plan| plan.range.start);
            let stream = player.begin_stream(take.waveform.sample_rate);
            player.push(stream, &take.waveform.samples[from..]);
            (stream, How::Stream { offset: from })
        } else {
            let plan = Plan::new(state, take, what)?;
            (player.play(&take.waveform, plan.range.clone(), plan.loops), How::Range(plan))
        };
        state.paused_secs = None;
        Some(Self { take: id, sound, how })
    }

    /// The first samples of a take that is being made.
    pub fn stream(take: TakeId, sample_rate: u32, player: &mut Player) -> Self {
        let sound = player.begin_stream(sample_rate);
        Self { take, sound, how: How::Stream { offset: 0 } }
    }

    /// The stream into which samples of `take` go as they are made, if it is one.
    pub fn stream_of(&self, take: TakeId) -> Option<SoundId> {
        (self.take == take && matches!(self.how, How::Stream { .. })).then_some(self.sound)
    }

    /// What became of it.
    pub fn fate(&self, player: &Player) -> Fate {
        player.fate(self.sound)
    }

    /// Silence, if it is still this that is heard.
    pub fn stop(self, player: &mut Player) {
        player.stop(self.sound);
    }

    /// Whether it goes on until it is stopped.
    pub fn is_endless(&self) -> bool {
        matches!(&self.how, How::Range(Plan { loops: Loops::Forever, .. }))
    }

    /// Where the play cursor is in `take`, in seconds.
    pub fn position_secs(&self, take: &Take, player: &Player) -> Option<f64> {
        if take.id != self.take || take.waveform.sample_rate == 0 {
            return None;
        }
        let position = player.position(self.sound)?;
        let sample = match &self.how {
            How::Stream { offset } => offset + position,
            How::Range(_) => position,
        };
        Some(sample as f64 / f64::from(take.waveform.sample_rate))
    }

    /// What follows when the player has come to the end by itself: another round, or nothing.
    pub fn next(&self, state: &SpeakState, player: &mut Player) -> Option<Self> {
        let take = state.takes.iter().find(|take| take.id == self.take)?;
        let is_growing = state.speaking.as_ref().is_some_and(|speaking| speaking.take == take.id);
        // A device that fails at once would be asked again in every frame.
        if is_growing || state.selected != Some(take.id) || player.problem().is_some() {
            return None;
        }
        let plan = Plan::again(state, take)?;
        let sound = player.play(&take.waveform, plan.range.clone(), plan.loops);
        Some(Self { take: take.id, sound, how: How::Range(plan) })
    }

    /// The loop is over: what is heard now plays to the end of its round.
    pub fn unloop(&mut self, take: &Take, player: &mut Player) {
        if let How::Range(plan) = &mut self.how {
            let from =
                player.position(self.sound).unwrap_or(plan.range.start).max(plan.range.start);
            plan.range = from.min(plan.range.end)..plan.range.end;
            plan.loops = Loops::Once;
            self.sound = player.play(&take.waveform, plan.range.clone(), Loops::Once);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        settings,
        ui::speak::{example, state::Selection},
    };

    fn state() -> SpeakState {
        let mut state = SpeakState::new(settings::Speak::default());
        let take = example::take(2.0);
        let id = take.id;
        state.takes.push(take);
        state.select(id);
        state
    }

    #[track_caller]
    fn check(state: &SpeakState, what: What, expected: Range<f64>) {
        let plan = Plan::new(state, &state.takes[0], what).unwrap();
        let rate = f64::from(state.takes[0].waveform.sample_rate);
        assert!((plan.range.start as f64 / rate - expected.start).abs() < 1e-3, "{plan:?}");
        assert!((plan.range.end as f64 / rate - expected.end).abs() < 1e-3, "{plan:?}");
    }

    #[test]
    fn play_begins_where_it_was_paused_or_the_cursor_stands() {
        let mut state = state();
        let end = state.takes[0].waveform.duration_secs();
        check(&state, What::FromCursor, 0.0..end);
        state.cursor_secs = 0.5;
        check(&state, What::FromCursor, 0.5..end);
        state.paused_secs = Some(0.75);
        check(&state, What::FromCursor, 0.75..end);
        check(&state, What::From(1.25), 1.25..end);
    }

    #[test]
    fn play_at_the_end_begins_anew() {
        let mut state = state();
        let end = state.takes[0].waveform.duration_secs();
        state.cursor_secs = end;
        check(&state, What::FromCursor, 0.0..end);
    }

    #[test]
    fn the_selection_loops_if_the_loop_is_on() {
        let mut state = state();
        state.selection = Some(Selection::between(1.5, 0.5));
        check(&state, What::Selection, 0.5..1.5);
        assert_eq!(Plan::again(&state, &state.takes[0]), None);
        state.loops = Loops::Forever;
        let again = Plan::again(&state, &state.takes[0]).unwrap();
        assert_eq!(again.loops, Loops::Forever);
    }

    #[test]
    fn the_play_cursor_follows_no_sound_but_its_own() {
        let mut state = state();
        let (mut player, _n_orders) = Player::without_device();
        let playing = Playing::start(&mut state, &mut player, What::FromCursor).unwrap();
        player.hear_latest();
        assert_eq!(playing.position_secs(&state.takes[0], &player), Some(0.0));
        // A reply is read aloud.
        player.begin_stream(22_050);
        player.hear_latest();
        assert_eq!(playing.position_secs(&state.takes[0], &player), None);
        assert_eq!(playing.fate(&player), Fate::Displaced);
    }

    #[test]
    fn another_take_goes_on_where_the_first_one_was() {
        let mut state = state();
        let mut short = example::take(0.5);
        short.id = TakeId(2);
        state.takes.push(short);
        state.compare(TakeId(2));
        state.switch_to(TakeId(2));
        let end = state.selected_take().unwrap().waveform.duration_secs();
        assert_eq!(Onward::new(&state, Some(0.25), false), Onward::Play(What::From(0.25)));
        assert_eq!(Onward::new(&state, Some(1.25), false), Onward::End(end));
        assert_eq!(Onward::new(&state, None, false), Onward::Play(What::FromCursor));
        state.selection = Some(Selection::between(0.1, 0.2));
        assert_eq!(Onward::new(&state, Some(0.15), true), Onward::Play(What::Selection));
    }

    #[test]
    fn an_empty_take_plays_nothing() {
        let mut state = state();
        state.takes[0].waveform = std::sync::Arc::default();
        assert_eq!(Plan::new(&state, &state.takes[0], What::FromCursor), None);
    }
}

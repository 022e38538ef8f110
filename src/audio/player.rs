//! Plays waveforms and growing streams without ever making its caller wait.
//!
//! The handle ([`Player`]) sends orders to a thread that owns the device ([`super::output`]); what
//! is heard comes back through atomics, so it can be read in every frame. The player has many users
//! and plays for one at a time: each follows its own sound, by the [`SoundId`] it was given.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use crossbeam_channel::{Sender, bounded};

use super::output::{self, Order};
use crate::{domain::Waveform, job::Waker};

/// Orders that may wait for the sound thread. Far more than a session's worth of clicks between two
/// of its looks; samples of a stream go in orders of their own.
const ORDERS: usize = 4096;

/// Plays one thing at a time. No method waits for the sound card.
pub struct Player {
    orders: Sender<Order>,
    heard: Arc<Heard>,
    /// Number of the last thing that was asked for, so that older news is not mistaken for its.
    latest: u64,
}

/// One sound that was asked for. Nothing else is ever called by the same name, so that nobody takes
/// another's sound for their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoundId(u64);

/// What became of a sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It plays, or waits for the next samples of its stream.
    Playing,
    /// It came to its end, was stopped, or could not be heard.
    Over,
    /// Something else was asked for and took its place.
    Displaced,
}

/// Whether a range is played again when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loops {
    /// Once.
    Once,
    /// Over and over.
    Forever,
}

impl Player {
    /// A player on a device (`""`: the system's default); the device is opened at the first sound.
    ///
    /// `waker` is called when playing ends and when something goes wrong.
    pub fn new(device: &str, waker: Waker) -> Self {
        let (orders, inbox) = bounded(ORDERS);
        let heard = Arc::new(Heard::default());
        let sound = output::Sound::new(device.to_owned(), inbox, Arc::clone(&heard), waker);
        // Without a thread the orders go nowhere; say so like any other missing sound.
        if let Err(error) = thread::Builder::new().name("sound".into()).spawn(move || sound.run()) {
            heard.set_problem(format!("no sound can be played: {error}"));
        }
        Self { orders, heard, latest: 0 }
    }

    /// Takes another device from the next sound on.
    pub fn set_device(&mut self, device: &str) {
        self.send(Order::Device(device.to_owned()));
    }

    /// Plays a range of samples, once or over and over; what played before stops.
    pub fn play(&mut self, waveform: &Arc<Waveform>, range: Range<usize>, loops: Loops) -> SoundId {
        let end = range.end.min(waveform.samples.len());
        let range = range.start.min(end)..end;
        let number = self.begin();
        self.send(Order::Play { number, waveform: Arc::clone(waveform), range, loops });
        SoundId(number)
    }

    /// Begins a stream that [`Player::push`] feeds; what played before stops.
    pub fn begin_stream(&mut self, sample_rate: u32) -> SoundId {
        let number = self.begin();
        self.send(Order::BeginStream { number, sample_rate });
        SoundId(number)
    }

    /// More samples for a stream; unheard if another sound took its place.
    pub fn push(&mut self, stream: SoundId, samples: &[f32]) {
        if stream.0 == self.latest {
            self.send(Order::Push(samples.into()));
        }
    }

    /// No more samples will come for a stream; what is there plays to its end.
    pub fn end_stream(&mut self, stream: SoundId) {
        if stream.0 == self.latest {
            self.send(Order::EndStream);
        }
    }

    /// Silence, now, unless another sound has taken its place already.
    pub fn stop(&mut self, sound: SoundId) {
        if self.fate(sound) == Fate::Playing {
            self.heard.end(self.latest);
            self.send(Order::Stop);
        }
    }

    /// What became of a sound.
    pub fn fate(&self, sound: SoundId) -> Fate {
        if sound.0 != self.latest {
            Fate::Displaced
        } else if self.heard.over.load(Ordering::Acquire) >= sound.0 {
            Fate::Over
        } else {
            Fate::Playing
        }
    }

    /// The sample of a sound that is heard now: an index into the waveform, or into the stream;
    /// `None` when another sound is heard, or none.
    pub fn position(&self, sound: SoundId) -> Option<usize> {
        let is_heard = self.heard.number.load(Ordering::Acquire) == sound.0;
        (is_heard && self.fate(sound) == Fate::Playing).then(|| self.heard.position())
    }

    /// Why nothing can be heard, if so: what, why, what to do.
    pub fn problem(&self) -> Option<String> {
        // Whoever holds the lock is writing news that the next frame will see.
        self.heard.problem.try_lock().ok().and_then(|problem| problem.clone())
    }

    fn begin(&mut self) -> u64 {
        self.latest += 1;
        self.latest
    }

    fn send(&self, order: Order) {
        if self.orders.try_send(order).is_err() {
            self.heard.set_problem(
                "no sound can be played: the sound thread hangs; choose the \
                 output device again in Settings"
                    .to_owned(),
            );
            self.heard.end(self.latest);
        }
    }
}

/// What has been heard so far; written by the sound thread and the device's callback.
#[derive(Default)]
pub(super) struct Heard {
    /// Which order [`Heard::position`] speaks of.
    pub(super) number: AtomicU64,
    /// The last sound that is over; those before it are over, too.
    pub(super) over: AtomicU64,
    /// Frames the device has taken since the order began.
    pub(super) frames: AtomicU64,
    /// When it last took some, in microseconds since [`Heard::epoch`].
    pub(super) taken_at: AtomicU64,
    /// Frames it took then.
    pub(super) last_take: AtomicU64,
    /// Device frames per second.
    pub(super) device_rate: AtomicU64,
    /// Samples per second of what plays.
    pub(super) source_rate: AtomicU64,
    /// Where in the waveform the range begins.
    pub(super) first: AtomicU64,
    /// Length of a looped range in samples; zero if it plays once.
    pub(super) looped: AtomicU64,
    /// Why there is no sound.
    pub(super) problem: std::sync::Mutex<Option<String>>,
    epoch: std::sync::OnceLock<Instant>,
}

impl Heard {
    /// Now, in microseconds since the first question.
    pub(super) fn now(&self) -> u64 {
        self.epoch.get_or_init(Instant::now).elapsed().as_micros() as u64
    }

    pub(super) fn set_problem(&self, problem: impl Into<Option<String>>) {
        if let Ok(mut shown) = self.problem.lock() {
            *shown = problem.into();
        }
    }

    /// A sound is over; news of one that is past say nothing of those that came after.
    pub(super) fn end(&self, number: u64) {
        self.over.fetch_max(number, Ordering::AcqRel);
    }

    /// The device has all of its last take still to play when it takes it, and none when it takes
    /// the next; in between, time tells.
    fn position(&self) -> usize {
        let load = |value: &AtomicU64| value.load(Ordering::Acquire);
        let device_rate = load(&self.device_rate).max(1);
        let since_take = self.now().saturating_sub(load(&self.taken_at));
        let last_take = load(&self.last_take);
        let played = (since_take * device_rate / 1_000_000).min(last_take);
        let frames = load(&self.frames).saturating_sub(last_take) + played;
        let samples = frames * load(&self.source_rate) / device_rate;
        let looped = load(&self.looped);
        let within = if looped > 0 { samples % looped } else { samples };
        (load(&self.first) + within) as usize
    }
}

#[cfg(test)]
impl Player {
    /// A player without a sound thread, and how many orders it has given: each sound goes on until
    /// it is stopped or displaced.
    pub(crate) fn without_device() -> (Self, impl Fn() -> usize) {
        let (orders, inbox) = bounded(ORDERS);
        (Self { orders, heard: Arc::default(), latest: 0 }, move || inbox.len())
    }

    /// Does what the sound thread does when the device takes the first samples of the latest sound.
    pub(crate) fn hear_latest(&self) {
        self.heard.number.store(self.latest, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_is_followed_by_its_owner_alone() {
        let (mut player, _n_orders) = Player::without_device();
        let (speech, reply) = (player.begin_stream(22_050), player.begin_stream(22_050));
        player.hear_latest();
        assert_eq!((player.fate(speech), player.position(speech)), (Fate::Displaced, None));
        assert_eq!((player.fate(reply), player.position(reply)), (Fate::Playing, Some(0)));
    }

    #[test]
    fn who_was_displaced_neither_feeds_nor_ends_nor_stops_what_plays() {
        let (mut player, n_orders) = Player::without_device();
        let (speech, reply) = (player.begin_stream(22_050), player.begin_stream(22_050));
        let asked = n_orders();
        player.push(speech, &[0.5]);
        player.end_stream(speech);
        player.stop(speech);
        assert_eq!(n_orders(), asked, "the sound thread was told something");
        assert_eq!(player.fate(reply), Fate::Playing);
    }

    #[test]
    fn the_end_of_an_earlier_sound_is_not_the_end_of_the_next() {
        let (mut player, _n_orders) = Player::without_device();
        let first = player.begin_stream(22_050);
        let second = player.begin_stream(22_050);
        // The sound thread says so before it has heard of the second.
        player.heard.end(first.0);
        assert_eq!(player.fate(second), Fate::Playing);
        player.stop(second);
        assert_eq!(player.fate(second), Fate::Over);
    }
}

//! Plays waveforms and growing streams without ever making its caller wait.
//!
//! The handle ([`Player`]) sends orders to a thread that owns the device ([`super::output`]); what
//! is heard comes back through atomics, so it can be read in every frame.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
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
    pub fn play(&mut self, waveform: &Arc<Waveform>, range: Range<usize>, loops: Loops) {
        let end = range.end.min(waveform.samples.len());
        let range = range.start.min(end)..end;
        self.begin();
        let number = self.latest;
        self.send(Order::Play { number, waveform: Arc::clone(waveform), range, loops });
    }

    /// Begins a stream that [`Player::push`] feeds; what played before stops.
    pub fn begin_stream(&mut self, sample_rate: u32) {
        self.begin();
        self.send(Order::BeginStream { number: self.latest, sample_rate });
    }

    /// More samples for the stream.
    pub fn push(&mut self, samples: &[f32]) {
        self.send(Order::Push(samples.into()));
    }

    /// No more samples will come; what is there plays to its end.
    pub fn end_stream(&mut self) {
        self.send(Order::EndStream);
    }

    /// Silence, now.
    pub fn stop(&mut self) {
        self.latest += 1;
        self.heard.is_playing.store(false, Ordering::Release);
        self.send(Order::Stop { number: self.latest });
    }

    /// Whether something plays (or waits for the next samples of its stream).
    pub fn is_playing(&self) -> bool {
        self.heard.is_playing.load(Ordering::Acquire)
    }

    /// The sample that is heard now: an index into the waveform, or into the stream; `None` when
    /// nothing plays.
    pub fn position(&self) -> Option<usize> {
        if !self.is_playing() || self.heard.number.load(Ordering::Acquire) != self.latest {
            return None;
        }
        Some(self.heard.position())
    }

    /// Why nothing can be heard, if so: what, why, what to do.
    pub fn problem(&self) -> Option<String> {
        // Whoever holds the lock is writing news that the next frame will see.
        self.heard.problem.try_lock().ok().and_then(|problem| problem.clone())
    }

    fn begin(&mut self) {
        self.latest += 1;
        self.heard.is_playing.store(true, Ordering::Release);
    }

    fn send(&self, order: Order) {
        if self.orders.try_send(order).is_err() {
            self.heard.set_problem(
                "no sound can be played: the sound thread hangs; choose the \
                 output device again in Settings"
                    .to_owned(),
            );
            self.heard.is_playing.store(false, Ordering::Release);
        }
    }
}

/// What has been heard so far; written by the sound thread and the device's callback.
#[derive(Default)]
pub(super) struct Heard {
    /// Which order [`Heard::position`] speaks of.
    pub(super) number: AtomicU64,
    /// Whether anything plays.
    pub(super) is_playing: AtomicBool,
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

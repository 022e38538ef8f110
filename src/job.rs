//! Work that one thread does for another, with a stream of events on the way.
//!
//! [`channel`] makes the two ends: the worker holds the [`Reply`], the client holds the [`Job`].
//! A cancelled job, a client that hung up and a full queue all meet the worker in one place,
//! [`Reply::send`], so a job is written as a straight line of steps joined by `?`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, TryRecvError, bounded};

/// Wakes whoever drains the job; called on the worker's thread after each update.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// How many events may wait for the client before the worker does.
const CAPACITY: usize = 256;

/// How often a worker that waits for room looks for a cancel.
const CANCEL_POLL: Duration = Duration::from_millis(20);

/// The client no longer wants the result. Not a failure: `?` carries it out of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

/// What a client receives: any number of events, then one outcome.
#[derive(Debug, PartialEq, Eq)]
pub enum Update<E, T> {
    /// Something happened on the way.
    Event(E),
    /// The job is over.
    Done(T),
    /// The worker died without a word.
    Lost,
}

/// The client's end. Dropping it cancels the job.
#[derive(Debug)]
pub struct Job<E, T> {
    events: Receiver<E>,
    outcome: Receiver<T>,
    cancelled: Arc<AtomicBool>,
}

/// Cancels a job from elsewhere; keeps nothing alive.
#[derive(Debug, Clone)]
pub struct Canceller(Arc<AtomicBool>);

/// The worker's end.
pub struct Reply<E, T> {
    events: Sender<E>,
    /// A place of its own, so that the end never waits behind a full queue of events.
    outcome: Sender<T>,
    cancelled: Arc<AtomicBool>,
    waker: Waker,
}

/// Makes the two ends of a new job.
pub fn channel<E, T>(waker: Waker) -> (Reply<E, T>, Job<E, T>) {
    let (event_sender, events) = bounded(CAPACITY);
    let (outcome_sender, outcome) = bounded(1);
    let cancelled = Arc::new(AtomicBool::new(false));
    let reply = Reply {
        events: event_sender,
        outcome: outcome_sender,
        cancelled: Arc::clone(&cancelled),
        waker,
    };
    (reply, Job { events, outcome, cancelled })
}

impl<E, T> Job<E, T> {
    /// The next update, if one has arrived. Never blocks, so the UI may call it each frame.
    pub fn poll(&self) -> Option<Update<E, T>> {
        match self.events.try_recv() {
            Ok(event) => Some(Update::Event(event)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                Some(self.outcome.try_recv().map_or(Update::Lost, Update::Done))
            }
        }
    }

    /// Blocks until the job is over, handing each event to `on_event`; `None` if the worker died.
    pub fn wait(self, on_event: impl FnMut(E)) -> Option<T> {
        self.events.iter().for_each(on_event);
        self.outcome.try_recv().ok()
    }

    /// A way to cancel from another thread, while this one waits.
    pub fn canceller(&self) -> Canceller {
        Canceller(Arc::clone(&self.cancelled))
    }

    /// Asks the worker to stop at its next event; the outcome still arrives.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

impl Canceller {
    /// Asks the worker to stop at its next event.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<E, T> Drop for Job<E, T> {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl<E, T> Reply<E, T> {
    /// Hands `event` to the client, waiting while its queue is full.
    ///
    /// # Errors
    /// [`Cancelled`] if the client cancelled or hung up.
    pub fn send(&self, event: E) -> Result<(), Cancelled> {
        let mut event = event;
        loop {
            self.check()?;
            match self.events.send_timeout(event, CANCEL_POLL) {
                Ok(()) => {
                    (self.waker)();
                    return Ok(());
                }
                Err(SendTimeoutError::Timeout(unsent)) => event = unsent,
                Err(SendTimeoutError::Disconnected(_)) => return Err(Cancelled),
            }
        }
    }

    /// Hands `event` to the client if there is room and lets it go if not: for progress, which
    /// matters only while fresh.
    ///
    /// # Errors
    /// [`Cancelled`] if the client cancelled or hung up.
    pub fn offer(&self, event: E) -> Result<(), Cancelled> {
        self.check()?;
        if self.events.try_send(event).is_ok() {
            (self.waker)();
        }
        Ok(())
    }

    /// For long stretches without an event.
    ///
    /// # Errors
    /// [`Cancelled`] if the client cancelled or hung up.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.cancelled.load(Ordering::Relaxed) { Err(Cancelled) } else { Ok(()) }
    }

    /// Ends the job. Never blocks.
    pub fn finish(self, outcome: T) {
        let Self { events, outcome: sender, waker, .. } = self;
        // A client that hung up does not learn the outcome, and need not.
        sender.try_send(outcome).ok();
        drop(events);
        waker();
    }
}

/// What a panic said, for the message that ends the job it was in.
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{thread, time::Instant};

    fn silent() -> Waker {
        Arc::new(|| ())
    }

    #[test]
    fn the_outcome_arrives_after_every_event() {
        let (reply, job) = channel::<u32, &str>(silent());
        reply.send(1).unwrap();
        reply.send(2).unwrap();
        reply.finish("done");
        let mut events = Vec::new();
        assert_eq!(job.wait(|event| events.push(event)), Some("done"));
        assert_eq!(events, [1, 2]);
    }

    #[test]
    fn a_worker_that_dies_is_seen_as_lost() {
        let (reply, job) = channel::<u32, ()>(silent());
        reply.send(7).unwrap();
        drop(reply);
        assert_eq!(job.poll(), Some(Update::Event(7)));
        assert_eq!(job.poll(), Some(Update::Lost));
    }

    #[test]
    fn dropping_the_job_stops_a_worker_that_waits_for_room() {
        let (reply, job) = channel::<usize, ()>(silent());
        let worker = thread::Builder::new()
            .name("worker".into())
            .spawn(move || (0..).find_map(|event| reply.send(event).err()))
            .unwrap();
        // The worker has begun once its first event is there, and soon fills the queue.
        while job.poll().is_none() {
            thread::yield_now();
        }
        drop(job);
        assert_eq!(worker.join().unwrap(), Some(Cancelled));
    }

    #[test]
    fn a_lazy_client_never_slows_an_offer() {
        let (reply, job) = channel::<usize, ()>(silent());
        let begun = Instant::now();
        for event in 0..10 * CAPACITY {
            reply.offer(event).unwrap();
        }
        assert!(begun.elapsed() < CANCEL_POLL * 10, "an offer waited for room");
        reply.finish(());
        let mut seen = 0;
        job.wait(|_| seen += 1);
        assert_eq!(seen, CAPACITY);
    }

    #[test]
    fn a_cancelled_job_still_tells_its_outcome() {
        let (reply, job) = channel::<u32, &str>(silent());
        job.cancel();
        assert_eq!(reply.check(), Err(Cancelled));
        reply.finish("stopped");
        assert_eq!(job.wait(|_| ()), Some("stopped"));
    }
}

//! All that can be asked of the engine: the methods of [`Client`].

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use crossbeam_channel::{Sender, TrySendError};

use super::{
    Error, Status,
    accelerator::{self, Accelerator, Command},
    bench::{
        self, BenchEvent, BenchReport, BenchRequest, SpeechBenchEvent, SpeechBenchReport,
        SpeechBenchRequest,
    },
    chat,
    compare::{self, CompareEvent, CompareRequest, Comparison},
    evaluate::{self, EvaluateEvent, EvaluateRequest},
    models::{Models, OnProgress},
    protocol::{ChatEvent, ChatRequest, ChatSummary, SpeakEvent, SpeakRequest, Speech},
    speak,
};
use crate::{
    domain::{DeviceChoice, Progress},
    job::{self, Job, Reply, Waker, panic_message},
    library::Library,
    lm::Scheduler,
    nn::device::default_kv_budget,
};

/// A job of the engine: events, then a result.
pub type EngineJob<E, T> = Job<E, Result<T, Error>>;

/// The way to the engine. Cheap to clone; the engine ends with its last client.
#[derive(Clone)]
pub struct Client {
    commands: Sender<Command>,
    kv_budget: Arc<AtomicU64>,
    status: Arc<RwLock<Arc<Status>>>,
    waker: Waker,
    library: Library,
    _thread: Arc<accelerator::Handle>,
}

impl Client {
    /// Starts the accelerator thread over a library of models.
    ///
    /// `waker` is called on the accelerator's thread after each event of any job and each change of
    /// the status.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(library: Library, waker: Waker) -> std::io::Result<Self> {
        let status = Arc::new(RwLock::new(Arc::new(Status::default())));
        let kv_budget = Arc::new(AtomicU64::new(Scheduler::default().kv_budget()));
        let (commands, thread) = accelerator::spawn(
            library.clone(),
            Arc::clone(&kv_budget),
            Arc::clone(&status),
            Arc::clone(&waker),
        )?;
        Ok(Self { commands, kv_budget, status, waker, library, _thread: Arc::new(thread) })
    }

    /// Text to speech, sentence by sentence.
    pub fn speak(&self, request: SpeakRequest) -> EngineJob<SpeakEvent, Speech> {
        self.submit(Command::Long, move |accelerator, reply| {
            speak::run(accelerator, &request, reply)
        })
    }

    /// The next turn of a conversation. Any number run at once.
    pub fn chat(&self, request: ChatRequest) -> EngineJob<ChatEvent, ChatSummary> {
        let (reply, job) = job::channel(Arc::clone(&self.waker));
        // The command ends at once; the reply lives on in the accelerator with its sequence.
        self.send(Command::Short(Box::new(move |accelerator| match accelerator {
            Ok(accelerator) => chat::begin(accelerator, &request, reply),
            Err(refusal) => reply.finish(Err(refusal)),
        })));
        job
    }

    /// Brings a model into memory, so that its first use does not wait.
    pub fn load(&self, id: &str) -> EngineJob<Progress, ()> {
        let id = id.to_owned();
        self.submit(Command::Long, move |accelerator, reply| {
            accelerator.models.load(&id, &mut |progress| reply.offer(progress))
        })
    }

    /// As [`Client::load`], for what is put together of several models.
    pub(super) fn load_with<T: Send + 'static>(
        &self,
        load: impl FnOnce(&mut Models, OnProgress<'_>) -> Result<T, Error> + Send + 'static,
    ) -> EngineJob<Progress, T> {
        self.submit(Command::Long, move |accelerator, reply| {
            load(&mut accelerator.models, &mut |progress| reply.offer(progress))
        })
    }

    /// Measures how fast a language model is on this machine; nothing else runs meanwhile.
    pub fn bench(&self, request: BenchRequest) -> EngineJob<BenchEvent, BenchReport> {
        self.submit(Command::Long, move |accelerator, reply| {
            bench::run(accelerator, &request, reply)
        })
    }

    /// Compares ways to speculate on one prompt; nothing else runs meanwhile.
    pub fn compare(&self, request: CompareRequest) -> EngineJob<CompareEvent, Comparison> {
        self.submit(Command::Long, move |accelerator, reply| {
            compare::run(accelerator, &request, reply)
        })
    }

    /// Measures how fast speech is on this machine; nothing else runs meanwhile.
    pub fn bench_speech(
        &self,
        request: SpeechBenchRequest,
    ) -> EngineJob<SpeechBenchEvent, SpeechBenchReport> {
        self.submit(Command::Long, move |accelerator, reply| {
            bench::run_speech(accelerator, &request, reply)
        })
    }

    /// Puts speech systems to the test, sentence by sentence; what is found is in the events.
    pub fn evaluate(&self, request: EvaluateRequest) -> EngineJob<EvaluateEvent, ()> {
        self.submit(Command::Long, move |accelerator, reply| {
            evaluate::run(accelerator, &request, reply)
        })
    }

    /// Lets a model go from memory. Replies under way keep theirs until they end.
    pub fn unload(&self, id: &str) -> EngineJob<Progress, ()> {
        let id = id.to_owned();
        self.submit(Command::Short, move |accelerator, _reply| {
            accelerator.models.unload(&id);
            Ok(())
        })
    }

    /// Lets language models share their work among `n` threads from the next pass on; zero stands
    /// for as many as serve this machine.
    pub fn set_threads(&self, n: usize) {
        self.send(Command::Short(Box::new(move |accelerator| {
            if let Ok(accelerator) = accelerator
                && let Err(error) = accelerator.set_threads(n)
            {
                tracing::error!("the system gives no {n} threads: {error}");
            }
        })));
    }

    /// Lets language models run on something else from their next load on, and lets go those in
    /// memory. The outcome is what they run on then, or why not on what was asked for by name: they
    /// run on the CPU then, and the [`Status`] says why.
    pub fn set_device(&self, choice: DeviceChoice) -> EngineJob<Progress, String> {
        self.submit(Command::Short, move |accelerator, _reply| accelerator.set_device(choice))
    }

    /// Sets how many bytes the keys and values of all replies may take together, from the next step
    /// on: a reply waits until its own, at their longest, fit beside the others'. Zero takes a share
    /// of the machine's memory.
    pub fn set_kv_budget(&self, n_bytes: u64) {
        let n_bytes = if n_bytes == 0 { default_kv_budget() } else { n_bytes };
        self.kv_budget.store(n_bytes, Ordering::Relaxed);
    }

    /// What the engine holds now. Never blocks for longer than a pointer swap.
    pub fn status(&self) -> Arc<Status> {
        self.status.read().map_or_else(|_| Arc::default(), |status| Arc::clone(&status))
    }

    pub(super) fn library(&self) -> &Library {
        &self.library
    }

    pub(super) fn waker(&self) -> Waker {
        Arc::clone(&self.waker)
    }

    /// Puts a job in line and returns the client's end of it.
    pub(super) fn submit<E: Send + 'static, T: Send + 'static>(
        &self,
        line: fn(accelerator::Work) -> Command,
        work: impl FnOnce(&mut Accelerator, &Reply<E, Result<T, Error>>) -> Result<T, Error>
        + Send
        + 'static,
    ) -> EngineJob<E, T> {
        let (reply, job) = job::channel(Arc::clone(&self.waker));
        self.send(line(Box::new(move |accelerator| {
            let outcome = match accelerator {
                Ok(accelerator) => catch_unwind(AssertUnwindSafe(|| work(accelerator, &reply)))
                    .unwrap_or_else(|panic| Err(Error::Panicked(panic_message(&*panic)))),
                Err(refusal) => Err(refusal),
            };
            reply.finish(outcome);
        })));
        job
    }

    fn send(&self, command: Command) {
        match self.commands.try_send(command) {
            Ok(()) => (),
            Err(TrySendError::Full(command)) => {
                command.refuse(Error::Busy { waiting: self.commands.len() });
            }
            Err(TrySendError::Disconnected(command)) => command.refuse(Error::Gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::Folders;

    /// A library without models.
    fn empty_library() -> Library {
        let nowhere = tempfile::tempdir().unwrap();
        let folder = nowhere.path().to_owned();
        Library::new(Folders { data: folder.clone(), config: folder.clone(), bundled: folder })
    }

    #[test]
    fn a_change_of_the_status_wakes_whoever_shows_it() {
        let (woken, wakes) = crossbeam_channel::bounded(64);
        let waker = Arc::new(move || woken.try_send(()).unwrap_or_default());
        let client = Client::start(empty_library(), waker).unwrap();
        // Nothing was asked for, so this can only be the status.
        wakes.recv().unwrap();
        assert!(!client.status().device.is_empty());
    }

    #[test]
    fn a_device_that_cannot_be_had_is_told_and_the_cpu_goes_on() {
        let client = Client::start(empty_library(), Arc::new(|| ())).unwrap();
        let set = |choice| {
            let outcome = client.set_device(choice).wait(|_| ()).unwrap();
            // A job's outcome may be there before the status; that of the next one is not.
            client.unload("nothing").wait(|_| ()).unwrap().unwrap();
            outcome
        };
        for choice in DeviceChoice::ALL.into_iter().filter(|choice| !choice.is_built_in()) {
            let why = set(choice).unwrap_err();
            assert_eq!(why.kind(), crate::engine::ErrorKind::BadRequest);
            let status = client.status();
            assert_eq!(status.device_problem.as_ref(), Some(&why.to_string()));
            assert!(status.device.starts_with("CPU"), "{}", status.device);
        }
        assert!(set(DeviceChoice::Cpu).unwrap().starts_with("CPU"));
        assert_eq!(client.status().device_problem, None);
    }

    #[test]
    fn a_panic_ends_its_job_and_nothing_else() {
        let client = Client::start(empty_library(), Arc::new(|| ())).unwrap();
        let faulty: EngineJob<(), ()> =
            client.submit(Command::Long, |_, _| panic!("the fault of one job"));
        let error = faulty.wait(|()| ()).unwrap().unwrap_err();
        assert!(error.to_string().contains("the fault of one job"), "{error}");
        let next: EngineJob<(), u32> = client.submit(Command::Long, |_, _| Ok(7));
        assert_eq!(next.wait(|()| ()).unwrap().unwrap(), 7);
    }
}

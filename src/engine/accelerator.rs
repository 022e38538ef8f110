//! The loop of the one thread that owns models: takes commands, and between them steps the
//! replies that are being written.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

use super::{Error, ReplyMemory, Status, chat::Chats, drafting::Drafting, models::Models};
use crate::{
    domain::DeviceChoice,
    job::{Waker, panic_message},
    library::Library,
    lm::{Backend, Scheduler},
    nn::{TensorDevice, device, kernels::Pool, share_work_among},
};

/// How many commands may stand in line; one more is refused at once.
const LINE: usize = 64;

/// What a command does: its work on the accelerator, or the refusal it has to pass on.
pub(super) type Work = Box<dyn FnOnce(Result<&mut Accelerator, Error>) + Send>;

/// One job's way in.
pub(super) enum Command {
    /// Over within a moment, or soon handed to the scheduler: may run inside a long job's pauses.
    Short(Work),
    /// Speech and loads: one after the other.
    Long(Work),
}

impl Command {
    /// Ends the job without running it.
    pub(super) fn refuse(self, error: Error) {
        let (Self::Short(work) | Self::Long(work)) = self;
        work(Err(error));
    }
}

/// All that lives on the accelerator thread.
pub(super) struct Accelerator {
    /// What is loaded.
    pub(super) models: Models,
    /// The threads that language models share their work among.
    pub(super) pool: Arc<Pool>,
    /// The replies being written, as the language models see them.
    pub(super) scheduler: Scheduler,
    /// The same replies, as their clients see them.
    pub(super) chats: Chats,
    /// What drafters draw from, beside models.
    pub(super) drafting: Drafting,
    /// Whether a speech job is under way.
    pub(super) speaking: bool,
    commands: Receiver<Command>,
    /// Long commands that arrived while a long one ran.
    postponed: VecDeque<Command>,
    /// Why language models do not run on what was asked for.
    device_problem: Option<String>,
    /// What the clients last said that keys and values may take.
    kv_budget: Arc<AtomicU64>,
    status: Arc<RwLock<Arc<Status>>>,
    waker: Waker,
}

/// What the loop does in its next turn.
enum Next {
    /// Run this, and step the replies.
    Command(Command),
    /// Step the replies.
    Step,
    /// The last client is gone.
    End,
}

/// Joins the thread when the last client lets go.
pub(super) struct Handle {
    thread: Option<JoinHandle<()>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // The client's sender is dropped before this handle, so the loop has seen its end. A
        // client dropped on the accelerator thread itself must not wait for itself.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            thread.join().ok();
        }
    }
}

/// Starts the thread.
pub(super) fn spawn(
    library: Library,
    kv_budget: Arc<AtomicU64>,
    status: Arc<RwLock<Arc<Status>>>,
    waker: Waker,
) -> std::io::Result<(Sender<Command>, Handle)> {
    let (sender, commands) = bounded(LINE);
    let pool = Arc::new(Pool::new(device::default_threads())?);
    let thread = thread::Builder::new().name("accelerator".into()).spawn(move || {
        device::confine_rayon();
        share_work_among(Arc::clone(&pool));
        let mut accelerator = Accelerator {
            models: Models::new(library),
            scheduler: Scheduler::new(Arc::clone(&pool)),
            pool,
            chats: Chats::default(),
            drafting: Drafting::default(),
            speaking: false,
            commands,
            postponed: VecDeque::new(),
            device_problem: None,
            kv_budget,
            status,
            waker,
        };
        accelerator.publish();
        accelerator.run();
    })?;
    Ok((sender, Handle { thread: Some(thread) }))
}

impl Accelerator {
    /// Takes commands until the last client is gone.
    fn run(&mut self) {
        loop {
            match self.next_command() {
                Next::Command(Command::Short(work) | Command::Long(work)) => {
                    work(Ok(self));
                    self.publish();
                }
                Next::Step => (),
                Next::End => return,
            }
            self.step_chats();
        }
    }

    /// What to do next; waits for a command if there is no reply to be written.
    fn next_command(&mut self) -> Next {
        if let Some(command) = self.postponed.pop_front() {
            return Next::Command(command);
        }
        if self.scheduler.is_idle() {
            return self.commands.recv().map_or(Next::End, Next::Command);
        }
        match self.commands.try_recv() {
            Ok(command) => Next::Command(command),
            Err(TryRecvError::Empty) => Next::Step,
            Err(TryRecvError::Disconnected) => Next::End,
        }
    }

    /// For a long job between two pieces of its work: short commands run, replies go on being
    /// written, other long jobs are kept for later.
    pub(super) fn breathe(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Short(work) => {
                    work(Ok(self));
                    self.publish();
                }
                Command::Long(_) if self.postponed.len() >= LINE => {
                    command.refuse(Error::Busy { waiting: self.postponed.len() });
                }
                Command::Long(_) => self.postponed.push_back(command),
            }
        }
        self.step_chats();
    }

    /// One decode step of every reply; a panic in it ends those replies and nothing else.
    fn step_chats(&mut self) {
        if self.scheduler.is_idle() {
            return;
        }
        let Self { scheduler, chats, kv_budget, .. } = self;
        scheduler.set_in_company(self.speaking);
        let kv_budget = kv_budget.load(Ordering::Relaxed);
        if kv_budget != scheduler.kv_budget() {
            scheduler.set_kv_budget(kv_budget);
        }
        chats.pass_on_cancels(scheduler);
        // A cancel ends the pass at hand, too: with a large model it would take seconds.
        let mut check = || chats.check_cancels();
        match catch_unwind(AssertUnwindSafe(|| scheduler.step_checked(&mut check))) {
            Ok(events) => {
                let memory = self.reply_memory();
                self.chats.pass_on(events, memory);
            }
            Err(panic) => {
                self.scheduler = Scheduler::new(Arc::clone(&self.pool));
                self.chats.fail_all(&panic_message(&*panic));
            }
        }
        if self.scheduler.is_idle() {
            self.drafting.save();
        }
        self.publish();
    }

    /// Changes how many threads models share their work among, zero standing for as many as
    /// serve this machine.
    pub(super) fn set_threads(&mut self, n: usize) -> std::io::Result<()> {
        let n = NonZeroUsize::new(n).unwrap_or_else(device::default_threads);
        if n.get() != self.pool.n_threads() {
            self.pool = Arc::new(Pool::new(n)?);
            self.scheduler.set_pool(Arc::clone(&self.pool));
            share_work_among(Arc::clone(&self.pool));
        }
        Ok(())
    }

    /// Lets language models run on something else from the next load on, and lets go those in memory;
    /// replies under way keep theirs. Returns what it came to.
    ///
    /// # Errors
    /// If what was asked for by name cannot be had; they run on the CPU then, and the status says
    /// why.
    pub(super) fn set_device(&mut self, choice: DeviceChoice) -> Result<String, Error> {
        let opened = TensorDevice::open(choice);
        self.device_problem = opened.as_ref().err().map(ToString::to_string);
        let (backend, problem) = match opened {
            Ok(Some(device)) => (Backend::Tensors(device), None),
            Ok(None) => (Backend::Kernels, None),
            Err(error) => (Backend::Kernels, Some(error)),
        };
        self.models.set_backend(backend);
        problem.map_or_else(|| Ok(self.device_label()), |error| Err(error.into()))
    }

    /// What language models run on, for people.
    fn device_label(&self) -> String {
        self.models.backend().label(self.pool.n_threads())
    }

    fn reply_memory(&self) -> ReplyMemory {
        ReplyMemory {
            kv_bytes: self.scheduler.kv_bytes(),
            kv_budget_bytes: self.scheduler.kv_budget(),
            scratch_bytes: self.scheduler.scratch_bytes(),
        }
    }

    /// Shows everybody what is held now, and wakes them if that has changed.
    pub(super) fn publish(&self) {
        let status = Status {
            device: self.device_label(),
            device_problem: self.device_problem.clone(),
            loaded: self.models.loaded(),
            replies: self.reply_memory(),
            running_chats: self.chats.len(),
            speaking: self.speaking,
            waiting: self.commands.len() + self.postponed.len(),
        };
        if let Ok(mut shown) = self.status.write()
            && **shown != status
        {
            *shown = Arc::new(status);
            drop(shown);
            (self.waker)();
        }
    }
}

//! Threads that share one piece of work at a time, made for a desktop that does other things too.
//!
//! A piece of work is cut into chunks that whoever is free takes next; the caller takes chunks like
//! everybody else and finishes what nobody took. So it waits for a chunk that another thread is in
//! the middle of, but never for a thread that has not begun. Threads without work turn for some
//! microseconds, since the next layer's work comes soon, then sleep. And the pool keeps account of
//! what its helpers bring: where other programs stop them in the middle of chunks, the caller soon
//! works alone, and tries again from time to time (see [`Account`]).
//!
//! Which thread computes a chunk changes no bit of it.
#![expect(unsafe_code, reason = "work on the caller's stack is lent to threads that outlive it")]

use std::{
    any::Any,
    fmt,
    hint::spin_loop,
    marker::PhantomData,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr, slice,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle, Thread},
    time::{Duration, Instant},
};

use super::pool_account::{Account, Piece};

/// How long a thread without work turns before it sleeps: longer than what the caller does by
/// itself between two products of a layer, far shorter than a pass.
const SPIN: Duration = Duration::from_micros(50);

/// Turns between two looks at the clock.
const TURNS_PER_LOOK: u32 = 32;

/// Work on one chunk: its index, and the slot of the thread that does it.
type Work<'a> = &'a (dyn Fn(usize, usize) + Sync + 'a);

/// The threads.
pub struct Pool {
    shared: Arc<Shared>,
    /// Held by the caller whose work is being done.
    account: Mutex<Account>,
    helpers: Vec<JoinHandle<()>>,
}

/// What the caller and the helpers see.
struct Shared {
    /// Chunks that nobody has taken; zero between two pieces of work.
    n_left: AtomicUsize,
    /// Chunks of the piece under way.
    n_chunks: AtomicUsize,
    /// Chunks of it that are over.
    n_done: AtomicUsize,
    /// A [`Work`] on the caller's stack. Only who has taken a chunk may look.
    work: AtomicPtr<()>,
    /// Whether a chunk panicked: the others need not be computed then.
    failed: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Whether the caller sleeps until the last chunk is over, and who it is.
    waiting: AtomicBool,
    caller: Mutex<Option<Thread>>,
    /// Helpers that may take part: the first so many.
    n_wanted: AtomicUsize,
    /// Of each helper, whether it sleeps.
    asleep: Vec<AtomicBool>,
    /// Whether the pool is dropped.
    over: AtomicBool,
}

impl Pool {
    /// A pool of the calling thread and `n_threads - 1` helpers.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn new(n_threads: NonZeroUsize) -> std::io::Result<Self> {
        let n_helpers = n_threads.get() - 1;
        let mut pool = Self::with_helpers(n_helpers);
        for idx in 0..n_helpers {
            let shared = Arc::clone(&pool.shared);
            let helper = thread::Builder::new().name(format!("kernels-{}", idx + 1));
            // On an error the pool is dropped, which ends those that have been started.
            pool.helpers.push(helper.spawn(move || shared.help(idx))?);
        }
        Ok(pool)
    }

    /// The calling thread alone.
    pub fn single() -> Self {
        Self::with_helpers(0)
    }

    fn with_helpers(n_helpers: usize) -> Self {
        let shared = Arc::new(Shared {
            n_left: AtomicUsize::new(0),
            n_chunks: AtomicUsize::new(0),
            n_done: AtomicUsize::new(0),
            work: AtomicPtr::new(ptr::null_mut()),
            failed: AtomicBool::new(false),
            panic: Mutex::new(None),
            waiting: AtomicBool::new(false),
            caller: Mutex::new(None),
            n_wanted: AtomicUsize::new(n_helpers),
            asleep: (0..n_helpers).map(|_| AtomicBool::new(false)).collect(),
            over: AtomicBool::new(false),
        });
        Self { shared, account: Mutex::new(Account::new(n_helpers)), helpers: Vec::new() }
    }

    /// Threads that may take part, the caller among them.
    pub fn n_threads(&self) -> usize {
        self.helpers.len() + 1
    }

    /// Threads that take part at the moment: fewer than all where helpers bring nothing.
    pub fn n_active(&self) -> usize {
        self.shared.n_wanted.load(SeqCst) + 1
    }

    /// Does `work` for every index below `n_chunks`, each once, in any order, and returns when all
    /// are over. `work` also hears the slot, below [`Pool::n_threads`], of the thread that does it:
    /// at no time have two threads the same.
    ///
    /// Work that is handed in while other work is under way, from a chunk or from another thread,
    /// is done by its caller alone.
    ///
    /// # Panics
    /// If a chunk panics, with what that said; chunks that nobody had begun then are left out.
    pub fn run(&self, n_chunks: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        if self.helpers.is_empty() || n_chunks < 2 {
            return alone(n_chunks, work);
        }
        let Ok(mut account) = self.account.try_lock() else {
            return alone(n_chunks, work);
        };
        let n_wanted = account.n_wanted(Instant::now());
        self.shared.n_wanted.store(n_wanted, SeqCst);
        let n_helpers = n_wanted.min(n_chunks - 1);
        if n_helpers == 0 {
            drop(account);
            return alone(n_chunks, work);
        }
        let piece = self.shared.run(n_chunks, work, &self.helpers[..n_helpers]);
        account.enter(piece, Instant::now());
        let panic = lock(&self.shared.panic).take();
        drop(account);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

/// Work on parts of a slice, each written by one thread.
impl Pool {
    /// Cuts `out` into parts of `part_len` (the last may be shorter) and lets `work` write each,
    /// with its index and whatever its thread uses again and again.
    ///
    /// # Panics
    /// If there is no scratch for each thread, `part_len` is zero, or a part panics.
    pub fn each_part<T: Send, S: Send>(
        &self,
        out: &mut [T],
        part_len: usize,
        scratch: &mut [S],
        work: impl Fn(usize, &mut [T], &mut S) + Sync,
    ) {
        assert!(scratch.len() >= self.n_threads(), "every thread has a scratch of its own");
        let n_parts = out.len().div_ceil(part_len);
        let (len, out) = (out.len(), Shareable(out.as_mut_ptr()));
        let scratch = Shareable(scratch.as_mut_ptr());
        self.run(n_parts, &|part_idx, slot| {
            let start = part_idx * part_len;
            // SAFETY: parts do not overlap and `run` hands out each index once; no two threads
            // have the same slot at a time, and there is a scratch for each. Both slices are
            // borrowed mutably until `run` returns, so nobody else reads or writes them.
            let (part, scratch) = unsafe {
                let part = out.get().add(start);
                let part = slice::from_raw_parts_mut(part, part_len.min(len - start));
                (part, &mut *scratch.get().add(slot))
            };
            work(part_idx, part, scratch);
        });
    }

    /// Cuts the columns of several matrices into blocks and lets `work` write each; it hears which
    /// matrix the block belongs to, and gets whatever its thread uses again and again.
    ///
    /// # Panics
    /// If there is no scratch for each thread, a matrix is not made of whole rows, a block would
    /// have no column, or a block panics.
    pub fn each_column_block<'a, S: Send>(
        &self,
        outs: impl IntoIterator<Item = Columns<'a>>,
        scratch: &mut [S],
        work: impl Fn(usize, ColumnBlock<'_>, &mut S) + Sync,
    ) {
        assert!(scratch.len() >= self.n_threads(), "every thread has a scratch of its own");
        let mut n_blocks = 0;
        let cut = |Columns { out, width: n_columns, block_len }: Columns<'a>| {
            assert!(out.len().is_multiple_of(n_columns), "outputs come in whole rows");
            let n_rows = out.len() / n_columns;
            let first_block = n_blocks;
            n_blocks += n_columns.div_ceil(block_len);
            (first_block, Shareable(out.as_mut_ptr()), n_rows, n_columns, block_len)
        };
        let outs: Vec<_> = outs.into_iter().map(cut).collect();
        let scratch = Shareable(scratch.as_mut_ptr());
        self.run(n_blocks, &|block_idx, slot| {
            let idx = outs.partition_point(|(first_block, ..)| *first_block <= block_idx) - 1;
            let (first_block, start, n_rows, n_columns, block_len) = &outs[idx];
            let first = (block_idx - first_block) * block_len;
            let len = *block_len.min(&(n_columns - first));
            let (start, n_rows, n_columns) = (start.get(), *n_rows, *n_columns);
            let block = ColumnBlock { start, n_columns, n_rows, first, len, out: PhantomData };
            // SAFETY: no two threads have the same slot at a time, there is a scratch for each,
            // and all are borrowed mutably until `run` returns.
            let scratch = unsafe { &mut *scratch.get().add(slot) };
            work(idx, block, scratch);
        });
    }
}

/// A matrix whose columns are to be written in blocks.
pub struct Columns<'a> {
    /// `(n_rows, n_columns)`.
    pub out: &'a mut [f32],
    /// Its columns.
    pub width: usize,
    /// Columns of a block; the last may have fewer.
    pub block_len: usize,
}

/// Some columns of a matrix that other threads write the other columns of.
pub struct ColumnBlock<'a> {
    start: *mut f32,
    n_columns: usize,
    n_rows: usize,
    first: usize,
    len: usize,
    out: PhantomData<&'a mut [f32]>,
}

impl ColumnBlock<'_> {
    /// The first column.
    pub fn first(&self) -> usize {
        self.first
    }

    /// How many columns it has.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The block's part of a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&mut self, row_idx: usize) -> &mut [f32] {
        assert!(row_idx < self.n_rows, "row {row_idx} of {}", self.n_rows);
        // SAFETY: the row lies within the matrix that `each_column_block` has borrowed mutably for
        // as long as this block lives. It makes one block of these columns; no other block reaches
        // into them, and this one is borrowed mutably for as long as the part of the row is used.
        unsafe {
            let row = self.start.add(row_idx * self.n_columns + self.first);
            slice::from_raw_parts_mut(row, self.len)
        }
    }
}

/// A pointer that several threads may have; what they do with it is the caller's care.
struct Shareable<T>(*mut T);

impl<T> Shareable<T> {
    /// A method, so that a closure holds the whole and not the pointer in it.
    fn get(&self) -> *mut T {
        self.0
    }
}

// SAFETY: the pointer alone does no harm. Through it, [`Pool`] lets each thread write values that no
// other touches meanwhile, and such values may go from thread to thread as `T` is `Send`.
unsafe impl<T: Send> Sync for Shareable<T> {}

impl Default for Pool {
    /// The calling thread alone.
    fn default() -> Self {
        Self::single()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.over.store(true, SeqCst);
        for helper in self.helpers.drain(..) {
            helper.thread().unpark();
            // It catches the panics of its chunks, so it ends well.
            helper.join().ok();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("n_threads", &self.n_threads()).finish_non_exhaustive()
    }
}

impl Shared {
    /// The caller's part: hands the work out, takes chunks, waits for those in progress.
    fn run(&self, n_chunks: usize, work: Work<'_>, helpers: &[JoinHandle<()>]) -> Piece {
        let begun = Instant::now();
        self.failed.store(false, SeqCst);
        self.n_done.store(0, SeqCst);
        self.n_chunks.store(n_chunks, SeqCst);
        self.work.store(ptr::from_ref(&work).cast_mut().cast(), SeqCst);
        self.n_left.store(n_chunks, SeqCst);
        for (asleep, helper) in self.asleep.iter().zip(helpers) {
            if asleep.swap(false, SeqCst) {
                helper.thread().unpark();
            }
        }
        let mut n_own = 0;
        let mut shortest = Duration::MAX;
        let mut last = begun;
        while self.compute_one(0) {
            n_own += 1;
            let now = Instant::now();
            shortest = shortest.min(now - last);
            last = now;
        }
        self.wait(n_chunks);
        // From here on nobody looks at the work: all its chunks are over.
        Piece { n_chunks, n_own, shortest, worked: last - begun, waited: last.elapsed() }
    }

    /// Takes a chunk and computes it; false if there was none.
    fn compute_one(&self, slot: usize) -> bool {
        let Ok(n_left) = self.n_left.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)) else {
            return false;
        };
        // The chunk is taken and not over, so this piece stays the one under way.
        let n_chunks = self.n_chunks.load(SeqCst);
        let work = self.work.load(SeqCst).cast::<Work<'_>>();
        // SAFETY: `run` has stored a pointer to its argument, and does not return before every
        // chunk is over; the one that was taken above is over only with the count below.
        let work = unsafe { *work };
        if !self.failed.load(SeqCst) {
            let chunk = n_chunks - n_left;
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(chunk, slot))) {
                self.failed.store(true, SeqCst);
                lock(&self.panic).get_or_insert(panic);
            }
        }
        let n_done = 1 + self.n_done.fetch_add(1, SeqCst);
        if n_done == n_chunks && self.waiting.swap(false, SeqCst) {
            let caller = lock(&self.caller).take();
            if let Some(caller) = caller {
                caller.unpark();
            }
        }
        true
    }

    /// Waits until so many chunks are over; the last ones are in progress.
    fn wait(&self, n_chunks: usize) {
        let is_over = || self.n_done.load(SeqCst) == n_chunks;
        if turn_until(is_over) {
            return;
        }
        while !is_over() {
            *lock(&self.caller) = Some(thread::current());
            self.waiting.store(true, SeqCst);
            if is_over() {
                break;
            }
            // Whoever is last wakes us; woken for nothing, we look again.
            thread::park();
        }
        self.waiting.store(false, SeqCst);
    }

    /// A helper's life.
    fn help(&self, idx: usize) {
        let is_called = || {
            self.over.load(SeqCst)
                || self.n_left.load(SeqCst) > 0 && idx < self.n_wanted.load(SeqCst)
        };
        while !self.over.load(SeqCst) {
            while is_called() && self.compute_one(idx + 1) {}
            if turn_until(is_called) {
                continue;
            }
            self.asleep[idx].store(true, SeqCst);
            // A caller that hands out work after this look sees that we sleep.
            if !is_called() {
                thread::park();
            }
            self.asleep[idx].store(false, SeqCst);
        }
    }
}

/// Turns until something is so, but not for long; tells whether it is.
fn turn_until(is_so: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        for _ in 0..TURNS_PER_LOOK {
            if is_so() {
                return true;
            }
            spin_loop();
        }
        if begun.elapsed() > SPIN {
            return is_so();
        }
    }
}

fn alone(n_chunks: usize, work: Work<'_>) {
    (0..n_chunks).for_each(|chunk| work(chunk, 0));
}

/// Nothing that a panic could leave half done is behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;

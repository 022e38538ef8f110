//! Which threads the layers of this thread's models share their work among.
//!
//! A speech model is a tree of layers without a place for a pool in each call, and models move
//! between threads; so the pool belongs to the thread that computes. The engine sets the one that
//! its language models use too, everything else computes on the calling thread.

use std::{cell::RefCell, sync::Arc};

use super::kernels::Pool;

thread_local! {
    static POOL: RefCell<Arc<Pool>> = RefCell::new(Arc::new(Pool::single()));
}

/// Lets the layers that this thread computes share their work among `pool` from now on. No result
/// depends on it, to the bit.
pub fn share_work_among(pool: Arc<Pool>) {
    POOL.with(|current| *current.borrow_mut() = pool);
}

/// How many threads may share the work of this one.
pub fn n_threads() -> usize {
    pool().n_threads()
}

/// Does `work` for every index below `n`, on as many threads as share the work of this one, and
/// gives what came of each, in order. Layers within it compute on the thread they are on.
pub fn side_by_side<T: Default + Send>(n: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let pool = pool();
    let mut results: Vec<T> = (0..n).map(|_| T::default()).collect();
    let mut scratch = vec![(); pool.n_threads()];
    pool.each_part(&mut results, 1, &mut scratch, |at, result, ()| result[0] = work(at));
    results
}

/// The pool of this thread; the thread alone unless said otherwise.
pub(super) fn pool() -> Arc<Pool> {
    POOL.with(|current| Arc::clone(&current.borrow()))
}

//! What models run on, and how many threads they may take.
//!
//! candle 0.11 has three pools. Its `gemm` uses rayon's global pool, whose size is set here.
//! Element-wise kernels over more than 65,536 values use a barrier pool whose workers spin before
//! they sleep; only `CANDLE_NUM_THREADS`, read once at first use, sizes it, and setting a variable
//! from inside a running program is unsafe. The speech models never touch it: they run on
//! [`super::matmul`], on the thread that calls them.

use std::num::NonZeroUsize;

/// Lets matrix products share at most `n` threads; to be called once, before the first model.
///
/// A second call changes nothing.
pub fn limit_threads(n: NonZeroUsize) {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(n.get())
        .thread_name(|index| format!("matmul-{index}"));
    // The only failure is a pool that stands already.
    pool.build_global().ok();
}

/// How many threads matrix products share.
pub fn n_threads() -> usize {
    rayon::current_num_threads()
}

/// What the models run on, for people.
pub fn name() -> String {
    format!("CPU, {} of {} cores", n_threads(), available_threads())
}

/// One thread: speech runs on the thread that asks for it, and so do language models for now.
pub fn default_threads() -> NonZeroUsize {
    NonZeroUsize::MIN
}

fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

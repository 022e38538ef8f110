//! What models run on, and how many threads they may take.
//!
//! Language models share their products among the threads of one [`Pool`](super::kernels::Pool).
//! candle 0.11 has pools of its own, which would compete with it for the same cores: its `gemm` uses
//! rayon's global pool, which is held to one thread here; its element-wise kernels over more than
//! 65,536 values use a barrier pool whose workers spin before they sleep, and only
//! `CANDLE_NUM_THREADS`, read once at first use, sizes that. The speech models never touch either:
//! they run on [`super::matmul`], on the thread that calls them.

use std::num::NonZeroUsize;

/// More threads than this bring a desktop little, and take it from everybody else.
const MOST: usize = 4;

/// Holds rayon, and with it candle's matrix products, to the thread that calls them; to be called
/// before the first model.
///
/// A second call changes nothing.
pub fn confine_rayon() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "rayon".to_owned());
    // The only failure is a pool that stands already.
    pool.build_global().ok();
}

/// What the models run on, for people.
pub fn name(n_threads: usize) -> String {
    format!("CPU, {n_threads} of {} cores", available_threads())
}

/// Threads for language models unless the user says otherwise: one for each physical core, up to
/// four.
pub fn default_threads() -> NonZeroUsize {
    NonZeroUsize::new(num_cpus::get_physical().min(MOST)).unwrap_or(NonZeroUsize::MIN)
}

/// Threads that the machine runs at once.
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

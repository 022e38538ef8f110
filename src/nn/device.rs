//! What models run on, and how many threads and how much memory they may take.
//!
//! Language models share their products among the threads of one [`Pool`](super::kernels::Pool).
//! candle 0.11 has pools of its own, which would compete with it for the same cores: its `gemm` uses
//! rayon's global pool, which is held to one thread here; its element-wise kernels over more than
//! 65,536 values use a barrier pool whose workers spin before they sleep, and only
//! `CANDLE_NUM_THREADS`, read once at first use, sizes that. The speech models never touch either:
//! they run on [`super::matmul`], on the thread that calls them.

use std::{num::NonZeroUsize, ops::RangeInclusive, sync::OnceLock};

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// More threads than this bring a desktop little, and take it from everybody else.
const MOST: usize = 4;

/// The part of the machine's memory that keys and values may take, and never less or more than
/// these: some conversations must fit on any machine, and a desktop has other programs.
const KV_SHARE: u64 = 8;
const KV_BOUNDS: RangeInclusive<u64> = 500_000_000..=8_000_000_000;

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

/// Bytes that keys and values may take unless the user says otherwise: an eighth of the machine's
/// memory, or of what this program's group may have of it.
pub fn default_kv_budget() -> u64 {
    static BUDGET: OnceLock<u64> = OnceLock::new();
    *BUDGET.get_or_init(|| {
        let ram = MemoryRefreshKind::nothing().with_ram();
        let system = System::new_with_specifics(RefreshKind::nothing().with_memory(ram));
        // A system that does not tell is taken for a small one.
        let memory = system.map_or(0, |system| {
            let group = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory);
            system.total_memory().min(group)
        });
        kv_share(memory)
    })
}

fn kv_share(memory: u64) -> u64 {
    (memory / KV_SHARE).clamp(*KV_BOUNDS.start(), *KV_BOUNDS.end())
}

/// Threads that the machine runs at once.
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_take_a_share_of_the_memory_within_bounds() {
        assert_eq!(kv_share(16_000_000_000), 2_000_000_000);
        assert_eq!(kv_share(1_000_000_000), 500_000_000);
        assert_eq!(kv_share(1_000_000_000_000), 8_000_000_000);
        assert!(KV_BOUNDS.contains(&default_kv_budget()));
    }
}

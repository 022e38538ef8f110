//! What the process takes of the machine's memory.

/// Bytes of this process that lie in memory at the moment; `None` where the system does not tell.
pub fn resident_bytes() -> Option<u64> {
    memory_stats::memory_stats().map(|memory| memory.physical_mem as u64)
}

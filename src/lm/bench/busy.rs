//! Threads that do nothing but turn: the other work of a machine that is shared.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// Keeps processors busy until it is dropped.
#[derive(Debug)]
pub struct Busy {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Busy {
    /// Starts `n` threads.
    ///
    /// # Errors
    /// If the system gives none.
    pub fn start(n: usize) -> std::io::Result<Self> {
        let mut busy = Self { over: Arc::default(), threads: Vec::new() };
        for i in 0..n {
            let over = Arc::clone(&busy.over);
            let turn = move || {
                let mut n = 0u64;
                while !over.load(Ordering::Relaxed) {
                    n = black_box(n + 1);
                }
            };
            busy.threads.push(thread::Builder::new().name(format!("busy-{i}")).spawn(turn)?);
        }
        Ok(busy)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

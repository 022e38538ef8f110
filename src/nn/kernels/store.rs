//! Where weights lie: together, in large pages where the system has them.
//!
//! A token's pass reads every weight once, in order, and waits for memory. With pages of 4 KiB the
//! processor also waits for the page table (twice in a virtual machine); pages of 2 MiB, which Linux
//! gives to those who ask, spare that. Matrices of some hundred KiB are too small for such pages, so
//! those of a model share regions.
#![expect(unsafe_code, reason = "a region hands out parts of itself")]

use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    ptr::NonNull,
    sync::Arc,
};

use memmap2::MmapMut;

/// Bytes of a region, unless one matrix needs more.
const REGION: usize = 32 << 20;

/// Parts begin at a cache line.
const ALIGNMENT: usize = 64;

/// The memory of one model's weights; grows as they are read.
#[derive(Debug, Default)]
pub struct Store {
    last: Option<Region>,
}

/// Memory from the system, and how much of it is given away.
#[derive(Debug)]
struct Region {
    start: NonNull<u8>,
    len: usize,
    n_taken: usize,
    memory: Arc<MmapMut>,
}

// SAFETY: the pointer is into `memory`, which may go to another thread.
unsafe impl Send for Region {}

/// A part of a region, which it keeps alive.
pub struct Slab<T> {
    start: NonNull<T>,
    len: usize,
    /// `None` if there is nothing in it.
    memory: Option<Arc<MmapMut>>,
    _owns: PhantomData<T>,
}

// SAFETY: a slab is the only way to its part of the region, as a `Vec` is to its buffer.
unsafe impl<T: Send> Send for Slab<T> {}
// SAFETY: as above; a shared slab gives shared references alone.
unsafe impl<T: Sync> Sync for Slab<T> {}

impl Store {
    /// Room for `len` values, all `value` at first.
    ///
    /// # Errors
    /// If the system has no more memory to give.
    pub fn fill<T: Copy>(&mut self, len: usize, value: T) -> std::io::Result<Slab<T>> {
        const { assert!(align_of::<T>() <= ALIGNMENT) };
        let n_bytes = (len * size_of::<T>()).next_multiple_of(ALIGNMENT);
        if n_bytes == 0 {
            return Ok(Slab { start: NonNull::dangling(), len, memory: None, _owns: PhantomData });
        }
        let region = match self.last.take() {
            Some(region) if region.len - region.n_taken >= n_bytes => region,
            _ => Region::new(n_bytes.max(REGION))?,
        };
        let region = self.last.insert(region);
        // SAFETY: the region has `n_bytes` more from there on.
        let start = unsafe { region.start.add(region.n_taken) }.cast::<T>();
        region.n_taken += n_bytes;
        for i in 0..len {
            // SAFETY: `len` values fit, the start is aligned to 64 bytes (regions begin at a page
            // and every part is a multiple of 64 long), and nobody else was given these bytes.
            unsafe { start.add(i).write(value) };
        }
        let memory = Some(Arc::clone(&region.memory));
        Ok(Slab { start, len, memory, _owns: PhantomData })
    }
}

impl Region {
    fn new(len: usize) -> std::io::Result<Self> {
        let mut memory = MmapMut::map_anon(len)?;
        // A wish: without large pages everything works as well, only slower.
        #[cfg(target_os = "linux")]
        memory.advise(memmap2::Advice::HugePage).ok();
        let start = NonNull::from(&mut memory[..]).cast();
        Ok(Self { start, len, n_taken: 0, memory: Arc::new(memory) })
    }
}

impl<T> Deref for Slab<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `len` values were written from `start` on, and the memory lives as long as this.
        unsafe { NonNull::slice_from_raw_parts(self.start, self.len).as_ref() }
    }
}

impl<T> DerefMut for Slab<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and no other slab has these bytes.
        unsafe { NonNull::slice_from_raw_parts(self.start, self.len).as_mut() }
    }
}

impl<T> fmt::Debug for Slab<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = if self.memory.is_some() { "in a region" } else { "nowhere" };
        write!(f, "{} values {kept}", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slabs_keep_what_was_written_to_them() {
        let mut store = Store::default();
        let mut bytes = store.fill(100, 7u8).unwrap();
        let mut words = store.fill(3, [1u64; 8]).unwrap();
        let large = store.fill(REGION + 1, 9u8).unwrap();
        let none = store.fill(0, 1.0f32).unwrap();
        words[1][3] = 5;
        bytes[99] = 8;
        drop(store);
        assert!(bytes[..99].iter().all(|byte| *byte == 7) && bytes[99] == 8);
        assert_eq!((words[0], words[1][3], words[2]), ([1; 8], 5, [1; 8]));
        assert!(large.len() == REGION + 1 && large.iter().all(|byte| *byte == 9));
        assert_eq!(none.len(), 0);
        assert_eq!(words.as_ptr().addr() % ALIGNMENT, 0);
    }

    #[test]
    fn a_slab_goes_to_another_thread_and_outlives_its_store() {
        let slab = Store::default().fill(1000, 3i32).unwrap();
        let sum = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("reader".into());
            let sum = move || slab.iter().sum::<i32>();
            thread.spawn_scoped(scope, sum).unwrap().join().unwrap()
        });
        assert_eq!(sum, 3000);
    }
}

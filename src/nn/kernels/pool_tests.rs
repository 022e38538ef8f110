use super::*;
use std::{
    collections::HashSet,
    sync::atomic::{AtomicU32, AtomicU64},
};

fn pool(n_threads: usize) -> Pool {
    Pool::new(NonZeroUsize::new(n_threads).unwrap()).unwrap()
}

/// Some work that the compiler cannot leave out.
fn turn(n: u32) -> u32 {
    (0..n).fold(1, |sum: u32, i| std::hint::black_box(sum.wrapping_mul(31) ^ i))
}

#[track_caller]
fn check_every_index_once(pool: &Pool, n_chunks: usize) {
    let counts: Vec<AtomicU32> = (0..n_chunks).map(|_| AtomicU32::new(0)).collect();
    pool.run(n_chunks, &|chunk, slot| {
        assert!(slot < pool.n_threads());
        counts[chunk].fetch_add(1, SeqCst);
    });
    let counts: Vec<u32> = counts.into_iter().map(AtomicU32::into_inner).collect();
    assert_eq!(counts, vec![1; n_chunks]);
}

#[test]
fn every_index_is_done_once() {
    for n_threads in 1..=5 {
        let pool = pool(n_threads);
        for n_chunks in [0, 1, 2, 3, 17, 1000] {
            check_every_index_once(&pool, n_chunks);
        }
    }
}

#[test]
fn many_tiny_pieces_are_each_done_whole() {
    let pool = pool(4);
    let sum = AtomicU64::new(0);
    for piece in 0..20_000u64 {
        let n_chunks = 2 + (piece % 7) as usize;
        pool.run(n_chunks, &|chunk, _| {
            sum.fetch_add(chunk as u64 + piece, SeqCst);
        });
    }
    let expected: u64 = (0..20_000u64)
        .map(|piece| {
            let n_chunks = 2 + piece % 7;
            n_chunks * piece + n_chunks * (n_chunks - 1) / 2
        })
        .sum();
    assert_eq!(sum.into_inner(), expected);
}

#[test]
fn every_index_is_done_once_on_a_crowded_machine() {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 * thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                while !over.load(SeqCst) {
                    spin_loop();
                }
            });
        }
        let pool = pool(4);
        for piece in 0..300 {
            check_every_index_once(&pool, 2 + piece % 30);
        }
        over.store(true, SeqCst);
    });
}

#[test]
fn helpers_take_part() {
    let pool = pool(3);
    let names = Mutex::new(HashSet::new());
    // A helper may be late for one piece, but not for all of them.
    for _ in 0..10_000 {
        pool.run(8, &|_, slot| {
            turn(2000);
            names.lock().unwrap().insert((slot, thread::current().name().map(str::to_owned)));
        });
        if names.lock().unwrap().len() == 3 {
            break;
        }
    }
    let names = names.into_inner().unwrap();
    for (slot, name) in &names {
        if *slot > 0 {
            assert_eq!(name.as_deref(), Some(format!("kernels-{slot}").as_str()));
        }
    }
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn no_two_threads_have_the_same_slot_at_a_time() {
    let pool = pool(4);
    let taken: Vec<AtomicBool> = (0..4).map(|_| AtomicBool::new(false)).collect();
    for _ in 0..500 {
        pool.run(16, &|_, slot| {
            assert!(!taken[slot].swap(true, SeqCst), "slot {slot} is taken");
            turn(50);
            taken[slot].store(false, SeqCst);
        });
    }
}

#[test]
fn a_panic_in_a_chunk_reaches_the_caller_and_the_pool_goes_on() {
    let pool = pool(3);
    for bad in 0..20 {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            pool.run(20, &|chunk, _| assert!(chunk != bad, "the fault of chunk {chunk}"));
        }));
        let panic = outcome.unwrap_err();
        let said = panic.downcast_ref::<String>().unwrap();
        assert_eq!(*said, format!("the fault of chunk {bad}"));
        check_every_index_once(&pool, 50);
    }
}

#[test]
fn work_inside_work_is_done_by_its_own_thread() {
    let pool = pool(3);
    let sum = AtomicU64::new(0);
    pool.run(10, &|outer, _| {
        let here = thread::current().id();
        pool.run(10, &|inner, slot| {
            assert_eq!((thread::current().id(), slot), (here, 0));
            sum.fetch_add((10 * outer + inner) as u64, SeqCst);
        });
    });
    assert_eq!(sum.into_inner(), (0..100).sum::<u64>());
}

#[test]
fn callers_on_several_threads_do_not_disturb_each_other() {
    let pool = pool(3);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..200).for_each(|piece| check_every_index_once(&pool, 2 + piece % 9)));
        }
    });
}

#[test]
fn a_dropped_pool_leaves_no_thread_behind() {
    let pool = pool(3);
    check_every_index_once(&pool, 9);
    let shared = Arc::downgrade(&pool.shared);
    drop(pool);
    assert_eq!(shared.strong_count(), 0);
}

#[test]
fn parts_and_column_blocks_cover_the_slice() {
    let pool = pool(3);
    let mut out = vec![0; 103];
    let mut scratch = vec![0; 3];
    pool.each_part(&mut out, 10, &mut scratch, |part_idx, part, n_parts| {
        *n_parts += 1;
        part.fill(part_idx);
    });
    assert_eq!(out, (0..103).map(|i| i / 10).collect::<Vec<_>>());
    assert_eq!(scratch.iter().sum::<i32>(), 11);

    let (mut wide, mut narrow) = (vec![0.0; 4 * 37], vec![0.0; 4 * 5]);
    let outs = [
        Columns { out: &mut wide, width: 37, block_len: 8 },
        Columns { out: &mut narrow, width: 5, block_len: 2 },
    ];
    pool.each_column_block(outs, &mut scratch, |which, mut block, n_blocks| {
        *n_blocks += 1;
        let first = block.first();
        for row_idx in 0..4 {
            for (i, value) in block.row(row_idx).iter_mut().enumerate() {
                *value += (1000 * which + 100 * row_idx + first + i) as f32;
            }
        }
    });
    // 11 parts above, five blocks of the wide matrix, three of the narrow one.
    assert_eq!(scratch.iter().sum::<i32>(), 11 + 5 + 3);
    for (which, out, n_columns) in [(0, &wide, 37), (1, &narrow, 5)] {
        for (i, value) in out.iter().enumerate() {
            assert_eq!(*value, (1000 * which + 100 * (i / n_columns) + i % n_columns) as f32);
        }
    }
}

#[test]
#[should_panic(expected = "a scratch of its own")]
fn too_few_scratches_are_refused() {
    pool(3).each_part(&mut [0; 9], 1, &mut [(); 2], |_, _, ()| ());
}

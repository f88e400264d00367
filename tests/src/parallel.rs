//! Many threads that begin at the same time.

use std::{sync::Barrier, thread};

/// Runs `work` with the numbers from 0 on, each in a thread of its own; gives what they returned, in
/// the order of the numbers.
pub fn parallel<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (begin, work) = (Barrier::new(count), &work);
    thread::scope(|scope| {
        let begin = &begin;
        let start = |number| {
            scope.spawn(move || {
                begin.wait();
                work(number)
            })
        };
        let threads: Vec<_> = (0..count).map(start).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic in a thread")).collect()
    })
}

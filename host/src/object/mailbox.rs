//! The bounded queue of one live object.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use super::Letter;

/// A queue longer than this gives its memory back once it is empty.
const KEPT_CAPACITY: usize = 16;

/// Letters to one object, in the order of arrival.
#[derive(Debug, Default)]
pub struct Mailbox {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    letters: VecDeque<Letter>,
    /// The worker has an event in hand.
    busy: bool,
    /// The worker is asked to end as soon as it has nothing to do.
    leaving: bool,
    /// Nothing is taken in any more.
    closed: bool,
    worker: Option<Waker>,
}

/// What the worker does next.
#[derive(Debug)]
pub enum Next {
    /// Run this.
    Run(Letter),
    /// Nothing waits, and the object is to leave memory.
    Leave,
}

/// Why a letter was not taken. It comes back.
#[derive(Debug)]
pub enum Refusal {
    /// As many letters as allowed wait.
    Full(usize),
    /// The object is leaving memory: look it up again.
    Closed(Box<Letter>),
}

impl Mailbox {
    /// Puts a letter in, if fewer than `limit` wait.
    pub fn push(&self, letter: Letter, limit: usize) -> Result<(), Refusal> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refusal::Closed(Box::new(letter)));
        }
        if state.letters.len() >= limit {
            return Err(Refusal::Full(state.letters.len()));
        }
        state.letters.push_back(letter);
        let worker = state.worker.take();
        drop(state);
        if let Some(worker) = worker {
            worker.wake();
        }
        Ok(())
    }

    /// Waits for the next letter, or for a request to leave. Only the worker calls this.
    pub async fn next(&self) -> Next {
        poll_fn(|context| {
            let mut state = self.lock();
            if let Some(letter) = state.letters.pop_front() {
                state.busy = true;
                return Poll::Ready(Next::Run(letter));
            }
            state.busy = false;
            if state.letters.capacity() > KEPT_CAPACITY {
                state.letters = VecDeque::new();
            }
            if state.leaving || state.closed {
                return Poll::Ready(Next::Leave);
            }
            if !state.worker.as_ref().is_some_and(|worker| worker.will_wake(context.waker())) {
                state.worker = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// Asks the worker to end once nothing waits. True if nothing does.
    pub fn ask_to_leave(&self) -> bool {
        let mut state = self.lock();
        state.leaving = true;
        let idle = !state.busy && state.letters.is_empty();
        let worker = state.worker.take();
        drop(state);
        if let Some(worker) = worker {
            worker.wake();
        }
        idle
    }

    /// Whether the object has nothing to do.
    pub fn is_idle(&self) -> bool {
        let state = self.lock();
        !state.busy && state.letters.is_empty()
    }

    /// Closes the mailbox if nothing waits; otherwise the worker stays.
    pub fn close_if_empty(&self) -> bool {
        let mut state = self.lock();
        state.leaving = false;
        if state.letters.is_empty() {
            state.closed = true;
        }
        state.closed
    }

    /// Closes the mailbox and gives back what waits. The running event goes on.
    pub fn close(&self) -> VecDeque<Letter> {
        let mut state = self.lock();
        state.closed = true;
        let letters = std::mem::take(&mut state.letters);
        let worker = state.worker.take();
        drop(state);
        if let Some(worker) = worker {
            worker.wake();
        }
        letters
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

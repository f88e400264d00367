//! What a test may ask of the engine in memory: to fail, to wait, and to tell.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use super::data::Data;
use crate::{
    id::ObjectId,
    storage::{Group, StorageError},
};

/// A test's hand on an engine.
#[derive(Debug, Clone)]
pub struct Faults(Arc<Shared>);

/// What happens to a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFault {
    /// It fails, and nothing was written.
    BeforeWrite,
    /// All is durable, but the answer is lost.
    AfterWrite,
    /// The engine panics before it writes.
    Panic,
}

/// While it exists, commits wait before they write.
#[derive(Debug)]
pub struct Hold(Arc<Shared>);

#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The data, and what is to go wrong with it.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) data: Data,
    pub(super) joins_to_fail: usize,
    pub(super) reads_fail: bool,
    /// A commit failed: nothing goes until the next join.
    pub(super) broken: bool,
    /// By how many commits from now.
    commit_faults: BTreeMap<usize, CommitFault>,
    refused: BTreeSet<ObjectId>,
    held: bool,
    waiting: usize,
    /// Objects in each group that was committed.
    groups: Vec<usize>,
}

impl State {
    /// Whether a session may still do anything.
    pub(super) fn check(&self, incarnation: u64) -> Result<(), StorageError> {
        if self.data.incarnation != incarnation {
            return Err(StorageError::Fenced);
        }
        if self.broken {
            return Err(StorageError::Failed("a commit had failed".to_owned()));
        }
        Ok(())
    }

    fn next_fault(&mut self) -> Option<CommitFault> {
        let faults = std::mem::take(&mut self.commit_faults);
        let mut next = None;
        for (nth, fault) in faults {
            match nth {
                1 => next = Some(fault),
                _ => _ = self.commit_faults.insert(nth - 1, fault),
            }
        }
        next
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, condition: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.state();
        self.changed
            .wait_while(state, |state| condition(state))
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn commit(
        &self,
        incarnation: u64,
        group: &Group,
    ) -> Result<Vec<ObjectId>, StorageError> {
        self.state().waiting += 1;
        self.changed.notify_all();
        let mut state = self.wait_while(|state| state.held);
        state.waiting -= 1;
        state.check(incarnation)?;
        let lost = || StorageError::Failed("a commit was to fail".to_owned());
        let fault = state.next_fault();
        match fault {
            Some(CommitFault::BeforeWrite) => {
                state.broken = true;
                return Err(lost());
            }
            Some(CommitFault::Panic) => {
                state.broken = true;
                drop(state);
                panic_as_told();
            }
            Some(CommitFault::AfterWrite) | None => (),
        }
        let refused: Vec<_> =
            group.writes.keys().filter(|object| state.refused.contains(object)).copied().collect();
        state.data.commit(incarnation, group, &refused);
        state.groups.push(group.writes.len());
        if fault.is_some() {
            state.broken = true;
            return Err(lost());
        }
        Ok(refused)
    }
}

#[expect(clippy::panic, reason = "this is the fault that was asked for")]
fn panic_as_told() -> ! {
    panic!("a commit was to panic")
}

impl Faults {
    pub(super) fn of(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Lets a commit fail: the first from now, the second...
    pub fn fail_commit(&self, nth: usize, fault: CommitFault) {
        self.0.state().commit_faults.insert(nth, fault);
    }

    /// Refuses what this object writes, or takes it again.
    pub fn refuse(&self, object: ObjectId, refuse: bool) {
        let mut state = self.0.state();
        if refuse {
            state.refused.insert(object);
        } else {
            state.refused.remove(&object);
        }
    }

    /// Lets so many joins fail.
    pub fn fail_joins(&self, count: usize) {
        self.0.state().joins_to_fail = count;
    }

    /// Lets all reads fail, or work again.
    pub fn fail_reads(&self, fail: bool) {
        self.0.state().reads_fail = fail;
    }

    /// Ends the present session as a failed file operation does.
    pub fn break_session(&self) {
        self.0.state().broken = true;
    }

    /// Lets commits wait from now on.
    pub fn hold_commits(&self) -> Hold {
        self.0.state().held = true;
        Hold(Arc::clone(&self.0))
    }

    /// Number of objects in each group that became durable.
    pub fn groups(&self) -> Vec<usize> {
        self.0.state().groups.clone()
    }

    /// How often the engine was joined.
    pub fn incarnation(&self) -> u64 {
        self.0.state().data.incarnation
    }
}

impl Hold {
    /// Waits until a commit waits.
    pub fn until_one_waits(&self) {
        drop(self.0.wait_while(|state| state.waiting == 0));
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.state().held = false;
        self.0.changed.notify_all();
    }
}

//! How far the commits of one object have come.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far an object's commits have come. The object counts its commits from 1; the committer
/// says which of them are durable.
#[derive(Debug)]
pub struct Lineage {
    incarnation: u64,
    durable: AtomicU64,
    broken: AtomicBool,
}

impl Lineage {
    /// A lineage of commits to the session with this incarnation.
    pub fn new(incarnation: u64) -> Self {
        Self { incarnation, durable: AtomicU64::new(0), broken: AtomicBool::new(false) }
    }

    /// The incarnation that the commits are meant for.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The last durable commit.
    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Whether a commit failed, so that no later one may count.
    pub fn broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    pub(in crate::storage) fn set_durable(&self, commit: u64) {
        self.durable.store(commit, Ordering::Release);
    }

    pub(in crate::storage) fn set_broken(&self) {
        self.broken.store(true, Ordering::Release);
    }
}

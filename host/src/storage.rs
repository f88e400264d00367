//! The durable layer: bytes under object ids, committed in groups.
//!
//! An [`Engine`] is what holds the data: redb on this machine, memory in tests, a remote database
//! later. A server *joins* it and gets a [`Session`] under an incarnation number that is never used
//! again. All writing is one call, [`Session::commit`], which takes the write sets of many objects
//! and makes them durable together. This layer knows neither wasm nor HTTP, and nobody above it
//! knows the engine.

pub mod catalog;
pub mod commit;
pub mod key;
#[cfg(any(test, feature = "test-support"))]
pub mod memory;
pub mod redb;
#[cfg(test)]
mod tests;
pub mod txn;
pub mod view;
pub mod write_set;

use std::{
    cmp::Ordering,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::{clock::Millis, id::ObjectId, task};
use catalog::{Catalog, CatalogChange};
use write_set::{ObjectRecord, WriteSet};

/// Holds the data of a server, or of many.
pub trait Engine: Send + Sync {
    /// Opens the data, verified as far as the engine can, under a new incarnation.
    ///
    /// Every session that this engine gave before is fenced from then on.
    fn join(&self) -> Result<Arc<dyn Session>, StorageError>;
}

/// One server's time with an engine.
///
/// Reads answer what is durable. They may block for as long as a disk or a network takes. Every
/// call fails with [`StorageError::Fenced`] after another join.
pub trait Session: Send + Sync {
    /// Grows with every join; never used twice.
    fn incarnation(&self) -> u64;

    /// Whether this session answers nothing any more, so that only another join helps. Until it
    /// was seen to fail, it is not.
    fn is_over(&self) -> bool;

    /// The last group that became durable, whoever committed it.
    fn last_group(&self) -> Result<GroupMark, StorageError>;

    /// What the directory knows about an object; none if it never wrote.
    fn record(&self, object: ObjectId)
    -> BoxFuture<'_, Result<Option<ObjectRecord>, StorageError>>;

    /// The value of a key.
    fn get(
        &self,
        object: ObjectId,
        key: Bytes,
    ) -> BoxFuture<'_, Result<Option<Bytes>, StorageError>>;

    /// Entries of an object in the order of their keys, up to the limits of a page.
    fn scan(&self, object: ObjectId, range: Range) -> BoxFuture<'_, Result<Page, StorageError>>;

    /// Makes a group durable: all of it on return, but for the objects that are named as refused,
    /// of which nothing is.
    ///
    /// After [`StorageError::Failed`] the caller joins again and asks
    /// [`last_group`](Self::last_group) whether the group made it.
    fn commit(&self, group: &Group) -> Result<Vec<ObjectId>, StorageError>;

    /// Alarms that are due at `until` or before, the earliest of each shard first.
    fn alarms_due(&self, until: Millis, limit: usize) -> Result<Vec<DueAlarm>, StorageError>;

    /// Objects of a class (by its number) that have written: those without a name, then by name.
    fn objects(&self, class: u32, page: ObjectsPage) -> Result<Vec<ListedObject>, StorageError>;

    /// All classes and versions.
    fn catalog(&self) -> Result<Catalog, StorageError>;

    /// The bytes of a component.
    fn component(&self, digest: &Digest) -> Result<Option<Bytes>, StorageError>;

    /// Changes the catalog durably.
    fn change_catalog(&self, change: &CatalogChange) -> Result<(), StorageError>;

    /// A secret of this store, the same for ever, to recognise what this server made.
    fn secret(&self) -> Result<[u8; 32], StorageError>;
}

/// SHA-256 of a component.
pub type Digest = [u8; 32];

/// Write sets that become durable together: at most one of each object.
#[derive(Debug, Default)]
pub struct Group {
    /// One more than that of the group before.
    pub number: u64,
    /// What each object changes.
    pub writes: std::collections::HashMap<ObjectId, WriteSet>,
}

/// Which group of all that were ever committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupMark {
    /// Its number.
    pub number: u64,
    /// The session that committed it.
    pub incarnation: u64,
}

impl GroupMark {
    /// Whether `group` became durable, given that this was the last one that did. None if others
    /// have committed since, so that nobody knows.
    pub fn tells(&self, group: Self) -> Option<bool> {
        match self.number.cmp(&group.number) {
            Ordering::Less => Some(false),
            Ordering::Equal => Some(*self == group),
            Ordering::Greater => None,
        }
    }
}

/// Which entries a scan returns.
#[derive(Debug, Clone, Default)]
pub struct Range {
    /// The smallest key, included.
    pub start: Bytes,
    /// The largest key, excluded; none for no bound.
    pub end: Option<Bytes>,
    /// From the largest key down.
    pub reverse: bool,
    /// Entries at most.
    pub limit: usize,
}

/// A part of a scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys and values in the order asked for.
    pub entries: Vec<(Bytes, Bytes)>,
    /// Whether entries of the range may follow the last one.
    pub more: bool,
}

/// An alarm whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueAlarm {
    /// Whose alarm it is.
    pub object: ObjectId,
    /// Empty for the unnamed alarm.
    pub name: String,
    /// When it was due.
    pub due: Millis,
    /// What it carries.
    pub payload: Bytes,
}

/// Where a listing of objects starts and how far it goes.
#[derive(Debug, Clone, Default)]
pub struct ObjectsPage {
    /// Only names that begin so.
    pub prefix: String,
    /// Only objects behind this name (empty for none) and id.
    pub after: Option<(String, ObjectId)>,
    /// Objects at most.
    pub limit: usize,
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its id.
    pub id: ObjectId,
    /// What the directory knows about it.
    pub record: ObjectRecord,
}

/// Why the durable layer cannot do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// Another process, or a later session of this one, has the data.
    #[error("this session with the store is over: another one has joined")]
    Fenced,
    /// Another process has the database open.
    #[error("{0} is in use by another process; stop it, or choose another --data-dir")]
    InUse(PathBuf),
    /// The data was written by a newer program.
    #[error("{path} has format {found}, this abide knows up to {known}; use a newer abide")]
    NewerFormat {
        /// The database.
        path: PathBuf,
        /// The format that it has.
        found: u64,
        /// The newest format that this program knows.
        known: u64,
    },
    /// The file is not a database of ours, or it is damaged.
    #[error(
        "{path} is damaged or no database of abide ({reason}); \
         restore it from a backup, or move it away to start empty"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What the engine found.
        reason: String,
    },
    /// A file operation failed before the store was open.
    #[error("cannot {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: Arc<io::Error>,
    },
    /// The engine failed at work. Nothing more is acknowledged before a new join.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Runs what may meet damaged data, on which an engine may panic: then the store failed.
fn caught<T>(run: impl FnOnce() -> Result<T, StorageError>) -> Result<T, StorageError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let said = task::message(&*panic);
        Err(StorageError::Failed(format!("the engine panicked: {said}")))
    })
}

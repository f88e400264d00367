//! An engine in memory, for tests: it behaves as the others do, and fails when it is told to.

mod data;
mod faults;

pub use self::faults::{CommitFault, Faults, Hold};

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{self, BoxFuture, FutureExt};

use self::faults::Shared;
use super::{
    Digest, DueAlarm, Engine, Group, GroupMark, ListedObject, ObjectsPage, Page, Range, Session,
    StorageError,
    catalog::{Catalog, CatalogChange},
    write_set::ObjectRecord,
};
use crate::{clock::Millis, id::ObjectId};

/// Data that lives as long as somebody holds the engine, a session or its faults.
#[derive(Debug, Clone, Default)]
pub struct MemoryEngine(Arc<Shared>);

/// A session with the data.
#[derive(Debug)]
struct MemorySession {
    incarnation: u64,
    shared: Arc<Shared>,
}

impl MemoryEngine {
    /// What makes the engine fail, and tells what it did.
    pub fn faults(&self) -> Faults {
        Faults::of(Arc::clone(&self.0))
    }
}

impl Engine for MemoryEngine {
    fn join(&self) -> Result<Arc<dyn Session>, StorageError> {
        let mut state = self.0.state();
        if state.joins_to_fail > 0 {
            state.joins_to_fail -= 1;
            return Err(StorageError::Failed("a join was to fail".to_owned()));
        }
        state.broken = false;
        state.data.incarnation += 1;
        let incarnation = state.data.incarnation;
        Ok(Arc::new(MemorySession { incarnation, shared: Arc::clone(&self.0) }))
    }
}

impl MemorySession {
    fn read<T>(&self, read: impl FnOnce(&data::Data) -> T) -> Result<T, StorageError> {
        let state = self.shared.state();
        state.check(self.incarnation)?;
        if state.reads_fail {
            return Err(StorageError::Failed("a read was to fail".to_owned()));
        }
        Ok(read(&state.data))
    }
}

impl Session for MemorySession {
    fn incarnation(&self) -> u64 {
        self.incarnation
    }

    fn is_over(&self) -> bool {
        self.shared.state().check(self.incarnation).is_err()
    }

    fn last_group(&self) -> Result<GroupMark, StorageError> {
        self.read(|data| data.last_group)
    }

    fn record(
        &self,
        object: ObjectId,
    ) -> BoxFuture<'_, Result<Option<ObjectRecord>, StorageError>> {
        future::ready(self.read(|data| data.objects.get(&object).cloned())).boxed()
    }

    fn get(
        &self,
        object: ObjectId,
        key: Bytes,
    ) -> BoxFuture<'_, Result<Option<Bytes>, StorageError>> {
        future::ready(self.read(|data| data.entries.get(&(object, key)).cloned())).boxed()
    }

    fn scan(&self, object: ObjectId, range: Range) -> BoxFuture<'_, Result<Page, StorageError>> {
        future::ready(self.read(|data| data.scan(object, &range))).boxed()
    }

    fn commit(&self, group: &Group) -> Result<Vec<ObjectId>, StorageError> {
        self.shared.commit(self.incarnation, group)
    }

    fn alarms_due(&self, until: Millis, limit: usize) -> Result<Vec<DueAlarm>, StorageError> {
        self.read(|data| data.alarms_due(until, limit))
    }

    fn objects(&self, class: u32, page: ObjectsPage) -> Result<Vec<ListedObject>, StorageError> {
        self.read(|data| data.list_objects(class, &page))
    }

    fn catalog(&self) -> Result<Catalog, StorageError> {
        self.read(data::Data::catalog)
    }

    fn component(&self, digest: &Digest) -> Result<Option<Bytes>, StorageError> {
        self.read(|data| data.components.get(digest).cloned())
    }

    fn change_catalog(&self, change: &CatalogChange) -> Result<(), StorageError> {
        let mut state = self.shared.state();
        state.check(self.incarnation)?;
        state.data.change_catalog(change);
        Ok(())
    }

    fn secret(&self) -> Result<[u8; 32], StorageError> {
        self.read(|_| [7; 32])
    }
}

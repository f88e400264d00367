//! The storage as one live object sees it: durable data, what waits for the disk on top of it, and
//! the running event's own writes on top of that.

mod lineage;
mod list;
mod misuse;

pub use self::{
    lineage::Lineage,
    list::ListOptions,
    misuse::{AccessError, Misuse, TooLarge},
};

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use self::{
    list::{Stored, Written, in_order, merge, page_limit, range},
    misuse::{checked, too_large},
};
use super::{
    Page, Session, StorageError,
    txn::Txn,
    write_set::{ObjectRecord, RecordChange, WriteSet},
};
use crate::{
    id::{ObjectId, ObjectName},
    limits::{CACHE_BYTES_MAX, ENTRY_BYTES, RESULT_BYTES_MAX, SAVEPOINTS_MAX},
};

/// One live object's storage.
pub struct View {
    object: ObjectId,
    session: Arc<dyn Session>,
    lineage: Arc<Lineage>,
    bounds: Bounds,
    /// What the directory has, or will have with the first write.
    record: Arc<ObjectRecord>,
    record_stored: bool,
    /// Values that are not yet durable, and some that are.
    cache: BTreeMap<Bytes, Cached>,
    cache_bytes: usize,
    /// The store's own data does not count until this commit is durable.
    hidden_until: Option<u64>,
    committed: u64,
    txn: Txn,
    /// The running event has committed a part of its writes already.
    synced: bool,
}

/// Bounds of a view that an operator may set.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Of one value, in bytes.
    pub value_bytes: usize,
    /// Of the uncommitted writes of one event, in bytes.
    pub event_bytes: usize,
}

#[derive(Debug)]
struct Cached {
    value: Option<Bytes>,
    /// The commit that wrote it; 0 if it was read.
    commit: u64,
}

impl View {
    /// Loads what is needed to start: one look into the directory.
    pub async fn load(
        object: ObjectId,
        session: Arc<dyn Session>,
        bounds: Bounds,
        new: ObjectRecord,
    ) -> Result<Self, StorageError> {
        let stored = session.record(object).await?;
        let lineage = Arc::new(Lineage::new(session.incarnation()));
        Ok(Self {
            object,
            lineage,
            session,
            bounds,
            record_stored: stored.as_ref().is_some_and(|row| row.version == new.version),
            // What was never written need not be looked up.
            hidden_until: if stored.is_some() { None } else { Some(u64::MAX) },
            record: Arc::new(match stored {
                Some(row) => {
                    ObjectRecord { version: new.version, name: row.name.or(new.name), ..row }
                }
                None => new,
            }),
            cache: BTreeMap::new(),
            cache_bytes: 0,
            committed: 0,
            txn: Txn::default(),
            synced: false,
        })
    }

    /// How far the commits have come.
    pub fn lineage(&self) -> &Arc<Lineage> {
        &self.lineage
    }

    /// The number of the last commit handed out.
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// The object's name, if known.
    pub fn name(&self) -> Option<&ObjectName> {
        self.record.name.as_ref()
    }

    /// Takes note of the name by which the object was addressed, to be stored with the next write.
    pub fn learn_name(&mut self, name: &ObjectName) {
        if self.record.name.is_none() {
            let mut record = ObjectRecord::clone(&self.record);
            record.name = Some(name.clone());
            self.record = Arc::new(record);
            self.record_stored = false;
        }
    }

    /// Takes note of the class version that runs, to be stored with the next write.
    pub fn set_version(&mut self, version: u32) {
        if self.record.version != version {
            let mut record = ObjectRecord::clone(&self.record);
            record.version = version;
            self.record = Arc::new(record);
            self.record_stored = false;
        }
    }

    /// The value of a key.
    pub async fn get(&mut self, key: String) -> Result<Option<Bytes>, AccessError> {
        let key = checked(key)?;
        Ok(self.value(key).await?)
    }

    /// The values of several keys.
    pub async fn get_many(&mut self, keys: Vec<String>) -> Result<Vec<Option<Bytes>>, AccessError> {
        let keys = keys.into_iter().map(checked).collect::<Result<Vec<_>, _>>()?;
        let (mut values, mut size) = (Vec::with_capacity(keys.len()), 0);
        for key in keys {
            let value = self.value(key.clone()).await?;
            size += value.as_ref().map_or(0, Bytes::len);
            if size > RESULT_BYTES_MAX {
                return Err(Misuse::ResultTooLarge(too_large(&key, size, RESULT_BYTES_MAX)).into());
            }
            values.push(value);
        }
        Ok(values)
    }

    /// Sets several values, or none if one is wrong.
    pub fn put(&mut self, entries: Vec<(String, Vec<u8>)>) -> Result<(), Misuse> {
        // The last value of a key counts; each key must count once, or its size would be wrong.
        let mut last = BTreeMap::new();
        let mut bytes = self.txn.bytes().cast_signed();
        for (key, value) in entries {
            let key = checked(key)?;
            if value.len() > self.bounds.value_bytes {
                let limit = self.bounds.value_bytes;
                return Err(Misuse::ValueTooLarge(too_large(&key, value.len(), limit)));
            }
            last.insert(key, Bytes::from(value));
        }
        for (key, value) in &last {
            bytes += self.txn.growth(key, Some(value));
            self.check_event_bytes(key, bytes)?;
        }
        for (key, value) in last {
            self.txn.write(key, Some(value));
        }
        Ok(())
    }

    /// Deletes several keys; says how many distinct ones existed.
    pub async fn delete(&mut self, keys: Vec<String>) -> Result<u32, AccessError> {
        let keys = keys.into_iter().map(checked).collect::<Result<Vec<_>, _>>()?;
        let mut bytes = self.txn.bytes().cast_signed();
        for key in &keys {
            bytes += self.txn.growth(key, None);
            self.check_event_bytes(key, bytes)?;
        }
        let mut existed = 0;
        for key in keys {
            if self.value(key.clone()).await?.is_some() {
                existed += 1;
                self.txn.write(key, None);
            }
        }
        Ok(existed)
    }

    /// Deletes every key.
    pub fn delete_all(&mut self) {
        self.txn.clear();
    }

    /// Marks the present state of the event's writes.
    pub fn savepoint(&mut self) -> Result<u32, Misuse> {
        if self.txn.savepoints() >= SAVEPOINTS_MAX {
            return Err(Misuse::TooManySavepoints);
        }
        Ok(self.txn.savepoint())
    }

    /// Undoes the event's writes since a savepoint.
    pub fn rollback_to(&mut self, savepoint: u32) -> Result<(), Misuse> {
        if self.txn.rollback_to(savepoint) {
            Ok(())
        } else {
            Err(Misuse::NoSuchSavepoint(savepoint))
        }
    }

    /// Entries in the order of their keys, up to the limits of a page.
    pub async fn list(&mut self, options: ListOptions) -> Result<Page, AccessError> {
        let limit = page_limit(&options);
        let Some(range) = range(options)? else {
            return Ok(Page::default());
        };
        let reverse = range.reverse;
        let own = in_order(self.txn.writes(), &range, Option::as_ref);
        let earlier = (!self.txn.cleared())
            .then(|| in_order(&self.cache, &range, |cached| cached.value.as_ref()));
        let stored = if self.txn.cleared() || self.hidden_until.is_some() {
            Stored::nothing()
        } else {
            Stored::new(&*self.session, self.object, range)
        };
        Ok(merge(Written::new(own, earlier, reverse), stored, reverse, limit).await?)
    }

    /// Whether the running event has written anything that is not committed.
    pub fn has_writes(&self) -> bool {
        !self.txn.is_empty()
    }

    /// Size of what the running event has written and not committed.
    pub fn written_bytes(&self) -> usize {
        self.txn.bytes()
    }

    /// Forgets the running event's uncommitted writes.
    pub fn rollback(&mut self) {
        self.txn.take();
    }

    /// Takes the running event's writes for the committer and counts them as done from now on:
    /// later reads see them. None if there are none.
    pub fn commit(&mut self) -> Option<WriteSet> {
        if self.txn.is_empty() {
            self.txn.release_savepoints();
            return None;
        }
        let (clear, entries) = self.txn.take();
        self.committed += 1;
        if clear {
            self.cache.clear();
            self.cache_bytes = 0;
        }
        if clear || self.hidden_until == Some(u64::MAX) {
            self.hidden_until = Some(self.committed);
        }
        for (key, value) in &entries {
            let cached = Cached { value: value.clone(), commit: self.committed };
            self.remember(key.clone(), cached);
        }
        let puts = entries.values().any(Option::is_some);
        let record = match (clear && !puts, self.record_stored) {
            (true, _) => RecordChange::Remove,
            (false, true) if !clear => RecordChange::Keep,
            (false, _) => RecordChange::Put(Arc::clone(&self.record)),
        };
        self.record_stored = record != RecordChange::Remove;
        Some(WriteSet { clear, entries, record, ..WriteSet::default() })
    }

    /// Takes the running event's writes so far for the committer. What follows in the event is
    /// undone without them.
    pub fn commit_part(&mut self) -> Option<WriteSet> {
        let writes = self.commit();
        self.synced |= writes.is_some();
        writes
    }

    /// Whether undoing the running event would leave something of it.
    pub fn synced(&self) -> bool {
        self.synced
    }

    /// Begins an event, and lets go of what durable commits need no more.
    pub fn begin_event(&mut self) {
        self.synced = false;
        // An event that wrote nothing was not committed, and may have left some.
        self.txn.release_savepoints();
        let durable = self.lineage.durable();
        if self.hidden_until.is_some_and(|commit| commit <= durable) {
            self.hidden_until = None;
        }
        // What a hidden store cannot answer must stay.
        if self.cache_bytes > CACHE_BYTES_MAX && self.hidden_until.is_none() {
            self.cache.retain(|_, cached| cached.commit > durable);
            self.cache_bytes = self.cache.iter().map(|(key, cached)| cached.size(key)).sum();
        }
    }

    async fn value(&mut self, key: Bytes) -> Result<Option<Bytes>, StorageError> {
        if let Some(written) = self.txn.get(&key) {
            return Ok(written.cloned());
        }
        if self.txn.cleared() {
            return Ok(None);
        }
        if let Some(cached) = self.cache.get(&key) {
            return Ok(cached.value.clone());
        }
        if self.hidden_until.is_some() {
            return Ok(None);
        }
        let value = self.session.get(self.object, key.clone()).await?;
        let cached = Cached { value: value.clone(), commit: 0 };
        if self.cache_bytes + cached.size(&key) <= CACHE_BYTES_MAX {
            self.remember(key, cached);
        }
        Ok(value)
    }

    fn remember(&mut self, key: Bytes, cached: Cached) {
        let old = self.cache.get(&key).map_or(0, |old| old.size(&key));
        self.cache_bytes = self.cache_bytes + cached.size(&key) - old;
        self.cache.insert(key, cached);
    }

    fn check_event_bytes(&self, key: &Bytes, bytes: isize) -> Result<(), Misuse> {
        let (bytes, limit) = (usize::try_from(bytes).unwrap_or(0), self.bounds.event_bytes);
        if bytes > limit {
            return Err(Misuse::EventTooLarge(too_large(key, bytes, limit)));
        }
        Ok(())
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("object", &self.object).finish_non_exhaustive()
    }
}

impl Cached {
    fn size(&self, key: &Bytes) -> usize {
        key.len() + self.value.as_ref().map_or(0, Bytes::len) + ENTRY_BYTES
    }
}

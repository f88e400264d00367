//! The storage as one live object sees it: durable data, what waits for the disk on top of it, and
//! the running event's own writes on top of that.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;

use super::{
    Page, Range, Session, StorageError,
    key::prefix_end,
    txn::Txn,
    write_set::{ObjectRecord, RecordChange, WriteSet},
};
use crate::{
    id::{ObjectId, ObjectName},
    limits::{
        CACHE_BYTES_MAX, KEY_BYTES_MAX, PAGE_BYTES, PAGE_ENTRIES_MAX, RESULT_BYTES_MAX,
        SAVEPOINTS_MAX,
    },
};

/// How far an object's commits have come. The object counts its commits from 1; the committer
/// says which of them are durable.
#[derive(Debug)]
pub struct Lineage {
    incarnation: u64,
    durable: AtomicU64,
    broken: AtomicBool,
}

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

/// What the guest asks of a listing.
#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    /// Smallest key.
    pub start: Option<String>,
    /// Key before the smallest.
    pub start_after: Option<String>,
    /// Key behind the largest.
    pub end: Option<String>,
    /// What all keys begin with.
    pub prefix: Option<String>,
    /// From the largest down.
    pub reverse: bool,
    /// Entries at most.
    pub limit: Option<u32>,
}

/// A size over its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLarge {
    /// The key, shortened.
    pub key: String,
    /// Bytes found.
    pub size: usize,
    /// Bytes allowed.
    pub limit: usize,
}

/// What the guest did wrong; nothing of the call was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misuse {
    /// A key without bytes.
    KeyEmpty,
    /// Over [`KEY_BYTES_MAX`].
    KeyTooLong(TooLarge),
    /// Over [`Bounds::value_bytes`].
    ValueTooLarge(TooLarge),
    /// Over [`Bounds::event_bytes`].
    EventTooLarge(TooLarge),
    /// Over [`RESULT_BYTES_MAX`].
    ResultTooLarge(TooLarge),
    /// Options that contradict each other.
    InvalidList(String),
    /// No savepoint of this number.
    NoSuchSavepoint(u32),
    /// More than [`SAVEPOINTS_MAX`] savepoints.
    TooManySavepoints,
}

/// Why an access did not happen.
#[derive(Debug)]
pub enum AccessError {
    /// The guest's mistake.
    Misuse(Misuse),
    /// The store's fault.
    Store(StorageError),
}

impl From<Misuse> for AccessError {
    fn from(misuse: Misuse) -> Self {
        Self::Misuse(misuse)
    }
}

impl From<StorageError> for AccessError {
    fn from(error: StorageError) -> Self {
        Self::Store(error)
    }
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

    pub(super) fn set_durable(&self, commit: u64) {
        self.durable.store(commit, Ordering::Release);
    }

    pub(super) fn set_broken(&self) {
        self.broken.store(true, Ordering::Release);
    }
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
        let mut checked_entries = Vec::with_capacity(entries.len());
        let mut bytes = self.txn.bytes().cast_signed();
        for (key, value) in entries {
            let key = checked(key)?;
            if value.len() > self.bounds.value_bytes {
                let limit = self.bounds.value_bytes;
                return Err(Misuse::ValueTooLarge(too_large(&key, value.len(), limit)));
            }
            let value = Bytes::from(value);
            bytes += self.txn.growth(&key, Some(&value));
            self.check_event_bytes(&key, bytes)?;
            checked_entries.push((key, value));
        }
        for (key, value) in checked_entries {
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
        let limit = options.limit;
        let Some(range) = range(options)? else {
            return Ok(Page::default());
        };
        let limit = limit.map_or(PAGE_ENTRIES_MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX).min(PAGE_ENTRIES_MAX)
        });
        let written = self.written(&range);
        let stored = if self.txn.cleared() || self.hidden_until.is_some() {
            Stored::nothing()
        } else {
            Stored::new(&*self.session, self.object, Range { limit, ..range.clone() })
        };
        Ok(merge(written, stored, range.reverse, limit).await?)
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
            self.remember(key.clone(), value.clone(), self.committed);
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
        if self.cache_bytes + key.len() + value.as_ref().map_or(0, Bytes::len) <= CACHE_BYTES_MAX {
            self.remember(key, value.clone(), 0);
        }
        Ok(value)
    }

    fn remember(&mut self, key: Bytes, value: Option<Bytes>, commit: u64) {
        let cached = Cached { value, commit };
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

    /// What the object wrote in a range and the store may not have, in the order of the range.
    fn written(&self, range: &Range) -> Vec<(Bytes, Option<Bytes>)> {
        let within = |key: &Bytes| range.end.as_ref().is_none_or(|end| key < end);
        let mut written = BTreeMap::new();
        if !self.txn.cleared() {
            for (key, cached) in self.cache.range(range.start.clone()..) {
                if !within(key) {
                    break;
                }
                written.insert(key.clone(), cached.value.clone());
            }
        }
        for (key, value) in self.txn.writes().range(range.start.clone()..) {
            if !within(key) {
                break;
            }
            written.insert(key.clone(), value.clone());
        }
        let mut written: Vec<_> = written.into_iter().collect();
        if range.reverse {
            written.reverse();
        }
        written
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("object", &self.object).finish_non_exhaustive()
    }
}

impl Cached {
    fn size(&self, key: &Bytes) -> usize {
        key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// The store's entries of a range, fetched page by page.
struct Stored<'a> {
    source: Option<(&'a dyn Session, ObjectId, Range)>,
    entries: std::vec::IntoIter<(Bytes, Bytes)>,
}

impl<'a> Stored<'a> {
    fn new(session: &'a dyn Session, object: ObjectId, range: Range) -> Self {
        Self { source: Some((session, object, range)), entries: Vec::new().into_iter() }
    }

    fn nothing() -> Self {
        Self { source: None, entries: Vec::new().into_iter() }
    }

    async fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, StorageError> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Ok(Some(entry));
            }
            let Some((session, object, range)) = self.source.take() else {
                return Ok(None);
            };
            let page = session.scan(object, range.clone()).await?;
            if page.more
                && let Some((last, _)) = page.entries.last()
            {
                let rest = if range.reverse {
                    Range { end: Some(last.clone()), ..range }
                } else {
                    Range { start: successor(last), ..range }
                };
                self.source = Some((session, object, rest));
            }
            self.entries = page.entries.into_iter();
        }
    }
}

/// One page out of what was written and what is stored, both in the order of the range. What was
/// written wins.
async fn merge(
    written: Vec<(Bytes, Option<Bytes>)>,
    mut stored: Stored<'_>,
    reverse: bool,
    limit: usize,
) -> Result<Page, StorageError> {
    let (mut page, mut size) = (Page::default(), 0);
    let mut written = written.into_iter().peekable();
    let mut next_stored = stored.next().await?;
    loop {
        let written_first = match (written.peek(), &next_stored) {
            (None, None) => return Ok(page),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some((a, _)), Some((b, _))) => a == b || (a < b) != reverse,
        };
        let entry = if written_first {
            let Some((key, value)) = written.next() else { return Ok(page) };
            if next_stored.as_ref().is_some_and(|(stored, _)| *stored == key) {
                next_stored = stored.next().await?;
            }
            value.map(|value| (key, value))
        } else {
            let entry = next_stored.take();
            next_stored = stored.next().await?;
            entry
        };
        let Some((key, value)) = entry else { continue };
        if page.entries.len() >= limit || size >= PAGE_BYTES {
            page.more = true;
            return Ok(page);
        }
        size += key.len() + value.len();
        page.entries.push((key, value));
    }
}

/// The range that the options describe; none if no key can be in it.
fn range(options: ListOptions) -> Result<Option<Range>, Misuse> {
    if options.start.is_some() && options.start_after.is_some() {
        return Err(Misuse::InvalidList("start and start-after cannot both be given".to_owned()));
    }
    if options.limit == Some(0) {
        return Err(Misuse::InvalidList("limit is 0, the least is 1".to_owned()));
    }
    let bound = |key: Option<String>| match key {
        Some(key) if key.len() > KEY_BYTES_MAX => Err(too_long(&Bytes::from(key))),
        Some(key) => Ok(Some(Bytes::from(key))),
        None => Ok(None),
    };
    let after = bound(options.start_after)?.map(|key| successor(&key));
    let prefix = bound(options.prefix)?.unwrap_or_default();
    let start = bound(options.start)?.or(after).unwrap_or_default().max(prefix.clone());
    let end = match (bound(options.end)?, prefix_end(&prefix).map(Bytes::from)) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    if end.as_ref().is_some_and(|end| *end <= start) {
        return Ok(None);
    }
    Ok(Some(Range { start, end, reverse: options.reverse, limit: 0 }))
}

/// The key right behind this one.
fn successor(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    Bytes::from(next)
}

fn checked(key: String) -> Result<Bytes, Misuse> {
    let key = Bytes::from(key);
    match key.len() {
        0 => Err(Misuse::KeyEmpty),
        1..=KEY_BYTES_MAX => Ok(key),
        _ => Err(too_long(&key)),
    }
}

fn too_long(key: &Bytes) -> Misuse {
    Misuse::KeyTooLong(too_large(key, key.len(), KEY_BYTES_MAX))
}

fn too_large(key: &Bytes, size: usize, limit: usize) -> TooLarge {
    let mut key: String = String::from_utf8_lossy(key).chars().take(65).collect();
    if key.chars().count() > 64 {
        key.pop();
        key.push_str("...");
    }
    TooLarge { key, size, limit }
}

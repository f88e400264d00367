//! The default engine: one redb file.
//!
//! The exclusive lock on the file is what makes this the only server of its data. A commit is one
//! redb transaction that ends with one sync.

mod apply;
mod catalog;
mod tables;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use bytes::Bytes;
use futures_util::future::{self, BoxFuture, FutureExt};
use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable};

use self::tables::{
    ALARMS, ALARMS_DUE, CLASSES, COMPONENTS, DATA, FORMAT, META_FORMAT, META_INCARNATION,
    META_LAST_GROUP, META_SECRET, METADATA, NAMES, OBJECTS, VERSIONS,
};
use super::{
    Digest, DueAlarm, Engine, Group, ListedObject, ObjectsPage, Page, Range, Session, StorageError,
    catalog::{Catalog, CatalogChange},
    key::{data_end, data_key, key_of},
    write_set::ObjectRecord,
};
use crate::{
    clock::Millis,
    id::{ObjectId, SHARDS},
    limits::PAGE_BYTES,
    task,
};

/// The file in the data directory.
const FILE: &str = "abide.redb";

/// A redb file in a data directory.
#[derive(Debug)]
pub struct RedbEngine {
    path: PathBuf,
    cache_bytes: usize,
    /// The session given last, to fence it.
    last: Mutex<Option<Arc<RedbSession>>>,
}

/// A session: the open database.
#[derive(Debug)]
struct RedbSession {
    incarnation: u64,
    /// None once another session was given.
    database: RwLock<Option<Database>>,
}

impl RedbEngine {
    /// An engine for the database in this directory, which is made if it is missing.
    pub fn new(directory: &Path, cache_bytes: usize) -> Result<Self, StorageError> {
        fs::create_dir_all(directory)
            .map_err(|error| file_error("create the data directory", directory, error))?;
        Ok(Self { path: directory.join(FILE), cache_bytes, last: Mutex::new(None) })
    }

    fn open(&self, verify: bool) -> Result<Database, StorageError> {
        let mut builder = Database::builder();
        builder.set_cache_size(self.cache_bytes).set_check_integrity_on_open(verify);
        // redb asserts what it reads: a damaged file may be a panic.
        match catch_unwind(AssertUnwindSafe(|| builder.create(&self.path))) {
            Ok(Ok(database)) => Ok(database),
            Ok(Err(error)) => Err(self.open_error(error)),
            Err(panic) => Err(self.damaged(task::message(&*panic))),
        }
    }

    fn open_error(&self, error: DatabaseError) -> StorageError {
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
                StorageError::InUse(self.path.clone())
            }
            DatabaseError::Storage(redb::StorageError::Io(error))
                if error.kind() != std::io::ErrorKind::InvalidData
                    && error.kind() != std::io::ErrorKind::UnexpectedEof =>
            {
                file_error("open the database", &self.path, error)
            }
            other => self.damaged(&other.to_string()),
        }
    }

    fn damaged(&self, reason: &str) -> StorageError {
        StorageError::Damaged { path: self.path.clone(), reason: reason.to_owned() }
    }

    /// Checks the format and counts the new session. All tables exist afterwards.
    fn begin(&self, database: &Database) -> Result<u64, StorageError> {
        let txn = database.begin_write().map_err(failed)?;
        let incarnation = {
            let mut metadata = txn.open_table(METADATA).map_err(failed)?;
            let found = apply::number(&metadata, META_FORMAT)?.unwrap_or(FORMAT);
            if found > FORMAT {
                let path = self.path.clone();
                return Err(StorageError::NewerFormat { path, found, known: FORMAT });
            }
            apply::set_number(&mut metadata, META_FORMAT, FORMAT)?;
            let incarnation = apply::number(&metadata, META_INCARNATION)?.unwrap_or(0) + 1;
            apply::set_number(&mut metadata, META_INCARNATION, incarnation)?;
            if metadata.get(META_SECRET).map_err(failed)?.is_none() {
                metadata.insert(META_SECRET, &random()?[..]).map_err(failed)?;
            }
            incarnation
        };
        txn.open_table(DATA).map_err(failed)?;
        txn.open_table(OBJECTS).map_err(failed)?;
        txn.open_table(NAMES).map_err(failed)?;
        txn.open_table(ALARMS_DUE).map_err(failed)?;
        txn.open_table(ALARMS).map_err(failed)?;
        txn.open_table(CLASSES).map_err(failed)?;
        txn.open_table(VERSIONS).map_err(failed)?;
        txn.open_table(COMPONENTS).map_err(failed)?;
        txn.commit().map_err(failed)?;
        Ok(incarnation)
    }
}

impl Engine for RedbEngine {
    fn join(&self) -> Result<Arc<dyn Session>, StorageError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // A second join means that the first session failed: then nothing is believed unchecked.
        let verify = last.is_some();
        if let Some(session) = &*last {
            session.database.write().unwrap_or_else(PoisonError::into_inner).take();
        }
        let database = self.open(verify)?;
        let incarnation = match catch_unwind(AssertUnwindSafe(|| self.begin(&database))) {
            Ok(begun) => begun?,
            Err(panic) => return Err(self.damaged(task::message(&*panic))),
        };
        let session = Arc::new(RedbSession { incarnation, database: RwLock::new(Some(database)) });
        *last = Some(Arc::clone(&session));
        Ok(session)
    }
}

impl RedbSession {
    fn with<T>(
        &self,
        use_database: impl FnOnce(&Database) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        use_database(database.as_ref().ok_or(StorageError::Fenced)?)
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.with(|database| read(&database.begin_read().map_err(failed)?))
    }
}

impl Session for RedbSession {
    fn incarnation(&self) -> u64 {
        self.incarnation
    }

    fn last_group(&self) -> Result<u64, StorageError> {
        self.read(|txn| {
            let metadata = txn.open_table(METADATA).map_err(failed)?;
            Ok(apply::number(&metadata, META_LAST_GROUP)?.unwrap_or(0))
        })
    }

    fn record(
        &self,
        object: ObjectId,
    ) -> BoxFuture<'_, Result<Option<ObjectRecord>, StorageError>> {
        ready(self.read(|txn| {
            let objects = txn.open_table(OBJECTS).map_err(failed)?;
            let row = objects.get(object.as_bytes()).map_err(failed)?;
            Ok(row.map(|row| apply::record(row.value())))
        }))
    }

    fn get(
        &self,
        object: ObjectId,
        key: Bytes,
    ) -> BoxFuture<'_, Result<Option<Bytes>, StorageError>> {
        ready(self.read(|txn| {
            let data = txn.open_table(DATA).map_err(failed)?;
            let value = data.get(&*data_key(object, &key)).map_err(failed)?;
            Ok(value.map(|value| Bytes::copy_from_slice(value.value())))
        }))
    }

    fn scan(&self, object: ObjectId, range: Range) -> BoxFuture<'_, Result<Page, StorageError>> {
        ready(self.read(|txn| {
            let data = txn.open_table(DATA).map_err(failed)?;
            let start = data_key(object, &range.start);
            let end = match &range.end {
                Some(end) => Some(data_key(object, end)),
                None => data_end(object),
            };
            let rows = match &end {
                Some(end) => data.range(&*start..&**end),
                None => data.range(&*start..),
            };
            let rows = rows.map_err(failed)?;
            if range.reverse { page(rows.rev(), range.limit) } else { page(rows, range.limit) }
        }))
    }

    fn commit(&self, group: &Group) -> Result<Vec<ObjectId>, StorageError> {
        self.with(|database| apply::commit(database, group)).map(|()| Vec::new())
    }

    fn alarms_due(&self, until: Millis, limit: usize) -> Result<Vec<DueAlarm>, StorageError> {
        self.read(|txn| {
            let alarms = txn.open_table(ALARMS_DUE).map_err(failed)?;
            let (mut due_alarms, mut shard) = (Vec::new(), 0);
            while shard < SHARDS {
                let rest = alarms.range((shard, 0, &[0; 32], "")..).map_err(failed)?;
                let mut next_shard = SHARDS;
                for row in rest {
                    let (key, payload) = row.map_err(failed)?;
                    let (of_shard, due, object, name) = key.value();
                    if due_alarms.len() >= limit {
                        return Ok(due_alarms);
                    }
                    if due > until {
                        next_shard = of_shard + 1;
                        break;
                    }
                    due_alarms.push(DueAlarm {
                        object: ObjectId::from_bytes(*object),
                        name: name.to_owned(),
                        due,
                        payload: Bytes::copy_from_slice(payload.value()),
                    });
                }
                shard = next_shard;
            }
            Ok(due_alarms)
        })
    }

    fn objects(&self, class: u32, page: ObjectsPage) -> Result<Vec<ListedObject>, StorageError> {
        self.read(|txn| {
            let names = txn.open_table(NAMES).map_err(failed)?;
            let objects = txn.open_table(OBJECTS).map_err(failed)?;
            let after = page.after.as_ref().map(|(name, id)| (name.as_str(), *id));
            let first = (page.prefix.as_str(), ObjectId::from_bytes([0; 32]));
            let start = after.map_or(first, |after| after.max(first));
            let mut listed = Vec::new();
            for row in names.range((class, start.0, start.1.as_bytes())..).map_err(failed)? {
                let (key, ()) = row.map(|(key, _)| (key, ())).map_err(failed)?;
                let (of_class, name, id) = key.value();
                if of_class != class
                    || !name.starts_with(&page.prefix)
                    || listed.len() >= page.limit
                {
                    break;
                }
                let id = ObjectId::from_bytes(*id);
                if after == Some((name, id)) {
                    continue;
                }
                if let Some(row) = objects.get(id.as_bytes()).map_err(failed)? {
                    listed.push(ListedObject { id, record: apply::record(row.value()) });
                }
            }
            Ok(listed)
        })
    }

    fn catalog(&self) -> Result<Catalog, StorageError> {
        self.read(catalog::load)
    }

    fn component(&self, digest: &Digest) -> Result<Option<Bytes>, StorageError> {
        self.read(|txn| {
            let components = txn.open_table(COMPONENTS).map_err(failed)?;
            let component = components.get(digest).map_err(failed)?;
            Ok(component.map(|bytes| Bytes::copy_from_slice(bytes.value())))
        })
    }

    fn change_catalog(&self, change: &CatalogChange) -> Result<(), StorageError> {
        self.with(|database| catalog::change(database, change))
    }

    fn secret(&self) -> Result<[u8; 32], StorageError> {
        self.read(|txn| {
            let metadata = txn.open_table(METADATA).map_err(failed)?;
            let secret = metadata.get(META_SECRET).map_err(failed)?;
            let secret = secret.and_then(|bytes| bytes.value().try_into().ok());
            secret.ok_or_else(|| StorageError::Failed("the store has no secret".to_owned()))
        })
    }
}

type Row = Result<
    (redb::AccessGuard<'static, &'static [u8]>, redb::AccessGuard<'static, &'static [u8]>),
    redb::StorageError,
>;

/// The first rows, up to a limit of their number and their size.
fn page(rows: impl Iterator<Item = Row>, limit: usize) -> Result<Page, StorageError> {
    let (mut page, mut size) = (Page::default(), 0);
    for row in rows {
        let (key, value) = row.map_err(failed)?;
        if page.entries.len() >= limit || size >= PAGE_BYTES {
            page.more = true;
            break;
        }
        let (key, value) = (key_of(key.value()), Bytes::copy_from_slice(value.value()));
        size += key.len() + value.len();
        page.entries.push((key, value));
    }
    Ok(page)
}

/// redb answers at once: its pages are in its cache, or one read away.
fn ready<T: Send>(result: Result<T, StorageError>) -> BoxFuture<'static, Result<T, StorageError>>
where
    T: 'static,
{
    future::ready(result).boxed()
}

fn failed(error: impl Into<redb::Error>) -> StorageError {
    StorageError::Failed(error.into().to_string())
}

fn file_error(action: &'static str, path: &Path, error: std::io::Error) -> StorageError {
    StorageError::File { action, path: path.to_owned(), source: Arc::new(error) }
}

fn random() -> Result<[u8; 32], StorageError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| StorageError::Failed(format!("no random numbers: {error}")))?;
    Ok(bytes)
}

//! The default engine: one redb file.
//!
//! The exclusive lock on the file is what makes this the only server of its data. A commit is one
//! redb transaction that ends with one sync.

mod apply;
mod catalog;
mod tables;

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::{self, BoxFuture, FutureExt};
use redb::{Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable};

use self::tables::{
    ALARMS, ALARMS_DUE, CLASSES, COMPONENTS, DATA, FORMAT, META_FORMAT, META_INCARNATION,
    META_LAST_COMMITTER, META_LAST_GROUP, META_SECRET, METADATA, NAMES, OBJECTS, VERSIONS,
};
use super::{
    Digest, DueAlarm, Engine, Group, GroupMark, ListedObject, ObjectsPage, Page, Range, Session,
    StorageError,
    catalog::{Catalog, CatalogChange},
    caught,
    key::{data_end, data_key, key_of},
    write_set::ObjectRecord,
};
use crate::{
    clock::Millis,
    id::{ObjectId, SHARDS},
    limits::PAGE_BYTES,
    task,
};

/// How long the lock of a dying server is waited for, and how long between two tries.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The file in the data directory.
const FILE: &str = "abide.redb";

/// Opens the database with the settings of a builder; the flag says whether it was open before.
type Open = dyn Fn(&Builder, bool) -> Result<Database, DatabaseError> + Send + Sync;

/// A redb file in a data directory.
pub struct RedbEngine {
    path: PathBuf,
    open: Box<Open>,
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
    /// The database was seen to fail. redb answers nothing after a failed file operation.
    over: AtomicBool,
}

impl RedbEngine {
    /// An engine for the database in this directory, which is made if it is missing.
    pub fn new(directory: &Path, cache_bytes: usize) -> Result<Self, StorageError> {
        fs::create_dir_all(directory)
            .map_err(|error| file_error("create the data directory", directory, error))?;
        let path = directory.join(FILE);
        let file = path.clone();
        let open = move |builder: &Builder, again: bool| {
            if again { reopen(builder, &file) } else { open_or_make(builder, &file) }
        };
        Ok(Self::on(path, cache_bytes, open))
    }

    /// An engine for the database that a function opens. `path` names it in errors.
    pub(super) fn on(
        path: PathBuf,
        cache_bytes: usize,
        open: impl Fn(&Builder, bool) -> Result<Database, DatabaseError> + Send + Sync + 'static,
    ) -> Self {
        Self { path, open: Box::new(open), cache_bytes, last: Mutex::new(None) }
    }

    fn open(&self, verify: bool) -> Result<Database, StorageError> {
        let mut builder = Database::builder();
        builder.set_cache_size(self.cache_bytes).set_check_integrity_on_open(verify);
        // redb asserts what it reads: a damaged file may be a panic.
        match catch_unwind(AssertUnwindSafe(|| (self.open)(&builder, verify))) {
            Ok(Ok(database)) => Ok(database),
            Ok(Err(error)) => Err(self.open_error(error)),
            Err(panic) => Err(self.damaged(task::message(&*panic))),
        }
    }

    /// A server that was killed a moment ago may hold the lock until the kernel has taken its memory
    /// apart, so a restart waits a little for it.
    fn open_when_free(&self, verify: bool) -> Result<Database, StorageError> {
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match self.open(verify) {
                Err(StorageError::InUse(_)) if Instant::now() < deadline => {
                    thread::sleep(LOCK_PAUSE);
                }
                opened => return opened,
            }
        }
    }

    fn open_error(&self, error: DatabaseError) -> StorageError {
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
                StorageError::InUse(self.path.clone())
            }
            DatabaseError::Storage(redb::StorageError::Io(error))
                if error.kind() != io::ErrorKind::InvalidData
                    && error.kind() != io::ErrorKind::UnexpectedEof =>
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
            session.close();
        }
        let database = self.open_when_free(verify)?;
        let incarnation = match catch_unwind(AssertUnwindSafe(|| self.begin(&database))) {
            Ok(begun) => begun?,
            Err(panic) => return Err(self.damaged(task::message(&*panic))),
        };
        if let Some(before) = &*last
            && incarnation <= before.incarnation
        {
            return Err(self.damaged("another database took its place while it was in use"));
        }
        let session = Arc::new(RedbSession {
            incarnation,
            database: RwLock::new(Some(database)),
            over: AtomicBool::new(false),
        });
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
        let database = database.as_ref().ok_or(StorageError::Fenced)?;
        let result = caught(|| use_database(database));
        // One damaged entry is no reason to close the others.
        if matches!(result, Err(StorageError::Failed(_))) && !answers(database) {
            self.over.store(true, Ordering::Release);
        }
        result
    }

    /// Releases the file, and with it the lock on it.
    fn close(&self) {
        let database = self.database.write().unwrap_or_else(PoisonError::into_inner).take();
        if catch_unwind(AssertUnwindSafe(|| drop(database))).is_err() {
            tracing::error!("the database panicked when it was closed");
        }
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

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
            || self.database.read().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn last_group(&self) -> Result<GroupMark, StorageError> {
        self.read(last_group)
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
        self.with(|database| apply::commit(database, self.incarnation, group))?;
        Ok(Vec::new())
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

/// Whether the database can be read at all.
fn answers(database: &Database) -> bool {
    caught(|| last_group(&database.begin_read().map_err(failed)?)).is_ok()
}

fn last_group(txn: &ReadTransaction) -> Result<GroupMark, StorageError> {
    let metadata = txn.open_table(METADATA).map_err(failed)?;
    Ok(GroupMark {
        number: apply::number(&metadata, META_LAST_GROUP)?.unwrap_or(0),
        incarnation: apply::number(&metadata, META_LAST_COMMITTER)?.unwrap_or(0),
    })
}

/// Opens a database, or makes one. It appears under its name when it is whole: redb takes a file
/// whose making broke off for somebody else's.
fn open_or_make(builder: &Builder, path: &Path) -> Result<Database, DatabaseError> {
    if !path.exists() {
        let fresh = path.with_extension(format!("new-{}", std::process::id()));
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => (),
        }
        builder.create(&fresh)?.close()?;
        // Unlike a rename this never takes the place of a database that another process made.
        let linked = fs::hard_link(&fresh, path);
        fs::remove_file(&fresh)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
            Ok(()) | Err(_) => (),
        }
        if let Some(directory) = path.parent() {
            fs::File::open(directory)?.sync_all()?;
        }
    }
    builder.create(path)
}

/// Opens a database that failed while it was open. It must exist: an empty one in its place would
/// answer that nothing was ever written.
fn reopen(builder: &Builder, path: &Path) -> Result<Database, DatabaseError> {
    // After a failed sync the kernel may hold pages as clean that never reached the disk. They
    // must not vouch for themselves: without them the check reads what is really there.
    let file = fs::File::open(path)?;
    if let Err(error) = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed) {
        tracing::warn!(%error, "the database is checked as the kernel remembers it");
    }
    drop(file);
    builder.open(path)
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
fn ready<T: Send + 'static>(
    result: Result<T, StorageError>,
) -> BoxFuture<'static, Result<T, StorageError>> {
    future::ready(result).boxed()
}

fn failed(error: impl Into<redb::Error>) -> StorageError {
    StorageError::Failed(error.into().to_string())
}

fn file_error(action: &'static str, path: &Path, error: io::Error) -> StorageError {
    StorageError::File { action, path: path.to_owned(), source: Arc::new(error) }
}

fn random() -> Result<[u8; 32], StorageError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| StorageError::Failed(format!("no random numbers: {error}")))?;
    Ok(bytes)
}

impl std::fmt::Debug for RedbEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedbEngine").field("path", &self.path).finish_non_exhaustive()
    }
}

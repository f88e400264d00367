//! redb on a disk that fails: at each file operation, once.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use redb::StorageBackend;

use super::{
    super::{
        Engine,
        commit::{CommitError, Patience, Store, Ticket},
        redb::RedbEngine,
        view::Lineage,
    },
    CACHE_BYTES, id, put, stored,
};

const EVENTS: u64 = 8;

/// A file in memory, as programs see it and as it would be after a power cut.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<Content>>);

#[derive(Debug, Default)]
struct Content {
    seen: Vec<u8>,
    synced: Vec<u8>,
    /// File operations until one fails, and all after it until the file is closed.
    left: Option<usize>,
    operations: usize,
    failed: bool,
    /// What was not synced when the disk failed is lost.
    loses: bool,
}

impl Disk {
    /// With an empty database.
    fn made() -> Self {
        let disk = Self::default();
        drop(disk.engine().join().unwrap());
        disk
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap()
    }

    fn operation(&self) -> io::Result<MutexGuard<'_, Content>> {
        let mut content = self.content();
        content.operations += 1;
        if let Some(left) = &mut content.left {
            match left.checked_sub(1) {
                Some(less) => *left = less,
                None => content.failed = true,
            }
        }
        if content.failed { Err(io::Error::other("the disk was to fail")) } else { Ok(content) }
    }

    fn engine(&self) -> RedbEngine {
        let disk = self.clone();
        RedbEngine::on("a disk in memory".into(), CACHE_BYTES, move |builder, _| {
            builder.create_with_backend(disk.clone())
        })
    }

    /// What is left after a power cut.
    fn after_power_cut(&self) -> Self {
        let synced = self.content().synced.clone();
        Self(Arc::new(Mutex::new(Content { seen: synced.clone(), synced, ..Content::default() })))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.operation()?.seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let content = self.operation()?;
        let at = usize::try_from(offset).unwrap();
        let Some(found) = content.seen.get(at..at + out.len()) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.operation()?.seen.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut content = self.operation()?;
        content.synced = content.seen.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut content = self.operation()?;
        let (at, len) = (usize::try_from(offset).unwrap(), content.seen.len());
        content.seen.resize(len.max(at + data.len()), 0);
        content.seen[at..at + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        let mut content = self.content();
        if content.failed {
            (content.failed, content.left) = (false, None);
            if content.loses {
                content.seen = content.synced.clone();
            }
        }
        Ok(())
    }
}

/// Commits one event after the other; a lineage that broke is begun anew.
fn run(store: &Store) -> Vec<Result<(), CommitError>> {
    let mut lineage = None;
    let mut outcomes = Vec::new();
    for event in 1..=EVENTS {
        let session = loop {
            // The committer answers after it joined again.
            match store.session() {
                Ok(session) => break session,
                Err(_) => std::thread::yield_now(),
            }
        };
        let fresh = || Arc::new(Lineage::new(session.incarnation()));
        let own = lineage.take().filter(|lineage: &Arc<Lineage>| !lineage.broken());
        let own = own.unwrap_or_else(fresh);
        let (answer, answered) = std::sync::mpsc::channel();
        let (key, value) = (event.to_string(), "v".repeat(3_000));
        store.submit(Ticket {
            object: id(1),
            writes: put(&[(&key, &value)]),
            lineage: Arc::clone(&own),
            commit: event,
            room: None,
            done: Box::new(move |outcome| _ = answer.send(outcome)),
        });
        lineage = Some(own);
        outcomes.push(answered.recv().unwrap());
    }
    outcomes
}

/// Opens a store, which may need a second attempt when the disk fails meanwhile.
fn open(disk: &Disk) -> Store {
    let patience = Patience { settle: Duration::from_mins(1), join_pause: Duration::ZERO };
    Store::open_with(Box::new(disk.engine()), patience)
        .or_else(|_| Store::open_with(Box::new(disk.engine()), patience))
        .expect("the disk fails once")
}

fn check(fail_at: usize, loses: bool) {
    let disk = Disk::made();
    disk.content().left = Some(fail_at);
    disk.content().loses = loses;
    let store = open(&disk);
    let outcomes = run(&store);
    let keys = |disk: &Disk| -> Vec<String> {
        let session = disk.engine().join().unwrap();
        stored(&*session, id(1)).into_iter().map(|(key, _)| key).collect()
    };
    let cut = keys(&disk.after_power_cut());
    drop(store);
    let mut acknowledged = Vec::new();
    for (event, outcome) in (1..=EVENTS).zip(&outcomes) {
        match outcome {
            Ok(()) => acknowledged.push(event.to_string()),
            Err(CommitError::NotWritten(_)) => (),
            Err(CommitError::Unknown(_)) => panic!("{fail_at}: the disk works again"),
        }
    }
    assert_eq!(cut, acknowledged, "operation {fail_at}, loses: {loses}");
    assert_eq!(keys(&disk), acknowledged, "operation {fail_at}, loses: {loses}");
    assert!(acknowledged.len() as u64 >= EVENTS - 2, "{fail_at}: {outcomes:?}");
}

#[test]
fn a_disk_that_fails_once_loses_nothing_that_was_acknowledged() {
    let disk = Disk::made();
    let made = disk.content().operations;
    let store = open(&disk);
    assert!(run(&store).iter().all(Result::is_ok));
    drop(store);
    let operations = disk.content().operations - made;
    for fail_at in 0..operations {
        check(fail_at, false);
        check(fail_at, true);
    }
}

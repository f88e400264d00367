//! Group commit for the comparison: while one sync runs, the next increments gather.

use std::{
    collections::HashMap,
    mem,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::{Context as _, Result};
use redb::{Database, Durability, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use tokio::sync::oneshot;

const COUNTS: TableDefinition<'_, &str, u64> = TableDefinition::new("counts");

/// Counters by name, all of them in memory too.
#[derive(Debug)]
pub(crate) struct Counters {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    ledger: Mutex<Ledger>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Ledger {
    counts: HashMap<Arc<str>, u64>,
    group: Group,
    closed: bool,
}

/// Increments that share a sync: at most one write for each counter.
#[derive(Debug, Default)]
struct Group {
    counts: HashMap<Arc<str>, u64>,
    waiters: Vec<(u64, oneshot::Sender<u64>)>,
}

impl Counters {
    /// Opens the database of a directory, and starts the committing thread.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let database = Database::create(directory.join("counters.redb"))
            .context("opening the comparison's database")?;
        let ledger = Ledger { counts: load(&database)?, ..Ledger::default() };
        let shared = Arc::new(Shared { ledger: Mutex::new(ledger), filled: Condvar::new() });
        let committer = Arc::clone(&shared);
        thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || committer.commit_groups(&database))?;
        Ok(Self { shared })
    }

    /// The count in memory: it may not be durable yet.
    pub(crate) fn value(&self, name: &str) -> u64 {
        self.shared.ledger().counts.get(name).copied().unwrap_or(0)
    }

    /// Counts one up. The count arrives when it is durable; if that fails, the sender is dropped.
    pub(crate) fn increment(&self, name: &str) -> oneshot::Receiver<u64> {
        let (sender, receiver) = oneshot::channel();
        let mut ledger = self.shared.ledger();
        if ledger.closed {
            return receiver;
        }
        let name = match ledger.counts.get_key_value(name) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(name),
        };
        let count = ledger.counts.entry(Arc::clone(&name)).or_insert(0);
        *count += 1;
        let count = *count;
        let first = ledger.group.waiters.is_empty();
        ledger.group.counts.insert(name, count);
        ledger.group.waiters.push((count, sender));
        drop(ledger);
        if first {
            self.shared.filled.notify_one();
        }
        receiver
    }
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit_groups(&self, database: &Database) {
        loop {
            let group = self.next_group();
            if commit(database, &group.counts).is_err() {
                // What is in memory is not on disk any more: nothing is answered from here on.
                let mut ledger = self.ledger();
                ledger.closed = true;
                ledger.group = Group::default();
                return;
            }
            for (count, waiter) in group.waiters {
                // Whoever hung up does not wait.
                _ = waiter.send(count);
            }
        }
    }

    fn next_group(&self) -> Group {
        let mut ledger = self
            .filled
            .wait_while(self.ledger(), |ledger| ledger.group.waiters.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut ledger.group)
    }
}

fn load(database: &Database) -> Result<HashMap<Arc<str>, u64>> {
    let txn = database.begin_write()?;
    txn.open_table(COUNTS)?;
    txn.commit()?;
    let table = database.begin_read()?.open_table(COUNTS)?;
    let mut counts = HashMap::new();
    for row in table.iter()? {
        let (name, count) = row?;
        counts.insert(Arc::from(name.value()), count.value());
    }
    Ok(counts)
}

fn commit(database: &Database, counts: &HashMap<Arc<str>, u64>) -> Result<()> {
    let mut txn = database.begin_write()?;
    txn.set_durability(Durability::Immediate)?;
    let mut table = txn.open_table(COUNTS)?;
    for (name, count) in counts {
        table.insert(&**name, *count)?;
    }
    drop(table);
    txn.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answered_increments_are_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let counters = Counters::open(directory.path()).unwrap();
        let answers: Vec<_> = (0..100).map(|_| counters.increment("a")).collect();
        let answers = answers.into_iter().map(|answer| answer.blocking_recv().unwrap());
        assert!(answers.eq(1..=100));
        assert_eq!(counters.value("a"), 100);

        // The thread keeps the database open, so that a copy stands for the file after a crash.
        let copy = tempfile::tempdir().unwrap();
        let file = "counters.redb";
        std::fs::copy(directory.path().join(file), copy.path().join(file)).unwrap();
        assert_eq!(Counters::open(copy.path()).unwrap().value("a"), 100);
    }
}

//! Group commit: many events, one sync.
//!
//! A sync costs about as much for one event as for a hundred, so while one runs the next events
//! gather, and share the next one. One thread commits; order is the order of arrival, so what an
//! object commits first is durable first.
//!
//! When a commit fails nothing more is acknowledged until the engine was joined again. The new
//! session then knows whether the group had become durable after all, and each event gets a certain
//! answer.

use std::{
    collections::hash_map::Entry,
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Engine, Group, Session, StorageError, view::Lineage, write_set::WriteSet};
use crate::{id::ObjectId, limits::COMMIT_QUEUE_BYTES_MAX};

/// How long events wait to learn whether a failed commit had become durable.
const SETTLE_PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts to join a failed engine again.
const JOIN_PAUSE: Duration = Duration::from_millis(250);

/// An engine that is joined, and the thread that commits to it.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

/// What one event hands to the committer. With an empty write set it is a gate: it opens when all
/// that the object committed before is durable.
pub struct Ticket {
    /// Whose.
    pub object: ObjectId,
    /// What.
    pub writes: WriteSet,
    /// The commits of the same instance before this one.
    pub lineage: Arc<Lineage>,
    /// The number of this commit in its lineage; of a gate, that of the commit before.
    pub commit: u64,
    /// Room in the queue for the writes.
    pub room: Option<OwnedSemaphorePermit>,
    /// Called on the committing thread when the outcome is certain. Must not block.
    pub done: Box<dyn FnOnce(Result<(), CommitError>) + Send>,
}

/// Why an event did not become durable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// It left no trace.
    #[error("the event was not committed and left no trace: {0}")]
    NotWritten(String),
    /// The store failed and could not be asked.
    #[error("it is unknown whether the event was committed: {0}")]
    Unknown(String),
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    room: Arc<Semaphore>,
    session: RwLock<Result<Joined, StorageError>>,
}

#[derive(Clone)]
struct Joined(Arc<dyn Session>);

#[derive(Debug, Default)]
struct Queue {
    tickets: Vec<Ticket>,
    /// The thread sleeps and wants to be woken.
    asleep: bool,
    closed: bool,
}

impl Store {
    /// Joins the engine and starts the committing thread.
    pub fn open(engine: Box<dyn Engine>) -> Result<Self, StorageError> {
        let session = engine.join()?;
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            filled: Condvar::new(),
            room: Arc::new(Semaphore::new(kibibytes(COMMIT_QUEUE_BYTES_MAX) as usize)),
            session: RwLock::new(Ok(Joined(session))),
        });
        let committer = Committer { engine, shared: Arc::clone(&shared) };
        let thread = thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || committer.run())
            .map_err(|error| StorageError::Failed(format!("no thread to commit: {error}")))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// The session to read from, or why there is none at present.
    pub fn session(&self) -> Result<Arc<dyn Session>, StorageError> {
        self.shared.session()
    }

    /// Waits until the queue has room for this many bytes. Ask before the event's writes are taken
    /// out of its view, so that nothing is half done while waiting.
    pub async fn room(&self, bytes: usize) -> OwnedSemaphorePermit {
        let room = Arc::clone(&self.shared.room);
        let permits = kibibytes(bytes.min(COMMIT_QUEUE_BYTES_MAX));
        room.acquire_many_owned(permits).await.expect("the semaphore is never closed")
    }

    /// Hands in a ticket. Tickets of one object are committed in this order.
    pub fn submit(&self, ticket: Ticket) {
        let mut queue = self.shared.queue();
        if queue.closed {
            drop(queue);
            (ticket.done)(Err(CommitError::NotWritten("the server has stopped".to_owned())));
            return;
        }
        queue.tickets.push(ticket);
        if mem::take(&mut queue.asleep) {
            drop(queue);
            self.shared.filled.notify_one();
        }
    }

    /// Commits what was handed in and ends the thread.
    pub fn stop(&self) {
        self.shared.queue().closed = true;
        self.shared.filled.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the committing thread had panicked");
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self) -> Result<Arc<dyn Session>, StorageError> {
        let session = self.session.read().unwrap_or_else(PoisonError::into_inner);
        session.clone().map(|Joined(session)| session)
    }

    fn set_session(&self, session: Result<Arc<dyn Session>, StorageError>) {
        *self.session.write().unwrap_or_else(PoisonError::into_inner) = session.map(Joined);
    }

    /// The tickets that have gathered; empty after `timeout`, or at once when closed.
    fn take(&self, timeout: Duration) -> (Vec<Ticket>, bool) {
        let mut queue = self.queue();
        if queue.tickets.is_empty() && !queue.closed {
            queue.asleep = true;
            queue = self
                .filled
                .wait_timeout_while(queue, timeout, |q| q.tickets.is_empty() && !q.closed)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            queue.asleep = false;
        }
        (mem::take(&mut queue.tickets), queue.closed)
    }
}

/// The thread's own half.
struct Committer {
    engine: Box<dyn Engine>,
    shared: Arc<Shared>,
}

/// A ticket whose writes are in a group.
struct Waiter {
    object: ObjectId,
    lineage: Arc<Lineage>,
    commit: u64,
    _room: Option<OwnedSemaphorePermit>,
    done: Box<dyn FnOnce(Result<(), CommitError>) + Send>,
}

impl Committer {
    fn run(self) {
        loop {
            let session = self.shared.session();
            let (tickets, closed) = self.shared.take(match &session {
                Ok(_) => Duration::from_secs(3_600),
                Err(_) => JOIN_PAUSE,
            });
            if tickets.is_empty() && closed {
                return;
            }
            match session {
                Ok(session) => self.commit(&*session, tickets),
                Err(error) => {
                    fail(tickets, &error);
                    self.rejoin();
                }
            }
        }
    }

    fn commit(&self, session: &dyn Session, tickets: Vec<Ticket>) {
        let (mut group, waiters) = form_group(session.incarnation(), tickets);
        let outcome = if group.writes.is_empty() {
            Ok(Vec::new())
        } else {
            session.last_group().and_then(|last| {
                group.number = last + 1;
                session.commit(&group)
            })
        };
        match outcome {
            Ok(refused) => answer(waiters, &refused),
            Err(error) => self.settle(&error, group.number, waiters),
        }
    }

    /// Finds out what became of a group whose commit failed.
    fn settle(&self, error: &StorageError, group: u64, waiters: Vec<Waiter>) {
        tracing::error!(error = error as &dyn std::error::Error, "commit failed");
        self.shared.set_session(Err(error.clone()));
        let deadline = Instant::now() + SETTLE_PATIENCE;
        let durable = loop {
            match self.rejoin() {
                Some(last_group) => break Some(group != 0 && last_group >= group),
                None if Instant::now() >= deadline || self.shared.queue().closed => break None,
                None => thread::sleep(JOIN_PAUSE),
            }
        };
        if durable == Some(true) {
            answer(waiters, &[]);
            return;
        }
        let outcome = match durable {
            None => CommitError::Unknown(error.to_string()),
            Some(_) => CommitError::NotWritten(error.to_string()),
        };
        for waiter in waiters {
            waiter.lineage.set_broken();
            (waiter.done)(Err(outcome.clone()));
        }
    }

    /// Joins the engine again. On success the number of the last durable group.
    fn rejoin(&self) -> Option<u64> {
        let joined = self.engine.join().and_then(|session| {
            let last_group = session.last_group()?;
            Ok((session, last_group))
        });
        match joined {
            Ok((session, last_group)) => {
                let incarnation = session.incarnation();
                tracing::warn!(incarnation, "the store failed and was opened again");
                self.shared.set_session(Ok(session));
                Some(last_group)
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot open the store");
                self.shared.set_session(Err(error));
                None
            }
        }
    }
}

/// Folds tickets into one group. Those whose lineage has ended are refused at once.
fn form_group(incarnation: u64, tickets: Vec<Ticket>) -> (Group, Vec<Waiter>) {
    let mut group = Group::default();
    let mut waiters = Vec::with_capacity(tickets.len());
    for ticket in tickets {
        let Ticket { object, writes, lineage, commit, room, done } = ticket;
        if lineage.broken() || lineage.incarnation() != incarnation {
            lineage.set_broken();
            let reason = "an earlier event that it built on was not committed".to_owned();
            done(Err(CommitError::NotWritten(reason)));
            continue;
        }
        if !writes.is_empty() {
            match group.writes.entry(object) {
                Entry::Vacant(vacant) => _ = vacant.insert(writes),
                Entry::Occupied(mut earlier) => earlier.get_mut().fold(writes),
            }
        }
        waiters.push(Waiter { object, lineage, commit, _room: room, done });
    }
    (group, waiters)
}

fn answer(waiters: Vec<Waiter>, refused: &[ObjectId]) {
    for waiter in waiters {
        if refused.contains(&waiter.object) {
            waiter.lineage.set_broken();
            let reason = "the store refused the object's writes".to_owned();
            (waiter.done)(Err(CommitError::NotWritten(reason)));
        } else {
            waiter.lineage.set_durable(waiter.commit);
            (waiter.done)(Ok(()));
        }
    }
}

fn fail(tickets: Vec<Ticket>, error: &StorageError) {
    for ticket in tickets {
        ticket.lineage.set_broken();
        (ticket.done)(Err(CommitError::NotWritten(error.to_string())));
    }
}

/// Permits are in units of a KiB, at least one.
fn kibibytes(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1 << 10).max(1)).unwrap_or(u32::MAX)
}

impl std::fmt::Debug for Joined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Joined").field("incarnation", &self.0.incarnation()).finish()
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("object", &self.object).finish_non_exhaustive()
    }
}

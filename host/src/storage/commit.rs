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
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Engine, Group, GroupMark, Session, StorageError, caught, view::Lineage, write_set::WriteSet,
};
use crate::{id::ObjectId, limits::COMMIT_QUEUE_BYTES_MAX, task};

/// How the committer meets a failed engine.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long events wait to learn whether a failed commit had become durable.
    pub settle: Duration,
    /// Between two attempts to join the engine again.
    pub join_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { settle: Duration::from_secs(5), join_pause: Duration::from_millis(250) }
    }
}

/// An engine that is joined, and the thread that commits to it.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

/// Takes the outcome of a ticket.
pub type Done = Box<dyn FnOnce(Result<(), CommitError>) + Send>;

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
    pub done: Done,
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
    /// A reader found the session useless.
    rejoin: bool,
    closed: bool,
}

impl Store {
    /// Joins the engine and starts the committing thread.
    pub fn open(engine: Box<dyn Engine>) -> Result<Self, StorageError> {
        Self::open_with(engine, Patience::default())
    }

    /// The same, with another patience.
    pub fn open_with(engine: Box<dyn Engine>, patience: Patience) -> Result<Self, StorageError> {
        let session = engine.join()?;
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            filled: Condvar::new(),
            room: Arc::new(Semaphore::new(kibibytes(COMMIT_QUEUE_BYTES_MAX) as usize)),
            session: RwLock::new(Ok(Joined(session))),
        });
        let committer = Committer { engine, patience, shared: Arc::clone(&shared) };
        let thread = thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || committer.run_to_the_end())
            .map_err(|error| StorageError::Failed(format!("no thread to commit: {error}")))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// The session to read from, or why there is none at present.
    pub fn session(&self) -> Result<Arc<dyn Session>, StorageError> {
        let session = self.shared.session();
        if session.is_err() {
            self.shared.wake_to_rejoin();
        }
        session
    }

    /// Whether the session with this incarnation is the one that commits and reads go to.
    pub fn serves(&self, incarnation: u64) -> bool {
        self.session().is_ok_and(|session| session.incarnation() == incarnation)
    }

    /// Calls `done` when all that was handed in before is durable, or certainly is not.
    pub fn after_all(&self, object: ObjectId, done: impl FnOnce() + Send + 'static) {
        // Without a session nothing can become durable any more before there is a new one.
        let incarnation = self.session().map_or(0, |session| session.incarnation());
        self.submit(Ticket {
            object,
            writes: WriteSet::default(),
            lineage: Arc::new(Lineage::new(incarnation)),
            commit: 0,
            room: None,
            done: Box::new(move |_| done()),
        });
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
            refuse(ticket, "the server has stopped");
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
        // The last answer may own the store: then its thread ends by itself.
        let thread = thread.filter(|thread| thread.thread().id() != thread::current().id());
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
        let session = self.session.read().unwrap_or_else(PoisonError::into_inner).clone();
        match session {
            Ok(Joined(session)) if session.is_over() => {
                Err(StorageError::Failed("it failed and is not open again yet".to_owned()))
            }
            Ok(Joined(session)) => Ok(session),
            Err(error) => Err(error),
        }
    }

    fn set_session(&self, session: Result<Arc<dyn Session>, StorageError>) {
        *self.session.write().unwrap_or_else(PoisonError::into_inner) = session.map(Joined);
    }

    fn wake_to_rejoin(&self) {
        self.queue().rejoin = true;
        self.filled.notify_one();
    }

    /// The tickets that have gathered; empty after `timeout`, when the thread is to join again, or
    /// when closed.
    fn take(&self, timeout: Duration) -> (Vec<Ticket>, bool) {
        let mut queue = self.queue();
        let idle = |queue: &mut Queue| queue.tickets.is_empty() && !queue.closed && !queue.rejoin;
        if idle(&mut queue) {
            queue.asleep = true;
            queue = self
                .filled
                .wait_timeout_while(queue, timeout, idle)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            queue.asleep = false;
        }
        queue.rejoin = false;
        (mem::take(&mut queue.tickets), queue.closed)
    }
}

/// The thread's own half.
struct Committer {
    engine: Box<dyn Engine>,
    patience: Patience,
    shared: Arc<Shared>,
}

/// A ticket whose writes are in a group.
struct Waiter {
    object: ObjectId,
    lineage: Arc<Lineage>,
    commit: u64,
    _room: Option<OwnedSemaphorePermit>,
    /// None once it was called.
    done: Option<Done>,
}

impl Waiter {
    fn answer(mut self, outcome: Result<(), CommitError>) {
        match outcome {
            Ok(()) => self.lineage.set_durable(self.commit),
            Err(_) => self.lineage.set_broken(),
        }
        if let Some(done) = self.done.take() {
            done(outcome);
        }
    }
}

impl Drop for Waiter {
    /// Nobody waits for ever, whatever becomes of the thread.
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            self.lineage.set_broken();
            done(Err(CommitError::Unknown("the committing thread broke off".to_owned())));
        }
    }
}

impl Committer {
    /// Runs until the store is closed. A panic here is a bug of ours: then the store is closed for
    /// good, and whoever waits, or comes later, gets an error.
    fn run_to_the_end(self) {
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.run())) else { return };
        let said = task::message(&*panic);
        tracing::error!(panic = said, "the committing thread panicked; nothing more is written");
        self.shared.set_session(Err(StorageError::Failed(format!("its thread panicked: {said}"))));
        let mut queue = self.shared.queue();
        queue.closed = true;
        let tickets = mem::take(&mut queue.tickets);
        drop(queue);
        for ticket in tickets {
            refuse(ticket, "the committing thread panicked");
        }
    }

    fn run(&self) {
        let mut next_join = Instant::now();
        loop {
            let session = self.shared.session();
            let (tickets, closed) = self.shared.take(match &session {
                Ok(_) => Duration::from_hours(1),
                Err(_) => next_join.saturating_duration_since(Instant::now()),
            });
            if tickets.is_empty() && closed {
                return;
            }
            match session {
                Ok(session) => self.commit(&*session, tickets),
                Err(error) => {
                    let reason = error.to_string();
                    for ticket in tickets {
                        refuse(ticket, &reason);
                    }
                }
            }
            if self.shared.session().is_err() && Instant::now() >= next_join {
                self.rejoin();
                next_join = Instant::now() + self.patience.join_pause;
            }
        }
    }

    fn commit(&self, session: &dyn Session, tickets: Vec<Ticket>) {
        let incarnation = session.incarnation();
        let (mut group, waiters) = form_group(incarnation, tickets);
        if group.writes.is_empty() {
            answer(waiters, &[]);
            return;
        }
        let outcome = caught(|| {
            group.number = session.last_group()?.number + 1;
            session.commit(&group)
        });
        match outcome {
            Ok(refused) => answer(waiters, &refused),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "commit failed");
                self.shared.set_session(Err(error.clone()));
                let sent = GroupMark { number: group.number, incarnation };
                self.settle(&error, sent, waiters);
            }
        }
    }

    /// Finds out what became of a group whose commit failed.
    fn settle(&self, error: &StorageError, sent: GroupMark, waiters: Vec<Waiter>) {
        if sent.number == 0 {
            // It was not even sent.
            refuse_all(waiters, &CommitError::NotWritten(error.to_string()));
            return;
        }
        let deadline = Instant::now() + self.patience.settle;
        let durable = loop {
            match self.rejoin() {
                Some(last_group) => break last_group.tells(sent),
                None if Instant::now() >= deadline || self.shared.queue().closed => break None,
                None => thread::sleep(self.patience.join_pause),
            }
        };
        match durable {
            Some(true) => answer(waiters, &[]),
            Some(false) => refuse_all(waiters, &CommitError::NotWritten(error.to_string())),
            None => refuse_all(waiters, &CommitError::Unknown(error.to_string())),
        }
    }

    /// Joins the engine again. On success the last durable group.
    fn rejoin(&self) -> Option<GroupMark> {
        let joined = caught(|| {
            let session = self.engine.join()?;
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
            let reason = if lineage.broken() {
                "an earlier event that it built on was not committed"
            } else {
                "the store was opened again since the object was loaded"
            };
            lineage.set_broken();
            done(Err(CommitError::NotWritten(reason.to_owned())));
            continue;
        }
        if !writes.is_empty() {
            match group.writes.entry(object) {
                Entry::Vacant(vacant) => _ = vacant.insert(writes),
                Entry::Occupied(mut earlier) => earlier.get_mut().fold(writes),
            }
        }
        waiters.push(Waiter { object, lineage, commit, _room: room, done: Some(done) });
    }
    (group, waiters)
}

fn answer(waiters: Vec<Waiter>, refused: &[ObjectId]) {
    for waiter in waiters {
        let refused = refused.contains(&waiter.object);
        waiter.answer(if refused {
            Err(CommitError::NotWritten("the store refused the object's writes".to_owned()))
        } else {
            Ok(())
        });
    }
}

fn refuse_all(waiters: Vec<Waiter>, error: &CommitError) {
    for waiter in waiters {
        waiter.answer(Err(error.clone()));
    }
}

fn refuse(ticket: Ticket, reason: &str) {
    ticket.lineage.set_broken();
    (ticket.done)(Err(CommitError::NotWritten(reason.to_owned())));
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

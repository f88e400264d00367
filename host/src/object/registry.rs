//! Which objects are live: id to mailbox, at most one worker per id.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, Semaphore, oneshot};

use super::{
    Address, CallError, Letter, Outcome, eviction,
    mailbox::{Mailbox, Refusal},
    placement::{self, Owner},
    worker::Worker,
};
use crate::{
    class::Class, clock::Clock, event::Request, guest::Runtime, id::ObjectId, limits::Limits,
    storage::commit::Store, task,
};

/// Between two looks at which objects still have to leave.
const LEAVING_PAUSE: Duration = Duration::from_millis(2);

/// The map is cut into this many parts with a lock each.
const PARTS: usize = 64;

/// All live objects of this server. Clones are the same.
#[derive(Debug, Clone)]
pub struct Objects {
    shared: Arc<Shared>,
}

/// What all workers use.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) runtime: Runtime,
    pub(super) store: Arc<Store>,
    pub(super) limits: Limits,
    pub(super) clock: Clock,
    /// One permit per instance in memory.
    pub(super) slots: Arc<Semaphore>,
    /// Somebody waits for a slot.
    pub(super) pressure: Notify,
    /// How many wait for a slot.
    pub(super) waiting: AtomicUsize,
    parts: Vec<Mutex<HashMap<ObjectId, Arc<Live>>>>,
    live: AtomicUsize,
    left: Notify,
    stopping: AtomicBool,
    started: Instant,
}

/// One live object, as others see it.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) id: ObjectId,
    pub(super) class: Arc<Class>,
    pub(super) mailbox: Mailbox,
    last_used: AtomicU64,
}

impl Live {
    /// When it last took an event, in milliseconds since the registry began.
    pub(super) fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }
}

impl Objects {
    /// An empty registry; starts the task that evicts.
    pub fn new(runtime: Runtime, store: Arc<Store>, limits: Limits, clock: Clock) -> Self {
        let shared = Arc::new(Shared {
            runtime,
            store,
            clock,
            slots: Arc::new(Semaphore::new(limits.live_instances)),
            pressure: Notify::new(),
            waiting: AtomicUsize::new(0),
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            live: AtomicUsize::new(0),
            left: Notify::new(),
            stopping: AtomicBool::new(false),
            started: Instant::now(),
            limits,
        });
        task::spawn("eviction", eviction::run(Arc::downgrade(&shared)));
        Self { shared }
    }

    /// Delivers a request and waits for the outcome. Once this has been polled the event runs to
    /// its end, whether or not the caller waits for it.
    pub async fn call(&self, class: &Arc<Class>, address: Address, request: Request) -> Outcome {
        let outcome = self.deliver(class, address, request)?;
        outcome.await.unwrap_or(Err(CallError::Lost))
    }

    fn deliver(
        &self,
        class: &Arc<Class>,
        address: Address,
        request: Request,
    ) -> Result<oneshot::Receiver<Outcome>, CallError> {
        let Address { id, name } = address;
        let (reply, outcome) = oneshot::channel();
        let mut letter = Letter { name, request, reply };
        let limit = self.shared.limits.mailbox_len;
        loop {
            if self.shared.stopping.load(Ordering::Acquire) {
                return Err(CallError::Stopping);
            }
            let live = match placement::owner(id) {
                Owner::Here => self.shared.find_or_wake(class, id),
            };
            match live.mailbox.push(letter, limit) {
                Ok(()) => return Ok(outcome),
                Err(Refusal::Full(waiting)) => {
                    return Err(CallError::Overloaded { waiting, limit });
                }
                // It is gone from the map by now: the next look-up wakes a new one.
                Err(Refusal::Closed(back)) => letter = *back,
            }
        }
    }

    /// Number of live objects.
    pub fn live(&self) -> usize {
        self.shared.live.load(Ordering::Relaxed)
    }

    /// Ends all objects of a class that takes no new events any more, and waits until they are gone.
    pub async fn retire(&self, class: &Arc<Class>) {
        let error = CallError::ClassRemoved(class.name().clone());
        let of_class = |live: &Live| live.class.number() == class.number();
        self.end(of_class, &error).await;
    }

    /// Takes no new events, lets the running ones finish, and waits until all objects are gone.
    pub async fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.end(|_| true, &CallError::Stopping).await;
    }

    async fn end(&self, which: impl Fn(&Live) -> bool, error: &CallError) {
        loop {
            let left = self.shared.left.notified();
            let ending: Vec<_> = self.shared.select(|live| which(live));
            if ending.is_empty() {
                return;
            }
            for live in ending {
                for letter in live.mailbox.close() {
                    // Nobody may be waiting any more.
                    _ = letter.reply.send(Err(error.clone()));
                }
            }
            left.await;
            // The others are about to leave too: look once for many of them.
            tokio::time::sleep(LEAVING_PAUSE).await;
        }
    }
}

impl Shared {
    /// Milliseconds since the registry began.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How long an instance may stay idle.
    pub(super) fn idle(&self) -> Duration {
        self.limits.idle
    }

    /// All live objects that satisfy a condition.
    pub(super) fn select(&self, mut which: impl FnMut(&Live) -> bool) -> Vec<Arc<Live>> {
        let mut selected = Vec::new();
        for part in &self.parts {
            let part = part.lock().unwrap_or_else(PoisonError::into_inner);
            selected.extend(part.values().filter(|live| which(live)).cloned());
        }
        selected
    }

    /// Takes a worker's object out of the map, unless a letter came in; then it stays.
    pub(super) fn leave_if_idle(&self, live: &Live) -> bool {
        // Under the lock of the map nobody can find the object anew between the two steps.
        let mut part = self.part(live.id);
        let leaves = live.mailbox.close_if_empty();
        if leaves {
            self.take_out(&mut part, live);
        }
        leaves
    }

    /// Takes out the object of a worker that broke off.
    pub(super) fn abandon(&self, live: &Live) {
        let mut part = self.part(live.id);
        drop(live.mailbox.close());
        self.take_out(&mut part, live);
    }

    fn take_out(&self, part: &mut HashMap<ObjectId, Arc<Live>>, live: &Live) {
        if part.get(&live.id).is_some_and(|found| std::ptr::eq(&raw const **found, live)) {
            part.remove(&live.id);
            self.live.fetch_sub(1, Ordering::Relaxed);
            self.left.notify_waiters();
        }
    }

    fn part(&self, id: ObjectId) -> MutexGuard<'_, HashMap<ObjectId, Arc<Live>>> {
        // The shard is uniform, and other bits than those that the map itself hashes matter little.
        let part = usize::from(id.shard()) % PARTS;
        self.parts[part].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find_or_wake(self: &Arc<Self>, class: &Arc<Class>, id: ObjectId) -> Arc<Live> {
        let mut part = self.part(id);
        if let Some(live) = part.get(&id) {
            live.last_used.store(self.now(), Ordering::Relaxed);
            return Arc::clone(live);
        }
        let live = Arc::new(Live {
            id,
            class: Arc::clone(class),
            mailbox: Mailbox::default(),
            last_used: AtomicU64::new(self.now()),
        });
        part.insert(id, Arc::clone(&live));
        self.live.fetch_add(1, Ordering::Relaxed);
        drop(part);
        task::spawn("object", Worker::new(Arc::clone(self), Arc::clone(&live)).run());
        live
    }
}

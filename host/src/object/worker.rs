//! One object's worker: takes a letter, runs it, commits, lets the answer go.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    CallError, Letter, Outcome,
    mailbox::Next,
    registry::{Live, Shared},
};
use crate::{
    class::Version,
    event::Request,
    guest::{EventLimits, Fault, Identity, Instance, State},
    storage::{
        commit::{CommitError, Ticket},
        view::{Bounds, View},
        write_set::{ObjectRecord, WriteSet},
    },
};

/// How long an event waits for an instance slot before it is refused.
const SLOT_PATIENCE: Duration = Duration::from_secs(5);

/// Runs the events of one object, one after the other.
pub(super) struct Worker {
    shared: Arc<Shared>,
    live: Arc<Live>,
    /// What the object has in memory between two events.
    held: Held,
    /// Whether the worker has taken its object out of the registry itself.
    left: bool,
}

/// What is in memory of an object. The view outlives instances: it knows what waits for the disk.
enum Held {
    Nothing,
    View(Box<View>),
    Instance(Box<Instance>, OwnedSemaphorePermit),
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, live: Arc<Live>) -> Self {
        Self { shared, live, held: Held::Nothing, left: false }
    }

    /// Runs until the object leaves memory.
    pub(super) async fn run(mut self) {
        loop {
            match self.live.mailbox.next().await {
                // In a box, so that an idle object does not hold the memory of a running event.
                Next::Run(letter) => Box::pin(self.handle(letter)).await,
                Next::Leave => {
                    // The next worker reads from the store, so all must be there by then.
                    self.wait_until_durable().await;
                    if self.shared.leave_if_idle(&self.live) {
                        self.left = true;
                        return;
                    }
                }
            }
        }
    }

    async fn handle(&mut self, letter: Letter) {
        let Letter { name, request, reply } = letter;
        let outcome = match self.prepare().await {
            Ok(()) => {
                if let (Some(name), Some(view)) = (&name, self.view()) {
                    view.learn_name(name);
                }
                self.run_event(request).await
            }
            Err(error) => Err(error),
        };
        let unreadable = matches!(&outcome, Err(CallError::Fault { fault: Fault::Storage(_), .. }));
        self.release(outcome, reply).await;
        if unreadable {
            // The session may be over: the next event starts with what is durable in the next one.
            self.wait_until_durable().await;
            self.held = Held::Nothing;
        }
    }

    /// Makes sure that there is an instance of the version that is current.
    async fn prepare(&mut self) -> Result<(), CallError> {
        let class = &self.live.class;
        let removed = || CallError::ClassRemoved(class.name().clone());
        let version = class.current().ok_or_else(removed)?;
        if self.is_stale() {
            self.held = Held::Nothing;
        }
        if let Held::Instance(instance, _) = &mut self.held {
            if instance.version() == version.number() {
                instance.view().begin_event();
                return Ok(());
            }
            self.discard_instance();
        }
        let slot = self.slot().await?;
        let view = match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::View(mut view) => {
                view.set_version(version.number());
                view.begin_event();
                view
            }
            Held::Nothing | Held::Instance(..) => Box::new(self.load(&version).await?),
        };
        self.start(&version, view, slot).await
    }

    /// Whether what is in memory was built on events that were not committed (G5), or on a session
    /// with the store that is over.
    fn is_stale(&mut self) -> bool {
        let store = Arc::clone(&self.shared.store);
        self.view().is_some_and(|view| {
            view.lineage().broken() || !store.serves(view.lineage().incarnation())
        })
    }

    async fn load(&mut self, version: &Version) -> Result<View, CallError> {
        let session = self.shared.store.session().map_err(CallError::Unavailable)?;
        let bounds = Bounds {
            value_bytes: self.shared.limits.value_bytes,
            event_bytes: self.shared.limits.event_write_bytes,
        };
        let new = ObjectRecord {
            class: self.live.class.number(),
            name: None,
            created: self.shared.clock.now(),
            version: version.number(),
            bytes: 0,
        };
        View::load(self.live.id, session, bounds, new).await.map_err(CallError::Unavailable)
    }

    async fn start(
        &mut self,
        version: &Version,
        view: Box<View>,
        slot: OwnedSemaphorePermit,
    ) -> Result<(), CallError> {
        let program = match version.program().await {
            Ok(program) => program,
            Err(reason) => {
                self.held = Held::View(view);
                let class = self.live.class.name().clone();
                return Err(CallError::ClassBroken { class, reason });
            }
        };
        let identity = Identity {
            class: self.live.class.name().clone(),
            id: self.live.id,
            version: version.number(),
        };
        let store = Arc::clone(&self.shared.store);
        let state = State::new(Arc::new(identity), *view, store, &self.shared.limits);
        match Instance::start(&self.shared.runtime, &program, state, self.event_limits()).await {
            Ok(instance) => {
                self.held = Held::Instance(Box::new(instance), slot);
                Ok(())
            }
            Err(failed) => {
                let (fault, mut view) = *failed;
                view.rollback();
                self.held = Held::View(Box::new(view));
                Err(CallError::Fault { fault, left_trace: false })
            }
        }
    }

    async fn slot(&mut self) -> Result<OwnedSemaphorePermit, CallError> {
        let slots = &self.shared.slots;
        if let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
            return Ok(slot);
        }
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        self.shared.pressure.notify_one();
        let waited = tokio::time::timeout(SLOT_PATIENCE, Arc::clone(slots).acquire_owned()).await;
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        match waited {
            Ok(slot) => Ok(slot.expect("the semaphore is never closed")),
            Err(_) => Err(CallError::NoInstance {
                limit: self.shared.limits.live_instances,
                patience: SLOT_PATIENCE,
            }),
        }
    }

    /// Runs one request on the instance. A fault leaves nothing of it.
    async fn run_event(&mut self, request: Request) -> Outcome {
        let limits = self.event_limits();
        let Held::Instance(instance, _) = &mut self.held else {
            return Err(CallError::Lost);
        };
        let fault = match instance.fetch(request, limits).await {
            Ok(response) => return Ok(response),
            Err(fault) => fault,
        };
        let view = instance.view();
        let left_trace = view.synced();
        // The guest's memory may know of the writes that are undone here.
        let undone = view.has_writes();
        view.rollback();
        if undone || !fault.spares_instance() {
            self.discard_instance();
        }
        Err(CallError::Fault { fault, left_trace })
    }

    /// Lets an outcome go when all that the object wrote until now is durable (G4).
    async fn release(&mut self, outcome: Outcome, reply: oneshot::Sender<Outcome>) {
        let Some(view) = self.view() else {
            // Nothing was loaded, so nothing waits. The caller may have hung up.
            _ = reply.send(outcome);
            return;
        };
        let (written, bytes) = (view.has_writes(), view.written_bytes());
        if !written && view.lineage().durable() >= view.committed() && !view.lineage().broken() {
            _ = reply.send(outcome);
            return;
        }
        let left_trace = view.synced();
        let room = if written { Some(self.shared.store.room(bytes).await) } else { None };
        let done = move |committed: Result<(), CommitError>| {
            let outcome = match committed {
                Ok(()) => outcome,
                Err(error) => Err(CallError::Fault { fault: Fault::Commit(error), left_trace }),
            };
            _ = reply.send(outcome);
        };
        self.submit(room, Box::new(done));
    }

    /// Hands what the event wrote to the committer.
    fn submit(
        &mut self,
        room: Option<OwnedSemaphorePermit>,
        done: Box<dyn FnOnce(Result<(), CommitError>) + Send>,
    ) {
        let Some(view) = self.view() else { return };
        let writes: WriteSet = view.commit().unwrap_or_default();
        let (lineage, commit) = (Arc::clone(view.lineage()), view.committed());
        let object = self.live.id;
        self.shared.store.submit(Ticket { object, writes, lineage, commit, room, done });
    }

    async fn wait_until_durable(&mut self) {
        let Some(view) = self.view() else { return };
        if view.lineage().durable() >= view.committed() || view.lineage().broken() {
            return;
        }
        let (open, gate) = oneshot::channel();
        self.submit(None, Box::new(move |outcome| _ = open.send(outcome)));
        // Either way nothing waits any more: a failed commit has no effect to wait for.
        _ = gate.await;
    }

    fn discard_instance(&mut self) {
        self.held = match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Instance(instance, _slot) => Held::View(Box::new(instance.into_view())),
            held @ (Held::Nothing | Held::View(_)) => held,
        };
    }

    fn view(&mut self) -> Option<&mut View> {
        match &mut self.held {
            Held::Nothing => None,
            Held::View(view) => Some(view),
            Held::Instance(instance, _) => Some(instance.view()),
        }
    }

    fn event_limits(&self) -> EventLimits {
        EventLimits::new(&self.shared.limits)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.left {
            // It broke off. The next worker reads from the store, so it must not begin before the
            // writes of this one are there.
            let (shared, live) = (Arc::clone(&self.shared), Arc::clone(&self.live));
            self.shared.store.after_all(self.live.id, move || shared.abandon(&live));
        }
    }
}

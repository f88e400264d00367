//! Live objects: at most one worker per object, one event at a time.
//!
//! [`Objects::call`] puts a request into the mailbox of an object, waking it if need be. The
//! object's worker takes one letter after the other, runs it on the object's instance, and hands
//! writes and answer to the committer, which lets the answer go when the writes are durable.

pub mod eviction;
pub mod mailbox;
pub mod placement;
pub mod registry;
mod worker;

pub use registry::Objects;

use std::time::Duration;

use crate::{
    event::{Request, Response},
    guest::Fault,
    id::{ClassName, ObjectId, ObjectName},
    storage::StorageError,
};

/// Which object of a class.
#[derive(Debug, Clone)]
pub struct Address {
    /// Its id.
    pub id: ObjectId,
    /// The name that the id was derived from, if that is how it was addressed.
    pub name: Option<ObjectName>,
}

/// A request on its way to an object.
#[derive(Debug)]
pub struct Letter {
    /// By which name the object was addressed.
    pub name: Option<ObjectName>,
    /// The request.
    pub request: Request,
    /// Where the outcome goes.
    pub reply: tokio::sync::oneshot::Sender<Outcome>,
}

/// What comes of a request.
pub type Outcome = Result<Response, CallError>;

/// Why there is no answer from the object.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The event failed.
    #[error("{fault}")]
    Fault {
        /// How.
        fault: Fault,
        /// Whether something of it is durable all the same, because the object had called `sync`.
        left_trace: bool,
    },
    /// Too many events wait for the object.
    #[error("{waiting} events wait for the object already, the limit is {limit}")]
    Overloaded {
        /// Events waiting.
        waiting: usize,
        /// Events that may wait.
        limit: usize,
    },
    /// All instances that fit into memory are busy.
    #[error("all {limit} instances are busy; none became free within {} ms", patience.as_millis())]
    NoInstance {
        /// Instances allowed.
        limit: usize,
        /// For how long the event waited.
        patience: Duration,
    },
    /// The class was removed.
    #[error("class {0} was removed")]
    ClassRemoved(ClassName),
    /// The code of the class cannot be loaded.
    #[error("the code of class {class} cannot be loaded: {reason}")]
    ClassBroken {
        /// The class.
        class: ClassName,
        /// What is wrong with it.
        reason: String,
    },
    /// The store is not open at present.
    #[error("the store is not available")]
    Unavailable(#[source] StorageError),
    /// The server is about to stop.
    #[error("the server is stopping")]
    Stopping,
    /// The worker broke off: a bug of ours.
    #[error("the event was lost by a fault of the server")]
    Lost,
}

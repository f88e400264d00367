//! Running guests: the only layer that knows wasmtime.
//!
//! A [`Program`] is a class's compiled code. An [`Instance`] is one object's component in memory: it
//! takes one event at a time and answers it, or ends in a [`Fault`].

mod binding;
mod engine;
mod explain;
mod import;
mod instance;
mod limiter;
mod log;
mod program;
pub mod response;
mod state;

pub use engine::{LoadError, Runtime, compile};
pub use instance::{EventLimits, Instance};
pub use program::Program;
pub use state::{Identity, State};

use std::time::Duration;

use crate::storage::{StorageError, commit::CommitError};

/// Why an event has no answer of its own.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// The handler returned an error.
    #[error("the object gave up: {message}")]
    Returned {
        /// In the guest's words.
        message: String,
        /// The status it asks for, 400 to 599.
        status: Option<u16>,
    },
    /// The guest broke off: a panic, an illegal access, a stack overflow.
    #[error("the object trapped: {0}")]
    Trap(String),
    /// The guest ended itself by `exit`.
    #[error("the object called exit({0}) instead of answering")]
    Exited(i32),
    /// The guest broke off after it had asked for more memory than allowed.
    #[error("the object needs more memory than its limit of {limit} bytes")]
    OutOfMemory {
        /// Bytes of linear memory allowed.
        limit: usize,
    },
    /// The guest computed for too long without a pause.
    #[error("the object computed for longer than its limit of {} ms", limit.as_millis())]
    CpuLimit {
        /// Time allowed.
        limit: Duration,
    },
    /// The event took too long.
    #[error("the event took longer than its limit of {} ms", limit.as_millis())]
    Timeout {
        /// Time allowed.
        limit: Duration,
    },
    /// The answer cannot be sent.
    #[error("the object's response is invalid: {0}")]
    InvalidResponse(String),
    /// The body of the answer is too large.
    #[error("the object's response has a body of {size} bytes, the limit is {limit}")]
    BodyTooLarge {
        /// Bytes found.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The component cannot be made an instance of, through no fault of the event.
    #[error("the object cannot be started: {0}")]
    Start(String),
    /// The store cannot be read.
    #[error("the object's storage cannot be read")]
    Storage(#[source] StorageError),
    /// The store cannot be written.
    #[error("the object's changes cannot be stored")]
    Commit(#[source] CommitError),
}

impl Fault {
    /// Whether the guest is still in order, so that its instance may go on if its memory cannot
    /// know of writes that were undone.
    pub fn spares_instance(&self) -> bool {
        match self {
            Self::Returned { .. } | Self::InvalidResponse(_) | Self::BodyTooLarge { .. } => true,
            Self::Trap(_)
            | Self::Exited(_)
            | Self::OutOfMemory { .. }
            | Self::CpuLimit { .. }
            | Self::Timeout { .. }
            | Self::Start(_)
            | Self::Storage(_)
            | Self::Commit(_) => false,
        }
    }
}

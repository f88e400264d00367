//! What a guest may do wrong with its storage, and the checks that find it.

use bytes::Bytes;

use crate::{limits::KEY_BYTES_MAX, storage::StorageError};

/// A size over its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLarge {
    /// The key, shortened.
    pub key: String,
    /// Bytes found.
    pub size: usize,
    /// Bytes allowed.
    pub limit: usize,
}

/// What the guest did wrong; nothing of the call was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misuse {
    /// A key without bytes.
    KeyEmpty,
    /// Over [`KEY_BYTES_MAX`].
    KeyTooLong(TooLarge),
    /// Over [`Bounds::value_bytes`](super::Bounds::value_bytes).
    ValueTooLarge(TooLarge),
    /// Over [`Bounds::event_bytes`](super::Bounds::event_bytes).
    EventTooLarge(TooLarge),
    /// Over [`RESULT_BYTES_MAX`](crate::limits::RESULT_BYTES_MAX).
    ResultTooLarge(TooLarge),
    /// Options that contradict each other.
    InvalidList(String),
    /// No savepoint of this number.
    NoSuchSavepoint(u32),
    /// More than [`SAVEPOINTS_MAX`](crate::limits::SAVEPOINTS_MAX) savepoints.
    TooManySavepoints,
}

/// Why an access did not happen.
#[derive(Debug)]
pub enum AccessError {
    /// The guest's mistake.
    Misuse(Misuse),
    /// The store's fault.
    Store(StorageError),
}

impl From<Misuse> for AccessError {
    fn from(misuse: Misuse) -> Self {
        Self::Misuse(misuse)
    }
}

impl From<StorageError> for AccessError {
    fn from(error: StorageError) -> Self {
        Self::Store(error)
    }
}

pub(super) fn checked(key: String) -> Result<Bytes, Misuse> {
    let key = Bytes::from(key);
    match key.len() {
        0 => Err(Misuse::KeyEmpty),
        1..=KEY_BYTES_MAX => Ok(key),
        _ => Err(too_long(&key)),
    }
}

pub(super) fn too_long(key: &Bytes) -> Misuse {
    Misuse::KeyTooLong(too_large(key, key.len(), KEY_BYTES_MAX))
}

pub(super) fn too_large(key: &Bytes, size: usize, limit: usize) -> TooLarge {
    let mut key: String = String::from_utf8_lossy(key).chars().take(65).collect();
    if key.chars().count() > 64 {
        key.pop();
        key.push_str("...");
    }
    TooLarge { key, size, limit }
}

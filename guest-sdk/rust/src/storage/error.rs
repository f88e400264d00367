//! What can be wrong with a use of the storage.

use std::str::Utf8Error;

use crate::bindings::abide::object::storage as raw;

/// What was wrong with a use of the storage. Nothing of the call was applied.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A key has no bytes.
    #[error("a key is empty")]
    KeyEmpty,
    /// A key has too many bytes.
    #[error("the key {:?} has {} bytes, at most {} are allowed", .0.key, .0.size, .0.limit)]
    KeyTooLong(Oversize),
    /// A value has too many bytes.
    #[error("the value of {:?} has {} bytes, at most {} are allowed", .0.key, .0.size, .0.limit)]
    ValueTooLarge(Oversize),
    /// The event's writes since the last [`sync`](super::sync) would be too large together.
    #[error(
        "with {:?} the event writes {} bytes, at most {} are allowed", .0.key, .0.size, .0.limit
    )]
    EventTooLarge(Oversize),
    /// The values asked for in one call are too large together.
    #[error(
        "with {:?} the values have {} bytes, at most {} fit in one call", .0.key, .0.size, .0.limit
    )]
    ResultTooLarge(Oversize),
    /// The restrictions of a [`List`](super::List) contradict each other.
    #[error("cannot list this: {0}")]
    InvalidList(String),
    /// A [`sync`](super::sync) has ended the transaction.
    #[error("there is no savepoint {0} any more")]
    NoSuchSavepoint(u32),
    /// A value was read as text and is not UTF-8.
    #[error("the value of {key:?} is not UTF-8")]
    NotText {
        /// Its key.
        key: String,
        /// Where it is not.
        source: Utf8Error,
    },
    /// A value was read as JSON and is not, or not of the type asked for.
    #[error("the value of {key:?} is not the expected JSON")]
    NotJson {
        /// Its key.
        key: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A value was to be written as JSON and cannot be.
    #[error("the value for {key:?} cannot be written as JSON")]
    CannotBeJson {
        /// The key it was meant for.
        key: String,
        /// Why not.
        source: serde_json::Error,
    },
}

/// A size over its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oversize {
    /// The key; shortened where it is the key that is too long.
    pub key: String,
    /// The size found, in bytes.
    pub size: u64,
    /// The largest size allowed, in bytes.
    pub limit: u64,
}

impl From<raw::TooLarge> for Oversize {
    fn from(raw: raw::TooLarge) -> Self {
        Self { key: raw.key, size: raw.size, limit: raw.limit }
    }
}

impl From<raw::StorageError> for StorageError {
    fn from(raw: raw::StorageError) -> Self {
        match raw {
            raw::StorageError::KeyEmpty => Self::KeyEmpty,
            raw::StorageError::KeyTooLong(size) => Self::KeyTooLong(size.into()),
            raw::StorageError::ValueTooLarge(size) => Self::ValueTooLarge(size.into()),
            raw::StorageError::EventTooLarge(size) => Self::EventTooLarge(size.into()),
            raw::StorageError::ResultTooLarge(size) => Self::ResultTooLarge(size.into()),
            raw::StorageError::InvalidList(reason) => Self::InvalidList(reason),
            raw::StorageError::NoSuchSavepoint(number) => Self::NoSuchSavepoint(number),
        }
    }
}

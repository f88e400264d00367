//! The object's own durable key-value storage.
//!
//! Keys are 1 to 2,048 bytes of UTF-8 and sort by their bytes. Values are bytes, up to 2 MiB: put
//! them as bytes or text, or with the `_json` functions as any value that `serde` knows.
//!
//! ```no_run
//! # use abide_sdk::{Result, storage};
//! # fn example() -> Result<()> {
//! storage::put("motto", "festina lente")?;
//! storage::put_json("scores", &[3, 1, 2])?;
//!
//! let motto: Option<String> = storage::get_text("motto")?;
//! let scores: Vec<u32> = storage::get_json("scores")?.unwrap_or_default();
//! # Ok(())
//! # }
//! ```

mod error;
mod list;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::abide::object::storage as raw;
use crate::error::with_causes;

pub use error::{Oversize, StorageError};
pub use list::{Entries, Entry, List};

/// The value of a key, if there is one.
pub fn get(key: &str) -> Result<Option<Vec<u8>>, StorageError> {
    Ok(raw::get(key)?)
}

/// The value of a key as text, if there is one. An error where it is not UTF-8.
pub fn get_text(key: &str) -> Result<Option<String>, StorageError> {
    get(key)?.map(|value| text(key, value)).transpose()
}

/// The value of a key, read as JSON, if there is one. An error where it is not the JSON expected.
pub fn get_json<T: DeserializeOwned>(key: &str) -> Result<Option<T>, StorageError> {
    get(key)?.map(|value| json(key, &value)).transpose()
}

/// The values of several keys, in the order of the keys.
pub fn get_many(keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
    Ok(raw::get_many(keys)?)
}

/// The values of several keys, read as JSON, in the order of the keys.
pub fn get_many_json<T: DeserializeOwned>(keys: &[&str]) -> Result<Vec<Option<T>>, StorageError> {
    let values = keys.iter().zip(get_many(keys)?);
    values.map(|(key, value)| value.map(|value| json(key, &value)).transpose()).collect()
}

/// Sets the value of a key to bytes or text.
pub fn put(key: &str, value: impl AsRef<[u8]>) -> Result<(), StorageError> {
    Ok(raw::put(key, value.as_ref())?)
}

/// Sets the value of a key to a value in JSON.
pub fn put_json<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<(), StorageError> {
    put(key, to_json(key, value)?)
}

/// Sets several values: all of them or, on an error, none. Of equal keys the last one counts.
///
/// ```no_run
/// # use abide_sdk::{Result, storage};
/// # fn example() -> Result<()> {
/// storage::put_many([("first", "Ada"), ("last", "Lovelace")])?;
/// # Ok(())
/// # }
/// ```
pub fn put_many<K, V>(entries: impl IntoIterator<Item = (K, V)>) -> Result<(), StorageError>
where
    K: AsRef<str>,
    V: AsRef<[u8]>,
{
    let entries: Vec<(K, V)> = entries.into_iter().collect();
    let borrow = |(key, value)| raw::EntryParam { key: K::as_ref(key), value: V::as_ref(value) };
    let entries: Vec<_> = entries.iter().map(|(key, value)| borrow((key, value))).collect();
    Ok(raw::put_many(&entries)?)
}

/// Sets several values in JSON: all of them or, on an error, none.
pub fn put_many_json<K, V>(entries: impl IntoIterator<Item = (K, V)>) -> Result<(), StorageError>
where
    K: AsRef<str>,
    V: Serialize,
{
    let encode = |(key, value): (K, V)| Ok((to_json(key.as_ref(), &value)?, key));
    let entries = entries.into_iter().map(encode).collect::<Result<Vec<_>, StorageError>>()?;
    put_many(entries.into_iter().map(|(value, key)| (key, value)))
}

/// Deletes a key. Says whether it existed.
pub fn delete(key: &str) -> Result<bool, StorageError> {
    Ok(raw::delete(key)?)
}

/// Deletes several keys. Says how many distinct ones existed.
pub fn delete_many(keys: &[&str]) -> Result<u32, StorageError> {
    Ok(raw::delete_many(keys)?)
}

/// Deletes every key of the object.
pub fn delete_all() {
    raw::delete_all();
}

/// The object's entries in the order of their keys; narrow it down with the methods of [`List`].
///
/// ```no_run
/// # use abide_sdk::{Result, storage};
/// # fn example() -> Result<()> {
/// for entry in storage::list().prefix("message:").reverse().limit(20) {
///     let entry = entry?;
///     println!("{}: {}", entry.key, entry.text()?);
/// }
/// # Ok(())
/// # }
/// ```
pub fn list() -> List {
    List::default()
}

/// Commits what the event has written so far and waits until it is durable.
///
/// An error later in the event does not undo it.
pub fn sync() {
    raw::sync();
}

/// Runs `steps`; where they fail, undoes what they wrote and nothing else.
///
/// An event is one transaction as it is. This is for an event that goes on after a failure.
/// Transactions nest. A [`sync`] inside one makes what came before it permanent: a failure after
/// that undoes nothing, and its error says so.
///
/// ```no_run
/// # use abide_sdk::{Result, bail, storage};
/// # fn example() -> Result<()> {
/// let moved = storage::transaction(|| {
///     let from: i64 = storage::get_json("from")?.unwrap_or(0);
///     storage::put_json("from", &(from - 10))?;
///     if from < 10 {
///         bail!("only {from} left");
///     }
///     Ok(())
/// });
/// # Ok(())
/// # }
/// ```
pub fn transaction<T>(steps: impl FnOnce() -> crate::Result<T>) -> crate::Result<T> {
    let savepoint = raw::savepoint();
    steps().map_err(|error| match raw::rollback_to(savepoint) {
        Ok(()) => error,
        Err(rollback) => {
            let rollback = with_causes(&StorageError::from(rollback));
            crate::Error::new(format!("{error}; it could not be undone: {rollback}"))
        }
    })
}

fn text(key: &str, value: Vec<u8>) -> Result<String, StorageError> {
    String::from_utf8(value)
        .map_err(|error| StorageError::NotText { key: key.into(), source: error.utf8_error() })
}

fn json<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, StorageError> {
    serde_json::from_slice(value)
        .map_err(|source| StorageError::NotJson { key: key.into(), source })
}

fn to_json<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Vec<u8>, StorageError> {
    serde_json::to_vec(value)
        .map_err(|source| StorageError::CannotBeJson { key: key.into(), source })
}

//! Steps that use the storage, and their results.

use abide_sdk::Result;
use abide_sdk::bindings::abide::object::storage as raw;
use abide_sdk::storage::{self, Oversize, StorageError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::data::{Data, shown};

/// The options of a list, as in `wit/storage.wit`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Listing {
    start: Option<String>,
    start_after: Option<String>,
    end: Option<String>,
    prefix: Option<String>,
    reverse: bool,
    limit: Option<u32>,
}

pub(crate) fn put(key: Data, value: Data) -> Result<Value> {
    Ok(outcome(storage::put(&key.into_text()?, value.into_bytes()?), |()| Value::Null))
}

pub(crate) fn put_many(entries: Vec<(Data, Data)>) -> Result<Value> {
    let entry = |(key, value): (Data, Data)| Ok((key.into_text()?, value.into_bytes()?));
    let entries = entries.into_iter().map(entry).collect::<Result<Vec<_>>>()?;
    Ok(outcome(storage::put_many(entries), |()| Value::Null))
}

pub(crate) fn get(key: Data) -> Result<Value> {
    Ok(outcome(storage::get(&key.into_text()?), optional))
}

pub(crate) fn get_many(keys: Vec<Data>) -> Result<Value> {
    let keys = texts(keys)?;
    let values = storage::get_many(&borrowed(&keys));
    Ok(outcome(values, |values| values.into_iter().map(optional).collect()))
}

pub(crate) fn delete(key: Data) -> Result<Value> {
    Ok(outcome(storage::delete(&key.into_text()?), Value::from))
}

pub(crate) fn delete_many(keys: Vec<Data>) -> Result<Value> {
    let keys = texts(keys)?;
    Ok(outcome(storage::delete_many(&borrowed(&keys)), Value::from))
}

pub(crate) fn list(listing: Listing) -> Value {
    let mut list = storage::list();
    if let Some(key) = listing.start {
        list = list.start(key);
    }
    if let Some(key) = listing.start_after {
        list = list.start_after(key);
    }
    if let Some(key) = listing.end {
        list = list.end(key);
    }
    if let Some(prefix) = listing.prefix {
        list = list.prefix(prefix);
    }
    if let Some(limit) = listing.limit {
        list = list.limit(limit);
    }
    if listing.reverse {
        list = list.reverse();
    }
    let entries = list.into_iter().map(|entry| entry.map(|entry| (entry.key, shown(&entry.value))));
    outcome(entries.collect::<Result<Vec<_>, _>>(), |entries| json!(entries))
}

pub(crate) fn page(listing: &Listing) -> Value {
    let page = raw::list(raw::ListOptions {
        start: listing.start.as_deref(),
        start_after: listing.start_after.as_deref(),
        end: listing.end.as_deref(),
        prefix: listing.prefix.as_deref(),
        reverse: listing.reverse,
        limit: listing.limit,
    });
    outcome(page.map_err(StorageError::from), |page| {
        let entries = page.entries.iter().map(|entry| json!([entry.key, shown(&entry.value)]));
        json!({ "entries": entries.collect::<Value>(), "more": page.more })
    })
}

pub(crate) fn rollback_to(savepoint: u32) -> Value {
    outcome(raw::rollback_to(savepoint).map_err(StorageError::from), |()| Value::Null)
}

fn outcome<T>(result: Result<T, StorageError>, show: impl FnOnce(T) -> Value) -> Value {
    match result {
        Ok(value) => show(value),
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &StorageError) -> Value {
    match error {
        StorageError::KeyEmpty => json!({ "error": "key-empty" }),
        StorageError::KeyTooLong(size) => oversize("key-too-long", size),
        StorageError::ValueTooLarge(size) => oversize("value-too-large", size),
        StorageError::EventTooLarge(size) => oversize("event-too-large", size),
        StorageError::ResultTooLarge(size) => oversize("result-too-large", size),
        StorageError::InvalidList(reason) => json!({ "error": "invalid-list", "reason": reason }),
        StorageError::NoSuchSavepoint(number) => {
            json!({ "error": "no-such-savepoint", "savepoint": number })
        }
        StorageError::NotText { .. }
        | StorageError::NotJson { .. }
        | StorageError::CannotBeJson { .. } => json!({ "error": error.to_string() }),
    }
}

fn oversize(error: &str, Oversize { key, size, limit }: &Oversize) -> Value {
    json!({ "error": error, "key": key, "size": size, "limit": limit })
}

fn optional(value: Option<Vec<u8>>) -> Value {
    value.map_or(Value::Null, |value| shown(&value))
}

fn texts(keys: Vec<Data>) -> Result<Vec<String>> {
    keys.into_iter().map(Data::into_text).collect()
}

fn borrowed(keys: &[String]) -> Vec<&str> {
    keys.iter().map(String::as_str).collect()
}

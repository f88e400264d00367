//! `abide:object/storage`: converts and delegates to the object's [`View`].
//!
//! [`View`]: crate::storage::view::View

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use wasmtime::format_err;

use crate::{
    guest::{
        Fault,
        binding::abide::object::storage::{
            Entry, Host, ListOptions, Page, StorageError as WitError, TooLarge as WitTooLarge,
        },
        state::State,
    },
    limits::SAVEPOINTS_MAX,
    storage::{
        commit::{CommitError, Ticket},
        view::{self, AccessError, Misuse, TooLarge},
    },
};

/// A WIT result inside what may trap: a guest's mistake is a value, a fault of ours is a trap.
type WitResult<T> = wasmtime::Result<Result<T, WitError>>;

impl Host for State {
    async fn get(&mut self, key: String) -> WitResult<Option<Vec<u8>>> {
        answer(self.view.get(key).await.map(|value| value.map(Vec::from)))
    }

    async fn get_many(&mut self, keys: Vec<String>) -> WitResult<Vec<Option<Vec<u8>>>> {
        let values = self.view.get_many(keys).await;
        answer(values.map(|values| values.into_iter().map(|v| v.map(Vec::from)).collect()))
    }

    fn put(&mut self, key: String, value: Vec<u8>) -> WitResult<()> {
        answer(self.view.put(vec![(key, value)]).map_err(AccessError::Misuse))
    }

    fn put_many(&mut self, entries: Vec<Entry>) -> WitResult<()> {
        let entries = entries.into_iter().map(|entry| (entry.key, entry.value)).collect();
        answer(self.view.put(entries).map_err(AccessError::Misuse))
    }

    async fn delete(&mut self, key: String) -> WitResult<bool> {
        answer(self.view.delete(vec![key]).await.map(|existed| existed > 0))
    }

    async fn delete_many(&mut self, keys: Vec<String>) -> WitResult<u32> {
        answer(self.view.delete(keys).await)
    }

    fn delete_all(&mut self) -> wasmtime::Result<()> {
        self.view.delete_all();
        Ok(())
    }

    async fn list(&mut self, options: ListOptions) -> WitResult<Page> {
        let options = view::ListOptions {
            start: options.start,
            start_after: options.start_after,
            end: options.end,
            prefix: options.prefix,
            reverse: options.reverse,
            limit: options.limit,
        };
        let page = match self.view.list(options).await {
            Ok(page) => page,
            Err(error) => return answer(Err(error)),
        };
        let mut entries = Vec::with_capacity(page.entries.len());
        for (key, value) in page.entries {
            entries.push(Entry { key: text(key)?, value: Vec::from(value) });
        }
        Ok(Ok(Page { entries, more: page.more }))
    }

    async fn sync(&mut self) -> wasmtime::Result<()> {
        let (opened, gate) = oneshot::channel();
        let room = self.store.room(self.view.written_bytes()).await;
        let writes = self.view.commit_part().unwrap_or_default();
        self.store.submit(Ticket {
            object: self.identity.id,
            writes,
            lineage: Arc::clone(self.view.lineage()),
            commit: self.view.committed(),
            room: Some(room),
            done: Box::new(move |outcome| _ = opened.send(outcome)),
        });
        let lost = || CommitError::Unknown("the committer has stopped".to_owned());
        let outcome = gate.await.unwrap_or_else(|_| Err(lost()));
        outcome.map_err(|error| Fault::Commit(error).into())
    }

    fn savepoint(&mut self) -> wasmtime::Result<u32> {
        self.view
            .savepoint()
            .map_err(|_| format_err!("more than {SAVEPOINTS_MAX} savepoints in one event"))
    }

    fn rollback_to(&mut self, savepoint: u32) -> WitResult<()> {
        answer(self.view.rollback_to(savepoint).map_err(AccessError::Misuse))
    }
}

fn answer<T>(result: Result<T, AccessError>) -> WitResult<T> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(AccessError::Misuse(misuse)) => Ok(Err(wit_error(misuse)?)),
        Err(AccessError::Store(error)) => Err(Fault::Storage(error).into()),
    }
}

fn wit_error(misuse: Misuse) -> wasmtime::Result<WitError> {
    let sizes =
        |TooLarge { key, size, limit }| WitTooLarge { key, size: size as u64, limit: limit as u64 };
    Ok(match misuse {
        Misuse::KeyEmpty => WitError::KeyEmpty,
        Misuse::KeyTooLong(found) => WitError::KeyTooLong(sizes(found)),
        Misuse::ValueTooLarge(found) => WitError::ValueTooLarge(sizes(found)),
        Misuse::EventTooLarge(found) => WitError::EventTooLarge(sizes(found)),
        Misuse::ResultTooLarge(found) => WitError::ResultTooLarge(sizes(found)),
        Misuse::InvalidList(reason) => WitError::InvalidList(reason),
        Misuse::NoSuchSavepoint(number) => WitError::NoSuchSavepoint(number),
        Misuse::TooManySavepoints => {
            return Err(format_err!("more than {SAVEPOINTS_MAX} savepoints in one event"));
        }
    })
}

/// Keys came in as text, so the store holds text.
fn text(key: Bytes) -> wasmtime::Result<String> {
    String::from_utf8(Vec::from(key)).map_err(|_| format_err!("a stored key is not UTF-8"))
}

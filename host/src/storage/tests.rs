//! Tests of the layer through its face, and what they share.

mod damage;
mod disk;
mod parity;
mod random;
mod settle;
mod store;
mod view;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;

use super::{
    Engine, Group, Page, Range, Session,
    memory::MemoryEngine,
    redb::RedbEngine,
    write_set::{ObjectRecord, RecordChange, WriteSet},
};
use crate::id::ObjectId;

/// The redb cache in tests.
const CACHE_BYTES: usize = 1 << 20;

/// Ids whose data lie at the ends of the key space, and side by side.
fn id(number: u8) -> ObjectId {
    let mut bytes = [0; 32];
    match number {
        0 => (),
        1 => bytes[15] = 1,
        2 => bytes[..15].fill(0xff),
        3 => bytes.fill(0xff),
        other => bytes[0] = other,
    }
    ObjectId::from_bytes(bytes)
}

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn named(name: &str) -> ObjectRecord {
    ObjectRecord { class: 1, name: name.parse().ok(), created: 1, version: 1, bytes: 0 }
}

/// A write set that makes an object and puts keys.
fn put(entries: &[(&str, &str)]) -> WriteSet {
    WriteSet {
        entries: entries.iter().map(|(key, value)| (text(key), Some(text(value)))).collect(),
        record: RecordChange::Put(Arc::new(named(""))),
        ..WriteSet::default()
    }
}

/// Both engines of this machine answer without waiting.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("an engine of this machine answers at once")
}

fn commit(session: &dyn Session, writes: impl IntoIterator<Item = (ObjectId, WriteSet)>) {
    let number = session.last_group().unwrap().number + 1;
    let group = Group { number, writes: writes.into_iter().collect() };
    assert_eq!(session.commit(&group).unwrap(), []);
}

fn scan(session: &dyn Session, object: ObjectId, range: Range) -> Page {
    now(session.scan(object, range)).unwrap()
}

fn everything() -> Range {
    Range { start: Bytes::new(), end: None, reverse: false, limit: 1_000 }
}

/// What is stored of an object, as text.
fn stored(session: &dyn Session, object: ObjectId) -> Vec<(String, String)> {
    let string = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let page = scan(session, object, everything());
    page.entries.into_iter().map(|(key, value)| (string(key), string(value))).collect()
}

/// Runs a check on each engine.
fn on_both(check: impl Fn(&dyn Engine)) {
    check(&MemoryEngine::default());
    let directory = tempfile::tempdir().unwrap();
    check(&RedbEngine::new(directory.path(), CACHE_BYTES).unwrap());
}

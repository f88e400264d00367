//! The view against a plain map, while commits become durable late, or are undone.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    super::{
        Engine, Session, StorageError,
        memory::MemoryEngine,
        view::{AccessError, Bounds, ListOptions, Misuse, View},
        write_set::{RecordChange, WriteSet},
    },
    commit, everything, id, named, now, scan, stored, text,
};
use crate::limits::{CACHE_BYTES_MAX, ENTRY_BYTES, PAGE_BYTES};

const KEYS: [&str; 8] = ["a", "aa", "ab", "b", "ba", "c", "\u{e9}", "\u{10ffff}"];
const BOUNDS: Bounds = Bounds { value_bytes: 1 << 20, event_bytes: 4 << 20 };

type Model = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<(usize, usize)>),
    Delete(Vec<usize>),
    DeleteAll,
    Get(usize),
    GetMany(Vec<usize>),
    List(ListOptions),
    Savepoint,
    Rollback(u32),
    /// The event goes on after a part of it was committed.
    Sync,
    /// The event ends, and stays or is undone.
    End(bool),
    /// So many of the waiting commits become durable, in one group.
    Durable(usize),
    /// The object leaves memory and comes back.
    Reload,
}

fn options() -> impl Strategy<Value = ListOptions> {
    let key = || proptest::option::weighted(0.3, (0..KEYS.len()).prop_map(|i| KEYS[i].to_owned()));
    let limit = proptest::option::weighted(0.5, 0..6u32);
    (key(), key(), key(), key(), any::<bool>(), limit).prop_map(
        |(start, start_after, end, prefix, reverse, limit)| ListOptions {
            start,
            start_after,
            end,
            prefix,
            reverse,
            limit,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..KEYS.len();
    // Some values are so large that a few of them overflow the cache.
    let size = prop_oneof![3 => 0..20usize, 1 => Just(CACHE_BYTES_MAX / 3)];
    let puts = proptest::collection::vec((key(), size), 1..4);
    let keys = || proptest::collection::vec(key(), 1..4);
    prop_oneof![
        6 => puts.prop_map(Step::Put),
        3 => keys().prop_map(Step::Delete),
        1 => Just(Step::DeleteAll),
        3 => key().prop_map(Step::Get),
        1 => keys().prop_map(Step::GetMany),
        4 => options().prop_map(Step::List),
        1 => Just(Step::Savepoint),
        1 => (0..4u32).prop_map(Step::Rollback),
        1 => Just(Step::Sync),
        4 => prop::bool::weighted(0.8).prop_map(Step::End),
        3 => (1..4usize).prop_map(Step::Durable),
        1 => Just(Step::Reload),
    ]
}

/// A view, its store, and the map that it should look like.
struct World {
    session: Arc<dyn Session>,
    view: View,
    waiting: VecDeque<(u64, WriteSet)>,
    model: Model,
    /// The map to which a fault goes back.
    base: Model,
    savepoints: Vec<(u32, Model)>,
    written: u8,
}

impl World {
    fn new() -> Self {
        let session = MemoryEngine::default().join().unwrap();
        let view = load(&session).unwrap();
        let (model, base) = Default::default();
        let (waiting, savepoints) = Default::default();
        Self { session, view, waiting, model, base, savepoints, written: 0 }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Put(entries) => self.put(&entries),
            Step::Delete(keys) => {
                let keys: Vec<_> = keys.into_iter().map(key).collect();
                let existed = keys.iter().filter(|key| self.model.remove(*key).is_some()).count();
                assert_eq!(now(self.view.delete(keys.clone())).unwrap() as usize, existed);
            }
            Step::DeleteAll => {
                self.view.delete_all();
                self.model.clear();
            }
            Step::Get(at) => {
                let value = now(self.view.get(key(at))).unwrap();
                assert_eq!(value.as_deref(), self.model.get(KEYS[at]).map(Vec::as_slice));
            }
            Step::GetMany(keys) => {
                let keys: Vec<_> = keys.into_iter().map(key).collect();
                let expected: Vec<_> =
                    keys.iter().map(|key| self.model.get(key).cloned().map(Bytes::from)).collect();
                assert_eq!(now(self.view.get_many(keys)).unwrap(), expected);
            }
            Step::List(options) => self.list(&options),
            Step::Savepoint => {
                let number = self.view.savepoint().unwrap();
                self.savepoints.push((number, self.model.clone()));
            }
            Step::Rollback(number) => {
                let at = self.savepoints.iter().position(|(known, _)| *known == number);
                assert_eq!(self.view.rollback_to(number).is_ok(), at.is_some());
                if let Some(at) = at {
                    self.savepoints.truncate(at + 1);
                    self.model = self.savepoints[at].1.clone();
                }
            }
            Step::Sync => {
                let part = self.view.commit_part();
                self.committed(part);
            }
            Step::End(true) => {
                let all = self.view.commit();
                self.committed(all);
                self.view.begin_event();
            }
            Step::End(false) => {
                self.view.rollback();
                self.model = self.base.clone();
                self.savepoints.clear();
                self.view.begin_event();
            }
            Step::Durable(count) => self.durable(count),
            Step::Reload => {
                self.run(Step::End(true));
                self.durable(usize::MAX);
                self.view = load(&self.session).unwrap();
            }
        }
    }

    fn put(&mut self, entries: &[(usize, usize)]) {
        self.written = self.written.wrapping_add(1);
        let entries: Vec<_> =
            entries.iter().map(|(at, size)| (key(*at), vec![self.written; *size])).collect();
        self.model.extend(entries.iter().cloned());
        self.view.put(entries).unwrap();
    }

    fn committed(&mut self, writes: Option<WriteSet>) {
        if let Some(writes) = writes {
            self.waiting.push_back((self.view.committed(), writes));
        }
        self.base = self.model.clone();
        self.savepoints.clear();
    }

    fn durable(&mut self, count: usize) {
        let mut folded = WriteSet::default();
        let mut last = None;
        for (number, writes) in self.waiting.drain(..count.min(self.waiting.len())) {
            folded.fold(writes);
            last = Some(number);
        }
        if let Some(number) = last {
            commit(&*self.session, [(id(1), folded)]);
            self.view.lineage().set_durable(number);
        }
    }

    fn list(&mut self, options: &ListOptions) {
        let listed = now(self.view.list(options.clone()));
        if options.start.is_some() && options.start_after.is_some() || options.limit == Some(0) {
            assert!(matches!(listed, Err(AccessError::Misuse(Misuse::InvalidList(_)))));
            return;
        }
        let within = |key: &&String| {
            options.start.as_ref().is_none_or(|start| *key >= start)
                && options.start_after.as_ref().is_none_or(|after| *key > after)
                && options.end.as_ref().is_none_or(|end| *key < end)
                && options.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix))
        };
        let mut keys: Vec<_> = self.model.keys().filter(within).collect();
        if options.reverse {
            keys.reverse();
        }
        let limit = options.limit.map_or(usize::MAX, |limit| limit as usize);
        let more = keys.len() > limit;
        keys.truncate(limit);
        let expected: Vec<_> =
            keys.into_iter().map(|key| (text(key), Bytes::from(self.model[key].clone()))).collect();
        let page = listed.unwrap();
        assert_eq!((page.entries, page.more), (expected, more), "{options:?}");
    }

    fn check_end(mut self) {
        self.run(Step::Reload);
        let page = scan(&*self.session, id(1), everything());
        let stored: Model = page
            .entries
            .into_iter()
            .map(|(key, value)| (String::from_utf8(key.to_vec()).unwrap(), value.to_vec()))
            .collect();
        assert_eq!(stored, self.model);
        let bytes: usize = stored.iter().map(|(key, value)| key.len() + value.len()).sum();
        let record = now(self.session.record(id(1))).unwrap();
        assert_eq!(record.as_ref().map_or(0, |record| record.bytes), bytes as u64);
        assert!(record.is_some() || stored.is_empty());
    }
}

fn key(at: usize) -> String {
    KEYS[at].to_owned()
}

fn load(session: &Arc<dyn Session>) -> Result<View, StorageError> {
    now(View::load(id(1), Arc::clone(session), BOUNDS, named("object")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_view_always_shows_the_objects_own_latest_writes(
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let mut world = World::new();
        for step in steps {
            world.run(step);
        }
        world.check_end();
    }
}

/// Each repetition of a key used to shrink the count by the value it replaced, so that an event
/// could write without bound.
#[test]
fn a_key_that_is_put_twice_in_one_call_counts_once() {
    let session = MemoryEngine::default().join().unwrap();
    let mut view = load(&session).unwrap();
    let big = || vec![0; 1 << 20];
    view.put(vec![("a".to_owned(), big())]).unwrap();
    let mut entries = vec![("a".to_owned(), vec![]); 4];
    entries.extend((0..5).map(|n| (format!("b{n}"), big())));
    let refused = view.put(entries);
    assert!(matches!(refused, Err(Misuse::EventTooLarge(_))), "{refused:?}");
    assert_eq!(now(view.get("b0".to_owned())).unwrap(), None, "nothing of the call was applied");
}

/// Empty values under short keys used to count a few bytes each, and take a hundred.
#[test]
fn many_small_writes_are_as_bounded_as_few_large_ones() {
    let session = MemoryEngine::default().join().unwrap();
    let mut view = load(&session).unwrap();
    let written = (0..100_000_u32).map(|n| view.put(vec![(n.to_string(), vec![])]));
    let written = written.take_while(Result::is_ok).count();
    assert!(written <= BOUNDS.event_bytes / ENTRY_BYTES, "{written}");
}

#[test]
fn pages_of_a_listing_close_at_their_size_and_go_on_after_the_last_key() {
    let session = MemoryEngine::default().join().unwrap();
    let mut view = load(&session).unwrap();
    let value = || vec![0; PAGE_BYTES / 3];
    view.put((0..10).map(|n| (format!("k{n}"), value())).collect()).unwrap();
    let writes = view.commit().unwrap();
    commit(&*session, [(id(1), writes)]);
    view.lineage().set_durable(1);
    view.begin_event();
    view.put(vec![("k3".to_owned(), b"new".to_vec())]).unwrap();
    assert_eq!(now(view.delete(vec!["k5".to_owned()])).unwrap(), 1);
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let options = ListOptions { start_after: after, ..ListOptions::default() };
        let page = now(view.list(options)).unwrap();
        assert!(page.entries.iter().map(|(_, value)| value.len()).sum::<usize>() < 2 * PAGE_BYTES);
        keys.extend(page.entries.iter().map(|(key, _)| String::from_utf8(key.to_vec()).unwrap()));
        after = keys.last().cloned();
        if !page.more {
            break;
        }
    }
    assert_eq!(keys, ["k0", "k1", "k2", "k3", "k4", "k6", "k7", "k8", "k9"]);
}

#[test]
fn a_name_learnt_later_and_a_new_version_are_stored_with_the_next_write() {
    let session = MemoryEngine::default().join().unwrap();
    let mut view = now(View::load(id(1), Arc::clone(&session), BOUNDS, named(""))).unwrap();
    view.put(vec![("a".to_owned(), vec![1])]).unwrap();
    let first = view.commit().unwrap();
    view.put(vec![("a".to_owned(), vec![2])]).unwrap();
    assert_eq!(view.commit().unwrap().record, RecordChange::Keep, "it is on its way");
    view.learn_name(&"late".parse().unwrap());
    view.set_version(2);
    view.put(vec![("a".to_owned(), vec![3])]).unwrap();
    let third = view.commit().unwrap();
    commit(&*session, [(id(1), first)]);
    commit(&*session, [(id(1), third)]);
    let record = now(session.record(id(1))).unwrap().unwrap();
    assert_eq!((record.name.unwrap().as_str(), record.version, record.bytes), ("late", 2, 2));
}

#[test]
fn an_object_that_deleted_all_is_in_no_directory() {
    let session = MemoryEngine::default().join().unwrap();
    commit(&*session, [(id(1), super::put(&[("a", "1")]))]);
    let mut view = load(&session).unwrap();
    view.put(vec![("b".to_owned(), vec![1])]).unwrap();
    view.delete_all();
    let writes = view.commit().unwrap();
    assert_eq!((writes.clear, &writes.record), (true, &RecordChange::Remove));
    commit(&*session, [(id(1), writes)]);
    assert_eq!(stored(&*session, id(1)), []);
    // What comes next makes it anew, even before the removal is known to be durable.
    view.put(vec![("c".to_owned(), b"1".to_vec())]).unwrap();
    let writes = view.commit().unwrap();
    assert!(matches!(writes.record, RecordChange::Put(_)));
    assert!(now(session.record(id(1))).unwrap().is_none());
}

/// An event that only read used to leave its savepoints to the next one, until there were too many.
#[test]
fn savepoints_end_with_their_event() {
    let session = MemoryEngine::default().join().unwrap();
    let mut view = load(&session).unwrap();
    let savepoint = view.savepoint().unwrap();
    view.begin_event();
    assert_eq!(view.rollback_to(savepoint), Err(Misuse::NoSuchSavepoint(savepoint)));
    let savepoint = view.savepoint().unwrap();
    assert!(view.commit_part().is_none());
    assert_eq!(view.rollback_to(savepoint), Err(Misuse::NoSuchSavepoint(savepoint)));
}

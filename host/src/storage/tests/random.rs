//! Random write sets: both engines agree, sizes are exact, and folding changes nothing.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;

use super::{
    super::{
        Engine, Group, ObjectsPage, Range, Session,
        memory::MemoryEngine,
        redb::RedbEngine,
        write_set::{Alarm, ObjectRecord, RecordChange, WriteSet},
    },
    CACHE_BYTES, everything, id, named, now, scan, text,
};

const OBJECTS: u8 = 4;

/// What one event does to an object.
#[derive(Debug, Clone)]
struct Event {
    object: u8,
    clear: bool,
    entries: BTreeMap<u8, Option<usize>>,
    alarms: BTreeMap<u8, Option<u64>>,
    learns_name: bool,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let entries = proptest::collection::btree_map(0..6u8, any::<Option<u8>>(), 0..5);
    let alarms = proptest::collection::btree_map(0..3u8, proptest::option::of(0..40u64), 0..2);
    let event = (0..OBJECTS, prop::bool::weighted(0.15), entries, alarms, any::<bool>()).prop_map(
        |(object, clear, entries, alarms, learns_name)| {
            let entries = entries.into_iter();
            let entries = entries.map(|(key, size)| (key, size.map(usize::from))).collect();
            Event { object, clear, entries, alarms, learns_name }
        },
    );
    proptest::collection::vec(event, 0..8)
}

/// Turns events into write sets as a view does: the row exists as long as something is owned.
#[derive(Default)]
struct Rows(BTreeMap<u8, bool>);

impl Rows {
    fn write_set(&mut self, event: &Event) -> WriteSet {
        let named_before = self.0.get(&event.object).copied();
        let entries: BTreeMap<_, _> = event
            .entries
            .iter()
            .map(|(key, size)| {
                (text(&"k".repeat(1 + usize::from(*key))), size.map(|n| text(&"v".repeat(n))))
            })
            .collect();
        let alarms: BTreeMap<_, _> = event
            .alarms
            .iter()
            .map(|(name, due)| {
                let name = "n".repeat(usize::from(*name));
                (name, due.map(|due| Alarm { due, payload: text("p") }))
            })
            .collect();
        let owns = entries.values().any(Option::is_some) || alarms.values().any(Option::is_some);
        let name = event.learns_name || named_before == Some(true);
        let record = if event.clear && !owns {
            self.0.remove(&event.object);
            RecordChange::Remove
        } else if named_before == Some(name) && !event.clear {
            RecordChange::Keep
        } else {
            self.0.insert(event.object, name);
            let name = if name { format!("object-{}", event.object) } else { String::new() };
            RecordChange::Put(Arc::new(ObjectRecord { bytes: 99, ..named(&name) }))
        };
        WriteSet { clear: event.clear, entries, alarms, record }
    }
}

/// All that a session shows, and that sizes are what they should be.
fn seen(session: &dyn Session) -> String {
    let mut seen = Vec::new();
    for object in (0..OBJECTS).map(id) {
        let page = scan(session, object, everything());
        let record = now(session.record(object)).unwrap();
        let bytes: usize = page.entries.iter().map(|(key, value)| key.len() + value.len()).sum();
        assert_eq!(record.as_ref().map_or(0, |record| record.bytes), bytes as u64);
        for reverse in [false, true] {
            let range = Range { start: text("kk"), end: Some(text("kkkk")), reverse, limit: 2 };
            seen.push(format!("{:?}", scan(session, object, range)));
        }
        seen.push(format!("{record:?} {page:?}"));
    }
    for (until, limit) in [(50, 99), (20, 99), (30, 2)] {
        seen.push(format!("{:?}", session.alarms_due(until, limit).unwrap()));
    }
    let all = ObjectsPage { limit: 99, ..ObjectsPage::default() };
    let named = ObjectsPage { prefix: "object".to_owned(), limit: 2, ..ObjectsPage::default() };
    seen.push(format!("{:?}", session.objects(1, all).unwrap()));
    seen.push(format!("{:?}", session.objects(1, named).unwrap()));
    seen.join("\n")
}

fn commit_folded(session: &dyn Session, events: &[(u8, WriteSet)]) {
    let number = session.last_group().unwrap().number + 1;
    let mut group = Group { number, ..Group::default() };
    for (object, writes) in events {
        group.writes.entry(id(*object)).or_default().fold(writes.clone());
    }
    assert_eq!(session.commit(&group).unwrap(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn engines_agree_after_random_groups(groups in proptest::collection::vec(events(), 1..6)) {
        let directory = tempfile::tempdir().unwrap();
        let redb = RedbEngine::new(directory.path(), CACHE_BYTES).unwrap().join().unwrap();
        let memory = MemoryEngine::default().join().unwrap();
        let mut rows = Rows::default();
        for events in groups {
            let sets: Vec<_> =
                events.iter().map(|event| (event.object, rows.write_set(event))).collect();
            commit_folded(&*redb, &sets);
            commit_folded(&*memory, &sets);
            prop_assert_eq!(seen(&*redb), seen(&*memory));
        }
    }

    #[test]
    fn a_folded_write_set_does_what_its_parts_do(before in events(), events in events()) {
        let (folded, single) = (MemoryEngine::default(), MemoryEngine::default());
        let (folded, single) = (folded.join().unwrap(), single.join().unwrap());
        let mut rows = Rows::default();
        let mut sets = |events: &[Event]| -> Vec<_> {
            events.iter().map(|event| (event.object, rows.write_set(event))).collect()
        };
        let (before, later) = (sets(&before), sets(&events));
        commit_folded(&*folded, &before);
        commit_folded(&*folded, &later);
        for part in before.into_iter().chain(later) {
            commit_folded(&*single, &[part]);
        }
        prop_assert_eq!(seen(&*folded), seen(&*single));
    }
}

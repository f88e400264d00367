//! What every engine owes, on each of them.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::{
    super::{
        Digest, DueAlarm, ObjectsPage, Range, Session, StorageError,
        catalog::{CatalogChange, VersionRow},
        write_set::{Alarm, RecordChange, WriteSet},
    },
    commit, everything, id, named, now, on_both, put, scan, stored, text,
};
use crate::{id::ClassKey, limits::PAGE_BYTES};

#[test]
fn a_session_reads_what_was_committed_and_so_does_the_next() {
    on_both(|engine| {
        let session = engine.join().unwrap();
        assert!(now(session.record(id(1))).unwrap().is_none());
        commit(&*session, [(id(1), put(&[("a", "1"), ("b", "22")])), (id(2), put(&[("a", "x")]))]);
        let session = engine.join().unwrap();
        assert_eq!(now(session.get(id(1), text("b"))).unwrap(), Some(text("22")));
        assert_eq!(now(session.get(id(1), text("c"))).unwrap(), None);
        assert_eq!(now(session.get(id(2), text("a"))).unwrap(), Some(text("x")));
        assert_eq!(now(session.record(id(1))).unwrap().unwrap().bytes, 5);
        assert_eq!(session.last_group().unwrap().number, 1);
    });
}

#[test]
fn a_join_fences_the_session_before_and_grows_the_incarnation() {
    on_both(|engine| {
        let first = engine.join().unwrap();
        commit(&*first, [(id(1), put(&[("a", "1")]))]);
        let (secret, mark) = (first.secret().unwrap(), first.last_group().unwrap());
        assert_eq!(mark.incarnation, first.incarnation());
        assert!(!first.is_over());
        let second = engine.join().unwrap();
        assert!(second.incarnation() > first.incarnation());
        assert_eq!(second.secret().unwrap(), secret);
        assert_eq!(second.last_group().unwrap(), mark, "who committed is remembered");
        assert!(first.is_over() && !second.is_over());
        assert!(matches!(first.last_group(), Err(StorageError::Fenced)));
        assert!(matches!(now(first.get(id(1), text("a"))), Err(StorageError::Fenced)));
        assert!(matches!(now(first.record(id(1))), Err(StorageError::Fenced)));
        assert!(matches!(first.commit(&super::Group::default()), Err(StorageError::Fenced)));
        commit(&*second, [(id(1), put(&[("a", "2")]))]);
        assert_eq!(second.last_group().unwrap().incarnation, second.incarnation());
    });
}

#[test]
fn a_scan_stays_in_its_object_and_its_range() {
    on_both(|engine| {
        let session = engine.join().unwrap();
        let rows = [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")];
        commit(&*session, (0..4).map(|number| (id(number), put(&rows))));
        for number in 0..4 {
            let check = |start: &str, end: Option<&str>, reverse, limit, expected: &str, more| {
                let range = Range { start: text(start), end: end.map(text), reverse, limit };
                let page = scan(&*session, id(number), range);
                let keys: Vec<u8> = page.entries.iter().flat_map(|(key, _)| key.to_vec()).collect();
                assert_eq!(
                    (String::from_utf8(keys).unwrap().as_str(), page.more),
                    (expected, more)
                );
            };
            check("", None, false, 9, "abcd", false);
            check("", None, true, 9, "dcba", false);
            check("b", Some("d"), false, 9, "bc", false);
            check("b", Some("d"), true, 9, "cb", false);
            check("", None, false, 3, "abc", true);
            check("", None, false, 4, "abcd", false);
            check("bb", None, true, 1, "d", true);
            check("x", None, false, 9, "", false);
        }
    });
}

#[test]
fn a_page_ends_with_the_entry_that_fills_it() {
    on_both(|engine| {
        let session = engine.join().unwrap();
        let half = "x".repeat(PAGE_BYTES / 2);
        commit(&*session, [(id(4), put(&[("a", &half), ("b", &half), ("c", "")]))]);
        let page = scan(&*session, id(4), everything());
        assert_eq!((page.entries.len(), page.more), (2, true));
    });
}

#[test]
fn clear_takes_keys_and_alarms_of_this_object_only() {
    on_both(|engine| {
        let session = engine.join().unwrap();
        let with_alarm = |due| WriteSet {
            alarms: BTreeMap::from([
                (String::new(), Some(alarm(due))),
                ("n".to_owned(), Some(alarm(due))),
            ]),
            ..put(&[("a", "1"), ("b", "2")])
        };
        commit(&*session, (0..4).map(|number| (id(number), with_alarm(5))));
        for number in [1, 3] {
            let removed =
                WriteSet { clear: true, record: RecordChange::Remove, ..WriteSet::default() };
            commit(&*session, [(id(number), removed)]);
            assert_eq!(stored(&*session, id(number)), []);
            assert!(now(session.record(id(number))).unwrap().is_none());
        }
        assert_eq!(stored(&*session, id(0)).len(), 2);
        assert_eq!(stored(&*session, id(2)).len(), 2);
        let due = session.alarms_due(9, 99).unwrap();
        let of: Vec<_> = due.iter().map(|alarm| alarm.object).collect();
        assert_eq!(of, [id(0), id(0), id(2), id(2)]);
        // A clear with later puts keeps the row, and counts only what was put since.
        commit(&*session, [(id(0), WriteSet { clear: true, ..put(&[("z", "zz")]) })]);
        assert_eq!(now(session.record(id(0))).unwrap().unwrap().bytes, 3);
    });
}

#[test]
fn alarms_come_by_shard_and_time_and_are_replaced_by_name() {
    on_both(|engine| {
        let session = engine.join().unwrap();
        let set = |name: &str, alarm| WriteSet {
            alarms: BTreeMap::from([(name.to_owned(), alarm)]),
            ..put(&[])
        };
        commit(
            &*session,
            [(id(9), set("", Some(alarm(30)))), (id(4), set("late", Some(alarm(20))))],
        );
        commit(
            &*session,
            [(id(4), set("soon", Some(alarm(10)))), (id(9), set("", Some(alarm(5))))],
        );
        commit(&*session, [(id(5), set("future", Some(alarm(1_000))))]);
        let due = |until, limit| -> Vec<(u64, String)> {
            let due = session.alarms_due(until, limit).unwrap();
            due.into_iter().map(|DueAlarm { due, name, .. }| (due, name)).collect()
        };
        let all = [(10, "soon".to_owned()), (20, "late".to_owned()), (5, String::new())];
        assert_eq!(due(30, 99), all);
        assert_eq!(due(30, 2), all[..2]);
        assert_eq!(due(5, 99), all[2..]);
        assert_eq!(due(4, 99), []);
        assert_eq!(due(30, 0), []);
        assert_eq!(session.alarms_due(30, 1).unwrap()[0].payload, text("payload"));
        commit(&*session, [(id(4), set("late", None)), (id(9), set("none", None))]);
        assert_eq!(due(2_000, 99).len(), 3);
    });
}

#[test]
fn objects_are_listed_without_name_first_then_by_name() {
    on_both(|engine| {
        let session = engine.join().unwrap();
        let with = |record| WriteSet { record: RecordChange::Put(Arc::new(record)), ..put(&[]) };
        let other = super::ObjectRecord { class: 2, ..named("aa") };
        commit(
            &*session,
            [
                (id(9), with(named(""))),
                (id(1), with(named("b"))),
                (id(2), with(named("ab"))),
                (id(3), with(named("a"))),
                (id(8), with(named(""))),
                (id(4), with(other)),
            ],
        );
        let list = |prefix: &str, after: Option<(&str, u8)>, limit| -> Vec<_> {
            let after = after.map(|(name, number)| (name.to_owned(), id(number)));
            let page = ObjectsPage { prefix: prefix.to_owned(), after, limit };
            session.objects(1, page).unwrap().into_iter().map(|object| object.id).collect()
        };
        assert_eq!(list("", None, 99), [id(8), id(9), id(3), id(2), id(1)]);
        assert_eq!(list("", None, 3), [id(8), id(9), id(3)]);
        assert_eq!(list("", Some(("", 8)), 2), [id(9), id(3)]);
        assert_eq!(list("a", None, 99), [id(3), id(2)]);
        assert_eq!(list("a", Some(("a", 3)), 99), [id(2)]);
        assert_eq!(list("b", Some(("a", 3)), 99), [id(1)], "after what is before the prefix");
        assert_eq!(list("", Some(("zz", 0)), 99), []);
        assert_eq!(list("", None, 0), []);
        // A name that is learnt later moves the object in the listing.
        commit(&*session, [(id(9), with(named("c")))]);
        assert_eq!(list("", None, 99), [id(8), id(3), id(2), id(1), id(9)]);
    });
}

#[test]
fn a_removed_class_leaves_nothing_and_its_number_is_not_used_again() {
    on_both(|engine| {
        let session = engine.join().unwrap();
        assert_eq!(session.catalog().unwrap().next_class, 1);
        deploy(&*session, "one", 1, 1, [1; 32]);
        deploy(&*session, "one", 1, 2, [2; 32]);
        deploy(&*session, "two", 2, 1, [2; 32]);
        let of_two = super::ObjectRecord { class: 2, ..named("kept") };
        let kept = WriteSet { record: RecordChange::Put(Arc::new(of_two)), ..put(&[("k", "v")]) };
        let alarms = BTreeMap::from([(String::new(), Some(alarm(1)))]);
        let gone = WriteSet { alarms, ..put(&[("a", "1")]) };
        commit(&*session, [(id(1), gone.clone()), (id(3), gone), (id(2), kept)]);
        session.change_catalog(&CatalogChange::Bundled([9; 32])).unwrap();
        session
            .change_catalog(&CatalogChange::Remove { name: "one".parse().unwrap(), class: 1 })
            .unwrap();
        let session = engine.join().unwrap();
        let catalog = session.catalog().unwrap();
        assert_eq!(catalog.classes.len(), 1);
        assert_eq!((catalog.classes[0].number, catalog.classes[0].current), (2, 1));
        assert_eq!((catalog.next_class, catalog.bundled), (3, Some([9; 32])));
        assert!(session.component(&[1; 32]).unwrap().is_none());
        assert_eq!(session.component(&[2; 32]).unwrap(), Some(text("code")), "used by the other");
        assert_eq!((stored(&*session, id(1)), stored(&*session, id(3))), (vec![], vec![]));
        assert_eq!(stored(&*session, id(2)).len(), 1);
        assert_eq!(session.alarms_due(9, 9).unwrap(), []);
        let all = ObjectsPage { limit: 9, ..ObjectsPage::default() };
        assert_eq!(session.objects(1, all.clone()).unwrap(), []);
        assert_eq!(session.objects(2, all).unwrap().len(), 1);
        // The newest class is removed: its number is spent all the same.
        session
            .change_catalog(&CatalogChange::Remove { name: "two".parse().unwrap(), class: 2 })
            .unwrap();
        assert_eq!(session.catalog().unwrap().next_class, 3);
    });
}

#[test]
fn versions_are_kept_in_order_and_the_last_one_runs() {
    on_both(|engine| {
        let session = engine.join().unwrap();
        for version in 1..=3 {
            deploy(&*session, "one", 7, version, [1; 32]);
        }
        let catalog = session.catalog().unwrap();
        let class = &catalog.classes[0];
        let numbers: Vec<_> = class.versions.iter().map(|row| row.number).collect();
        assert_eq!((numbers, class.current), (vec![1, 2, 3], 3));
        assert_eq!(class.key.as_bytes(), &[4; 32]);
        assert_eq!((class.number, catalog.next_class), (7, 8));
        assert_eq!(class.versions[2], row(3, [1; 32]));
    });
}

fn alarm(due: u64) -> Alarm {
    Alarm { due, payload: Bytes::from_static(b"payload") }
}

fn row(number: u32, digest: Digest) -> VersionRow {
    VersionRow { number, digest, size: 4, created: 3, bundled: false }
}

fn deploy(session: &dyn Session, name: &str, class: u32, version: u32, digest: Digest) {
    let deploy = CatalogChange::Deploy {
        name: name.parse().unwrap(),
        class,
        key: ClassKey::from_bytes([4; 32]),
        version: row(version, digest),
        component: text("code"),
    };
    session.change_catalog(&deploy).unwrap();
}

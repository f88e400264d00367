//! Commits that fail: every event gets a certain answer, and nothing half done is seen.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use super::{
    super::{
        GroupMark,
        commit::{CommitError, Ticket},
        memory::CommitFault,
        write_set::WriteSet,
    },
    put,
    store::{Bench, not_written},
};

#[test]
fn a_commit_that_fails_before_it_writes_fails_all_that_built_on_it() {
    let bench = Bench::new();
    let (mut one, mut two, mut idle) = (bench.writer(1), bench.writer(2), bench.writer(3));
    assert_eq!(bench.send(&mut one, put(&[("k", "0")])).get(), Ok(()));
    bench.faults.fail_commit(2, CommitFault::BeforeWrite);
    let hold = bench.faults.hold_commits();
    let before = bench.send(&mut one, put(&[("k", "1")]));
    hold.until_one_waits();
    let group = [
        bench.send(&mut one, put(&[("k", "2")])),
        bench.send(&mut two, put(&[("k", "2")])),
        bench.send(&mut one, WriteSet::default()),
    ];
    drop(hold);
    assert_eq!(before.get(), Ok(()));
    assert!(group.iter().all(|answer| not_written(answer.get())));
    assert!(one.lineage.broken() && two.lineage.broken());
    let later = [
        bench.send(&mut one, put(&[("k", "3")])),
        bench.send(&mut two, WriteSet::default()),
        bench.send(&mut idle, put(&[("k", "3")])),
    ];
    assert!(later.iter().all(|answer| not_written(answer.get())), "made for the session before");
    assert_eq!(bench.stored(1), [("k".to_owned(), "1".to_owned())]);
    assert_eq!((bench.stored(2), bench.stored(3)), (vec![], vec![]));
    let mut again = bench.writer(2);
    assert_eq!(bench.send(&mut again, put(&[("k", "4")])).get(), Ok(()));
    assert_eq!(bench.faults.incarnation(), 2);
}

#[test]
fn a_lost_answer_is_settled_by_the_next_session() {
    let bench = Bench::new();
    let mut writer = bench.writer(1);
    bench.faults.fail_commit(1, CommitFault::AfterWrite);
    bench.faults.fail_joins(3);
    assert_eq!(bench.send(&mut writer, put(&[("k", "v")])).get(), Ok(()));
    assert!(!writer.lineage.broken());
    assert_eq!(bench.stored(1).len(), 1);
    assert_eq!(bench.faults.incarnation(), 2);
}

#[test]
fn a_failed_commit_is_settled_when_the_engine_comes_back() {
    let bench = Bench::new();
    let mut writer = bench.writer(1);
    bench.faults.fail_commit(1, CommitFault::BeforeWrite);
    bench.faults.fail_joins(3);
    assert!(not_written(bench.send(&mut writer, put(&[("k", "v")])).get()));
    assert_eq!(bench.stored(1), []);
}

#[test]
fn an_engine_that_stays_away_leaves_the_outcome_unknown() {
    let bench = Bench::with(Duration::ZERO);
    let mut writer = bench.writer(1);
    bench.faults.fail_commit(1, CommitFault::AfterWrite);
    bench.faults.fail_joins(usize::MAX);
    let outcome = bench.send(&mut writer, put(&[("k", "v")])).get();
    assert!(matches!(outcome, Err(CommitError::Unknown(_))), "{outcome:?}");
    assert!(writer.lineage.broken());
    assert!(bench.store.session().is_err(), "nothing stale is served");
    assert!(not_written(bench.send(&mut writer, put(&[("k", "w")])).get()), "not even tried");
    bench.faults.fail_joins(0);
    until_joined(&bench);
    assert_eq!(bench.stored(1)[0].1, "v");
    let mut again = bench.writer(1);
    assert_eq!(bench.send(&mut again, put(&[("k", "x")])).get(), Ok(()));
}

/// Nothing had been sent, so there was nothing to be unsure of.
#[test]
fn a_session_that_cannot_even_begin_a_commit_leaves_no_doubt() {
    let bench = Bench::with(Duration::ZERO);
    let mut writer = bench.writer(1);
    bench.faults.fail_reads(true);
    bench.faults.fail_joins(usize::MAX);
    assert!(not_written(bench.send(&mut writer, put(&[("k", "v")])).get()));
}

/// A read that failed used to leave the session in place: an object reads before it writes, so no
/// commit ever came that could have noticed.
#[test]
fn a_session_that_a_reader_finds_useless_is_replaced() {
    let bench = Bench::new();
    bench.faults.break_session();
    assert!(bench.store.session().is_err());
    until_joined(&bench);
    assert_eq!(bench.faults.incarnation(), 2);
    let mut writer = bench.writer(1);
    assert_eq!(bench.send(&mut writer, put(&[("k", "v")])).get(), Ok(()));
}

#[test]
fn an_engine_that_panics_is_joined_again() {
    let bench = Bench::new();
    let mut writer = bench.writer(1);
    bench.faults.fail_commit(1, CommitFault::Panic);
    assert!(not_written(bench.send(&mut writer, put(&[("k", "v")])).get()));
    let mut again = bench.writer(1);
    assert_eq!(bench.send(&mut again, put(&[("k", "w")])).get(), Ok(()));
    assert_eq!(bench.stored(1)[0].1, "w");
}

/// A panic of the thread used to leave all that waited, and all that came later, without an answer.
#[test]
fn nobody_waits_for_a_thread_that_panicked() {
    let bench = Bench::new();
    let (mut bad, mut good) = (bench.writer(1), bench.writer(2));
    let hold = bench.faults.hold_commits();
    let first = bench.send(&mut good, put(&[("k", "1")]));
    hold.until_one_waits();
    bench.store.submit(Ticket {
        object: bad.object,
        writes: put(&[("k", "1")]),
        lineage: Arc::clone(&bad.lineage),
        commit: 1,
        room: None,
        done: Box::new(|_| std::panic::panic_any("an answer that panics")),
    });
    let same_group = bench.send(&mut good, put(&[("k", "2")]));
    drop(hold);
    assert_eq!(first.get(), Ok(()));
    let outcome = same_group.get();
    assert!(matches!(outcome, Err(CommitError::Unknown(_))), "{outcome:?}");
    assert!(good.lineage.broken(), "the object is loaded again");
    bench.store.stop();
    assert!(bench.store.session().is_err());
    assert!(not_written(bench.send(&mut good, put(&[("k", "3")])).get()));
    assert!(not_written(bench.send(&mut bad, WriteSet::default()).get()));
}

#[test]
fn stop_ends_the_wait_for_an_engine_that_stays_away() {
    let bench = Bench::new();
    let mut writer = bench.writer(1);
    bench.faults.fail_joins(usize::MAX);
    bench.faults.fail_commit(1, CommitFault::BeforeWrite);
    let answer = bench.send(&mut writer, put(&[("k", "v")]));
    bench.store.stop();
    assert!(answer.get().is_err());
}

#[test]
fn the_last_group_tells_of_an_earlier_one_only_what_is_certain() {
    let mark = |number, incarnation| GroupMark { number, incarnation };
    assert_eq!(mark(4, 1).tells(mark(5, 1)), Some(false));
    assert_eq!(mark(5, 1).tells(mark(5, 1)), Some(true));
    assert_eq!(mark(5, 2).tells(mark(5, 1)), Some(false), "another server's group");
    assert_eq!(mark(6, 2).tells(mark(5, 1)), None);
    assert_eq!(mark(0, 0).tells(mark(1, 1)), Some(false));
}

/// Waits for the committing thread, one answer after the other.
fn until_joined(bench: &Bench) {
    while bench.store.session().is_err() {
        let (answer, answered) = mpsc::channel();
        bench.store.submit(Ticket {
            object: super::id(9),
            writes: WriteSet::default(),
            lineage: Arc::new(super::super::view::Lineage::new(0)),
            commit: 0,
            room: None,
            done: Box::new(move |outcome| _ = answer.send(outcome)),
        });
        assert!(not_written(answered.recv().unwrap()));
    }
}

//! Group commit: who shares a commit, in which order, and how it ends.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use futures_util::FutureExt;

use super::{
    super::{
        commit::{CommitError, Patience, Store, Ticket},
        memory::{Faults, MemoryEngine},
        view::Lineage,
        write_set::WriteSet,
    },
    id, put, stored,
};
use crate::{id::ObjectId, limits::COMMIT_QUEUE_BYTES_MAX};

pub(super) type Outcome = Result<(), CommitError>;

/// A store on the engine in memory, and the means to disturb it.
pub(super) struct Bench {
    pub(super) store: Store,
    pub(super) faults: Faults,
}

/// One live object's side of its commits.
pub(super) struct Writer {
    pub(super) object: ObjectId,
    pub(super) lineage: Arc<Lineage>,
    commits: u64,
}

/// An answer that comes later.
pub(super) struct Answer(mpsc::Receiver<Outcome>);

impl Answer {
    pub(super) fn get(&self) -> Outcome {
        self.0.recv_timeout(Duration::from_mins(1)).expect("every ticket is answered")
    }

    pub(super) fn is_pending(&self) -> bool {
        matches!(self.0.try_recv(), Err(mpsc::TryRecvError::Empty))
    }
}

impl Bench {
    /// Patient enough for any join that is to succeed in the end.
    pub(super) fn new() -> Self {
        Self::with(Duration::from_mins(1))
    }

    pub(super) fn with(settle: Duration) -> Self {
        let engine = MemoryEngine::default();
        let faults = engine.faults();
        let patience = Patience { settle, join_pause: Duration::from_millis(1) };
        Self { store: Store::open_with(Box::new(engine), patience).unwrap(), faults }
    }

    pub(super) fn writer(&self, number: u8) -> Writer {
        let incarnation = self.store.session().unwrap().incarnation();
        Writer { object: id(number), lineage: Arc::new(Lineage::new(incarnation)), commits: 0 }
    }

    pub(super) fn send(&self, writer: &mut Writer, writes: WriteSet) -> Answer {
        writer.commits += u64::from(!writes.is_empty());
        let (answer, answered) = mpsc::channel();
        self.store.submit(Ticket {
            object: writer.object,
            writes,
            lineage: Arc::clone(&writer.lineage),
            commit: writer.commits,
            room: None,
            done: Box::new(move |outcome| _ = answer.send(outcome)),
        });
        Answer(answered)
    }

    pub(super) fn stored(&self, number: u8) -> Vec<(String, String)> {
        stored(&*self.store.session().unwrap(), id(number))
    }
}

pub(super) fn not_written(outcome: Outcome) -> bool {
    matches!(outcome, Err(CommitError::NotWritten(_)))
}

#[test]
fn what_gathers_while_a_commit_runs_shares_the_next_one() {
    let bench = Bench::new();
    let mut writers: Vec<_> = (0..20).map(|number| bench.writer(number)).collect();
    let hold = bench.faults.hold_commits();
    let first = bench.send(&mut writers[0], put(&[("k", "first")]));
    hold.until_one_waits();
    let rest: Vec<_> =
        writers.iter_mut().map(|writer| bench.send(writer, put(&[("k", "rest")]))).collect();
    assert!(first.is_pending() && rest.iter().all(Answer::is_pending));
    drop(hold);
    assert_eq!(first.get(), Ok(()));
    assert!(rest.iter().all(|answer| answer.get() == Ok(())));
    assert_eq!(bench.faults.groups(), [1, 20]);
    assert!((0..20).all(|number| bench.stored(number)[0].1 == "rest"));
}

#[test]
fn events_of_one_object_fold_into_one_write_set_and_the_last_one_wins() {
    let bench = Bench::new();
    let mut writer = bench.writer(1);
    let hold = bench.faults.hold_commits();
    let first = bench.send(&mut writer, put(&[("n", "0"), ("gone", "x")]));
    hold.until_one_waits();
    let mut rest: Vec<_> =
        (1..100).map(|n| bench.send(&mut writer, put(&[("n", &n.to_string())]))).collect();
    let mut deletion = put(&[]);
    deletion.entries.insert(super::text("gone"), None);
    rest.push(bench.send(&mut writer, deletion));
    drop(hold);
    assert_eq!(first.get(), Ok(()));
    assert!(rest.iter().all(|answer| answer.get() == Ok(())));
    assert_eq!(bench.faults.groups(), [1, 1]);
    assert_eq!(bench.stored(1), [("n".to_owned(), "99".to_owned())]);
    assert_eq!(writer.lineage.durable(), 101);
}

#[test]
fn a_gate_opens_when_all_before_it_is_durable_and_costs_no_commit() {
    let bench = Bench::new();
    let mut writer = bench.writer(1);
    let hold = bench.faults.hold_commits();
    let written = bench.send(&mut writer, put(&[("k", "v")]));
    hold.until_one_waits();
    let gate = bench.send(&mut writer, WriteSet::default());
    assert!(gate.is_pending());
    drop(hold);
    assert_eq!((written.get(), gate.get()), (Ok(()), Ok(())));
    assert_eq!(bench.faults.groups(), [1]);
}

#[test]
fn a_refused_object_fails_alone_until_it_is_loaded_again() {
    let bench = Bench::new();
    let (mut bad, mut good) = (bench.writer(1), bench.writer(2));
    bench.faults.refuse(id(1), true);
    let hold = bench.faults.hold_commits();
    let first = bench.send(&mut good, put(&[("k", "1")]));
    hold.until_one_waits();
    let refused = [bench.send(&mut bad, put(&[("k", "1")])), bench.send(&mut bad, put(&[]))];
    let second = bench.send(&mut good, put(&[("k", "2")]));
    drop(hold);
    assert_eq!((first.get(), second.get()), (Ok(()), Ok(())));
    assert!(refused.iter().all(|answer| not_written(answer.get())));
    assert!(bad.lineage.broken() && !good.lineage.broken());
    bench.faults.refuse(id(1), false);
    assert!(not_written(bench.send(&mut bad, put(&[("k", "2")])).get()), "it built on the refused");
    assert_eq!(bench.stored(1), []);
    let mut again = bench.writer(1);
    assert_eq!(bench.send(&mut again, put(&[("k", "3")])).get(), Ok(()));
    assert_eq!(bench.faults.incarnation(), 1, "nobody else noticed");
}

#[test]
fn a_ticket_for_another_session_is_refused() {
    let bench = Bench::new();
    let lineage = Arc::new(Lineage::new(77));
    let mut writer = Writer { lineage, ..bench.writer(1) };
    assert!(not_written(bench.send(&mut writer, put(&[("k", "v")])).get()));
    assert!(not_written(bench.send(&mut writer, WriteSet::default()).get()), "a gate as well");
    assert!(writer.lineage.broken());
    assert!(bench.faults.groups().is_empty());
}

#[test]
fn stop_commits_what_was_handed_in_and_refuses_what_comes_later() {
    let bench = Bench::new();
    let mut writers: Vec<_> = (0..5).map(|number| bench.writer(number)).collect();
    let hold = bench.faults.hold_commits();
    let first = bench.send(&mut writers[0], put(&[("k", "1")]));
    hold.until_one_waits();
    let queued: Vec<_> =
        writers.iter_mut().map(|writer| bench.send(writer, put(&[("k", "2")]))).collect();
    thread::scope(|scope| {
        let stopping = scope.spawn(|| bench.store.stop());
        assert!(!stopping.is_finished());
        drop(hold);
    });
    assert_eq!(first.get(), Ok(()));
    assert!(queued.iter().all(|answer| answer.get() == Ok(())));
    assert!(not_written(bench.send(&mut writers[1], put(&[("k", "3")])).get()));
    assert!(writers[1].lineage.broken(), "nothing may build on it");
    bench.store.stop();
    assert!((0..5).all(|number| bench.stored(number)[0].1 == "2"));
}

#[test]
fn writes_wait_for_room_in_the_queue() {
    let bench = Bench::new();
    let all = bench.store.room(usize::MAX).now_or_never().expect("any one event fits");
    assert!(bench.store.room(1).now_or_never().is_none());
    drop(all);
    let half = bench.store.room(COMMIT_QUEUE_BYTES_MAX / 2).now_or_never();
    assert!(half.is_some() && bench.store.room(1).now_or_never().is_some());
}

#[test]
fn what_comes_after_all_comes_after_the_writes_of_its_own_group() {
    let bench = Bench::new();
    let mut writer = bench.writer(1);
    let hold = bench.faults.hold_commits();
    let first = bench.send(&mut writer, put(&[("k", "1")]));
    hold.until_one_waits();
    let second = bench.send(&mut writer, put(&[("k", "2")]));
    let (called, calls) = mpsc::channel();
    let (faults, before) = (bench.faults.clone(), bench.faults.groups().len());
    bench.store.after_all(id(1), move || _ = called.send(faults.groups().len() - before));
    drop(hold);
    assert_eq!(calls.recv(), Ok(2), "both groups were durable by then");
    assert_eq!((first.get(), second.get()), (Ok(()), Ok(())));
    bench.store.stop();
    let (called, calls) = mpsc::channel();
    bench.store.after_all(id(1), move || _ = called.send(()));
    assert_eq!(calls.recv(), Ok(()), "even when nothing comes any more");
}

/// Joining its own thread would never end.
#[test]
fn a_store_may_be_dropped_by_its_own_last_answer() {
    let Bench { store, faults } = Bench::new();
    let store = Arc::new(store);
    let (dropped, drops) = mpsc::channel();
    let hold = faults.hold_commits();
    let (object, writes) = (id(1), put(&[("k", "v")]));
    let lineage = Arc::new(Lineage::new(1));
    let owner = Arc::clone(&store);
    let done = Box::new(move |outcome| {
        drop(owner);
        _ = dropped.send(outcome);
    });
    store.submit(Ticket { object, writes, lineage, commit: 1, room: None, done });
    hold.until_one_waits();
    drop(store);
    drop(hold);
    assert_eq!(drops.recv(), Ok(Ok(())));
}

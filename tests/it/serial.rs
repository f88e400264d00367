//! One instance per object, one event at a time, in order.

use std::sync::mpsc;

use serde_json::{Value, json};
use tests::{
    host::Host,
    parallel::parallel,
    probe::{self, Probe},
    raw::Wire,
};

/// G1, G2, O-039.
#[test]
fn a_thousand_concurrent_increments_give_each_number_once() {
    const THREADS: usize = 50;
    const EACH: usize = 20;
    let host = Host::start(&[]);
    let numbers = parallel(THREADS, |_| {
        let client = host.client();
        (0..EACH).map(|_| client.count("/counter/hot/increment")).collect::<Vec<_>>()
    });
    for of_one_client in &numbers {
        assert!(of_one_client.is_sorted(), "{of_one_client:?}");
    }
    let mut all: Vec<i64> = numbers.concat();
    all.sort_unstable();
    assert_eq!(all, (1..=1_000).collect::<Vec<_>>());
    assert_eq!(host.client().count("/counter/hot/"), 1_000);
}

/// G5: while one commit is under way the next events run, and share the next commit.
#[test]
fn concurrent_events_of_one_object_share_commits() {
    const EVENTS: u64 = 1_000;
    let host = Host::start(&[]);
    let commits = || host.control().get("/v1/server").json()["commits"].as_u64().unwrap();
    assert_eq!(host.client().count("/counter/hot/increment"), 1);
    let before = commits();
    assert!(before >= 1);
    parallel(50, |_| {
        let client = host.client();
        (0..EVENTS / 50).for_each(|_| _ = client.count("/counter/hot/increment"));
    });
    let taken = commits() - before;
    assert!((1..EVENTS).contains(&taken), "{taken} commits for {EVENTS} events");
}

/// G1, O-043: one instance, whose constructor runs once.
#[test]
fn a_burst_of_first_requests_makes_one_instance() {
    let host = probe::host(&[]);
    let seen = parallel(100, |_| Probe::new(&host, "new").get("/mem").json());
    let mut counts: Vec<_> = seen.iter().map(|seen| seen["count"].as_u64().unwrap()).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=100).collect::<Vec<_>>());
    for other in &seen {
        assert_eq!(other["init"], 1);
        assert_eq!(other["instance"], seen[0]["instance"]);
    }
}

/// G2, O-040: an event sees what the one before left, however long it sleeps between read and
/// write.
#[test]
fn no_event_begins_before_the_one_before_has_ended() {
    const EVENTS: usize = 20;
    let host = probe::host(&[]);
    let mut found = parallel(EVENTS, |n| {
        let steps = json!([{ "get": "last" }, { "sleep": 10 }, { "put": ["last", n.to_string()] }]);
        Probe::new(&host, "a").run(steps)[0].as_str().map(str::to_owned)
    });
    found.push(Probe::new(&host, "a").value("last").as_str().map(str::to_owned));
    // Each event's mark was found by exactly one successor, and the first one found nothing.
    let mut marks: Vec<_> = found.into_iter().flatten().collect();
    marks.sort_unstable();
    marks.dedup();
    assert_eq!(marks.len(), EVENTS);
}

/// G2, O-041.
#[test]
fn requests_of_one_connection_are_handled_in_order() {
    let host = probe::host(&[]);
    let mut wire = Wire::new(host.ingress());
    let sleeps = [9, 0, 5, 1, 7, 0, 3, 8, 2, 0, 6, 4];
    for ms in sleeps {
        wire.send(format!("GET /probe/a/slow?ms={ms} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    }
    let counts: Vec<String> = sleeps.iter().map(|_| wire.reply().text()).collect();
    let expected: Vec<String> = (1..=sleeps.len()).map(|n| n.to_string()).collect();
    assert_eq!(counts, expected);
}

/// G7: the busy object sleeps for longer than the test may take.
#[test]
fn a_busy_object_holds_up_no_other() {
    let host = probe::host(&[]);
    let _busy = Probe::new(&host, "busy").occupy(&host, json!([{ "sleep": 50_000 }]));
    for n in 1..=20 {
        assert_eq!(host.client().count("/probe/other/increment"), n);
    }
}

/// G11, O-056: as many as the limit says wait, the others are told so at once.
#[test]
fn overload_is_a_503_that_says_when_to_retry() {
    const SENT: usize = 20;
    let host = probe::host(&["--queue-limit", "5"]);
    let _busy = Probe::new(&host, "busy").occupy(&host, json!([{ "sleep": 50_000 }]));
    let (answered, answers) = mpsc::channel();
    for _ in 0..SENT {
        let (client, answered) = (host.client(), answered.clone());
        std::thread::spawn(move || {
            // Those who wait are cut off at the end of the test.
            if let Ok(answer) = client.try_send("GET", "/probe/busy/increment", &[], b"") {
                _ = answered.send(answer);
            }
        });
    }
    for _ in 5..SENT {
        let answer = answers.recv().unwrap();
        let problem = answer.problem(503, "overloaded");
        assert_eq!(answer.header("retry-after").as_deref(), Some("1"));
        assert_eq!(problem["retryable"], true);
        assert_eq!(problem["retry_after_ms"], 1_000);
        assert_eq!(problem["class"], "probe");
        assert!(problem["detail"].as_str().unwrap().contains("limit is 5"), "{problem}");
    }
    assert_eq!(host.client().count("/probe/other/increment"), 1);
}

/// G1: the same object by its name and by its id is one object.
#[test]
fn name_and_id_lead_to_the_same_instance() {
    let host = probe::host(&[]);
    let by_name = Probe::new(&host, "a");
    let id = by_name.get("/ctx").json()["id"].as_str().unwrap().to_owned();
    let by_id = Probe::new(&host, &format!("@{id}"));
    let instance = |probe: &Probe| -> Value { probe.get("/mem").json()["instance"].take() };
    assert_eq!(instance(&by_name), instance(&by_id));
}

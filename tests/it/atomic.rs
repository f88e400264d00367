//! Events are atomic: a fault leaves nothing of its event, and the next event works.

use serde_json::{Value, json};
use tests::{
    client::Answer,
    host::Host,
    probe::{self, Probe, scripted},
};

/// What must never be in an answer: paths, backtraces, names of what the host is made of.
const INTERNALS: [&str; 6] = ["backtrace", ".rs", "/home", "/tmp", "wasmtime", "<unknown>"];

#[track_caller]
fn told_nothing_internal(answer: &Answer) {
    let text = answer.text();
    for internal in INTERNALS {
        assert!(!text.contains(internal), "{internal:?} is in {text}");
    }
}

/// Runs two writes and then this step; it must fail so, be undone, and be safe to retry.
#[track_caller]
fn undone(host: &Host, name: &str, step: Value, status: u16, kind: &str) -> Value {
    let object = Probe::new(host, name);
    object.run(json!([{ "put": ["a", "old"] }, { "put": ["b", "old"] }]));
    let answer = object.try_run(json!([{ "put": ["a", "new"] }, { "del": "b" }, step]));
    let problem = answer.problem(status, kind);
    told_nothing_internal(&answer);
    assert_eq!(problem["retryable"], true, "{problem}");
    let both = object.run(json!([{ "get": "a" }, { "get": "b" }]));
    assert_eq!(both, json!(["old", "old"]), "{kind}");
    problem
}

/// G3, G9, O-017.
#[test]
fn a_trap_undoes_its_event() {
    let host = probe::host(&[]);
    let problem = undone(&host, "x", json!("trap"), 500, "trap");
    assert_eq!(problem["class"], "probe");
    assert_eq!(problem["object"], Probe::new(&host, "x").get("/ctx").json()["id"]);
    let event = problem["event"].as_str().unwrap();
    assert!(host.log().contains(event), "the answer's event is found in the log: {problem}");
}

/// G3, O-094: the message of the panic is in the log, for the author, not in the answer.
#[test]
fn a_panic_undoes_its_event_and_is_logged() {
    let host = probe::host(&[]);
    let problem = undone(&host, "x", json!({ "panic": "inner words" }), 500, "trap");
    assert!(!problem.to_string().contains("inner words"), "{problem}");
    assert!(host.log().contains("inner words"));
}

/// G3, O-094: the guest chooses message and status; out of range, the status is 500.
#[test]
fn a_returned_error_undoes_its_event_and_is_passed_on() {
    let host = probe::host(&[]);
    let problem = undone(&host, "x", json!({ "fail": "no \u{e4}pples" }), 500, "returned-error");
    assert_eq!(problem["detail"], "no \u{e4}pples");
    let problem = undone(&host, "x", json!({ "fail": ["taken", 409] }), 409, "returned-error");
    assert_eq!(problem["detail"], "taken");
    undone(&host, "x", json!({ "fail": ["fine", 200] }), 500, "returned-error");
}

/// A message beyond the limit is cut, at a character.
#[test]
fn a_long_message_of_an_error_is_cut() {
    let host = probe::host(&[]);
    let problem =
        undone(&host, "x", json!({ "fail": "\u{e4}".repeat(5_000) }), 500, "returned-error");
    assert_eq!(problem["detail"].as_str().unwrap(), "\u{e4}".repeat(2_048));
}

/// G3, O-077.
#[test]
fn an_exit_undoes_its_event() {
    let host = probe::host(&[]);
    for code in [0, 1] {
        undone(&host, "x", json!({ "exit": code }), 500, "exited");
    }
}

/// G3: what cannot be sent is not stored either.
#[test]
fn an_illegal_response_undoes_its_event() {
    let host = probe::host(&[]);
    let object = Probe::new(&host, "x");
    for illegal in [json!({ "status": 99 }), json!({ "headers": [["x", "a\r\nb: c"]] })] {
        let mut script = illegal;
        script["put"] = json!(["a", "new"]);
        let answer = object.get(&scripted(script));
        assert_eq!(answer.problem(500, "invalid-response")["retryable"], true);
        assert_eq!(object.value("a"), Value::Null);
    }
    let answer = object.get(&scripted(json!({ "put": ["a", "new"] })));
    assert_eq!((answer.status, object.value("a")), (200, json!("new")));
}

/// G9, O-048.
#[test]
fn a_hundred_traps_and_a_hundred_successes_alternate() {
    let host = probe::host(&[]);
    let object = Probe::new(&host, "x");
    for n in 1..=100 {
        object.try_run(json!([{ "put": ["value", "-1"] }, "trap"])).problem(500, "trap");
        assert_eq!(host.client().count("/probe/x/increment"), n);
    }
}

/// G9: memory may know of what was undone, so it goes as well; an error without writes keeps it.
#[test]
fn memory_goes_with_the_writes_that_are_undone() {
    let host = probe::host(&[]);
    let object = Probe::new(&host, "x");
    let instance = || -> Value { object.get("/mem").json()["instance"].take() };
    let first = instance();
    object.try_run(json!([{ "fail": "no" }])).problem(500, "returned-error");
    assert_eq!(instance(), first, "nothing was undone");
    object.try_run(json!([{ "put": ["a", "1"] }, { "fail": "no" }])).problem(500, "returned-error");
    let second = instance();
    assert_ne!(second, first);
    object.try_run(json!(["trap"])).problem(500, "trap");
    assert_ne!(instance(), second);
}

/// G3: the part before `sync` stays, and the answer says that a retry is not safe.
#[test]
fn a_fault_after_a_sync_keeps_what_was_synced_and_says_so() {
    let host = probe::host(&[]);
    let object = Probe::new(&host, "x");
    let faults = [("trap", json!("trap")), ("returned-error", json!({ "fail": "no" }))];
    for (kind, fault) in faults {
        object.run(json!(["deleteAll"]));
        let steps = json!([{ "put": ["a", "1"] }, "sync", { "put": ["b", "1"] }, fault]);
        assert_eq!(object.try_run(steps).problem(500, kind)["retryable"], false);
        assert_eq!(object.run(json!([{ "get": "a" }, { "get": "b" }])), json!(["1", null]));
    }
}

/// G3: nothing was written before the sync, so nothing stays.
#[test]
fn a_fault_after_an_empty_sync_is_safe_to_retry() {
    let host = probe::host(&[]);
    let answer = Probe::new(&host, "x").try_run(json!(["sync", { "put": ["a", "1"] }, "trap"]));
    assert_eq!(answer.problem(500, "trap")["retryable"], true);
}

/// O-019, O-020: transactions of the SDK are savepoints; reads in them see their writes, and
/// `deleteAll` takes part.
#[test]
fn savepoints_undo_what_came_after_them() {
    let host = probe::host(&[]);
    let object = Probe::new(&host, "x");
    object.run(json!([{ "put": ["a", "1"] }]));
    let inner = json!({ "tx": [[{ "put": ["b", "2"] }, { "get": "b" }], "rollback"] });
    let outer = json!({ "tx": [[{ "put": ["a", "2"] }, inner, { "get": "b" }], "commit"] });
    let results = object.run(json!([outer, { "list": {} }]));
    assert_eq!(results[0], json!([null, [null, "2"], null]));
    assert_eq!(results[1], json!([["a", "2"]]));

    let cleared =
        json!({ "tx": [[{ "put": ["x", "1"] }, "deleteAll", { "list": {} }], "rollback"] });
    assert_eq!(object.run(json!([cleared]))[0][2], json!([]));
    assert_eq!(object.run(json!([{ "list": {} }]))[0], json!([["a", "2"]]));
}

#[test]
fn an_unknown_savepoint_is_an_error_value_and_the_event_goes_on() {
    let host = probe::host(&[]);
    let results = Probe::new(&host, "x").run(json!([
        { "rollbackTo": 7 }, "savepoint", "sync", { "put": ["a", "1"] }, { "get": "a" },
    ]));
    assert_eq!(results[0], json!({ "error": "no-such-savepoint", "savepoint": 7 }));
    assert_eq!(results[4], "1");
}

/// Whatever its number is.
#[test]
fn a_sync_releases_the_savepoints() {
    let host = probe::host(&[]);
    let mut steps = vec![json!("savepoint"), json!({ "put": ["a", "1"] }), json!("sync")];
    steps.extend((0..8).map(|number| json!({ "rollbackTo": number })));
    let results = Probe::new(&host, "x").run(json!(steps));
    assert!(results[0].as_u64().unwrap() < 8);
    for refused in &results.as_array().unwrap()[3..] {
        assert_eq!(refused["error"], "no-such-savepoint");
    }
    assert_eq!(Probe::new(&host, "x").value("a"), "1");
}

//! Limits of one event: what exceeds them is undone, named, and harms nobody else.

use std::fs;

use serde_json::{Value, json};
use tests::{
    host::Host,
    parallel::parallel,
    probe::{self, Probe},
};

/// The event fails so, leaves nothing, and the object goes on.
#[track_caller]
fn stopped(host: &Host, name: &str, step: Value, status: u16, kind: &str) -> String {
    let object = Probe::new(host, name);
    let answer = object.try_run(json!([{ "put": ["value", "-1"] }, step]));
    let problem = answer.problem(status, kind);
    assert_eq!(problem["retryable"], true);
    assert_eq!(host.client().count(&format!("/probe/{name}/increment")), 1);
    problem["detail"].as_str().unwrap().to_owned()
}

/// O-052: the memory comes back with the next instance.
#[test]
fn too_much_memory_ends_the_event_only() {
    let host = probe::host(&["--memory-limit", "16MiB"]);
    let detail = stopped(&host, "x", json!({ "grow": 64 }), 500, "out-of-memory");
    assert!(detail.contains("16777216"), "{detail}");
    let object = Probe::new(&host, "x");
    for _ in 0..20 {
        object.try_run(json!([{ "grow": 64 }])).problem(500, "out-of-memory");
        object.run(json!([{ "grow": 8 }]));
    }
}

/// O-050.
#[test]
fn an_endless_loop_is_stopped_at_the_cpu_limit() {
    let host = probe::host(&["--cpu-limit", "300ms"]);
    let details =
        parallel(4, |n| stopped(&host, &format!("loop-{n}"), json!("loop"), 500, "cpu-limit"));
    for detail in details {
        assert!(detail.contains("300 ms"), "{detail}");
    }
}

/// G7, O-050: the loops go on for longer than the test may take.
#[test]
fn endless_loops_hold_up_no_other_object() {
    let host = probe::host(&["--cpu-limit", "10m", "--event-timeout", "10m"]);
    for n in 0..4 {
        drop(Probe::new(&host, &format!("loop-{n}")).occupy(&host, json!(["loop"])));
    }
    for n in 1..=10 {
        assert_eq!(host.client().count("/counter/a/increment"), n);
    }
}

/// O-051: the time also runs while the guest waits in the host.
#[test]
fn an_event_that_sleeps_too_long_is_stopped() {
    let host = probe::host(&["--event-timeout", "400ms"]);
    let detail = stopped(&host, "x", json!({ "sleep": 600_000 }), 504, "event-timeout");
    assert!(detail.contains("400 ms"), "{detail}");
}

/// O-051: the time begins with the event, not with its wait for the object.
#[test]
fn an_event_has_all_of_its_time_however_long_it_waited() {
    let host = probe::host(&["--event-timeout", "3s"]);
    let busy = Probe::new(&host, "x").occupy(&host, json!([{ "sleep": 600_000 }]));
    // Waits for almost 3 s, then needs 1 s.
    Probe::new(&host, "x").run(json!([{ "sleep": 1_000 }]));
    busy.join().unwrap().unwrap().problem(504, "event-timeout");
}

/// O-049: neither memory nor file descriptors.
#[test]
fn instances_that_trapped_leave_nothing_behind() {
    let host = probe::host(&[]);
    let pid = host.pid().as_raw_nonzero();
    let resident_kib = || -> u64 {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let files = || fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let object = Probe::new(&host, "x");
    let trap = |times: u32| {
        for _ in 0..times {
            object.try_run(json!([{ "put": ["a", "1"] }, "trap"])).problem(500, "trap");
        }
    };
    trap(200);
    let (memory_before, files_before) = (resident_kib(), files());
    trap(800);
    assert!(resident_kib() < memory_before + 20 * 1_024, "{memory_before} {}", resident_kib());
    assert!(files() <= files_before + 4, "{files_before} {}", files());
}

/// The limit is on what is not yet committed: a sync makes room.
#[test]
fn too_many_writes_are_an_error_value() {
    let host = probe::host(&["--write-limit", "1MiB"]);
    let object = Probe::new(&host, "x");
    let half = |key: &str| json!({ "put": [key, { "zeros": 600_000 }] });
    let results = object.run(json!([half("a"), half("b"), { "del": "a" }, { "list": {} }]));
    assert_eq!(results[1]["error"], "event-too-large");
    assert_eq!(results[1]["limit"], 1_048_576);
    assert_eq!(results[3], json!([]));
    let results = object.run(json!([half("a"), "sync", half("b")]));
    assert_eq!(results, json!([null, null, null]));
}

/// G11: a body beyond the limit is undone too, and named.
#[test]
fn a_response_body_over_the_limit_is_a_500() {
    let host = probe::host(&["--body-limit", "1000B"]);
    let object = Probe::new(&host, "x");
    let path = |zeros: u32| probe::scripted(json!({ "bodyZeros": zeros, "put": ["a", "1"] }));
    let problem = object.get(&path(1_001)).problem(500, "body-too-large");
    assert!(problem["detail"].as_str().unwrap().contains("1000"), "{problem}");
    assert_eq!(object.value("a"), Value::Null);
    assert_eq!(object.get(&path(1_000)).body.len(), 1_000);
}

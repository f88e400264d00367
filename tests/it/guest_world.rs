//! What a guest finds around it: clocks, random numbers, a log, its own identity, nothing else.

use std::{
    collections::HashSet,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::json;
use tests::{
    guest,
    host::await_until,
    probe::{self, Probe},
};

/// G7, O-116: the server's own environment and arguments are not seen either.
#[test]
fn a_guest_reaches_nothing_of_the_machine() {
    let host = probe::host(&[]);
    let reach = Probe::new(&host, "x").get("/env").json();
    assert_eq!((&reach["vars"], &reach["args"]), (&json!([]), &json!([])), "{reach}");
    for way in ["readRoot", "readPasswd", "writeFile"] {
        assert!(reach[way]["error"].is_string(), "{reach}");
    }
}

/// O-118: in each object, in each instance of it, and over restarts.
#[test]
fn random_numbers_never_repeat() {
    let mut host = probe::host(&["--idle-timeout", "0s"]);
    let mut seen = HashSet::new();
    for _ in 0..2 {
        for n in 0..50 {
            let random = Probe::new(&host, &format!("o{}", n % 25)).run(json!(["random"]));
            assert!(seen.insert(random[0].as_str().unwrap().to_owned()), "{random} came twice");
        }
        host.kill();
        host.start_again();
    }
}

/// The clock is the machine's and goes on while the guest waits.
#[test]
#[expect(clippy::disallowed_methods, reason = "compared with the clock of the guest")]
fn the_clock_is_right_and_goes_on() {
    let host = probe::host(&[]);
    let milliseconds = || {
        u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
    };
    let before = milliseconds();
    let results = Probe::new(&host, "x").run(json!(["now", { "sleep": 30 }, "now"]));
    let after = milliseconds();
    let (first, second) = (results[0].as_u64().unwrap(), results[2].as_u64().unwrap());
    assert!(
        before <= first && first + 20 <= second && second <= after,
        "{before} {results} {after}"
    );
}

/// Lines of the log and of stdout and stderr carry class, object and version.
#[test]
fn what_a_guest_says_is_in_the_log_with_its_identity() {
    let host = probe::host(&[]);
    let object = Probe::new(&host, "x");
    let id = object.get("/ctx").json()["id"].as_str().unwrap().to_owned();
    object.run(json!([{ "log": 1 }, { "print": 1 }]));
    for text in ["line n=\"1\"", "out 1", "err 1"] {
        await_until("the line is logged", || host.log().contains(text));
        let log = host.log();
        let line = log.lines().find(|line| line.contains(text)).unwrap();
        assert!(line.contains("class=probe") && line.contains(&id), "{line}");
        assert!(line.contains("version=1"), "{line}");
    }
}

/// The log can be had for machines: every line is JSON.
#[test]
fn the_log_for_machines_is_json() {
    let host = probe::host(&["--log-json"]);
    Probe::new(&host, "x").run(json!([{ "log": 1 }]));
    Probe::new(&host, "x").try_run(json!(["trap"])).problem(500, "trap");
    let log = host.log();
    for line in log.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    assert!(log.contains("\"class\":\"probe\""), "{log}");
}

/// G7: an event may log 1,000 lines; what it says beyond is counted. The next event may log again.
#[test]
fn a_flood_of_log_lines_is_bounded_and_counted() {
    let host = probe::host(&[]);
    let object = Probe::new(&host, "x");
    object.run(json!([{ "log": 5_000 }, { "print": 3_000 }]));
    await_until("the rest is counted", || host.log().contains("10000 more lines"));
    assert_eq!(host.log_count("line n="), 1_000);
    assert_eq!(host.log_count("out "), 0);
    object.run(json!([{ "print": 1 }]));
    await_until("the next event logs", || host.log_count("out 1") == 1);
}

/// A control character cannot forge a line of the log.
#[test]
fn a_guest_cannot_forge_lines_of_the_log() {
    let host = probe::host(&[]);
    let words = "first\n2026-01-01T00:00:00Z ERROR forged";
    Probe::new(&host, "x").try_run(json!([{ "fail": words }])).problem(500, "returned-error");
    await_until("the fault is logged", || host.log().contains("returned-error"));
    assert!(!host.log().lines().any(|line| line.starts_with("2026-01-01T00:00:00Z ERROR")));
}

/// The context names class, object and version, and the version changes with a deploy.
#[test]
fn the_context_is_the_objects_own() {
    let host = probe::host(&[]);
    host.deploy("second", guest::COUNTER);
    host.deploy("second", guest::PROBE);
    let first = Probe::new(&host, "x").get("/ctx").json();
    let second = host.client().get("/second/x/ctx").json();
    assert_eq!((&first["class"], &first["version"]), (&json!("probe"), &json!(1)));
    assert_eq!((&second["class"], &second["version"]), (&json!("second"), &json!(2)));
    assert_eq!((&first["name"], &second["name"]), (&json!("x"), &json!("x")));
    assert_ne!(first["id"], second["id"], "ids belong to a class");
    assert_eq!(first["id"].as_str().unwrap().len(), 64);
}

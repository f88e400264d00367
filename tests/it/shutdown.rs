//! Starting and stopping: one server per data directory; a stop drains.

use rustix::process::Signal;
use serde_json::json;
use tests::{
    host::{Host, await_until},
    probe::{self, Probe},
    raw::Wire,
    terminal,
};

/// O-107. The lock of a killed server is covered by all tests of `crash`.
#[test]
fn a_second_server_on_the_same_data_is_refused_and_harms_nobody() {
    let host = Host::start(&[]);
    assert_eq!(host.client().count("/counter/a/increment"), 1);
    let ended = terminal::run(host.command());
    let data = host.data();
    ended.refused(&["in use by another process", data.to_str().unwrap(), "--data-dir"]);
    assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{}", ended.stderr);
    assert_eq!(host.client().count("/counter/a/increment"), 2);
}

/// O-109: the running event ends with its answer, a new one is refused, and the exit code is 0.
#[track_caller]
fn drains(signal: Signal) {
    let mut host = probe::host(&[]);
    let slow = Probe::new(&host, "slow");
    let mut early = Wire::new(host.ingress());
    let running = slow.occupy(&host, json!([{ "put": ["a", "1"] }, { "sleep": 2_000 }]));
    let waiting = {
        let client = host.client();
        early.send(b"GET /counter/x/ HTTP/1.1\r\nhost: x\r\n\r\n");
        assert_eq!(early.reply().status, 200);
        std::thread::spawn(move || client.try_send("GET", "/probe/slow/increment", &[], b""))
    };
    host.signal(signal);
    await_until("the stop begins", || host.log().contains("stopping"));
    early.send(b"GET /counter/x/increment HTTP/1.1\r\nhost: x\r\n\r\n");
    let refused = early.reply();
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains("urn:abide:error:stopping"), "{}", refused.text());
    assert!(refused.text().contains("\"retryable\":true"), "{}", refused.text());

    let answer = running.join().unwrap().expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let status = host.wait();
    assert!(status.success(), "{status}: {}", host.log());
    // It was refused in the queue, or came after the last answer.
    if let Ok(answer) = waiting.join().unwrap() {
        answer.problem(503, "stopping");
    }
    host.start_again();
    assert_eq!(slow_value(&host), json!(["1", null]));
    assert_eq!(host.client().count("/counter/x/"), 0);
}

fn slow_value(host: &Host) -> serde_json::Value {
    Probe::new(host, "slow").run(json!([{ "get": "a" }, { "get": "value" }]))
}

#[test]
fn sigterm_drains() {
    drains(Signal::TERM);
}

#[test]
fn ctrl_c_drains() {
    drains(Signal::INT);
}

/// O-109: the event would take longer than the test may.
#[test]
fn a_second_signal_stops_at_once() {
    let mut host = probe::host(&["--drain-timeout", "10m", "--event-timeout", "10m"]);
    let object = Probe::new(&host, "a");
    let _running = object.occupy(&host, json!([{ "put": ["a", "1"] }, { "sleep": 500_000 }]));
    host.signal(Signal::TERM);
    await_until("the stop begins", || host.log().contains("stopping"));
    assert!(host.runs());
    host.signal(Signal::TERM);
    assert!(!host.wait().success());
    host.start_again();
    assert!(Probe::new(&host, "a").value("a").is_null(), "no half event");
}

/// O-109: an event that does not end in time leaves no trace, and the stop is still in order.
#[test]
fn the_drain_has_an_end() {
    let mut host = probe::host(&["--drain-timeout", "300ms"]);
    let object = Probe::new(&host, "a");
    let _running = object.occupy(&host, json!([{ "put": ["a", "1"] }, { "sleep": 50_000 }]));
    host.signal(Signal::TERM);
    assert!(host.wait().success());
    assert!(host.log().contains("events were still running"));
    host.start_again();
    assert!(Probe::new(&host, "a").value("a").is_null(), "no half event");
}

#[test]
fn an_idle_connection_does_not_hold_up_the_stop() {
    let mut host = Host::start(&["--drain-timeout", "10m"]);
    let mut idle = Wire::new(host.ingress());
    idle.send(b"GET /counter/a/ HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(idle.reply().status, 200);
    let _untouched = Wire::new(host.ingress());
    host.signal(Signal::TERM);
    assert!(host.wait().success());
    assert_eq!(idle.rest(), "");
}

/// A port that is taken is named.
#[test]
fn a_listener_that_is_taken_is_named() {
    let first = Host::start(&[]);
    let address = first.ingress().trim_start_matches("http://").to_owned();
    let mut command = tests::host::program();
    command.args(["serve", "--control", "127.0.0.1:0", "--ingress", &address, "--data-dir"]);
    command.arg(first.path("other-data"));
    terminal::run(command).refused(&[&address, "ingress"]);
}

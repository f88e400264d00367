//! Instances leave memory and come back: nothing but memory changes.

use serde_json::json;
use tests::{
    host::{Host, await_until},
    parallel::parallel,
    probe::{self, Probe},
};

fn live_objects(host: &Host) -> u64 {
    host.control().get("/v1/server").json()["live_objects"].as_u64().unwrap()
}

/// O-046.
#[test]
fn an_idle_object_leaves_memory_and_keeps_its_storage() {
    let host = probe::host(&["--idle-timeout", "100ms"]);
    let object = Probe::new(&host, "x");
    object.run(json!([{ "put": ["k", "v"] }]));
    let memory = || object.get("/mem").json();
    let first = memory();
    await_until("the object leaves memory", || live_objects(&host) == 0);
    let second = memory();
    assert_ne!(first["instance"], second["instance"]);
    assert_eq!((&second["count"], &second["init"]), (&json!(1), &json!(1)));
    assert_eq!(object.value("k"), "v");
}

/// O-046: eviction under load, with writes on their way to the disk, is never seen by a client.
#[test]
fn no_update_is_lost_while_objects_come_and_go() {
    const EACH: usize = 60;
    let host = Host::start(&["--idle-timeout", "0s", "--instance-limit", "4"]);
    let counts = parallel(8, |n| {
        let client = host.client();
        let path = format!("/counter/c{}/increment", n % 4);
        (0..EACH).map(|_| client.count(&path)).collect::<Vec<_>>()
    });
    for object in 0..4 {
        let mut numbers = [counts[object].clone(), counts[object + 4].clone()].concat();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=2 * i64::try_from(EACH).unwrap()).collect::<Vec<_>>());
    }
}

/// A busy object is not idle, however long it takes.
#[test]
fn a_busy_object_stays() {
    let host = probe::host(&["--idle-timeout", "20ms"]);
    let object = Probe::new(&host, "x");
    let steps = json!([{ "put": ["k", "1"] }, { "sleep": 500 }, { "get": "k" }]);
    assert_eq!(object.run(steps)[2], "1");
}

/// O-053: idle ones make room.
#[test]
fn more_objects_than_instances_all_work() {
    const OBJECTS: usize = 200;
    let host = probe::host(&["--instance-limit", "8"]);
    for round in 1..=2 {
        for n in 0..OBJECTS {
            assert_eq!(host.client().count(&format!("/probe/o{n}/increment")), round);
        }
    }
    assert!(live_objects(&host) < 200);
}

/// O-053: concurrently too; an event waits for an instance.
#[test]
fn more_objects_than_instances_work_at_the_same_time() {
    let host = probe::host(&["--instance-limit", "8"]);
    let counts = parallel(40, |n| host.client().count(&format!("/probe/o{n}/slow?ms=50")));
    assert_eq!(counts, vec![1; 40]);
}

/// G11, O-053: waiting has an end, and the answer says that a retry is safe.
#[test]
fn when_all_instances_are_busy_the_answer_is_503() {
    let host = probe::host(&["--instance-limit", "2", "--event-timeout", "10m"]);
    let busy = |name: &str| {
        drop(Probe::new(&host, name).occupy(&host, json!([{ "sleep": 500_000 }])));
    };
    busy("a");
    busy("b");
    let answer = host.client().get("/probe/c/increment");
    let problem = answer.problem(503, "no-capacity");
    assert_eq!(problem["retryable"], true);
    assert_eq!(answer.header("retry-after").as_deref(), Some("1"));
    assert!(problem["detail"].as_str().unwrap().contains('2'), "{problem}");
}

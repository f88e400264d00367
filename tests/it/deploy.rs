//! Versions of a class: uploaded, taken over, taken back, removed.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    thread,
};

use serde_json::{Value, json};
use tests::{
    client::{Answer, Client},
    guest,
    host::Host,
    parallel::parallel,
    probe::{self, Probe},
};

#[track_caller]
fn put(host: &Host, class: &str, component: &[u8]) -> Answer {
    host.control().put(&format!("/v1/classes/{class}"), component)
}

/// By how much an answer of a counter has counted.
fn step(answer: &Answer) -> i64 {
    if answer.header("x-counter").as_deref() == Some("twice") { 2 } else { 1 }
}

#[track_caller]
fn increment(client: &Client, path: &str) -> (i64, i64) {
    let answer = client.get(path);
    assert_eq!(answer.status, 200, "{}", answer.text());
    (answer.text().parse().unwrap(), step(&answer))
}

fn code_files(host: &Host) -> Vec<PathBuf> {
    let entries = fs::read_dir(host.data().join("code")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn an_uploaded_class_is_listed_and_described() {
    let host = Host::start(&[]);
    let answer = put(&host, "mine", guest::COUNTER_TWICE);
    assert_eq!(answer.status, 201);
    let deployed = answer.json();
    assert_eq!((&deployed["class"], &deployed["version"]), (&json!("mine"), &json!(1)));
    assert_eq!(deployed["unchanged"], false);
    assert_eq!(deployed["size"], guest::COUNTER_TWICE.len());
    let digest = deployed["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    assert_eq!(digest.len(), 64);

    let listed = host.control().get("/v1/classes").json();
    let names: Vec<_> =
        listed["classes"].as_array().unwrap().iter().map(|class| class["class"].clone()).collect();
    assert_eq!(names, ["counter", "mine"]);
    let described = host.control().get("/v1/classes/mine").json();
    assert_eq!(described["digest"], deployed["digest"]);
    assert_eq!(described["versions"].as_array().unwrap().len(), 1);
    host.control().get("/v1/classes/nothing").problem(404, "class-not-found");
}

/// O-059.
#[test]
fn the_same_bytes_again_change_nothing_and_say_so() {
    let host = Host::start(&[]);
    put(&host, "mine", guest::COUNTER);
    for _ in 0..3 {
        let again = put(&host, "mine", guest::COUNTER);
        assert_eq!(again.status, 200);
        assert_eq!(
            (&again.json()["unchanged"], &again.json()["version"]),
            (&json!(true), &json!(1))
        );
    }
    assert_eq!(
        host.control().get("/v1/classes/mine").json()["versions"].as_array().unwrap().len(),
        1
    );
    assert_eq!(put(&host, "other", guest::COUNTER).status, 201, "for another class they are new");
}

/// O-059: of many uploads at the same time each is one version or none, and the last one runs.
#[test]
fn uploads_at_the_same_time_become_versions_one_after_the_other() {
    let host = Host::start(&[]);
    let components = [guest::COUNTER, guest::COUNTER_TWICE];
    let answers = parallel(8, |n| put(&host, "mine", components[n % 2]));
    let mut made: Vec<u64> = Vec::new();
    for answer in &answers {
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
        if answer.status == 201 {
            made.push(answer.json()["version"].as_u64().unwrap());
        }
    }
    made.sort_unstable();
    assert_eq!(made, (1..=made.len() as u64).collect::<Vec<_>>());
    let described = host.control().get("/v1/classes/mine").json();
    assert_eq!(described["version"], made.len());
}

/// G10, O-061: back to the first version, and the objects keep their state.
#[test]
fn any_version_can_be_deployed_again_and_the_state_goes_on() {
    let mut host = Host::start(&[]);
    let count = |host: &Host| increment(&host.client(), "/mine/a/increment");
    let deploy = |host: &Host, component, version: u32| {
        assert_eq!(host.deploy("mine", component)["version"], version);
    };
    deploy(&host, guest::COUNTER, 1);
    assert_eq!(count(&host), (1, 1));
    deploy(&host, guest::COUNTER_TWICE, 2);
    assert_eq!(count(&host), (3, 2));
    deploy(&host, guest::COUNTER, 3);
    assert_eq!(count(&host), (4, 1));
    host.kill();
    host.start_again();
    assert_eq!(count(&host), (5, 1));
    assert_eq!(host.control().get("/v1/classes/mine").json()["version"], 3);
}

/// G10, O-057: no request fails, no count is lost, and after the answer to a deploy the new version
/// runs.
#[test]
fn deploys_while_busy_are_not_noticed() {
    let host = Host::start(&[]);
    host.deploy("mine", guest::COUNTER);
    let (over, counted) = (AtomicBool::new(false), AtomicI64::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (client, mut last) = (host.client(), 0);
                while !over.load(Ordering::Relaxed) {
                    let (number, step) = increment(&client, "/mine/hot/increment");
                    assert!(number > last);
                    last = number;
                    counted.fetch_add(step, Ordering::Relaxed);
                }
            });
        }
        let versions = [(guest::COUNTER_TWICE, 2), (guest::COUNTER, 1)];
        let client = host.client();
        for (component, expected) in versions.into_iter().cycle().take(10) {
            host.deploy("mine", component);
            let (_, step) = increment(&client, "/mine/hot/increment");
            counted.fetch_add(step, Ordering::Relaxed);
            // Checked at the end of the scope: a panic here would leave the threads running.
            if step != expected {
                over.store(true, Ordering::Relaxed);
            }
            assert_eq!(step, expected);
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(host.client().count("/mine/hot/"), counted.into_inner());
}

/// O-058.
#[test]
fn a_refused_upload_leaves_the_running_version_alone() {
    let host = Host::start(&[]);
    host.deploy("mine", guest::COUNTER_TWICE);
    assert_eq!(increment(&host.client(), "/mine/a/increment"), (2, 2));
    for refused in [&b"garbage"[..], guest::NO_HANDLER, guest::WANTS_UNKNOWN] {
        put(&host, "mine", refused).problem(422, "invalid-component");
        put(&host, "new", refused).problem(422, "invalid-component");
    }
    assert_eq!(increment(&host.client(), "/mine/a/increment"), (4, 2));
    assert_eq!(
        host.control().get("/v1/classes/mine").json()["versions"].as_array().unwrap().len(),
        1
    );
    host.control().get("/v1/classes/new").problem(404, "class-not-found");
}

#[test]
fn a_class_without_objects_is_removed() {
    let host = Host::start(&[]);
    host.deploy("mine", guest::COUNTER);
    // Looked at only: nothing is stored.
    assert_eq!(host.client().count("/mine/a/"), 0);
    let removed = host.control().delete("/v1/classes/mine");
    assert_eq!((removed.status, removed.body.len()), (204, 0));
    host.client().get("/mine/a/").problem(404, "class-not-found");
    host.control().delete("/v1/classes/mine").problem(404, "class-not-found");
}

/// O-062: and what is deployed under the name afterwards starts empty, under other ids.
#[test]
fn a_class_with_objects_is_removed_only_with_them() {
    let mut host = Host::start(&[]);
    host.deploy("mine", guest::COUNTER);
    assert_eq!(host.client().count("/mine/a/increment"), 1);
    let objects = |host: &Host| -> Value {
        host.control().get("/v1/classes/mine/objects").json()["objects"].take()
    };
    let id = objects(&host)[0]["id"].as_str().unwrap().to_owned();
    let problem = host.control().delete("/v1/classes/mine").problem(409, "class-not-empty");
    assert!(problem["detail"].as_str().unwrap().contains("?objects=delete"), "{problem}");
    host.control().delete("/v1/classes/mine?objects=yes").problem(400, "bad-request");
    assert_eq!(host.client().count("/mine/a/increment"), 2);

    assert_eq!(host.control().delete("/v1/classes/mine?objects=delete").status, 204);
    host.client().get("/mine/a/increment").problem(404, "class-not-found");
    assert_eq!(host.deploy("mine", guest::COUNTER)["version"], 1);
    assert_eq!(objects(&host), json!([]));
    host.client().get(&format!("/mine/@{id}/")).problem(404, "id-not-of-class");
    assert_eq!(host.client().count("/mine/a/increment"), 1);
    host.kill();
    host.start_again();
    assert_eq!(host.client().count("/mine/a/increment"), 2);
}

/// Requests in flight end with their answer or with the reason; none hangs, none succeeds later.
#[test]
fn a_removal_while_busy_ends_all_requests() {
    let host = Host::start(&[]);
    host.deploy("mine", guest::COUNTER);
    thread::scope(|scope| {
        for n in 0..4 {
            let host = &host;
            scope.spawn(move || {
                let client = host.client();
                loop {
                    let answer = client.get(&format!("/mine/a{n}/increment"));
                    if answer.status != 200 {
                        answer.problem(404, "class-not-found");
                        break;
                    }
                }
            });
        }
        assert_eq!(host.client().count("/counter/x/increment"), 1);
        assert_eq!(host.control().delete("/v1/classes/mine?objects=delete").status, 204);
    });
    host.deploy("mine", guest::COUNTER);
    for n in 0..4 {
        assert_eq!(host.client().count(&format!("/mine/a{n}/")), 0);
    }
}

/// G11: what an event stores while its class is about to be removed is not dropped silently.
#[test]
fn a_class_whose_running_event_stores_something_is_not_removed() {
    let host = probe::host(&[]);
    let object = Probe::new(&host, "a");
    let running = object.occupy(&host, json!([{ "sleep": 300 }, { "put": ["k", "1"] }]));
    let removed = host.control().delete("/v1/classes/probe");
    assert_eq!(running.join().unwrap().unwrap().status, 200);
    removed.problem(409, "class-not-empty");
    assert_eq!(object.value("k"), "1");
}

/// Two classes may be made of the same bytes.
#[test]
fn removing_a_class_leaves_another_of_the_same_bytes() {
    let mut host = Host::start(&[]);
    host.deploy("a", guest::COUNTER_TWICE);
    host.deploy("b", guest::COUNTER_TWICE);
    assert_eq!(host.control().delete("/v1/classes/a").status, 204);
    host.kill();
    fs::remove_dir_all(host.data().join("code")).unwrap();
    host.start_again();
    assert_eq!(host.client().count("/b/a/increment"), 2);
}

#[test]
fn a_removed_bundled_class_stays_removed() {
    let mut host = Host::start(&[]);
    assert_eq!(host.control().get("/v1/classes/counter").json()["bundled"], true);
    assert_eq!(host.control().delete("/v1/classes/counter").status, 204);
    host.kill();
    host.start_again();
    host.client().get("/counter/a/").problem(404, "class-not-found");
}

#[test]
fn a_replaced_bundled_class_stays_replaced() {
    let mut host = Host::start(&[]);
    assert_eq!(increment(&host.client(), "/counter/a/increment"), (1, 1));
    assert_eq!(host.deploy("counter", guest::COUNTER_TWICE)["version"], 2);
    host.kill();
    host.start_again();
    assert_eq!(increment(&host.client(), "/counter/a/increment"), (3, 2));
}

#[test]
fn the_bundled_class_can_be_left_out() {
    let host = Host::start(&["--no-bundled"]);
    assert_eq!(host.control().get("/v1/classes").json(), json!({ "classes": [] }));
}

/// Compiled code is a cache: whatever happens to it, the class runs.
#[test]
fn damaged_and_missing_code_is_compiled_anew() {
    let damages: [fn(&mut Vec<u8>); 4] = [
        |file| file[0] ^= 1,
        |file| *file.last_mut().unwrap() ^= 0xff,
        |file| file.truncate(file.len() / 2),
        Vec::clear,
    ];
    let mut host = Host::start(&[]);
    host.deploy("mine", guest::COUNTER_TWICE);
    let mut count = 0;
    for damage in damages {
        host.kill();
        for path in code_files(&host) {
            let mut file = fs::read(&path).unwrap();
            damage(&mut file);
            fs::write(&path, file).unwrap();
        }
        host.start_again();
        count += 2;
        assert_eq!(host.client().count("/mine/a/increment"), count);
    }
    assert_eq!(host.log_count("damaged or foreign"), damages.len());
    host.kill();
    fs::remove_dir_all(host.data().join("code")).unwrap();
    host.start_again();
    assert_eq!(host.client().count("/mine/a/increment"), count + 2);
    assert!(!code_files(&host).is_empty());
}

//! The process is killed: what was acknowledged is there, what was not is there whole or not.

use std::{thread, time::Duration};

use rustix::process::Signal;
use serde_json::json;
use tests::{
    host::Host,
    probe::{self, Probe},
    random::Random,
};

/// What one client knows of its counter.
#[derive(Debug, Default)]
struct Tally {
    sent: i64,
    acknowledged: i64,
}

impl Tally {
    /// Increments until the server is gone.
    fn count(&mut self, host: &Host, path: &str) {
        let client = host.client();
        loop {
            self.sent += 1;
            let Ok(answer) = client.try_send("GET", path, &[], b"") else { return };
            assert_eq!(answer.status, 200, "{}", answer.text());
            let number: i64 = answer.text().parse().unwrap();
            assert!(self.acknowledged < number && number <= self.sent, "{number}: {self:?}");
            self.acknowledged = number;
        }
    }
}

/// G4, G6, O-016, O-103: two clients with a counter each write while the server is killed.
#[test]
fn no_acknowledged_increment_is_lost_by_kills_at_random_moments() {
    const KILLS: usize = 20;
    let mut random = Random::new();
    let mut host = Host::stopped(&[]);
    let mut tallies = [Tally::default(), Tally::default()];
    for _ in 0..KILLS {
        host.start_again();
        let pid = host.pid();
        let moment = Duration::from_millis(5 + random.below(120));
        thread::scope(|scope| {
            for (n, tally) in tallies.iter_mut().enumerate() {
                let host = &host;
                scope.spawn(move || tally.count(host, &format!("/counter/c{n}/increment")));
            }
            // The moment is what the test is about.
            thread::sleep(moment);
            rustix::process::kill_process(pid, Signal::KILL).unwrap();
        });
        host.kill();
    }
    host.start_again();
    for (n, Tally { sent, acknowledged }) in tallies.iter().enumerate() {
        let stored = host.client().count(&format!("/counter/c{n}/"));
        assert!((*acknowledged..=*sent).contains(&stored), "{acknowledged} {stored} {sent}");
    }
    assert!(tallies.iter().any(|tally| tally.acknowledged > 0));
}

/// G4, G6, O-016: not a moment passes between the answer and the kill.
#[test]
fn an_answer_in_hand_means_that_the_state_is_on_disk() {
    let mut host = Host::stopped(&[]);
    for n in 1..=10 {
        host.start_again();
        assert_eq!(host.client().count("/counter/a/increment"), n);
        host.kill();
    }
}

/// G6: an event of many writes is there whole or not at all.
#[test]
fn no_half_event_is_found_after_a_kill() {
    const KEYS: usize = 200;
    let mut random = Random::new();
    let mut host = probe::host(&[]);
    for round in 0..8 {
        let client = host.client();
        let entries: Vec<_> =
            (0..KEYS).map(|n| json!([n.to_string(), round.to_string()])).collect();
        let body = json!([{ "putMany": entries }]).to_string();
        let moment = Duration::from_micros(random.below(6_000));
        thread::scope(|scope| {
            scope.spawn(|| _ = client.try_send("POST", "/probe/a/run", &[], body.as_bytes()));
            thread::sleep(moment);
            host.kill();
        });
        host.start_again();
        let found = Probe::new(&host, "a").run(json!([{ "list": {} }]))[0].take();
        let mut values: Vec<String> = found
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry[1].as_str().unwrap().to_owned())
            .collect();
        assert!(values.is_empty() || values.len() == KEYS, "{}", values.len());
        values.dedup();
        assert!(values.len() <= 1, "of one event only: {values:?}");
    }
}

/// G6: deployed classes are durable as well.
#[test]
fn a_deployed_class_survives_a_kill() {
    let mut host = probe::host(&[]);
    host.kill();
    host.start_again();
    assert_eq!(host.client().count("/probe/a/increment"), 1);
}

/// G6, O-107: the next server waits for the lock of one that is still dying, which takes longer the
/// more instances it had in memory.
#[test]
fn a_restart_need_not_wait_for_the_end_of_the_killed_server() {
    let mut host = Host::start(&[]);
    for number in 0..500 {
        host.client().count(&format!("/counter/{number}/increment"));
    }
    host.signal(Signal::KILL);
    host.start_again();
    assert_eq!(host.client().count("/counter/499/"), 1);
}

//! The `probe` class: an object that does what a request tells it to.

use serde_json::{Value, json};

use crate::{
    client::{Answer, Client},
    guest,
    host::Host,
};

/// A server that has the class `probe`.
#[track_caller]
pub fn host(flags: &[&str]) -> Host {
    let host = Host::start(flags);
    host.deploy("probe", guest::PROBE);
    host
}

/// One object of the class.
pub struct Probe {
    client: Client,
    name: String,
}

impl Probe {
    /// The object with this name, which must need no percent-encoding.
    pub fn new(host: &Host, name: &str) -> Self {
        Self { client: host.client(), name: name.to_owned() }
    }

    /// Runs steps in one event; gives the answer whatever it is.
    #[track_caller]
    pub fn try_run(&self, steps: Value) -> Answer {
        self.client.post(&format!("/probe/{}/run", self.name), steps.to_string().as_bytes())
    }

    /// Runs steps in one event, which must succeed; gives the results of the steps.
    #[track_caller]
    pub fn run(&self, steps: Value) -> Value {
        let answer = self.try_run(steps);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// The value of a key.
    #[track_caller]
    pub fn value(&self, key: &str) -> Value {
        self.run(json!([{ "get": key }]))[0].take()
    }

    /// Sends a GET to a path of the object.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.client.get(&format!("/probe/{}{path}", self.name))
    }
}

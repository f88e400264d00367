//! The `probe` class: an object that does what a request tells it to.

use std::thread::{self, JoinHandle};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client},
    guest,
    host::{Host, await_until},
};

/// A server that has the class `probe`.
#[track_caller]
pub fn host(flags: &[&str]) -> Host {
    let host = Host::start(flags);
    host.deploy("probe", guest::PROBE);
    host
}

/// One object of the class.
#[derive(Debug)]
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

    /// Runs steps of which one keeps the object busy, on another thread; returns when they have
    /// begun. What comes of them is in the thread's result, unless the server is killed.
    #[track_caller]
    pub fn occupy(&self, host: &Host, steps: Value) -> JoinHandle<Option<Answer>> {
        let Value::Array(mut all) = steps else { panic!("steps are a list") };
        all.insert(0, json!({ "log": 1 }));
        let (client, path) = (self.client.clone(), format!("/probe/{}/run", self.name));
        let before = host.log_count(LOGGED);
        let steps = Value::from(all).to_string();
        let running =
            thread::spawn(move || client.try_send("POST", &path, &[], steps.as_bytes()).ok());
        await_until("the steps begin", || host.log_count(LOGGED) > before);
        running
    }
}

/// What the probe's step `log` logs.
const LOGGED: &str = "line n=";

/// The path at which a probe gives the response that this JSON describes.
pub fn scripted(script: Value) -> String {
    format!("/resp?s={}", BASE64_URL_SAFE_NO_PAD.encode(script.to_string()))
}

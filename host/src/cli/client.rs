//! The client's side of the control API.

use std::{fs, path::PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;
use ureq::{Agent, Body, http::Response};

use crate::{http::token, settings::DEFAULT_DATA_DIR};

/// Where the control API is, and how to be admitted.
#[derive(Debug, Args)]
pub struct Server {
    /// The control API
    #[arg(
        long,
        value_name = "URL",
        env = "ABIDE_CONTROL_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8081"
    )]
    control: String,
    /// Its token [default: the one that a server on this machine keeps in its data directory]
    #[arg(long, value_name = "TOKEN", env = "ABIDE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The data directory to take the token from
    #[arg(long, value_name = "DIR", env = "ABIDE_DATA_DIR", hide_env_values = true, default_value = DEFAULT_DATA_DIR)]
    data_dir: PathBuf,
}

impl Server {
    /// Sends a request without a body and returns the JSON of the answer.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        let request = agent().get(self.url(path)).header("authorization", self.bearer()?);
        self.read(request.call())
    }

    /// Sends a body and returns the JSON of the answer.
    pub fn put(&self, path: &str, body: &[u8]) -> anyhow::Result<Value> {
        let request = agent().put(self.url(path)).header("authorization", self.bearer()?);
        self.read(request.send(body))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.control.trim_end_matches('/'))
    }

    fn bearer(&self) -> anyhow::Result<String> {
        if let Some(token) = &self.token {
            return Ok(format!("Bearer {token}"));
        }
        let path = self.data_dir.join(token::FILE);
        let token = fs::read_to_string(&path).with_context(|| {
            format!(
                "no token: set --token or ABIDE_TOKEN, or name the server's data directory by \
                 --data-dir ({} cannot be read)",
                path.display()
            )
        })?;
        Ok(format!("Bearer {}", token.trim()))
    }

    fn read(&self, answer: Result<Response<Body>, ureq::Error>) -> anyhow::Result<Value> {
        let mut answer = answer.with_context(|| {
            format!("cannot reach the control API at {}; is `abide serve` running?", self.control)
        })?;
        let text = answer.body_mut().read_to_string().context("reading the answer")?;
        let json: Value = serde_json::from_str(&text).unwrap_or_default();
        if answer.status().is_success() {
            return Ok(json);
        }
        match json["detail"].as_str() {
            Some(detail) => bail!("{detail}"),
            None => bail!("the control API answered {}: {text}", answer.status()),
        }
    }
}

/// An HTTP client that sends any method and hands on every status as an answer.
pub fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .build();
    Agent::new_with_config(config)
}

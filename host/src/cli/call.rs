//! `abide call`: sends a request to an object.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::Args;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use ureq::http::Request;

use super::client::{Server, agent};
use crate::id::{ClassName, ObjectName};

/// What cannot stand for itself in a segment of a path.
const IN_SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'@')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
/// What cannot stand for itself in a path with a query.
const IN_PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'#').add(b'`');

/// Send a request to an object and print the answer.
#[derive(Debug, Args)]
pub struct Call {
    /// The class
    class: String,
    /// The object's name, or its id behind an @
    name: String,
    /// The path that the object sees, with the query
    #[arg(default_value = "/")]
    path: String,
    /// The method [default: GET, with --data POST]
    #[arg(short = 'X', long, value_name = "METHOD")]
    method: Option<String>,
    /// The body
    #[arg(short, long, value_name = "TEXT")]
    data: Option<String>,
    /// A header to send; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The ingress [default: as the control API says]
    #[arg(long, value_name = "URL", env = "ABIDE_INGRESS_URL", hide_env_values = true)]
    ingress: Option<String>,
    #[command(flatten)]
    server: Server,
}

impl Call {
    /// Prints the body of the answer; fails if its status is 400 or more.
    #[expect(clippy::print_stderr, reason = "this is for the person at the terminal")]
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let ingress = match &self.ingress {
            Some(url) => url.clone(),
            None => self.server.get("/v1/server")?["ingress"]
                .as_str()
                .context("the control API does not say where the ingress is; set --ingress")?
                .to_owned(),
        };
        let url = format!("{}{}", ingress.trim_end_matches('/'), self.target()?);
        let default_method = if self.data.is_some() { "POST" } else { "GET" };
        let method = self.method.as_deref().unwrap_or(default_method);
        let mut request = Request::builder().method(method).uri(&url);
        for header in &self.headers {
            let Some((name, value)) = header.split_once(':') else {
                bail!("--header {header:?} has no colon; write NAME: VALUE");
            };
            request = request.header(name.trim(), value.trim());
        }
        let request = request.body(self.data.unwrap_or_default()).context("making the request")?;
        let mut answer = agent()
            .run(request)
            .with_context(|| format!("cannot reach the ingress at {ingress}"))?;
        let status = answer.status();
        let mut body = answer.body_mut().with_config().limit(u64::MAX).reader();
        io::copy(&mut body, &mut io::stdout().lock()).context("printing the answer")?;
        io::stdout().write_all(b"\n").context("printing the answer")?;
        if status.as_u16() >= 400 {
            eprintln!("abide: the answer has status {status}");
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn target(&self) -> anyhow::Result<String> {
        let class: ClassName = self.class.parse()?;
        let object = if self.name.starts_with('@') {
            self.name.clone()
        } else {
            let name: ObjectName = self.name.parse()?;
            match name.as_str() {
                "." => "%2E".to_owned(),
                ".." => "%2E%2E".to_owned(),
                name => utf8_percent_encode(name, IN_SEGMENT).to_string(),
            }
        };
        let path = utf8_percent_encode(self.path.trim_start_matches('/'), IN_PATH);
        Ok(format!("/{class}/{object}/{path}"))
    }
}

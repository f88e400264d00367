//! A server process: the real binary, on free ports, with a data directory of its own.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::client::Client;

/// Longer than any start or stop takes on a busy machine: a hang, not a speed, is what it finds.
const PATIENCE: Duration = Duration::from_mins(1);
const TOKEN: &str = "test-token";

/// A data directory, and the server on it while there is one.
#[derive(Debug)]
pub struct Host {
    directory: TempDir,
    flags: Vec<String>,
    variables: Vec<(String, String)>,
    token: Option<&'static str>,
    child: Option<Child>,
    ingress: String,
    control: String,
}

impl Host {
    /// A running server with these additional flags.
    #[track_caller]
    pub fn start(flags: &[&str]) -> Self {
        let mut host = Self::stopped(flags);
        host.start_again();
        host
    }

    /// A server that is yet to be started.
    pub fn stopped(flags: &[&str]) -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
            flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
            variables: Vec::new(),
            token: Some(TOKEN),
            child: None,
            ingress: String::new(),
            control: String::new(),
        }
    }

    /// A server that is yet to be started, and that makes its own token.
    pub fn stopped_without_token() -> Self {
        let mut host = Self::stopped(&[]);
        host.token = None;
        host
    }

    /// Starts the server on the same data, and waits until it is ready.
    #[track_caller]
    pub fn start_again(&mut self) {
        if let Err(said) = self.try_start() {
            panic!("the server ended: {said}");
        }
    }

    /// As [`start_again`](Self::start_again); where the server ends instead, what it said.
    #[track_caller]
    pub fn try_start(&mut self) -> Result<(), String> {
        let said_before = self.log().len();
        let ready = self.path("ready");
        // It is of the last run, if at all.
        _ = fs::remove_file(&ready);
        let mut child = self.command().spawn().expect("the server's program");
        let deadline = Instant::now() + PATIENCE;
        while !ready.exists() {
            if let Some(ended) = child.try_wait().expect("a child process") {
                assert!(!ended.success(), "it was not asked to end: {}", self.log());
                return Err(self.log()[said_before..].to_owned());
            }
            assert!(Instant::now() < deadline, "the server is not ready: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        let text = fs::read_to_string(ready).expect("the ready file");
        let addresses: Value = serde_json::from_str(&text).expect("JSON in the ready file");
        let url = |name: &str| addresses[name].as_str().expect("a URL").to_owned();
        (self.ingress, self.control) = (url("ingress"), url("control"));
        self.child = Some(child);
        Ok(())
    }

    /// The command that runs the server.
    pub fn command(&self) -> Command {
        let log = File::options().append(true).create(true).open(self.path("log"));
        let log = log.expect("a log file");
        let mut command = program();
        command
            .arg("serve")
            .args(["--ingress", "127.0.0.1:0", "--control", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(self.data())
            .arg("--ready-file")
            .arg(self.path("ready"))
            .args(&self.flags)
            .args(self.token.iter().flat_map(|token| ["--token", token]))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command
    }

    /// Kills the server as a power cut would.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("a running server");
        child.kill().expect("a process to kill");
        child.wait().expect("a killed process");
    }

    /// Sends a signal to the server.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a process to signal");
    }

    /// Changes the flags of the next start.
    pub fn set_flags(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(|&flag| flag.to_owned()).collect();
    }

    /// Changes the variables of the next start.
    pub fn set_variables(&mut self, variables: &[(&str, &str)]) {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        self.variables = variables.iter().map(owned).collect();
    }

    /// Whether the server still runs.
    pub fn runs(&mut self) -> bool {
        let child = self.child.as_mut().expect("a started server");
        child.try_wait().expect("a child process").is_none()
    }

    /// Waits until the server has ended by itself.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("a running server");
        wait(&mut child).unwrap_or_else(|| panic!("the server does not end: {}", self.log()))
    }

    /// The server's process.
    pub fn pid(&self) -> Pid {
        let child = self.child.as_ref().expect("a running server");
        Pid::from_child(child)
    }

    /// A client of the ingress.
    pub fn client(&self) -> Client {
        Client::new(&self.ingress, None)
    }

    /// A client of the control API that has the token.
    pub fn control(&self) -> Client {
        Client::new(&self.control, Some(TOKEN))
    }

    /// The ingress as a URL.
    pub fn ingress(&self) -> &str {
        &self.ingress
    }

    /// The control API as a URL.
    pub fn control_url(&self) -> &str {
        &self.control
    }

    /// The token of the control API.
    pub fn token(&self) -> &'static str {
        TOKEN
    }

    /// Uploads a component, which must be taken.
    #[track_caller]
    pub fn deploy(&self, class: &str, component: &[u8]) -> Value {
        let answer = self.control().put(&format!("/v1/classes/{class}"), component);
        assert!(matches!(answer.status, 200 | 201), "{}: {}", answer.status, answer.text());
        answer.json()
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// What the server has logged, over all its runs.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// How often a text occurs in the log.
    pub fn log_count(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    /// A file beside the data directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            _ = child.kill();
            _ = child.wait();
        }
    }
}

/// Waits for a process, but not for ever.
pub fn wait(child: &mut Child) -> Option<ExitStatus> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().expect("a child process") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

/// Waits until a condition holds, but not for ever.
#[track_caller]
pub fn await_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The program `abide`. Cargo puts it two levels above the test binary.
pub fn program() -> Command {
    Command::new(program_path().expect("cargo builds `abide` before the tests"))
}

fn program_path() -> io::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let directory = test.parent().and_then(Path::parent);
    let path = directory.ok_or(io::ErrorKind::NotFound)?.join("abide");
    if path.exists() { Ok(path) } else { Err(io::ErrorKind::NotFound.into()) }
}

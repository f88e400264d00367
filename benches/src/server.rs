//! The servers under load: processes that are started, killed and stopped.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Also the time to repair a database after a kill.
const START_PATIENCE: Duration = Duration::from_mins(1);
const STOP_PATIENCE: Duration = Duration::from_secs(30);
const POLL_PAUSE: Duration = Duration::from_millis(5);
/// How much of a server's log is shown when it does not start.
const LOG_LINES_SHOWN: usize = 10;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Subject {
    /// The server of this repository
    Abide,
    /// A counter on axum and redb with group commit, written for the comparison
    Redb,
    /// The same URLs on axum, with nothing behind them
    Bare,
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) subject: Subject,
    pub(crate) address: SocketAddr,
    process: Process,
}

#[derive(Debug)]
struct Process {
    child: Child,
    log: PathBuf,
}

/// What a server writes when it listens.
#[derive(Debug, Serialize, Deserialize)]
struct Ready {
    ingress: String,
}

impl Subject {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Subject::Abide => "abide",
            Subject::Redb => "redb",
            Subject::Bare => "bare",
        }
    }

    /// Whether it syncs an increment to disk before it answers.
    pub(crate) fn is_durable(self) -> bool {
        match self {
            Subject::Abide | Subject::Redb => true,
            Subject::Bare => false,
        }
    }

    /// `abide` is the program, if abide is measured.
    fn command(self, abide: Option<&Path>, data: &Path, ready_file: &Path) -> Result<Command> {
        let mut command = match self {
            Subject::Abide => {
                let mut command = Command::new(abide.context("there is no abide to start")?);
                command.args(["serve", "--ingress", "127.0.0.1:0", "--control", "127.0.0.1:0"]);
                command.arg("--data-dir").arg(data);
                command
            }
            Subject::Redb => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("serve-redb").arg(data);
                command
            }
            Subject::Bare => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("serve-bare");
                command
            }
        };
        command.arg("--ready-file").arg(ready_file);
        Ok(command)
    }
}

impl Server {
    /// Starts a server on its own part of `data`, and returns when it listens.
    pub(crate) fn start(subject: Subject, abide: Option<&Path>, data: &Path) -> Result<Self> {
        let directory = data.join(subject.word());
        let store = directory.join("store");
        fs::create_dir_all(&store)?;
        let ready_file = directory.join("ready.json");
        if ready_file.exists() {
            fs::remove_file(&ready_file)?;
        }
        let log_path = directory.join("log");
        let log = File::create(&log_path)?;
        let child = subject
            .command(abide, &store, &ready_file)?
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", subject.word()))?;
        let mut process = Process { child, log: log_path };
        let address = process
            .wait_until_ready(&ready_file)
            .with_context(|| format!("starting {}", subject.word()))?;
        Ok(Self { subject, address, process })
    }

    /// Fails if the server has ended by itself.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        self.process.check_alive()
    }

    /// Ends the server without giving it a chance to finish anything.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.process.child.kill()?;
        self.process.child.wait()?;
        Ok(())
    }

    /// Asks the server to end, and waits for it.
    pub(crate) fn stop(mut self) -> Result<()> {
        let id = self.process.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status().context("running kill")?;
        ensure!(status.success(), "kill -TERM {id} failed");
        let deadline = Instant::now() + STOP_PATIENCE;
        while self.process.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("{} does not stop", self.subject.word());
            }
            thread::sleep(POLL_PAUSE);
        }
        Ok(())
    }
}

impl Process {
    fn check_alive(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("it ended, {status}{}", tail(&self.log));
        }
        Ok(())
    }

    fn wait_until_ready(&mut self, ready_file: &Path) -> Result<SocketAddr> {
        let deadline = Instant::now() + START_PATIENCE;
        while !ready_file.exists() {
            self.check_alive()?;
            if Instant::now() > deadline {
                bail!("it is not ready after {} s{}", START_PATIENCE.as_secs(), tail(&self.log));
            }
            thread::sleep(POLL_PAUSE);
        }
        read_address(ready_file)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails if it has ended, and then there is nothing to do.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Says on behalf of a comparison server where it listens, as abide does: the file is there with
/// all of its content, or not at all.
pub(crate) fn announce(ready_file: &Path, address: SocketAddr) -> Result<()> {
    let ready = Ready { ingress: format!("http://{address}") };
    let unfinished: PathBuf = ready_file.with_extension("unfinished");
    fs::write(&unfinished, serde_json::to_vec(&ready)?)?;
    fs::rename(&unfinished, ready_file)?;
    Ok(())
}

fn read_address(ready_file: &Path) -> Result<SocketAddr> {
    let ready: Ready = serde_json::from_slice(&fs::read(ready_file)?)?;
    let address = ready.ingress.strip_prefix("http://").unwrap_or(&ready.ingress);
    address.parse().with_context(|| format!("no address: {:?}", ready.ingress))
}

/// The last lines of a log, to go behind what went wrong.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
    if shown.is_empty() {
        return String::new();
    }
    format!("; its log ends:\n    {}", shown.join("\n    "))
}

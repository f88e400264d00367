//! The rounds: each workload on each server, one after the other, again and again.
//!
//! A machine is quicker in one minute than in the next, so servers are compared within a round, and
//! each round begins with another server.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use crate::{
    Settings,
    load::Outcome,
    server::{Server, Subject},
    verify,
    workload::{WORKLOADS, Workload},
};

/// One workload on one server in one round.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) round: u32,
    pub(crate) workload: Workload,
    pub(crate) server: Subject,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

/// Measures, and checks that no answered increment is lost.
pub(crate) fn measure(settings: &Settings, abide: Option<&Path>, data: &Path) -> Result<Vec<Run>> {
    let mut servers = Vec::new();
    for subject in &settings.servers {
        let server = Server::start(*subject, abide, data)?;
        verify::answers(&server)?;
        servers.push(server);
    }
    let mut runs = Vec::new();
    for round in 1..=settings.rounds {
        for workload in WORKLOADS {
            for server in &mut servers {
                let outcome = load(settings, workload, server.address);
                server.check_alive().with_context(|| server.subject.word())?;
                let outcome = outcome.with_context(|| {
                    format!("load on {}, {}", server.subject.word(), workload.word())
                })?;
                let run = Run { round, workload, server: server.subject, outcome };
                say(&run)?;
                runs.push(run);
            }
        }
        servers.rotate_left(1);
    }
    for mut server in servers {
        if server.subject.is_durable() {
            // As a crash would end it: what it answered must be on disk, not only in memory.
            let subject = server.subject;
            server.kill()?;
            server = Server::start(subject, abide, data)?;
            verify::kept_its_word(&server, settings.objects, &runs)?;
        }
        server.stop()?;
    }
    Ok(runs)
}

/// Has the load generator do one run.
fn load(settings: &Settings, workload: Workload, address: SocketAddr) -> Result<Outcome> {
    let output = Command::new(std::env::current_exe()?)
        .arg("load")
        .args(["--address", &address.to_string()])
        .args(["--workload", workload.word()])
        .args(["--objects", &settings.objects.to_string()])
        .args(["--connections", &settings.connections.to_string()])
        .args(["--warm-up-ms", &settings.warm_up_seconds.as_millis().to_string()])
        .args(["--measured-ms", &settings.seconds.as_millis().to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("starting the load generator")?;
    ensure!(output.status.success(), "the load generator failed, {}", output.status);
    let outcome: Outcome = serde_json::from_slice(&output.stdout)?;
    ensure!(outcome.requests > 0, "no request was answered in time");
    Ok(outcome)
}

/// One line per run, so that one sees it move.
fn say(run: &Run) -> io::Result<()> {
    writeln!(
        io::stderr(),
        "round {} {:14} {:5} {:8.0} requests/s",
        run.round,
        run.workload.word(),
        run.server.word(),
        run.outcome.requests_per_second,
    )
}

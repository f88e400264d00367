//! abide measured beside what it is built on, in one run.
//!
//! `cargo run --release -p benches` starts every server as a process of its own, and a load
//! generator as another, so that no two of them share an allocator or a runtime. All but abide are
//! this program again, under hidden subcommands. See docs/benchmarks.md.

mod bare;
mod group_commit;
mod http;
mod instance;
mod load;
mod machine;
mod plain_redb;
mod report;
mod rounds;
mod server;
mod table;
mod verify;
mod workload;

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand};

use machine::Machine;
use report::Report;
use server::Subject;

#[derive(Debug, Parser)]
#[command(name = "benches", about, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What to measure, and for how long.
#[derive(Debug, Clone, Args)]
struct Settings {
    /// Measured seconds of each run
    #[arg(long, default_value = "5", value_parser = seconds)]
    seconds: Duration,
    /// Seconds of load before each measurement
    #[arg(long, default_value = "1", value_parser = seconds)]
    warm_up_seconds: Duration,
    /// Runs of each workload on each server
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Keep-alive connections, each with one request under way
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Objects of the workload on many objects
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    objects: u32,
    /// A smoke run of a few seconds, whose figures mean little
    #[arg(long, conflicts_with_all = ["seconds", "warm_up_seconds", "rounds"])]
    quick: bool,
    /// Servers to measure
    #[arg(long, value_enum, value_delimiter = ',', default_value = "abide,redb,bare")]
    servers: Vec<Subject>,
    /// The abide program [default: the one beside this program]
    #[arg(long)]
    abide: Option<PathBuf>,
    /// Where data directories are made and removed again [default: bench-data in the target
    /// directory]
    #[arg(long)]
    data_root: Option<PathBuf>,
    /// Write every run and the summary to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Another measurement, and the other processes of a run.
#[derive(Debug, Subcommand)]
enum Part {
    /// Measure instances alone, without HTTP and without the disk
    Instance(instance::Options),
    #[command(hide = true)]
    ServeBare(bare::Options),
    #[command(hide = true)]
    ServeRedb(plain_redb::Options),
    #[command(hide = true)]
    Load(load::Options),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The whole chain, without a backtrace: these are answers to a user, not bugs.
            _ = writeln!(io::stderr(), "benches: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    match cli.part {
        Some(Part::Instance(options)) => instance::run(options, &mut io::stdout()),
        Some(Part::ServeBare(options)) => bare::serve(options),
        Some(Part::ServeRedb(options)) => plain_redb::serve(options),
        Some(Part::Load(options)) => load::run(options, &mut io::stdout()),
        None => measure(cli.settings.quickened()),
    }
}

impl Settings {
    fn quickened(mut self) -> Self {
        if self.quick {
            self.seconds = Duration::from_millis(300);
            self.warm_up_seconds = Duration::from_millis(100);
            self.rounds = 1;
        }
        self
    }

    /// The abide program, if it is to be measured.
    fn abide(&self) -> Result<Option<PathBuf>> {
        if !self.servers.contains(&Subject::Abide) {
            return Ok(None);
        }
        let abide = match &self.abide {
            Some(abide) => abide.clone(),
            None => std::env::current_exe()?.with_file_name("abide"),
        };
        if !abide.is_file() {
            let abide = abide.display();
            bail!("there is no {abide}: run `cargo build --release -p abide` first");
        }
        Ok(Some(abide))
    }

    /// On the file system of the target directory, since /tmp may be memory, where a sync is free.
    fn data_root(&self) -> Result<PathBuf> {
        if let Some(root) = &self.data_root {
            return Ok(root.clone());
        }
        let program = std::env::current_exe()?;
        let target = program.ancestors().nth(2).context("this program is in no directory")?;
        Ok(target.join("bench-data"))
    }
}

fn measure(settings: Settings) -> Result<()> {
    let abide = settings.abide()?;
    let root = settings.data_root()?;
    fs::create_dir_all(&root).with_context(|| format!("making {}", root.display()))?;
    let data = tempfile::tempdir_in(&root).context("making a data directory")?;
    let machine = Machine::examine(data.path(), abide.as_deref())?;
    let runs = rounds::measure(&settings, abide.as_deref(), data.path())?;
    data.close().context("removing the data directory")?;
    let report = Report::new(&settings, machine, runs);
    table::print(&report, &mut io::stdout().lock()).context("printing the report")?;
    if let Some(path) = &settings.json {
        let json = serde_json::to_vec_pretty(&report)?;
        fs::write(path, json).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn seconds(text: &str) -> Result<Duration> {
    let seconds = Duration::try_from_secs_f64(text.parse()?)?;
    if seconds > Duration::from_hours(1) {
        bail!("at most 3600 are allowed");
    }
    Ok(seconds)
}

//! What the figures were measured on.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Seek as _, Write as _},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde::Serialize;

/// What this program was built from.
const LOCK_FILE: &str = include_str!("../../Cargo.lock");
/// Dependencies that all servers share.
const SHARED: [&str; 4] = ["axum", "hyper", "redb", "tokio"];
const SYNCS: usize = 101;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// Of the data directories.
    pub(crate) file_system: String,
    /// What one write of 4 KiB with its sync takes there; the median.
    pub(crate) sync_us: u128,
    /// Before the first run: 1, 5 and 15 minutes.
    pub(crate) load_average: String,
    pub(crate) versions: BTreeMap<&'static str, String>,
}

impl Machine {
    /// Takes a fraction of a second, for the syncs in `data`.
    pub(crate) fn examine(data: &Path, abide: Option<&Path>) -> Result<Self> {
        let load_average = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let mut versions = BTreeMap::new();
        for name in SHARED {
            versions.insert(name, locked_version(LOCK_FILE, name).unwrap_or("unknown").to_owned());
        }
        if let Some(abide) = abide {
            versions.insert("abide", version_of(abide)?);
        }
        Ok(Self {
            cores: thread::available_parallelism()?.get(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            file_system: file_system(data)?,
            sync_us: sync_time(data).context("syncing in the data directory")?.as_micros(),
            load_average: load_average.split(' ').take(3).collect::<Vec<_>>().join(" "),
            versions,
        })
    }
}

fn locked_version<'a>(lock_file: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = lock_file.split_once(&format!("\nname = \"{name}\"\nversion = \""))?;
    rest.split('"').next()
}

fn version_of(abide: &Path) -> Result<String> {
    let output = Command::new(abide).arg("--version").output().context("asking for a version")?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.trim().trim_start_matches("abide ").to_owned())
}

/// The type of the mount that a directory is in.
fn file_system(directory: &Path) -> Result<String> {
    let directory = directory.canonicalize()?;
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((Path::new(fields.next()?), fields.next()?))
    });
    let around = mounts.filter(|(mount, _)| directory.starts_with(mount));
    // Of two mounts in one place the later one counts, and that is what `max_by_key` returns.
    let nearest = around.max_by_key(|(mount, _)| mount.components().count());
    Ok(nearest.map_or("unknown", |(_, kind)| kind).to_owned())
}

fn sync_time(directory: &Path) -> Result<Duration> {
    let mut file = File::create(directory.join("sync"))?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.rewind()?;
        let start = Instant::now();
        file.write_all(&[0x5a; 4096])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[SYNCS / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_that_of_the_whole_name() {
        let lock = "[[package]]\nname = \"hyper-util\"\nversion = \"0.1.21\"\n\n[[package]]\n\
                    name = \"hyper\"\nversion = \"1.12.0\"\n";
        assert_eq!(locked_version(lock, "hyper"), Some("1.12.0"));
        assert_eq!(locked_version(lock, "redb"), None);
    }
}

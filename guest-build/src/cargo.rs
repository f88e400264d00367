//! The second cargo, and the compiler it will use.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, io};

use crate::{Error, TARGET};

/// A component is uploaded, compiled once and then instantiated per object: small beats fast, and
/// a panic is a trap in any case. Given here, since the workspace's profile is the host's.
const PROFILE: [&str; 7] = [
    "profile.release.opt-level=\"s\"",
    "profile.release.lto=true",
    "profile.release.codegen-units=1",
    "profile.release.panic=\"abort\"",
    "profile.release.strip=true",
    "profile.release.debug=false",
    "profile.release.incremental=false",
];

/// Variables of the first cargo, of clippy and of coverage tools that would change what the second
/// one builds, or where.
const NOT_INHERITED: [&str; 8] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_INCREMENTAL",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_BUILD_DIR",
];

/// The same for whole families. `CARGO_TARGET_` holds target directory, linkers and flags.
const NOT_INHERITED_PREFIXES: [&str; 4] =
    ["CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_BUILD_RUSTC", "CARGO_FEATURE_"];

pub(crate) fn build(packages: &[&str], dir: &Path, target_dir: &Path) -> Result<(), Error> {
    let mut cargo = command("CARGO", "cargo");
    // Locked: the first cargo has settled the lock file, and it must not change under its feet.
    cargo.current_dir(dir).args(["build", "--release", "--locked", "--target", TARGET]);
    cargo.arg("--target-dir").arg(target_dir);
    cargo.args(PROFILE.iter().flat_map(|setting| ["--config", setting]));
    cargo.args(packages.iter().flat_map(|package| ["--package", package]));
    let names = env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| !is_inherited(name)) {
        cargo.env_remove(name);
    }
    // Cargo would read what it prints to stdout as instructions.
    cargo.stdin(Stdio::null()).stdout(Stdio::null());
    if run(&mut cargo, Command::status)?.success() {
        Ok(())
    } else {
        Err(Error::Build { packages: packages.join(", ") })
    }
}

/// Whether the compiler has a standard library for the target.
pub(crate) fn has_target() -> Result<bool, Error> {
    let mut rustc = command("RUSTC", "rustc");
    rustc.args(["--print", "target-libdir", "--target", TARGET]).stderr(Stdio::inherit());
    let output = run(&mut rustc, Command::output)?;
    let libdir = String::from_utf8_lossy(&output.stdout);
    Ok(output.status.success() && Path::new(libdir.trim_end()).is_dir())
}

/// The program that cargo names to build scripts.
fn command(variable: &str, default: &str) -> Command {
    Command::new(env::var_os(variable).unwrap_or_else(|| default.into()))
}

fn run<T>(
    command: &mut Command,
    how: impl FnOnce(&mut Command) -> io::Result<T>,
) -> Result<T, Error> {
    how(command).map_err(|source| {
        let program = PathBuf::from(command.get_program());
        Error::Run { program, source }
    })
}

fn is_inherited(variable: &OsStr) -> bool {
    let name = variable.to_string_lossy();
    let in_family = NOT_INHERITED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    !in_family && !NOT_INHERITED.contains(&&*name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_meant_for_the_host_is_inherited() {
        for name in ["CARGO_PROFILE_RELEASE_LTO", "CARGO_TARGET_DIR", "RUSTC_WORKSPACE_WRAPPER"] {
            assert!(!is_inherited(OsStr::new(name)), "{name}");
        }
        for name in ["PATH", "CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_MAKEFLAGS", "RUSTC"] {
            assert!(is_inherited(OsStr::new(name)), "{name}");
        }
    }
}

//! Builds object classes of this workspace from a build script.
//!
//! ```no_run
//! // build.rs
//! fn main() -> Result<(), guest_build::Error> {
//!     let classes = guest_build::build(&["counter", "probe"])?;
//!     assert_eq!(classes.len(), 2);
//!     Ok(())
//! }
//! ```
//!
//! The crate then has `include_bytes!(env!("GUEST_COUNTER"))`, or the path itself at hand.
//!
//! Cargo cannot build a dependency for another target than the one it builds for, so this runs a
//! second cargo. That one has a target directory of its own, since the first holds the lock on the
//! usual one, and settings of its own: small code instead of the host's profile, and none of the
//! wrappers and flags (clippy, coverage) that are meant for the host's code.

mod cargo;
mod inputs;

use std::path::{Path, PathBuf};
use std::{env, fmt, io};

/// The target that object classes are compiled to.
pub const TARGET: &str = "wasm32-wasip2";

/// Why there are no components. Its `Debug` is its `Display`, so that a build script can return it
/// from `main`.
pub enum Error {
    /// The Rust installation has no standard library for [`TARGET`].
    TargetMissing,
    /// The second cargo failed; its own messages stand above.
    Build {
        /// What it was asked to build.
        packages: String,
    },
    /// A program could not be run.
    Run {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file that the second cargo should have left could not be read.
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// This is no build script: cargo has not set the variable.
    NoBuildScript {
        /// The variable.
        variable: &'static str,
    },
}

/// Builds packages of this workspace, each a `cdylib`, and returns the paths of their components.
///
/// Tells cargo to run the build script again when a source file that went into them changes, and
/// gives the crate each path in an environment variable: that of `counter-twice` is
/// `GUEST_COUNTER_TWICE`.
pub fn build(packages: &[&str]) -> Result<Vec<PathBuf>, Error> {
    let out_dir = PathBuf::from(variable("OUT_DIR")?);
    let manifest_dir = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    if !cargo::has_target()? {
        return Err(Error::TargetMissing);
    }
    let target_dir = out_dir.join("guests");
    cargo::build(packages, &manifest_dir, &target_dir)?;

    inputs::announce(&inputs::workspace_files(&manifest_dir));
    packages.iter().map(|package| collect(package, &target_dir)).collect()
}

/// Announces what a package was built from and where its component is.
fn collect(package: &str, target_dir: &Path) -> Result<PathBuf, Error> {
    let file = package.replace('-', "_");
    let component = target_dir.join(TARGET).join("release").join(&file).with_extension("wasm");
    inputs::announce(&inputs::of_component(&component)?);
    announce(&format!("rustc-env=GUEST_{}={}", file.to_uppercase(), component.display()));
    Ok(component)
}

#[expect(clippy::print_stdout, reason = "this is how a build script talks to cargo")]
fn announce(instruction: &str) {
    println!("cargo::{instruction}");
}

fn variable(variable: &'static str) -> Result<std::ffi::OsString, Error> {
    env::var_os(variable).ok_or(Error::NoBuildScript { variable })
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::TargetMissing => write!(
                f,
                "the Rust target {TARGET} is not installed; run: rustup target add {TARGET}"
            ),
            Error::Build { packages } => write!(f, "cannot build {packages} for {TARGET}"),
            Error::Run { program, .. } => write!(f, "cannot run {}", program.display()),
            Error::Read { path, .. } => write!(f, "cannot read {}", path.display()),
            Error::NoBuildScript { variable } => {
                write!(f, "{variable} is not set: this works in a build script only")
            }
        }
    }
}

// What cargo shows of a build script that returns an error. It prints no sources, so they are here.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        match std::error::Error::source(self) {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Run { source, .. } | Error::Read { source, .. } => Some(source),
            Error::TargetMissing | Error::Build { .. } | Error::NoBuildScript { .. } => None,
        }
    }
}

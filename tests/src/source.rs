//! The source tree, for tests that look at it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The root of the repository.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the package is in the repository").to_owned()
}

/// All Rust files of the repository.
pub fn all_rust_files() -> Vec<PathBuf> {
    let parts = ["host", "guest-sdk", "guest-build", "objects", "tests", "benches"];
    parts.iter().flat_map(|part| rust_files(part)).collect()
}

/// All Rust files below a directory of the repository.
pub fn rust_files(directory: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut directories = vec![root().join(directory)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("target") {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// A text without its comments and the in-file tests at its end.
pub fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

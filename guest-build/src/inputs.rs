//! What a component was built from, so that it is built again when that changes and only then.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Error, announce as instruct};

pub(crate) fn announce(files: &[PathBuf]) {
    for file in files {
        instruct(&format!("rerun-if-changed={}", file.display()));
    }
}

/// The manifest and the lock file of the workspace that `dir` is in.
pub(crate) fn workspace_files(dir: &Path) -> Vec<PathBuf> {
    let Some(root) = dir.ancestors().find(|dir| dir.join("Cargo.lock").is_file()) else {
        return Vec::new();
    };
    vec![root.join("Cargo.toml"), root.join("Cargo.lock")]
}

/// The local files that went into a component, from the list that cargo leaves beside it, and the
/// manifests of the packages that they belong to.
pub(crate) fn of_component(component: &Path) -> Result<Vec<PathBuf>, Error> {
    let path = component.with_extension("d");
    let list = match fs::read_to_string(&path) {
        Ok(list) => list,
        Err(source) => return Err(Error::Read { path, source }),
    };
    let mut files = listed(&list);
    let mut manifests: Vec<PathBuf> = files.iter().filter_map(|file| manifest_of(file)).collect();
    manifests.sort();
    manifests.dedup();
    files.extend(manifests);
    Ok(files)
}

fn manifest_of(source: &Path) -> Option<PathBuf> {
    let dirs = source.ancestors().skip(1);
    dirs.map(|dir| dir.join("Cargo.toml")).find(|manifest| manifest.is_file())
}

/// The files behind the colon of a makefile rule, where a space in a name stands behind a `\`.
fn listed(rule: &str) -> Vec<PathBuf> {
    let Some((_, files)) = rule.lines().next().and_then(|line| line.split_once(": ")) else {
        return Vec::new();
    };
    let files = files.replace("\\ ", "\0");
    files.split_whitespace().map(|file| PathBuf::from(file.replace('\0', " "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_with_spaces() {
        let files = listed("/out/a.wasm: /src/my\\ lib.rs /src/b.rs\n");
        assert_eq!(files, [Path::new("/src/my lib.rs"), Path::new("/src/b.rs")]);
        assert_eq!(listed("/out/a.wasm:\n"), <[PathBuf; 0]>::default());
    }
}

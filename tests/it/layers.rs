//! Modules of the host know only the layers below them.

use std::{collections::BTreeSet, fs, path::Path};

use tests::source;

/// Bottom first. Modules of one layer may know each other.
const LAYERS: &[&[&str]] = &[
    &["clock", "event", "id", "limits", "task"],
    &["storage"],
    &["guest"],
    &["class"],
    &["object"],
    &["http"],
    &["bundled", "server", "settings", "telemetry"],
    &["cli"],
];

/// Crates that one layer alone may name, so that it can be replaced without the others.
const OWNERS: &[(&str, &[&str])] = &[
    ("wasmtime", &["guest"]),
    ("wasmtime_wasi", &["guest"]),
    // The server chooses the engine.
    ("redb", &["storage", "server"]),
    ("axum", &["http"]),
    ("hyper", &["http"]),
    ("clap", &["cli", "settings", "main"]),
];

#[test]
fn every_module_belongs_to_a_layer() {
    let modules: BTreeSet<String> =
        source::rust_files("host/src").iter().map(|path| module(path)).collect();
    for module in &modules {
        let known = layer_of(module).is_some() || module == "lib" || module == "main";
        assert!(known, "{module} is in no layer");
    }
}

#[test]
fn no_module_knows_a_layer_above_its_own() {
    for path in source::rust_files("host/src") {
        let Some(own) = layer_of(&module(&path)) else { continue };
        for used in uses(&fs::read_to_string(&path).unwrap()) {
            let Some(layer) = layer_of(&used) else { continue };
            assert!(layer <= own, "{} knows {used}, which is above it", path.display());
        }
    }
}

#[test]
fn a_crate_that_is_behind_a_layer_is_named_there_only() {
    for path in source::rust_files("host/src") {
        let text = source::code(&fs::read_to_string(&path).unwrap());
        for (name, owners) in OWNERS {
            let named = text
                .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
                .any(|word| word.starts_with(&format!("{name}::")));
            let allowed = owners.contains(&module(&path).as_str());
            assert!(!named || allowed, "{} names {name}", path.display());
        }
    }
}

/// The module of the crate that a file belongs to.
fn module(path: &Path) -> String {
    let path = path.strip_prefix(source::root().join("host/src")).unwrap();
    let first = path.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// All `crate::<module>` in a file, also those in braces behind `crate::`.
fn uses(text: &str) -> BTreeSet<String> {
    let code = source::code(text);
    let mut used = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => _ = used.insert(word(rest)),
            Some(group) => {
                let mut depth = 1;
                let mut start = true;
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' => start = true,
                        c if c.is_alphabetic() && start && depth == 1 => {
                            used.insert(word(&group[at..]));
                            start = false;
                        }
                        _ => (),
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
    }
    used
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

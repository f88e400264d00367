//! What a program can check of our style.

use std::fs;

use tests::source;

const LINES_MAX: usize = 500;

#[test]
fn files_are_short_and_say_what_they_are() {
    for path in source::all_rust_files() {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
        assert!(text.starts_with("//!"), "{} does not begin with //!", path.display());
    }
}

#[test]
fn nothing_is_left_for_later() {
    // In two pieces, so that this file passes.
    let banned = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()];
    for path in source::all_rust_files() {
        let text = fs::read_to_string(&path).unwrap();
        for word in &banned {
            assert!(!text.contains(word.as_str()), "{} has a {word}", path.display());
        }
    }
}

#[test]
fn no_module_is_a_drawer_for_everything() {
    for path in source::all_rust_files() {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let drawer = ["util", "utils", "common", "helpers", "misc", "mod"].contains(&stem.as_str());
        assert!(!drawer, "{}", path.display());
    }
}

#[test]
fn an_error_text_does_not_repeat_its_source() {
    for path in source::rust_files("host/src") {
        let text = fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices("#[error(") {
            // The variant ends where the next one begins.
            let variant = &text[at..];
            let end = variant[1..].find("#[error(").map_or(variant.len(), |end| end + 1);
            let variant = &variant[..end];
            let message = variant.lines().next().unwrap_or_default();
            let repeats = message.contains("{0}") && variant.contains("(#[source]")
                || message.contains("{source}")
                || message.contains("{0}") && variant.contains("(#[from]");
            assert!(!repeats, "{}: {message}", path.display());
        }
    }
}

#[test]
fn every_dependency_is_used() {
    for manifest in ["host", "benches", "guest-sdk/rust", "tests"] {
        let directory = source::root().join(manifest);
        let text = fs::read_to_string(directory.join("Cargo.toml")).unwrap();
        let mut sources = String::new();
        for path in source::all_rust_files() {
            let ours = path.starts_with(&directory)
                || manifest == "host" && path.starts_with(source::root().join("tests/it"));
            if ours {
                sources.push_str(&fs::read_to_string(path).unwrap());
            }
        }
        let mut section = "";
        for line in text.lines() {
            if line.starts_with('[') {
                section = line;
            }
            let Some(name) = line.split(['.', ' ']).next().filter(|name| !name.is_empty()) else {
                continue;
            };
            if section.contains("dependencies]") && !line.starts_with(['[', '#']) {
                let name = name.replace('-', "_");
                assert!(sources.contains(&name), "{manifest} does not use {name}");
            }
        }
    }
}

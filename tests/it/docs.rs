//! The documentation says what the program does.

use std::fs;

use tests::{host::Host, source};

fn read(path: &str) -> String {
    fs::read_to_string(source::root().join(path)).unwrap()
}

/// The transcripts of the README that talk to the bundled counter, including the `kill -9`.
#[test]
fn the_transcripts_of_the_readme_are_true() {
    let readme = read("README.md");
    let mut host = Host::start(&[]);
    let (mut calls, mut kills) = (0, 0);
    for block in readme.split("```console\n").skip(1) {
        let mut lines = block.split("```").next().unwrap().lines();
        while let Some(line) = lines.next() {
            if line.contains("kill -9") {
                host.kill();
                host.start_again();
                kills += 1;
            }
            let Some(path) = line.strip_prefix("$ curl localhost:8080") else { continue };
            if path.starts_with("/counter/") {
                assert_eq!(host.client().get(path).text(), lines.next().unwrap(), "{line}");
                calls += 1;
            }
        }
    }
    assert!(calls >= 4 && kills == 1, "{calls} calls, {kills} kills");
}

/// Both commands of the quick start are what CI runs.
#[test]
fn the_readme_and_ci_have_the_same_test_command() {
    let command = "cargo test --release --workspace";
    assert!(read("README.md").contains(&format!("wasm32-wasip2 && {command}\n")));
    assert!(read(".ci/run").contains(&format!("\n{command} ")));
}

#[test]
fn every_error_type_is_documented() {
    let documented = read("docs/using.md");
    let source = read("host/src/http/problem.rs");
    let words: Vec<&str> =
        source.split("Kind(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(words.len() > 20);
    for word in words {
        assert!(documented.contains(&format!("`{word}`")), "{word} is not in docs/using.md");
    }
}

#[test]
fn every_limit_that_can_be_set_is_documented() {
    let documented = read("docs/using.md");
    let source = read("host/src/settings.rs");
    let limits = source.split("struct GivenLimits {").nth(1).unwrap().split("\n}").next().unwrap();
    let names = limits.lines().filter_map(|line| line.trim().split_once(": Option<"));
    for (name, _) in names {
        let name = name.replace('_', "-");
        assert!(documented.contains(&name), "{name} is not in docs/using.md");
    }
}

//! Settings of the server: flags, variables, the file, and what a wrong one says.

use std::{fs, process::Command};

use redb::{Database, TableDefinition};
use tests::{
    host::{Host, program},
    random::Random,
    terminal::{self, abide},
};

/// Runs `serve`, which must end by itself.
fn serve(host: &Host, arguments: &[&str], variables: &[(&str, &str)]) -> terminal::Ended {
    terminal::run(serving(host, arguments, variables))
}

fn serving(host: &Host, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = program();
    command.args(["serve", "--ingress", "127.0.0.1:0", "--control", "127.0.0.1:0", "--data-dir"]);
    command.arg(host.data()).args(arguments).envs(variables.iter().copied());
    command
}

/// A configuration file.
fn file(host: &Host, content: &str) -> String {
    let path = host.path("abide.toml");
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn help_explains_every_flag_with_its_default() {
    let help = abide(&["serve", "--help"], &[]);
    // Lines are wrapped to the terminal.
    let text = help.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let explained = [
        ("--data-dir <DIR>", "abide-data"),
        ("--ingress <ADDR>", "127.0.0.1:8080"),
        ("--control <ADDR>", "127.0.0.1:8081"),
        ("--memory-limit <SIZE>", "128MiB"),
        ("--cpu-limit <TIME>", "30s"),
        ("--event-timeout <TIME>", "60s"),
        ("--queue-limit <COUNT>", "1000"),
        ("--body-limit <SIZE>", "32MiB"),
        ("--value-limit <SIZE>", "2MiB"),
        ("--write-limit <SIZE>", "64MiB"),
        ("--component-limit <SIZE>", "64MiB"),
        ("--compile-cpu-limit <TIME>", "60s"),
        ("--compile-memory-limit <SIZE>", "2GiB"),
        ("--instance-limit <COUNT>", "8000"),
        ("--idle-timeout <TIME>", "10s"),
        ("--client-timeout <TIME>", "30s"),
        ("--drain-timeout <TIME>", "30s"),
        ("--store-cache <SIZE>", "256MiB"),
    ];
    for (flag, default) in explained {
        let (_, behind) = text.split_once(flag).unwrap_or_else(|| panic!("{flag}: {text}"));
        let (explanation, _) = behind.split_once("[env:").unwrap();
        assert!(explanation.contains(&format!("[default: {default}]")), "{flag}: {explanation}");
        let variable = flag.split(' ').next().unwrap().trim_start_matches("--");
        let variable = format!("ABIDE_{}", variable.to_uppercase().replace('-', "_"));
        assert!(behind.starts_with(' ') && behind.contains(&variable), "{variable}: {behind}");
    }
    for flag in
        ["--config <FILE>", "--ready-file <FILE>", "--token <TOKEN>", "--no-bundled", "--log-json"]
    {
        assert!(text.contains(flag), "{flag}");
    }
}

/// The queue limit of a running server, as its refusals tell it: a value limit is easier to see.
#[track_caller]
fn body_limit(host: &Host) -> String {
    let answer = host.client().post("/counter/a/", &[0; 5_000]);
    let problem = answer.problem(413, "body-too-large");
    problem["detail"].as_str().unwrap().to_owned()
}

/// A flag wins over the variable, that over the file, that over the default.
#[test]
fn a_flag_wins_over_a_variable_and_that_over_the_file() {
    let mut host = Host::stopped(&[]);
    let config = file(&host, "body-limit = \"3kB\"\nidle-timeout = \"1s\"\nqueue-limit = 7\n");
    host.set_flags(&["--config", &config]);
    host.start_again();
    assert!(body_limit(&host).contains("3000"));
    host.kill();
    host.set_variables(&[("ABIDE_BODY_LIMIT", "2kB")]);
    host.start_again();
    assert!(body_limit(&host).contains("2000"));
    host.kill();
    host.set_flags(&["--config", &config, "--body-limit", "1000B"]);
    host.start_again();
    assert!(body_limit(&host).contains("1000"));
    host.kill();
    host.set_variables(&[("ABIDE_CONFIG", &config)]);
    host.set_flags(&[]);
    host.start_again();
    assert!(body_limit(&host).contains("3000"));
}

#[test]
fn everything_can_be_in_the_file() {
    let mut host = Host::stopped(&[]);
    let config = file(
        &host,
        "no-bundled = true\nlog-json = true\nlog = \"info\"\nmemory-limit = \"64MiB\"\n\
         cpu-limit = \"1s\"\nevent-timeout = \"2s\"\nvalue-limit = 1000\nwrite-limit = \"1MB\"\n\
         component-limit = \"1MiB\"\ncompile-cpu-limit = \"10s\"\ncompile-memory-limit = \"1GiB\"\n\
         instance-limit = 100\nclient-timeout = \"5s\"\ndrain-timeout = \"5s\"\nstore-cache = \"16MiB\"\n",
    );
    host.set_flags(&["--config", &config]);
    host.start_again();
    host.client().get("/counter/a/").problem(404, "class-not-found");
}

#[test]
fn a_wrong_file_is_refused_by_name_and_place() {
    let host = Host::stopped(&[]);
    let cases = [
        ("no-such-setting = 1\n", "no-such-setting"),
        ("queue-limit = \"many\"\n", "queue-limit"),
        ("cpu-limit = \"soon\"\n", "cpu-limit"),
        ("ingress = \"nowhere\"\n", "ingress"),
        ("= 1\n", "line 1"),
    ];
    for (content, named) in cases {
        let config = file(&host, content);
        serve(&host, &["--config", &config], &[]).refused(&[&config, named]);
    }
    serve(&host, &["--config", "/nothing.toml"], &[]).refused(&["/nothing.toml"]);
    assert!(!host.data().exists());
}

#[test]
fn a_wrong_flag_or_variable_is_refused_by_name() {
    let host = Host::stopped(&[]);
    serve(&host, &["--cpu-limit", "soon"], &[]).refused(&["--cpu-limit", "soon"]);
    serve(&host, &["--no-such-flag"], &[]).refused(&["--no-such-flag"]);
    serve(&host, &[], &[("ABIDE_QUEUE_LIMIT", "many")]).refused(&["many"]);
    for flag in ["memory-limit", "queue-limit", "instance-limit", "value-limit"] {
        serve(&host, &[&format!("--{flag}"), "0"], &[]).refused(&[flag, "0"]);
    }
    serve(&host, &["--log", "a=b=c"], &[]).refused(&["log"]);
}

#[test]
fn a_path_that_cannot_be_used_is_named() {
    let host = Host::stopped(&[]);
    let file = file(&host, "");
    let serve = |arguments: &[&str]| {
        let mut command = program();
        command.args(["serve", "--ingress", "127.0.0.1:0", "--control", "127.0.0.1:0"]);
        command.args(arguments);
        terminal::run(command)
    };
    serve(&["--data-dir", &file]).refused(&[&file]);
    let data = host.data();
    let data = data.to_str().unwrap();
    serve(&["--data-dir", data, "--ready-file", "/nowhere/ready"]).refused(&["/nowhere/ready"]);
}

/// Written by a newer program: refused, and left as it is.
#[test]
fn data_of_a_newer_format_is_refused() {
    let mut host = Host::start(&[]);
    host.kill();
    let path = host.data().join("abide.redb");
    {
        let metadata: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("metadata");
        let database = Database::open(&path).unwrap();
        let change = database.begin_write().unwrap();
        let newer = 99_u64.to_be_bytes();
        change.open_table(metadata).unwrap().insert("format", newer.as_slice()).unwrap();
        change.commit().unwrap();
    }
    let before = fs::read(&path).unwrap();
    let ended = serve(&host, &[], &[]);
    ended.refused(&[path.to_str().unwrap(), "format 99", "newer abide"]);
    assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{}", ended.stderr);
    assert_eq!(before.len(), fs::read(&path).unwrap().len());
}

/// O-106: a damaged file is refused in one line that says what to do, or serves what is right.
#[test]
fn a_damaged_database_is_refused_or_serves_what_is_right() {
    let mut random = Random::new();
    let mut host = Host::start(&[]);
    for n in 1..=50 {
        assert_eq!(host.client().count("/counter/a/increment"), n);
    }
    host.kill();
    let path = host.data().join("abide.redb");
    let good = fs::read(&path).unwrap();
    let mut damaged: Vec<Vec<u8>> = vec![good[..good.len() / 2].to_vec(), vec![0; good.len()]];
    damaged.push(b"not a database".repeat(1_000));
    for at in (0..12).map(|page| page * good.len() / 12) {
        let mut file = good.clone();
        let end = file.len().min(at + 4_096);
        file[at..end].fill_with(|| random.below(256).to_le_bytes()[0]);
        damaged.push(file);
    }
    for file in damaged {
        fs::write(&path, &file).unwrap();
        refuses_or_serves(&mut host, 50);
    }
    fs::write(&path, good).unwrap();
    host.start_again();
    assert_eq!(host.client().count("/counter/a/"), 50);
}

/// The server starts and knows the count, or refuses as it should.
#[track_caller]
fn refuses_or_serves(host: &mut Host, count: i64) {
    match host.try_start() {
        Ok(()) => {
            let answer = host.client().get("/counter/a/");
            let right = answer.status == 200 && answer.text() == count.to_string();
            assert!(right || answer.status >= 500, "{} {}", answer.status, answer.text());
            host.kill();
        }
        Err(ended) => {
            let path = host.data().join("abide.redb");
            let said = ended.trim_end();
            assert!(said.contains(path.to_str().unwrap()) && said.contains("backup"), "{said}");
            assert!(!said.contains("panicked"), "{said}");
        }
    }
}

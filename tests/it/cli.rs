//! The client commands: `deploy`, `classes`, `call`.

use std::fs;

use tests::{
    guest,
    host::Host,
    probe,
    terminal::{Ended, abide},
};

/// Runs a client command against this server.
fn run(host: &Host, arguments: &[&str]) -> Ended {
    let server = ["--control", host.control_url(), "--token", host.token()];
    abide(&[arguments, &server].concat(), &[])
}

/// A file with this content, beside the data directory.
fn file(host: &Host, name: &str, content: &[u8]) -> String {
    let path = host.path(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_file_is_deployed_listed_and_called() {
    let host = Host::start(&[]);
    let component = file(&host, "my-class.wasm", guest::COUNTER_TWICE);
    run(&host, &["deploy", &component]).printed("my-class runs version 1");
    run(&host, &["deploy", &component]).printed("my-class runs these bytes already, as version 1");
    run(&host, &["deploy", &component, "--class", "other"]).printed("other runs version 1");
    let listed = run(&host, &["classes"]);
    for text in ["CLASS", "my-class", "other", "counter", "bundled", "sha256:"] {
        listed.printed(text);
    }
    let called = run(&host, &["call", "my-class", "a", "/increment"]);
    assert_eq!((called.success, called.stdout.as_str()), (true, "2\n"), "{called:?}");
    assert_eq!(host.client().count("/my-class/a/"), 2);
}

/// Names of any characters, ids, methods, headers and bodies.
#[test]
fn a_call_reaches_the_object_that_it_names() {
    let host = probe::host(&[]);
    for name in ["a/b", "a b", "100%", "?", "..", "\u{e4}", "#"] {
        run(&host, &["call", "probe", name, "/ctx"]).printed(&format!("\"name\":\"{name}\""));
    }
    let context = host.client().get("/probe/x/ctx").json();
    let id = context["id"].as_str().unwrap();
    run(&host, &["call", "probe", &format!("@{id}"), "/ctx"]).printed(id);
    let sent = run(&host, &["call", "probe", "x", "/echo?a=%3B", "-d", "hello", "-H", "x-a: 1"]);
    for text in ["\"POST\"", "/echo?a=%3B", "\"bodyLength\":5", "x-a"] {
        sent.printed(text);
    }
    run(&host, &["call", "probe", "x", "/echo", "-X", "PURGE"]).printed("\"PURGE\"");
}

/// An answer of 400 or more is printed, and the exit code says so.
#[test]
fn a_call_that_fails_prints_the_answer_and_the_status() {
    let host = Host::start(&[]);
    let ended = run(&host, &["call", "counter", "a", "/nothing"]);
    ended.refused(&["404"]);
    assert_eq!(ended.stdout, "Not found\n");
    run(&host, &["call", "counter", "a", "/", "-H", "no-colon"]).refused(&["no-colon", "colon"]);
    run(&host, &["call", "a/b", "a"]).refused(&["class name"]);
    run(&host, &["call", "counter", ""]).refused(&["object name"]);
}

#[test]
fn a_refused_upload_says_why() {
    let host = Host::start(&["--component-limit", "2MiB"]);
    let deploy = |path: &str, class: &str| run(&host, &["deploy", path, "--class", class]);
    deploy("/nothing/here.wasm", "mine").refused(&["/nothing/here.wasm", "No such file"]);
    let garbage = file(&host, "garbage.wasm", b"garbage");
    deploy(&garbage, "mine").refused(&["not WebAssembly"]);
    deploy(&garbage, "a/b").refused(&["class name", "'/'"]);
    deploy(&file(&host, "unknown.wasm", guest::WANTS_UNKNOWN), "mine").refused(&["teleport"]);
    deploy(&file(&host, "large.wasm", &vec![0; 16 << 20]), "mine").refused(&["2097152"]);
    let unnamed = file(&host, "no name.wasm", guest::COUNTER);
    run(&host, &["deploy", &unnamed]).refused(&["--class"]);
    run(&host, &["deploy"]).refused(&["<FILE>"]);
}

/// The token: from the flag, from the variable, from the data directory.
#[test]
fn the_token_is_found_or_asked_for() {
    let host = Host::start(&[]);
    let control = host.control_url();
    let nowhere = host.path("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    let classes = ["classes", "--control", control, "--data-dir", nowhere];
    abide(&classes, &[]).refused(&["--token", "ABIDE_TOKEN", "--data-dir", nowhere]);
    abide(&classes, &[("ABIDE_TOKEN", host.token())]).printed("counter");
    abide(&[&classes[..], &["--token", "wrong"]].concat(), &[]).refused(&["token"]);
    let variables = [("ABIDE_TOKEN", host.token()), ("ABIDE_CONTROL_URL", control)];
    abide(&["classes"], &variables).printed("counter");

    let mut generated = Host::stopped_without_token();
    generated.start_again();
    let data = generated.data();
    let data = data.to_str().unwrap();
    abide(&["classes", "--control", generated.control_url(), "--data-dir", data], &[])
        .printed("counter");
}

#[test]
fn a_server_that_does_not_run_is_named() {
    let mut host = Host::start(&[]);
    host.kill();
    let url = host.control_url().to_owned();
    for command in [&["classes"][..], &["call", "counter", "a"]] {
        run(&host, command).refused(&[&url, "abide serve"]);
    }
    let arguments = ["call", "counter", "a", "--ingress", host.ingress()];
    run(&host, &arguments).refused(&[host.ingress()]);
}

#[test]
fn help_and_version_are_there() {
    for command in ["serve", "deploy", "classes", "call"] {
        abide(&[command, "--help"], &[]).printed("Usage:");
        abide(&["--help"], &[]).printed(command);
    }
    abide(&["--version"], &[]).printed("abide 0.");
    abide(&["unknown"], &[]).refused(&["unknown"]);
    let help = abide(&["--help"], &[]);
    assert!(!help.stdout.contains("compile"), "the compiling process is no command for people");
}

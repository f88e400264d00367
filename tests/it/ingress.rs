//! Addresses: which object a path leads to, and what the object sees of it.

use serde_json::{Value, json};
use tests::{
    host::Host,
    probe::{self, Probe},
    raw,
};

/// What the probe says it saw, for a path sent byte for byte.
#[track_caller]
fn seen(host: &Host, path: &str) -> Value {
    let answer = raw::exchange(host.ingress(), &raw::request("GET", path, "", ""));
    assert_eq!(raw::status(&answer), 200, "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

/// The problem that a target leads to.
#[track_caller]
fn refused(host: &Host, method: &str, target: &str, status: u16, kind: &str) {
    let answer = raw::exchange(host.ingress(), &raw::request(method, target, "", ""));
    assert_eq!(raw::status(&answer), status, "{target}: {answer}");
    assert!(answer.contains("application/problem+json"), "{target}: {answer}");
    assert!(answer.contains(&format!("urn:abide:error:{kind}\"")), "{target}: {answer}");
}

/// O-080, O-081: nothing of path and query is decoded, sorted or dropped.
#[test]
fn the_object_sees_its_part_of_the_target_byte_for_byte() {
    let host = probe::host(&[]);
    for query in ["", "?", "?a=1&a=2&b=%20+&c", "?/x?y//..%2f%zz", "?%ff&=&;"] {
        assert_eq!(
            seen(&host, &format!("/probe/x/echo{query}"))["target"],
            format!("/echo{query}")
        );
    }
}

/// O-080, O-082: the counter of `/increment` itself does not move.
#[test]
fn paths_are_not_normalised() {
    let host = probe::host(&[]);
    let paths = [
        "//increment",
        "/increment/",
        "/x/../increment",
        "/./increment",
        "/%69ncrement",
        "/incr;x",
    ];
    for path in paths {
        let sent = raw::request("GET", &format!("/probe/x{path}"), "", "");
        assert_eq!(raw::status(&raw::exchange(host.ingress(), &sent)), 404, "{path}");
    }
    assert_eq!(host.client().count("/probe/x/increment"), 1);
}

/// O-082: with nothing behind the name the object sees `/`.
#[test]
fn a_missing_rest_is_a_slash() {
    let host = Host::start(&[]);
    assert_eq!(host.client().count("/counter/x/increment"), 1);
    for path in ["/counter/x", "/counter/x/", "/counter/x?a=1", "/counter/x/?a=1"] {
        assert_eq!(host.client().count(path), 1, "{path}");
    }
}

/// O-083, O-084, O-087, O-088: names are decoded once and then compared byte for byte.
#[test]
fn each_name_is_an_object_of_its_own() {
    let host = probe::host(&[]);
    let names = [
        ("hello%20world", "hello world"),
        ("hello+world", "hello+world"),
        ("a%2Fb", "a/b"),
        ("a", "a"),
        ("%2561", "%61"),
        ("caf%C3%A9", "caf\u{e9}"),
        ("cafe%CC%81", "cafe\u{301}"),
        ("%2E%2E", ".."),
        ("%40x", "@x"),
        ("A", "A"),
        ("a%00", "a\0"),
        ("a:b", "a:b"),
        ("%F0%9F%A6%80", "\u{1f980}"),
    ];
    for (encoded, name) in names {
        assert_eq!(seen(&host, &format!("/probe/{encoded}/ctx"))["name"], name);
        assert_eq!(host.client().count(&format!("/probe/{encoded}/increment")), 1, "{encoded}");
    }
    // Another spelling of the same name.
    assert_eq!(host.client().count("/probe/%61/increment"), 2);
    assert_eq!(host.client().count("/%70robe/caf%c3%a9/increment"), 2);
}

/// O-085, and other paths that name no object.
#[test]
fn what_names_no_object_is_refused() {
    let host = probe::host(&[]);
    for target in ["/", "/probe", "*"] {
        refused(&host, "GET", target, 404, "not-found");
    }
    let bad = [
        "/probe/",
        "/probe//increment",
        "//x/increment",
        "/probe/../x",
        "/probe/./x",
        "/../x/y",
        "/probe/%zz",
        "/probe/%2",
        "/probe/%",
        "/probe/%ff/increment",
        "/probe/%C3/x",
        "/a%2Fb/x",
        "/probe/@12/x",
        "/probe/@/x",
    ];
    for target in bad {
        refused(&host, "GET", target, 400, "bad-address");
    }
    refused(&host, "GET", "/nothing/x/increment", 404, "class-not-found");
    refused(&host, "GET", "/Probe/x/increment", 404, "class-not-found");
    refused(&host, "OPTIONS", "*", 404, "not-found");
    refused(&host, "CONNECT", "example.com:443", 501, "not-implemented");
}

/// O-086.
#[test]
fn a_name_may_have_512_bytes_and_no_more() {
    let host = probe::host(&[]);
    let exact = "%C3%A9".repeat(256);
    assert_eq!(host.client().count(&format!("/probe/{exact}/increment")), 1);
    let mut long = exact;
    long.push('a');
    let answer = host.client().get(&format!("/probe/{long}/increment"));
    let problem = answer.problem(400, "bad-address");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("513") && detail.contains("512"), "{detail}");
}

/// The id that the context tells leads back to the object, which knows its name.
#[test]
fn an_object_is_reached_by_its_id() {
    let mut host = probe::host(&[]);
    let named = Probe::new(&host, "a");
    named.run(json!([{ "put": ["k", "1"] }]));
    let id = named.get("/ctx").json()["id"].as_str().unwrap().to_owned();
    host.kill();
    host.start_again();
    let context = Probe::new(&host, &format!("@{id}")).get("/ctx").json();
    assert_eq!((&context["id"], &context["name"]), (&json!(id), &json!("a")));
    assert_eq!(Probe::new(&host, &format!("@{id}")).value("k"), "1");
    assert_eq!(seen(&host, &format!("/probe/@{id}/echo?x"))["target"], "/echo?x");
}

/// An object without a name keeps its state over a restart.
#[test]
fn a_unique_id_is_an_object_without_a_name() {
    let mut host = probe::host(&[]);
    let new_id = || -> String {
        let answer = host.control().post("/v1/classes/probe/ids", b"");
        answer.json()["id"].as_str().unwrap().to_owned()
    };
    let (first, second) = (new_id(), new_id());
    assert_ne!(first, second);
    let context = Probe::new(&host, &format!("@{first}")).get("/ctx").json();
    assert_eq!((&context["id"], &context["name"]), (&json!(first), &Value::Null));
    assert_eq!(host.client().count(&format!("/probe/@{first}/increment")), 1);
    assert_eq!(host.client().count(&format!("/probe/@{second}/increment")), 1);
    host.kill();
    host.start_again();
    assert_eq!(host.client().count(&format!("/probe/@{first}/increment")), 2);
}

/// G7: ids cannot be made up or taken to another class.
#[test]
fn an_id_of_another_class_is_refused() {
    let host = probe::host(&[]);
    host.deploy("probe2", tests::guest::PROBE);
    let id = Probe::new(&host, "a").get("/ctx").json()["id"].as_str().unwrap().to_owned();
    let flipped = |at: usize| {
        let digit = if &id[at..=at] == "0" { "1" } else { "0" };
        format!("{}{digit}{}", &id[..at], &id[at + 1..])
    };
    refused(&host, "GET", &format!("/probe2/@{id}/ctx"), 404, "id-not-of-class");
    refused(&host, "GET", &format!("/probe/@{}/ctx", flipped(0)), 404, "id-not-of-class");
    refused(&host, "GET", &format!("/probe/@{}/ctx", flipped(63)), 404, "id-not-of-class");
    refused(&host, "GET", &format!("/probe/@{}/ctx", "0".repeat(64)), 404, "id-not-of-class");
    refused(&host, "GET", &format!("/probe/@{}/ctx", id.to_uppercase()), 400, "bad-address");
    refused(&host, "GET", &format!("/probe/@{}/ctx", &id[1..]), 400, "bad-address");
}

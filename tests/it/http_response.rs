//! Responses on the wire: passed on as the object gave them, framed by the host.

use serde_json::{Value, json};
use tests::{
    host::Host,
    probe::{self, Probe, scripted},
    raw::{Reply, Wire},
};

/// Sends a request for a scripted response, and another one behind it on the same connection, which
/// must be answered in its place.
#[track_caller]
fn reply(host: &Host, method: &str, script: Value, bodiless: bool) -> Reply {
    let mut wire = Wire::new(host.ingress());
    wire.send(
        format!("{method} /probe/x{} HTTP/1.1\r\nhost: x\r\n\r\n", scripted(script)).as_bytes(),
    );
    let reply = if bodiless { wire.head() } else { wire.reply() };
    wire.send(b"GET /probe/x/ignore HTTP/1.1\r\nhost: x\r\n\r\n");
    let next = wire.reply();
    assert_eq!((next.status, next.text().as_str()), (200, "ignored"), "{}", reply.head);
    reply
}

/// O-064: `Expires` has a comma of its own.
#[test]
fn each_set_cookie_is_a_line_of_its_own() {
    let host = probe::host(&[]);
    let headers = json!([
        ["set-cookie", "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT"],
        ["Set-Cookie", "b=2"],
        ["x", "1"],
        ["set-cookie", "c=3"],
    ]);
    let reply = reply(&host, "GET", json!({ "headers": headers }), false);
    let cookies: Vec<_> =
        reply.head.lines().filter(|line| line.starts_with("set-cookie")).collect();
    assert_eq!(
        cookies,
        [
            "set-cookie: a=1; expires=wed, 21 oct 2026 07:28:00 gmt",
            "set-cookie: b=2",
            "set-cookie: c=3"
        ]
    );
}

/// O-065: bytes above 0x7f pass.
#[test]
fn header_values_reach_the_client_byte_for_byte() {
    let host = probe::host(&[]);
    let headers = json!([["x-bytes", { "b64": "boL/" }]]);
    let answer = Probe::new(&host, "x").get(&scripted(json!({ "headers": headers })));
    let found = answer.headers.iter().find(|(name, _)| name == "x-bytes").unwrap();
    assert_eq!(found.1, b"n\x82\xff");
}

/// O-066, O-067.
#[test]
fn headers_that_cannot_be_sent_are_a_fault_of_the_object() {
    let host = probe::host(&[]);
    let illegal = [
        json!({ "headers": [["x", "a\r\nset-cookie: b=1"]] }),
        json!({ "headers": [["x", "a\nb"]] }),
        json!({ "headers": [["x", { "b64": "YQBi" }]] }),
        json!({ "headers": [["x: 1\r\ny", "a"]] }),
        json!({ "headers": [["", "a"]] }),
        json!({ "headers": [["x y", "a"]] }),
        json!({ "headers": [["\u{e4}", "a"]] }),
        json!({ "manyHeaders": 257 }),
        json!({ "manyHeaders": 40_000 }),
        json!({ "headers": [["x", { "repeat": ["a", 200_000] }]] }),
    ];
    for script in illegal {
        let reply = reply(&host, "GET", script.clone(), false);
        assert_eq!(reply.status, 500, "{script}: {}", reply.head);
        assert!(reply.text().contains("urn:abide:error:invalid-response"), "{}", reply.text());
        assert!(!reply.head.contains("set-cookie"), "{}", reply.head);
    }
    let many = reply(&host, "GET", json!({ "manyHeaders": 256 }), false);
    assert_eq!((many.status, many.header("x-255")), (200, Some("255")));
}

/// O-068: framing is the host's, and the connection stays usable.
#[test]
fn hop_by_hop_headers_of_an_object_are_dropped() {
    let host = probe::host(&[]);
    let headers = json!([
        ["Transfer-Encoding", "gzip"],
        ["Connection", "close, x-hop"],
        ["x-hop", "1"],
        ["Keep-Alive", "timeout=5"],
        ["Upgrade", "x"],
        ["Content-Length", "999"],
        ["trailer", "x"],
        ["x-kept", "1"],
    ]);
    let reply = reply(&host, "GET", json!({ "headers": headers, "body": "hello" }), false);
    assert_eq!((reply.status, reply.text().as_str()), (200, "hello"));
    let mut names: Vec<_> =
        reply.head.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0)).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "date", "x-kept"]);
}

/// O-069: RFC 9110 section 9.3.2; the object sees HEAD.
#[test]
fn head_has_the_length_of_get_and_no_body() {
    let host = probe::host(&[]);
    let script = json!({ "bodyZeros": 1_234 });
    let reply = reply(&host, "HEAD", script, true);
    assert_eq!((reply.status, reply.header("content-length")), (200, Some("1234")));
    let mut wire = Wire::new(host.ingress());
    wire.send(b"HEAD /probe/x/echo HTTP/1.1\r\nhost: x\r\n\r\nGET /probe/x/echo HTTP/1.1\r\nhost: x\r\n\r\n");
    let head = wire.head();
    let get = wire.reply();
    // One letter more for HEAD.
    let length =
        |reply: &Reply| -> usize { reply.header("content-length").unwrap().parse().unwrap() };
    assert_eq!(length(&head), length(&get) + 1);
}

/// A problem in answer to HEAD has no body either.
#[test]
fn head_of_a_problem_has_no_body() {
    let host = probe::host(&[]);
    let reply = reply(&host, "HEAD", json!({ "status": 99 }), true);
    assert_eq!(reply.status, 500);
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
}

/// O-070: RFC 9110 sections 15.3.5 and 15.4.5.
#[test]
fn no_content_and_not_modified_have_no_body() {
    let host = probe::host(&[]);
    for body in ["", "illegal"] {
        let script =
            |status: u16| json!({ "status": status, "body": body, "headers": [["etag", "\"a\""]] });
        let reply_204 = reply(&host, "GET", script(204), true);
        assert_eq!(reply_204.status, 204);
        assert_eq!(reply_204.header("content-length"), None, "{}", reply_204.head);
        assert_eq!(reply_204.header("transfer-encoding"), None, "{}", reply_204.head);
        let reply_304 = reply(&host, "GET", script(304), true);
        assert_eq!((reply_304.status, reply_304.header("etag")), (304, Some("\"a\"")));
        assert_eq!(reply_304.header("transfer-encoding"), None, "{}", reply_304.head);
        let reply_205 = reply(&host, "GET", script(205), false);
        assert_eq!((reply_205.status, reply_205.body.len()), (205, 0));
    }
}

/// O-071, O-089: any final status passes as it is, redirects too.
#[test]
fn final_statuses_are_passed_on() {
    let host = probe::host(&[]);
    for status in [200, 201, 226, 299, 300, 399, 404, 418, 451, 499, 500, 503, 599] {
        let reply = reply(&host, "GET", json!({ "status": status, "body": "as given" }), false);
        assert_eq!((reply.status, reply.text().as_str()), (status, "as given"));
    }
    let script = json!({ "status": 302, "headers": [["location", "../x?y"]] });
    let reply = reply(&host, "GET", script, false);
    assert_eq!((reply.status, reply.header("location")), (302, Some("../x?y")));
}

/// O-071, O-072.
#[test]
fn statuses_that_are_not_final_are_a_fault_of_the_object() {
    let host = probe::host(&[]);
    for status in [0, 99, 100, 101, 102, 103, 199, 600, 999, 1_000, 65_535] {
        let reply = reply(&host, "GET", json!({ "status": status }), false);
        assert_eq!(reply.status, 500);
        assert!(reply.text().contains("urn:abide:error:invalid-response"), "{}", reply.text());
        assert!(reply.text().contains(&status.to_string()), "{}", reply.text());
    }
}

/// O-073: the next request on the connection works, or the connection is closed.
#[test]
fn a_body_that_the_object_does_not_read_is_drained() {
    let host = probe::host(&[]);
    let mut wire = Wire::new(host.ingress());
    for length in [5, 100_000, 3_000_000] {
        let head =
            format!("POST /probe/x/ignore HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        wire.send(head.as_bytes());
        wire.send(&vec![b'x'; length]);
        assert_eq!(wire.reply().text(), "ignored");
    }
}

/// O-079: bytes and coding as given.
#[test]
fn a_coded_body_is_passed_on_as_it_is() {
    let host = probe::host(&[]);
    let script =
        json!({ "headers": [["content-encoding", "gzip"]], "body": { "b64": "H4sIAAAA" } });
    let reply = reply(&host, "GET", script, false);
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    assert_eq!(reply.body, b"\x1f\x8b\x08\x00\x00\x00");
}

#[test]
fn a_body_of_many_megabytes_is_passed_on() {
    let host = probe::host(&[]);
    let answer = Probe::new(&host, "x").get(&scripted(json!({ "bodyZeros": 20 << 20 })));
    assert!(answer.body.len() == 20 << 20 && answer.body.iter().all(|byte| *byte == 0));
}

/// RFC 9110 section 9.3.2 and RFC 9112: HTTP/1.0 clients get an answer that they can read.
#[test]
fn a_client_of_http_1_0_is_answered_and_closed() {
    let host = probe::host(&[]);
    let mut wire = Wire::new(host.ingress());
    wire.send(b"GET /probe/x/ignore HTTP/1.0\r\n\r\n");
    let reply = wire.reply();
    assert_eq!((reply.status, reply.text().as_str()), (200, "ignored"));
    assert_eq!(reply.header("transfer-encoding"), None);
    assert_eq!(wire.rest(), "");
}

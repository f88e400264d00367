//! Requests on the wire: what reaches the object, and what is refused before.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tests::{
    host::{Host, await_until},
    probe::{self, Probe},
    raw::{self, Wire, exchange, request},
};

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// What `/echo` saw of these bytes.
#[track_caller]
fn echoed(host: &Host, bytes: &[u8]) -> Value {
    let answer = exchange(host.ingress(), bytes);
    assert_eq!(raw::status(&answer), 200, "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// The values of a header that `/echo` saw.
fn values(echoed: &Value, name: &str) -> Vec<Vec<u8>> {
    let fields = echoed["headers"].as_array().unwrap().iter();
    let found = fields.filter(|field| field[0] == name);
    found.map(|field| BASE64_STANDARD.decode(field[1].as_str().unwrap()).unwrap()).collect()
}

#[track_caller]
fn refused(host: &Host, bytes: &[u8], status: u16) -> String {
    let answer = exchange(host.ingress(), bytes);
    assert_eq!(raw::status(&answer), status, "{}: {answer}", String::from_utf8_lossy(bytes));
    answer
}

/// O-088: the object sees the method as it was sent.
#[test]
fn any_method_reaches_the_object() {
    let host = probe::host(&[]);
    for method in ["GET", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE", "QUERY", "x!y"] {
        assert_eq!(echoed(&host, &request(method, "/probe/x/echo", "", ""))["method"], method);
    }
}

/// O-065: header values are bytes.
#[test]
fn header_values_reach_the_object_byte_for_byte() {
    let host = probe::host(&[]);
    let mut bytes =
        b"GET /probe/x/echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncookie: n=".to_vec();
    bytes.extend_from_slice(b"\xc3\x82\xff\r\nX-Many: 1\r\nx-many: 2\r\nX-MANY:  3 \r\n\r\n");
    let seen = echoed(&host, &bytes);
    assert_eq!(values(&seen, "cookie"), [b"n=\xc3\x82\xff"]);
    assert_eq!(values(&seen, "x-many"), [b"1", b"2", b"3"]);
    assert_eq!(values(&seen, "host"), [b"x"]);
}

/// Fields of the connection and our own names do not pass; O-117 for what comes from outside.
#[test]
fn hop_by_hop_and_reserved_headers_do_not_reach_the_object() {
    let host = probe::host(&[]);
    let fields = "Keep-Alive: 1\r\nTE: trailers\r\nUpgrade: x\r\nProxy-Connection: x\r\nTrailer: x\r\n\
        X-Hop: 1\r\nAbide-Object: forged\r\nABIDE-chain: forged\r\nX-Abide: kept\r\n";
    let bytes = format!(
        "GET /probe/x/echo HTTP/1.1\r\nhost: x\r\nconnection: close, x-hop, upgrade\r\n{fields}\r\n"
    );
    let seen = echoed(&host, bytes.as_bytes());
    let names: Vec<_> = seen["headers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field[0].as_str().unwrap())
        .collect();
    assert_eq!(names, ["host", "x-abide"]);
}

/// O-074, O-079: no hidden limit, nothing decoded on the way.
#[test]
fn bodies_reach_the_object_byte_for_byte() {
    let host = probe::host(&[]);
    for length in [0, 1, 2_097_153, 20 << 20] {
        let body: Vec<u8> = (0..length).map(|n: u32| n.to_le_bytes()[1]).collect();
        let seen =
            host.client().send("POST", "/probe/x/echo", &[("content-encoding", "gzip")], &body);
        assert_eq!(seen.json()["bodyLength"], length);
        assert_eq!(seen.json()["bodySha256"], sha256(&body));
        assert_eq!(values(&seen.json(), "content-encoding"), [b"gzip"]);
    }
}

#[test]
fn a_chunked_body_is_put_together() {
    let host = probe::host(&[]);
    let fields = "transfer-encoding: chunked\r\n";
    let body = "3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nx-trailer: 1\r\n\r\n";
    let seen = echoed(&host, &request("POST", "/probe/x/echo", fields, body));
    assert_eq!(seen["bodySha256"], sha256(b"abcde"));
    assert_eq!(values(&seen, "transfer-encoding"), Vec::<Vec<u8>>::new());
}

/// O-074: told in advance the body is not even read; chunked it is read up to the limit.
#[test]
fn a_body_over_the_limit_is_a_413() {
    let host = probe::host(&["--body-limit", "1000B"]);
    let sent = |body: &[u8]| host.client().post("/probe/x/echo", body);
    assert_eq!(sent(&[b'x'; 1_000]).json()["bodyLength"], 1_000);
    let problem = sent(&[b'x'; 1_001]).problem(413, "body-too-large");
    assert!(problem["detail"].as_str().unwrap().contains("1000"), "{problem}");

    let announced = request("POST", "/probe/x/echo", "content-length: 99999999999\r\n", "");
    refused(&host, &announced, 413);
    let chunks = "1f4\r\n".to_owned() + &"x".repeat(500) + "\r\n";
    let body = chunks.repeat(3) + "0\r\n\r\n";
    refused(&host, &request("POST", "/probe/x/echo", "transfer-encoding: chunked\r\n", &body), 413);
    assert_eq!(host.client().count("/probe/x/increment"), 1);
}

/// RFC 9110 section 10.1.1: asked for, the body is sent only when it is wanted.
#[test]
fn expect_100_continue_is_answered_where_the_body_is_wanted() {
    let host = probe::host(&["--body-limit", "1000B"]);
    let mut wire = Wire::new(host.ingress());
    let head = |length: u32| {
        format!(
            "POST /probe/x/echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    wire.send(head(5).as_bytes());
    assert_eq!(wire.head().status, 100);
    wire.send(b"hello");
    assert_eq!(wire.reply().status, 200);
    wire.send(head(5_000).as_bytes());
    assert_eq!(wire.reply().status, 413);

    let mut wire = Wire::new(host.ingress());
    let unknown = head(5).replace("/probe/", "/unknown/");
    wire.send(unknown.as_bytes());
    assert_eq!(wire.reply().status, 404);
}

/// O-091: a hidden request is never run.
#[test]
fn no_request_can_be_smuggled() {
    let host = probe::host(&[]);
    let hidden = "GET /probe/x/increment HTTP/1.1\r\nhost: x\r\n\r\n";
    let chunked = format!("0\r\n\r\n{hidden}");
    let both = [
        format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", chunked.len()),
        format!("transfer-encoding: chunked\r\ncontent-length: {}\r\n", chunked.len()),
    ];
    for fields in both {
        let bytes = format!("POST /probe/x/ignore HTTP/1.1\r\nhost: x\r\n{fields}\r\n{chunked}");
        let answer = exchange(host.ingress(), bytes.as_bytes());
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
    let lengths = format!("content-length: 0\r\ncontent-length: {}\r\n", hidden.len());
    refused(&host, &request("POST", "/probe/x/ignore", &lengths, hidden), 400);
    refused(&host, &request("POST", "/probe/x/ignore", "transfer-encoding: gzip\r\n", hidden), 400);
    refused(&host, &request("GET", "/probe/x/ignore", "content-length: -1\r\n", ""), 400);
    assert_eq!(host.client().count("/probe/x/increment"), 1);
}

/// O-092.
#[test]
fn a_request_has_exactly_one_valid_host() {
    let host = probe::host(&[]);
    let get = |fields: &str| {
        format!("GET /probe/x/echo HTTP/1.1\r\nconnection: close\r\n{fields}\r\n").into_bytes()
    };
    for fields in
        ["", "host: a\r\nhost: a\r\n", "host: a b\r\n", "host: u@a\r\n", "host: \u{e4}\r\n"]
    {
        let answer = refused(&host, &get(fields), 400);
        assert!(answer.contains("urn:abide:error:bad-request"), "{answer}");
    }
    for fields in ["host: \r\n", "host: a:80\r\n", "host: [::1]:80\r\n"] {
        echoed(&host, &get(fields));
    }
    echoed(&host, b"GET /probe/x/echo HTTP/1.0\r\n\r\n");
}

/// O-092: RFC 9112 section 3.2.2.
#[test]
fn the_absolute_form_is_routed_by_its_path() {
    let host = probe::host(&[]);
    let seen = echoed(&host, &request("GET", "http://other.example:99/probe/x/echo?a=%3B", "", ""));
    assert_eq!(seen["target"], "/echo?a=%3B");
}

/// What is no HTTP is answered by an error of HTTP, and the next connection works.
#[test]
fn garbage_on_the_wire_harms_nobody() {
    let host = probe::host(&[]);
    let garbage: [&[u8]; 5] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"GET /probe/x/echo HTTP/9.9\r\n\r\n",
        b"GET /probe/x/ec ho HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /probe/x/echo HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
    ];
    for bytes in garbage {
        let answer = exchange(host.ingress(), bytes);
        assert!(answer.is_empty() || (400..600).contains(&raw::status(&answer)), "{answer}");
    }
    assert_eq!(host.client().count("/probe/x/increment"), 1);
}

/// Bounded: many fields, and much in one.
#[test]
fn a_head_that_is_too_large_is_a_431() {
    let host = probe::host(&[]);
    let many = (0..300).map(|n| format!("x-{n}: 1\r\n")).collect::<Vec<_>>().concat();
    refused(&host, &request("GET", "/probe/x/echo", &many, ""), 431);
    // The answer may be lost: it is given while the client still sends.
    let long = format!("x: {}\r\n", "y".repeat(400_000));
    let answer = exchange(host.ingress(), &request("GET", "/probe/x/echo", &long, ""));
    assert!(answer.is_empty() || raw::status(&answer) == 431, "{answer}");
    let long = "y".repeat(100);
    let enough = (0..200).map(|n| format!("x-{n}: {long}\r\n")).collect::<Vec<_>>().concat();
    echoed(&host, &request("GET", "/probe/x/echo", &enough, ""));
}

/// O-093: neither a head nor a body may take for ever, and others are served meanwhile.
#[test]
fn slow_clients_are_cut_off_and_others_served() {
    let host = probe::host(&["--client-timeout", "1s"]);
    let mut slow_heads: Vec<Wire> = (0..100).map(|_| Wire::new(host.ingress())).collect();
    for wire in &mut slow_heads {
        wire.send(b"GET /probe/x/increment HTTP/1.1\r\nho");
    }
    let mut slow_body = Wire::new(host.ingress());
    slow_body.send(b"POST /probe/x/increment HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab");
    assert_eq!(host.client().count("/probe/x/increment"), 1);
    let late = slow_body.reply();
    assert_eq!(late.status, 408, "{}", late.text());
    assert!(late.text().contains("urn:abide:error:request-timeout"), "{}", late.text());
    slow_body.rest();
    for mut wire in slow_heads {
        wire.rest();
    }
    assert_eq!(host.client().count("/probe/x/increment"), 2);
}

/// An incomplete body is no event.
#[test]
fn a_client_that_breaks_off_its_body_causes_no_event() {
    let host = probe::host(&[]);
    for _ in 0..20 {
        let mut wire = Wire::new(host.ingress());
        wire.send(b"POST /probe/x/increment HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab");
    }
    assert_eq!(host.client().count("/probe/x/increment"), 1);
}

/// O-078: the event runs to its end, once, and the object goes on with the same instance.
#[test]
fn an_event_runs_to_its_end_when_the_client_hangs_up() {
    let host = probe::host(&[]);
    let object = Probe::new(&host, "x");
    let instance = || object.get("/mem").json()["instance"].take();
    let before = instance();
    for n in 1..=10 {
        let mut wire = Wire::new(host.ingress());
        let steps =
            json!([{ "log": 1 }, { "sleep": 30 }, { "put": ["last", n.to_string()] }]).to_string();
        let head = format!("content-length: {}\r\n", steps.len());
        wire.send(&request("POST", "/probe/x/run", &head, &steps));
        await_until("the event begins", || host.log_count("line n=") == n);
        drop(wire);
    }
    // In order behind the ten.
    assert_eq!(object.value("last"), "10");
    assert_eq!(instance(), before);
}

#[test]
fn many_connections_at_once_are_served() {
    let host = Host::start(&[]);
    let mut wires: Vec<Wire> = (0..300).map(|_| Wire::new(host.ingress())).collect();
    for wire in &mut wires {
        wire.send(b"GET /counter/x/increment HTTP/1.1\r\nhost: x\r\n\r\n");
    }
    let mut counts: Vec<u32> =
        wires.iter_mut().map(|wire| wire.reply().text().parse().unwrap()).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=300).collect::<Vec<_>>());
}

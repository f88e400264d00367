//! Keys and values: limits at their boundary, absence, deletes, isolation, restarts.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tests::{
    host::Host,
    probe::{self, Probe},
};

const VALUE_MAX: usize = 2 << 20;

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// O-009.
#[test]
fn a_value_may_be_as_large_as_the_limit_and_no_larger() {
    let host = probe::host(&[]);
    let object = Probe::new(&host, "x");
    object.run(json!([{ "put": ["k", { "zeros": VALUE_MAX }] }]));
    let refused = object.run(json!([{ "put": ["k", { "zeros": VALUE_MAX + 1 }] }]));
    assert_eq!(
        refused[0],
        json!({ "error": "value-too-large", "key": "k", "size": VALUE_MAX + 1, "limit": VALUE_MAX })
    );
    let kept = object.value("k");
    assert_eq!(kept, json!({ "length": VALUE_MAX, "sha256": sha256(&vec![0; VALUE_MAX]) }));
}

#[test]
fn the_limit_of_values_can_be_set() {
    let host = probe::host(&["--value-limit", "10B"]);
    let results = Probe::new(&host, "x").run(json!([
        { "put": ["k", { "zeros": 10 }] }, { "put": ["k", { "zeros": 11 }] },
    ]));
    assert_eq!((&results[0], &results[1]["limit"]), (&Value::Null, &json!(10)));
}

/// O-010: bytes, not characters.
#[test]
fn a_key_may_have_2048_bytes_and_no_more() {
    let host = probe::host(&[]);
    let object = Probe::new(&host, "x");
    let exact = json!({ "repeat": ["\u{e9}", 1_024] });
    let results = object.run(json!([
        { "put": [exact, "v"] }, { "get": exact },
        { "put": [{ "repeat": ["\u{20ac}", 683] }, "v"] },
        { "get": { "repeat": ["a", 2_049] } }, { "del": { "repeat": ["a", 2_049] } },
        { "put": ["", "v"] }, { "get": "" },
    ]));
    assert_eq!((&results[0], &results[1]), (&Value::Null, &json!("v")));
    for refused in [2, 3, 4] {
        assert_eq!(results[refused]["error"], "key-too-long", "{results}");
        assert_eq!(
            (&results[refused]["size"], &results[refused]["limit"]),
            (&json!(2_049), &json!(2_048))
        );
    }
    assert_eq!(results[5], json!({ "error": "key-empty" }));
    assert_eq!(results[6], json!({ "error": "key-empty" }));
}

/// O-010: what is asked of `list` is no key, but no key can match it either.
#[test]
fn a_prefix_longer_than_any_key_finds_nothing_or_is_refused() {
    let host = probe::host(&[]);
    let long = "a".repeat(2_049);
    let results = Probe::new(&host, "x").run(json!([{ "list": { "prefix": long } }]));
    assert!(results[0] == json!([]) || results[0]["error"] == "key-too-long", "{results}");
}

/// O-011.
#[test]
fn a_hundred_chunks_survive_a_restart() {
    const CHUNK: usize = 120_000;
    let mut host = probe::host(&[]);
    let chunk =
        |n: usize| json!([format!("chunk-{n:03}"), { "repeat": [format!("{n:03}"), CHUNK / 3] }]);
    let entries: Vec<_> = (0..100).map(chunk).collect();
    Probe::new(&host, "x").run(json!([{ "putMany": entries }]));
    host.kill();
    host.start_again();
    let keys: Vec<_> = (0..100).rev().map(|n| format!("chunk-{n:03}")).collect();
    let found = Probe::new(&host, "x").run(json!([{ "getMany": keys }]))[0].take();
    for n in 0..100 {
        let bytes = format!("{n:03}").repeat(CHUNK / 3);
        let expected = json!({ "length": CHUNK, "sha256": sha256(bytes.as_bytes()) });
        assert_eq!(found[99 - n], expected);
    }
}

/// O-012.
#[test]
fn an_absent_key_is_absent_and_no_error() {
    let host = probe::host(&[]);
    let results = Probe::new(&host, "x").run(json!([
        { "get": "k" }, { "getMany": ["k", "l"] }, { "del": "k" }, { "list": {} },
    ]));
    assert_eq!(results, json!([null, [null, null], false, []]));
}

/// O-013.
#[test]
fn an_empty_value_is_not_an_absent_one() {
    let mut host = probe::host(&[]);
    Probe::new(&host, "x").run(json!([{ "put": ["k", ""] }]));
    host.kill();
    host.start_again();
    let object = Probe::new(&host, "x");
    let results =
        object.run(json!([{ "get": "k" }, { "list": {} }, { "del": "k" }, { "del": "k" }]));
    assert_eq!(results, json!(["", [["k", ""]], true, false]));
    assert_eq!(object.value("k"), Value::Null);
}

/// O-014: duplicates and absent keys do not count, the event's own writes do.
#[test]
fn deletes_count_what_existed() {
    let host = probe::host(&[]);
    let object = Probe::new(&host, "x");
    object.run(json!([{ "putMany": [["a", "1"], ["b", "1"]] }]));
    let results = object.run(json!([
        { "put": ["c", "1"] }, { "delMany": ["a", "a", "zz", "c"] }, { "del": "b" },
        { "delMany": ["a", "b", "c"] }, { "put": ["a", "2"] }, { "del": "a" }, { "list": {} },
    ]));
    assert_eq!(results, json!([null, 2, true, 0, null, true, []]));
    assert_eq!(object.run(json!([{ "list": {} }])), json!([[]]));
}

/// O-015.
#[test]
fn one_wrong_entry_refuses_the_whole_put() {
    let host = probe::host(&[]);
    let object = Probe::new(&host, "x");
    object.run(json!([{ "put": ["3", "old"] }]));
    for wrong in [json!(["7", { "zeros": VALUE_MAX + 1 }]), json!(["", "v"])] {
        let entries: Vec<_> = (0..10)
            .map(|n| if n == 7 { wrong.clone() } else { json!([n.to_string(), "new"]) })
            .collect();
        let results = object.run(json!([{ "putMany": entries }, { "list": {} }]));
        assert!(results[0]["error"].is_string(), "{results}");
        assert_eq!(results[1], json!([["3", "old"]]));
    }
    assert_eq!(object.run(json!([{ "list": {} }]))[0], json!([["3", "old"]]));
}

#[test]
fn of_equal_keys_in_one_put_the_last_counts() {
    let host = probe::host(&[]);
    let object = Probe::new(&host, "x");
    object.run(json!([{ "putMany": [["k", "1"], ["k", "2"]] }]));
    assert_eq!(object.value("k"), "2");
}

/// O-022.
#[test]
fn no_object_sees_or_deletes_what_another_holds() {
    const NAMES: [&str; 7] = ["a", "ab", "a%7Cb", "a%2Fb", "a%00b", "A", "%C3%A4"];
    let mut host = probe::host(&[]);
    host.deploy("probe2", tests::guest::PROBE);
    for name in NAMES {
        Probe::new(&host, name).run(json!([{ "put": ["who", name] }]));
    }
    let other_class = host.client().post("/probe2/a/run", br#"[{ "list": {} }]"#);
    assert_eq!(other_class.json(), json!([[]]));
    Probe::new(&host, "a").run(json!(["deleteAll"]));
    host.kill();
    host.start_again();
    for name in NAMES {
        let expected = if name == "a" { json!([]) } else { json!([["who", name]]) };
        assert_eq!(Probe::new(&host, name).run(json!([{ "list": {} }]))[0], expected, "{name}");
    }
}

/// Values of any bytes; an event's later reads see its own writes.
#[test]
fn reads_see_the_events_own_writes_and_later_events_too() {
    let mut host = probe::host(&[]);
    let object = Probe::new(&host, "x");
    let results = object.run(json!([
        { "put": ["k", { "b64": "AP+A" }] }, { "get": "k" },
        { "put": ["l", "1"] }, { "del": "l" }, { "getMany": ["l", "k"] },
    ]));
    assert_eq!(results[1], json!({ "b64": "AP+A" }));
    assert_eq!(results[4], json!([null, { "b64": "AP+A" }]));
    assert_eq!(object.value("k"), json!({ "b64": "AP+A" }));
    host.kill();
    host.start_again();
    assert_eq!(Probe::new(&host, "x").value("k"), json!({ "b64": "AP+A" }));
}

/// O-021, O-062: an object that has deleted everything is not listed, and starts anew.
#[test]
fn delete_all_leaves_nothing_of_the_object() {
    let mut host = probe::host(&[]);
    let listed =
        |host: &Host| host.control().get("/v1/classes/probe/objects").json()["objects"].take();
    let object = Probe::new(&host, "x");
    object.run(json!([{ "putMany": [["a", "1"], ["b", "1"]] }]));
    assert_eq!(listed(&host).as_array().unwrap().len(), 1);
    object.run(json!(["deleteAll"]));
    assert_eq!(listed(&host), json!([]));
    assert_eq!(object.run(json!([{ "list": {} }]))[0], json!([]));
    object.run(json!([{ "put": ["c", "1"] }]));
    host.kill();
    host.start_again();
    assert_eq!(listed(&host)[0]["name"], "x");
    assert_eq!(Probe::new(&host, "x").run(json!([{ "list": {} }]))[0], json!([["c", "1"]]));
}

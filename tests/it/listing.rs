//! `list`: order, ranges, limits, and what it sees of uncommitted writes.

use serde_json::{Value, json};
use tests::{
    host::Host,
    probe::{self, Probe},
};

/// An object of a new server that holds these keys.
fn with_keys(host: &Host, keys: &[&str]) -> Probe {
    let object = Probe::new(host, "x");
    let entries: Vec<_> = keys.iter().map(|key| json!([key, "v"])).collect();
    object.run(json!([{ "putMany": entries }]));
    object
}

/// Checks the keys that a list gives, all pages together and the first page by itself.
#[track_caller]
fn lists(object: &Probe, options: Value, expected: &[&str]) {
    let results = object.run(json!([{ "list": options }, { "page": options }]));
    let keys = |entries: &Value| -> Vec<String> {
        assert!(entries.is_array(), "{options}: {entries}");
        let entries = entries.as_array().unwrap();
        entries.iter().map(|entry| entry[0].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&results[0]), expected, "{options}");
    assert_eq!(keys(&results[1]["entries"]), expected, "{options}");
}

#[track_caller]
fn refused(object: &Probe, options: Value) {
    let results = object.run(json!([{ "list": options }, { "get": "a" }]));
    assert_eq!(results[0]["error"], "invalid-list", "{results}");
    assert!(results[0]["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
}

/// O-001, O-002: UTF-8 bytes, neither UTF-16 units nor a language's order.
#[test]
fn keys_sort_by_their_bytes() {
    let host = probe::host(&[]);
    let sorted = ["!", ", ", "-", "10", "9", "A", "_", "a", "\u{fb00}", "\u{ff41}", "\u{1d49c}"];
    let mut keys = sorted;
    keys.reverse();
    keys.swap(0, 5);
    let object = with_keys(&host, &keys);
    lists(&object, json!({}), &sorted);
    let mut backwards = sorted;
    backwards.reverse();
    lists(&object, json!({ "reverse": true }), &backwards);
}

/// O-003: the successor of a key is the key and a NUL.
#[test]
fn start_after_excludes_that_key_only() {
    let host = probe::host(&[]);
    let object = with_keys(&host, &["k", "k\0", "k0", "l"]);
    lists(&object, json!({ "startAfter": "k" }), &["k\0", "k0", "l"]);
    lists(&object, json!({ "startAfter": "k\0" }), &["k0", "l"]);
    lists(&object, json!({ "startAfter": "absent" }), &["k", "k\0", "k0", "l"]);
    lists(&object, json!({ "startAfter": "l" }), &[]);
    lists(&object, json!({ "startAfter": "k", "reverse": true }), &["l", "k0", "k\0"]);
}

/// O-004.
#[test]
fn contradictory_options_are_an_error_value() {
    let host = probe::host(&[]);
    let object = with_keys(&host, &["a"]);
    refused(&object, json!({ "limit": 0 }));
    refused(&object, json!({ "start": "a", "startAfter": "a" }));
    lists(&object, json!({}), &["a"]);
}

/// O-005.
#[test]
fn prefix_and_range_intersect() {
    let host = probe::host(&[]);
    let object = with_keys(&host, &["a1", "b1", "b2", "b3", "c1"]);
    lists(&object, json!({ "prefix": "b" }), &["b1", "b2", "b3"]);
    lists(&object, json!({ "prefix": "b", "start": "b2" }), &["b2", "b3"]);
    lists(&object, json!({ "prefix": "b", "start": "a" }), &["b1", "b2", "b3"]);
    lists(&object, json!({ "prefix": "b", "startAfter": "b1", "end": "b3" }), &["b2"]);
    lists(&object, json!({ "prefix": "b", "end": "z" }), &["b1", "b2", "b3"]);
    lists(&object, json!({ "prefix": "b", "start": "c" }), &[]);
    lists(&object, json!({ "prefix": "b", "end": "b" }), &[]);
    lists(&object, json!({ "start": "c", "end": "a" }), &[]);
    lists(&object, json!({ "start": "b", "end": "b" }), &[]);
    lists(&object, json!({ "prefix": "" }), &["a1", "b1", "b2", "b3", "c1"]);
    lists(&object, json!({ "start": "", "end": "b1" }), &["a1"]);
}

/// The end of a prefix is not found by counting its last byte up.
#[test]
fn a_prefix_ends_where_its_keys_end() {
    let host = probe::host(&[]);
    let last = "\u{10ffff}";
    let object =
        with_keys(&host, &["a", last, "\u{10ffff}\u{10ffff}", "\u{7f}", "\u{7f}x", "\u{80}"]);
    lists(&object, json!({ "prefix": last }), &[last, "\u{10ffff}\u{10ffff}"]);
    lists(&object, json!({ "prefix": "\u{7f}", "reverse": true }), &["\u{7f}x", "\u{7f}"]);
}

/// O-006.
#[test]
fn reverse_changes_the_direction_only() {
    let host = probe::host(&[]);
    let object = with_keys(&host, &["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    let range = json!({ "start": "3", "end": "7", "reverse": true, "limit": 2 });
    lists(&object, range, &["6", "5"]);
    lists(&object, json!({ "start": "3", "end": "7", "reverse": true }), &["6", "5", "4", "3"]);
    lists(&object, json!({ "start": "3", "end": "7", "limit": 2 }), &["3", "4"]);
}

/// O-007: no cap that a caller must know of; pages follow each other without gaps.
#[test]
fn thousands_of_keys_are_listed_without_a_gap() {
    const KEYS: usize = 3_500;
    let host = probe::host(&["--idle-timeout", "50ms"]);
    let object = Probe::new(&host, "x");
    let key = |n: usize| format!("{n:05}");
    let entries: Vec<_> = (0..KEYS).map(|n| json!([key(n), "v"])).collect();
    let keys = |listed: &Value| -> Vec<String> {
        let entries = listed.as_array().unwrap().iter();
        entries.map(|entry| entry[0].as_str().unwrap().to_owned()).collect()
    };
    let expected: Vec<String> = (0..KEYS).map(key).collect();
    let uncommitted = object.run(json!([{ "putMany": entries }, { "list": {} }]));
    assert_eq!(keys(&uncommitted[1]), expected);
    let stored = object.run(json!([
        { "list": {} }, { "list": { "reverse": true } }, { "list": { "limit": 1_200 } }
    ]));
    assert_eq!(keys(&stored[0]), expected);
    let mut backwards = keys(&stored[1]);
    backwards.reverse();
    assert_eq!(backwards, expected);
    assert_eq!(keys(&stored[2]), expected[..1_200]);
}

/// A page is closed by its size too, and says that more follows.
#[test]
fn large_values_are_listed_page_by_page() {
    let host = probe::host(&[]);
    let object = Probe::new(&host, "x");
    let entries: Vec<_> = (0..8).map(|n| json!([n.to_string(), { "zeros": 1_500_000 }])).collect();
    object.run(json!([{ "putMany": entries }]));
    let results = object.run(json!([{ "page": {} }, { "list": {} }]));
    assert_eq!(results[0]["more"], true);
    assert!(results[0]["entries"].as_array().unwrap().len() < 8);
    assert_eq!(results[1].as_array().unwrap().len(), 8);
}

/// O-008.
#[test]
fn a_list_sees_the_events_own_writes() {
    let host = probe::host(&[]);
    let object = with_keys(&host, &["a", "b", "c", "d"]);
    let results = object.run(json!([
        { "del": "b" }, { "put": ["bb", "new"] }, { "put": ["c", "new"] },
        { "list": { "limit": 3 } }, { "list": { "reverse": true, "limit": 3 } },
        "deleteAll", { "put": ["z", "1"] }, { "list": {} },
    ]));
    assert_eq!(results[3], json!([["a", "v"], ["bb", "new"], ["c", "new"]]));
    assert_eq!(results[4], json!([["d", "v"], ["c", "new"], ["bb", "new"]]));
    assert_eq!(results[7], json!([["z", "1"]]));
    lists(&object, json!({}), &["z"]);
}

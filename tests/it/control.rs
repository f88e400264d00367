//! The control API: who may, what it tells, how it refuses.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};
use tests::{
    client::{Answer, Client},
    guest,
    host::{Host, program},
    probe, terminal,
};

/// Operations of the API, each with a method.
const OPERATIONS: [(&str, &str); 8] = [
    ("GET", "/v1/server"),
    ("GET", "/v1/classes"),
    ("PUT", "/v1/classes/mine"),
    ("DELETE", "/v1/classes/counter"),
    ("GET", "/v1/classes/counter/objects"),
    ("POST", "/v1/classes/counter/ids"),
    ("GET", "/nothing"),
    ("PATCH", "/v1/classes"),
];

/// O-114: nobody learns without the token what there is.
#[test]
fn without_the_token_every_request_is_a_401_that_tells_nothing() {
    let host = Host::start(&[]);
    let token = host.token();
    let wrong = [token.to_uppercase(), token[1..].to_owned(), format!("{token}x")];
    let mut answers: Vec<Answer> = Vec::new();
    for (method, path) in OPERATIONS {
        let send = |headers: &[(&str, &str)]| {
            Client::new(host.control_url(), None).send(method, path, headers, guest::COUNTER)
        };
        answers.push(send(&[]));
        answers.push(send(&[("authorization", &format!("Basic {token}"))]));
        answers.push(send(&[("authorization", "Bearer ")]));
        answers.push(send(&[("authorization", token)]));
        let bearers = wrong.iter().map(|token| format!("Bearer {token}"));
        answers.extend(bearers.map(|bearer| send(&[("authorization", &bearer)])));
    }
    let body = answers[0].text();
    for answer in answers {
        answer.problem(401, "unauthorized");
        assert_eq!(answer.header("www-authenticate").as_deref(), Some("Bearer"));
        assert_eq!(answer.header("allow"), None);
        assert_eq!(answer.text(), body, "the same for every operation");
    }
    assert_eq!(host.client().count("/counter/a/increment"), 1, "nothing was removed");
    host.client().get("/mine/a/").problem(404, "class-not-found");
}

/// O-114: fail closed.
#[test]
fn a_control_api_beyond_loopback_needs_a_configured_token() {
    let host = Host::stopped(&[]);
    for address in ["0.0.0.0:0", "[::]:0"] {
        let mut command = program();
        command.args(["serve", "--ingress", "127.0.0.1:0", "--control", address, "--data-dir"]);
        command.arg(host.data());
        terminal::run(command).refused(&["control API", "--token", "ABIDE_TOKEN", "loopback"]);
        let mut command = program();
        command.args(["serve", "--ingress", "127.0.0.1:0", "--token", " ", "--data-dir"]);
        command.arg(host.data());
        terminal::run(command).refused(&["the token is empty"]);
    }
    assert!(!host.data().exists(), "refused before anything is made");
}

/// Without a configured token one is made, kept for the owner only, and used again.
#[test]
fn a_generated_token_works_and_is_kept() {
    let mut host = Host::stopped_without_token();
    host.start_again();
    let file = host.data().join("control-token");
    let token = fs::read_to_string(&file).unwrap().trim().to_owned();
    assert!(token.len() >= 32, "{token}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!host.log().contains(&token), "the log may be read by others");
    let admitted = |host: &Host, token: &str| {
        Client::new(host.control_url(), Some(token)).get("/v1/classes").status
    };
    assert_eq!((admitted(&host, &token), admitted(&host, "other")), (200, 401));
    host.kill();
    host.start_again();
    assert_eq!(admitted(&host, &token), 200);
}

/// O-088.
#[test]
fn an_unknown_path_is_a_404_and_an_unknown_method_a_405_with_allow() {
    let host = Host::start(&[]);
    let control = host.control();
    for path in ["/", "/v1", "/v1/", "/v2/classes", "/v1/classes/", "/v1/classes/a/b"] {
        control.get(path).problem(404, "not-found");
    }
    let cases = [
        ("POST", "/v1/classes", "GET,HEAD"),
        ("PATCH", "/v1/classes/counter", "GET,HEAD,PUT,DELETE"),
        ("DELETE", "/v1/server", "GET,HEAD"),
        ("GET", "/v1/classes/counter/ids", "POST"),
    ];
    for (method, path, allowed) in cases {
        let answer = control.send(method, path, &[], b"");
        answer.problem(405, "method-not-allowed");
        let allow = answer.header("allow").unwrap_or_default().replace(' ', "");
        assert_eq!(sorted(&allow), sorted(allowed), "{method} {path}");
    }
}

fn sorted(list: &str) -> Vec<&str> {
    let mut list: Vec<_> = list.split(',').collect();
    list.sort_unstable();
    list
}

/// Every refusal is a problem in JSON, also that of a parameter.
#[test]
fn wrong_parameters_are_problems_that_name_them() {
    let host = Host::start(&[]);
    let cases = [
        ("limit=0", "limit"),
        ("limit=1001", "1000"),
        ("limit=many", "limit"),
        ("limit=-1", "limit"),
        ("after=12", "after"),
        ("prefix=a&prefix=b", "prefix"),
    ];
    for (query, named) in cases {
        let answer = host.control().get(&format!("/v1/classes/counter/objects?{query}"));
        let problem = answer.problem(400, "bad-request");
        assert!(problem["detail"].as_str().unwrap().contains(named), "{query}: {problem}");
    }
    for path in ["/v1/classes/%ff", "/v1/classes/%ff/objects"] {
        let answer = host.control().get(path);
        assert!(matches!(answer.status, 400 | 404), "{}", answer.text());
        assert_eq!(answer.header("content-type").as_deref(), Some("application/problem+json"));
    }
    let put = host.control().put("/v1/classes/%ff", guest::COUNTER);
    assert_eq!(put.status, 400);
    assert_eq!(put.header("content-type").as_deref(), Some("application/problem+json"));
}

/// All pages of a listing.
#[track_caller]
fn listed(host: &Host, query: &str) -> Vec<Value> {
    let (mut objects, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/classes/probe/objects?{query}{after}");
        let mut page = host.control().get(&path).json();
        objects.append(page["objects"].as_array_mut().unwrap());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return objects,
        }
    }
}

/// By prefix of their names, page by page; only those that have written.
#[test]
fn objects_are_listed_by_prefix_and_page() {
    let mut host = probe::host(&[]);
    let new_id = || host.control().post("/v1/classes/probe/ids", b"").json()["id"].take();
    let unnamed: Vec<Value> = (0..3).map(|_| new_id()).collect();
    for id in &unnamed {
        host.client().count(&format!("/probe/@{}/increment", id.as_str().unwrap()));
    }
    for n in 0..12 {
        host.client().count(&format!("/probe/user%2F{n:02}/increment"));
    }
    host.client().count("/probe/user/increment");
    host.client().count("/probe/other/increment");
    assert_eq!(host.client().get("/probe/only-looked-at/mem").status, 200);
    host.kill();
    host.start_again();

    let names = |query: &str| -> Vec<String> {
        let objects = listed(&host, query).into_iter();
        objects.filter_map(|object| object["name"].as_str().map(str::to_owned)).collect()
    };
    let twelve: Vec<String> = (0..12).map(|n| format!("user/{n:02}")).collect();
    for limit in [1, 5, 12, 13, 1_000] {
        assert_eq!(names(&format!("limit={limit}&prefix=user%2F")), twelve, "{limit}");
    }
    let everything = [vec!["other".to_owned(), "user".to_owned()], twelve].concat();
    assert_eq!(names("limit=4"), everything);
    assert_eq!(names("prefix=nobody"), Vec::<String>::new());
    let all = listed(&host, "limit=2");
    assert_eq!(all.len(), 17);
    let mut ids: Vec<_> = all[..3].iter().map(|object| object["id"].to_string()).collect();
    ids.sort_unstable();
    let mut expected: Vec<_> = unnamed.iter().map(Value::to_string).collect();
    expected.sort_unstable();
    assert_eq!(ids, expected, "those without a name come first");
    assert_eq!((&all[3]["name"], &all[3]["version"]), (&json!("other"), &json!(1)));
    assert!(all[3]["bytes"].as_u64().unwrap() > 0 && all[3]["created_ms"].as_u64().unwrap() > 0);
}

#[test]
fn the_server_says_where_its_ingress_is() {
    let host = Host::start(&[]);
    let server = host.control().get("/v1/server").json();
    assert_eq!(server["ingress"], host.ingress());
    assert_eq!(server["live_objects"], 0);
    host.client().count("/counter/a/increment");
    assert_eq!(host.control().get("/v1/server").json()["live_objects"], 1);
}

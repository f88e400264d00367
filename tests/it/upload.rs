//! What cannot be a class is refused with its own message, and no upload harms the server.

use serde_json::Value;
use tests::{client::Answer, guest, host::Host};
use wasm_encoder::{
    Alias, CodeSection, Component, ComponentAliasSection, ComponentExportKind,
    ComponentExportSection, ComponentInstanceSection, ComponentOuterAliasKind, Function,
    FunctionSection, InstanceSection, Module, ModuleArg, ModuleSection, NestedComponentSection,
    TypeSection, ValType,
};

const HANDLER: &str = "abide:object/handler@0.1.0";

#[track_caller]
fn put(host: &Host, component: &[u8]) -> Answer {
    host.control().put("/v1/classes/mine", component)
}

/// Refused as no component of a class, with all of these words; the server goes on.
#[track_caller]
fn refused(host: &Host, component: &[u8], words: &[&str]) {
    let problem = put(host, component).problem(422, "invalid-component");
    let detail = problem["detail"].as_str().unwrap();
    for word in words {
        assert!(detail.contains(word), "{word:?} is not in {detail:?}");
    }
    assert_eq!(problem["retryable"], false);
    assert_eq!(host.client().get("/counter/a/").status, 200);
}

/// A component that says it is a class, with a module of many functions that do the same.
fn many_functions(count: u32, instructions: usize) -> Vec<u8> {
    let (mut types, mut functions, mut code) =
        (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([ValType::I64], [ValType::I64]);
    let mut function = Function::new([]);
    function.instructions().local_get(0);
    for _ in 0..instructions {
        function.instructions().local_get(0).i64_mul();
    }
    function.instructions().end();
    for _ in 0..count {
        functions.function(0);
        code.function(&function);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    let mut instances = InstanceSection::new();
    instances.instantiate::<[(&str, ModuleArg); 0], &str>(0, []);
    let mut component = Component::new();
    component.section(&ModuleSection(&module)).section(&instances);
    export_handler(&mut component, 0);
    component.finish()
}

/// A component of few bytes that holds 2 to the power of `levels` instances.
fn doubling(levels: u32) -> Vec<u8> {
    let mut component = Component::new();
    component.section(&NestedComponentSection(&Component::new()));
    for level in 1..=levels {
        let mut inner = Component::new();
        let mut aliases = ComponentAliasSection::new();
        aliases.alias(Alias::Outer {
            kind: ComponentOuterAliasKind::Component,
            count: 1,
            index: level - 1,
        });
        let mut instances = ComponentInstanceSection::new();
        for _ in 0..2 {
            instances.instantiate::<[(&str, ComponentExportKind, u32); 0], &str>(0, []);
        }
        inner.section(&aliases).section(&instances);
        component.section(&NestedComponentSection(&inner));
    }
    let mut instances = ComponentInstanceSection::new();
    instances.instantiate::<[(&str, ComponentExportKind, u32); 0], &str>(levels, []);
    component.section(&instances);
    export_handler(&mut component, 1);
    component.finish()
}

/// Exports an empty instance under the name that makes a class. `before` instances exist already.
fn export_handler(component: &mut Component, before: u32) {
    let mut instances = ComponentInstanceSection::new();
    instances.export_items([] as [(&str, ComponentExportKind, u32); 0]);
    let mut exports = ComponentExportSection::new();
    exports.export(HANDLER, ComponentExportKind::Instance, before, None);
    component.section(&instances).section(&exports);
}

/// O-111.
#[test]
fn each_kind_of_wrong_file_gets_its_own_message() {
    let host = Host::start(&[]);
    refused(&host, b"", &["empty"]);
    refused(&host, &Module::new().finish(), &["core WebAssembly module", "wasm32-wasip2"]);
    refused(&host, b"fn main() {}\n", &["not WebAssembly"]);
    refused(&host, b"(component\n  (core module))", &["text"]);
    refused(&host, b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", &["native code", "never run"]);
    refused(&host, &Component::new().finish(), &["exports nothing", HANDLER]);
    refused(&host, b"\0asm\x0e\0\x01\0", &["unknown version"]);
    host.control().get("/v1/classes/mine").problem(404, "class-not-found");
}

/// O-110: cut anywhere, also within the head and between sections.
#[test]
fn a_truncated_component_is_refused_wherever_it_ends() {
    let host = Host::start(&[]);
    let whole = guest::COUNTER;
    let step = whole.len() / 25;
    for length in (0..10).chain((10..whole.len()).step_by(step)).chain([whole.len() - 1]) {
        refused(&host, &whole[..length], &[]);
    }
    refused(&host, &whole[..whole.len() / 2], &["truncated"]);
    host.control().get("/v1/classes/mine").problem(404, "class-not-found");
}

/// O-110: flipped bits are refused or harmless.
#[test]
fn a_damaged_component_never_harms_the_server() {
    let host = Host::start(&["--cpu-limit", "500ms"]);
    let step = guest::COUNTER.len() / 40;
    for at in (0..guest::COUNTER.len()).step_by(step) {
        let mut damaged = guest::COUNTER.to_vec();
        damaged[at] ^= 0x55;
        let answer = put(&host, &damaged);
        assert!(matches!(answer.status, 200 | 201 | 422), "{at}: {}", answer.text());
        assert_eq!(host.client().get("/counter/a/").status, 200);
    }
}

/// O-063, O-115: the message names what is missing.
#[test]
fn an_import_that_is_not_offered_is_named() {
    let host = Host::start(&[]);
    refused(&host, guest::WANTS_UNKNOWN, &["abide:object/teleport"]);
    refused(&host, guest::WANTS_HTTP, &["wasi:http/"]);
}

/// O-063.
#[test]
fn a_missing_export_is_named() {
    let host = Host::start(&[]);
    refused(&host, guest::NO_HANDLER, &[HANDLER]);
}

/// A handler that has no `fetch` is found when it is tried.
#[test]
fn a_handler_of_the_wrong_shape_is_refused() {
    let host = Host::start(&[]);
    refused(&host, &many_functions(1, 1), &["fetch"]);
}

#[test]
fn a_component_over_the_limit_is_a_413() {
    let host = Host::start(&["--component-limit", "1MiB"]);
    for bytes in [(1 << 20) + 1, 8 << 20] {
        let problem = put(&host, &vec![0; bytes]).problem(413, "body-too-large");
        assert!(problem["detail"].as_str().unwrap().contains("1048576"), "{problem}");
    }
    assert_eq!(put(&host, guest::COUNTER).status, 201);
}

/// O-112: refused by its counts, before anything is compiled.
#[test]
fn a_component_of_too_many_functions_is_refused_by_their_number() {
    let host = Host::start(&[]);
    refused(&host, &many_functions(200_001, 0), &["functions", "200000"]);
}

/// O-112: within the counts, but too costly. The server goes on while it is tried.
#[test]
fn a_component_that_costs_too_much_time_is_refused() {
    let host = Host::start(&["--compile-cpu-limit", "1s"]);
    let problem = put(&host, &many_functions(150_000, 20)).problem(422, "compile-limit");
    assert!(problem["detail"].as_str().unwrap().contains("1 s"), "{problem}");
    assert_eq!(put(&host, guest::COUNTER).status, 201);
}

#[test]
fn a_component_that_costs_too_much_memory_is_refused() {
    let host = Host::start(&["--compile-memory-limit", "256MiB"]);
    let problem = put(&host, &many_functions(150_000, 20)).problem(422, "compile-limit");
    assert!(problem["detail"].as_str().unwrap().contains("268435456"), "{problem}");
    assert_eq!(put(&host, guest::COUNTER).status, 201);
}

/// O-112: a few hundred bytes that stand for a billion instances.
#[test]
fn a_component_that_doubles_itself_is_refused() {
    let host = Host::start(&["--compile-cpu-limit", "2s", "--compile-memory-limit", "512MiB"]);
    let bomb = doubling(30);
    assert!(bomb.len() < 2_000);
    let answer = put(&host, &bomb);
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert_eq!(host.client().count("/counter/a/increment"), 1);
}

/// The constructor runs in the first event, under the limits of an event, and fails that alone.
#[test]
fn a_class_whose_constructor_fails_harms_no_other() {
    let host = Host::start(&["--cpu-limit", "300ms"]);
    let failing = [("loops", guest::LOOP_START, "cpu-limit"), ("traps", guest::TRAP_START, "trap")];
    for (class, component, kind) in failing {
        host.deploy(class, component);
        for n in 1..=2 {
            host.client().get(&format!("/{class}/a/")).problem(500, kind);
            assert!(host.client().count(&format!("/counter/{class}/increment")) == n);
        }
        let objects = host.control().get(&format!("/v1/classes/{class}/objects")).json();
        assert_eq!(objects["objects"], Value::from(Vec::<Value>::new()), "no trace is left");
    }
}

/// O-113: nothing but letters, digits, `-` and `_`, so no name is a path.
#[test]
fn class_names_are_letters_digits_dash_and_underscore() {
    let host = Host::start(&[]);
    let long = "a".repeat(65);
    for bad in ["..%2f..%2fetc%2fx", "a%2Fb", "a%20b", "%2E%2E", "%C3%A4", "a%00", &long] {
        let answer = host.control().put(&format!("/v1/classes/{bad}"), guest::COUNTER);
        answer.problem(400, "bad-address");
    }
    for good in ["A-z_9", &long[1..]] {
        host.deploy(good, guest::COUNTER);
        assert_eq!(host.client().count(&format!("/{good}/a/increment")), 1);
    }
}

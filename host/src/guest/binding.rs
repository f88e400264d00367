//! What wit/ says, as Rust: generated, nothing else.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "object",
    imports: {
        "abide:object/storage.get": async | trappable,
        "abide:object/storage.get-many": async | trappable,
        "abide:object/storage.delete": async | trappable,
        "abide:object/storage.delete-many": async | trappable,
        "abide:object/storage.list": async | trappable,
        "abide:object/storage.sync": async | trappable,
        default: trappable,
    },
    exports: { default: async },
});

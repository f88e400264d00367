//! What the host offers to guests. One file for each of our interfaces; the rest is WASI.

mod context;
mod log;
mod storage;

use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::{
    WasiView,
    cli::{WasiCli, WasiCliView},
    filesystem::{WasiFilesystem, WasiFilesystemView},
    p2::{self, bindings},
    random::{WasiRandom, WasiRandomCtx},
};

use super::{
    binding::{Object, abide::object::types},
    state::State,
};

// An interface of types alone has no functions.
impl types::Host for State {}

/// The interfaces that are linked, whatever their version.
pub(super) const OFFERED: [&str; 24] = [
    "abide:object/types",
    "abide:object/storage",
    "abide:object/context",
    "abide:object/log",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:random/random",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:filesystem/types",
    "wasi:filesystem/preopens",
];

/// Links all imports.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    Object::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    // Clocks, random numbers, streams, stdin, stdout, stderr.
    p2::add_to_linker_proxy_interfaces_async(linker)?;
    bindings::random::insecure::add_to_linker::<State, WasiRandom>(linker, random)?;
    bindings::random::insecure_seed::add_to_linker::<State, WasiRandom>(linker, random)?;
    // The start-up code of languages asks for these. The environment and the list of directories
    // are empty, so there is nothing to open, and no file can be reached.
    bindings::cli::environment::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    bindings::cli::exit::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    bindings::cli::terminal_input::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    bindings::cli::terminal_output::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    bindings::cli::terminal_stdin::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    bindings::cli::terminal_stdout::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    bindings::cli::terminal_stderr::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    bindings::filesystem::preopens::add_to_linker::<State, WasiFilesystem>(
        linker,
        State::filesystem,
    )?;
    bindings::filesystem::types::add_to_linker::<State, WasiFilesystem>(linker, State::filesystem)
}

fn random(state: &mut State) -> &mut WasiRandomCtx {
    state.ctx().ctx.random()
}

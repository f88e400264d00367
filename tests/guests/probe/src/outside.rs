//! What of the outside world is in reach: nothing, if the host keeps its word.

use std::{env, fs, io};

use serde_json::{Value, json};

/// Environment, arguments and files. The network is left out: a component that so much as names it
/// does not fit the interface.
pub(crate) fn reach() -> Value {
    json!({
        "vars": env::vars().collect::<Vec<_>>(),
        "args": env::args().collect::<Vec<_>>(),
        "readRoot": outcome(fs::read_dir("/").map(Iterator::count)),
        "readPasswd": outcome(fs::read("/etc/passwd").map(|bytes| bytes.len())),
        "writeFile": outcome(fs::write("/x", "x").map(|()| 1)),
    })
}

/// How much was reached: `{"ok": 3}` or `{"error": "..."}`.
fn outcome(reached: io::Result<usize>) -> Value {
    match reached {
        Ok(amount) => json!({ "ok": amount }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

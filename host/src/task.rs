//! Tasks with a name whose panic is logged.

use std::{any::Any, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use tokio::task::JoinHandle;

/// Runs `future` on the runtime. A panic in it is a bug of ours: it is logged and ends this task
/// alone.
#[expect(clippy::disallowed_methods, reason = "this is the wrapper that the ban asks for")]
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    // Combinators and not an async block, which would hold the future twice.
    let caught = AssertUnwindSafe(future).catch_unwind();
    tokio::spawn(caught.map(move |ended| {
        if let Err(panic) = ended {
            tracing::error!(task = name, panic = message(&*panic), "task panicked");
        }
    }))
}

/// What a panic said.
pub fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

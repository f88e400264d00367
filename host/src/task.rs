//! Tasks with a name whose panic is logged.

use std::any::Any;

use futures_util::FutureExt;
use tokio::task::JoinHandle;

/// Runs `future` on the runtime. A panic in it is a bug of ours: it is logged and ends this task
/// alone.
#[expect(clippy::disallowed_methods, reason = "this is the wrapper that the ban asks for")]
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        if let Err(panic) = std::panic::AssertUnwindSafe(future).catch_unwind().await {
            tracing::error!(task = name, panic = message(&*panic), "task panicked");
        }
    })
}

/// What a panic said.
pub fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

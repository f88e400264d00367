//! What guests say: lines of `log`, of stdout and of stderr, bounded, as events of our log.

use std::{
    fmt::Write,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

use super::state::Identity;
use crate::limits::{LOG_LINE_BYTES_MAX, LOG_LINES_PER_EVENT_MAX};

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// One instance's log. Clones write to the same one.
#[derive(Debug, Clone)]
pub(super) struct GuestLog {
    identity: Arc<Identity>,
    budget: Arc<Mutex<Budget>>,
}

#[derive(Debug, Default)]
struct Budget {
    lines: u32,
    dropped: u64,
}

impl GuestLog {
    /// The log of this object.
    pub(super) fn new(identity: Arc<Identity>) -> Self {
        Self { identity, budget: Arc::default() }
    }

    /// Writes one line, if the event may still write any.
    pub(super) fn line(&self, level: Level, message: &str, fields: &[(String, String)]) {
        {
            let mut budget = self.budget();
            if budget.lines >= LOG_LINES_PER_EVENT_MAX {
                budget.dropped += 1;
                return;
            }
            budget.lines += 1;
        }
        let mut text = cut(message).to_owned();
        for (name, value) in fields {
            if text.len() >= LOG_LINE_BYTES_MAX {
                break;
            }
            _ = write!(text, " {}={:?}", cut(name), cut(value));
        }
        self.write(level, cut(&text));
    }

    /// Ends an event: says how many lines were dropped, and lets the next one write again.
    pub(super) fn end_event(&self) {
        let dropped = std::mem::take(&mut *self.budget()).dropped;
        if dropped > 0 {
            let text = format!(
                "{dropped} more lines of this event were dropped, the limit is {LOG_LINES_PER_EVENT_MAX}"
            );
            self.write(Level::Warn, &text);
        }
    }

    fn write(&self, level: Level, text: &str) {
        let Identity { class, id, version } = &*self.identity;
        macro_rules! write {
            ($level:ident) => {
                tracing::$level!(target: "guest", %class, object = %id, version, "{text}")
            };
        }
        match level {
            Level::Trace => write!(trace),
            Level::Debug => write!(debug),
            Level::Info => write!(info),
            Level::Warn => write!(warn),
            Level::Error => write!(error),
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stdout or stderr of a guest.
#[derive(Debug, Clone)]
pub(super) struct Stdio(pub GuestLog);

impl StdoutStream for Stdio {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Lines { log: self.0.clone(), partial: Vec::new() })
    }
}

impl IsTerminal for Stdio {
    fn is_terminal(&self) -> bool {
        false
    }
}

/// Cuts a stream of bytes into lines.
struct Lines {
    log: GuestLog,
    partial: Vec<u8>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LOG_LINE_BYTES_MAX.saturating_sub(self.partial.len());
            self.partial.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.partial);
        let text = String::from_utf8_lossy(&line);
        self.log.line(Level::Info, text.trim_end_matches(['\n', '\r']), &[]);
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.partial.is_empty() {
            self.end_line();
        }
    }
}

impl AsyncWrite for Lines {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The beginning of a text, up to the limit of a line.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LOG_LINE_BYTES_MAX)]
}

//! Connections: accepted, bounded in patience, drained at the end.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::Sleep,
};

use crate::{
    limits::{HEADERS_MAX, REQUEST_HEAD_BYTES_MAX},
    task,
};

/// Pause when the system has no file descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// For how long a client may go on to send what nobody reads.
const LINGER: Duration = Duration::from_secs(2);

/// Answers requests. Must not fail: a problem is a response.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers one request.
    fn handle(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// Accepts connections until `stop` changes; returns when all of them have ended.
pub async fn run(
    listener: TcpListener,
    handler: impl Handler,
    patience: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let (open, mut all_closed) = tokio::sync::mpsc::channel::<Infallible>(1);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (handler, stop, open) = (handler.clone(), stop.clone(), open.clone());
                    task::spawn("connection", async move {
                        serve(stream, handler, patience, stop).await;
                        drop(open);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = stopped(&mut stop) => break,
        }
    }
    drop((listener, open));
    // Resolves when the last connection has dropped its sender.
    _ = all_closed.recv().await;
}

async fn serve(
    stream: TcpStream,
    handler: impl Handler,
    patience: Duration,
    mut stop: watch::Receiver<bool>,
) {
    // Small answers must not wait for more to send.
    _ = stream.set_nodelay(true);
    let unread = Arc::new(AtomicBool::new(false));
    let stream = Lingering { stream, unread: Arc::clone(&unread), deadline: None };
    let service = service_fn(move |request: Request<Incoming>| {
        let (handler, unread) = (handler.clone(), Arc::clone(&unread));
        async move {
            let has_body = !request.body().is_end_stream();
            let response = handler.handle(request).await;
            // A refusal may come before the body was read.
            unread.store(has_body && response.status().is_client_error(), Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_headers(HEADERS_MAX)
        .max_buf_size(REQUEST_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // A client that breaks off or breaks the protocol is its own business.
        tracing::debug!(error = &error as &dyn std::error::Error, "connection ended");
    }
}

/// A connection whose end a client sees only after the answer, even while it is still sending a body
/// that nobody reads: closing at once would reset the connection and lose the answer (RFC 9112
/// section 9.6).
struct Lingering {
    stream: TcpStream,
    /// The client may be sending still.
    unread: Arc<AtomicBool>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        if !self.unread.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut dropped = [0; 16 << 10];
        loop {
            let mut buffer = ReadBuf::new(&mut dropped);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// Resolves once the server stops.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and so is the server.
    drop(stop.wait_for(|stop| *stop).await);
}

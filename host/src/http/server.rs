//! Connections: accepted, bounded in patience, drained at the end.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
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
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::linger::Lingering;
use crate::{
    limits::{HEADERS_MAX, REQUEST_HEAD_BYTES_MAX},
    task,
};

/// Pause when the system has no file descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
    let stream = Lingering::new(stream, Arc::clone(&unread));
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

/// Resolves once the server stops.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and so is the server.
    drop(stop.wait_for(|stop| *stop).await);
}

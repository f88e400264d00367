//! The control API: upload, list, describe and remove classes; look at objects.

mod classes;
mod objects;

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Collected, Full};
use hyper::body::Incoming;
use serde_json::json;
use tower_service::Service;

use super::{
    problem::{self, PROBLEM_JSON, Problem},
    server::Handler,
    token::Token,
};
use crate::{
    class::{Catalog, Class},
    limits::Limits,
    object::{CallError, Objects},
    storage::commit::Store,
    task,
};

/// What the operations work on.
#[derive(Debug)]
pub struct Shared {
    /// The classes.
    pub catalog: Arc<Catalog>,
    /// The live objects.
    pub objects: Objects,
    /// The store.
    pub store: Arc<Store>,
    /// The bounds.
    pub limits: Limits,
    /// Who may.
    pub token: Token,
    /// Where the ingress listens, as a URL.
    pub ingress: String,
}

/// The control API.
#[derive(Debug, Clone)]
pub struct Control {
    token: Token,
    router: Router,
}

impl Control {
    /// A control API over these.
    pub fn new(shared: Arc<Shared>) -> Self {
        let router = Router::new()
            .route("/v1/server", get(server))
            .route("/v1/classes", get(classes::list))
            .route(
                "/v1/classes/{class}",
                get(classes::describe).put(classes::deploy).delete(classes::remove),
            )
            .route("/v1/classes/{class}/objects", get(objects::list))
            .route("/v1/classes/{class}/ids", post(objects::unique_id))
            .fallback(not_found)
            .method_not_allowed_fallback(method_not_allowed)
            .with_state(Arc::clone(&shared));
        Self { token: shared.token.clone(), router }
    }
}

impl Handler for Control {
    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        // Nothing is told without the token, not even what exists: so this is outside of the router.
        let authorization = request.headers().get(header::AUTHORIZATION);
        if !self.token.admits(authorization.map(header::HeaderValue::as_bytes)) {
            let detail = "send the control token as `Authorization: Bearer TOKEN`";
            return Problem::new(problem::UNAUTHORIZED, detail).response();
        }
        let answered: Result<Response, Infallible> =
            self.router.clone().call(request.map(Body::new)).await;
        let Ok(response) = answered;
        let (head, body) = response.into_parts();
        // All bodies here are in memory already.
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        let content_type = head.headers.get(header::CONTENT_TYPE);
        // What axum itself refuses, such as a parameter that is no number, it says as text.
        if head.status.is_client_error() && content_type.is_some_and(|value| value != PROBLEM_JSON)
        {
            return Problem::new(problem::BAD_REQUEST, String::from_utf8_lossy(&body)).response();
        }
        Response::from_parts(head, Full::new(body))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.response().map(Body::new)
    }
}

/// `GET /v1/server`
async fn server(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    let session = shared.store.session().map_err(|error| Problem::from(&error))?;
    let last_group = session.last_group().map_err(|error| Problem::from(&error))?;
    let server = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ingress": shared.ingress,
        "live_objects": shared.objects.live(),
        "commits": last_group.number,
    });
    Ok(axum::Json(server).into_response())
}

async fn not_found(request: Request<Body>) -> Problem {
    let detail = format!("{} is not part of the control API", request.uri().path());
    Problem::new(problem::NOT_FOUND, detail)
}

async fn method_not_allowed(request: Request<Body>) -> Problem {
    let detail = format!("{} cannot be used on {}", request.method(), request.uri().path());
    Problem::new(problem::METHOD_NOT_ALLOWED, detail)
}

fn find(shared: &Shared, class: &str) -> Result<Arc<Class>, Problem> {
    shared
        .catalog
        .find(class)
        .ok_or_else(|| Problem::new(problem::CLASS_NOT_FOUND, format!("there is no class {class}")))
}

/// Runs an operation to its end, even when the client hangs up.
async fn finish<T: Send + 'static>(
    operation: impl Future<Output = T> + Send + 'static,
) -> Result<T, Problem> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    task::spawn("control", async move {
        // The client may have hung up.
        _ = done.send(operation.await);
    });
    outcome.await.map_err(|_| Problem::from(&CallError::Lost))
}

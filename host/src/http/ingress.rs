//! The public listener: a request becomes an event, an outcome becomes a response.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, Version, header};
use http_body_util::Full;
use hyper::body::Incoming;

use super::{
    address::{self, Object},
    body,
    problem::{self, Problem},
    server::Handler,
};
use crate::{
    class::{Catalog, Class},
    event,
    guest::response::drop_connection_fields,
    limits::Limits,
    object::{Address, CallError, Objects},
};

/// Header names with this prefix are ours: clients cannot send them to objects.
const OWN_HEADERS: &str = "abide-";

/// Brings requests to objects.
#[derive(Debug, Clone)]
pub struct Ingress {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    catalog: Arc<Catalog>,
    objects: Objects,
    limits: Limits,
    /// Numbers events that failed, so that the client's answer and the log line can be matched.
    failures: AtomicU64,
    incarnation: u64,
}

impl Ingress {
    /// An ingress to these objects. The incarnation makes event ids unique over restarts.
    pub fn new(catalog: Arc<Catalog>, objects: Objects, limits: Limits, incarnation: u64) -> Self {
        let failures = AtomicU64::new(0);
        Self { shared: Arc::new(Shared { catalog, objects, limits, failures, incarnation }) }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<event::Response, Problem> {
        check_host(request.version(), request.headers())?;
        if request.method() == Method::CONNECT {
            return Err(Problem::new(problem::NOT_IMPLEMENTED, "CONNECT: this is no proxy"));
        }
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let target = address::parse(path).map_err(|error| Problem::from(&error))?;
        let class = self.shared.catalog.find(target.class.as_str()).ok_or_else(|| {
            let detail = format!("there is no class {}; `abide classes` lists them", target.class);
            Problem::new(problem::CLASS_NOT_FOUND, detail)
        })?;
        let address = find_object(&class, target.object)?;
        let (head, body) = request.into_parts();
        let limits = &self.shared.limits;
        let body = body::read(body, limits.body_bytes, limits.client_patience)
            .await
            .map_err(|error| Problem::from(&error))?;
        let request = event::Request {
            method: head.method,
            uri: target.uri,
            headers: passed_on(head.headers),
            body,
        };
        let id = address.id;
        self.shared
            .objects
            .call(&class, address, request)
            .await
            .map_err(|error| self.failed(&class, &id.to_string(), &error))
    }

    fn failed(&self, class: &Class, object: &str, error: &CallError) -> Problem {
        let shared = &self.shared;
        let number = shared.failures.fetch_add(1, Ordering::Relaxed);
        let event = format!("{}-{number}", shared.incarnation);
        let problem = Problem::from(error);
        tracing::info!(
            class = %class.name(), object, event, kind = problem.word(),
            error = error as &dyn std::error::Error, "event failed"
        );
        problem.about(class.name().as_str(), object, event)
    }
}

impl Handler for Ingress {
    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match self.answer(request).await {
            Ok(answer) => response(answer),
            Err(problem) => problem.response(),
        }
    }
}

fn response(answer: event::Response) -> Response<Full<Bytes>> {
    let event::Response { status, headers, body } = answer;
    // These have no body, whatever the object says (RFC 9110 sections 15.3.5, 15.3.6, 15.4.5).
    let bodiless = matches!(
        status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
    );
    let mut response = Response::new(Full::new(if bodiless { Bytes::new() } else { body }));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// RFC 9112 section 3.2: an HTTP/1.1 request has exactly one valid `host`.
fn check_host(version: Version, headers: &HeaderMap) -> Result<(), Problem> {
    let bad = |detail: &str| Problem::new(problem::BAD_REQUEST, detail);
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version < Version::HTTP_11 => Ok(()),
        (None, _) => Err(bad("the request has no host header, which HTTP/1.1 requires")),
        (Some(_), Some(_)) => Err(bad("the request has more than one host header")),
        (Some(host), None) => {
            // Empty is right for targets without an authority.
            let valid = host.is_empty()
                || http::uri::Authority::try_from(host.as_bytes())
                    .is_ok_and(|authority| !authority.as_str().contains('@'));
            if valid { Ok(()) } else { Err(bad("the host header is not a host and port")) }
        }
    }
}

fn find_object(class: &Class, object: Object) -> Result<Address, Problem> {
    match object {
        Object::Named(name) => Ok(Address { id: class.key().named(&name), name: Some(name) }),
        Object::Id(id) if class.key().recognises(&id) => Ok(Address { id, name: None }),
        Object::Id(id) => {
            let detail = format!("{id} is not an id of class {}", class.name());
            Err(Problem::new(problem::ID_NOT_OF_CLASS, detail))
        }
    }
}

/// The fields that an object sees: all but those of the connection, and ours.
fn passed_on(mut headers: HeaderMap) -> HeaderMap {
    drop_connection_fields(&mut headers);
    let own: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(OWN_HEADERS)).cloned().collect();
    for name in own {
        headers.remove(name);
    }
    headers
}

//! `/v1/classes`: what is deployed.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::{Request, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Shared, find};
use crate::{
    class::Class,
    http::{
        body,
        problem::{self, Problem},
    },
    id::ClassName,
    storage::catalog::VersionRow,
};

/// `GET /v1/classes`
pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Response {
    let classes: Vec<Value> =
        shared.catalog.list().iter().filter_map(|class| summary(class)).collect();
    Json(json!({ "classes": classes })).into_response()
}

/// `GET /v1/classes/{class}`
pub(super) async fn describe(
    State(shared): State<Arc<Shared>>,
    Path(class): Path<String>,
) -> Result<Response, Problem> {
    let class = find(&shared, &class)?;
    let versions: Vec<Value> = class.versions().iter().map(version).collect();
    let mut description = summary(&class).unwrap_or_default();
    description["versions"] = Value::from(versions);
    Ok(Json(description).into_response())
}

/// `PUT /v1/classes/{class}`: the body is the component.
pub(super) async fn deploy(
    State(shared): State<Arc<Shared>>,
    Path(class): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let class: ClassName =
        class.parse().map_err(|error| Problem::new(problem::BAD_ADDRESS, format!("{error}")))?;
    let limits = &shared.limits;
    let component = body::read(request.into_body(), limits.component_bytes, limits.client_patience)
        .await
        .map_err(|error| Problem::from(&error))?;
    // An upload that was received whole takes effect, whether or not the client still waits.
    let deploying = {
        let (shared, class) = (Arc::clone(&shared), class.clone());
        async move { shared.catalog.deploy(&class, component, false).await }
    };
    let deployed = super::finish(deploying).await?.map_err(|error| {
        tracing::info!(%class, error = %error.chain(), "deploy refused");
        Problem::from(&error)
    })?;
    let mut answer = version(&deployed.version);
    answer["class"] = Value::from(class.as_str());
    answer["unchanged"] = Value::from(deployed.unchanged);
    let status = if deployed.unchanged { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(answer)).into_response())
}

#[derive(Deserialize)]
pub(super) struct Remove {
    objects: Option<String>,
}

/// `DELETE /v1/classes/{class}`, with `?objects=delete` also if it has objects.
pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    Path(class): Path<String>,
    Query(remove): Query<Remove>,
) -> Result<Response, Problem> {
    let with_objects = match remove.objects.as_deref() {
        None => false,
        Some("delete") => true,
        Some(other) => {
            let detail = format!("objects={other} is unknown; the only value is objects=delete");
            return Err(Problem::new(problem::BAD_REQUEST, detail));
        }
    };
    let class = find(&shared, &class)?.name().clone();
    let removing = async move {
        let retire = |class: Arc<Class>| {
            let objects = shared.objects.clone();
            async move { objects.retire(&class).await }
        };
        shared.catalog.remove(&class, with_objects, retire).await
    };
    super::finish(removing).await?.map_err(|error| Problem::from(&error))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn summary(class: &Class) -> Option<Value> {
    let current = class.current()?;
    let mut summary = version(current.row());
    summary["class"] = Value::from(class.name().as_str());
    Some(summary)
}

fn version(row: &VersionRow) -> Value {
    json!({
        "version": row.number,
        "digest": format!("sha256:{}", hex::encode(row.digest)),
        "size": row.size,
        "created_ms": row.created,
        "bundled": row.bundled,
    })
}

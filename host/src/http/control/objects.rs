//! `/v1/classes/{class}/objects`: which objects there are.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Shared, find};
use crate::{
    http::problem::{self, Problem},
    id::{ObjectId, ObjectName},
    storage::{ListedObject, ObjectsPage, Session, StorageError},
};

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

#[derive(Deserialize)]
pub(super) struct List {
    prefix: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET /v1/classes/{class}/objects?prefix=&after=&limit=`: objects that have written, those
/// without a name first, then by name. `next`, if there is more, is what to send as `after`.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Path(class): Path<String>,
    Query(list): Query<List>,
) -> Result<Response, Problem> {
    let class = find(&shared, &class)?;
    let limit = list.limit.unwrap_or(LIMIT);
    if limit == 0 || limit > LIMIT_MAX {
        let detail = format!("limit is {limit}, it must be 1 to {LIMIT_MAX}");
        return Err(Problem::new(problem::BAD_REQUEST, detail));
    }
    let after = match list.after.map(|id| id.parse::<ObjectId>()).transpose() {
        Ok(after) => after,
        Err(error) => return Err(Problem::new(problem::BAD_REQUEST, format!("after: {error}"))),
    };
    let session = shared.store.session().map_err(|error| Problem::from(&error))?;
    let prefix = list.prefix.unwrap_or_default();
    let listed = page(&*session, class.number(), prefix, after, limit + 1);
    let mut listed = listed.await.map_err(|error| Problem::from(&error))?;
    let more = listed.len() > limit;
    listed.truncate(limit);
    let next = listed.last().filter(|_| more).map(|object| object.id.to_string());
    let objects: Vec<Value> = listed.iter().map(describe).collect();
    Ok(Json(json!({ "objects": objects, "next": next })).into_response())
}

/// `POST /v1/classes/{class}/ids`: the id of a new object without a name, to be addressed as
/// `/{class}/@{id}/`.
pub(super) async fn unique_id(
    State(shared): State<Arc<Shared>>,
    Path(class): Path<String>,
) -> Result<Response, Problem> {
    let class = find(&shared, &class)?;
    let mut random = [0; 16];
    if let Err(error) = getrandom::fill(&mut random) {
        tracing::error!(%error, "no random numbers");
        return Err(Problem::from(&StorageError::Failed("no random numbers".to_owned())));
    }
    Ok(Json(json!({ "id": class.key().unique(random).to_string() })).into_response())
}

async fn page(
    session: &dyn Session,
    class: u32,
    prefix: String,
    after: Option<ObjectId>,
    limit: usize,
) -> Result<Vec<ListedObject>, StorageError> {
    let after = match after {
        Some(id) => {
            let name = session.record(id).await?.and_then(|record| record.name);
            Some((name.as_ref().map_or("", ObjectName::as_str).to_owned(), id))
        }
        None => None,
    };
    session.objects(class, ObjectsPage { prefix, after, limit })
}

fn describe(object: &ListedObject) -> Value {
    json!({
        "id": object.id.to_string(),
        "name": object.record.name.as_ref().map(ObjectName::as_str),
        "version": object.record.version,
        "created_ms": object.record.created,
        "bytes": object.record.bytes,
    })
}

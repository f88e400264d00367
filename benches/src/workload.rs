//! What is asked of a server.

use clap::ValueEnum;
use serde::Serialize;

/// A kind of request, and the objects that it goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Workload {
    /// Durable increments of one object.
    IncrementOne,
    /// Durable increments of many objects in turn.
    IncrementMany,
    /// Reads of the object that `IncrementOne` has counted up.
    Read,
}

/// In the order in which they run.
pub(crate) const WORKLOADS: [Workload; 3] =
    [Workload::IncrementOne, Workload::IncrementMany, Workload::Read];

impl Workload {
    /// The word on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Workload::IncrementOne => "increment-one",
            Workload::IncrementMany => "increment-many",
            Workload::Read => "read",
        }
    }

    /// Whether its requests change the object.
    pub(crate) fn writes(self) -> bool {
        match self {
            Workload::IncrementOne | Workload::IncrementMany => true,
            Workload::Read => false,
        }
    }

    /// The words in the report.
    pub(crate) fn title(self, objects: u32) -> String {
        match self {
            Workload::IncrementOne => "increment, one object".to_owned(),
            Workload::IncrementMany => format!("increment, {objects} objects"),
            Workload::Read => "read, one object".to_owned(),
        }
    }

    /// The names of its objects, `objects` of them if it has many.
    pub(crate) fn names(self, objects: u32) -> Vec<String> {
        match self {
            Workload::IncrementOne | Workload::Read => vec!["one".to_owned()],
            Workload::IncrementMany => {
                (0..objects).map(|number| format!("many-{number}")).collect()
            }
        }
    }

    /// The path of its request to one object.
    pub(crate) fn path(self, name: &str) -> String {
        match self {
            Workload::IncrementOne | Workload::IncrementMany => {
                format!("/counter/{name}/increment")
            }
            Workload::Read => format!("/counter/{name}/"),
        }
    }
}

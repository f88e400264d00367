//! What one object changes, before it is durable.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use crate::{clock::Millis, id::ObjectName};

/// Changes of one object: of one event, or of several folded into one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteSet {
    /// Delete all keys and alarms first.
    pub clear: bool,
    /// New values; none deletes the key.
    pub entries: BTreeMap<Bytes, Option<Bytes>>,
    /// New alarms by name, the unnamed one under the empty name; none removes the alarm.
    pub alarms: BTreeMap<String, Option<Alarm>>,
    /// What becomes of the object's row in the directory.
    pub record: RecordChange,
}

/// What becomes of an object's row in the directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RecordChange {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is written; `bytes` is counted by the engine.
    Put(Arc<ObjectRecord>),
    /// The object owns nothing any more.
    Remove,
}

/// What the directory knows about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRecord {
    /// The number of its class.
    pub class: u32,
    /// Its name, if it was ever addressed by one.
    pub name: Option<ObjectName>,
    /// When it first wrote.
    pub created: Millis,
    /// The class version that wrote last.
    pub version: u32,
    /// Size of all its keys and values.
    pub bytes: u64,
}

/// An alarm to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// When it is due.
    pub due: Millis,
    /// What it carries.
    pub payload: Bytes,
}

impl WriteSet {
    /// Whether committing it would change nothing.
    pub fn is_empty(&self) -> bool {
        !self.clear
            && self.entries.is_empty()
            && self.alarms.is_empty()
            && self.record == RecordChange::Keep
    }

    /// The size of its keys and values, in bytes.
    pub fn bytes(&self) -> usize {
        let value = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        self.entries.iter().map(|(key, new)| key.len() + value(new)).sum()
    }

    /// Adds what `later` changes, so that the sum is one write set with the effect of both.
    pub fn fold(&mut self, later: Self) {
        if later.clear {
            *self = later;
            return;
        }
        self.entries.extend(later.entries);
        self.alarms.extend(later.alarms);
        if later.record != RecordChange::Keep {
            self.record = later.record;
        }
    }
}

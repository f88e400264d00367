//! A group of write sets as one redb transaction.

use redb::{Database, Durability, ReadableTable, Table, WriteTransaction};

use super::{
    failed,
    tables::{
        ALARMS, ALARMS_DUE, DATA, META_LAST_COMMITTER, META_LAST_GROUP, METADATA, NAMES, OBJECTS,
        ObjectRow,
    },
};
use crate::{
    id::ObjectId,
    storage::{
        Group, StorageError,
        key::{data_end, data_key},
        write_set::{ObjectRecord, RecordChange, WriteSet},
    },
};

type IdBytes = &'static [u8; 32];

/// Commits a group; it is durable on return.
pub(super) fn commit(
    database: &Database,
    incarnation: u64,
    group: &Group,
) -> Result<(), StorageError> {
    let mut txn = database.begin_write().map_err(failed)?;
    txn.set_durability(Durability::Immediate)
        .map_err(|error| StorageError::Failed(error.to_string()))?;
    {
        let mut tables = Tables::open(&txn)?;
        for (object, writes) in &group.writes {
            tables.apply(*object, writes)?;
        }
        let mut metadata = txn.open_table(METADATA).map_err(failed)?;
        set_number(&mut metadata, META_LAST_GROUP, group.number)?;
        set_number(&mut metadata, META_LAST_COMMITTER, incarnation)?;
    }
    txn.commit().map_err(failed)
}

/// The tables that hold what objects own.
pub(super) struct Tables<'txn> {
    pub(super) data: Table<'txn, &'static [u8], &'static [u8]>,
    pub(super) objects: Table<'txn, IdBytes, ObjectRow>,
    pub(super) names: Table<'txn, (u32, &'static str, IdBytes), ()>,
    pub(super) alarms: Table<'txn, (IdBytes, &'static str), u64>,
    pub(super) alarms_due: Table<'txn, (u16, u64, IdBytes, &'static str), &'static [u8]>,
}

impl<'txn> Tables<'txn> {
    /// Opens them for writing.
    pub(super) fn open(txn: &'txn WriteTransaction) -> Result<Self, StorageError> {
        Ok(Self {
            data: txn.open_table(DATA).map_err(failed)?,
            objects: txn.open_table(OBJECTS).map_err(failed)?,
            names: txn.open_table(NAMES).map_err(failed)?,
            alarms: txn.open_table(ALARMS).map_err(failed)?,
            alarms_due: txn.open_table(ALARMS_DUE).map_err(failed)?,
        })
    }

    fn apply(&mut self, object: ObjectId, writes: &WriteSet) -> Result<(), StorageError> {
        if writes.clear {
            self.clear(object)?;
        }
        let growth = self.apply_entries(object, writes)?;
        self.apply_alarms(object, writes)?;
        match &writes.record {
            RecordChange::Remove => self.remove_record(object),
            RecordChange::Put(record) => self.put_record(object, record, growth, writes.clear),
            RecordChange::Keep if growth != 0 => self.resize(object, growth),
            RecordChange::Keep => Ok(()),
        }
    }

    /// Deletes all keys and alarms of an object.
    pub(super) fn clear(&mut self, object: ObjectId) -> Result<(), StorageError> {
        let start = data_key(object, &[]);
        match data_end(object) {
            Some(end) => self.data.retain_in(&*start..&*end, |_, _| false),
            None => self.data.retain_in(&*start.., |_, _| false),
        }
        .map_err(failed)?;
        let alarms = self.alarms.range((object.as_bytes(), "")..).map_err(failed)?;
        let names = alarms
            .map(|row| row.map(|(key, _)| (*key.value().0, key.value().1.to_owned())))
            .take_while(|row| row.as_ref().map_or(true, |(id, _)| id == object.as_bytes()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        names.iter().try_for_each(|(_, name)| self.remove_alarm(object, name))
    }

    /// Writes keys; returns by how many bytes the object grew.
    fn apply_entries(&mut self, object: ObjectId, writes: &WriteSet) -> Result<i64, StorageError> {
        let mut growth = 0;
        for (key, value) in &writes.entries {
            let at = data_key(object, key);
            let old = match value {
                Some(value) => {
                    growth += signed(key.len() + value.len());
                    self.data.insert(&*at, &**value).map_err(failed)?
                }
                None => self.data.remove(&*at).map_err(failed)?,
            };
            growth -= old.map_or(0, |old| signed(key.len() + old.value().len()));
        }
        Ok(growth)
    }

    fn apply_alarms(&mut self, object: ObjectId, writes: &WriteSet) -> Result<(), StorageError> {
        for (name, alarm) in &writes.alarms {
            self.remove_alarm(object, name)?;
            if let Some(alarm) = alarm {
                let (id, name) = (object.as_bytes(), name.as_str());
                self.alarms.insert((id, name), alarm.due).map_err(failed)?;
                let key = (object.shard(), alarm.due, id, name);
                self.alarms_due.insert(key, &*alarm.payload).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn remove_alarm(&mut self, object: ObjectId, name: &str) -> Result<(), StorageError> {
        let id = object.as_bytes();
        let due = self.alarms.remove((id, name)).map_err(failed)?.map(|due| due.value());
        if let Some(due) = due {
            self.alarms_due.remove((object.shard(), due, id, name)).map_err(failed)?;
        }
        Ok(())
    }

    fn put_record(
        &mut self,
        object: ObjectId,
        record: &ObjectRecord,
        growth: i64,
        fresh: bool,
    ) -> Result<(), StorageError> {
        let old = self.objects.get(object.as_bytes()).map_err(failed)?;
        let old = old.map(|row| self::record(row.value()));
        let before = old.as_ref().map_or(0, |old| if fresh { 0 } else { old.bytes });
        let name = |record: &ObjectRecord| {
            record.name.as_ref().map_or(String::new(), |name| name.as_str().to_owned())
        };
        if let Some(old) = &old
            && (old.class, &old.name) != (record.class, &record.name)
        {
            let key = (old.class, &*name(old), object.as_bytes());
            self.names.remove(key).map_err(failed)?;
        }
        let name = name(record);
        let bytes = before.saturating_add_signed(growth);
        let row = (record.class, &*name, record.created, record.version, bytes);
        self.objects.insert(object.as_bytes(), row).map_err(failed)?;
        self.names.insert((record.class, &*name, object.as_bytes()), ()).map_err(failed)?;
        Ok(())
    }

    fn resize(&mut self, object: ObjectId, growth: i64) -> Result<(), StorageError> {
        let old = self.objects.get(object.as_bytes()).map_err(failed)?;
        let Some(old) = old.map(|row| record(row.value())) else { return Ok(()) };
        let name = old.name.as_ref().map_or("", |name| name.as_str());
        let bytes = old.bytes.saturating_add_signed(growth);
        let row = (old.class, name, old.created, old.version, bytes);
        self.objects.insert(object.as_bytes(), row).map_err(failed)?;
        Ok(())
    }

    /// Takes an object out of the directory.
    pub(super) fn remove_record(&mut self, object: ObjectId) -> Result<(), StorageError> {
        let old = self.objects.remove(object.as_bytes()).map_err(failed)?;
        let Some(old) = old.map(|row| record(row.value())) else { return Ok(()) };
        let name = old.name.as_ref().map_or("", |name| name.as_str());
        self.names.remove((old.class, name, object.as_bytes())).map_err(failed)?;
        Ok(())
    }
}

/// An object's row as a record.
pub(super) fn record(row: (u32, &str, u64, u32, u64)) -> ObjectRecord {
    let (class, name, created, version, bytes) = row;
    // Only valid names were stored; the empty text stands for none.
    ObjectRecord { class, name: name.parse().ok(), created, version, bytes }
}

/// A number in the metadata.
pub(super) fn number(
    metadata: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &str,
) -> Result<Option<u64>, StorageError> {
    let Some(bytes) = metadata.get(name).map_err(failed)? else { return Ok(None) };
    match bytes.value().try_into() {
        Ok(bytes) => Ok(Some(u64::from_be_bytes(bytes))),
        Err(_) => Err(StorageError::Failed(format!("the store's {name} is not a number"))),
    }
}

/// Sets a number in the metadata.
pub(super) fn set_number(
    metadata: &mut Table<'_, &'static str, &'static [u8]>,
    name: &str,
    number: u64,
) -> Result<(), StorageError> {
    metadata.insert(name, &number.to_be_bytes()[..]).map_err(failed)?;
    Ok(())
}

fn signed(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

//! The tables of the engine in memory, and what is done to them.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    clock::Millis,
    id::ObjectId,
    limits::PAGE_BYTES,
    storage::{
        Digest, DueAlarm, Group, GroupMark, ListedObject, ObjectsPage, Page, Range,
        catalog::{Catalog, CatalogChange, ClassRow},
        write_set::{Alarm, ObjectRecord, RecordChange, WriteSet},
    },
};

/// All that is durable.
#[derive(Debug, Default)]
pub(super) struct Data {
    pub(super) incarnation: u64,
    pub(super) last_group: GroupMark,
    pub(super) entries: BTreeMap<(ObjectId, Bytes), Bytes>,
    pub(super) objects: BTreeMap<ObjectId, ObjectRecord>,
    pub(super) components: BTreeMap<Digest, Bytes>,
    alarms: BTreeMap<(ObjectId, String), Alarm>,
    classes: BTreeMap<String, ClassRow>,
    classes_ever: u32,
    bundled: Option<Digest>,
}

impl Data {
    pub(super) fn commit(&mut self, incarnation: u64, group: &Group, refused: &[ObjectId]) {
        for (object, writes) in &group.writes {
            if !refused.contains(object) {
                self.apply(*object, writes);
            }
        }
        self.last_group = GroupMark { number: group.number, incarnation };
    }

    fn apply(&mut self, object: ObjectId, writes: &WriteSet) {
        if writes.clear {
            self.clear(object);
        }
        for (key, value) in &writes.entries {
            let at = (object, key.clone());
            match value {
                Some(value) => self.entries.insert(at, value.clone()),
                None => self.entries.remove(&at),
            };
        }
        for (name, alarm) in &writes.alarms {
            let at = (object, name.clone());
            match alarm {
                Some(alarm) => self.alarms.insert(at, alarm.clone()),
                None => self.alarms.remove(&at),
            };
        }
        match &writes.record {
            RecordChange::Put(record) => {
                self.objects.insert(object, ObjectRecord::clone(record));
            }
            RecordChange::Remove => _ = self.objects.remove(&object),
            RecordChange::Keep => (),
        }
        let bytes = self.of(object).map(|(key, value)| (key.len() + value.len()) as u64).sum();
        if let Some(record) = self.objects.get_mut(&object) {
            record.bytes = bytes;
        }
    }

    fn clear(&mut self, object: ObjectId) {
        self.entries.retain(|(of, _), _| *of != object);
        self.alarms.retain(|(of, _), _| *of != object);
    }

    fn of(&self, object: ObjectId) -> impl DoubleEndedIterator<Item = (&Bytes, &Bytes)> {
        let rest = self.entries.range((object, Bytes::new())..);
        // What follows the object is not walked through from behind.
        let mut own: Vec<_> =
            rest.take_while(|((of, _), _)| *of == object).map(|((_, key), v)| (key, v)).collect();
        own.shrink_to_fit();
        own.into_iter()
    }

    pub(super) fn scan(&self, object: ObjectId, range: &Range) -> Page {
        let within =
            |key: &Bytes| *key >= range.start && range.end.as_ref().is_none_or(|end| key < end);
        let mut rows: Vec<_> = self.of(object).filter(|(key, _)| within(key)).collect();
        if range.reverse {
            rows.reverse();
        }
        let (mut page, mut size) = (Page::default(), 0);
        for (key, value) in rows {
            if page.entries.len() >= range.limit || size >= PAGE_BYTES {
                page.more = true;
                break;
            }
            size += key.len() + value.len();
            page.entries.push((key.clone(), value.clone()));
        }
        page
    }

    pub(super) fn alarms_due(&self, until: Millis, limit: usize) -> Vec<DueAlarm> {
        let due = self.alarms.iter().filter(|(_, alarm)| alarm.due <= until);
        let mut due: Vec<_> = due
            .map(|((object, name), alarm)| DueAlarm {
                object: *object,
                name: name.clone(),
                due: alarm.due,
                payload: alarm.payload.clone(),
            })
            .collect();
        due.sort_by(|a, b| {
            let key = |alarm: &DueAlarm| (alarm.object.shard(), alarm.due, alarm.object);
            (key(a), &a.name).cmp(&(key(b), &b.name))
        });
        due.truncate(limit);
        due
    }

    pub(super) fn list_objects(&self, class: u32, page: &ObjectsPage) -> Vec<ListedObject> {
        let name = |record: &ObjectRecord| {
            record.name.as_ref().map_or(String::new(), |name| name.as_str().to_owned())
        };
        let mut listed: Vec<_> = self
            .objects
            .iter()
            .filter(|(_, record)| record.class == class)
            .map(|(id, record)| ((name(record), *id), record))
            .filter(|(at, _)| at.0.starts_with(&page.prefix))
            .filter(|(at, _)| page.after.as_ref().is_none_or(|after| at > after))
            .map(|((name, id), record)| (name, ListedObject { id, record: record.clone() }))
            .collect();
        listed.sort_by(|(a, x), (b, y)| (a, x.id).cmp(&(b, y.id)));
        listed.truncate(page.limit);
        listed.into_iter().map(|(_, object)| object).collect()
    }

    pub(super) fn catalog(&self) -> Catalog {
        Catalog {
            classes: self.classes.values().cloned().collect(),
            next_class: self.classes_ever + 1,
            bundled: self.bundled,
        }
    }

    pub(super) fn change_catalog(&mut self, change: &CatalogChange) {
        match change {
            CatalogChange::Deploy { name, class, key, version, component } => {
                self.classes_ever = self.classes_ever.max(*class);
                self.components.insert(version.digest, component.clone());
                let row =
                    self.classes.entry(name.as_str().to_owned()).or_insert_with(|| ClassRow {
                        name: name.clone(),
                        number: *class,
                        key: key.clone(),
                        current: 0,
                        versions: Vec::new(),
                    });
                row.current = version.number;
                row.versions.push(version.clone());
            }
            CatalogChange::Remove { name, class } => self.remove_class(name.as_str(), *class),
            CatalogChange::Bundled(digest) => self.bundled = Some(*digest),
        }
    }

    fn remove_class(&mut self, name: &str, class: u32) {
        self.classes.remove(name);
        let of_class = self.objects.iter().filter(|(_, record)| record.class == class);
        let objects: Vec<_> = of_class.map(|(id, _)| *id).collect();
        for object in objects {
            self.clear(object);
            self.objects.remove(&object);
        }
        let classes = &self.classes;
        self.components.retain(|digest, _| {
            classes.values().flat_map(|class| &class.versions).any(|row| row.digest == *digest)
        });
    }
}

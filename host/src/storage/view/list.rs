//! A listing: what was written and what is stored, merged in order, one page at a time.

use std::{
    collections::BTreeMap,
    iter::{self, Peekable},
    ops::Bound,
};

use bytes::Bytes;

use super::misuse::{Misuse, too_long};
use crate::{
    id::ObjectId,
    limits::{KEY_BYTES_MAX, PAGE_BYTES, PAGE_ENTRIES_MAX},
    storage::{Page, Range, Session, StorageError, key::prefix_end},
};

/// What the guest asks of a listing.
#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    /// Smallest key.
    pub start: Option<String>,
    /// Key before the smallest.
    pub start_after: Option<String>,
    /// Key behind the largest.
    pub end: Option<String>,
    /// What all keys begin with.
    pub prefix: Option<String>,
    /// From the largest down.
    pub reverse: bool,
    /// Entries at most.
    pub limit: Option<u32>,
}

/// How many entries a page may have.
pub(super) fn page_limit(options: &ListOptions) -> usize {
    options.limit.map_or(PAGE_ENTRIES_MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX).min(PAGE_ENTRIES_MAX)
    })
}

/// The range that the options describe; none if no key can be in it.
pub(super) fn range(options: ListOptions) -> Result<Option<Range>, Misuse> {
    if options.start.is_some() && options.start_after.is_some() {
        return Err(Misuse::InvalidList("start and start-after cannot both be given".to_owned()));
    }
    if options.limit == Some(0) {
        return Err(Misuse::InvalidList("limit is 0, the least is 1".to_owned()));
    }
    let limit = page_limit(&options);
    let bound = |key: Option<String>| match key {
        Some(key) if key.len() > KEY_BYTES_MAX => Err(too_long(&Bytes::from(key))),
        Some(key) => Ok(Some(Bytes::from(key))),
        None => Ok(None),
    };
    let after = bound(options.start_after)?.map(|key| successor(&key));
    let prefix = bound(options.prefix)?.unwrap_or_default();
    let start = bound(options.start)?.or(after).unwrap_or_default().max(prefix.clone());
    let end = match (bound(options.end)?, prefix_end(&prefix).map(Bytes::from)) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    if end.as_ref().is_some_and(|end| *end <= start) {
        return Ok(None);
    }
    // One entry more than the page takes tells whether any follow.
    Ok(Some(Range { start, end, reverse: options.reverse, limit: limit + 1 }))
}

/// The key right behind this one.
fn successor(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    Bytes::from(next)
}

/// Entries of a map, in the order of a range.
type Ordered<'a> = Box<dyn Iterator<Item = (&'a Bytes, Option<&'a Bytes>)> + Send + 'a>;

/// What the object wrote and the store may not have: the running event's own writes and the
/// earlier ones as one. Its own win.
pub(super) struct Written<'a> {
    own: Peekable<Ordered<'a>>,
    earlier: Peekable<Ordered<'a>>,
    reverse: bool,
}

impl<'a> Written<'a> {
    pub(super) fn new(own: Ordered<'a>, earlier: Option<Ordered<'a>>, reverse: bool) -> Self {
        let earlier = earlier.unwrap_or_else(|| Box::new(iter::empty()));
        Self { own: own.peekable(), earlier: earlier.peekable(), reverse }
    }
}

impl<'a> Iterator for Written<'a> {
    type Item = (&'a Bytes, Option<&'a Bytes>);

    fn next(&mut self) -> Option<Self::Item> {
        let (Some((own, _)), Some((earlier, _))) = (self.own.peek(), self.earlier.peek()) else {
            return self.own.next().or_else(|| self.earlier.next());
        };
        if own == earlier {
            self.earlier.next();
            self.own.next()
        } else if (own < earlier) != self.reverse {
            self.own.next()
        } else {
            self.earlier.next()
        }
    }
}

/// The entries of a map that lie in a range.
pub(super) fn in_order<'a, V: Sync>(
    map: &'a BTreeMap<Bytes, V>,
    range: &Range,
    value: fn(&V) -> Option<&Bytes>,
) -> Ordered<'a> {
    let end = range.end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    let rows = map.range::<Bytes, _>((Bound::Included(&range.start), end));
    let rows = rows.map(move |(key, found)| (key, value(found)));
    if range.reverse { Box::new(rows.rev()) } else { Box::new(rows) }
}

/// The store's entries of a range, fetched page by page.
pub(super) struct Stored<'a> {
    source: Option<(&'a dyn Session, ObjectId, Range)>,
    entries: std::vec::IntoIter<(Bytes, Bytes)>,
}

impl<'a> Stored<'a> {
    pub(super) fn new(session: &'a dyn Session, object: ObjectId, range: Range) -> Self {
        Self { source: Some((session, object, range)), entries: Vec::new().into_iter() }
    }

    pub(super) fn nothing() -> Self {
        Self { source: None, entries: Vec::new().into_iter() }
    }

    async fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, StorageError> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Ok(Some(entry));
            }
            let Some((session, object, range)) = self.source.take() else {
                return Ok(None);
            };
            let page = session.scan(object, range.clone()).await?;
            if page.more
                && let Some((last, _)) = page.entries.last()
            {
                let rest = if range.reverse {
                    Range { end: Some(last.clone()), ..range }
                } else {
                    Range { start: successor(last), ..range }
                };
                self.source = Some((session, object, rest));
            }
            self.entries = page.entries.into_iter();
        }
    }
}

/// One page out of what was written and what is stored, both in the order of the range. What was
/// written wins.
pub(super) async fn merge(
    written: Written<'_>,
    mut stored: Stored<'_>,
    reverse: bool,
    limit: usize,
) -> Result<Page, StorageError> {
    let (mut page, mut size) = (Page::default(), 0);
    let mut written = written.peekable();
    let mut next_stored = stored.next().await?;
    loop {
        let written_first = match (written.peek(), &next_stored) {
            (None, None) => return Ok(page),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some((a, _)), Some((b, _))) => *a == b || (*a < b) != reverse,
        };
        let entry = if written_first {
            let Some((key, value)) = written.next() else { return Ok(page) };
            if next_stored.as_ref().is_some_and(|(stored, _)| stored == key) {
                next_stored = stored.next().await?;
            }
            value.map(|value| (key.clone(), value.clone()))
        } else {
            let entry = next_stored.take();
            next_stored = stored.next().await?;
            entry
        };
        let Some((key, value)) = entry else { continue };
        if page.entries.len() >= limit || size >= PAGE_BYTES {
            page.more = true;
            return Ok(page);
        }
        size += key.len() + value.len();
        page.entries.push((key, value));
    }
}

//! Object id and key as the bytes under which the store keeps a value.
//!
//! The first half of the id, then the key: all data of an object is one range, all objects of a
//! shard are one range, and keys sort as their bytes do.

use bytes::Bytes;

use crate::id::ObjectId;

/// Where an object's key lies.
pub fn data_key(object: ObjectId, key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + key.len());
    bytes.extend_from_slice(&object.head());
    bytes.extend_from_slice(key);
    bytes
}

/// The key in a data key.
pub fn key_of(data_key: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&data_key[16..])
}

/// The first data key that is not of this object any more; none behind the last possible object.
pub fn data_end(object: ObjectId) -> Option<Vec<u8>> {
    prefix_end(&object.head())
}

/// The smallest byte string above all that begin with `prefix`; none if there is no such.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn data_keys_sort_as_their_keys_and_stay_in_their_object(
            head in any::<[u8; 32]>(),
            a in proptest::collection::vec(any::<u8>(), 0..40),
            b in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let id = ObjectId::from_bytes(head);
            let (in_a, in_b) = (data_key(id, &a), data_key(id, &b));
            prop_assert_eq!(in_a.cmp(&in_b), a.cmp(&b));
            prop_assert_eq!(&key_of(&in_a)[..], &a[..]);
            prop_assert!(data_end(id).is_none_or(|end| in_a < end));
        }

        #[test]
        fn prefix_end_is_the_least_bound(
            prefix in proptest::collection::vec(any::<u8>(), 0..6),
            text in proptest::collection::vec(any::<u8>(), 0..8),
        ) {
            let below = prefix_end(&prefix).is_none_or(|end| text < end);
            let within = text >= prefix && below;
            prop_assert_eq!(within, text.starts_with(&prefix));
        }
    }
}

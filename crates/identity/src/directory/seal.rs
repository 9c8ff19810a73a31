//! The seal of an entry's row: what the row says is what an administrator decided.

use portcullis_core::constant_time_eq;
use portcullis_store::EntryRecord;
use portcullis_vault::{KeyRing, MacPurpose};

use crate::seal_parts::Parts;

/// A MAC over everything in a row. Whoever can write the database can put a former row back; they cannot
/// write a new one.
pub fn entry_seal(ring: &KeyRing, record: &EntryRecord) -> [u8; 32] {
    // Taken apart without `..`: a new field does not compile until somebody has decided.
    let EntryRecord {
        kind,
        id,
        name,
        version,
        body,
        deleted,
        changed_at,
        changed_by,
        seal: _,
    } = record;
    let mut parts = Parts::default();
    parts.push(kind.as_str());
    parts.push(id);
    parts.optional(name.as_ref());
    parts.push(version.to_be_bytes());
    parts.push(body);
    parts.push([u8::from(*deleted)]);
    parts.push(changed_at.as_millis().to_be_bytes());
    parts.push(changed_by);
    parts.seal(ring, MacPurpose::DirectoryEntry)
}

/// Whether the row is as it was sealed.
pub(super) fn is_genuine(ring: &KeyRing, record: &EntryRecord) -> bool {
    constant_time_eq(&entry_seal(ring, record), &record.seal)
}

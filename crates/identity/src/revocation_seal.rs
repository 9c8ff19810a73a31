//! The seal of a row of the revocation list: it says what an administrator decided.

use portcullis_core::{Timestamp, constant_time_eq};
use portcullis_store::{Lifted, RevocationRecord, RevokedTarget};
use portcullis_vault::{KeyRing, MacPurpose};

use crate::seal_parts::Parts;

/// A MAC over everything in the row, its lifting included: nobody without the ring takes an entry
/// back by writing that it was. A row that is deleted leaves no seal behind.
pub fn revocation_seal(ring: &KeyRing, record: &RevocationRecord) -> [u8; 32] {
    // Taken apart without `..`: a new field does not compile until somebody has decided.
    let RevocationRecord {
        id,
        target,
        reason,
        created_at,
        created_by,
        until,
        lifted,
        seal: _,
    } = record;
    let bytes = |at: &Timestamp| at.as_millis().to_be_bytes();
    let mut parts = Parts::default();
    parts.push(id.as_str());
    match target {
        RevokedTarget::Key { id } => {
            parts.push("key");
            parts.push(id.as_str());
        }
        RevokedTarget::User { user_id, before } => {
            parts.push("user");
            parts.push(user_id);
            parts.push(bytes(before));
        }
        RevokedTarget::Token { issuer, jti } => {
            parts.push("jti");
            parts.push(issuer);
            parts.push(jti);
        }
        RevokedTarget::Session { issuer, sid } => {
            parts.push("sid");
            parts.push(issuer);
            parts.push(sid);
        }
        RevokedTarget::Subject {
            issuer,
            sub,
            before,
        } => {
            parts.push("sub");
            parts.push(issuer);
            parts.push(sub);
            parts.push(bytes(before));
        }
        RevokedTarget::Issuer { issuer, before } => {
            parts.push("iss");
            parts.push(issuer);
            parts.push(bytes(before));
        }
    }
    parts.optional(reason.as_ref());
    parts.push(bytes(created_at));
    parts.push(created_by);
    parts.optional(until.as_ref().map(bytes));
    parts.optional(lifted.as_ref().map(|Lifted { at, by: _ }| bytes(at)));
    parts.optional(lifted.as_ref().map(|Lifted { at: _, by }| by));
    parts.seal(ring, MacPurpose::Revocation)
}

/// Whether the row is as it was sealed.
pub(crate) fn is_genuine(ring: &KeyRing, record: &RevocationRecord) -> bool {
    constant_time_eq(&revocation_seal(ring, record), &record.seal)
}

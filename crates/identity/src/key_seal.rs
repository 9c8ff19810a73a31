//! The seal of a stored key's row: what the row says is what an administrator decided.

use portcullis_core::{Role, constant_time_eq};
use portcullis_store::ApiKeyRecord;
use portcullis_vault::{KeyRing, MacPurpose};

use crate::seal_parts::Parts;

/// A MAC over everything in a row that decides or is shown, but for `revoked_at`: whoever revokes a
/// key need not have the ring. So whoever can write the database can take a revocation back; only a
/// process that has seen it remembers it.
pub fn key_seal(ring: &KeyRing, record: &ApiKeyRecord) -> [u8; 32] {
    // Taken apart without `..`: a new field does not compile until somebody has decided.
    let ApiKeyRecord {
        id,
        mac,
        alias,
        user_id,
        team,
        org,
        role,
        grants,
        scopes,
        created_at,
        created_by,
        expires_at,
        revoked_at: _,
        metadata,
        seal: _,
    } = record;
    let mut parts = Parts::default();
    parts.push(id.as_str());
    parts.push(mac);
    for text in [alias, user_id, team, org] {
        parts.optional(text.as_ref());
    }
    parts.push(match role {
        Role::User => "user",
        Role::Viewer => "viewer",
        Role::Admin => "admin",
    });
    parts.push([u8::from(grants.all)]);
    parts.set(grants.servers.iter().map(portcullis_core::ServerId::as_str));
    parts.set(grants.access_groups.iter().map(String::as_str));
    parts.push(scopes.to_string());
    parts.push(created_at.as_millis().to_be_bytes());
    parts.push(created_by);
    parts.optional(expires_at.map(|end| end.as_millis().to_be_bytes()));
    parts.push(metadata);
    parts.seal(ring, MacPurpose::ApiKeyRecord)
}

/// Whether the row is as it was sealed.
pub(crate) fn is_genuine(ring: &KeyRing, record: &ApiKeyRecord) -> bool {
    constant_time_eq(&key_seal(ring, record), &record.seal)
}

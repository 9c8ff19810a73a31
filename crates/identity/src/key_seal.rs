//! The seal of a stored key's row: what the row says is what an administrator decided.

use portcullis_core::{ServerGrants, ToolGrants, constant_time_eq};
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
    parts.push(role.as_str());
    // Taken apart as well.
    let ServerGrants {
        all,
        none,
        of_team,
        servers,
        access_groups,
        toolsets,
        // It is kept nowhere.
        toolset_tools: _,
        tools,
    } = grants;
    parts.push([u8::from(*all)]);
    parts.set(servers.iter().map(portcullis_core::ServerId::as_str));
    parts.set(access_groups.iter().map(String::as_str));
    parts.push(scopes.to_string());
    parts.push(created_at.as_millis().to_be_bytes());
    parts.push(created_by);
    parts.optional(expires_at.map(|end| end.as_millis().to_be_bytes()));
    parts.push(metadata);
    if *none || *of_team || !toolsets.is_empty() || !tools.is_empty() {
        // Behind everything else: a key that was made before there was any of it has the seal that it had.
        let ToolGrants {
            permissions,
            blocked,
        } = tools;
        parts.push([u8::from(*none), u8::from(*of_team)]);
        parts.set(toolsets.iter().map(String::as_str));
        parts.set(permissions.keys().map(portcullis_core::ServerId::as_str));
        for tools in permissions.values() {
            parts.set(tools.iter().map(String::as_str));
        }
        parts.set(blocked.iter().map(String::as_str));
    }
    parts.seal(ring, MacPurpose::ApiKeyRecord)
}

/// Whether the row is as it was sealed.
pub(crate) fn is_genuine(ring: &KeyRing, record: &ApiKeyRecord) -> bool {
    constant_time_eq(&key_seal(ring, record), &record.seal)
}

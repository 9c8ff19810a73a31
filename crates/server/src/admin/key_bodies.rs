//! Bodies of `/key/*`, in LiteLLM's shapes: read strictly, written without a secret except once.
#![expect(
    clippy::option_option,
    reason = "absent, null and a value are three things to a change"
)]

use std::time::Duration;

use portcullis_core::{Role, ScopeSet, ServerGrants, hex};
use portcullis_engine::Snapshot;
use portcullis_identity::{ApiKeyRecord, CreatedKey, KeyChange, NewKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::limit_bodies::with_limits;
use super::permission::{
    ObjectPermission, PermissionRow, given, given_object, object, resolved, shown,
};

/// The key that a `/key/generate` body asks for where no gateway runs that would limit it; `Err` says what
/// is wrong with it.
pub fn wish(body: Value) -> Result<NewKey, String> {
    let mut wish: Generate = serde_json::from_value(body).map_err(|error| error.to_string())?;
    if wish.take_limits().values().any(|limit| !limit.is_null()) {
        let detail = "a key is given limits by a running gateway: make it with --url";
        return Err(detail.to_owned());
    }
    wish.into_new_key()
}

/// The answer to `/key/generate`: the only place where the key itself is shown.
pub fn created(created: &CreatedKey) -> Value {
    json!(created_row(created))
}

with_limits! {
    /// Body of `/key/generate`. A member that would restrict the key and that we do not implement is
    /// refused, never ignored: a key must not be able to do more than was asked for.
    #[derive(Debug, Default, Deserialize, ToSchema)]
    #[schema(as = GenerateKey)]
    #[serde(default, deny_unknown_fields)]
    pub(super) struct Generate {
        key_alias: Option<String>,
        user_id: Option<String>,
        team_id: Option<String>,
        organization_id: Option<String>,
        /// `30s`, `5m`, `12h` or `30d`.
        duration: Option<String>,
        #[schema(value_type = Object)]
        metadata: Map<String, Value>,
        /// LiteLLM's words for `servers` and `access_groups`.
        #[serde(deserialize_with = "object")]
        object_permission: Option<ObjectPermission>,
        /// Ours: servers, groups, scopes and role in plain words.
        servers: Vec<String>,
        access_groups: Vec<String>,
        all_servers: bool,
        toolsets: Vec<String>,
        scopes: Vec<String>,
        /// `user`, `viewer` or `admin`.
        role: Option<String>,
    }
}

with_limits! {
    /// Body of `/key/update`: what is absent stays, `null` takes away what is. Strict in the same way.
    #[derive(Debug, Default, Deserialize, ToSchema)]
    #[schema(as = UpdateKey)]
    #[serde(default, deny_unknown_fields)]
    pub(super) struct Update {
        /// The key itself, or its id, as LiteLLM's clients send it.
        pub(super) key: Option<String>,
        pub(super) key_id: Option<String>,
        /// The version that was seen.
        pub(super) version: Option<String>,
        #[schema(value_type = Option<String>)]
        #[serde(deserialize_with = "given")]
        key_alias: Option<Option<String>>,
        #[schema(value_type = Option<String>)]
        #[serde(deserialize_with = "given")]
        user_id: Option<Option<String>>,
        #[schema(value_type = Option<String>)]
        #[serde(deserialize_with = "given")]
        team_id: Option<Option<String>>,
        #[schema(value_type = Option<String>)]
        #[serde(deserialize_with = "given")]
        organization_id: Option<Option<String>>,
        /// From now on: `30s`, `5m`, `12h` or `30d`.
        #[schema(value_type = Option<String>)]
        #[serde(deserialize_with = "given")]
        duration: Option<Option<String>>,
        #[schema(value_type = Option<Object>)]
        metadata: Option<Map<String, Value>>,
        #[schema(value_type = Option<ObjectPermission>)]
        #[serde(deserialize_with = "given_object")]
        object_permission: Option<Option<ObjectPermission>>,
        scopes: Option<Vec<String>>,
    }
}

impl Update {
    pub(super) fn into_change(self, snapshot: &Snapshot) -> Result<KeyChange, String> {
        let grants = self.object_permission.map(Option::unwrap_or_default);
        let grants = grants.map(|permission| resolved(permission.into_grants(), snapshot));
        let duration = self
            .duration
            .map(|text| text.as_deref().map(span).transpose());
        Ok(KeyChange {
            alias: self.key_alias,
            user_id: self.user_id,
            team: self.team_id,
            org: self.organization_id,
            grants: grants.transpose()?,
            scopes: self
                .scopes
                .map(ScopeSet::from_tokens)
                .transpose()
                .map_err(|error| error.to_string())?,
            expires_in: duration.transpose()?,
            metadata: self.metadata,
        })
    }
}

/// Tells one state of a key from another; changes with every change.
pub(super) fn version(record: &ApiKeyRecord) -> String {
    hex(record.seal.get(..8).unwrap_or_default())
}

impl Generate {
    pub(super) fn into_new_key(self) -> Result<NewKey, String> {
        let permission = self.object_permission.unwrap_or_default();
        let mut grants = permission.into_grants();
        grants.all |= self.all_servers;
        grants
            .servers
            .extend(self.servers.into_iter().map(Into::into));
        grants.access_groups.extend(self.access_groups);
        grants.toolsets.extend(self.toolsets);
        let role = match self.role.as_deref() {
            None => Role::User,
            Some(name) => Role::named(name).ok_or_else(|| {
                format!("role `{name}` does not exist: use user, approver, viewer or admin")
            })?,
        };
        Ok(NewKey {
            alias: self.key_alias,
            user_id: self.user_id,
            team: self.team_id,
            org: self.organization_id,
            role,
            grants,
            scopes: ScopeSet::from_tokens(self.scopes).map_err(|error| error.to_string())?,
            expires_in: self.duration.as_deref().map(span).transpose()?,
            metadata: self.metadata,
        })
    }
}

/// LiteLLM's durations: `30s`, `30m`, `30h`, `30d`.
fn span(text: &str) -> Result<Duration, String> {
    let invalid = || format!("duration `{text}` is not a number followed by s, m, h or d");
    let unit = text.chars().last().ok_or_else(invalid)?;
    let count: u64 = text
        .strip_suffix(unit)
        .and_then(|count| count.parse().ok())
        .ok_or_else(invalid)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(invalid()),
    };
    count
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(invalid)
}

/// What may be shown of a key: never the key, never its MAC.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyRow {
    /// LiteLLM's name of `key_id`.
    token: String,
    key_id: String,
    key_alias: Option<String>,
    user_id: Option<String>,
    team_id: Option<String>,
    organization_id: Option<String>,
    /// `user`, `approver`, `viewer` or `admin`.
    role: &'static str,
    object_permission: PermissionRow,
    all_servers: bool,
    /// Tells one state of the key from another.
    version: String,
    scopes: Vec<String>,
    created_at: String,
    created_by: String,
    /// RFC 3339; `null`: never.
    expires: Option<String>,
    revoked_at: Option<String>,
    #[schema(value_type = Object)]
    metadata: Value,
}

/// The answer to `/key/generate`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedKeyRow {
    /// The key itself: shown here and nowhere else.
    key: String,
    #[serde(flatten)]
    row: KeyRow,
}

pub(super) fn created_row(created: &CreatedKey) -> CreatedKeyRow {
    CreatedKeyRow {
        key: created.key.expose().to_owned(),
        row: record(&created.record),
    }
}

pub(super) fn record(record: &ApiKeyRecord) -> KeyRow {
    // `all_servers` says so in a word of its own.
    let listed = ServerGrants {
        all: false,
        ..record.grants.clone()
    };
    KeyRow {
        token: record.id.to_string(),
        key_id: record.id.to_string(),
        key_alias: record.alias.clone(),
        user_id: record.user_id.clone(),
        team_id: record.team.clone(),
        organization_id: record.org.clone(),
        role: record.role.as_str(),
        object_permission: shown(&listed),
        version: version(record),
        all_servers: record.grants.all,
        scopes: record.scopes.iter().map(ToString::to_string).collect(),
        created_at: record.created_at.to_string(),
        created_by: record.created_by.clone(),
        expires: record.expires_at.map(|end| end.to_string()),
        revoked_at: record.revoked_at.map(|end| end.to_string()),
        metadata: serde_json::from_str(&record.metadata).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_litellms_and_nonsense_is_refused() {
        assert_eq!(span("30d").unwrap(), Duration::from_hours(30 * 24));
        assert_eq!(span("1h").unwrap(), Duration::from_hours(1));
        for bad in [
            "",
            "d",
            "1w",
            "-1d",
            "1.5h",
            "99999999999999999999d",
            "30 d",
        ] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_limit_that_is_not_implemented_is_refused_not_ignored() {
        for member in ["models", "allowed_routes", "blocked", "tpd_limit"] {
            let body = format!(r#"{{"{member}": 1}}"#);
            assert!(serde_json::from_str::<Generate>(&body).is_err(), "{member}");
        }
    }

    #[test]
    fn members_have_names_and_stand_once() {
        let permission = |text: &str| {
            let body = format!(r#"{{"object_permission": {text}}}"#);
            serde_json::from_str::<Generate>(&body)
        };
        for bad in [
            r#"[["all-proxy-mcpservers"], []]"#,
            "[]",
            r#""x""#,
            "true",
            r#"{"mcp_servers": [], "mcp_servers": ["all-proxy-mcpservers"]}"#,
            r#"{"vector_stores": []}"#,
        ] {
            assert!(permission(bad).is_err(), "{bad}");
        }
        for good in ["null", "{}", r#"{"mcp_servers": ["github"]}"#] {
            assert!(permission(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_key_for_which_no_server_is_named_sees_none() {
        let new = Generate::default().into_new_key().unwrap();
        assert_eq!(new.grants, ServerGrants::default());
    }
}

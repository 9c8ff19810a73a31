//! Bodies of `/key/*`, in LiteLLM's shapes: read strictly, written without a secret except once.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use portcullis_core::{Role, ScopeSet, ServerGrants};
use portcullis_identity::{ApiKeyRecord, CreatedKey, NewKey};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

/// The key that a `/key/generate` body asks for; `Err` says what is wrong with it.
pub fn wish(body: Value) -> Result<NewKey, String> {
    let wish: Generate = serde_json::from_value(body).map_err(|error| error.to_string())?;
    wish.into_new_key()
}

/// The answer to `/key/generate`: the only place where the key itself is shown.
pub fn created(created: &CreatedKey) -> Value {
    let mut shown = record(&created.record);
    if let Some(object) = shown.as_object_mut() {
        object.insert("key".to_owned(), created.key.expose().into());
    }
    shown
}

/// Body of `/key/generate`. A member that would restrict the key and that we do not implement is
/// refused, never ignored: a key must not be able to do more than was asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Generate {
    key_alias: Option<String>,
    user_id: Option<String>,
    team_id: Option<String>,
    organization_id: Option<String>,
    duration: Option<String>,
    metadata: Map<String, Value>,
    #[serde(deserialize_with = "object")]
    object_permission: Option<ObjectPermission>,
    /// Ours: servers, groups, scopes and role in plain words.
    servers: Vec<String>,
    access_groups: Vec<String>,
    all_servers: bool,
    scopes: Vec<String>,
    role: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ObjectPermission {
    mcp_servers: Vec<String>,
    mcp_access_groups: Vec<String>,
}

/// An object, by its names: serde would also take an array for it, its members by position.
fn object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct ByName<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for ByName<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
            T::deserialize(MapAccessDeserializer::new(members)).map(Some)
        }
    }

    deserializer.deserialize_any(ByName(PhantomData))
}

/// LiteLLM's word for "every server".
const ALL_SERVERS: &str = "all-proxy-mcpservers";

impl Generate {
    pub(super) fn into_new_key(self) -> Result<NewKey, String> {
        let permission = self.object_permission.unwrap_or_default();
        let mut names: BTreeSet<String> = self
            .servers
            .into_iter()
            .chain(permission.mcp_servers)
            .collect();
        let all = names.remove(ALL_SERVERS) || self.all_servers;
        let groups = self
            .access_groups
            .into_iter()
            .chain(permission.mcp_access_groups)
            .collect();
        let role = match self.role.as_deref() {
            None | Some("user") => Role::User,
            Some("viewer") => Role::Viewer,
            Some("admin") => Role::Admin,
            Some(other) => {
                return Err(format!(
                    "role `{other}` does not exist: use user, viewer or admin"
                ));
            }
        };
        Ok(NewKey {
            alias: self.key_alias,
            user_id: self.user_id,
            team: self.team_id,
            org: self.organization_id,
            role,
            grants: ServerGrants {
                all,
                servers: names.into_iter().map(Into::into).collect(),
                access_groups: groups,
            },
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
pub(super) fn record(record: &ApiKeyRecord) -> Value {
    json!({
        "token": record.id.as_str(),
        "key_id": record.id.as_str(),
        "key_alias": record.alias,
        "user_id": record.user_id,
        "team_id": record.team,
        "organization_id": record.org,
        "role": match record.role { Role::Admin => "admin", Role::Viewer => "viewer", Role::User => "user" },
        "object_permission": {
            "mcp_servers": record.grants.servers.iter().map(portcullis_core::ServerId::as_str).collect::<Vec<_>>(),
            "mcp_access_groups": record.grants.access_groups,
        },
        "all_servers": record.grants.all,
        "scopes": record.scopes.iter().collect::<Vec<_>>(),
        "created_at": record.created_at.to_string(),
        "created_by": record.created_by,
        "expires": record.expires_at.map(|end| end.to_string()),
        "revoked_at": record.revoked_at.map(|end| end.to_string()),
        "metadata": serde_json::from_str::<Value>(&record.metadata).unwrap_or_default(),
    })
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
        for member in [
            "max_budget",
            "models",
            "rpm_limit",
            "allowed_routes",
            "blocked",
        ] {
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

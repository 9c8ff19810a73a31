//! `identity`: the operator's key and the file's API keys.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_core::{ApiKey, KeyId, Role, ServerGrants, Timestamp};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::compat::jwt_auth;
use crate::fields::{At, Fields};
use crate::findings::Place;
use crate::model::{Compat, FileKey, Identity, KeyMaterial, Sourced};
use crate::references::Origin;
use crate::sections::client_certificates::{self, ClientCas};
use crate::sections::grants::{self, Surroundings};
use crate::sections::{authorization_server, issuers, login};
use crate::validate::exposure::{complain_of_no_key, require_strength};

/// LiteLLM's permissive default, which it lets the operator take back.
pub(crate) fn ungranted_sees_all(general: &Fields<'_, '_>, compat: Compat) -> bool {
    const NAME: &str = "require_key_mcp_access_defined";
    let required = general.flag(NAME);
    match compat {
        Compat::LiteLlm => required != Some(true),
        Compat::None => {
            if required == Some(false) {
                general.findings.warning(
                    general.place(NAME),
                    "without effect: a key without grants sees no server; write `all_servers: true` for a key that may see all",
                );
            }
            false
        }
    }
}

pub(crate) fn read(
    fields: &Fields<'_, '_>,
    general: &Fields<'_, '_>,
    around: &Surroundings<'_>,
    client_cas: &ClientCas<'_>,
) -> Identity {
    let master = master_key(fields, general);
    if let Some(At { value, place }) = &master {
        require_strength(
            fields.findings,
            around.exposed.is_some(),
            place.clone(),
            "the master key",
            value.value.expose(),
        );
    }
    let mut known = Known::default();
    if let Some(At { value, .. }) = &master {
        known
            .hashes
            .insert(value.value.fingerprint(), "the master key".to_owned());
    }
    let entries = fields.sections("keys");
    let mut issuers = issuers::read(fields, around);
    issuers.extend(jwt_auth::read(general, fields.has("issuers")));
    let client_certificates = client_certificates::read(fields, around, client_cas);
    // A key that is written and cannot be used has an error of its own.
    let written = [fields, general].iter().any(|map| map.has("master_key"));
    // LiteLLM's switch has errors of its own where nobody is let in by it.
    let by_token = fields.has("issuers") || general.flag("enable_jwt_auth") == Some(true);
    let others = by_token || fields.has("client_certificates");
    if master.is_none() && !written && entries.is_empty() && !others {
        complain_of_no_key(fields.findings, around.exposed);
    }
    let keys = entries
        .iter()
        .filter_map(|entry| file_key(entry, around, &mut known))
        .collect();
    Identity {
        master_key: master.map(|master| master.value),
        keys,
        scopes_supported: fields.scopes("scopes_supported"),
        issuers,
        client_certificates,
        authorization_server: authorization_server::read(fields),
        login: login::read(fields, around),
    }
}

/// The file's, else `PORTCULLIS_MASTER_KEY`, else `LITELLM_MASTER_KEY`.
fn master_key(fields: &Fields<'_, '_>, general: &Fields<'_, '_>) -> Option<At<Sourced<ApiKey>>> {
    if fields.has("master_key") && general.has("master_key") {
        fields.findings.error(
            fields.place("master_key"),
            "the master key is written twice",
            "keep either `identity.master_key` or `general_settings.master_key`",
        );
    }
    for section in [fields, general] {
        if section.has("master_key") {
            let At { value, place } = section.secret("master_key")?;
            let value = value.map(|secret| ApiKey::new(secret.expose()));
            return Some(At { value, place });
        }
    }
    for name in ["PORTCULLIS_MASTER_KEY", "LITELLM_MASTER_KEY"] {
        if let Some(text) = fields
            .findings
            .variable(name)
            .filter(|text| !text.trim().is_empty())
        {
            return Some(At {
                value: Sourced {
                    value: ApiKey::new(text),
                    origin: Origin::Variable(name.to_owned()),
                },
                place: Place {
                    path: name.to_owned(),
                    ..Place::default()
                },
            });
        }
    }
    None
}

/// What earlier keys have taken.
#[derive(Default)]
struct Known {
    ids: BTreeSet<String>,
    hashes: BTreeMap<[u8; 32], String>,
}

fn file_key(
    fields: &Fields<'_, '_>,
    around: &Surroundings<'_>,
    known: &mut Known,
) -> Option<FileKey> {
    let id = fields.require("id", fields.text("id"));
    let key = key_material(fields, around, id.as_ref().map(|id| id.value.as_str()));
    let grants = grants(fields, around);
    let scopes = fields.scopes("scopes");
    let role = fields.choice("role").and_then(Role::named);
    let role = role.unwrap_or(Role::User);
    let expires_at = fields
        .text("expires_at")
        .and_then(|text| moment(fields, &text));
    let text = |name: &str| fields.text(name).map(|text| text.value);
    let (user_id, email, team, org) = (text("user_id"), text("email"), text("team"), text("org"));
    let id = id?;
    if !is_public_name(&id.value) {
        fields.findings.error(
            id.place,
            "not a usable id",
            "1 to 64 letters, digits, `_`, `.`, `@` or `-`",
        );
        return None;
    }
    if !known.ids.insert(id.value.clone()) {
        fields.findings.error(
            id.place,
            format!("`{}` is the id of two keys", id.value),
            "give each key its own id",
        );
        return None;
    }
    let key = key?;
    if let Some(other) = known.hashes.insert(key.sha256(), format!("`{}`", id.value)) {
        fields.findings.error(
            fields.own_place(),
            format!("the key of `{}` is also {other}", id.value),
            "give each caller its own key, so that one can be revoked without the other",
        );
        return None;
    }
    Some(FileKey {
        id: KeyId::from(id.value),
        key,
        grants,
        scopes,
        role,
        user_id,
        email,
        team,
        org,
        expires_at,
    })
}

fn is_public_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-@".contains(&byte))
}

fn key_material(
    fields: &Fields<'_, '_>,
    around: &Surroundings<'_>,
    id: Option<&str>,
) -> Option<KeyMaterial> {
    if fields.has("key") && fields.has("sha256") {
        fields.findings.error(
            fields.place("sha256"),
            "`key` and `sha256` say the same thing twice",
            "keep one of them",
        );
        return None;
    }
    if fields.has("sha256") {
        let At { value, place } = fields.text("sha256")?;
        let hash = from_hex(&value);
        if hash.is_none() {
            fields.findings.error(
                place,
                "not a SHA-256",
                "64 hexadecimal digits: `printf %s \"$KEY\" | sha256sum`",
            );
        }
        return hash.map(KeyMaterial::Sha256);
    }
    if !fields.has("key") {
        fields.findings.error(
            fields.own_place(),
            "`key` is missing",
            "add `key: os.environ/…`, or `sha256: …`",
        );
        return None;
    }
    let At { value, place } = fields.secret("key")?;
    if value
        .value
        .expose()
        .contains(|char: char| !char.is_ascii_graphic())
    {
        fields.findings.error(
            place,
            "a key has only visible ASCII characters",
            "callers send it in a header",
        );
        return None;
    }
    let whose = id.map_or("the key".to_owned(), |id| format!("the key `{id}`"));
    require_strength(
        fields.findings,
        around.exposed.is_some(),
        place,
        &whose,
        value.value.expose(),
    );
    Some(KeyMaterial::Plain(
        value.map(|secret| ApiKey::new(secret.expose())),
    ))
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut hash = [0_u8; 32];
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(hash)
}

/// A key that says nothing of servers sees none, unless the compatibility preset says otherwise.
fn grants(fields: &Fields<'_, '_>, around: &Surroundings<'_>) -> ServerGrants {
    let toolsets = fields.text_set("toolsets");
    match (grants::written(fields, around), toolsets) {
        (None, None) => {}
        (written, toolsets) => {
            return ServerGrants {
                toolsets: toolsets.unwrap_or_default(),
                ..written.unwrap_or_default()
            };
        }
    }
    if around.ungranted_sees_all {
        fields.findings.relaxed(
            fields.own_place(),
            "a key without grants sees every server, by `compat: litellm`",
        );
    } else {
        fields.findings.info(
            fields.own_place(),
            "a key without grants sees what its team lists, and servers with `allow_all_keys`",
        );
    }
    ServerGrants {
        all: around.ungranted_sees_all,
        ..ServerGrants::default()
    }
}

fn moment(fields: &Fields<'_, '_>, text: &At<String>) -> Option<Timestamp> {
    let parsed = OffsetDateTime::parse(&text.value, &Rfc3339).ok();
    if parsed.is_none() {
        fields.findings.error(
            text.place.clone(),
            "not an RFC 3339 time",
            "write for example `2027-01-31T00:00:00Z`",
        );
    }
    parsed.map(|moment| Timestamp::from_secs(moment.unix_timestamp()))
}

//! `identity.authorization_server`: the authorization server for MCP clients.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use portcullis_core::ClientSecret;

use crate::fields::{At, Fields};
use crate::model::{AuthorizationServer, KnownClient};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

pub(crate) fn read(fields: &Fields<'_, '_>) -> AuthorizationServer {
    let usual = AuthorizationServer::default();
    let Some(fields) = fields.section("authorization_server") else {
        return usual;
    };
    let flag = |name: &str, usual: bool| fields.flag(name).unwrap_or(usual);
    let loopback_documents = flag("allow_loopback_client_documents", false);
    if loopback_documents {
        fields.findings.relaxed(
            fields.place("allow_loopback_client_documents"),
            "whoever may call chooses what is fetched from this machine",
        );
    }
    let access_token_ttl = within(
        &fields,
        "access_token_ttl",
        usual.access_token_ttl,
        Duration::from_mins(1)..=HOUR,
        "not between 1m and 1h",
    );
    let refresh_token_ttl = within(
        &fields,
        "refresh_token_ttl",
        usual.refresh_token_ttl,
        HOUR..=DAY * 90,
        "not between 1h and 90d",
    );
    let grant_ttl = within(
        &fields,
        "grant_ttl",
        usual.grant_ttl,
        HOUR..=DAY * 365,
        "not between 1h and 365d",
    );
    AuthorizationServer {
        enabled: flag("enabled", true),
        access_token_ttl,
        refresh_token_ttl,
        grant_ttl,
        dynamic_registration: flag("dynamic_registration", true),
        client_documents: flag("client_id_metadata_documents", true),
        loopback_documents,
        native_redirects: native_redirects(&fields).unwrap_or(usual.native_redirects),
        clients: clients(&fields),
    }
}

fn within(
    fields: &Fields<'_, '_>,
    name: &str,
    usual: Duration,
    bounds: RangeInclusive<Duration>,
    message: &'static str,
) -> Duration {
    if !fields.has(name) {
        return usual;
    }
    let Some(span) = fields.span(name) else {
        return usual;
    };
    if !bounds.contains(&span) {
        let help = "write for example `1h` or `14d`: what a client holds should end by itself";
        fields.findings.error(fields.place(name), message, help);
        return usual;
    }
    span
}

fn native_redirects(fields: &Fields<'_, '_>) -> Option<Vec<String>> {
    let texts = fields.texts("native_redirects")?;
    for At { value, place } in &texts {
        let (scheme, host) = value.split_once("://").unwrap_or((value, "x"));
        let plain = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-._".contains(&byte)
                })
        };
        let of_browsers = [
            "http",
            "https",
            "ws",
            "wss",
            "ftp",
            "file",
            "data",
            "javascript",
            "vbscript",
            "blob",
            "about",
            "filesystem",
            "intent",
            "mailto",
            "urn",
        ];
        if !plain(scheme) || !plain(host) || of_browsers.contains(&scheme) {
            fields.findings.error(
                place.clone(),
                "not the callback of a native client",
                "write a scheme of its own in lower case, with or without a host: `cursor` or `cursor://anysphere.cursor-mcp`",
            );
        }
    }
    Some(texts.into_iter().map(|text| text.value).collect())
}

fn clients(fields: &Fields<'_, '_>) -> Vec<KnownClient> {
    let mut ids = BTreeSet::new();
    let entries = fields.sections("clients");
    entries
        .iter()
        .filter_map(|entry| client(entry, &mut ids))
        .collect()
}

fn client(fields: &Fields<'_, '_>, ids: &mut BTreeSet<String>) -> Option<KnownClient> {
    let id = fields.require("client_id", fields.text("client_id"));
    let redirect_uris = fields.require("redirect_uris", fields.texts("redirect_uris"));
    let secret = fields.has("client_secret");
    let secret = secret.then(|| fields.secret("client_secret"));
    let scopes = fields.has("scopes").then(|| fields.scopes("scopes"));
    let name = fields.text("name").map(|text| text.value);
    let At { value: id, place } = id?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !(1..=128).contains(&id.len()) || !id.bytes().all(plain) {
        fields.findings.error(
            place,
            "not a usable client_id",
            "1 to 128 letters, digits, `_`, `.` or `-`",
        );
        return None;
    }
    if !ids.insert(id.clone()) {
        fields.findings.error(
            place,
            format!("`{id}` is the client_id of two clients"),
            "give each client its own id",
        );
        return None;
    }
    let redirect_uris = redirect_uris?;
    if redirect_uris.is_empty() {
        fields.findings.error(
            fields.place("redirect_uris"),
            "a client that can be sent nowhere gets nothing",
            "write at least one: `https://app.example/callback`",
        );
        return None;
    }
    let secret = match secret {
        None => None,
        // What is written and cannot be used is not taken for absent.
        Some(read) => Some(read?.value.map(|secret| ClientSecret::new(secret.expose()))),
    };
    Some(KnownClient {
        name: name.unwrap_or_else(|| id.clone()),
        id,
        secret,
        redirect_uris: redirect_uris.into_iter().map(|text| text.value).collect(),
        scopes,
    })
}

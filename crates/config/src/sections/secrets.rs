//! `secrets`: the stores, which are never asked for what is needed to ask them.

use std::time::Duration;

use portcullis_core::SecretValue;
use url::Url;

use crate::fields::{At, Fields};
use crate::model::{AwsStore, Secrets, Sourced, VaultAuth, VaultStore};
use crate::references::Origin;
use crate::sections::aws_identity;
use crate::validate::urls::{PlainHttp, callable};

pub(crate) fn read(fields: &Fields<'_, '_>) -> Secrets {
    let span = |name: &str, default: Duration| {
        let span = fields.span(name).unwrap_or(default);
        if span < Duration::from_secs(1) {
            fields.findings.error(
                fields.place(name),
                "less than a second would ask without pause",
                (),
            );
        }
        span
    };
    Secrets {
        refresh: span("refresh", Duration::from_mins(5)),
        max_stale: span("max_stale", Duration::from_hours(1)),
        vault: vault(fields),
        aws: fields.section("aws").and_then(|fields| aws(&fields)),
    }
}

fn plain_http(fields: &Fields<'_, '_>) -> PlainHttp {
    match fields.flag("allow_insecure_http") {
        Some(true) => PlainHttp::Accepted("`allow_insecure_http: true`"),
        _ => PlainHttp::Refused,
    }
}

fn aws(fields: &Fields<'_, '_>) -> Option<AwsStore> {
    let plain = plain_http(fields);
    let identity = aws_identity::read(fields, None, plain, &fields.own_place());
    let written = match fields.url("aws_endpoint") {
        Some(url) => Some(callable(fields.findings, url, plain)?),
        None if fields.has("aws_endpoint") => return None,
        None => None,
    };
    let identity = identity?;
    let region = &identity.region;
    let own = || {
        let domain = aws_identity::domain(region);
        Url::parse(&format!("https://secretsmanager.{region}.{domain}/")).ok()
    };
    let endpoint = written.or_else(own)?;
    Some(AwsStore { identity, endpoint })
}

/// The section, or the variables that Vault's own client reads.
fn vault(root: &Fields<'_, '_>) -> Option<VaultStore> {
    let fields = root.section("vault")?;
    let plain = plain_http(&fields);
    let variable = |name: &str| {
        fields
            .findings
            .variable(name)
            .filter(|value| !value.trim().is_empty())
    };
    let address = match fields.url("address") {
        Some(url) => Some(url),
        None if fields.has("address") => None,
        None => match variable("VAULT_ADDR").map(|text| Url::parse(&text)) {
            Some(Ok(value)) if matches!(value.scheme(), "http" | "https") => Some(At {
                value,
                place: fields.own_place(),
            }),
            Some(_) => {
                fields.findings.error(
                    fields.own_place(),
                    "VAULT_ADDR is not an http or https URL",
                    (),
                );
                None
            }
            None => fields.require("address", None),
        },
    };
    let address = address.and_then(|url| callable(fields.findings, url, plain));
    let secret = |key: &str, name: &str| -> Option<Sourced<SecretValue>> {
        if fields.has(key) {
            return fields.secret(key).map(|secret| secret.value);
        }
        let found = variable(name).map(|text| Sourced {
            value: SecretValue::new(text),
            origin: Origin::Variable(name.to_owned()),
        });
        if found.is_none() {
            return fields.require(key, None);
        }
        found
    };
    let text = |key: &str, name: &str| {
        if fields.has(key) {
            return fields.text(key).map(|text| text.value);
        }
        variable(name)
    };
    let role_id = text("role_id", "VAULT_ROLE_ID");
    let kind = match fields.choice("auth") {
        Some(kind) => kind,
        None if fields.has("auth") => return None,
        None if fields.has("token") => "token",
        None if fields.has("role") => "kubernetes",
        None if role_id.is_some() => "approle",
        None => "token",
    };
    let namespace = text("namespace", "VAULT_NAMESPACE");
    let token_file = fields.file_path("token_file");
    let auth_mount = path(&fields, "auth_mount", kind);
    let mount = path(&fields, "mount", "secret");
    let auth = match kind {
        "approle" => {
            let secret_id = secret("secret_id", "VAULT_SECRET_ID");
            let role_id = fields.require("role_id", role_id);
            VaultAuth::AppRole {
                mount: auth_mount?,
                role_id: role_id?,
                secret_id: secret_id?,
            }
        }
        "kubernetes" => VaultAuth::Kubernetes {
            role: fields.require("role", fields.text("role"))?.value,
            mount: auth_mount?,
            token_file: token_file
                .unwrap_or_else(|| "/var/run/secrets/kubernetes.io/serviceaccount/token".into()),
        },
        _ => VaultAuth::Token(secret("token", "VAULT_TOKEN")?),
    };
    Some(VaultStore {
        address: address?,
        namespace,
        mount: mount?,
        auth,
        allow_insecure_http: plain != PlainHttp::Refused,
    })
}

/// A mount becomes part of a path.
fn path(fields: &Fields<'_, '_>, key: &str, default: &str) -> Option<String> {
    let Some(At { value, place }) = fields.text(key) else {
        return (!fields.has(key)).then(|| default.to_owned());
    };
    let value = value.trim_matches('/').to_owned();
    let sound = value.split('/').all(|part| {
        !matches!(part, "" | "." | "..")
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    });
    if !sound {
        fields.findings.error(place, "not a path of a mount", ());
        return None;
    }
    Some(value)
}

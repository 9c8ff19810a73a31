//! The client that the official suite drives: the gateway's upstream side. A scenario gives the
//! address of its MCP server and what an operator would know; that becomes a configuration, and one
//! call goes through.

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::dialogue::converse;
use crate::gateway::{Gateway, KEY};
use crate::post::get_json;
use crate::{Judges, Person, workspace};

/// What a scenario says beside its server's address.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The scenario's name.
    pub name: String,
    /// The revision that it speaks.
    pub revision: String,
    /// What an operator would know, as JSON; none where there is nothing to know.
    pub context: Option<String>,
}

/// Serves the scenario's server through a gateway and has the official client use it, with somebody at
/// a browser who connects what the gateway asks to be connected.
pub async fn visit(judges: &Judges, server: &str, scenario: &Scenario) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let known: Value = match &scenario.context {
        Some(context) => serde_json::from_str(context).context("the context")?,
        None => json!({}),
    };
    let mut entry = match scenario.name.as_str() {
        "auth/client-credentials-jwt" => signing_client(&known, folder.path())?,
        "auth/client-credentials-basic" => client_with_password(&known)?,
        "auth/enterprise-managed-authorization" => managed(&known, server).await?,
        "auth/dpop" | "auth/dpop-nonce" | "auth/wif-jwt-bearer" => {
            bail!("{} is an extension that we do not speak", scenario.name)
        }
        interactive if interactive.starts_with("auth/") => interactive_client(&known),
        _ => json!({}),
    };
    let common = json!({"url": server, "protocol_version": spoken(&scenario.revision),
        "allow_all_keys": true, "allow_sampling": true, "allow_elicitation": true});
    if let (Some(entry), Some(common)) = (entry.as_object_mut(), common.as_object()) {
        entry.extend(common.clone());
    }
    // The suite knows this document, and asks nobody for it.
    let gateway = Gateway::public(json!({
        "server": {"client_metadata_url": "https://conformance-test.local/client-metadata.json"},
        "mcp_servers": {"judge": entry},
    }))
    .await?;
    let mut told = known.clone();
    if let (Some(token), Some(told)) = (known.get("idp_id_token"), told.as_object_mut()) {
        let token = token.as_str().context("a token that is no text")?;
        let bearer = json!({"authorization": format!("Bearer {token}")});
        told.insert("headers".to_owned(), bearer);
    }
    let script = workspace().join("tests/e2e/clients/typescript/visit.mjs");
    let arguments = [
        script.to_str().context("a folder that is not UTF-8")?,
        &gateway.endpoint("/mcp/judge"),
        KEY,
        &scenario.revision,
        &scenario.name,
        &told.to_string(),
    ]
    .map(str::to_owned);
    let mut person = Person::with_key(KEY);
    let said = converse(judges, judges.node(), &arguments, &mut person)
        .await
        .with_context(|| format!("the gateway said:\n{}", gateway.process().said()))?;
    print(&said);
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "the suite keeps what its clients print"
)]
fn print(said: &str) {
    println!("{said}");
}

/// What the upstream speaks. The suite speaks the first stateless revision, or the last of sessions.
fn spoken(revision: &str) -> &str {
    match revision {
        "2025-03-26" => "2025-11-25",
        other => other,
    }
}

/// An operator knows the client only where the authorization server registers none by itself.
fn interactive_client(known: &Value) -> Value {
    let mut entry = json!({"auth_type": "oauth2"});
    if let Some(entry) = entry.as_object_mut() {
        for name in ["client_id", "client_secret"] {
            if let Some(value) = known.get(name) {
                entry.insert(name.to_owned(), value.clone());
            }
        }
    }
    entry
}

fn text<'v>(known: &'v Value, name: &str) -> anyhow::Result<&'v str> {
    known
        .get(name)
        .and_then(Value::as_str)
        .with_context(|| format!("the context has no {name}"))
}

fn signing_client(known: &Value, folder: &Path) -> anyhow::Result<Value> {
    let key = folder.join("client.pem");
    std::fs::write(&key, text(known, "private_key_pem")?)?;
    Ok(json!({
        "auth_type": "oauth2",
        "oauth2_flow": "client_credentials",
        "client_id": text(known, "client_id")?,
        "token_endpoint_auth_method": "private_key_jwt",
        "client_private_key": format!("file:{}", key.display()),
        "client_assertion_signing_alg": text(known, "signing_algorithm")?,
        "resource": "auto",
    }))
}

fn client_with_password(known: &Value) -> anyhow::Result<Value> {
    Ok(json!({
        "auth_type": "oauth2",
        "oauth2_flow": "client_credentials",
        "client_id": text(known, "client_id")?,
        "client_secret": text(known, "client_secret")?,
        "token_endpoint_auth_method": "client_secret_basic",
        "resource": "auto",
    }))
}

/// The organisation's authorization server is found by its issuer. Its mock asks for no proof of
/// the client; ours always gives one.
async fn managed(known: &Value, server: &str) -> anyhow::Result<Value> {
    Ok(json!({
        "auth_type": "oauth2_id_jag",
        "issuer": text(known, "idp_issuer")?,
        "client_id": text(known, "idp_client_id")?,
        "client_secret": "nobody-asks-for-it",
        "audience": issuer_of(server).await?,
        "id_jag_resource_client_id": text(known, "client_id")?,
        "id_jag_resource_client_secret": text(known, "client_secret")?,
        "id_jag_resource_auth_method": "client_secret_basic",
    }))
}

/// An operator reads in the server's metadata (RFC 9728) whose tokens it takes, and writes it down.
async fn issuer_of(server: &str) -> anyhow::Result<String> {
    let (origin, path) = server
        .strip_prefix("http://localhost:")
        .and_then(|rest| rest.split_once('/'))
        .context("the scenario's server is not on this machine")?;
    let document = format!("/.well-known/oauth-protected-resource/{path}");
    let metadata = get_json(origin.parse()?, &document).await?;
    let issuer = metadata.pointer("/authorization_servers/0");
    let issuer = issuer.and_then(Value::as_str).context("no issuer")?;
    Ok(issuer.to_owned())
}

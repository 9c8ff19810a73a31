//! The client that the official suite drives: the gateway's upstream side. A scenario gives the
//! address of its MCP server and what an operator would know; that becomes a configuration, and one
//! call goes through.

use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateway::{Gateway, KEY};
use crate::post::{Answer, call_tool, get_json};

/// What a scenario says beside its server's address.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The scenario's name.
    pub name: String,
    /// The revision that it speaks.
    pub revision: String,
    /// What an operator would know, as JSON.
    pub context: String,
}

/// Serves the scenario's server through a gateway and calls its tool.
pub async fn visit(server: &str, scenario: &Scenario) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let known: Value = serde_json::from_str(&scenario.context).context("the context")?;
    let mut entry = match scenario.name.as_str() {
        "auth/client-credentials-jwt" => signing_client(&known, folder.path())?,
        "auth/client-credentials-basic" => client_with_password(&known)?,
        "auth/enterprise-managed-authorization" => managed(&known, server).await?,
        other => bail!("no configuration is known for {other}"),
    };
    let common = json!({"url": server, "protocol_version": scenario.revision,
        "allow_all_keys": true});
    if let (Some(entry), Some(common)) = (entry.as_object_mut(), common.as_object()) {
        entry.extend(common.clone());
    }
    let gateway = Gateway::start(json!({"mcp_servers": {"judge": entry}})).await?;
    let bearer = format!("Bearer {}", text(&known, "idp_id_token").unwrap_or(KEY));
    let headers = [("x-litellm-api-key", KEY), ("authorization", &bearer)];
    let path = "/mcp/judge";
    let revision = &scenario.revision;
    let answer = call_tool(gateway.port(), path, revision, "test-tool", &headers).await?;
    if is_result(&answer) {
        return Ok(());
    }
    bail!(
        "{answer:?}\nthe gateway said:\n{}",
        gateway.process().said()
    )
}

fn is_result(answer: &Answer) -> bool {
    #[derive(Deserialize)]
    struct Reply {
        result: Value,
    }
    // Plain, or the only event of a stream.
    let message = answer
        .text
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap_or(&answer.text);
    answer.status == 200
        && serde_json::from_str(message).is_ok_and(|reply: Reply| {
            reply.result.pointer("/content/0/text") == Some(&json!("test"))
        })
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

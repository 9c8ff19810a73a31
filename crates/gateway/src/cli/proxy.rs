//! `portcullis proxy`: tokens in front, the keys of one existing MCP server behind.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use portcullis_config::KEY_MAP_VARIABLE;
use portcullis_core::SecretValue;

use super::exit::{CommandError, Exit};
use crate::lifecycle::Lifecycle;
use crate::wire::{self, ProxyOptions};

const AFTER_HELP: &str = r#"MCP_PROXY_KEY_MAP says which of the server's keys is used for whom, as JSON or as file:PATH:

  {
    "alice":            {"key": "…", "scopes": ["read:data", "write:data"]},
    "client_id:batch":  {"key": "…", "scopes": ["read:data"]},
    "scope:read:data":  {"key": "…", "scopes": ["read:data"]}
  }

A name is a `sub`, or a client (`client_id`, `azp`), or a scope; the first that fits decides, in this
order. `scopes` is the most that may be done with the key, `requires` what a token must carry before it
is used: all of `scopes` where it is left out. Less than that needs --tool-scope, without which nothing
else would bind the token. Who is not in the map is refused."#;

/// Options of `proxy`.
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ProxyArgs {
    /// The MCP endpoint of the server behind
    #[arg(long, value_name = "URL")]
    pub upstream: String,
    /// The authorization server whose tokens are accepted, exactly as their `iss` says it
    #[arg(long, value_name = "URL")]
    pub issuer: String,
    /// What `aud` must name; may be given several times
    #[arg(long, value_name = "TEXT", required = true)]
    pub audience: Vec<String>,
    /// Where the issuer's keys are [default: found by its metadata]
    #[arg(long, value_name = "URL")]
    pub jwks_uri: Option<String>,
    /// Accepted signature algorithm; may be given several times [default: as for `identity.issuers`]
    #[arg(long, value_name = "ALG")]
    pub algorithm: Vec<String>,
    /// Accepted `typ`, or `absent`; may be given several times [default: as for `identity.issuers`]
    #[arg(long, value_name = "TYPE")]
    pub token_type: Vec<String>,
    /// The header that carries the server's key [default: Authorization: Bearer KEY]
    #[arg(long, value_name = "NAME")]
    pub key_header: Option<String>,
    /// Scopes that a tool needs, `*` for every other tool; may be given several times
    #[arg(long, value_name = "TOOL=SCOPES")]
    pub tool_scope: Vec<String>,
    /// The host to listen on [default: 127.0.0.1]
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// The port to listen on [default: 4000]
    #[arg(long, short, value_name = "PORT")]
    pub port: Option<u16>,
    /// The origin under which clients reach it
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Serve TLS with this certificate chain, leaf first
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Further certification authorities to trust at the server and the issuer
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Accept plain http beyond loopback at the server and the issuer: keys cross the network in the clear
    #[arg(long)]
    pub allow_insecure_http: bool,
    /// The database of the audit trail
    #[arg(long, value_name = "FILE", default_value = "portcullis-proxy.db")]
    pub store: PathBuf,
    /// Also append each audit event to this file as a line of JSON
    #[arg(long, value_name = "FILE")]
    pub audit_file: Option<PathBuf>,
    /// Refuse what cannot be put on record before it is answered
    #[arg(long)]
    pub audit_required: bool,
}

pub(super) async fn run(args: ProxyArgs) -> Result<Exit, CommandError> {
    let options = ProxyOptions {
        upstream: args.upstream,
        issuer: args.issuer,
        audiences: args.audience,
        jwks_uri: args.jwks_uri,
        algorithms: args.algorithm,
        token_types: args.token_type,
        key_map: key_map(),
        key_header: args.key_header,
        tool_scopes: args.tool_scope,
        host: args.host,
        port: args.port,
        public_url: args.public_url,
        tls_cert: args.tls_cert,
        tls_key: args.tls_key,
        ca_file: args.ca_file,
        allow_insecure_http: args.allow_insecure_http,
        store: args.store,
        audit_file: args.audit_file,
        audit_required: args.audit_required,
    };
    let (lifecycle, reloads) = Lifecycle::start().context("cannot handle signals")?;
    let exit = wire::proxy(options, &lifecycle, reloads).await?;
    lifecycle.finish().await;
    Ok(exit)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the binary reads the environment"
)]
fn key_map() -> Option<SecretValue> {
    std::env::var(KEY_MAP_VARIABLE)
        .ok()
        .filter(|value| !value.trim().is_empty())
        .map(SecretValue::new)
}

//! `portcullis mock`: an OAuth2-protected MCP server to try things against.

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use portcullis_core::ClientSecret;
use portcullis_server::listen::Drained;
use serde_json::json;
use tokio::net::TcpListener;
use url::Url;

use super::exit::{CommandError, Exit};
use super::output::Output;
use crate::lifecycle::Lifecycle;
use crate::mock::{self, CLIENT_ID, CLIENT_SECRET, PORT, Settings};

/// Options of `mock`.
#[derive(Clone, Debug, Args)]
pub struct MockArgs {
    /// The port to listen on
    #[arg(long, short, value_name = "PORT", default_value_t = PORT)]
    pub port: u16,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// The base URL under which clients reach it, if it is not the bound address
    #[arg(long, value_name = "URL")]
    pub public_url: Option<Url>,
    /// The client that may ask for tokens
    #[arg(long, value_name = "ID", default_value = CLIENT_ID)]
    pub client_id: String,
    /// Its secret
    #[arg(long, value_name = "SECRET", env = "PORTCULLIS_MOCK_SECRET", hide_env_values = true, value_parser = |text: &str| Ok::<_, Infallible>(ClientSecret::new(text)))]
    pub client_secret: Option<ClientSecret>,
    /// Lifetime of the access tokens in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub token_lifetime: u64,
}

pub(super) async fn run(args: MockArgs, out: &mut Output) -> Result<Exit, CommandError> {
    let (lifecycle, _reloads) = Lifecycle::start().context("cannot handle signals")?;
    let listener = TcpListener::bind((args.host, args.port))
        .await
        .with_context(|| format!("cannot listen on {}:{}", args.host, args.port))?;
    let address = listener.local_addr().context("cannot use the socket")?;
    let base = match &args.public_url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("http://{address}"),
    };
    if args.client_secret.is_none() && !address.ip().is_loopback() {
        tracing::warn!("the mock is reachable from elsewhere with a secret that everybody knows");
    }
    out.json(&json!({ "url": format!("{base}/mcp"), "token_url": format!("{base}/oauth/token") }))?;
    out.line(&format!("MCP server:      {base}/mcp"))?;
    out.line(&format!("token endpoint:  {base}/oauth/token"))?;
    out.line(&format!("client:          {}", args.client_id))?;
    if args.client_secret.is_none() {
        out.line(&format!("secret:          {CLIENT_SECRET}"))?;
    }
    out.line(&format!("what it saw:     {base}/mock/stats"))?;
    let settings = Settings {
        client_id: args.client_id,
        client_secret: args
            .client_secret
            .unwrap_or_else(|| ClientSecret::new(CLIENT_SECRET)),
        token_lifetime: Duration::from_secs(args.token_lifetime),
        public_url: args.public_url.map(|_| base),
        ..Settings::default()
    };
    match mock::serve(listener, settings, lifecycle.stop.clone()).await? {
        Drained::Finished => Ok(Exit::Done),
        Drained::Aborted(_) => Ok(Exit::Failed),
    }
}

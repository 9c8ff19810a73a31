//! Which running gateway is meant, and who asks.

use std::convert::Infallible;

use clap::Args;
use portcullis_core::ApiKey;
use url::Url;

use super::client::GatewayClient;
use super::exit::CommandError;
use crate::wire;

/// Where a gateway listens unless told otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:4000";

/// Options of every verb that talks to a running gateway.
#[derive(Clone, Debug, Args)]
pub struct TargetArgs {
    /// The gateway's base URL [default: http://127.0.0.1:4000]
    #[arg(long, value_name = "URL", env = "PORTCULLIS_URL")]
    pub url: Option<Url>,
    /// The API key; better given by the environment, where no process list shows it
    #[arg(
        long,
        value_name = "KEY",
        env = "PORTCULLIS_API_KEY",
        hide_env_values = true,
        value_parser = |text: &str| Ok::<_, Infallible>(ApiKey::new(text))
    )]
    pub key: Option<ApiKey>,
    /// Send the key over plain http to another machine
    #[arg(long)]
    pub allow_insecure_http: bool,
}

impl TargetArgs {
    /// The gateway's base URL.
    pub(super) fn base(&self) -> Result<Url, CommandError> {
        match &self.url {
            Some(url) => Ok(url.clone()),
            None => Ok(Url::parse(DEFAULT_URL).map_err(anyhow::Error::new)?),
        }
    }

    /// A client for it.
    pub fn connect(&self) -> Result<GatewayClient, CommandError> {
        GatewayClient::new(
            wire::http_client()?,
            self.base()?,
            self.key.clone(),
            self.allow_insecure_http,
        )
    }
}

impl TargetArgs {
    /// What was given here, else what was given further up.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            url: self.url.or(other.url),
            key: self.key.or(other.key),
            allow_insecure_http: self.allow_insecure_http || other.allow_insecure_http,
        }
    }
}

//! An OAuth2-protected MCP server to try things against: `portcullis mock`.
//!
//! It is its own authorization server and protected resource: client credentials in, RS256 access
//! tokens out (RFC 6749, RFC 9068), metadata (RFC 8414, RFC 9728), and an MCP endpoint that speaks
//! every Streamable HTTP revision. It checks what it is sent as strictly as a production server
//! would, and it counts what it saw, so that a test or a demo can say what really happened.

mod bearer;
mod customers;
mod endpoint;
mod envelope;
mod keys;
mod legacy;
mod metadata;
mod modern;
mod names;
mod stats;
mod token;
mod tools;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use portcullis_core::{ClientSecret, Clock, Entropy, SystemClock, SystemEntropy};
use portcullis_server::listen::{Bound, Drained, ListenSettings, Stop};
use tokio::net::TcpListener;

use keys::Keys;
use legacy::Sessions;
use names::Names;
use stats::Counters;

pub use stats::Stats;

/// The client that may ask for tokens unless told otherwise.
pub const CLIENT_ID: &str = "test-client";
/// Its secret: public knowledge, worth nothing outside of a trial.
pub const CLIENT_SECRET: &str = "test-secret";
/// The port that the guides name.
pub const PORT: u16 = 8765;

/// The largest request body that is read.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// What a mock server is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The one registered client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: ClientSecret,
    /// Lifetime of the access tokens.
    pub token_lifetime: Duration,
    /// The base URL under which clients reach it, if it is not the bound address.
    pub public_url: Option<String>,
    /// Where it learns the time.
    pub clock: Arc<dyn Clock>,
    /// Where session and token ids come from.
    pub entropy: Arc<dyn Entropy>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client_id: CLIENT_ID.to_owned(),
            client_secret: ClientSecret::new(CLIENT_SECRET),
            token_lifetime: Duration::from_hours(1),
            public_url: None,
            clock: Arc::new(SystemClock::start()),
            entropy: Arc::new(SystemEntropy),
        }
    }
}

/// What every handler sees.
#[derive(Debug)]
struct Mock {
    settings: Settings,
    names: Names,
    keys: Keys,
    sessions: Sessions,
    counters: Counters,
}

/// Serves on `listener` until `stop`.
///
/// Fails before serving when no signing key can be made.
pub async fn serve(
    listener: TcpListener,
    settings: Settings,
    stop: Stop,
) -> anyhow::Result<Drained> {
    let address = listener.local_addr().context("cannot use the socket")?;
    let router = router(address, settings)?;
    let bound = Bound::from_listener(listener, ListenSettings::default())?;
    Ok(bound.serve(router, stop).await)
}

/// The routes alone, for a server that is reached at `address`.
pub fn router(address: SocketAddr, settings: Settings) -> anyhow::Result<Router> {
    let mock = Arc::new(Mock {
        names: Names::new(address, settings.public_url.as_deref()),
        keys: Keys::generate()?,
        sessions: Sessions::default(),
        counters: Counters::default(),
        settings,
    });
    let mcp = post(endpoint::post)
        .get(endpoint::get)
        .delete(endpoint::delete);
    Ok(Router::new()
        .route("/mcp", mcp.clone())
        .route("/mcp/", mcp)
        .route("/oauth/token", post(token::issue))
        .route("/.well-known/jwks.json", get(metadata::jwks))
        .route(
            "/.well-known/oauth-authorization-server",
            get(metadata::authorization_server),
        )
        .route(
            "/.well-known/openid-configuration",
            get(metadata::authorization_server),
        )
        .route(
            "/.well-known/oauth-protected-resource",
            get(metadata::protected_resource_root),
        )
        .route(
            "/.well-known/oauth-protected-resource/mcp",
            get(metadata::protected_resource),
        )
        .route("/mock/stats", get(stats::show))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(mock))
}

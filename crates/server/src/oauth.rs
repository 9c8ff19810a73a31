//! The machine-facing side of our authorization server: documents, registration, tokens.
//!
//! None of it is reached with a cookie, so a page of any site may call it, as clients that run in
//! browsers have to ([`cors`]). Each request to an endpoint is on record once, by the id of the client
//! and never by what it presented.

pub(crate) mod cors;
pub(crate) mod desk;
mod documents;
mod introspect;
mod register;
pub(crate) mod relay;
mod revoke;
mod token;

use axum::Router;
use axum::routing::{get, post};

use crate::state::ServerState;

pub(crate) use documents::with_our_endpoints;

/// Where the metadata is (RFC 8414 §3).
pub(crate) const METADATA: &str = "/.well-known/oauth-authorization-server";
/// The same for those who look where OpenID Connect has it.
pub(crate) const OPENID_METADATA: &str = "/.well-known/openid-configuration";
/// The keys of our access tokens. Those of the signer are elsewhere: servers trust what they sign, and
/// an access token of a client's must never be taken for that.
pub(crate) const JWKS: &str = "/oauth/jwks.json";

/// Where LiteLLM's dashboard has the relay.
const LITELLMS_RELAY: &str = "/v1/mcp/server/oauth";

/// Endpoints that clients call with forms and JSON.
const ENDPOINTS: [&str; 4] = ["/token", "/register", "/revoke", "/introspect"];

/// Whether a path is that of a governed endpoint.
pub(crate) fn is_endpoint(path: &str) -> bool {
    ENDPOINTS.contains(&path) || of_relay(path).is_some_and(|last| last != "authorize")
}

/// The last segment of a path of the relay.
pub(crate) fn of_relay(path: &str) -> Option<&str> {
    let under = path.strip_prefix(LITELLMS_RELAY).unwrap_or(path);
    let (name, last) = under.strip_prefix('/')?.split_once('/')?;
    let is_relay = !name.is_empty() && matches!(last, "authorize" | "token" | "register");
    is_relay.then_some(last)
}

pub(crate) fn routes() -> Router<ServerState> {
    let documents = Router::new()
        .route(METADATA, get(documents::metadata).options(cors::preflight))
        .route(
            &format!("{METADATA}/{{*path}}"),
            get(documents::metadata_of).options(cors::preflight),
        )
        .route(
            &format!("{OPENID_METADATA}/{{*path}}"),
            get(documents::metadata_of).options(cors::preflight),
        )
        .route(JWKS, get(documents::jwks).options(cors::preflight));
    let endpoints = Router::new()
        .route("/token", post(token::give).options(cors::preflight))
        .route(
            "/register",
            post(register::register).options(cors::preflight),
        )
        .route("/revoke", post(revoke::revoke).options(cors::preflight));
    let relayed = |router: Router<ServerState>, under: &str| {
        let tokens = post(relay::token).options(cors::preflight);
        let clients = post(relay::register).options(cors::preflight);
        router
            .route(&format!("{under}/{{name}}/token"), tokens)
            .route(&format!("{under}/{{name}}/register"), clients)
    };
    let endpoints = relayed(relayed(endpoints, ""), LITELLMS_RELAY);
    let for_pages = documents
        .merge(endpoints)
        .layer(axum::middleware::from_fn(cors::open));
    for_pages.route("/introspect", post(introspect::introspect))
}

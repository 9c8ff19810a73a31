//! Pages for people: signing in, what was allowed to whom, and what went wrong.
//!
//! They are made here, whole, without a script. Each governed one goes the same way: a [`Visit`] opens
//! the audit event, a plain function says what is to be answered or what is the [`Trouble`], and the
//! visit ends with that.

mod approval;
mod authorize;
mod connect;
mod cookies;
mod form;
mod layout;
mod login;
mod logout;
mod overview;
mod provider;
mod reference;
mod relay;
mod return_to;
mod session;
mod style;
mod trouble;
mod visit;

use axum::Router;
use axum::routing::{get, post};

use crate::state::ServerState;

pub(crate) use form::Form;
pub(crate) use layout::{Frame, frame};
pub(crate) use return_to::ReturnTo;
pub(crate) use session::{SignedIn, session};
pub(crate) use trouble::Trouble;
pub(crate) use visit::{Answer, Visit};

/// Where the provider sends people back to.
const CALLBACK: &str = "/login/callback";

/// First segments of the paths of pages.
const PAGES: [&str; 7] = [
    "login",
    "logout",
    "authorize",
    "connect",
    "callback",
    "approvals",
    "docs",
];

/// Whether a path is that of a page.
pub(crate) fn is_page(path: &str) -> bool {
    let rest = path.strip_prefix('/').unwrap_or_default();
    let first = rest.split('/').next().unwrap_or_default();
    PAGES.contains(&first)
        || path == connect::LITELLMS_CALLBACK
        || crate::oauth::of_relay(path) == Some("authorize")
}

pub(crate) fn routes() -> Router<ServerState> {
    Router::new()
        .route("/login", get(login::show).post(login::with_key))
        .route("/login/provider", get(provider::depart))
        .route(CALLBACK, get(provider::arrive))
        .route("/logout", post(logout::end))
        .route("/authorize", get(authorize::begin))
        .route(
            "/authorize/{flow}",
            get(authorize::ask).post(authorize::decide),
        )
        .route(
            "/approvals/{id}",
            get(approval::show).post(approval::decide),
        )
        .route("/connect", get(overview::show).post(overview::remove))
        .route("/connect/{name}", get(connect::show).post(connect::change))
        .route("/{name}/authorize", get(relay::begin))
        .route("/v1/mcp/server/oauth/{name}/authorize", get(relay::begin))
        .route(connect::CALLBACK, get(connect::arrive))
        .route(
            &format!("{}/{{name}}", connect::CALLBACK),
            get(connect::arrive),
        )
        .route(connect::LITELLMS_CALLBACK, get(connect::arrive))
        .route(style::path(), get(style::sheet))
}

/// Pages that are there where the admin API is.
pub(crate) fn for_administrators() -> Router<ServerState> {
    Router::new().route("/docs", get(reference::show))
}

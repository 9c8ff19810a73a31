//! Every route there is. What is not here is 404 before anybody is asked who they are.

use axum::middleware::from_fn;
use axum::routing::{any, delete, get, post};
use axum::{Extension, Router};
use portcullis_core::ServerId;

use crate::layers::Guarded;
use crate::protected_resource::WELL_KNOWN;
use crate::state::ServerState;
use crate::{
    admin, client_metadata, health, mcp, oauth, own_credential, pages, protected_resource, rest,
    signer_documents, wrong_method,
};

/// The data listener.
pub fn router(state: ServerState) -> Guarded {
    let admin = state.admin_here;
    let mut router = Router::new()
        .route("/mcp", any(mcp::aggregate))
        .route("/mcp/", any(mcp::aggregate))
        .route("/mcp/{name}", any(mcp::named))
        .route("/mcp/{name}/", any(mcp::named))
        .route("/{name}/mcp", any(mcp::named))
        .route("/{name}/mcp/", any(mcp::named))
        .merge(sse_routes())
        .route("/mcp-rest/tools/list", get(rest::list))
        .route("/mcp-rest/tools/call", post(rest::call))
        .route(client_metadata::PATH, get(client_metadata::document))
        .route(client_metadata::OF_SERVERS, get(client_metadata::of_server))
        .route(signer_documents::JWKS, get(signer_documents::jwks))
        .merge(documents_for_pages())
        .merge(health_routes())
        .merge(own_credential::routes())
        .merge(pages::routes())
        .merge(oauth::routes());
    if admin {
        router = router.merge(admin_routes(&state));
    }
    finish(router, state)
}

/// HTTP+SSE of every endpoint. `sse` and `mcp` are no names of servers.
fn sse_routes() -> Router<ServerState> {
    let mut routes = Router::new()
        .route("/mcp/sse", any(mcp::aggregate_sse))
        .route("/mcp/sse/messages", any(mcp::aggregate_messages));
    for endpoint in ["/mcp/{name}", "/{name}/mcp", "/{name}"] {
        routes = routes
            .route(&format!("{endpoint}/sse"), any(mcp::named_sse))
            .route(
                &format!("{endpoint}/sse/messages"),
                any(mcp::named_messages),
            );
    }
    routes
}

/// Documents that clients read also where they run in browsers.
fn documents_for_pages() -> Router<ServerState> {
    Router::new()
        .route(
            WELL_KNOWN,
            get(protected_resource::document).options(oauth::cors::preflight),
        )
        .route(
            &format!("{WELL_KNOWN}/{{*path}}"),
            get(protected_resource::document).options(oauth::cors::preflight),
        )
        .route(
            signer_documents::METADATA,
            get(signer_documents::metadata).options(oauth::cors::preflight),
        )
        .layer(from_fn(oauth::cors::open))
}

/// The data listener of a gateway in front of one server and nothing else: its tools at `/mcp` under
/// their own names, the documents for strangers, and probes. What is not here is 404.
pub fn sole_server_router(state: ServerState, server: ServerId) -> Guarded {
    let router = Router::new()
        .route("/mcp", any(mcp::sole_server))
        .route("/mcp/", any(mcp::sole_server))
        .layer(Extension(mcp::Sole(server)))
        .route(WELL_KNOWN, get(protected_resource::document))
        .route(
            &format!("{WELL_KNOWN}/{{*path}}"),
            get(protected_resource::document),
        )
        .merge(health_routes());
    finish(router, state)
}

/// A listener of its own for administrators (`server.admin_listen`).
pub fn admin_router(state: ServerState) -> Guarded {
    finish(health_routes().merge(admin_routes(&state)), state)
}

fn health_routes() -> Router<ServerState> {
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/liveliness", get(health::live))
        .route("/healthz", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/health/readiness", get(health::ready))
        .route("/readyz", get(health::ready))
}

fn admin_routes(state: &ServerState) -> Router<ServerState> {
    let routes = if state.metrics_here {
        Router::new().route("/metrics", get(health::metrics))
    } else {
        Router::new()
    };
    routes
        .route("/key/generate", post(admin::keys::generate))
        .route("/key/list", get(admin::keys::list))
        .route("/key/info", get(admin::keys::info))
        .route("/key/delete", post(admin::keys::delete))
        .route("/v1/mcp/server", get(admin::servers::list))
        .route("/v1/audit", get(admin::audit::list))
        .route(
            "/v1/revocations",
            get(admin::revocations::list).post(admin::revocations::add),
        )
        .route("/v1/revocations/{id}", delete(admin::revocations::lift))
        .route("/v1/oauth/clients/end", post(admin::clients::end))
        .route("/v1/policy/explain", post(admin::explain::explain))
        .route("/v1/config/reload", post(admin::reload::reload))
}

fn finish(router: Router<ServerState>, state: ServerState) -> Guarded {
    let router = router
        .method_not_allowed_fallback(wrong_method::refuse)
        .with_state(state.clone());
    Guarded::new(state, router)
}

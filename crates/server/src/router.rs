//! Every route there is. What is not here is 404 before anybody is asked who they are.

use axum::middleware::from_fn;
use axum::routing::{any, get, post};
use axum::{Extension, Router};
use portcullis_core::ServerId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::layers::Guarded;
use crate::protected_resource::WELL_KNOWN;
use crate::state::ServerState;
use crate::{
    admin, client_metadata, health, mcp, oauth, openapi, own_credential, pages, protected_resource,
    rest, signer_documents, wrong_method,
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
        .route("/toolset/{name}/mcp", any(mcp::toolset))
        .route("/toolset/{name}/mcp/", any(mcp::toolset))
        .merge(sse_routes())
        .route("/mcp-rest/tools/list", get(rest::list))
        .route("/mcp-rest/tools/call", post(rest::call))
        .route("/mcp-rest/approvals/{id}", get(rest::approval))
        .route(client_metadata::PATH, get(client_metadata::document))
        .route(client_metadata::OF_SERVERS, get(client_metadata::of_server))
        .route(signer_documents::JWKS, get(signer_documents::jwks))
        .merge(documents_for_pages())
        .merge(health_routes())
        .merge(Router::from(own_credential::routes()))
        .merge(pages::routes())
        .merge(oauth::routes());
    if admin {
        router = router
            .merge(admin_routes(&state))
            .merge(pages::for_administrators());
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
    let mut routes = administration();
    if state.metrics_here {
        routes = routes.routes(routes!(health::metrics));
    }
    routes.into()
}

/// Every route of the OpenAPI document, wherever it is served.
pub(crate) fn described() -> OpenApiRouter<ServerState> {
    administration()
        .routes(routes!(health::metrics))
        .merge(own_credential::routes())
}

/// The admin API. Each handler says what it takes and gives (`#[utoipa::path]`), `admin/roles.rs` for whom it is.
fn administration() -> OpenApiRouter<ServerState> {
    OpenApiRouter::with_openapi(openapi::beginning())
        .routes(routes!(admin::keys::generate))
        .routes(routes!(admin::keys::list))
        .routes(routes!(admin::keys::info))
        .routes(routes!(admin::keys::delete))
        .routes(routes!(admin::keys::update))
        .merge(levels())
        .routes(routes!(
            admin::toolsets::list,
            admin::toolsets::make,
            admin::toolsets::change
        ))
        .routes(routes!(admin::toolsets::info, admin::toolsets::remove))
        .routes(routes!(admin::access_groups::list))
        .routes(routes!(admin::registry::list))
        .routes(routes!(
            admin::servers::list,
            admin::servers::add,
            admin::servers::change
        ))
        .routes(routes!(
            admin::servers::get,
            admin::servers::change_named,
            admin::servers::remove
        ))
        .routes(routes!(admin::server_health::list))
        .routes(routes!(admin::import::import))
        .routes(routes!(admin::submissions::register))
        .routes(routes!(admin::submissions::list))
        .routes(routes!(admin::submissions::approve))
        .routes(routes!(admin::submissions::reject))
        .routes(routes!(admin::client_ip::tell))
        .routes(routes!(admin::try_out::connection))
        .routes(routes!(admin::try_out::tools))
        .routes(routes!(rest::tools))
        .routes(routes!(admin::health::tell))
        .routes(routes!(admin::configuration::show))
        .routes(routes!(admin::configuration::diff))
        .routes(routes!(admin::audit::list))
        .routes(routes!(admin::usage::list))
        .routes(routes!(admin::limits::show, admin::limits::change))
        .routes(routes!(admin::revocations::list, admin::revocations::add))
        .routes(routes!(admin::revocations::lift))
        .routes(routes!(admin::approvals::list))
        .routes(routes!(admin::approvals::show))
        .routes(routes!(admin::approvals::approve))
        .routes(routes!(admin::approvals::deny))
        .routes(routes!(admin::pins::list))
        .routes(routes!(admin::pins::show, admin::pins::forget))
        .routes(routes!(admin::pins::approve))
        .routes(routes!(admin::clients::end))
        .routes(routes!(admin::explain::explain))
        .routes(routes!(admin::reload::reload))
        .routes(routes!(openapi::serve))
}

/// What stands above credentials.
fn levels() -> OpenApiRouter<ServerState> {
    use admin::levels::{customer, organization, team, user};
    OpenApiRouter::new()
        .routes(routes!(team::new))
        .routes(routes!(team::update))
        .routes(routes!(team::info))
        .routes(routes!(team::list))
        .routes(routes!(team::delete))
        .routes(routes!(admin::members::add))
        .routes(routes!(admin::members::remove))
        .routes(routes!(admin::members::block))
        .routes(routes!(admin::members::unblock))
        .routes(routes!(organization::new))
        .routes(routes!(organization::update))
        .routes(routes!(organization::info))
        .routes(routes!(organization::list))
        .routes(routes!(organization::delete))
        .routes(routes!(user::new))
        .routes(routes!(user::update))
        .routes(routes!(user::info))
        .routes(routes!(user::list))
        .routes(routes!(user::delete))
        .routes(routes!(customer::new))
        .routes(routes!(customer::update))
        .routes(routes!(customer::info))
        .routes(routes!(customer::list))
        .routes(routes!(customer::delete))
}

fn finish(router: Router<ServerState>, state: ServerState) -> Guarded {
    let router = router
        .method_not_allowed_fallback(wrong_method::refuse)
        .with_state(state.clone());
    Guarded::new(state, router)
}

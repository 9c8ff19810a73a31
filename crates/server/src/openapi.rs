//! The admin API as an OpenAPI 3.1 document: made of what stands at its handlers, so that a route cannot be in
//! the router and not in the document.

use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use portcullis_engine::audit::Outcome;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Response as Told,
    ResponseBuilder,
};

use crate::admin::roles::least;
use crate::reply::{json as reply, text_error};
use crate::router;
use crate::state::ServerState;

/// Where it is.
pub(crate) const PATH: &str = "/openapi.json";

/// What is wrong, as problem details (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `urn:portcullis:problem:` and the kind.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The status in words.
    pub(crate) title: String,
    /// The status.
    pub(crate) status: u16,
    /// What is wrong with this request.
    pub(crate) detail: String,
    /// The id that the audit event has too.
    pub(crate) request_id: String,
}

/// What is refused before it is asked what the request is about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Refusal {
    /// A code; the same for every reason that is no business of the caller's.
    pub(crate) error: String,
}

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let text = document().to_pretty_json();
    text.unwrap_or_default()
});

/// The document's text: the same for everybody, whatever this gateway's configuration is.
pub fn openapi_json() -> &'static str {
    &DOCUMENT
}

/// The document.
pub(crate) fn document() -> OpenApi {
    let (_, mut document) = router::described().split_for_parts();
    let components = document.components.get_or_insert_with(Components::new);
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components
        .security_schemes
        .insert("bearer".to_owned(), RefOr::T(bearer));
    for schema in [schema_of::<Problem>(), schema_of::<Refusal>()] {
        components.schemas.extend([schema]);
    }
    document.security = Some(vec![SecurityRequirement::new(
        "bearer",
        Vec::<String>::new(),
    )]);
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            complete(method, path, operation);
        }
    }
    document
}

/// What the document begins with.
pub(crate) fn beginning() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Portcullis: admin API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Every request needs a credential. What is refused before it is known what the request is about is \
             `{\"error\": …}`, everything else that is wrong is problem details (RFC 9457). `x-portcullis-role` says \
             for whom an operation is: `caller` is everybody with a valid credential.",
        ))
        .build();
    OpenApiBuilder::new().info(info).build()
}

fn schema_of<T: ToSchema>() -> (String, RefOr<utoipa::openapi::Schema>) {
    (T::name().into_owned(), T::schema())
}

/// The operations of a path, by their methods.
pub(crate) fn operations(
    item: &mut PathItem,
) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("GET", item.get.as_mut()),
        ("PUT", item.put.as_mut()),
        ("POST", item.post.as_mut()),
        ("DELETE", item.delete.as_mut()),
        ("PATCH", item.patch.as_mut()),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation?)))
}

/// What is true of every operation: what it is called, whom it is for, and how it is refused.
fn complete(method: &str, path: &str, operation: &mut Operation) {
    let words = path
        .split(|char: char| !char.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let name: Vec<String> = [method]
        .into_iter()
        .chain(words)
        .map(str::to_lowercase)
        .collect();
    operation.operation_id = Some(name.join("_"));
    if let Some(least) = least(method, path) {
        let role = serde_json::Value::from(least.as_str());
        let extensions = operation.extensions.get_or_insert_default();
        extensions.insert("x-portcullis-role".to_owned(), role);
    }
    for (status, told) in [
        (
            "400",
            "What the request says is not understood, or its credentials or `Host` are ambiguous.",
        ),
        (
            "401",
            "The credential is missing, unknown, over or revoked.",
        ),
        (
            "403",
            "The caller may not, or `Host` or `Origin` is not allowed.",
        ),
        (
            "503",
            "Something that is needed to decide or to record is not available.",
        ),
    ] {
        let responses = &mut operation.responses.responses;
        let own = responses.get(status).and_then(described);
        let refused = refused(own.as_deref().unwrap_or(told));
        responses.insert(status.to_owned(), RefOr::T(refused));
    }
}

fn described(told: &RefOr<Told>) -> Option<String> {
    match told {
        RefOr::T(told) => Some(told.description.clone()),
        RefOr::Ref(_) => None,
    }
}

fn refused(told: &str) -> Told {
    let body = |name| {
        ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(name)))
            .build()
    };
    ResponseBuilder::new()
        .description(told)
        .content("application/problem+json", body("Problem"))
        .content("application/json", body("Refusal"))
        .build()
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "reference",
    responses((status = 200, description = "The OpenAPI 3.1 document of the admin API.", body = Object)),
)]
pub(crate) async fn serve(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match crate::admin::admit(&state, &parts, "openapi.json").await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    call.audit.allowed(crate::admin::rule(call.principal.role));
    call.audit.add_response_bytes(openapi_json().len() as u64);
    if !call.close(Outcome::Ok).await {
        return text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    }
    let mut response = reply(StatusCode::OK, openapi_json());
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::admin::roles::ROLES;

    fn described() -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        for (path, mut item) in document().paths.paths {
            let methods = operations(&mut item).map(|(method, _)| method.to_owned());
            found.extend(methods.map(|method| (method, path.clone())));
        }
        found
    }

    #[test]
    fn every_operation_says_for_whom_it_is_and_nothing_else_does() {
        let table: BTreeSet<(String, String)> = ROLES
            .iter()
            .map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()))
            .collect();
        assert_eq!(described(), table);
        assert_eq!(table.len(), ROLES.len(), "a route stands in the table once");
    }

    /// Routes that are not in the document, as they stand in the sources: those of MCP and its REST form, of
    /// people's browsers, of OAuth and of probes. What changes or tells something else belongs into the document.
    const NOT_DESCRIBED: &[&str] = &[
        r#""/approvals/{id}""#,
        r#""/""#,
        r#""/authorize""#,
        r#""/authorize/{flow}""#,
        r#""/connect""#,
        r#""/connect/{name}""#,
        r#""/docs""#,
        r#""/health/live""#,
        r#""/health/liveliness""#,
        r#""/health/readiness""#,
        r#""/health/ready""#,
        r#""/healthz""#,
        r#""/introspect""#,
        r#""/login""#,
        r#""/login/provider""#,
        r#""/logout""#,
        r#""/mcp""#,
        r#""/mcp-rest/approvals/{id}""#,
        r#""/mcp-rest/tools/call""#,
        r#""/mcp-rest/tools/list""#,
        r#""/mcp/""#,
        r#""/mcp/sse""#,
        r#""/mcp/sse/messages""#,
        r#""/mcp/{name}""#,
        r#""/mcp/{name}/""#,
        r#""/readyz""#,
        r#""/register""#,
        r#""/revoke""#,
        r#""/token""#,
        r#""/toolset/{name}/mcp""#,
        r#""/toolset/{name}/mcp/""#,
        r#""/v1/mcp/server/oauth/{name}/authorize""#,
        r#""/{name}/authorize""#,
        r#""/{name}/mcp""#,
        r#""/{name}/mcp/""#,
        r#"&format!("{METADATA}/{{*path}}")"#,
        r#"&format!("{OPENID_METADATA}/{{*path}}")"#,
        r#"&format!("{WELL_KNOWN}/{{*path}}")"#,
        r#"&format!("{endpoint}/sse")"#,
        r#"&format!("{endpoint}/sse/messages")"#,
        r#"&format!("{under}/{{name}}/register")"#,
        r#"&format!("{under}/{{name}}/token")"#,
        r#"&format!("{}/{{name}}""#,
        "CALLBACK",
        "JWKS",
        "METADATA",
        "WELL_KNOWN",
        "client_metadata::OF_SERVERS",
        "client_metadata::PATH",
        "connect::CALLBACK",
        "connect::LITELLMS_CALLBACK",
        "signer_documents::JWKS",
        "signer_documents::METADATA",
        "style::path()",
    ];

    #[test]
    fn a_route_is_in_the_document_or_on_the_list_of_those_that_are_not() {
        let call = concat!(".rou", "te(");
        let mut found = BTreeSet::new();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                let routes = text.split(call).skip(1);
                found.extend(routes.map(|rest| {
                    let first = rest.split(',').next().unwrap_or_default();
                    first.trim().to_owned()
                }));
            }
        }
        let listed: BTreeSet<String> = NOT_DESCRIBED.iter().map(ToString::to_string).collect();
        assert_eq!(found, listed);
    }
}

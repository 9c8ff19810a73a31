//! OpenAPI documents as servers.

use anyhow::Context;
use http::HeaderName;
use http::header::COOKIE;
use portcullis_config::{
    Auth, CallerHeaders, Config, Forwarding, McpServer, OpenApiDocument, SpecPath, Transport,
};
use portcullis_upstream::{DocumentSource, OpenApiEndpoint};

use super::servers::requestable;

/// Whether the server is a document.
pub(super) const fn is(server: &McpServer) -> bool {
    matches!(server.transport, Transport::OpenApi(_))
}

pub(super) fn endpoint(
    config: &Config,
    server: &McpServer,
    api: &OpenApiDocument,
) -> anyhow::Result<OpenApiEndpoint> {
    let document = match &api.document {
        SpecPath::File(path) => DocumentSource::File(path.clone()),
        SpecPath::Address(url) => DocumentSource::Address(requestable(url).context("spec_path")?),
    };
    Ok(OpenApiEndpoint {
        document,
        base: api.url.as_ref().map(requestable).transpose()?,
        withheld: withheld(config, server)?,
        credentialed: is_credentialed(server),
    })
}

/// Headers that what we present fills, or a header of the caller's that the file hands on: an argument
/// could not say anything in them.
fn withheld(config: &Config, server: &McpServer) -> anyhow::Result<Vec<HeaderName>> {
    let mut names: Vec<String> = server.auth.header_name().into_iter().collect();
    names.extend(
        server
            .static_headers
            .iter()
            .map(|header| header.name.clone()),
    );
    let Forwarding {
        extra_headers,
        cookies,
        caller_headers,
    } = &server.forwarding;
    names.extend(extra_headers.iter().cloned());
    if cookies.is_some() {
        names.push(COOKIE.as_str().to_owned());
    }
    if let CallerHeaders::Templates(templates) = caller_headers {
        names.extend(templates.iter().map(|template| template.header.clone()));
    }
    if let Some(signer) = config.jwt_signer.as_ref().filter(|_| server.signed) {
        names.extend(signer.headers().into_iter().map(str::to_owned));
    }
    names
        .iter()
        .map(|name| name.parse().with_context(|| format!("header {name:?}")))
        .collect()
}

/// Whether requests carry anything that is not for everybody.
fn is_credentialed(server: &McpServer) -> bool {
    server.auth != Auth::None
        || server.signed
        || !server.static_headers.is_empty()
        || server.forwarding != Forwarding::default()
}

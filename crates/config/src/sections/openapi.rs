//! `spec_path`: an OpenAPI document as a server.

use std::path::PathBuf;

use url::Url;

use crate::fields::{At, Fields};
use crate::model::{Auth, OpenApiDocument, SpecPath, Transport};
use crate::validate::urls::{PlainHttp, callable};

/// The revision that documents are served in; clients of any other are translated for.
const SERVED: &str = "2026-07-28";

/// The API behind `spec_path`; complains when it cannot be told.
pub(crate) fn read(fields: &Fields<'_, '_>, plain: PlainHttp) -> Option<Transport> {
    for key in ["transport", "protocol_version"] {
        let Some(written) = fields.choice(key) else {
            continue;
        };
        if !matches!(written, "http" | "auto" | SERVED) {
            fields.findings.error(
                fields.place(key),
                format!("`{written}` is of MCP servers, and an OpenAPI document is none"),
                "remove it, or remove `spec_path`",
            );
            return None;
        }
    }
    let written = fields.url("url");
    let url = written.and_then(|url| callable(fields.findings, url, plain));
    // Written and refused is not the same as not written.
    if fields.has("url") && url.is_none() {
        return None;
    }
    let document = document(fields, plain)?;
    let document = OpenApiDocument { document, url };
    Some(Transport::OpenApi(Box::new(document)))
}

fn document(fields: &Fields<'_, '_>, plain: PlainHttp) -> Option<SpecPath> {
    let At { value, place } = fields.text("spec_path")?;
    let value = value.trim();
    if value.is_empty() {
        fields.findings.error(
            place,
            "a document has a path or an address",
            "write the path of an OpenAPI or Swagger file, or its https address",
        );
        return None;
    }
    if !value.contains("://") {
        return Some(SpecPath::File(PathBuf::from(value)));
    }
    let address = Url::parse(value)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(value) = address else {
        fields.findings.error(
            place,
            "a document is read from a file or fetched by http or https",
            "write the file's path without a scheme, or an https address",
        );
        return None;
    };
    callable(fields.findings, At { value, place }, plain).map(SpecPath::Address)
}

/// Complains of a credential that is found by the API's address, where none is written.
pub(crate) fn require_address(fields: &Fields<'_, '_>, auth: &Auth) {
    let found_by_address = match auth {
        Auth::AuthorizationCode(_) => true,
        Auth::ClientCredentials(grant) => grant.token_url.is_none(),
        _ => false,
    };
    if found_by_address && fields.has("spec_path") && !fields.has("url") {
        fields.findings.error(
            fields.place("spec_path"),
            "the authorization server is found by the API's address, and none is written",
            "write `url`, the address that the document's paths stand behind",
        );
    }
}

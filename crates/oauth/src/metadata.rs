//! Metadata of protected resources (RFC 9728) and authorization servers (RFC 8414), and where it
//! is found.

use serde::Deserialize;
use url::Url;

/// Why a document is not the metadata that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Not a JSON object with the required members.
    #[error("not a metadata document")]
    Malformed,
    /// RFC 8414 §3.3: `issuer` differs from the one whose metadata was asked for.
    #[error("the document is another issuer's")]
    IssuerMismatch,
    /// RFC 9728 §3.3: `resource` does not cover the URL whose metadata was asked for.
    #[error("the document is another resource's")]
    ResourceMismatch,
}

/// The metadata of an authorization server, as far as a client needs it.
#[derive(Clone, Debug, Deserialize)]
pub struct AuthorizationServerMetadata {
    /// `issuer`.
    pub issuer: String,
    /// `token_endpoint`.
    #[serde(default)]
    pub token_endpoint: Option<Url>,
    /// `token_endpoint_auth_methods_supported`; absent means `client_secret_basic` (RFC 8414 §2).
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// `grant_types_supported`.
    #[serde(default)]
    pub grant_types_supported: Option<Vec<String>>,
    /// `scopes_supported`.
    #[serde(default)]
    pub scopes_supported: Option<Vec<String>>,
    /// `jwks_uri`.
    #[serde(default)]
    pub jwks_uri: Option<Url>,
    /// `authorization_endpoint`.
    #[serde(default)]
    pub authorization_endpoint: Option<Url>,
    /// `registration_endpoint` (RFC 7591).
    #[serde(default)]
    pub registration_endpoint: Option<Url>,
    /// `revocation_endpoint` (RFC 7009).
    #[serde(default)]
    pub revocation_endpoint: Option<Url>,
    /// `userinfo_endpoint` (OpenID Connect).
    #[serde(default)]
    pub userinfo_endpoint: Option<Url>,
    /// `code_challenge_methods_supported` (RFC 7636); absent: no PKCE.
    #[serde(default)]
    pub code_challenge_methods_supported: Option<Vec<String>>,
    /// `authorization_response_iss_parameter_supported` (RFC 9207 §3).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// `client_id_metadata_document_supported`.
    #[serde(default)]
    pub client_id_metadata_document_supported: bool,
}

impl AuthorizationServerMetadata {
    /// Whether it takes S256 challenges. MCP forbids to go on where it does not say so.
    pub fn takes_s256(&self) -> bool {
        self.code_challenge_methods_supported
            .as_ref()
            .is_some_and(|methods| methods.iter().any(|method| method == crate::pkce::S256))
    }

    /// Reads a document and checks that it is `issuer`'s: identical, character by character
    /// (RFC 8414 §3.3), without which one server could speak for another.
    pub fn parse(body: &[u8], issuer: &str) -> Result<Self, MetadataError> {
        let metadata: Self = serde_json::from_slice(body).map_err(|_| MetadataError::Malformed)?;
        if metadata.issuer == issuer {
            Ok(metadata)
        } else {
            Err(MetadataError::IssuerMismatch)
        }
    }

    /// Where the metadata of `issuer` may be, in the order in which to ask: RFC 8414 §3.1 (path
    /// inserted), OpenID Connect with the path inserted, OpenID Connect Discovery 1.0 §4 (path
    /// first). Nowhere for an issuer with query, fragment or userinfo, which RFC 8414 §2 forbids.
    pub fn urls(issuer: &Url) -> Vec<Url> {
        if issuer.query().is_some()
            || issuer.fragment().is_some()
            || !issuer.username().is_empty()
            || issuer.password().is_some()
            || issuer.cannot_be_a_base()
        {
            return Vec::new();
        }
        let path = issuer.path().trim_end_matches('/');
        let mut paths = vec![
            format!("/.well-known/oauth-authorization-server{path}"),
            format!("/.well-known/openid-configuration{path}"),
        ];
        if !path.is_empty() {
            paths.push(format!("{path}/.well-known/openid-configuration"));
        }
        paths
            .iter()
            .map(|path| at_path(issuer, path, None))
            .collect()
    }
}

/// The metadata of a protected resource, as far as a client needs it.
#[derive(Clone, Debug, Deserialize)]
pub struct ProtectedResourceMetadata {
    /// `resource`.
    pub resource: String,
    /// `authorization_servers`: issuers.
    #[serde(default)]
    pub authorization_servers: Vec<String>,
    /// `scopes_supported`.
    #[serde(default)]
    pub scopes_supported: Option<Vec<String>>,
}

impl ProtectedResourceMetadata {
    /// Reads a document and checks that its `resource` covers `server` (RFC 9728 §3.3; MCP also
    /// lets the resource be a parent of the server's URL).
    pub fn parse(body: &[u8], server: &Url) -> Result<Self, MetadataError> {
        let metadata: Self = serde_json::from_slice(body).map_err(|_| MetadataError::Malformed)?;
        if covers(&metadata.resource, server) {
            Ok(metadata)
        } else {
            Err(MetadataError::ResourceMismatch)
        }
    }

    /// Where the metadata of `server` may be, in the order in which to ask: with its path inserted
    /// (RFC 9728 §3.1), then at the root.
    pub fn urls(server: &Url) -> Vec<Url> {
        const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
        if server.cannot_be_a_base() {
            return Vec::new();
        }
        let root = at_path(server, WELL_KNOWN, None);
        let path = server.path();
        if path == "/" && server.query().is_none() {
            return vec![root];
        }
        let path = if path == "/" { "" } else { path };
        let inserted = at_path(server, &format!("{WELL_KNOWN}{path}"), server.query());
        vec![inserted, root]
    }
}

fn at_path(origin: &Url, path: &str, query: Option<&str>) -> Url {
    let mut url = origin.clone();
    url.set_path(path);
    url.set_query(query);
    url.set_fragment(None);
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// Whether `resource` is `server` or one of its parents: same origin, and a path that ends where a
/// segment ends.
fn covers(resource: &str, server: &Url) -> bool {
    let Ok(resource) = Url::parse(resource) else {
        return false;
    };
    let same_origin = matches!(resource.scheme(), "http" | "https")
        && resource.origin() == server.origin()
        && resource.username().is_empty()
        && resource.password().is_none();
    if !same_origin || resource.fragment().is_some() {
        return false;
    }
    if resource.query().is_some() {
        return resource.path() == server.path() && resource.query() == server.query();
    }
    let parent = resource.path().trim_end_matches('/');
    server
        .path()
        .strip_prefix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(urls: &[Url]) -> Vec<&str> {
        urls.iter().map(Url::as_str).collect()
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn rfc_8414_3_1_the_path_of_the_issuer_is_inserted() {
        assert_eq!(
            texts(&AuthorizationServerMetadata::urls(&url(
                "https://as.example:8443/tenant/1/"
            ))),
            [
                "https://as.example:8443/.well-known/oauth-authorization-server/tenant/1",
                "https://as.example:8443/.well-known/openid-configuration/tenant/1",
                "https://as.example:8443/tenant/1/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            texts(&AuthorizationServerMetadata::urls(&url(
                "https://as.example"
            ))),
            [
                "https://as.example/.well-known/oauth-authorization-server",
                "https://as.example/.well-known/openid-configuration",
            ]
        );
    }

    #[test]
    fn rfc_8414_2_an_issuer_has_no_query_fragment_or_userinfo() {
        for issuer in [
            "https://as.example/?x",
            "https://as.example/#x",
            "https://user@as.example/",
            "mailto:as@example",
        ] {
            assert!(
                AuthorizationServerMetadata::urls(&url(issuer)).is_empty(),
                "{issuer}"
            );
        }
    }

    #[test]
    fn rfc_9728_3_1_the_path_of_the_resource_is_inserted_then_the_root_is_asked() {
        for (server, expected) in [
            (
                "https://mcp.example/v1/mcp",
                vec![
                    "https://mcp.example/.well-known/oauth-protected-resource/v1/mcp",
                    "https://mcp.example/.well-known/oauth-protected-resource",
                ],
            ),
            (
                "https://mcp.example/",
                vec!["https://mcp.example/.well-known/oauth-protected-resource"],
            ),
            (
                "https://user:pw@mcp.example/mcp?tenant=1#x",
                vec![
                    "https://mcp.example/.well-known/oauth-protected-resource/mcp?tenant=1",
                    "https://mcp.example/.well-known/oauth-protected-resource",
                ],
            ),
        ] {
            assert_eq!(
                texts(&ProtectedResourceMetadata::urls(&url(server))),
                expected
            );
        }
    }

    #[test]
    fn rfc_8414_3_3_the_issuer_is_compared_exactly() {
        let body =
            br#"{"issuer":"https://as.example","token_endpoint":"https://as.example/t","x":[1]}"#;
        let metadata = AuthorizationServerMetadata::parse(body, "https://as.example").unwrap();
        assert_eq!(
            metadata.token_endpoint.unwrap().as_str(),
            "https://as.example/t"
        );
        for other in [
            "https://as.example/",
            "https://AS.example",
            "https://as.example:443",
            "http://as.example",
            "https://evil.example",
        ] {
            assert_eq!(
                AuthorizationServerMetadata::parse(body, other).unwrap_err(),
                MetadataError::IssuerMismatch,
                "{other}"
            );
        }
        assert_eq!(
            AuthorizationServerMetadata::parse(b"{}", "x").unwrap_err(),
            MetadataError::Malformed
        );
    }

    #[test]
    fn rfc_9728_3_3_a_resource_speaks_only_for_itself_and_what_lies_below() {
        for (resource, covered) in [
            ("https://mcp.example/v1/mcp", true),
            ("https://mcp.example/v1/mcp/", true),
            ("https://MCP.example:443/v1", true),
            ("https://mcp.example", true),
            ("https://mcp.example/v1/mcp/deeper", false),
            ("https://mcp.example/v1/mc", false),
            ("https://mcp.example/v2", false),
            ("http://mcp.example/v1/mcp", false),
            ("https://mcp.example:8443/v1/mcp", false),
            ("https://evil.example/v1/mcp", false),
            ("https://mcp.example.evil.example/", false),
            ("https://user@mcp.example/v1/mcp", false),
            ("https://mcp.example/v1/mcp#x", false),
            ("https://mcp.example/v1/mcp?x", false),
            ("urn:mcp", false),
            ("", false),
        ] {
            assert_eq!(
                covers(resource, &url("https://mcp.example/v1/mcp")),
                covered,
                "{resource}"
            );
        }
    }

    #[test]
    fn protected_resource_metadata_needs_only_its_resource() {
        let server = url("https://mcp.example/mcp");
        let metadata = ProtectedResourceMetadata::parse(
            br#"{"resource":"https://mcp.example/mcp","authorization_servers":["https://as.example"],"jwks_uri":5}"#,
            &server,
        )
        .unwrap();
        assert_eq!(metadata.authorization_servers, ["https://as.example"]);
        assert_eq!(
            ProtectedResourceMetadata::parse(b"[]", &server).unwrap_err(),
            MetadataError::Malformed
        );
    }
}

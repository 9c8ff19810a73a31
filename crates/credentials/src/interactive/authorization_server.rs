//! Whom a server's people are sent to: by the file, by its metadata (RFC 9728, RFC 8414), or, for
//! servers of 2025-03-26 that have none, at the places of that revision.

use portcullis_core::ScopeSet;
use portcullis_egress::{Destination, is_loopback};
use portcullis_oauth::{AuthorizationServerMetadata, MetadataError, ProtectedResourceMetadata};
use url::Url;

use super::terms::{AuthorizationCode, Resource};
use crate::CredentialErrorKind;
use crate::broker::Door;
use crate::discovery::{Issuer, Trust, authorization_server, document, not_discovered, origin_of};
use crate::error::Failure;
use crate::{ServerAuth, UpstreamAuth};

/// An authorization server, as far as this flow needs it.
#[derive(Clone, Debug)]
pub(crate) struct AuthorizationServer {
    /// What its clients are kept by. Where the file writes endpoints without an issuer, both of them.
    pub(crate) key: String,
    /// Its issuer, which RFC 9207 compares with; `None`: only the file's endpoints are known.
    pub(crate) issuer: Option<String>,
    /// `authorization_response_iss_parameter_supported`
    pub(crate) announces_issuer: bool,
    pub(crate) authorization: Url,
    pub(crate) token: Url,
    pub(crate) registration: Option<Url>,
    pub(crate) revocation: Option<Url>,
    pub(crate) userinfo: Option<Url>,
    /// `token_endpoint_auth_methods_supported`
    pub(crate) methods: Option<Vec<String>>,
    /// `grant_types_supported` does not leave `refresh_token` out.
    pub(crate) renews: bool,
    /// `client_id_metadata_document_supported`
    pub(crate) documents: bool,
    /// `scopes_supported`
    pub(crate) scopes: Vec<String>,
}

/// What was found for one server.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) server: AuthorizationServer,
    /// `resource` of both requests (RFC 8707).
    pub(crate) resource: Option<String>,
    /// The scopes of the server's challenge.
    pub(crate) challenged: Option<ScopeSet>,
    /// `scopes_supported` of the server's metadata.
    pub(crate) supported: Option<ScopeSet>,
}

/// The terms of an interactive server.
pub(crate) fn terms_of(auth: &ServerAuth) -> Option<&std::sync::Arc<AuthorizationCode>> {
    match &auth.auth {
        UpstreamAuth::AuthorizationCode(terms) => Some(terms),
        _ => None,
    }
}

impl Door {
    /// Finds the authorization server of a server.
    pub(crate) async fn find(
        &self,
        auth: &ServerAuth,
        terms: &AuthorizationCode,
    ) -> Result<Found, Failure> {
        let trust = terms.trust();
        let challenge = self.challenge(auth, &trust).await;
        let written = Written::of(terms);
        let mut resource_metadata = None;
        let server = if let Some(server) = written.complete() {
            server
        } else {
            let named = challenge.resource_metadata.as_deref();
            resource_metadata = self.resource_metadata(&trust, named).await?;
            let issuer = match (&terms.issuer, &resource_metadata) {
                (Some(pinned), _) => Issuer::of_url(pinned),
                (None, Some(metadata)) => {
                    let first = metadata.authorization_servers.first();
                    Issuer::named(first.ok_or_else(not_discovered)?)?
                }
                (None, None) => Issuer::of_url(&origin_of(&terms.server_url)),
            };
            let metadata = authorization_server(&*self.http, &trust, &issuer).await?;
            // Only a server without any metadata is taken for one of 2025-03-26.
            let old = terms.issuer.is_none() && resource_metadata.is_none();
            written.joined(&issuer.url, metadata, old)?
        };
        may_be_opened(&server.authorization, &trust)?;
        let supported = resource_metadata
            .as_ref()
            .and_then(|metadata| metadata.scopes_supported.as_ref())
            .and_then(|scopes| ScopeSet::from_tokens(scopes).ok());
        Ok(Found {
            resource: match &terms.resource {
                Resource::Unsaid => None,
                Resource::Exactly(resource) => Some(resource.clone()),
                Resource::Own => Some(resource_metadata.map_or_else(
                    || canonical(&terms.server_url),
                    |metadata| metadata.resource,
                )),
            },
            challenged: challenge.scope.filter(|scope| !scope.is_empty()),
            supported: supported.filter(|scope| !scope.is_empty()),
            server,
        })
    }

    /// The server's own metadata: where its challenge says, else at its well-known places. One that
    /// is about something else ends the search: nobody is sent anywhere on its word.
    async fn resource_metadata(
        &self,
        trust: &Trust<'_>,
        named: Option<&str>,
    ) -> Result<Option<ProtectedResourceMetadata>, Failure> {
        let named = named.and_then(|named| Url::parse(named).ok());
        let places = ProtectedResourceMetadata::urls(trust.server_url);
        for url in named.into_iter().chain(places) {
            let Some(body) = document(&*self.http, trust, &url).await? else {
                continue;
            };
            match ProtectedResourceMetadata::parse(&body, trust.server_url) {
                Ok(metadata) => return Ok(Some(metadata)),
                Err(MetadataError::Malformed) => {}
                Err(error) => return Err(not_discovered().because(error)),
            }
        }
        Ok(None)
    }
}

/// What the file says.
struct Written<'t> {
    terms: &'t AuthorizationCode,
}

impl<'t> Written<'t> {
    const fn of(terms: &'t AuthorizationCode) -> Self {
        Self { terms }
    }

    /// Nothing is asked where nothing is missing: both endpoints, and a client or where to get one.
    fn complete(&self) -> Option<AuthorizationServer> {
        let terms = self.terms;
        let (authorization, token) = (terms.authorization_url.as_ref()?, terms.token_url.as_ref()?);
        if terms.issuer.is_some() || terms.client.is_none() && terms.registration_url.is_none() {
            return None;
        }
        Some(AuthorizationServer {
            key: format!("{authorization} {token}"),
            issuer: None,
            announces_issuer: false,
            authorization: authorization.clone(),
            token: token.clone(),
            registration: terms.registration_url.clone(),
            revocation: None,
            userinfo: None,
            methods: None,
            renews: true,
            documents: false,
            scopes: Vec::new(),
        })
    }

    /// With what was found. `old`: where nothing was, the places of 2025-03-26 count.
    fn joined(
        &self,
        issuer: &Url,
        found: Option<AuthorizationServerMetadata>,
        old: bool,
    ) -> Result<AuthorizationServer, Failure> {
        let terms = self.terms;
        let at = |path: &str| {
            let mut url = origin_of(&terms.server_url);
            url.set_path(path);
            url
        };
        let Some(metadata) = found else {
            let endpoint = |written: &Option<Url>, path: &str| match written {
                Some(url) => Ok(url.clone()),
                None if old => Ok(at(path)),
                None => Err(not_discovered()),
            };
            let issuer = canonical(issuer);
            return Ok(AuthorizationServer {
                key: issuer.clone(),
                authorization: endpoint(&terms.authorization_url, "/authorize")?,
                token: endpoint(&terms.token_url, "/token")?,
                registration: endpoint(&terms.registration_url, "/register").ok(),
                issuer: old.then_some(issuer),
                announces_issuer: false,
                revocation: None,
                userinfo: None,
                methods: None,
                renews: true,
                documents: false,
                scopes: Vec::new(),
            });
        };
        if !metadata.takes_s256() {
            return Err(Failure::new(CredentialErrorKind::NoPkce));
        }
        let either = |written: &Option<Url>, found: Option<Url>| written.clone().or(found);
        let authorization = either(&terms.authorization_url, metadata.authorization_endpoint);
        let token = either(&terms.token_url, metadata.token_endpoint);
        Ok(AuthorizationServer {
            key: metadata.issuer.clone(),
            issuer: Some(metadata.issuer),
            announces_issuer: metadata.authorization_response_iss_parameter_supported,
            authorization: authorization.ok_or_else(not_discovered)?,
            token: token.ok_or_else(not_discovered)?,
            registration: either(&terms.registration_url, metadata.registration_endpoint),
            revocation: metadata.revocation_endpoint,
            userinfo: metadata.userinfo_endpoint,
            methods: metadata.token_endpoint_auth_methods_supported,
            renews: metadata
                .grant_types_supported
                .is_none_or(|grants| grants.iter().any(|grant| grant == "refresh_token")),
            documents: metadata.client_id_metadata_document_supported,
            scopes: metadata.scopes_supported.unwrap_or_default(),
        })
    }
}

/// A person's browser is sent over https, or to this machine where the server is on it, or where the
/// operator wrote that plain http will do.
fn may_be_opened(url: &Url, trust: &Trust<'_>) -> Result<(), Failure> {
    let origin = url.origin();
    let written = trust.written.iter().any(|known| known.origin() == origin);
    let plain = match trust.chosen_by {
        Destination::Operator {
            allow_insecure_http,
        } => {
            is_loopback(url) && (written || is_loopback(trust.server_url))
                || written && allow_insecure_http
        }
        Destination::Untrusted { .. } => false,
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if plain => Ok(()),
        _ => Err(Failure::new(CredentialErrorKind::NotAllowed)),
    }
}

/// The canonical URI of a server (RFC 8707 §2, MCP authorization): no query, no fragment, and no
/// slash where there is no path.
fn canonical(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    let text = url.to_string();
    match text.strip_suffix('/') {
        Some(origin) if url.path() == "/" => origin.to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_without_what_only_says_how_to_reach_it() {
        for (url, named) in [
            ("https://mcp.example/mcp?key=1#x", "https://mcp.example/mcp"),
            ("https://mcp.example/", "https://mcp.example"),
            ("https://mcp.example:8443/a/", "https://mcp.example:8443/a/"),
        ] {
            assert_eq!(canonical(&Url::parse(url).unwrap()), named);
        }
    }

    #[test]
    fn browsers_are_sent_in_the_clear_only_where_the_operator_said_so() {
        let (lan, local) = ("http://mcp.lan/mcp", "http://localhost:1/mcp");
        for (server, insecure, url, opened) in [
            (
                "https://mcp.example/mcp",
                false,
                "https://as.example/a",
                true,
            ),
            (
                "https://mcp.example/mcp",
                false,
                "http://as.example/a",
                false,
            ),
            (
                "https://mcp.example/mcp",
                false,
                "http://localhost/a",
                false,
            ),
            (
                "https://mcp.example/mcp",
                true,
                "http://as.example/a",
                false,
            ),
            (
                "https://mcp.example/mcp",
                false,
                "javascript:alert(1)",
                false,
            ),
            (local, false, "http://127.0.0.1:2/a", true),
            (lan, false, "http://mcp.lan/a", false),
            (lan, true, "http://mcp.lan/a", true),
            (lan, true, "http://other.lan/a", false),
        ] {
            let server_url = Url::parse(server).unwrap();
            let trust = Trust {
                server_url: &server_url,
                written: vec![&server_url],
                chosen_by: Destination::Operator {
                    allow_insecure_http: insecure,
                },
            };
            let outcome = may_be_opened(&Url::parse(url).unwrap(), &trust);
            assert_eq!(outcome.is_ok(), opened, "{server} {url}");
        }
    }
}

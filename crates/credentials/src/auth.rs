//! How one server wants to be authenticated: the closed set behind `auth_type`.

use http::{HeaderName, HeaderValue};
use portcullis_core::{ClientSecret, ScopeSet, ServerId, Sha256};
use url::Url;

/// One server's authentication, resolved: no references left to look up.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerAuth {
    /// Which server.
    pub server: ServerId,
    /// How we authenticate.
    pub auth: UpstreamAuth,
    /// `static_headers`: sent on every request; values are marked sensitive.
    pub static_headers: Vec<StaticHeader>,
}

/// The ways of authenticating.
#[derive(Clone, Debug, PartialEq)]
pub enum UpstreamAuth {
    /// Nothing.
    None,
    /// A fixed header (`api_key`, `bearer_token`, `basic`, `authorization`, `token`, `header`).
    Static(StaticHeader),
    /// OAuth 2.0 client credentials (RFC 6749 §4.4).
    ClientCredentials(Box<ClientCredentials>),
}

/// One header with a sensitive value.
#[derive(Clone, Debug, PartialEq)]
pub struct StaticHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its value, marked sensitive so that `Debug` hides it.
    pub value: HeaderValue,
}

/// The client-credentials grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCredentials {
    /// Where tokens come from.
    pub token_endpoint: TokenEndpoint,
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`.
    pub client_secret: ClientSecret,
    /// How the client authenticates at the token endpoint.
    pub client_auth: TokenEndpointAuth,
    /// `scope`; not sent when empty.
    pub scopes: ScopeSet,
    /// `audience`, as some authorization servers want it.
    pub audience: Option<String>,
    /// `resource` (RFC 8707).
    pub resource: Option<String>,
    /// Plain http to the token endpoint beyond loopback was accepted by name.
    pub allow_insecure_http: bool,
}

impl ClientCredentials {
    /// What tokens are cached by: everything that a token depends on, and nothing else, so that
    /// whatever changes in the file gets another token (TOK-09).
    pub(crate) fn cache_key(&self) -> [u8; 32] {
        let key = match &self.token_endpoint {
            TokenEndpoint::Configured(url) => Sha256::new()
                .part(b"configured")
                .part(url.as_str().as_bytes())
                .part(b""),
            TokenEndpoint::Discover { server_url, issuer } => Sha256::new()
                .part(b"discover")
                .part(server_url.as_str().as_bytes())
                .part(issuer.as_ref().map_or("", Url::as_str).as_bytes()),
        };
        let optional = |value: &Option<String>| {
            value
                .as_ref()
                .map_or_else(Vec::new, |value| [b"=", value.as_bytes()].concat())
        };
        key.part(self.client_id.as_bytes())
            .part(&self.client_secret.fingerprint())
            .part(match self.client_auth {
                TokenEndpointAuth::ClientSecretPost => b"post",
                TokenEndpointAuth::ClientSecretBasic => b"basic",
            })
            .part(self.scopes.to_string().as_bytes())
            .part(&optional(&self.audience))
            .part(&optional(&self.resource))
            .part(&[u8::from(self.allow_insecure_http)])
            .finish()
    }
}

/// Where the token endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenEndpoint {
    /// Written in the file.
    Configured(Url),
    /// To be found from the server's URL by RFC 9728 and RFC 8414, at first use.
    Discover {
        /// The MCP server's URL.
        server_url: Url,
        /// The issuer that the file pins, if it does.
        issuer: Option<Url>,
    },
}

/// Client authentication at the token endpoint (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenEndpointAuth {
    /// `client_id` and `client_secret` in the form.
    ClientSecretPost,
    /// HTTP Basic, both parts form-encoded first.
    ClientSecretBasic,
}

//! How one server wants to be authenticated: the closed set behind `auth_type`.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use portcullis_aws::{Identity, Scope};
use portcullis_core::{ScopeSet, ServerId, Sha256};
use portcullis_egress::Destination;
use portcullis_oauth::TokenRules;
use portcullis_policy::{Acting, Evidence};
use url::Url;

use crate::interactive::AuthorizationCode;
use crate::{Forwarding, MappedKeys, Signer, TokenClient, TokenExchange};

/// One server's authentication, resolved: no references left to look up.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerAuth {
    /// Which server.
    pub server: ServerId,
    /// How we authenticate.
    pub auth: UpstreamAuth,
    /// `static_headers`: sent on every request; values are marked sensitive.
    pub static_headers: Vec<StaticHeader>,
    /// What we vouch for beside it, if we do.
    pub signer: Option<Arc<Signer>>,
    /// What of a caller's request goes along.
    pub forwarding: Forwarding,
    /// `discovery_auth`: how we authenticate where we ask in our own name, if in another way.
    pub discovery: Option<UpstreamAuth>,
}

impl ServerAuth {
    /// A server that is authenticated to in one way, and handed nothing of its callers' requests.
    pub fn new(server: ServerId, auth: UpstreamAuth) -> Self {
        Self {
            server,
            auth,
            static_headers: Vec::new(),
            signer: None,
            forwarding: Forwarding::default(),
            discovery: None,
        }
    }

    /// How we authenticate for whoever acts.
    pub(crate) fn of(&self, acting: &Acting) -> &UpstreamAuth {
        match (acting, &self.discovery) {
            (Acting::Service, Some(discovery)) => discovery,
            _ => &self.auth,
        }
    }

    /// Whether the caller's own token is needed to present anything.
    pub fn reads_subject(&self) -> bool {
        let verifies = self.signer.as_ref().is_some_and(|signer| signer.verifies());
        self.auth.takes_subject() || verifies
    }

    /// Whether what the caller's provider said when they signed in is needed instead.
    pub fn reads_login_assertion(&self) -> bool {
        self.auth.takes_login_assertion()
    }

    /// Whether what is presented tells who asks for what, so that it is another for each request.
    pub const fn tells_errands(&self) -> bool {
        self.signer.is_some()
    }

    /// Whether the end of a session is its own caller's to say, by what was presented last: our name
    /// means nothing to the server, or less than what the caller brought. What we fetch ourselves is
    /// better fetched anew, and a token that we sign for one errand serves no other.
    pub fn ends_with_caller(&self, evidence: &Evidence) -> bool {
        let brought = evidence.forwarded();
        let by_caller = self.auth.acts_for_caller()
            || brought.is_some_and(|own| own.authenticates() || !self.auth.is_fetched());
        by_caller && !self.tells_errands() && *evidence.acting() != Acting::Service
    }

    /// Whether we cannot ask the server in our own name, because it knows callers only.
    pub fn knows_callers_only(&self) -> bool {
        self.discovery.is_none() && self.auth.acts_for_caller()
    }
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
    /// The caller's own token, exchanged for one of this server (on behalf of the caller).
    TokenExchange(Arc<TokenExchange>),
    /// A token that the caller granted by connecting their account (RFC 6749 §4.1).
    AuthorizationCode(Arc<AuthorizationCode>),
    /// The one of the server's keys that was set apart for the caller.
    MappedKey(Arc<MappedKeys>),
    /// A signature of each request (AWS Signature Version 4).
    AwsSigV4(Box<AwsSignature>),
    /// The caller's own bearer token, untouched.
    Passthrough(WithoutBearer),
}

/// What becomes of a caller without a bearer token of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutBearer {
    /// They are challenged here (`true_passthrough`).
    Challenged,
    /// The server is asked all the same, and challenges them (`delegate_auth_to_upstream`).
    Asked,
}

impl UpstreamAuth {
    /// Whether what is presented is each caller's own, so that nobody else's request, ours for
    /// discovery included, can present it.
    pub const fn acts_for_caller(&self) -> bool {
        match self {
            Self::TokenExchange(_)
            | Self::AuthorizationCode(_)
            | Self::MappedKey(_)
            | Self::Passthrough(_) => true,
            Self::None | Self::Static(_) | Self::ClientCredentials(_) | Self::AwsSigV4(_) => false,
        }
    }

    /// Whether it is fetched, in our own name, and ends.
    const fn is_fetched(&self) -> bool {
        match self {
            Self::ClientCredentials(_) | Self::AwsSigV4(_) => true,
            Self::None
            | Self::Static(_)
            | Self::TokenExchange(_)
            | Self::AuthorizationCode(_)
            | Self::MappedKey(_)
            | Self::Passthrough(_) => false,
        }
    }

    /// Whether it works with what the caller's provider said when they signed in.
    pub fn takes_login_assertion(&self) -> bool {
        match self {
            Self::TokenExchange(terms) => terms.takes_login_assertion(),
            _ => false,
        }
    }

    /// Whether it works with the caller's own token, which no other way of authenticating may see.
    pub const fn takes_subject(&self) -> bool {
        match self {
            Self::TokenExchange(_) => true,
            Self::None
            | Self::Static(_)
            | Self::ClientCredentials(_)
            | Self::AuthorizationCode(_)
            | Self::MappedKey(_)
            | Self::AwsSigV4(_)
            | Self::Passthrough(_) => false,
        }
    }

    /// Whether the caller's own bearer token is what is presented, so that a refusal of it is the
    /// caller's to read.
    pub const fn passes_through(&self) -> bool {
        matches!(self, Self::Passthrough(_))
    }

    /// Whether what a caller addresses to the server may stand in its place. Never in the place of
    /// what is the caller's own already, nor of a signature, which is made over all that leaves.
    pub const fn gives_way(&self) -> bool {
        match self {
            Self::None | Self::Static(_) | Self::ClientCredentials(_) => true,
            Self::TokenExchange(_)
            | Self::AuthorizationCode(_)
            | Self::MappedKey(_)
            | Self::AwsSigV4(_)
            | Self::Passthrough(_) => false,
        }
    }

    /// The header that it fills; of keys that are set apart for callers each has its own.
    pub(crate) fn slot(&self) -> Option<&str> {
        match self {
            Self::None | Self::MappedKey(_) => None,
            Self::Static(header) => Some(header.name.as_str()),
            Self::ClientCredentials(_)
            | Self::TokenExchange(_)
            | Self::AuthorizationCode(_)
            | Self::AwsSigV4(_)
            | Self::Passthrough(_) => Some(AUTHORIZATION.as_str()),
        }
    }

    /// Whether it writes a header of this name, in normal form, beside the one that it fills.
    pub(crate) fn writes(&self, name: &str) -> bool {
        matches!(self, Self::AwsSigV4(_)) && name.starts_with("x-amz-")
    }
}

/// Who signs, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsSignature {
    /// Where the keys come from.
    pub identity: Identity,
    /// The region and the service that signatures are good for.
    pub scope: Scope,
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
    /// Who asks.
    pub client: TokenClient,
    /// `scope`; not sent when empty.
    pub scopes: ScopeSet,
    /// `audience`, as some authorization servers want it.
    pub audience: Option<String>,
    /// `resource` (RFC 8707).
    pub resource: Option<String>,
    /// `token_validation`: what the response must say.
    pub rules: TokenRules,
    /// Who chose these addresses, and hence how far they are trusted.
    pub chosen_by: Destination,
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
        let key = self.client.digest(key);
        digest_rules(key, &self.rules)
            .part(self.scopes.to_string().as_bytes())
            .part(&optional(&self.audience))
            .part(&optional(&self.resource))
            .part(&digest_of(self.chosen_by))
            .finish()
    }
}

/// A token that was got where anything could be reached is not for a server that may not reach everything.
pub(crate) fn digest_of(chosen_by: Destination) -> [u8; 2] {
    match chosen_by {
        Destination::Operator {
            allow_insecure_http,
        } => [0, u8::from(allow_insecure_http)],
        Destination::Untrusted { allow_loopback } => [1, u8::from(allow_loopback)],
    }
}

/// Another rule asks for another token: the one at hand was not judged by it.
pub(crate) fn digest_rules(key: Sha256, rules: &TokenRules) -> Sha256 {
    let key = key.part(&rules.iter().count().to_be_bytes());
    rules.iter().fold(key, |key, (path, expected)| {
        key.part(path.as_bytes()).part(expected.as_bytes())
    })
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

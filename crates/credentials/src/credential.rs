//! What we present, ready to be put on a request.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The kind of credential, as the audit event and the debug headers name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// Nothing is presented.
    NoAuth,
    /// A fixed value from the file.
    StaticToken,
    /// A token of the client-credentials grant.
    M2mClientCredentials,
}

impl CredentialKind {
    /// The label of product.md §12 and seed 003.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAuth => "no-auth",
            Self::StaticToken => "static-token",
            Self::M2mClientCredentials => "m2m-client-credentials",
        }
    }
}

/// A credential that can only be applied to an outgoing request; nothing reads it back.
#[derive(Clone)]
pub struct UpstreamCredential {
    kind: CredentialKind,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// SHA-256 of the token, so that `rejected` drops this one and not its successor.
    fingerprint: Option<[u8; 32]>,
}

impl UpstreamCredential {
    pub(crate) const fn new(
        kind: CredentialKind,
        headers: Vec<(HeaderName, HeaderValue)>,
        fingerprint: Option<[u8; 32]>,
    ) -> Self {
        Self {
            kind,
            headers,
            fingerprint,
        }
    }

    /// What kind it is.
    pub const fn kind(&self) -> CredentialKind {
        self.kind
    }

    pub(crate) const fn fingerprint(&self) -> Option<&[u8; 32]> {
        self.fingerprint.as_ref()
    }

    /// Puts it on a request, replacing whatever the same headers held.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
    }
}

impl fmt::Debug for UpstreamCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UpstreamCredential")
            .field(&self.kind)
            .finish()
    }
}

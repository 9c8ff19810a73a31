//! What of a caller's request may be used to act for that caller upstream: nothing else of it does.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::principal::TokenMarks;
use crate::secret::AccessToken;

/// A token of the caller's that an authorization server may exchange for one of an upstream.
///
/// It is never a key of ours: whoever makes one has asked whether it opens our own door.
#[derive(Clone)]
pub struct SubjectToken {
    token: AccessToken,
    fingerprint: [u8; 32],
    address: Option<IpAddr>,
}

/// It is the same token, wherever it came from.
impl PartialEq for SubjectToken {
    fn eq(&self, other: &Self) -> bool {
        self.token == other.token
    }
}

impl Eq for SubjectToken {}

impl SubjectToken {
    /// Takes a token that is known not to be one of our own keys.
    pub fn new(token: AccessToken) -> Self {
        Self {
            fingerprint: token.fingerprint(),
            token,
            address: None,
        }
    }

    /// The same, of a caller from there.
    #[must_use]
    pub fn coming_from(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// Where its caller is, if that can be told: whoever brings many made-up ones takes turns from
    /// nobody else.
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The token, for the one request that exchanges it.
    pub const fn token(&self) -> &AccessToken {
        &self.token
    }

    /// The SHA-256 of the whole token.
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }
}

impl fmt::Debug for SubjectToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectToken(redacted)")
    }
}

/// The caller as an upstream is to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnBehalf {
    /// The token to act with.
    pub subject: SubjectToken,
    /// It came beside the key that admitted the caller, so the key alone does not say who it is:
    /// several people may share the key.
    pub beside_key: bool,
    /// What the token that came beside the key says of itself, where that can be read.
    pub claimed: Option<Arc<TokenMarks>>,
}

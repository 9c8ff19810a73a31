//! Why a token is not believed.

use std::fmt;

/// The ways of not being believed. None holds anything of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// Not three parts of strict base64url, not strict JSON, or too large.
    Malformed,
    /// A header that asks for what is not understood: `crit`, `b64`, encryption, nesting.
    Header,
    /// An algorithm that is not on the issuer's list.
    Algorithm,
    /// No key of the issuer has this id, or none is told apart without one.
    UnknownKey,
    /// The signature is not the key's.
    Signature,
    /// Another type of token (RFC 8725 §3.11).
    Type,
    /// By its claims an ID token, a refresh token or a logout token.
    NotAnAccessToken,
    /// By its claims another token than an ID token.
    NotAnIdToken,
    /// An ID token of another sign-in, or of none.
    Nonce,
    /// An ID token that came with another access token.
    AccessTokenHash,
    /// Not the issuer whose rules apply, or nobody's that is trusted.
    Issuer,
    /// Made for somebody else.
    Audience,
    /// Over.
    Expired,
    /// Not begun, or issued in the future.
    NotYetValid,
    /// Valid for longer than the issuer may promise.
    Lifetime,
    /// A required claim is missing, or one is of another JSON type than it must be.
    Claims,
    /// Bound to a key (`cnf`, RFC 7800) whose possession was not proved.
    Confirmation,
    /// The authorization server says that it is not active (RFC 7662 §2.2).
    Inactive,
}

impl TokenFault {
    /// The stable reason in audit events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "token_malformed",
            Self::Header => "token_header",
            Self::Algorithm => "token_algorithm",
            Self::UnknownKey => "token_unknown_key",
            Self::Signature => "token_signature",
            Self::Type => "token_type",
            Self::NotAnAccessToken => "token_not_an_access_token",
            Self::NotAnIdToken => "token_not_an_id_token",
            Self::Nonce => "token_nonce",
            Self::AccessTokenHash => "token_at_hash",
            Self::Issuer => "token_issuer",
            Self::Audience => "token_audience",
            Self::Expired => "expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::Lifetime => "token_lifetime",
            Self::Claims => "token_claims",
            Self::Confirmation => "token_confirmation",
            Self::Inactive => "token_inactive",
        }
    }
}

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for TokenFault {}

//! Identity Assertion JWT Authorization Grants (draft-ietf-oauth-identity-assertion-authz-grant):
//! what an organisation's authorization server gives for a person's token, and what the resource's
//! takes for an access token.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{SecretValue, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::exchange_request::JWT_BEARER;
use crate::token_response::{LONGEST_LIFETIME, LONGEST_TOKEN, lifetime};
use crate::unverified::numeric_date;
use crate::{ClientAuthentication, InvalidTokenRequest, TokenRequest};

/// The type of such a grant as a token (§4.3).
pub const ID_JAG_TYPE: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// The `typ` of its head (§3.1).
const TYP: &str = "oauth-id-jag+jwt";

/// A grant for one person at one authorization server.
#[derive(Clone)]
pub struct IdJag {
    assertion: SecretValue,
    ends: Timestamp,
}

/// Why an answer is no such grant. Nothing of the answer is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdJag {
    /// Not a JSON object with the required members, each once.
    #[error("not a JSON object with access_token, token_type and issued_token_type")]
    Malformed,
    /// A token of another type: whatever it is, it was not asked for.
    #[error("issued_token_type is not that of an ID-JAG")]
    OtherType,
    /// RFC 8693 §2.2.1: what is no access token has the type `N_A`.
    #[error("token_type is not N_A")]
    NotNa,
    /// No JWT, or one without the head of such a grant.
    #[error("not a JWT of type oauth-id-jag+jwt")]
    OtherJwt,
    /// For another authorization server.
    #[error("its aud is not the authorization server that it was asked for")]
    OtherAudience,
    /// Without an end, or over.
    #[error("it has ended, or does not say when it ends")]
    Ended,
}

impl IdJag {
    /// Reads the answer of the organisation's authorization server (§4.3.3).
    ///
    /// Nobody verifies a signature here: the resource's authorization server does. What is checked
    /// keeps the grant from being something else, or from going to somebody else.
    pub fn parse(body: &[u8], audience: &str, now: Timestamp) -> Result<Self, InvalidIdJag> {
        #[derive(Deserialize)]
        struct Wire {
            access_token: String,
            token_type: String,
            issued_token_type: String,
            #[serde(default)]
            expires_in: Value,
        }
        let wire: Wire = serde_json::from_slice(body).map_err(|_| InvalidIdJag::Malformed)?;
        let assertion = SecretValue::new(wire.access_token);
        if wire.issued_token_type != ID_JAG_TYPE {
            return Err(InvalidIdJag::OtherType);
        }
        if !wire.token_type.eq_ignore_ascii_case("n_a") {
            return Err(InvalidIdJag::NotNa);
        }
        let said = Said::of(assertion.expose()).ok_or(InvalidIdJag::OtherJwt)?;
        if !said.is_for(audience) {
            return Err(InvalidIdJag::OtherAudience);
        }
        let longest = lifetime(&wire.expires_in).unwrap_or(LONGEST_LIFETIME);
        let ends = said.ends.min(now.after(longest));
        if ends <= now {
            return Err(InvalidIdJag::Ended);
        }
        Ok(Self { assertion, ends })
    }

    /// The moment from which on it is not shown any more.
    pub const fn ends(&self) -> Timestamp {
        self.ends
    }

    /// What tells it from everything else.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.assertion.fingerprint()
    }
}

impl fmt::Debug for IdJag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdJag(redacted)")
    }
}

/// What the JWT says of itself.
struct Said {
    audience: Value,
    ends: Timestamp,
}

impl Said {
    fn of(jwt: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Head {
            typ: String,
        }
        #[derive(Deserialize)]
        struct Claims {
            aud: Value,
            #[serde(default)]
            exp: f64,
        }
        let part = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let parts: Vec<&str> = jwt.split('.').collect();
        let [head, claims, signature] = parts.as_slice() else {
            return None;
        };
        if jwt.len() > LONGEST_TOKEN || part(signature)?.is_empty() {
            return None;
        }
        let head: Head = serde_json::from_slice(&part(head)?).ok()?;
        let claims: Claims = serde_json::from_slice(&part(claims)?).ok()?;
        // RFC 7515 §4.1.9: `application/` may be left out, and a media type has no case.
        let typ = head.typ.to_ascii_lowercase();
        (typ.strip_prefix("application/").unwrap_or(&typ) == TYP).then(|| Self {
            audience: claims.aud,
            ends: numeric_date(claims.exp),
        })
    }

    /// One audience and no other (§3.1), whether it stands alone or in a list.
    fn is_for(&self, audience: &str) -> bool {
        match &self.audience {
            Value::String(only) => only == audience,
            Value::Array(list) => matches!(list.as_slice(), [only] if only == audience),
            _ => false,
        }
    }
}

impl TokenRequest {
    /// A grant, to be traded for an access token (RFC 7523 §2.1). It says itself for which resource
    /// and scopes it is.
    pub fn jwt_bearer(
        client: &ClientAuthentication<'_>,
        grant: &IdJag,
    ) -> Result<Self, InvalidTokenRequest> {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", JWT_BEARER);
        let authorization = client.apply(&mut form)?;
        form.append_pair("assertion", grant.assertion.expose());
        Ok(Self::of(form.finish(), authorization))
    }
}

#[cfg(test)]
mod tests;

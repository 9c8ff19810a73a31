//! What of a caller's request is presented, instead of a credential of ours or beside it.

use http::{HeaderName, HeaderValue};
use portcullis_core::ForwardedHeaders;
use portcullis_oauth::Challenge;
use portcullis_policy::{Acting, Evidence};

use crate::broker::pair;
use crate::error::Failure;
use crate::{
    CredentialError, CredentialErrorKind, CredentialKind, ServerAuth, UpstreamCredential,
    WithoutBearer,
};

/// The credential of a request whose caller brought one for this server: no other is even fetched.
pub(crate) fn instead(
    evidence: &Evidence,
    auth: &ServerAuth,
) -> Option<Result<UpstreamCredential, CredentialError>> {
    let forwarded = evidence.forwarded().filter(|own| own.authenticates())?;
    let kind = if auth.auth.passes_through() {
        CredentialKind::Oauth2Passthrough
    } else {
        CredentialKind::PerRequestHeader
    };
    Some(Ok(plain(auth).joined_by(kind, lines(forwarded))))
}

/// The credential of a request whose caller should have brought one and did not.
pub(crate) fn without_bearer(
    without: WithoutBearer,
    evidence: &Evidence,
    auth: &ServerAuth,
) -> Result<UpstreamCredential, CredentialError> {
    // A request of our own ends a session or looks for a server; it has no caller to challenge.
    if without == WithoutBearer::Asked || *evidence.acting() == Acting::Service {
        Ok(plain(auth))
    } else {
        Err(Failure::new(CredentialErrorKind::NoBearer).for_server(&auth.server))
    }
}

/// Our credential, and beside it what else the server is handed.
pub(crate) fn joined(credential: UpstreamCredential, evidence: &Evidence) -> UpstreamCredential {
    let Some(forwarded) = evidence.forwarded() else {
        return credential;
    };
    let kind = match credential.kind() {
        CredentialKind::NoAuth => CredentialKind::ExtraHeaders,
        ours => ours,
    };
    credential.joined_by(kind, lines(forwarded))
}

/// Nothing but what every request carries.
fn plain(auth: &ServerAuth) -> UpstreamCredential {
    let fixed = auth.static_headers.iter().map(pair).collect();
    UpstreamCredential::new(CredentialKind::NoAuth, fixed, None)
}

fn lines(forwarded: &ForwardedHeaders) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    forwarded.iter().filter_map(|header| {
        let name = HeaderName::try_from(&*header.name).ok()?;
        let mut value = HeaderValue::try_from(header.value.expose()).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    })
}

/// A server's challenge, for the caller whose own credential it is about: read, and written anew of
/// what was understood. Without a `Bearer` challenge that can be, it is a bare one.
pub fn challenge_of(values: &[HeaderValue]) -> HeaderValue {
    Challenge::parse_bearer(values)
        .and_then(|challenge| challenge.to_header_value().ok())
        .filter(|value| value.len() <= MOST)
        .unwrap_or(HeaderValue::from_static("Bearer"))
}

/// Longest challenge that is passed on.
const MOST: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_rebuilt_and_nothing_else_of_it_goes_on() {
        let rebuilt = |text: &'static str| challenge_of(&[HeaderValue::from_static(text)]);
        let metadata = r#"Bearer resource_metadata="https://mcp.test/.well-known/oauth-protected-resource/mcp""#;
        assert_eq!(rebuilt(metadata), metadata);
        assert_eq!(
            rebuilt(
                r#"Basic realm="x", Bearer realm="r", error="invalid_token", error_description="canary", evil="y""#
            ),
            r#"Bearer realm="r", error="invalid_token""#
        );
        for other in ["Negotiate", "Basic realm=\"x\"", "", "Bearer"] {
            assert_eq!(rebuilt(other), "Bearer", "{other}");
        }
        assert_eq!(challenge_of(&[]), "Bearer");
        let long = format!("Bearer realm=\"{}\"", "x".repeat(4000));
        let long = HeaderValue::try_from(long).unwrap();
        assert_eq!(challenge_of(&[long]), "Bearer");
    }
}

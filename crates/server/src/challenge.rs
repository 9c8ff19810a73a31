//! `WWW-Authenticate` (RFC 6750 §3, RFC 9728 §5.1): why not, and where to read what would help.

use axum::body::Body;
use axum::http::header::{HeaderValue, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use portcullis_core::ScopeSet;
use portcullis_engine::Challenge;
use portcullis_engine::audit::Surface;

use crate::protected_resource;
use crate::state::ServerState;

/// What is wrong with what was presented.
pub(crate) enum Flaw<'a> {
    /// Nothing was presented (RFC 6750 §3.1: no error code then).
    Nothing,
    /// It is nobody's.
    InvalidToken,
    /// Its issuer wants this proved first: a claims request, base64.
    InsufficientClaims(&'a str),
    /// It lacks some of these, which are all that the operation needs.
    InsufficientScope(&'a ScopeSet),
}

/// A refusal with the challenge that a 401 must have (RFC 9110 §15.5.2), whoever made it: what let
/// the caller in does not stand any more.
pub(crate) fn challenged(
    state: &ServerState,
    parts: &Parts,
    surface: Surface,
    mut refusal: Response<Body>,
) -> Response<Body> {
    if refusal.status() == StatusCode::UNAUTHORIZED {
        let challenge = challenge(state, parts, surface, &Flaw::InvalidToken);
        refusal.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    refusal
}

/// What the engine found out about who is to be asked for what.
pub(crate) fn told(
    state: &ServerState,
    parts: &Parts,
    surface: Surface,
    whose: Challenge,
) -> HeaderValue {
    let flaw = match whose {
        Challenge::Ours {
            invalid_token: true,
        } => Flaw::InvalidToken,
        Challenge::Ours {
            invalid_token: false,
        } => Flaw::Nothing,
        Challenge::StepUp { ref claims } => Flaw::InsufficientClaims(claims),
        Challenge::TheServers(value) => return value,
    };
    challenge(state, parts, surface, &flaw)
}

/// The challenge for a request.
pub(crate) fn challenge(
    state: &ServerState,
    parts: &Parts,
    surface: Surface,
    flaw: &Flaw<'_>,
) -> HeaderValue {
    let metadata = protected_resource::document_of(state, parts, surface)
        .map(|url| format!(r#"resource_metadata="{url}""#));
    let mut parameters = Vec::with_capacity(3);
    match flaw {
        Flaw::Nothing => parameters.extend(metadata),
        Flaw::InvalidToken => {
            parameters.extend(metadata);
            parameters.push(r#"error="invalid_token""#.to_owned());
        }
        // As Microsoft Entra's own resources say it, and LiteLLM.
        Flaw::InsufficientClaims(claims) => {
            parameters.push(r#"error="insufficient_claims""#.to_owned());
            parameters.push(format!(r#"claims="{claims}""#));
            parameters.extend(metadata);
        }
        Flaw::InsufficientScope(required) => {
            parameters.push(r#"error="insufficient_scope""#.to_owned());
            parameters.push(format!(r#"scope="{required}""#));
            parameters.extend(metadata);
        }
    }
    let text = if parameters.is_empty() {
        "Bearer".to_owned()
    } else {
        format!("Bearer {}", parameters.join(", "))
    };
    // Origins, plain paths, base64 and scope tokens are all of visible ASCII.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer"))
}

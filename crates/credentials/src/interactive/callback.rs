//! Where a browser comes back to: an address for each server, so that what comes back to one of them
//! is never taken for the answer to another one's request (RFC 9700 §4.4.2.2, distinct redirect URIs).
//!
//! The threat is a server that names somebody else's authorization endpoint beside a token endpoint of
//! its own: the code of an honest authorization server would be shown to it, with our verifier. At an
//! honest one, our client is known with the address of that one's own server, and with no other.

use portcullis_core::ServerId;
use url::Url;

use super::authorization_server::AuthorizationServer;
use super::terms::AuthorizationCode;

/// The redirect URI of a flow of `server`, beneath `shared` or that address itself: a client that the
/// operator registered, or whose document the operator wrote, is known with the one address that all
/// of its servers share.
pub(super) fn redirect_uri(
    terms: &AuthorizationCode,
    found: &AuthorizationServer,
    shared: &str,
    server: &ServerId,
) -> String {
    let written = |own: &super::terms::Document| own.written && found.documents;
    if terms.client.is_some() || terms.document.as_ref().is_some_and(written) {
        return shared.to_owned();
    }
    format!("{shared}/{server}")
}

/// Whether a request to `path` is one to this redirect URI. The origin is not compared: behind a proxy
/// it is not ours to see.
pub(super) fn is_at(redirect_uri: &str, path: &str) -> bool {
    Url::parse(redirect_uri).is_ok_and(|uri| uri.path() == path)
}

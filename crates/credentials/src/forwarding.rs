//! What of a caller's request one server is handed, by the operator's settings for it. The order in
//! which several things that want the same header are heard is the table of this room's README.

mod caller_headers;
mod cookies;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE};
use portcullis_core::{
    Brought, ForwardedHeader, ForwardedHeaders, is_forwardable, normal_header_name as normal,
};

pub use self::caller_headers::{CallerHeaders, Template};
pub use self::cookies::CookieRule;
use crate::{ServerAuth, UpstreamAuth};

/// `x-api-key`: the other header that says who calls.
const API_KEY: &str = "x-api-key";

/// What one server is handed of its callers' requests; nothing, unless the file says so.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forwarding {
    /// `extra_headers`: these headers as they came.
    pub extra_headers: Vec<HeaderName>,
    /// `cookie_passthrough`.
    pub cookies: Option<CookieRule>,
    /// `x-mcp-{alias}-{header}` and `x-mcp-auth`.
    pub caller_headers: CallerHeaders,
}

/// What a caller sent for one server in particular.
#[derive(Clone, Debug, Default)]
pub struct Addressed<'b> {
    /// `x-mcp-{alias}-{header}`: the header's name, lower case, and what stood there.
    pub headers: Vec<(&'b str, &'b ForwardedHeader)>,
    /// `x-mcp-auth`, where the request addresses no other server.
    pub request_wide: Option<&'b ForwardedHeader>,
}

impl Forwarding {
    /// The headers that are looked for in every request; beside them, whatever is addressed to the
    /// server by name, if [`caller_headers`](Self::caller_headers) takes anything.
    pub fn asks_for(&self, auth: &UpstreamAuth) -> impl Iterator<Item = &str> {
        let bearer = auth.passes_through().then_some(AUTHORIZATION.as_str());
        let cookies = self.cookies.is_some().then_some(COOKIE.as_str());
        let listed = self.extra_headers.iter().map(HeaderName::as_str);
        listed.chain(bearer).chain(cookies)
    }

    /// Chooses, for one server. `None`: nothing is handed on.
    pub fn select(
        server: &ServerAuth,
        brought: &Brought,
        addressed: &Addressed<'_>,
    ) -> Option<Arc<ForwardedHeaders>> {
        if matches!(server.auth, UpstreamAuth::MappedKey(_)) {
            // A key that was set apart for the caller is presented alone.
            return None;
        }
        let settings = &server.forwarding;
        let mut chosen = Chosen {
            server,
            headers: Vec::new(),
            authenticates: false,
        };
        if server.auth.passes_through() {
            if let Some(bearer) = brought.header(AUTHORIZATION.as_str()).filter(is_bearer) {
                chosen.take(From::Bearer, bearer.clone());
            }
        } else if server.auth.gives_way() {
            for header in settings.caller_headers.of(&server.auth, addressed) {
                chosen.take(From::Addressed, header);
            }
        }
        for name in &settings.extra_headers {
            if let Some(header) = brought.header(name.as_str()) {
                chosen.take(From::Extra, header.clone());
            }
        }
        if let Some(rule) = &settings.cookies
            && let Some(header) = rule.header(&brought.cookies)
        {
            chosen.take(From::Extra, header);
        }
        let Chosen {
            headers,
            authenticates,
            ..
        } = chosen;
        (!headers.is_empty()).then(|| Arc::new(ForwardedHeaders::new(headers, authenticates)))
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "what `Option::filter` hands over"
)]
fn is_bearer(header: &&ForwardedHeader) -> bool {
    let scheme = header.value.expose().split_once(' ');
    scheme.is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
}

/// How a header was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// The caller's own bearer, where the server is called with it.
    Bearer,
    /// The caller addressed it to this server.
    Addressed,
    /// The file lists it.
    Extra,
}

/// Headers on their way to one server: whoever comes first has the name.
struct Chosen<'a> {
    server: &'a ServerAuth,
    headers: Vec<ForwardedHeader>,
    authenticates: bool,
}

impl Chosen<'_> {
    fn take(&mut self, from: From, header: ForwardedHeader) {
        let name = normal(&header.name);
        let auth = &self.server.auth;
        let fixed = self
            .server
            .static_headers
            .iter()
            .map(|header| header.name.as_str());
        let signer = self.server.signer.iter();
        let signed = signer.flat_map(|signer| signer.header_names().map(HeaderName::as_str));
        let taken = fixed
            .chain(signed)
            .chain(self.headers.iter().map(|header| &*header.name))
            .any(|other| normal(other) == name);
        // Cookies are sorted one by one; a whole header of them is not.
        let unsorted = from == From::Addressed && name == COOKIE.as_str();
        if taken || unsorted || auth.writes(&name) || !is_forwardable(&name) {
            return;
        }
        let slot = auth.slot().is_some_and(|slot| normal(slot) == name);
        let says_who = name == AUTHORIZATION.as_str() || name == API_KEY;
        let authenticates = match (from, auth) {
            (From::Bearer, _) => true,
            (From::Addressed, _) => slot || says_who,
            // A header that the file lists stands in for a fixed credential in its own place, and
            // beside everything else; a token is fetched for that very place, and stays.
            (From::Extra, UpstreamAuth::Static(_)) => slot,
            (From::Extra, UpstreamAuth::None) => says_who,
            (From::Extra, _) if slot => return,
            (From::Extra, _) => false,
        };
        self.authenticates |= authenticates;
        self.headers.push(header);
    }
}

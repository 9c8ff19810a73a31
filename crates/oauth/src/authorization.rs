//! The authorization code grant as its client sees it: the URL that a browser is sent to
//! (RFC 6749 §4.1.1) and what it comes back with (§4.1.2, RFC 9207).

use portcullis_core::{ScopeSet, SecretValue};
use url::{Url, form_urlencoded};

use crate::error_code::registered;
use crate::pkce::{CodeVerifier, S256};

/// What is asked for at an authorization endpoint.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizationRequest<'a> {
    /// `client_id`
    pub client_id: &'a str,
    /// `redirect_uri`, exactly as it is registered.
    pub redirect_uri: &'a str,
    /// `scope`; not sent when empty.
    pub scopes: &'a ScopeSet,
    /// `state`
    pub state: &'a str,
    /// Whose challenge is sent.
    pub verifier: &'a CodeVerifier,
    /// `resource` (RFC 8707 §2.1).
    pub resource: Option<&'a str>,
    /// `audience`, as some authorization servers want it.
    pub audience: Option<&'a str>,
    /// Parameters of this one authorization server's own.
    pub more: &'a [(&'static str, &'static str)],
}

/// An authorization endpoint that a browser cannot be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the authorization endpoint is not an http(s) URL without fragment")]
pub struct NoAuthorizationEndpoint;

impl AuthorizationRequest<'_> {
    /// The URL. A query of the endpoint stays (RFC 6749 §3.1), except for parameters that are ours
    /// to set: nobody may set them twice. Anything but http(s) would run in the browser as what it is.
    pub fn url(&self, endpoint: &Url) -> Result<Url, NoAuthorizationEndpoint> {
        let web = matches!(endpoint.scheme(), "http" | "https") && endpoint.has_host();
        if !web || endpoint.fragment().is_some() {
            return Err(NoAuthorizationEndpoint);
        }
        let scope = self.scopes.to_string();
        let challenge = self.verifier.challenge();
        let mut ours = vec![
            ("response_type", "code"),
            ("client_id", self.client_id),
            ("redirect_uri", self.redirect_uri),
            ("state", self.state),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", S256),
        ];
        if !scope.is_empty() {
            ours.push(("scope", &scope));
        }
        ours.extend(self.resource.map(|resource| ("resource", resource)));
        ours.extend(self.audience.map(|audience| ("audience", audience)));
        ours.extend_from_slice(self.more);
        let is_ours = |name: &str| ours.iter().any(|(known, _)| *known == name) || name == "scope";
        let theirs: Vec<(String, String)> = endpoint
            .query_pairs()
            .filter(|(name, _)| !is_ours(name))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let mut url = endpoint.clone();
        url.query_pairs_mut()
            .clear()
            .extend_pairs(theirs)
            .extend_pairs(ours);
        Ok(url)
    }
}

/// What a browser brought back from an authorization endpoint. Nobody vouches for any of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationResponse {
    /// `state`
    pub state: Option<String>,
    /// `iss` (RFC 9207 §2).
    pub issuer: Option<String>,
    /// What it came to.
    pub outcome: Arrival,
}

/// What a request to an authorization endpoint came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// `code`: neither empty nor blank.
    Code(SecretValue),
    /// `error`: its registered code; `None` for any other. What else is said of it stays unread.
    Refused(Option<&'static str>),
}

/// A response that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAuthorizationResponse {
    /// RFC 6749 §3.1: parameters must not be included more than once.
    #[error("a parameter of the authorization response is repeated")]
    Repeated,
    /// Neither `code` nor `error`, or both, or an empty code.
    #[error("the authorization response has no code")]
    NoCode,
}

impl AuthorizationResponse {
    /// Reads a query. Of `state`, `iss`, `code` and `error` each may stand there once.
    pub fn parse(query: &str) -> Result<Self, InvalidAuthorizationResponse> {
        let take = |wanted: &str| {
            let mut found = form_urlencoded::parse(query.as_bytes())
                .filter(|(name, _)| name == wanted)
                .map(|(_, value)| value.into_owned());
            match (found.next(), found.next()) {
                (_, Some(_)) => Err(InvalidAuthorizationResponse::Repeated),
                (value, None) => Ok(value),
            }
        };
        let (state, issuer) = (take("state")?, take("iss")?);
        let outcome = match (take("code")?, take("error")?) {
            (Some(code), None) if !code.trim().is_empty() => Arrival::Code(SecretValue::new(code)),
            (None, Some(error)) => Arrival::Refused(registered(&error)),
            _ => return Err(InvalidAuthorizationResponse::NoCode),
        };
        Ok(Self {
            state,
            issuer,
            outcome,
        })
    }
}

/// Why a response is not believed to be of the authorization server that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerDoubt {
    /// The server says that it always names itself, and did not.
    #[error("the authorization response does not say whose it is (iss)")]
    Missing,
    /// It is another's, or somebody else's who says so.
    #[error("the authorization response is another authorization server's (iss)")]
    Other,
}

/// RFC 9207 §2.4: who announces `iss` must send it, and whoever sends it must be the one that was
/// asked. Compared as simple strings (RFC 3986 §6.2.1).
pub fn check_issuer(
    expected: &str,
    announced: bool,
    received: Option<&str>,
) -> Result<(), IssuerDoubt> {
    match received {
        Some(issuer) if issuer == expected => Ok(()),
        Some(_) => Err(IssuerDoubt::Other),
        None if announced => Err(IssuerDoubt::Missing),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(endpoint: &str) -> Result<String, NoAuthorizationEndpoint> {
        let verifier = CodeVerifier::kept("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        let request = AuthorizationRequest {
            client_id: "us & them",
            redirect_uri: "https://gw.example/callback",
            scopes: &"b a".parse().unwrap(),
            state: "s",
            verifier: &verifier,
            resource: Some("https://mcp.example/mcp"),
            audience: None,
            more: &[("access_type", "offline")],
        };
        let url = request.url(&Url::parse(endpoint).unwrap())?;
        Ok(url.to_string())
    }

    #[test]
    fn rfc_6749_4_1_1_everything_that_is_asked_stands_in_the_url_once() {
        let ours = "response_type=code&client_id=us+%26+them\
             &redirect_uri=https%3A%2F%2Fgw.example%2Fcallback&state=s\
             &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256\
             &scope=a+b&resource=https%3A%2F%2Fmcp.example%2Fmcp&access_type=offline";
        for (endpoint, theirs) in [
            ("https://as.example/authorize", ""),
            ("https://as.example/authorize?tenant=1", "tenant=1&"),
            (
                "https://as.example/authorize?tenant=1&state=x&scope=y&code_challenge_method=plain",
                "tenant=1&",
            ),
        ] {
            assert_eq!(
                request(endpoint).unwrap(),
                format!("https://as.example/authorize?{theirs}{ours}")
            );
        }
    }

    #[test]
    fn a_browser_is_sent_to_web_pages_only() {
        for endpoint in [
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "ms-settings:x",
            "https://as.example/a#x",
        ] {
            assert_eq!(
                request(endpoint),
                Err(NoAuthorizationEndpoint),
                "{endpoint}"
            );
        }
    }

    #[test]
    fn rfc_6749_4_1_2_a_response_is_a_code_or_an_error() {
        let code = |code: &str| Arrival::Code(SecretValue::new(code));
        for (query, outcome) in [
            ("code=c&state=s&iss=i", code("c")),
            ("state=s&code=c%20d&iss=i&x=1&x=2", code("c d")),
            (
                "error=access_denied&state=s&iss=i&error_description=canary",
                Arrival::Refused(Some("access_denied")),
            ),
            ("error=%3Cscript%3E&state=s&iss=i", Arrival::Refused(None)),
        ] {
            let response = AuthorizationResponse::parse(query).unwrap();
            assert_eq!(response.outcome, outcome, "{query}");
            assert_eq!(response.state.as_deref(), Some("s"));
            assert_eq!(response.issuer.as_deref(), Some("i"));
        }
    }

    /// PKCE-17.
    #[test]
    fn what_is_empty_doubled_or_both_is_no_response() {
        use InvalidAuthorizationResponse::{NoCode, Repeated};
        for (query, fault) in [
            ("", NoCode),
            ("state=s", NoCode),
            ("code=&state=s", NoCode),
            ("code=%20&state=s", NoCode),
            ("code=c&error=access_denied", NoCode),
            ("code=c&code=c", Repeated),
            ("code=c&state=s&state=s", Repeated),
            ("code=c&iss=a&iss=a", Repeated),
            ("error=a&error=a", Repeated),
        ] {
            assert_eq!(AuthorizationResponse::parse(query), Err(fault), "{query}");
        }
    }

    /// PKCE-12.
    #[test]
    fn rfc_9207_2_4_the_issuer_is_compared_exactly() {
        let check = |announced, received| check_issuer("https://as.example", announced, received);
        assert_eq!(check(true, Some("https://as.example")), Ok(()));
        assert_eq!(check(false, Some("https://as.example")), Ok(()));
        assert_eq!(check(false, None), Ok(()));
        assert_eq!(check(true, None), Err(IssuerDoubt::Missing));
        for other in [
            "https://as.example/",
            "https://AS.example",
            "https://as.example:443",
            "https://evil.example",
            "",
        ] {
            for announced in [true, false] {
                assert_eq!(check(announced, Some(other)), Err(IssuerDoubt::Other));
            }
        }
    }
}

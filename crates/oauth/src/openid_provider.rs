//! What an OpenID provider says of itself, and how a person is sent there (OpenID Connect Discovery
//! 1.0, OpenID Connect Core 1.0 §3.1).

use portcullis_core::{AccessToken, SecretValue};
use serde::Deserialize;
use url::Url;

use crate::pkce::S256;
use crate::{CodeVerifier, MetadataError};

/// An ID token is not longer.
const LONGEST_ID_TOKEN: usize = 16 * 1024;

/// The metadata of a provider that people sign in with.
#[derive(Clone, Debug, Deserialize)]
pub struct OpenIdProvider {
    /// `issuer`.
    pub issuer: String,
    /// `authorization_endpoint`.
    pub authorization_endpoint: Url,
    /// `token_endpoint`.
    pub token_endpoint: Url,
    /// `jwks_uri`.
    pub jwks_uri: Url,
    /// `end_session_endpoint` (OpenID Connect RP-Initiated Logout 1.0 §2.1).
    #[serde(default)]
    pub end_session_endpoint: Option<Url>,
    /// `token_endpoint_auth_methods_supported`; absent means `client_secret_basic`.
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// `code_challenge_methods_supported` (RFC 8414 §2).
    #[serde(default)]
    pub code_challenge_methods_supported: Option<Vec<String>>,
    /// `authorization_response_iss_parameter_supported` (RFC 9207 §3).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

/// Where a person is sent to sign in, and what ties their return to it.
#[derive(Clone, Copy, Debug)]
pub struct SignInRequest<'a> {
    /// Our client at the provider.
    pub client_id: &'a str,
    /// Where the person comes back to.
    pub redirect_uri: &'a str,
    /// `scope`, `openid` among them.
    pub scope: &'a str,
    /// `state`.
    pub state: &'a str,
    /// `nonce`, which the ID token must repeat.
    pub nonce: &'a str,
    /// Whose challenge is sent.
    pub verifier: &'a CodeVerifier,
    /// Whether the person has to prove it there anew, signed in or not (`prompt=login`).
    pub anew: bool,
}

impl OpenIdProvider {
    /// Reads a document and checks that it is `issuer`'s, character by character (OpenID Connect
    /// Discovery 1.0 §4.3).
    pub fn parse(body: &[u8], issuer: &str) -> Result<Self, MetadataError> {
        #[derive(Deserialize)]
        struct Named {
            issuer: String,
        }
        // Whose it is comes first: another's document need not be complete to be another's.
        let named: Named = serde_json::from_slice(body).map_err(|_| MetadataError::Malformed)?;
        if named.issuer != issuer {
            return Err(MetadataError::IssuerMismatch);
        }
        let provider: Self = serde_json::from_slice(body).map_err(|_| MetadataError::Malformed)?;
        // Anything but http(s) would run in the browser as what it is.
        if is_web(&provider.authorization_endpoint) {
            Ok(provider)
        } else {
            Err(MetadataError::Malformed)
        }
    }

    /// Whether the provider says that it does not know S256. One that says nothing is believed to:
    /// providers from before RFC 8414 do not tell.
    pub fn denies_s256(&self) -> bool {
        let methods = self.code_challenge_methods_supported.as_ref();
        methods.is_some_and(|methods| !methods.iter().any(|method| method == S256))
    }

    /// The URL that the person's browser goes to (OpenID Connect Core 1.0 §3.1.2.1).
    pub fn authorization_url(&self, request: &SignInRequest<'_>) -> Url {
        let challenge = request.verifier.challenge();
        let mut ours = vec![
            ("response_type", "code"),
            ("client_id", request.client_id),
            ("redirect_uri", request.redirect_uri),
            ("scope", request.scope),
            ("state", request.state),
            ("nonce", request.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", S256),
        ];
        if request.anew {
            ours.push(("prompt", "login"));
        }
        // The endpoint's own query stays (RFC 6749 §3.1), but nobody sets twice what is ours to set.
        let theirs: Vec<(String, String)> = self
            .authorization_endpoint
            .query_pairs()
            .filter(|(name, _)| ours.iter().all(|(known, _)| known != name))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let mut url = self.authorization_endpoint.clone();
        url.set_fragment(None);
        url.query_pairs_mut()
            .clear()
            .extend_pairs(theirs)
            .extend_pairs(ours);
        url
    }

    /// Where a person ends their session at the provider too (OpenID Connect RP-Initiated Logout 1.0
    /// §2). Without `id_token_hint`: a token has no place in a URL.
    pub fn end_session_url(&self, client_id: &str, back_to: &str) -> Option<Url> {
        let mut url = self.end_session_endpoint.clone()?;
        if !is_web(&url) {
            return None;
        }
        url.set_fragment(None);
        url.query_pairs_mut()
            .append_pair("client_id", client_id)
            .append_pair("post_logout_redirect_uri", back_to);
        Some(url)
    }
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "http") && url.has_host()
}

/// What a token endpoint answers to a code of a sign-in (OpenID Connect Core 1.0 §3.1.3.3), reduced
/// to what is used of it.
#[derive(Clone, Debug)]
pub struct CodeResponse {
    /// `id_token`.
    pub id_token: SecretValue,
    /// `access_token`, for `at_hash` and nothing else.
    pub access_token: AccessToken,
}

impl CodeResponse {
    /// Reads a response body. `None`: it is not such a response.
    pub fn parse(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Wire {
            access_token: String,
            token_type: String,
            id_token: String,
        }
        let wire: Wire = serde_json::from_slice(body).ok()?;
        let (id_token, access_token) = (
            SecretValue::new(wire.id_token),
            AccessToken::new(wire.access_token),
        );
        let fits = wire.token_type.eq_ignore_ascii_case("bearer")
            && id_token.expose().len() <= LONGEST_ID_TOKEN;
        fits.then_some(Self {
            id_token,
            access_token,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://idp.example";

    fn provider(rest: &str) -> OpenIdProvider {
        let body = format!(
            r#"{{"issuer":"{ISSUER}","authorization_endpoint":"https://idp.example/a?tenant=1&nonce=x",
            "token_endpoint":"https://idp.example/t","jwks_uri":"https://idp.example/k"{rest}}}"#
        );
        OpenIdProvider::parse(body.as_bytes(), ISSUER).unwrap()
    }

    #[test]
    fn discovery_4_3_the_issuer_is_compared_exactly() {
        for (body, fault) in [
            (
                r#"{"issuer":"https://idp.example/"}"#,
                MetadataError::IssuerMismatch,
            ),
            (
                r#"{"issuer":"https://idp.example"}"#,
                MetadataError::Malformed,
            ),
            ("<html>", MetadataError::Malformed),
        ] {
            let error = OpenIdProvider::parse(body.as_bytes(), ISSUER).unwrap_err();
            assert_eq!(error, fault, "{body}");
        }
    }

    #[test]
    fn core_3_1_2_1_the_request_keeps_the_endpoints_own_query() {
        let verifier = CodeVerifier::from_random(&[7; 32]);
        let url = provider("").authorization_url(&SignInRequest {
            client_id: "gw",
            redirect_uri: "https://gw.example/login/callback",
            scope: "openid email",
            state: "s&t",
            nonce: "n",
            verifier: &verifier,
            anew: false,
        });
        assert_eq!(
            url.as_str(),
            format!(
                "https://idp.example/a?tenant=1&response_type=code&client_id=gw\
                 &redirect_uri=https%3A%2F%2Fgw.example%2Flogin%2Fcallback&scope=openid+email\
                 &state=s%26t&nonce=n&code_challenge={}&code_challenge_method=S256",
                verifier.challenge()
            )
        );
    }

    #[test]
    fn a_provider_that_knows_only_plain_challenges_says_so() {
        assert!(!provider("").denies_s256());
        let says = |methods| provider(&format!(r#","code_challenge_methods_supported":{methods}"#));
        assert!(!says(r#"["plain","S256"]"#).denies_s256());
        assert!(says(r#"["plain"]"#).denies_s256());
        assert!(says("[]").denies_s256());
    }

    #[test]
    fn where_a_session_ends_is_a_web_page() {
        let ends = |endpoint: &str| {
            let rest = format!(r#","end_session_endpoint":"{endpoint}""#);
            provider(&rest).end_session_url("gw", "https://gw.example/login")
        };
        assert_eq!(provider("").end_session_url("gw", "x"), None);
        assert_eq!(ends("javascript:alert(1)"), None);
        assert_eq!(
            ends("https://idp.example/out").unwrap().as_str(),
            "https://idp.example/out?client_id=gw\
             &post_logout_redirect_uri=https%3A%2F%2Fgw.example%2Flogin"
        );
    }

    #[test]
    fn core_3_1_3_3_an_answer_has_an_id_token() {
        let good = br#"{"access_token":"a","token_type":"bearer","id_token":"x.y.z","x":1}"#;
        let read = CodeResponse::parse(good).unwrap();
        assert_eq!(read.id_token.expose(), "x.y.z");
        for bad in [
            &br#"{"access_token":"a","token_type":"Bearer"}"#[..],
            br#"{"access_token":"a","token_type":"DPoP","id_token":"x.y.z"}"#,
            b"<html>",
        ] {
            assert!(CodeResponse::parse(bad).is_none());
        }
    }
}

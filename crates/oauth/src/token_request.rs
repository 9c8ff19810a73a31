//! Requests to a token endpoint.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use portcullis_core::{ClientSecret, RefreshToken, ScopeSet, SecretValue};
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::client_assertion::CLIENT_ASSERTION_TYPE;
use crate::pkce::CodeVerifier;

/// How the client proves who it is (RFC 6749 §2.3.1, RFC 7523 §2.2).
#[derive(Clone, Copy, Debug)]
pub enum ClientAuthentication<'a> {
    /// `none`: a public client, which only says who it is (RFC 6749 §3.2.1).
    Public {
        /// `client_id`.
        client_id: &'a str,
    },
    /// `client_secret_basic`: HTTP Basic, both parts form-encoded first.
    Basic {
        /// `client_id`.
        client_id: &'a str,
        /// `client_secret`.
        client_secret: &'a ClientSecret,
    },
    /// `client_secret_post`: both in the form.
    Post {
        /// `client_id`.
        client_id: &'a str,
        /// `client_secret`.
        client_secret: &'a ClientSecret,
    },
    /// `private_key_jwt`: a signed assertion in the form.
    Assertion {
        /// `client_id`, which some servers want beside the assertion (RFC 7521 §4.2 allows it).
        client_id: &'a str,
        /// The assertion, made for this one request.
        assertion: &'a SecretValue,
    },
}

impl ClientAuthentication<'_> {
    /// Puts it on a form, or into the header that it returns.
    pub(crate) fn apply(
        &self,
        form: &mut Serializer<'_, String>,
    ) -> Result<Option<HeaderValue>, InvalidTokenRequest> {
        match self {
            Self::Public { client_id } => {
                form.append_pair("client_id", client_id);
            }
            Self::Basic {
                client_id,
                client_secret,
            } => return basic(client_id, client_secret).map(Some),
            Self::Post {
                client_id,
                client_secret,
            } => {
                form.append_pair("client_id", client_id);
                form.append_pair("client_secret", client_secret.expose());
            }
            Self::Assertion {
                client_id,
                assertion,
            } => {
                form.append_pair("client_id", client_id);
                form.append_pair("client_assertion_type", CLIENT_ASSERTION_TYPE);
                form.append_pair("client_assertion", assertion.expose());
            }
        }
        Ok(None)
    }
}

/// A request that cannot be built.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client's credentials do not fit into a header")]
pub struct InvalidTokenRequest;

/// A form to be posted to a token endpoint, with its `Authorization` header if it has one.
pub struct TokenRequest {
    form: String,
    authorization: Option<HeaderValue>,
}

impl TokenRequest {
    /// The `Content-Type` of the form.
    pub const CONTENT_TYPE: &'static str = "application/x-www-form-urlencoded";

    /// The client-credentials grant (RFC 6749 §4.4.2), with `resource` after RFC 8707 §2 and the
    /// unregistered but widespread `audience`. An empty scope set is not sent.
    pub fn client_credentials(
        client: &ClientAuthentication<'_>,
        scopes: &ScopeSet,
        audience: Option<&str>,
        resource: Option<&str>,
    ) -> Result<Self, InvalidTokenRequest> {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        let authorization = client.apply(&mut form)?;
        if !scopes.is_empty() {
            form.append_pair("scope", &scopes.to_string());
        }
        if let Some(audience) = audience {
            form.append_pair("audience", audience);
        }
        if let Some(resource) = resource {
            form.append_pair("resource", resource);
        }
        Ok(Self::of(form.finish(), authorization))
    }

    pub(crate) const fn of(form: String, authorization: Option<HeaderValue>) -> Self {
        Self {
            form,
            authorization,
        }
    }

    /// The question to an introspection endpoint what an access token is (RFC 7662 §2.1). It is a
    /// form of the same kind, and the client proves itself in the same way.
    pub fn introspection(
        client: &ClientAuthentication<'_>,
        token: &str,
    ) -> Result<Self, InvalidTokenRequest> {
        let mut form = Serializer::new(String::new());
        form.append_pair("token", token);
        form.append_pair("token_type_hint", "access_token");
        let authorization = client.apply(&mut form)?;
        Ok(Self::of(form.finish(), authorization))
    }

    /// The token request of the authorization code grant (RFC 6749 §4.1.3, RFC 7636 §4.5).
    pub fn authorization_code(
        client: &ClientAuthentication<'_>,
        code: &SecretValue,
        redirect_uri: &str,
        verifier: &CodeVerifier,
        resource: Option<&str>,
    ) -> Result<Self, InvalidTokenRequest> {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code");
        form.append_pair("code", code.expose());
        form.append_pair("redirect_uri", redirect_uri);
        form.append_pair("code_verifier", verifier.expose());
        let authorization = client.apply(&mut form)?;
        if let Some(resource) = resource {
            form.append_pair("resource", resource);
        }
        Ok(Self::of(form.finish(), authorization))
    }

    /// A refresh (RFC 6749 §6). Without `scope`: what was granted is asked for again, never more.
    pub fn refresh(
        client: &ClientAuthentication<'_>,
        refresh_token: &RefreshToken,
        resource: Option<&str>,
    ) -> Result<Self, InvalidTokenRequest> {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token");
        form.append_pair("refresh_token", refresh_token.expose());
        let authorization = client.apply(&mut form)?;
        if let Some(resource) = resource {
            form.append_pair("resource", resource);
        }
        Ok(Self::of(form.finish(), authorization))
    }

    /// A revocation (RFC 7009 §2.1); `hint` is the token's kind.
    pub fn revocation(
        client: &ClientAuthentication<'_>,
        token: &str,
        hint: &'static str,
    ) -> Result<Self, InvalidTokenRequest> {
        let mut form = Serializer::new(String::new());
        form.append_pair("token", token);
        form.append_pair("token_type_hint", hint);
        let authorization = client.apply(&mut form)?;
        Ok(Self::of(form.finish(), authorization))
    }

    /// The `Authorization` header, marked sensitive.
    pub const fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// The form, which may hold the client's secret.
    pub fn into_form(self) -> String {
        self.form
    }
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenRequest(redacted)")
    }
}

/// Both parts are form-encoded before they are joined, so that a colon in the id is no separator.
fn basic(
    client_id: &str,
    client_secret: &ClientSecret,
) -> Result<HeaderValue, InvalidTokenRequest> {
    let pair: String = byte_serialize(client_id.as_bytes())
        .chain([":"])
        .chain(byte_serialize(client_secret.expose().as_bytes()))
        .collect();
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
        .map_err(|_| InvalidTokenRequest)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> ClientSecret {
        ClientSecret::new("s:e/c+r e%t&")
    }

    #[test]
    fn rfc_6749_2_3_1_basic_form_encodes_both_parts_first() {
        let request = TokenRequest::client_credentials(
            &ClientAuthentication::Basic {
                client_id: "my:client",
                client_secret: &secret(),
            },
            &ScopeSet::default(),
            None,
            None,
        )
        .unwrap();
        let value = request.authorization().unwrap();
        assert!(value.is_sensitive());
        let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(
            STANDARD.decode(encoded).unwrap(),
            b"my%3Aclient:s%3Ae%2Fc%2Br+e%25t%26"
        );
        assert_eq!(request.into_form(), "grant_type=client_credentials");
    }

    #[test]
    fn rfc_6749_4_4_2_post_puts_everything_in_the_form() {
        let request = TokenRequest::client_credentials(
            &ClientAuthentication::Post {
                client_id: "my:client",
                client_secret: &secret(),
            },
            &"b a".parse().unwrap(),
            Some("api"),
            Some("https://mcp.example/mcp"),
        )
        .unwrap();
        assert!(request.authorization().is_none());
        assert_eq!(
            request.into_form(),
            "grant_type=client_credentials&client_id=my%3Aclient\
             &client_secret=s%3Ae%2Fc%2Br+e%25t%26&scope=a+b&audience=api\
             &resource=https%3A%2F%2Fmcp.example%2Fmcp"
        );
    }

    #[test]
    fn rfc_7523_2_2_an_assertion_takes_the_place_of_the_secret() {
        let request = TokenRequest::client_credentials(
            &ClientAuthentication::Assertion {
                client_id: "id",
                assertion: &SecretValue::new("a.b.c"),
            },
            &ScopeSet::default(),
            None,
            None,
        )
        .unwrap();
        assert!(request.authorization().is_none());
        assert_eq!(
            request.into_form(),
            "grant_type=client_credentials&client_id=id\
             &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
             &client_assertion=a.b.c"
        );
    }

    #[test]
    fn rfc_7662_2_1_an_introspection_request_names_the_token_and_proves_the_client() {
        let request = TokenRequest::introspection(
            &ClientAuthentication::Basic {
                client_id: "gw",
                client_secret: &secret(),
            },
            "a&b=c",
        )
        .unwrap();
        assert!(request.authorization().is_some());
        let form = request.into_form();
        assert_eq!(form, "token=a%26b%3Dc&token_type_hint=access_token");
    }

    #[test]
    fn rfc_6749_4_1_3_a_public_client_proves_itself_by_its_verifier() {
        let request = TokenRequest::authorization_code(
            &ClientAuthentication::Public { client_id: "id" },
            &SecretValue::new("c&d"),
            "https://gw.example/callback",
            &CodeVerifier::kept("verifier"),
            Some("https://mcp.example/mcp"),
        )
        .unwrap();
        assert!(request.authorization().is_none());
        assert_eq!(
            request.into_form(),
            "grant_type=authorization_code&code=c%26d\
             &redirect_uri=https%3A%2F%2Fgw.example%2Fcallback&code_verifier=verifier\
             &client_id=id&resource=https%3A%2F%2Fmcp.example%2Fmcp"
        );
    }

    #[test]
    fn rfc_6749_6_a_refresh_never_asks_for_scopes() {
        let client = ClientAuthentication::Public { client_id: "id" };
        let request = TokenRequest::refresh(&client, &RefreshToken::new("r"), None).unwrap();
        assert_eq!(
            request.into_form(),
            "grant_type=refresh_token&refresh_token=r&client_id=id"
        );
        let request = TokenRequest::revocation(&client, "r", "refresh_token").unwrap();
        assert_eq!(
            request.into_form(),
            "token=r&token_type_hint=refresh_token&client_id=id"
        );
    }

    #[test]
    fn a_token_request_does_not_print_its_secret() {
        let request = TokenRequest::client_credentials(
            &ClientAuthentication::Post {
                client_id: "id",
                client_secret: &ClientSecret::new("canary"),
            },
            &ScopeSet::default(),
            None,
            None,
        )
        .unwrap();
        assert!(!format!("{request:?}").contains("canary"));
    }
}

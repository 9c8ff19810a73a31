//! What a client says of itself where it registers (RFC 7591) or is looked up (Client ID Metadata
//! Documents), and what a registration gives it.

use portcullis_core::ClientSecret;
use serde::{Deserialize, Serialize};

/// A client of the authorization code grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientMetadata {
    /// `client_id`: in a document, its own URL; nothing in a registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// `client_name`
    pub client_name: String,
    /// `client_uri`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// `redirect_uris`
    pub redirect_uris: Vec<String>,
    /// `grant_types`
    pub grant_types: &'static [&'static str],
    /// `response_types`
    pub response_types: &'static [&'static str],
    /// `token_endpoint_auth_method`
    pub token_endpoint_auth_method: &'static str,
    /// `application_type` (OpenID Connect Registration §2), which MCP requires.
    pub application_type: &'static str,
}

impl ClientMetadata {
    /// A client that comes back to these addresses, and keeps what it got with refresh tokens.
    pub fn new(client_name: &str, redirect_uris: Vec<String>, method: &'static str) -> Self {
        Self {
            client_id: None,
            client_name: client_name.to_owned(),
            client_uri: None,
            application_type: application_type(&redirect_uris),
            redirect_uris,
            grant_types: &["authorization_code", "refresh_token"],
            response_types: &["code"],
            token_endpoint_auth_method: method,
        }
    }

    /// The same for a server that knows no refresh tokens: some refuse to register a client that asks
    /// for a grant that they do not have.
    #[must_use]
    pub fn without_renewal(mut self) -> Self {
        self.grant_types = &["authorization_code"];
        self
    }
}

/// A web client may not come back to this machine, nor by plain http (OpenID Connect Registration
/// §2), so a gateway that is reached there is a native one.
fn application_type(redirect_uris: &[String]) -> &'static str {
    let web = redirect_uris
        .iter()
        .all(|uri| uri.starts_with("https://") && !uri.starts_with("https://localhost"));
    if web { "web" } else { "native" }
}

/// What a registration gave us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredClient {
    /// `client_id`
    pub client_id: String,
    /// `client_secret`
    pub client_secret: Option<ClientSecret>,
    /// `client_secret_expires_at`, in seconds since 1970; zero and absent mean never.
    pub secret_expires_at: Option<i64>,
    /// `token_endpoint_auth_method`, as the server settled it.
    pub method: Option<String>,
}

/// Longest `client_id` and `client_secret` that are kept.
const LONGEST: usize = 4 * 1024;

/// Not what RFC 7591 §3.2.1 says. Nothing of it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a registration response with a client_id")]
pub struct InvalidRegistration;

impl RegisteredClient {
    /// Reads a response body.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidRegistration> {
        #[derive(Deserialize)]
        struct Wire {
            client_id: String,
            #[serde(default)]
            client_secret: Option<String>,
            #[serde(default)]
            client_secret_expires_at: Option<i64>,
            #[serde(default)]
            token_endpoint_auth_method: Option<String>,
        }
        let wire: Wire = serde_json::from_slice(body).map_err(|_| InvalidRegistration)?;
        let fits = |text: &str| text.len() <= LONGEST && !text.contains(char::is_control);
        let secret = wire.client_secret.filter(|secret| !secret.is_empty());
        if wire.client_id.is_empty()
            || !fits(&wire.client_id)
            || !secret.as_deref().is_none_or(fits)
        {
            return Err(InvalidRegistration);
        }
        Ok(Self {
            client_id: wire.client_id,
            client_secret: secret.map(ClientSecret::new),
            secret_expires_at: wire.client_secret_expires_at.filter(|at| *at > 0),
            method: wire.token_endpoint_auth_method,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_says_what_kind_of_client_it_is() {
        let said = |uri: &str| {
            let client = ClientMetadata::new("Us", vec![uri.to_owned()], "none");
            serde_json::to_value(client).unwrap()
        };
        assert_eq!(
            said("https://gw.example/callback"),
            serde_json::json!({
                "client_name": "Us",
                "redirect_uris": ["https://gw.example/callback"],
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
                "application_type": "web",
            })
        );
        assert_eq!(
            said("http://127.0.0.1/callback")["application_type"],
            "native"
        );
        assert_eq!(said("https://localhost/cb")["application_type"], "native");
        let modest = ClientMetadata::new("Us", Vec::new(), "none").without_renewal();
        let modest = serde_json::to_value(modest).unwrap();
        assert_eq!(
            modest["grant_types"],
            serde_json::json!(["authorization_code"])
        );
    }

    #[test]
    fn only_a_registration_is_taken_for_one() {
        let client = RegisteredClient::parse(
            br#"{"client_id":"c","client_secret":"s","client_secret_expires_at":0,"x":{}}"#,
        )
        .unwrap();
        assert_eq!(client.client_id, "c");
        assert_eq!(client.client_secret, Some(ClientSecret::new("s")));
        assert_eq!(client.secret_expires_at, None);
        for body in [
            "<html>",
            "{}",
            r#"{"client_id":""}"#,
            r#"{"client_id":"a\nb"}"#,
            r#"{"client_id":"a","client_secret":"b\r\nc"}"#,
            r#"{"client_id":7}"#,
            r#"{"error":"invalid_redirect_uri"}"#,
        ] {
            assert_eq!(
                RegisteredClient::parse(body.as_bytes()),
                Err(InvalidRegistration),
                "{body}"
            );
        }
    }
}

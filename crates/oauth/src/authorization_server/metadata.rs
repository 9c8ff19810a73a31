//! What clients find out about us (RFC 8414 §2, OpenID Connect Discovery §3, RFC 9207 §3).

use portcullis_core::ScopeSet;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{AuthMethod, GrantType};

/// Which of our endpoints there are.
#[derive(Clone, Debug)]
pub struct Endpoints<'a> {
    /// Our public origin, where the endpoints are.
    pub origin: &'a str,
    /// The issuer: what stands in the document's own URL (RFC 8414 §3.3). The origin, or the URL of one
    /// of its endpoints, for clients that take that for the issuer's.
    pub issuer: &'a str,
    /// Where the keys are.
    pub jwks_uri: &'a str,
    /// Whether clients may register themselves (RFC 7591).
    pub registration: bool,
    /// Whether clients may be known by the URL of a document.
    pub client_documents: bool,
    /// Whether assertions of issuers are taken (RFC 7523).
    pub assertions: bool,
    /// Scopes that may be asked for.
    pub scopes: &'a ScopeSet,
    /// How access tokens are signed.
    pub signing_algorithm: &'a str,
}

/// The metadata document.
pub fn authorization_server_metadata(of: &Endpoints<'_>) -> Value {
    let (issuer, origin) = (of.issuer, of.origin);
    // The answer names the issuer that the client knows (RFC 9207 §2.4), so the question does.
    let mut authorization = format!("{origin}/authorize");
    if issuer != origin {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("issuer", issuer)
            .finish();
        authorization = format!("{authorization}?{query}");
    }
    let methods = [
        AuthMethod::None,
        AuthMethod::ClientSecretBasic,
        AuthMethod::ClientSecretPost,
    ]
    .map(AuthMethod::as_str);
    let mut grants = vec![
        GrantType::AuthorizationCode.as_str(),
        GrantType::RefreshToken.as_str(),
    ];
    if of.assertions {
        grants.push(GrantType::JwtBearer.as_str());
    }
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": authorization,
        "token_endpoint": format!("{origin}/token"),
        "revocation_endpoint": format!("{origin}/revoke"),
        "introspection_endpoint": format!("{origin}/introspect"),
        "jwks_uri": of.jwks_uri,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": grants,
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported":
            [AuthMethod::ClientSecretBasic.as_str(), AuthMethod::ClientSecretPost.as_str(), "bearer"],
        "authorization_response_iss_parameter_supported": true,
        "client_id_metadata_document_supported": of.client_documents,
        // OpenID Connect Discovery §3 requires these two of everybody; no ID token is ever made.
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [of.signing_algorithm],
    });
    if let Some(members) = document.as_object_mut() {
        if of.registration {
            let endpoint = format!("{origin}/register");
            members.insert("registration_endpoint".to_owned(), endpoint.into());
        }
        if of.assertions {
            members.insert(
                "authorization_grant_profiles_supported".to_owned(),
                json!(["urn:ietf:params:oauth:grant-profile:id-jag"]),
            );
        }
        if !of.scopes.is_empty() {
            let scopes: Vec<&str> = of.scopes.iter().collect();
            members.insert("scopes_supported".to_owned(), json!(scopes));
        }
    }
    document
}

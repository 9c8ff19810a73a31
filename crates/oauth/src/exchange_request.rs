//! Requests that trade a caller's token for another one.

use portcullis_core::{AccessToken, ScopeSet, SecretValue};
use url::form_urlencoded::Serializer;

use crate::{ClientAuthentication, InvalidTokenRequest, TokenRequest};

/// RFC 8693 §2.1.
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// RFC 7523 §2.1.
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// What a token exchange asks for (RFC 8693 §2.1). Everything but the subject is the operator's.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// `subject_token`
    pub subject: &'a AccessToken,
    /// `subject_token_type`
    pub subject_type: &'a str,
    /// `actor_token` and `actor_token_type`
    pub actor: Option<(&'a SecretValue, &'a str)>,
    /// `requested_token_type`
    pub requested_type: Option<&'a str>,
    /// `scope`; not sent when empty.
    pub scopes: &'a ScopeSet,
    /// `audience`
    pub audience: Option<&'a str>,
    /// `resource`
    pub resource: Option<&'a str>,
}

impl TokenRequest {
    /// A token exchange (RFC 8693 §2.1).
    pub fn token_exchange(
        client: &ClientAuthentication<'_>,
        exchange: &Exchange<'_>,
    ) -> Result<Self, InvalidTokenRequest> {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", TOKEN_EXCHANGE);
        let authorization = client.apply(&mut form)?;
        form.append_pair("subject_token", exchange.subject.expose());
        form.append_pair("subject_token_type", exchange.subject_type);
        if let Some((actor, actor_type)) = exchange.actor {
            form.append_pair("actor_token", actor.expose());
            form.append_pair("actor_token_type", actor_type);
        }
        if !exchange.scopes.is_empty() {
            form.append_pair("scope", &exchange.scopes.to_string());
        }
        for (name, value) in [
            ("requested_token_type", exchange.requested_type),
            ("audience", exchange.audience),
            ("resource", exchange.resource),
        ] {
            if let Some(value) = value {
                form.append_pair(name, value);
            }
        }
        Ok(Self::of(form.finish(), authorization))
    }

    /// Microsoft Entra's on-behalf-of flow: the caller's token as the assertion of RFC 7523 §2.1.
    pub fn entra_on_behalf_of(
        client: &ClientAuthentication<'_>,
        subject: &AccessToken,
        scopes: &ScopeSet,
    ) -> Result<Self, InvalidTokenRequest> {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", JWT_BEARER);
        let authorization = client.apply(&mut form)?;
        form.append_pair("assertion", subject.expose());
        form.append_pair("requested_token_use", "on_behalf_of");
        form.append_pair("scope", &scopes.to_string());
        Ok(Self::of(form.finish(), authorization))
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::ClientSecret;

    use super::*;

    #[test]
    fn rfc_8693_2_1_an_exchange_says_what_the_file_says_and_nothing_more() {
        let (secret, subject) = (ClientSecret::new("s"), AccessToken::new("a.b.c"));
        let client = ClientAuthentication::Post {
            client_id: "c",
            client_secret: &secret,
        };
        let access = "urn:ietf:params:oauth:token-type:access_token";
        let least = Exchange {
            subject: &subject,
            subject_type: access,
            actor: None,
            requested_type: None,
            scopes: &ScopeSet::default(),
            audience: None,
            resource: None,
        };
        let form = |exchange: &Exchange<'_>| {
            let request = TokenRequest::token_exchange(&client, exchange).unwrap();
            assert!(request.authorization().is_none());
            request.into_form()
        };
        let start = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
                     &client_id=c&client_secret=s&subject_token=a.b.c\
                     &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token";
        assert_eq!(form(&least), start);
        let actor = SecretValue::new("actor");
        let most = Exchange {
            actor: Some((&actor, "urn:t")),
            requested_type: Some(access),
            scopes: &"b a".parse().unwrap(),
            audience: Some("api"),
            resource: Some("https://mcp.example/mcp"),
            ..least
        };
        let more = "&actor_token=actor&actor_token_type=urn%3At&scope=a+b\
                    &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
                    &audience=api&resource=https%3A%2F%2Fmcp.example%2Fmcp";
        assert_eq!(form(&most), format!("{start}{more}"));
    }

    #[test]
    fn entra_gets_the_token_as_an_assertion() {
        let secret = ClientSecret::new("s");
        let client = ClientAuthentication::Post {
            client_id: "c",
            client_secret: &secret,
        };
        let subject = AccessToken::new("a.b.c");
        let scopes = "api://x/.default".parse().unwrap();
        let request = TokenRequest::entra_on_behalf_of(&client, &subject, &scopes).unwrap();
        assert_eq!(
            request.into_form(),
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer\
             &client_id=c&client_secret=s&assertion=a.b.c\
             &requested_token_use=on_behalf_of&scope=api%3A%2F%2Fx%2F.default"
        );
    }
}

//! Whom a person is at the other side, as far as it says so: for their own eyes, and for no decision.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, StatusCode};
use portcullis_core::AccessToken;
use portcullis_egress::RequestBody;
use serde_json::Value;
use url::Url;

use crate::broker::Door;
use crate::discovery::Trust;
use crate::document::{exchange, uri};

/// Longest name that is shown, in characters.
const LONGEST: usize = 80;

/// Where names stand: claims of OpenID Connect Core §5.1, and what services say beside a token.
const NAMES: &[&str] = &[
    "/email",
    "/preferred_username",
    "/login",
    "/username",
    "/name",
    "/user/email",
    "/user/name",
    "/authed_user/email",
    "/authed_user/id",
    "/workspace_name",
    "/team/name",
    "/sub",
];

/// The name in a token response, or in the ID token in it. Nobody verified that token: it came from
/// the token endpoint itself (OpenID Connect Core §3.1.3.7), and is only shown.
pub(super) fn account_of(body: &[u8]) -> Option<String> {
    let response: Value = serde_json::from_slice(body).ok()?;
    let claims = response.get("id_token").and_then(Value::as_str);
    let claims = claims.and_then(|token| {
        let payload = token.split('.').nth(1)?;
        serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    });
    claims
        .as_ref()
        .and_then(name_in)
        .or_else(|| name_in(&response))
}

fn name_in(value: &Value) -> Option<String> {
    let named = NAMES
        .iter()
        .filter_map(|place| value.pointer(place)?.as_str());
    named.map(shown).find(|name| !name.is_empty())
}

/// Without what would change how the rest is shown.
fn shown(name: &str) -> String {
    let turns = |character: &char| matches!(character, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let plain = name
        .chars()
        .filter(|character| !character.is_control() && !turns(character));
    plain.take(LONGEST).collect::<String>().trim().to_owned()
}

impl Door {
    /// What the userinfo endpoint says (OpenID Connect Core §5.3). Without it there is no name.
    pub(super) async fn userinfo(
        &self,
        trust: &Trust<'_>,
        endpoint: &Url,
        token: &AccessToken,
    ) -> Option<String> {
        let mut request = Request::new(RequestBody::default());
        *request.uri_mut() = uri(endpoint).ok()?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok()?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        let destination = trust.destination(endpoint);
        let answer = exchange(&*self.http, request, destination).await.ok()?;
        if answer.status != StatusCode::OK {
            return None;
        }
        name_in(&serde_json::from_slice(&answer.body).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_where_services_put_it_and_shown_plainly() {
        let jwt = |claims: &str| format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims));
        let with = |claims: &str| format!(r#"{{"id_token":"{}","name":"no"}}"#, jwt(claims));
        for (body, name) in [
            (
                with(r#"{"email":"a@b.example","sub":"1"}"#),
                Some("a@b.example"),
            ),
            (with(r#"{"sub":"1"}"#), Some("1")),
            (r#"{"workspace_name":"Acme"}"#.to_owned(), Some("Acme")),
            (r#"{"team":{"name":"T"}}"#.to_owned(), Some("T")),
            ("{\"login\":\"a\\u202eb\\n\"}".to_owned(), Some("ab")),
            (r#"{"login":7,"sub":""}"#.to_owned(), None),
            (r#"{"id_token":"x"}"#.to_owned(), None),
            ("<html>".to_owned(), None),
        ] {
            assert_eq!(account_of(body.as_bytes()).as_deref(), name, "{body}");
        }
        let long = format!(r#"{{"login":"{}"}}"#, "x".repeat(500));
        assert_eq!(account_of(long.as_bytes()).unwrap().len(), LONGEST);
    }
}

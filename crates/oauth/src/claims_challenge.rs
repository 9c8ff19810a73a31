//! What an authorization server wants a caller to prove before it goes on: the `claims` of an error
//! response, as Microsoft Entra sends it with `interaction_required` (a step-up in the sense of RFC
//! 9470), for the caller to hand to whoever signs them in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::jose::json;

/// Longest `claims`, and longest text in it. Policies are named by identifiers.
const MOST: usize = 1024;
const MOST_OF_ONE: usize = 128;

/// The claims request of an error response (OpenID Connect Core §5.5), in the form in which a
/// challenge carries it: written anew of what a claims request may hold, and base64. `None`: there is
/// none, or it is anything else. Servers repeat secrets in whatever they may write.
pub fn claims_challenge(body: &[u8]) -> Option<String> {
    let response = json::object(body)?;
    let claims = response.get("claims")?.as_str()?;
    if claims.len() > MOST {
        return None;
    }
    let asked = json::object(claims.as_bytes())?;
    let is_request = !asked.is_empty() && asked.iter().all(|(place, names)| is_part(place, names));
    is_request.then(|| STANDARD.encode(Value::Object(asked).to_string()))
}

/// Where claims are asked for, and which.
fn is_part(place: &str, names: &Value) -> bool {
    let known = ["access_token", "id_token", "userinfo"].contains(&place);
    let named = |names: &Map<String, Value>| {
        let mut names = names.iter();
        names.all(|(name, wish)| is_plain(name) && is_wish(wish))
    };
    known && names.as_object().is_some_and(named)
}

/// How a claim is asked for; Entra writes `Values`.
fn is_wish(wish: &Value) -> bool {
    match wish {
        Value::Null => true,
        Value::Object(members) => {
            members.iter().all(
                |(name, value)| match (name.to_ascii_lowercase().as_str(), value) {
                    ("essential", Value::Bool(_)) => true,
                    ("value", Value::String(text)) => is_plain(text),
                    ("values", Value::Array(texts)) => {
                        let mut texts = texts.iter().map(Value::as_str);
                        texts.all(|text| text.is_some_and(is_plain))
                    }
                    _ => false,
                },
            )
        }
        _ => false,
    }
}

/// An identifier or a URI: no prose.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/#".contains(&byte);
    !text.is_empty() && text.len() <= MOST_OF_ONE && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn challenged(claims: &Value) -> Option<Value> {
        let body = json!({"error": "interaction_required", "claims": claims});
        let told = claims_challenge(body.to_string().as_bytes())?;
        Some(serde_json::from_slice(&STANDARD.decode(told).unwrap()).unwrap())
    }

    #[test]
    fn a_claims_request_is_handed_on_and_nothing_else() {
        for request in [
            r#"{"access_token":{"polids":{"essential":true,"Values":["9ab03e19-ed42-4168-b6b7-7001fb3e933a"]}}}"#,
            r#"{"id_token":{"acr":{"value":"urn:mace:incommon:iap:silver"},"auth_time":null},"userinfo":{}}"#,
        ] {
            let expected: Value = serde_json::from_str(request).unwrap();
            assert_eq!(challenged(&request.into()), Some(expected), "{request}");
        }
        let spaced = json!("{ \"access_token\" : { \"nbf\" : { \"essential\" : true } } }");
        let plain = json!({"access_token": {"nbf": {"essential": true}}});
        assert_eq!(challenged(&spaced), Some(plain));
        for other in [
            r#"{"canary":{}}"#,
            r#"{"access_token":"canary"}"#,
            r#"{"access_token":{"acr":"canary"}}"#,
            r#"{"access_token":{"acr":{"value":"some canary prose"}}}"#,
            r#"{"access_token":{"acr":{"value":"canary","note":"canary"}}}"#,
            r#"{"access_token":{"acr":{"values":[1]}}}"#,
            r#"{"access_token":{"acr":{"value":"a\"b"}}}"#,
            r#"{"access_token":{"a":null,"a":null}}"#,
            r#"{"access_token":{"":null}}"#,
            "{}",
            "[]",
            "canary",
            "",
        ] {
            assert_eq!(challenged(&other.into()), None, "{other}");
        }
        let long = format!(
            r#"{{"access_token":{{"acr":{{"value":"{}"}}}}}}"#,
            "x".repeat(129)
        );
        assert_eq!(challenged(&long.into()), None);
        let many = vec![r#""x""#; 400].join(",");
        let many = format!(r#"{{"access_token":{{"acr":{{"values":[{many}]}}}}}}"#);
        assert_eq!(challenged(&many.into()), None);
        assert_eq!(
            challenged(&json!({"access_token": {}})),
            None,
            "an object is no text"
        );
    }
}

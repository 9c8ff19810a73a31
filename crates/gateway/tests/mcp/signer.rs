//! Servers that trust one issuer: us. Each story reads the tokens as such a server would, with another
//! library and by the published keys.

mod callers;
mod keys;
mod scopes;
mod subjects;

use std::collections::HashMap;

use http::Method;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use portcullis_testkit::upstream::{FakeUpstream, Recorded};
use serde_json::Value;

use super::support::{Client, House, server};

const ISSUER: &str = "http://127.0.0.1:4000";

/// The guardrail with these further lines.
fn guardrail(lines: &[&str]) -> String {
    let mut text = "guardrails:\n- guardrail_name: mcp-jwt-signer\n  litellm_params:\n    \
                    guardrail: mcp_jwt_signer\n    mode: pre_mcp_call\n"
        .to_owned();
    for line in lines {
        text.push_str("    ");
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// A gateway that signs for this server by ES256, which is quick.
async fn signing_for(upstream: &FakeUpstream, lines: &[&str]) -> House {
    let lines = [&["default_on: true", "algorithm: ES256"], lines].concat();
    House::of(&[server("a", upstream, &[]), guardrail(&lines)]).await
}

/// What a stranger reads at this path.
async fn document(house: &House, path: &str, headers: &[(&str, &str)]) -> (u16, String, Value) {
    let stranger = house.client("none").at(path);
    let mut opened = stranger.request(Method::GET, "", headers).await;
    let cache = opened.headers.remove("cache-control");
    let cache = cache.map(|value| value.to_str().unwrap().to_owned());
    let status = opened.status.as_u16();
    let text = opened.whole().await.text;
    // No governed request: it is on nobody's record.
    house.forget_one();
    (
        status,
        cache.unwrap_or_default(),
        serde_json::from_str(&text).unwrap_or_default(),
    )
}

/// Reads tokens by what the gateway publishes.
struct Judge(JwkSet);

impl Judge {
    async fn of(house: &House) -> Self {
        let (status, _, metadata) = document(house, "/.well-known/openid-configuration", &[]).await;
        assert_eq!((status, metadata["issuer"].as_str()), (200, Some(ISSUER)));
        assert_eq!(
            metadata["jwks_uri"],
            format!("{ISSUER}/.well-known/jwks.json")
        );
        let (_, _, keys) = document(house, "/.well-known/jwks.json", &[]).await;
        Self(serde_json::from_value(keys).unwrap())
    }

    /// The claims of a token for this audience.
    #[expect(
        clippy::disallowed_methods,
        reason = "an independent judge of signatures, told one algorithm"
    )]
    fn read(&self, bearer: &str, audience: &str) -> Value {
        let token = bearer.strip_prefix("Bearer ").unwrap();
        let header = decode_header(token).unwrap();
        assert_eq!(header.typ.as_deref(), Some("at+jwt"));
        let jwk = self.0.find(header.kid.as_deref().unwrap()).unwrap();
        let mut rules = Validation::new(header.alg);
        rules.set_audience(&[audience]);
        rules.set_issuer(&[ISSUER]);
        rules.leeway = 0;
        rules.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        rules.validate_nbf = true;
        let key = DecodingKey::from_jwk(jwk).unwrap();
        decode::<Value>(token, &key, &rules).unwrap().claims
    }

    fn claims(&self, request: &Recorded) -> Value {
        let bearers = request.all("authorization");
        assert_eq!(bearers.len(), 1, "{request:?}");
        self.read(bearers[0], "mcp")
    }
}

fn text<'v>(claims: &'v Value, name: &str) -> &'v str {
    claims[name].as_str().unwrap_or_default()
}

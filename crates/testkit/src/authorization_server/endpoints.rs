//! What the server answers: strict where OAuth 2.1 is.
#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a request that breaks the specification is a failed story"
)]

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis_core::sha256;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::{Granted, Iss, Known, Shared, State};
use crate::upstream::{Recorded, Reply};

/// Parameters, each of which must be there once.
pub(super) fn form(text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()).into_owned() {
        assert!(
            all.insert(name.clone(), value).is_none(),
            "`{name}` is repeated in {text}"
        );
    }
    all
}

pub(super) fn query(url: &Url) -> BTreeMap<String, String> {
    form(url.query().unwrap_or_default())
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|one| Some(one.as_str()?.to_owned()))
        .collect()
}

fn error(status: u16, code: &str) -> Reply {
    let body = json!({"error": code, "error_description": "canary-of-the-authorization-server"});
    Reply::json(status, body.to_string())
}

impl Shared {
    pub(super) fn register(&self, request: &Recorded) -> Reply {
        let mut state = self.state();
        if let Some((status, body)) = state.manners.registration.clone() {
            return Reply::json(status, body);
        }
        let wish: Value = serde_json::from_str(&request.body).unwrap_or_default();
        assert!(
            matches!(wish["application_type"].as_str(), Some("web" | "native")),
            "{wish}"
        );
        let grants = wish["grant_types"].as_array().cloned().unwrap_or_default();
        // Some refuse what they do not have.
        let has = &state.manners.metadata["grant_types_supported"];
        let renews = has
            .as_array()
            .is_none_or(|has| has.contains(&json!("refresh_token")));
        assert_eq!(grants.contains(&json!("refresh_token")), renews, "{wish}");
        let method = wish["token_endpoint_auth_method"].as_str().unwrap_or("");
        state.made += 1;
        let client_id = format!("client-{}", state.made);
        let secret = (method != "none").then(|| format!("secret of {client_id}"));
        let known = Known {
            secret: secret.clone(),
            method: method.to_owned(),
            redirect_uris: Some(texts(&wish["redirect_uris"])),
        };
        state.clients.insert(client_id.clone(), known);
        let mut answer = wish.clone();
        answer["client_id"] = json!(client_id);
        if let Some(secret) = secret {
            answer["client_secret"] = json!(secret);
            answer["client_secret_expires_at"] = json!(0);
        }
        Reply::json(201, answer.to_string())
    }

    pub(super) fn agree(&self, url: &Url) -> String {
        let issuer = self.issuer();
        let asked = query(url);
        let mut state = self.state();
        state.asked.push(asked.clone());
        let need = |name: &str| match asked.get(name) {
            Some(value) => value.clone(),
            None => panic!("no `{name}` in {url}"),
        };
        assert_eq!(need("response_type"), "code");
        assert_eq!(need("code_challenge_method"), "S256");
        assert_eq!(need("code_challenge").len(), 43);
        let client_id = need("client_id");
        let document = state.manners.metadata["client_id_metadata_document_supported"] == true
            && client_id.starts_with("https://");
        assert!(
            document || state.clients.contains_key(&client_id),
            "unknown client {client_id}"
        );
        if let Some(known) = state.clients.get(&client_id) {
            let uri = need("redirect_uri");
            assert!(known.comes_back_to(&uri), "{client_id} is not at {uri}");
        }
        let scopes = asked.get("scope").map(String::as_str).unwrap_or_default();
        let granted = Granted {
            client_id,
            redirect_uri: need("redirect_uri"),
            challenge: need("code_challenge"),
            resource: asked.get("resource").cloned().unwrap_or_default(),
            scopes: scopes.split_whitespace().map(str::to_owned).collect(),
        };
        let mut back = form_urlencoded::Serializer::new(String::new());
        back.append_pair("state", &need("state"));
        match state.manners.iss.clone() {
            Iss::Unsaid => {}
            Iss::Own => {
                back.append_pair("iss", &issuer);
            }
            Iss::Exactly(other) => {
                back.append_pair("iss", &other);
            }
        }
        if let Some(code) = state.manners.refuses {
            back.append_pair("error", code);
            back.append_pair("error_description", "canary-of-the-authorization-server");
        } else {
            state.made += 1;
            let code = format!("code-{}", state.made);
            back.append_pair("code", &code);
            state.codes.insert(code, granted);
        }
        back.finish()
    }

    pub(super) fn token(&self, request: &Recorded) -> Reply {
        let form = form(&request.body);
        let mut state = self.state();
        if let Some((status, body)) = state.manners.tokens.clone() {
            return Reply::json(status, body);
        }
        let Some(client_id) = state.client(request, &form) else {
            return error(401, "invalid_client");
        };
        let said = |name: &str| form.get(name).cloned().unwrap_or_default();
        let granted = match said("grant_type").as_str() {
            "authorization_code" => {
                let Some(granted) = state.codes.remove(&said("code")) else {
                    return error(400, "invalid_grant");
                };
                let proof = URL_SAFE_NO_PAD.encode(sha256(said("code_verifier").as_bytes()));
                if proof != granted.challenge || said("redirect_uri") != granted.redirect_uri {
                    return error(400, "invalid_grant");
                }
                granted
            }
            // Rotation: a refresh token is good once.
            "refresh_token" => match state.refresh_tokens.remove(&said("refresh_token")) {
                Some(granted) => granted,
                None => return error(400, "invalid_grant"),
            },
            _ => return error(400, "unsupported_grant_type"),
        };
        if granted.client_id != client_id {
            return error(400, "invalid_grant");
        }
        if said("resource") != granted.resource {
            return error(400, "invalid_target");
        }
        state.give(granted)
    }

    pub(super) fn revoke(&self, request: &Recorded) -> Reply {
        let form = form(&request.body);
        let mut state = self.state();
        if state.client(request, &form).is_none() {
            return error(401, "invalid_client");
        }
        let token = form.get("token").cloned().unwrap_or_default();
        state.tokens.remove(&token);
        state.refresh_tokens.remove(&token);
        Reply::status(200)
    }
}

impl State {
    /// Who asks, if they prove it in the way that they registered for.
    fn client(&mut self, request: &Recorded, form: &BTreeMap<String, String>) -> Option<String> {
        if let Some(assertion) = form.get("client_assertion") {
            return self.signing_client(form, assertion);
        }
        let basic = request.header("authorization").map(|value| {
            let encoded = value.strip_prefix("Basic ").unwrap_or_default();
            let pair = STANDARD.decode(encoded).unwrap_or_default();
            let pair = String::from_utf8_lossy(&pair).into_owned();
            let (id, secret) = pair.split_once(':').unwrap_or_default();
            let decoded = |text: &str| {
                let pairs = format!("x={text}");
                let mut pairs = form_urlencoded::parse(pairs.as_bytes());
                pairs.next().map(|(_, value)| value.into_owned())
            };
            (decoded(id), decoded(secret))
        });
        let (id, secret, method) = if let Some((id, secret)) = basic {
            (id?, secret, "client_secret_basic")
        } else {
            let secret = form.get("client_secret").cloned();
            let method = match secret {
                Some(_) => "client_secret_post",
                None => "none",
            };
            (form.get("client_id")?.clone(), secret, method)
        };
        if id.starts_with("https://") {
            return (method == "none").then_some(id);
        }
        let known = self.clients.get(&id)?;
        (known.method == method && known.secret == secret).then_some(id)
    }

    /// RFC 7523 §3, as far as it is about what is said: whether it is signed well, others judge.
    fn signing_client(&mut self, form: &BTreeMap<String, String>, jwt: &str) -> Option<String> {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        assert_eq!(form["client_assertion_type"], kind);
        assert!(!form.contains_key("client_secret"), "{form:?}");
        let payload = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1)?).ok()?;
        let claims: Value = serde_json::from_slice(&payload).ok()?;
        let id = claims["iss"].as_str()?.to_owned();
        assert_eq!(claims["sub"], id);
        assert_eq!(claims["aud"], self.manners.metadata["issuer"]);
        assert!(claims["exp"].as_i64() > claims["iat"].as_i64(), "{claims}");
        let jti = claims["jti"].as_str()?.to_owned();
        assert!(self.assertions.insert(jti), "{claims} came again");
        let known = self.clients.get(&id)?;
        (known.method == "private_key_jwt").then_some(id)
    }

    fn give(&mut self, granted: Granted) -> Reply {
        self.made += 1;
        let token = format!("upstream-token-{}", self.made);
        let mut answer = json!({"access_token": token, "token_type": "Bearer"});
        if let Some(expires_in) = self.manners.expires_in {
            answer["expires_in"] = json!(expires_in);
        }
        if self.manners.refreshes {
            let refresh = format!("upstream-refresh-{}", self.made);
            answer["refresh_token"] = json!(refresh);
            self.refresh_tokens.insert(refresh, granted.clone());
        }
        for (name, value) in self.manners.also.as_object().into_iter().flatten() {
            answer[name] = value.clone();
        }
        self.tokens.insert(token, granted);
        Reply::json(200, answer.to_string())
    }
}

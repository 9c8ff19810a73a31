//! An MCP server that takes the tokens of an authorization server, and says where it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::FakeAuthorizationServer;
use crate::upstream::{FakeUpstream, Recorded, Reply};

/// What the server says of itself, and asks of its callers.
#[derive(Clone, Debug, Default)]
pub struct Protected {
    /// Documents by path.
    pub documents: BTreeMap<String, Value>,
    /// `WWW-Authenticate` of a 401.
    pub challenge: Option<String>,
    /// Kinds of requests that it answers to anybody.
    pub greets: BTreeSet<String>,
    /// Scopes that requests of a kind need.
    pub needs: BTreeMap<String, String>,
    /// Whether it refuses everybody, whatever they bring.
    pub refuses_all: bool,
    /// Whether it finds a scope missing that was granted.
    pub never_enough: bool,
}

impl FakeAuthorizationServer {
    /// Metadata of `upstream` (RFC 9728) that names this server.
    pub fn resource_metadata(&self, upstream: &FakeUpstream) -> Value {
        let issuer = self.shared.issuer();
        json!({"resource": upstream.url(), "authorization_servers": [issuer]})
    }

    /// Protects a server: it has its metadata where RFC 9728 puts it, and says so when it is asked
    /// without a token of this server's. The result changes what it does.
    pub fn protects(&self, upstream: &FakeUpstream) -> Arc<Mutex<Protected>> {
        let path = "/.well-known/oauth-protected-resource/mcp";
        let document = self.resource_metadata(upstream);
        let challenge = format!(
            r#"Bearer resource_metadata="http://{}{path}""#,
            upstream.address()
        );
        let rules = Arc::new(Mutex::new(Protected {
            documents: [(path.to_owned(), document)].into(),
            challenge: Some(challenge),
            ..Protected::default()
        }));
        let (guard, shared) = (Arc::clone(&rules), Arc::clone(&self.shared));
        upstream.first(move |request| {
            let rules = guard.lock().unwrap_or_else(PoisonError::into_inner);
            let granted = bearer(request).and_then(|token| {
                let state = shared.state();
                state
                    .tokens
                    .get(token)
                    .map(|granted| granted.scopes.clone())
            });
            let path = request.path.split('?').next().unwrap_or_default();
            if request.http_method == "GET" && path != "/mcp" {
                return match rules.documents.get(path) {
                    Some(document) => Reply::json(200, document.to_string()),
                    None => Reply::status(404),
                };
            }
            if bearer(request).is_none() && rules.greets.contains(&request.kind) {
                return Reply::Default;
            }
            let Some(scopes) = granted.filter(|_| !rules.refuses_all) else {
                return match &rules.challenge {
                    Some(challenge) => Reply::status(401).header("www-authenticate", challenge),
                    None => Reply::status(401),
                };
            };
            match rules.needs.get(&request.kind) {
                Some(scope) if rules.never_enough || !scopes.contains(scope) => {
                    let challenge =
                        format!(r#"Bearer error="insufficient_scope", scope="{scope}""#);
                    Reply::status(403).header("www-authenticate", &challenge)
                }
                _ => Reply::Default,
            }
        });
        rules
    }
}

fn bearer(request: &Recorded) -> Option<&str> {
    request.header("authorization")?.strip_prefix("Bearer ")
}

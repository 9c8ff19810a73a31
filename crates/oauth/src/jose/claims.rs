//! What a verified token says.

use portcullis_core::{ScopeSet, Timestamp};
use serde_json::{Map, Value};

use crate::unverified::scopes_of;

/// Claims whose issuer, audience and times were judged.
#[derive(Clone, Debug)]
pub struct Claims {
    pub(super) members: Map<String, Value>,
    pub(super) subject: String,
    pub(super) is_of_client: bool,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) issued_at: Option<Timestamp>,
    pub(super) is_bound: bool,
}

impl Claims {
    /// `sub`: neither empty nor too long, and else anything.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether the subject is the client itself, because the authorization server named nobody.
    pub const fn is_of_client(&self) -> bool {
        self.is_of_client
    }

    /// `exp`. Always there in a JWT.
    pub const fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// `iat`.
    pub const fn issued_at(&self) -> Option<Timestamp> {
        self.issued_at
    }

    /// Whether it is worth something only with the certificate that was proved to be its holder's
    /// (RFC 8705 §3).
    pub const fn is_bound(&self) -> bool {
        self.is_bound
    }

    /// `jti` (RFC 7519 §4.1.7), as it is: what a revocation names must be found again.
    pub fn token_id(&self) -> Option<&str> {
        self.members.get("jti").and_then(Value::as_str)
    }

    /// `sid` (OpenID Connect Back-Channel Logout §2.1), as it is.
    pub fn session_id(&self) -> Option<&str> {
        self.members.get("sid").and_then(Value::as_str)
    }

    /// A claim by its exact name.
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// A claim that is one text.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.at(path)
            .and_then(Value::as_str)
            .filter(|text| is_fit(text))
    }

    /// A claim that is `true` or `false`; anything else that stands there is no `true`.
    pub fn flag(&self, path: &str) -> Option<bool> {
        self.at(path).map(|value| *value == Value::Bool(true))
    }

    /// A claim that is a list of texts, or one text.
    pub fn texts(&self, path: &str) -> Vec<&str> {
        match self.at(path) {
            Some(Value::String(text)) if is_fit(text) => vec![text],
            Some(Value::Array(items)) => items
                .iter()
                .filter_map(Value::as_str)
                .filter(|text| is_fit(text))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// `scope` (RFC 8693 §4.2), `scp` and `scopes`, as a text with blanks between or as a list.
    /// What is no scope token is left out.
    pub fn scopes(&self) -> ScopeSet {
        scopes_of(&self.members).unwrap_or_default()
    }

    /// The claim of exactly this name, else the member that a dotted path leads to.
    fn at(&self, path: &str) -> Option<&Value> {
        if let Some(value) = self.members.get(path) {
            return Some(value);
        }
        let mut steps = path.split('.');
        let first = self.members.get(steps.next()?)?;
        steps.try_fold(first, |value, step| value.get(step))
    }
}

/// Fit to be an id of ours: bounded, and one line.
fn is_fit(text: &str) -> bool {
    !text.is_empty() && text.len() <= 256 && !text.chars().any(char::is_control)
}

//! What a condition can ask about: who, where, what and when.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::objects::{Key, Map};
use cel::{Context, Env, Value};
use chrono::DateTime;
use portcullis_core::{PrincipalKind, Side};

use super::functions::Patterns;
use crate::{Caller, Circumstances, Denied, DeniedRule, Operation, ServerPolicy, arguments};

/// Arguments beyond this are not looked into, and what cannot be looked into is denied.
pub(crate) const MOST_ARGUMENT_BYTES: usize = 256 * 1024;

/// The variables, and what they have; empty: any member, or no members at all.
pub(super) const VARIABLES: &[(&str, &[&str])] = &[
    (
        "principal",
        &[
            "id",
            "subject",
            "kind",
            "role",
            "user_id",
            "client_id",
            "email",
            "team",
            "org",
            "groups",
            "scopes",
            "key_id",
            "issuer",
        ],
    ),
    ("server", &["id", "access_groups"]),
    ("operation", &[]),
    ("tool", &["name"]),
    ("arguments", &[]),
    ("client", &["ip", "side"]),
    ("time", &[]),
];

/// Standard functions, and nothing that hides what is read.
static ENVIRONMENT: LazyLock<Arc<Env>> =
    LazyLock::new(|| Arc::new(Env::stdlib().with_optional_support(false)));

pub(super) fn environment() -> &'static Arc<Env> {
    &ENVIRONMENT
}

/// Everything about one request that rules may ask.
pub(crate) struct Facts<'a> {
    pub(crate) caller: Caller<'a>,
    pub(crate) server: &'a ServerPolicy,
    pub(crate) operation: Operation<'a>,
    pub(crate) circumstances: Circumstances,
}

impl Facts<'_> {
    pub(super) fn tool(&self) -> Option<&str> {
        match self.operation {
            Operation::CallTool { tool, .. } => Some(tool),
            Operation::Read | Operation::Use => None,
        }
    }

    /// What conditions are evaluated in, without the arguments. `None`: it cannot be made.
    pub(super) fn context(&self, patterns: &Patterns) -> Option<Context<'static, 'static>> {
        let mut context = Context::with_env(Arc::clone(environment()));
        for (name, value) in self.make() {
            context.add_variable_from_value(name, value);
        }
        patterns.offer(&mut context)?;
        Some(context)
    }

    pub(super) fn arguments(&self) -> Result<Value, Denied> {
        let text = match self.operation {
            Operation::CallTool { arguments, .. } => arguments,
            Operation::Read | Operation::Use => None,
        };
        if text.is_some_and(|text| text.len() > MOST_ARGUMENT_BYTES) {
            return Err(Denied::by(DeniedRule::UnreadableArguments));
        }
        Ok(from_json(&arguments::values(text)?))
    }

    /// What is not known of a principal is an empty text, so that comparing it is never a mistake.
    fn make(&self) -> Vec<(&'static str, Value)> {
        let principal = self.caller.principal;
        let text = |value: &Option<Arc<str>>| string(value.as_deref().unwrap_or_default());
        let key_id = principal
            .key_id
            .as_ref()
            .map(portcullis_core::KeyId::as_str);
        let kind = match principal.kind {
            PrincipalKind::MasterKey => "master_key",
            PrincipalKind::ApiKey => "api_key",
            PrincipalKind::Jwt => "jwt",
            PrincipalKind::IntrospectedToken => "introspected_token",
            PrincipalKind::SignedIn => "signed_in",
            PrincipalKind::ClientCertificate => "client_certificate",
            PrincipalKind::Delegated => "delegated",
        };
        let role = principal.role.as_str();
        let who = map([
            ("id", string(principal.id.as_str())),
            ("subject", string(&principal.subject)),
            ("kind", string(kind)),
            ("role", string(role)),
            ("user_id", text(&principal.user_id)),
            ("client_id", text(&principal.client_id)),
            ("email", text(&principal.email)),
            ("team", text(&principal.team)),
            ("org", text(&principal.org)),
            ("groups", list(principal.groups.iter().map(String::as_str))),
            ("scopes", list(principal.scopes.iter())),
            ("key_id", string(key_id.unwrap_or_default())),
            ("issuer", text(&principal.issuer)),
        ]);
        let groups = list(self.server.access_groups.iter().map(String::as_str));
        let server = map([
            ("id", string(self.server.id.as_str())),
            ("access_groups", groups),
        ]);
        let address = self
            .circumstances
            .address
            .map(|ip| ip.to_canonical().to_string());
        let side = match self.caller.side {
            Side::Inside => "inside",
            Side::Outside => "outside",
        };
        let client = map([
            ("ip", string(address.as_deref().unwrap_or_default())),
            ("side", string(side)),
        ]);
        let (operation, tool) = match self.operation {
            Operation::CallTool { tool, .. } => ("call", tool),
            Operation::Read => ("read", ""),
            Operation::Use => ("use", ""),
        };
        let mut made = vec![
            ("principal", who),
            ("server", server),
            ("operation", string(operation)),
            ("tool", map([("name", string(tool))])),
            ("client", client),
        ];
        // A moment that no calendar has is not there, and a rule that asks for it denies.
        if let Some(now) = DateTime::from_timestamp_millis(self.circumstances.now.as_millis()) {
            made.push(("time", Value::Timestamp(now.fixed_offset())));
        }
        made
    }
}

fn string(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> Value {
    Value::List(Arc::new(texts.map(string).collect()))
}

fn map<'a>(members: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let members: HashMap<Key, Value> = members
        .into_iter()
        .map(|(name, value)| (Key::String(Arc::new(name.to_owned())), value))
        .collect();
    Value::Map(Map {
        map: Arc::new(members),
    })
}

/// JSON knows one kind of number: `1.0` is `1`, or a rule about `1` would be walked around.
fn from_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::String(text) => string(text),
        serde_json::Value::Array(items) => {
            Value::List(Arc::new(items.iter().map(from_json).collect()))
        }
        serde_json::Value::Object(members) => map(members
            .iter()
            .map(|(name, value)| (name.as_str(), from_json(value)))),
        serde_json::Value::Number(number) => {
            let double = number.as_f64().unwrap_or(f64::NAN);
            let whole = number.as_i64().or_else(|| whole(double));
            whole.map_or(Value::Float(double), Value::Int)
        }
    }
}

/// A whole number in the range in which doubles are exact (RFC 8259 §6).
fn whole(double: f64) -> Option<i64> {
    let exact = double.fract() == 0.0 && double.abs() < 9_007_199_254_740_992.0;
    exact.then(|| format!("{double:.0}").parse().ok()).flatten()
}

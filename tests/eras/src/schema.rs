//! The official JSON Schema of a revision as a judge, and a look for what it leaves open: the schemas
//! allow unknown members, so a message may be valid and still carry another era's.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::{methods, revision::Revision};

/// What only 2026-07-28 says in results.
const MODERN_RESULT: [&str; 3] = ["resultType", "ttlMs", "cacheScope"];
/// What only 2026-07-28 says in params.
const MODERN_PARAMS: [&str; 2] = ["inputResponses", "requestState"];
/// Reserved for 2026-07-28, but for this one.
const MODERN_META: &str = "io.modelcontextprotocol/";
const LEGACY_META: &str = "io.modelcontextprotocol/related-task";

/// Judges the messages of one revision.
pub struct Judge {
    revision: Revision,
    schema: Value,
    compiled: Mutex<HashMap<String, Option<Arc<Validator>>>>,
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Judge").field(&self.revision).finish()
    }
}

const fn text(revision: Revision) -> &'static str {
    match revision {
        Revision::V2024_11_05 => include_str!("../schemas/2024-11-05.json"),
        Revision::V2025_03_26 => include_str!("../schemas/2025-03-26.json"),
        Revision::V2025_06_18 => include_str!("../schemas/2025-06-18.json"),
        Revision::V2025_11_25 => include_str!("../schemas/2025-11-25.json"),
        Revision::V2026_07_28 => include_str!("../schemas/2026-07-28.json"),
    }
}

impl Judge {
    /// The judge of a revision.
    pub fn of(revision: Revision) -> anyhow::Result<Self> {
        Ok(Self {
            revision,
            schema: serde_json::from_str(text(revision))?,
            compiled: Mutex::default(),
        })
    }

    /// Where the revision's schema keeps its definitions.
    fn definitions(&self) -> &'static str {
        if self.schema.get("$defs").is_some() {
            "$defs"
        } else {
            "definitions"
        }
    }

    fn validator(&self, definition: &str) -> Option<Arc<Validator>> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let known = compiled.entry(definition.to_owned()).or_insert_with(|| {
            let place = self.definitions();
            self.schema.pointer(&format!("/{place}/{definition}"))?;
            let mut schema = self.schema.clone();
            let members = schema.as_object_mut()?;
            members.insert("$ref".to_owned(), json!(format!("#/{place}/{definition}")));
            jsonschema::validator_for(&schema).ok().map(Arc::new)
        });
        known.clone()
    }

    fn check(&self, definition: Option<String>, what: &str, value: &Value) -> Vec<String> {
        let unknown = || vec![format!("{what} is not part of {}", self.revision)];
        let Some(validator) = definition.and_then(|name| self.validator(&name)) else {
            return unknown();
        };
        validator
            .iter_errors(value)
            .map(|error| format!("{what} breaks {}: {error} in {value}", self.revision))
            .collect()
    }

    /// Everything that is wrong with a message; `asked` is the method of the request that a response
    /// answers.
    pub fn message(&self, message: &Value, asked: Option<&str>) -> Vec<String> {
        let Some(method) = message.get("method").and_then(Value::as_str) else {
            return self.response(message, asked);
        };
        let mut found = if message.get("id").is_some() {
            let mut found = self.check(Some("JSONRPCRequest".to_owned()), method, message);
            found.extend(self.check(methods::request(method), method, message));
            found
        } else {
            let mut found = self.check(Some("JSONRPCNotification".to_owned()), method, message);
            found.extend(self.check(methods::notification(method), method, message));
            found
        };
        found.extend(self.foreign(method, &MODERN_PARAMS, message.get("params")));
        found
    }

    fn response(&self, message: &Value, asked: Option<&str>) -> Vec<String> {
        let method = asked.unwrap_or("an answer to nothing");
        if message.get("error").is_some() {
            let name = if self.revision >= Revision::V2025_11_25 {
                "JSONRPCErrorResponse"
            } else {
                "JSONRPCError"
            };
            return self.check(Some(name.to_owned()), method, message);
        }
        let mut found = self.check(Some("JSONRPCResponse".to_owned()), method, message);
        let result = message.get("result").unwrap_or(&Value::Null);
        let needs_input =
            self.revision.is_modern() && result.get("resultType") == Some(&json!("input_required"));
        let definition = if needs_input {
            Some("InputRequiredResult".to_owned())
        } else {
            methods::result(method)
        };
        found.extend(self.check(definition, &format!("the answer to {method}"), result));
        found.extend(self.foreign(method, &MODERN_RESULT, Some(result)));
        found
    }

    /// What the other era left in a message.
    fn foreign(&self, what: &str, modern: &[&str], value: Option<&Value>) -> Vec<String> {
        let Some(members) = value.and_then(Value::as_object) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let mut left = |name: &str| {
            found.push(format!(
                "{what}: {name} does not belong into {}",
                self.revision
            ));
        };
        if self.revision.is_modern() {
            for (key, question) in members
                .get("inputRequests")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                if question.pointer("/params/elicitationId").is_some() {
                    left(&format!("elicitationId of {key}"));
                }
            }
            for tool in members
                .get("tools")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                if tool.get("execution").is_some() {
                    left("execution of a tool");
                }
            }
            return found;
        }
        for name in modern.iter().filter(|name| members.contains_key(**name)) {
            left(name);
        }
        let meta = members.get("_meta").and_then(Value::as_object);
        for name in meta.into_iter().flat_map(|meta| meta.keys()) {
            if name.starts_with(MODERN_META) && name != LEGACY_META {
                left(name);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(revision: Revision) -> Judge {
        Judge::of(revision).unwrap()
    }

    #[test]
    fn every_revision_judges_its_own_calls() {
        for revision in Revision::ALL {
            let mut call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": {"name": "echo", "arguments": {}}});
            if revision.is_modern() {
                call["params"]["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {}});
            }
            assert_eq!(judge(revision).message(&call, None), Vec::<String>::new());
            call["params"]["name"] = json!(7);
            assert!(
                !judge(revision).message(&call, None).is_empty(),
                "{revision}"
            );
        }
    }

    #[test]
    fn a_method_of_another_revision_is_none() {
        let elicit = json!({"jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": {
            "message": "?", "requestedSchema": {"type": "object", "properties": {}}}});
        assert!(
            judge(Revision::V2025_06_18)
                .message(&elicit, None)
                .is_empty()
        );
        assert!(
            !judge(Revision::V2025_03_26)
                .message(&elicit, None)
                .is_empty()
        );
        let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
        assert!(judge(Revision::V2025_11_25).message(&ping, None).is_empty());
        assert!(!judge(Revision::V2026_07_28).message(&ping, None).is_empty());
    }

    #[test]
    fn what_another_era_left_behind_is_found_though_schemas_allow_it() {
        let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"content": [], "resultType": "complete",
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "x", "version": "1"}}}});
        let modern = judge(Revision::V2026_07_28).message(&answer, Some("tools/call"));
        assert_eq!(modern, Vec::<String>::new());
        let legacy = judge(Revision::V2025_11_25).message(&answer, Some("tools/call"));
        assert_eq!(legacy.len(), 2, "{legacy:?}");
    }
}

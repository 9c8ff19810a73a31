//! `MCP_PROXY_KEY_MAP`: which of a server's keys is used for whom, as one JSON object.
//!
//! It is read strictly, as who may do what follows from it, and told about carefully: what stands
//! where it should not may be a key. So a complaint never repeats a value, and a name only where the
//! entry has the shape of one.

mod strict_json;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use portcullis_core::{ScopeSet, SecretValue};

use crate::suggest::nearest;
use strict_json::Json;

/// The variable's name.
pub const KEY_MAP_VARIABLE: &str = "MCP_PROXY_KEY_MAP";

/// What a right entry looks like.
const EXAMPLE: &str = r#"{"alice": {"key": "internal-key-1", "scopes": ["read:data"]}}"#;

/// Longest file or value.
const MOST_BYTES: usize = 1024 * 1024;

const MEMBERS: [&str; 3] = ["key", "scopes", "requires"];

/// Whom a key is set apart for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyHolder {
    /// `alice`, `sub:alice`: who has this `sub`.
    Subject(String),
    /// `client_id:batch`: who came by this client.
    Client(String),
    /// `scope:data:read`: whose token carries this scope.
    Scope(String),
}

impl KeyHolder {
    fn read(name: &str) -> Self {
        let after = |prefix| name.strip_prefix(prefix).map(str::to_owned);
        after("scope:")
            .map(Self::Scope)
            .or_else(|| after("client_id:").map(Self::Client))
            .or_else(|| after("sub:").map(Self::Subject))
            .unwrap_or_else(|| Self::Subject(name.to_owned()))
    }

    fn text(&self) -> &str {
        match self {
            Self::Subject(text) | Self::Client(text) | Self::Scope(text) => text,
        }
    }
}

/// In one spelling, whatever was written.
impl fmt::Display for KeyHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject(text) => write!(f, "sub:{text}"),
            Self::Client(text) => write!(f, "client_id:{text}"),
            Self::Scope(text) => write!(f, "scope:{text}"),
        }
    }
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedKey {
    /// Whom it is for.
    pub holder: KeyHolder,
    /// What the server knows.
    pub key: SecretValue,
    /// The most that may be done with it.
    pub scopes: ScopeSet,
    /// What a token must carry before it is used.
    pub requires: ScopeSet,
}

/// What keeps the map from being used. Holds no value of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMapError {
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
}

impl fmt::Display for KeyMapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "error: {KEY_MAP_VARIABLE}: {}\n  = help: {}",
            self.message, self.help
        )
    }
}

/// Reads the map; never empty. Everything that is wrong at once.
pub fn read_key_map(text: &str) -> Result<Vec<MappedKey>, Vec<KeyMapError>> {
    let mut reading = Reading::default();
    if text.len() > MOST_BYTES {
        reading.error("larger than 1 MiB", "this does not look like a key map");
        return Err(reading.errors);
    }
    let members = match Json::parse(text) {
        Ok(Json::Object(members)) => members,
        Ok(_) => {
            reading.error("not a JSON object", &format!("write {EXAMPLE}"));
            return Err(reading.errors);
        }
        Err(place) => {
            reading.error(
                &format!("not valid JSON at {place}"),
                &format!("write {EXAMPLE}"),
            );
            return Err(reading.errors);
        }
    };
    if members.is_empty() {
        reading.error(
            "the map is empty, so nobody could call",
            &format!("name at least one caller: {EXAMPLE}"),
        );
    }
    let keys = members
        .into_iter()
        .enumerate()
        .filter_map(|(at, (name, value))| reading.entry(at + 1, &name, value))
        .collect();
    if reading.errors.is_empty() {
        Ok(keys)
    } else {
        Err(reading.errors)
    }
}

#[derive(Default)]
struct Reading {
    errors: Vec<KeyMapError>,
    known: BTreeSet<KeyHolder>,
}

impl Reading {
    fn error(&mut self, message: &str, help: &str) {
        self.errors.push(KeyMapError {
            message: message.to_owned(),
            help: help.to_owned(),
        });
    }

    fn entry(&mut self, number: usize, name: &str, value: Json) -> Option<MappedKey> {
        let Json::Object(members) = value else {
            self.error(
                &format!("entry {number} is not an object"),
                &format!("write whom a key is for first, and then what: {EXAMPLE}"),
            );
            return None;
        };
        // Without a `key` the entry may stand the wrong way round, with the key as its name.
        let whose = if members.iter().any(|(member, _)| member == "key") {
            format!("`{}`", shown(name))
        } else {
            format!("entry {number}")
        };
        let before = self.errors.len();
        let holder = KeyHolder::read(name);
        if holder.text().is_empty() {
            self.error(
                &format!("entry {number} names nobody"),
                "write a `sub`, or `client_id:…`, or `scope:…`",
            );
        } else if let KeyHolder::Scope(scope) = &holder
            && ScopeSet::from_tokens([scope.as_str()]).is_err()
        {
            self.error(
                &format!("{whose}: not a scope token (RFC 6749 §3.3)"),
                "write one scope as tokens carry it, without blanks",
            );
        }
        if !self.known.insert(holder.clone()) {
            self.error(
                &format!("{whose} is written twice"),
                "keep one; `alice` and `sub:alice` are the same",
            );
        }
        let key = self.members(&whose, &holder, members);
        key.filter(|_| self.errors.len() == before)
    }

    fn members(
        &mut self,
        whose: &str,
        holder: &KeyHolder,
        members: Vec<(String, Json)>,
    ) -> Option<MappedKey> {
        let (mut key, mut scopes, mut requires) = (None, None, None);
        let mut seen = BTreeSet::new();
        for (member, value) in members {
            if !seen.insert(member.clone()) && MEMBERS.contains(&member.as_str()) {
                self.error(&format!("{whose}: `{member}` is written twice"), "keep one");
            }
            match member.as_str() {
                "key" => key = self.key(whose, value),
                "scopes" => scopes = self.scopes(whose, "scopes", value),
                "requires" => requires = self.scopes(whose, "requires", value),
                other => {
                    let help = nearest(other, MEMBERS).map_or_else(
                        || "an entry has `key`, `scopes` and, if wanted, `requires`".to_owned(),
                        |meant| format!("did you mean `{meant}`?"),
                    );
                    self.error(&format!("{whose}: a member that is not known"), &help);
                }
            }
        }
        for (member, example) in [("key", "the internal key"), ("scopes", "[\"read:data\"]")] {
            if !seen.contains(member) {
                self.error(
                    &format!("{whose}: `{member}` is missing"),
                    &format!("write `\"{member}\": {example}`; without scopes write `[]`"),
                );
            }
        }
        let scopes = scopes?;
        Some(MappedKey {
            holder: holder.clone(),
            key: key?,
            // Whoever may do less than the key can must not hold it, unless that was said.
            requires: requires.unwrap_or_else(|| scopes.clone()),
            scopes,
        })
    }

    fn key(&mut self, whose: &str, value: Json) -> Option<SecretValue> {
        let Json::Text(key) = value else {
            self.error(
                &format!("{whose}: `key` is not a text"),
                "write it in quotes",
            );
            return None;
        };
        if key.is_empty() {
            self.error(
                &format!("{whose}: `key` is empty"),
                "write the key that the server knows, or remove the entry: who is not in the map is refused",
            );
            return None;
        }
        if !key.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            self.error(
                &format!("{whose}: `key` has characters that a header cannot carry"),
                "look for a line break at its end",
            );
            return None;
        }
        Some(SecretValue::new(key))
    }

    fn scopes(&mut self, whose: &str, member: &str, value: Json) -> Option<ScopeSet> {
        let tokens = match value {
            Json::List(items) => items
                .into_iter()
                .map(|item| match item {
                    Json::Text(token) => Some(token),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let scopes = tokens.and_then(|tokens| ScopeSet::from_tokens(tokens).ok());
        if scopes.is_none() {
            self.error(
                &format!("{whose}: `{member}` is not a list of scope tokens (RFC 6749 §3.3)"),
                "write a list of texts without blanks: [\"read:data\", \"write:data\"]",
            );
        }
        scopes
    }
}

/// A name as messages repeat it.
fn shown(name: &str) -> String {
    name.chars()
        .take(128)
        .flat_map(|char| {
            let escaped = char.is_control().then(|| char.escape_default().collect());
            escaped.unwrap_or_else(|| vec![char])
        })
        .collect()
}

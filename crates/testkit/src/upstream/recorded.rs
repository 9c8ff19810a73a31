//! A request as it arrived.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// One request, nothing interpreted away.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What scripts are chosen by.
    pub kind: String,
    /// The HTTP method.
    pub http_method: String,
    /// Path and query.
    pub path: String,
    /// Header fields in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Recorded {
    pub(super) fn new(
        http_method: String,
        path: String,
        headers: Vec<(String, String)>,
        body: String,
    ) -> Self {
        let mut recorded = Self {
            kind: String::new(),
            http_method,
            path,
            headers,
            body,
        };
        recorded.kind = match recorded.http_method.as_str() {
            "POST" if recorded.path.starts_with("/token") => "TOKEN".to_owned(),
            "POST" => recorded
                .text(&["method"])
                .unwrap_or_else(|| "RESPONSE".to_owned()),
            other => other.to_owned(),
        };
        recorded
    }

    /// The values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let values = self.headers.iter().filter(|(known, _)| known == name);
        values.map(|(_, value)| value.as_str()).collect()
    }

    /// The one value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// The bytes of a member of the body, as they were sent.
    pub fn raw(&self, path: &[&str]) -> Option<String> {
        member(&self.body, path)
    }

    /// A member that is a string.
    pub fn text(&self, path: &[&str]) -> Option<String> {
        serde_json::from_str(&self.raw(path)?).ok()
    }

    /// The JSON-RPC id, as it was sent.
    pub fn id(&self) -> String {
        self.raw(&["id"]).unwrap_or_else(|| "null".to_owned())
    }

    /// Whether it asks for an answer.
    pub(super) fn is_request(&self) -> bool {
        self.raw(&["id"]).is_some() && self.raw(&["method"]).is_some()
    }
}

/// The bytes of a member of a JSON text, as they stand there.
pub fn member(text: &str, path: &[&str]) -> Option<String> {
    let mut here = text;
    for step in path {
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(here).ok()?;
        here = members.get(*step)?.get();
    }
    Some(here.to_owned())
}

//! What a token response must say beside the token (`token_validation`).

use std::collections::BTreeMap;

use serde_json::Value;

/// Members of a token response, by dotted path, and the text that each must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRules(BTreeMap<String, String>);

impl TokenRules {
    /// Rules from paths such as `team.enterprise_id` to what must stand there.
    pub const fn new(rules: BTreeMap<String, String>) -> Self {
        Self(rules)
    }

    /// Whether any response keeps them.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Path and expected text, in the order of the paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(path, expected)| (path.as_str(), expected.as_str()))
    }

    /// The first rule that a response body breaks. A member that is absent, a map or a list breaks
    /// its rule.
    pub fn broken_by(&self, body: &[u8]) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        let response: Value = serde_json::from_slice(body).unwrap_or_default();
        self.iter()
            .find(|(path, expected)| {
                !at(&response, path).is_some_and(|value| says(value, expected))
            })
            .map(|(path, _)| path)
    }
}

/// A member whose own name has dots in it is found before a path is looked for.
fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    if let Some(found) = value.get(path) {
        return Some(found);
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let (first, rest) = (path.get(..dot)?, path.get(dot + 1..)?);
        at(value.get(first)?, rest)
    })
}

fn says(value: &Value, expected: &str) -> bool {
    match value {
        Value::String(text) => text == expected,
        Value::Bool(flag) => flag.to_string().as_str() == expected,
        Value::Number(number) => number.to_string().as_str() == expected,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(rules: &[(&str, &str)], body: &str) -> Option<String> {
        let rules = rules
            .iter()
            .map(|(path, expected)| ((*path).to_owned(), (*expected).to_owned()))
            .collect();
        TokenRules::new(rules)
            .broken_by(body.as_bytes())
            .map(str::to_owned)
    }

    #[test]
    fn every_rule_must_hold_and_what_is_absent_breaks_it() {
        let body = r#"{"ok":true,"n":7,"team":{"enterprise_id":"T1","deep":{"er":"x"}},
            "https://a.example/tenant":"A","list":["T1"],"none":null}"#;
        for (path, expected) in [
            ("team.enterprise_id", "T1"),
            ("team.deep.er", "x"),
            ("https://a.example/tenant", "A"),
            ("ok", "true"),
            ("n", "7"),
        ] {
            assert_eq!(broken(&[(path, expected)], body), None, "{path}");
            let other = format!("{expected}x");
            assert_eq!(broken(&[(path, &other)], body).as_deref(), Some(path));
        }
        for (path, expected) in [
            ("team", "T1"),
            ("team.", "T1"),
            ("team.enterprise_id.x", "T1"),
            ("list", "T1"),
            ("list.0", "T1"),
            ("none", "null"),
            ("none", ""),
            ("absent", ""),
            ("", ""),
        ] {
            assert_eq!(broken(&[(path, expected)], body).as_deref(), Some(path));
        }
        let one_of_two = [("ok", "true"), ("team.enterprise_id", "T2")];
        assert_eq!(
            broken(&one_of_two, body).as_deref(),
            Some("team.enterprise_id")
        );
        assert_eq!(broken(&[("ok", "true")], "<html>").as_deref(), Some("ok"));
        assert_eq!(broken(&[], "<html>"), None);
    }
}

//! OAuth scopes (RFC 6749 §3.3): compared exactly, case included, no wildcards.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A set of scope tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScopeSet(BTreeSet<String>);

/// A scope token that RFC 6749 §3.3 does not allow.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a scope token (RFC 6749 §3.3: printable ASCII without space, \" and \\)")]
pub struct InvalidScope(String);

impl ScopeSet {
    /// A set from separate tokens; each must be one valid token.
    pub fn from_tokens<I, S>(tokens: I) -> Result<Self, InvalidScope>
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        tokens
            .into_iter()
            .map(|token| {
                let token = token.into();
                if is_scope_token(&token) {
                    Ok(token)
                } else {
                    Err(InvalidScope(token))
                }
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether there is no scope at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this exact token is in the set.
    pub fn contains(&self, token: &str) -> bool {
        self.0.contains(token)
    }

    /// Whether every scope of `required` is in this set.
    pub fn covers(&self, required: &Self) -> bool {
        required.0.is_subset(&self.0)
    }

    /// What `required` has and this set lacks.
    #[must_use]
    pub fn missing(&self, required: &Self) -> Self {
        Self(required.0.difference(&self.0).cloned().collect())
    }

    /// The scopes in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// The tokens in their canonical (sorted) order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

fn is_scope_token(token: &str) -> bool {
    !token.is_empty()
        && token
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

impl FromStr for ScopeSet {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        Self::from_tokens(text.split(' ').filter(|token| !token.is_empty()))
    }
}

/// The space-separated wire form.
impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, token) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_compare_exactly() {
        let granted: ScopeSet = "a:b c".parse().unwrap();
        let required: ScopeSet = "a:b A:B".parse().unwrap();
        assert!(!granted.covers(&required));
        assert_eq!(granted.missing(&required).to_string(), "A:B");
    }

    #[test]
    fn a_token_with_forbidden_characters_is_refused() {
        for bad in ["a\"b", "a\\b", "ä", "a\tb", "a\u{0}"] {
            assert!(bad.parse::<ScopeSet>().is_err(), "{bad:?}");
        }
        assert!("*".parse::<ScopeSet>().unwrap().contains("*"));
        assert!(!"*".parse::<ScopeSet>().unwrap().contains("a"));
    }
}

//! `WWW-Authenticate: Bearer` challenges (RFC 9110 §11.6.1, RFC 6750 §3, RFC 9728 §5.1).

use http::HeaderValue;
use portcullis_core::ScopeSet;

use crate::error_code::registered;

mod syntax;

/// One `Bearer` challenge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// `realm`.
    pub realm: Option<String>,
    /// `error`, if it is a registered code.
    pub error: Option<&'static str>,
    /// `error_description`. Written by us when we challenge; never read from others.
    pub error_description: Option<String>,
    /// `scope`: all scopes that the operation needs.
    pub scope: Option<ScopeSet>,
    /// `resource_metadata`: where the protected resource metadata is.
    pub resource_metadata: Option<String>,
}

/// A parameter that cannot be written into a header.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the challenge parameter `{0}` has characters that a header cannot carry")]
pub struct InvalidChallenge(&'static str);

impl Challenge {
    /// The header value. A parameter with control or non-ASCII characters is an error and is
    /// never cut or cleaned: nothing that somebody else chose may shape our headers.
    pub fn to_header_value(&self) -> Result<HeaderValue, InvalidChallenge> {
        let scope = self.scope.as_ref().map(ToString::to_string);
        let mut text = String::from("Bearer");
        let mut separator = ' ';
        for (name, value) in [
            ("realm", self.realm.as_deref()),
            ("error", self.error),
            ("error_description", self.error_description.as_deref()),
            ("scope", scope.as_deref()),
            ("resource_metadata", self.resource_metadata.as_deref()),
        ] {
            let Some(value) = value else { continue };
            if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                return Err(InvalidChallenge(name));
            }
            text.push(separator);
            if separator == ',' {
                text.push(' ');
            }
            separator = ',';
            text.push_str(name);
            text.push_str("=\"");
            for character in value.chars() {
                if matches!(character, '"' | '\\') {
                    text.push('\\');
                }
                text.push(character);
            }
            text.push('"');
        }
        HeaderValue::try_from(text).map_err(|_| InvalidChallenge("challenge"))
    }

    /// The first `Bearer` challenge in the values of a response's `WWW-Authenticate` fields.
    ///
    /// Several challenges in one value, other schemes, `token68` and quoted strings with commas
    /// are understood. A value that breaks the grammar is read up to where it breaks.
    pub fn parse_bearer<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> Option<Self> {
        values
            .into_iter()
            .filter_map(|value| std::str::from_utf8(value.as_bytes()).ok())
            .flat_map(syntax::challenges)
            .find(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer"))
            .map(|challenge| Self::from_params(&challenge.params))
    }

    /// A repeated parameter makes its meaning doubtful (RFC 9110 §11.2: MUST only occur once), so
    /// that parameter counts as absent.
    fn from_params(params: &[(String, String)]) -> Self {
        let take = |wanted: &str| {
            let mut found = params
                .iter()
                .filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            match (found.next(), found.next()) {
                (Some((_, value)), None) => Some(value.clone()),
                _ => None,
            }
        };
        Self {
            realm: take("realm"),
            error: take("error").as_deref().and_then(registered),
            error_description: None,
            scope: take("scope").and_then(|scope| scope.parse().ok()),
            resource_metadata: take("resource_metadata"),
        }
    }
}

#[cfg(test)]
mod tests;

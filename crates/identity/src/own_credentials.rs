//! Whether something opens our own door: then it goes nowhere else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_core::ApiKey;
use portcullis_oauth::jose::TokenFault;

use crate::key_form;
use crate::{Authentication, AuthnErrorKind, CredentialSource, Presented};

/// Most parts of one value that are looked at; what has more is not handed on.
const MOST_PARTS: usize = 64;
/// Nothing shorter is a credential.
const SHORTEST: usize = 4;

impl Authentication {
    /// Whether a header's value is, or holds, a credential of ours: the one that admitted the caller,
    /// or any other that we recognise without asking somebody else about it. Any doubt counts.
    pub(crate) async fn holds_own_credential(
        &self,
        value: &str,
        presented: Option<&Presented>,
    ) -> bool {
        if presented.is_some_and(|presented| value.contains(presented.key().expose())) {
            return true;
        }
        let parts = parts(value);
        if parts.len() > MOST_PARTS {
            return true;
        }
        for part in parts {
            // A key of ours that nobody knows any more, or mistyped, is nobody else's either.
            if part.starts_with(key_form::PREFIX) || self.is_own_token(&part) {
                return true;
            }
            let presented = Presented::new(CredentialSource::Bearer, ApiKey::new(part));
            for authenticator in self.authenticators() {
                if authenticator.recognises(&presented).await {
                    return true;
                }
            }
        }
        false
    }
}

/// Everything in a value that could be a credential, however it is wrapped: behind a scheme, in a
/// list, a pair, a quoted text, a login (RFC 7617), a URL.
fn parts(value: &str) -> Vec<String> {
    let mut texts = vec![value.to_owned()];
    if value.contains('%') {
        let decoded = url::form_urlencoded::parse(value.as_bytes());
        texts.extend(decoded.flat_map(|(name, value)| [name.into_owned(), value.into_owned()]));
    }
    if let Some((scheme, login)) = value.trim().split_once(' ')
        && scheme.eq_ignore_ascii_case("basic")
        && let Ok(login) = STANDARD.decode(login.trim())
        && let Ok(login) = String::from_utf8(login)
    {
        texts.extend(
            login
                .split_once(':')
                .map(|(_, password)| password.to_owned()),
        );
        texts.push(login);
    }
    let mut parts: Vec<String> = Vec::new();
    let mut add = |part: &str| {
        let part = part.trim_matches(|character| matches!(character, '"' | '\'' | ' ' | '\t'));
        if part.len() >= SHORTEST && parts.len() <= MOST_PARTS && !parts.iter().any(|p| p == part) {
            parts.push(part.to_owned());
        }
    };
    for text in &texts {
        add(text);
        for piece in text.split([' ', '\t', ',', ';', '&', '?', '"', '\'']) {
            add(piece);
            for piece in piece.split(['=', ':']) {
                add(piece);
            }
            if let Some((_, rest)) = piece.split_once('=') {
                add(rest);
            }
        }
    }
    parts
}

impl AuthnErrorKind {
    /// Whether a credential that is not believed for this reason is somebody else's, made for
    /// somebody else, or of no form of ours: it may open another door and does not open this one.
    pub(crate) const fn is_foreign(self) -> bool {
        match self {
            Self::Unknown => true,
            Self::Token(fault) => matches!(
                fault,
                TokenFault::Issuer
                    | TokenFault::Audience
                    | TokenFault::Malformed
                    | TokenFault::Header
                    | TokenFault::Inactive
            ),
            Self::Missing
            | Self::Ambiguous
            | Self::Malformed
            | Self::Expired
            | Self::Revoked
            | Self::CertificateUnknown
            | Self::CertificateOver
            | Self::Unavailable
            | Self::Undefined(_)
            | Self::Blocked(_)
            | Self::UnreadableLevel(_)
            | Self::NotAMember
            | Self::NoTurn => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_found_however_it_is_wrapped() {
        for value in [
            "the-key-of-ours",
            "Bearer the-key-of-ours",
            "Bearer  the-key-of-ours ",
            "token the-key-of-ours",
            "a=1; sid=the-key-of-ours",
            "\"the-key-of-ours\"",
            "{\"key\":\"the-key-of-ours\"}",
            "x,the-key-of-ours,y",
            "https://h/?key=the-key-of-ours&x=y",
            "Bearer%20the-key-of-ours",
            "key%3Dthe-key-of-ours",
            "Basic dXNlcjp0aGUta2V5LW9mLW91cnM=",
            "basic dGhlLWtleS1vZi1vdXJzOg==",
        ] {
            let parts = parts(value);
            assert!(
                parts.iter().any(|part| part == "the-key-of-ours"),
                "{value}: {parts:?}"
            );
        }
        let endless = "abcd1,".repeat(10);
        assert!(parts(&endless).len() < MOST_PARTS);
        let endless: Vec<String> = (1000..2000).map(|n| n.to_string()).collect();
        assert!(parts(&endless.join(",")).len() > MOST_PARTS);
    }
}

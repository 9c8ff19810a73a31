//! A server that repeats what it was sent (an error that quotes the request, a debugging tool) must
//! not tell our credential to the caller.

use bytes::Bytes;
use http::HeaderMap;
use memchr::memmem;

/// Shorter values would be found by chance.
const SHORTEST: usize = 8;

/// What stands in the answer instead.
const INSTEAD: &[u8] = b"[redacted]";

/// The secrets of one request, as they would stand in a JSON string (RFC 8259 §7).
#[derive(Clone, Debug, Default)]
pub(crate) struct Presented(Vec<Secret>);

#[derive(Clone)]
struct Secret(Box<[u8]>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Presented {
    /// Of the headers that carry a credential: those are marked as sensitive.
    pub(crate) fn among(headers: &HeaderMap) -> Self {
        let sensitive = headers.values().filter(|value| value.is_sensitive());
        Self(
            sensitive
                .filter_map(|value| secret_of(value.as_bytes()))
                .collect(),
        )
    }

    /// The answer without them. Nearly every answer comes back as it is, uncopied.
    pub(crate) fn taken_out(&self, text: Bytes) -> Bytes {
        self.0.iter().fold(text, |text, Secret(secret)| {
            let mut places = memmem::find_iter(&text, secret).peekable();
            if places.peek().is_none() {
                return text;
            }
            let mut clean = Vec::with_capacity(text.len());
            let mut from = 0;
            for at in places {
                clean.extend_from_slice(text.get(from..at).unwrap_or_default());
                clean.extend_from_slice(INSTEAD);
                from = at + secret.len();
            }
            clean.extend_from_slice(text.get(from..).unwrap_or_default());
            Bytes::from(clean)
        })
    }
}

/// What is secret in a header's value: not its authentication scheme (RFC 9110 §11.4).
fn secret_of(value: &[u8]) -> Option<Secret> {
    let text = std::str::from_utf8(value).ok()?;
    let secret = text.rsplit(' ').next().unwrap_or(text);
    // What could stand in JSON outside of a string is left: the answer would no longer be JSON.
    let numeric = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    if secret.len() < SHORTEST || secret.bytes().all(numeric) {
        return None;
    }
    let quoted = serde_json::to_string(secret).ok()?;
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    Some(Secret(inner.as_bytes().into()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn presented(values: &[&'static str]) -> Presented {
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("application/json"));
        for value in values {
            let mut value = HeaderValue::from_static(value);
            value.set_sensitive(true);
            headers.append("x-secret", value);
        }
        Presented::among(&headers)
    }

    fn clean(presented: &Presented, text: &str) -> String {
        let bytes = presented.taken_out(Bytes::copy_from_slice(text.as_bytes()));
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_repeated_credential_is_taken_out_wherever_it_stands() {
        let ours = presented(&["Bearer canary-token", "canary-\"quoted\""]);
        assert_eq!(
            clean(
                &ours,
                r#"{"a":"Bearer canary-token","b":["xcanary-tokeny"]}"#
            ),
            r#"{"a":"Bearer [redacted]","b":["x[redacted]y"]}"#
        );
        assert_eq!(
            clean(&ours, r#"{"a":"canary-\"quoted\""}"#),
            r#"{"a":"[redacted]"}"#
        );
    }

    #[test]
    fn an_answer_that_repeats_nothing_is_not_copied() {
        let answer = Bytes::from_static(br#"{"content":"application/json"}"#);
        let same = presented(&["Bearer canary-token"]).taken_out(answer.clone());
        assert_eq!(same.as_ptr(), answer.as_ptr());
    }

    #[test]
    fn what_could_be_a_word_or_a_number_of_the_answer_is_left_alone() {
        let ours = presented(&["Bearer short", "1234567890", "Basic"]);
        let text = r#"{"a":1234567890,"b":"short Basic"}"#;
        assert_eq!(clean(&ours, text), text);
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        let ours = presented(&["Bearer canary-token"]);
        assert!(!format!("{ours:?}").contains("canary"));
    }
}

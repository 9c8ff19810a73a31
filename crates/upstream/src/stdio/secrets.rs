//! What a process was given that others must not see: neither in our log, nor in its answers.

use memchr::memmem;
use portcullis_core::found_in_json;

/// Shorter values are words that may stand anywhere in a log,
const TELLING: usize = 6;
/// or in an answer. The same as for credentials that are presented over HTTP.
const SHORTEST: usize = 8;

/// Values of its environment.
#[derive(Default)]
pub(super) struct Secrets {
    /// As they can stand in one line of text, the longest first.
    lines: Vec<String>,
    /// As they can stand in a message.
    needles: Vec<String>,
}

impl Secrets {
    /// `silent`: all that is kept out of the log. `told`: those of them that no caller may hear.
    pub(super) fn new(silent: &[String], told: &[String]) -> Self {
        let mut needles: Vec<String> = told
            .iter()
            .flat_map(|secret| by_lines(secret).chain([secret.as_str()]))
            .filter(|part| part.len() >= SHORTEST && !part.starts_with("-----"))
            .map(str::to_owned)
            .collect();
        needles.sort_unstable();
        needles.dedup();
        Self {
            lines: longest_first(silent),
            needles,
        }
    }

    /// A line of the log without them.
    pub(super) fn redacted(&self, mut text: String) -> String {
        for secret in self.lines.iter().filter(|secret| secret.len() >= TELLING) {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), "[REDACTED]");
            }
        }
        text
    }

    /// Whether a message repeats one that no caller may hear.
    pub(super) fn appear_in(&self, message: &str) -> bool {
        let found = |text: &[u8]| {
            let mut needles = self.needles.iter();
            needles.any(|needle| memmem::find(text, needle.as_bytes()).is_some())
        };
        !self.needles.is_empty() && found_in_json(message.as_bytes(), found)
    }
}

fn by_lines(secret: &str) -> impl Iterator<Item = &str> {
    secret.lines().map(str::trim)
}

/// The longest first: one may begin like another.
fn longest_first(secrets: &[String]) -> Vec<String> {
    let mut each: Vec<String> = secrets
        .iter()
        .flat_map(|secret| by_lines(secret))
        .map(str::to_owned)
        .chain(secrets.iter().cloned())
        .collect();
    each.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    each.dedup();
    each
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(secret: &str) -> Secrets {
        let secrets = [secret.to_owned()];
        Secrets::new(&secrets, &secrets)
    }

    #[test]
    fn a_message_that_repeats_a_secret_is_recognised() {
        for (secret, message) in [
            ("s3cret-value", r#"{"text":"token s3cret-value!"}"#),
            ("pass/word/1", r#"{"text":"pass\/word\/1"}"#),
            ("pass\"word1", r#"{"text":"pass\"word1"}"#),
            ("pässwört-1", r#"{"text":"p\u00e4ssw\u00f6rt-1"}"#),
            ("pässwört-1", r#"{"text":"pässwört-1"}"#),
            ("a&b<c>-1234", r#"{"text":"a\u0026b\u003cc\u003e-1234"}"#),
            (
                "a&b<c>-1234",
                r#"{"text":"{\"at\":\"a\\u0026b<c>-1234\"}"}"#,
            ),
            (
                "-----BEGIN KEY-----\nMIIabcdefgh\n-----END KEY-----\n",
                r#"{"text":"-----BEGIN KEY-----\nMIIabcdefgh\n-----END KEY-----\n"}"#,
            ),
            (
                "-----BEGIN KEY-----\nMIIabcdefgh\n-----END KEY-----\n",
                r#"{"text":"a line: MIIabcdefgh"}"#,
            ),
            ("ends-in-a-quote\"", r#"{"text":"ends-in-a-quote\""}"#),
        ] {
            assert!(told(secret).appear_in(message), "{secret}: {message}");
        }
    }

    #[test]
    fn what_is_short_or_no_secret_may_be_said() {
        assert!(!told("true").appear_in(r#"{"isError":true}"#));
        let header = told("-----BEGIN KEY-----\nMIIabcdefgh\n-----END KEY-----");
        assert!(!header.appear_in("-----BEGIN KEY-----"));
        let silent = Secrets::new(&["/srv/files".to_owned()], &[]);
        assert!(!silent.appear_in(r#"{"text":"/srv/files/a"}"#));
        assert_eq!(silent.redacted("in /srv/files".to_owned()), "in [REDACTED]");
    }

    #[test]
    fn a_key_of_many_lines_is_not_logged_line_by_line() {
        let secrets = [
            "abcdef".to_owned(),
            "-----BEGIN KEY-----\n  MIIabcdef\n-----END KEY-----\n".to_owned(),
        ];
        let secrets = Secrets::new(&secrets, &[]);
        let line = secrets.redacted("key: MIIabcdef".to_owned());
        assert_eq!(line, "key: [REDACTED]");
    }
}

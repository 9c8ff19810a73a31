//! The forms of single values.

use std::time::Duration;

use url::Url;

use crate::tree::{Node, Value};

/// YAML 1.2's booleans only: `yes`, `no`, `on`, `True` and `"false"` have each meant two things.
pub(super) fn flag(text: &str, plain: bool) -> Option<bool> {
    match text {
        "true" if plain => Some(true),
        "false" if plain => Some(false),
        _ => None,
    }
}

/// Digits; a leading zero is refused because YAML 1.1 and 1.2 read it differently.
pub(super) fn whole(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.parse().ok()
}

/// `30`, `0.5`, `500ms`, `30s`, `5m`, `1h`, `1d`.
pub(super) fn span(text: &str) -> Option<Duration> {
    let split = text
        .find(|char: char| !char.is_ascii_digit() && char != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split)?;
    let number: f64 = number.parse().ok()?;
    let factor = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    // A year is more than any time-out means.
    let seconds = number * factor;
    if !(0.0..=31_536_000.0).contains(&seconds) {
        return None;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// `1048576`, `64KiB`, `4MiB`, `1GiB`.
pub(super) fn size(text: &str) -> Option<u64> {
    let split = text
        .find(|char: char| !char.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split)?;
    let factor = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        "GiB" => 1024 * 1024 * 1024,
        _ => return None,
    };
    whole(number)?.checked_mul(factor).filter(|size| *size > 0)
}

/// An absolute URL with a host.
pub(super) fn url(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.host().is_some()).then_some(url)
}

/// Whether a value that is no secret by its key holds none by its form either: a URL's userinfo
/// and query may.
pub(super) fn showable(text: &str) -> bool {
    let maybe_credentials =
        text.contains('@') && text.contains(':') || text.contains("://") && text.contains('?');
    let one_line = !text.contains(['\n', '\r']);
    !maybe_credentials && one_line && text.len() <= 120
}

/// The node as JSON, plain scalars by YAML 1.2's core schema.
pub(crate) fn json(node: &Node) -> serde_json::Value {
    use serde_json::Value as Json;
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar { text, plain } => match text.as_str() {
            "true" if *plain => Json::Bool(true),
            "false" if *plain => Json::Bool(false),
            text if *plain => serde_json::from_str::<serde_json::Number>(text)
                .map_or_else(|_| Json::String(text.to_owned()), Json::Number),
            text => Json::String(text.to_owned()),
        },
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|entry| (entry.key.clone(), json(&entry.node)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_read_as_people_write_them() {
        assert_eq!(span("30"), Some(Duration::from_secs(30)));
        assert_eq!(span("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(span("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(span("5m"), Some(Duration::from_mins(5)));
        for bad in ["", "-1", "1e9", "1y", "s", "99999999999", "1.2.3"] {
            assert_eq!(span(bad), None, "{bad}");
        }
        assert_eq!(size("4MiB"), Some(4 * 1024 * 1024));
        for bad in ["0", "4 MB", "4MB", "-1", "99999999999GiB"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_true_and_false_without_quotes_are_flags() {
        assert_eq!(flag("true", true), Some(true));
        for bad in ["yes", "no", "on", "True", "FALSE", "0", "1", ""] {
            assert_eq!(flag(bad, true), None, "{bad}");
        }
        assert_eq!(flag("false", false), None);
    }

    #[test]
    fn octal_and_signed_numbers_are_refused() {
        assert_eq!(whole("4000"), Some(4000));
        for bad in ["0o17", "017", "+1", "-1", "1_000", "0x1f", ""] {
            assert_eq!(whole(bad), None, "{bad}");
        }
    }
}

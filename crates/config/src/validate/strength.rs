//! Keys that anybody could guess.

/// Shorter keys can be searched for.
const MIN_LENGTH: usize = 16;

/// Fragments of keys that stand in somebody's documentation.
const PLACEHOLDERS: &[&str] = &[
    "sk-1234",
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "your-key",
    "your_key",
    "your-secret",
    "your-master",
    "replace-me",
    "replaceme",
    "secret-api-key",
    "example",
    "password",
    "<",
];

/// Why a key is weak; never the key.
pub(crate) fn weakness(key: &str) -> Option<&'static str> {
    let lower = key.to_ascii_lowercase();
    if PLACEHOLDERS.iter().any(|fragment| lower.contains(fragment)) {
        return Some("it is a placeholder from documentation");
    }
    if key.chars().count() < MIN_LENGTH {
        return Some("it has fewer than 16 characters");
    }
    let mut distinct: Vec<char> = lower.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    (distinct.len() < 8).then_some("it repeats a few characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_keys_and_short_keys_are_weak_and_random_ones_are_not() {
        for weak in [
            "sk-1234",
            "sk-1234567890abcdef",
            "changeme-changeme-changeme",
            "secret-api-key",
            "short",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "<your key goes here please>",
        ] {
            assert!(weakness(weak).is_some(), "{weak}");
        }
        assert_eq!(weakness("sk-pc-7Qm2-vT9dKx4RzP1sWn8uYb3"), None);
    }
}

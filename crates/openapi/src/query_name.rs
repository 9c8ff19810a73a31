//! When two names in a query are one to a server. Servers differ in how they read a name, so that two
//! are taken for one as soon as any common server takes them so.

use url::form_urlencoded;

/// A name as the most careless server reads it: without case (ASP.NET), and with what PHP makes an
/// underscore as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryName(String);

impl QueryName {
    pub(crate) fn of(name: &str) -> Self {
        let usual = |letter: char| match letter {
            '.' | ' ' | '+' => '_',
            other => other.to_ascii_lowercase(),
        };
        let name = name.trim().chars().filter(|letter| !letter.is_control());
        Self(name.map(usual).collect())
    }

    /// A name as it stands in a query, encoded.
    pub(crate) fn decoded(name: &str) -> Self {
        form_urlencoded::parse(name.as_bytes())
            .next()
            .map_or_else(|| Self(String::new()), |(name, _)| Self::of(&name))
    }

    /// What is before the first bracket: `filter` of `filter[a][b]`.
    fn root(&self) -> &str {
        self.0.split('[').next().unwrap_or_default()
    }

    fn is_within(&self, other: &Self) -> bool {
        let rest = self.0.strip_prefix(other.0.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
    }

    /// Whether this, which an argument of the parameter `own` made, says what another parameter says.
    /// Within `own` only what has a parameter of its own is another's; elsewhere, all that shares an
    /// object with it.
    pub(crate) fn intrudes(&self, other: &Self, own: &Self) -> bool {
        if self.is_within(own) {
            other != own && other.is_within(own) && self.is_within(other)
        } else {
            self.root() == other.root()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intrudes(name: &str, other: &str, own: &str) -> bool {
        QueryName::decoded(name).intrudes(&QueryName::of(other), &QueryName::of(own))
    }

    #[test]
    fn a_name_that_any_server_would_take_for_anothers_is_found() {
        for name in [
            "admin",
            "ADMIN",
            "%61dmin",
            "%20admin",
            "admin%5Bx%5D",
            "admin[",
            "admin%5B%5D",
            "admin%00",
        ] {
            assert!(intrudes(name, "admin", "filter"), "{name}");
        }
        assert!(intrudes("user.id", "user_id", "filter"));
        assert!(intrudes("page", "page[size]", "filter"));
        assert!(intrudes("filter%5Bname%5D", "filter[name]", "filter"));
        assert!(intrudes(
            "filter%5Bname%5D%5Bx%5D",
            "filter[name]",
            "filter"
        ));
        assert!(intrudes("filter%5Bb%5D", "filter", "filter[a]"));
    }

    #[test]
    fn other_names_are_free() {
        assert!(!intrudes("administrator", "admin", "filter"));
        assert!(!intrudes("a", "admin", "filter"));
        assert!(!intrudes("filter%5Ba%5D", "filter[name]", "filter"));
        assert!(!intrudes("filter%5Ba%5D%5Bb%5D", "filter", "filter[a]"));
        assert!(!intrudes("filter%5Ba%5D", "filter[b]", "filter[a]"));
    }
}

//! Where a person goes after signing in: to a page of ours, whatever a link says.

use super::form::form_field;

/// Longest path that is carried along.
const LONGEST: usize = 4096;
/// Pages that signing in is on the way to.
const AHEAD: [&str; 3] = ["/authorize", "/connect", "/docs"];

/// A path of a page of ours, with its query. Never another origin's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReturnTo(String);

impl ReturnTo {
    /// The path, or the overview for anything that is not exactly one.
    pub(crate) fn of(text: Option<&str>) -> Self {
        text.and_then(Self::parse)
            .unwrap_or_else(|| Self("/connect".to_owned()))
    }

    /// What a query says in `return_to`.
    pub(crate) fn of_query(query: Option<&str>) -> Self {
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let pairs = pairs.iter();
        Self::of(form_field(
            pairs.map(|(name, value)| (name.as_str(), value.as_str())),
            "return_to",
        ))
    }

    /// Browsers read `//host` and `/\host` as another host, take tabs and line breaks out before they
    /// read, and resolve `..`: none of that is let through to be read.
    fn parse(text: &str) -> Option<Self> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        let end = text.find('?').unwrap_or(text.len());
        let (path, query) = text.split_at(end);
        let ahead = AHEAD.iter().any(|page| {
            path.strip_prefix(page)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%,".contains(&byte);
        let straight = path.bytes().all(plain)
            && !path.contains("//")
            && !path.contains('%')
            && path.split('/').all(|part| part != "." && part != "..");
        let fits = text.len() <= LONGEST && visible && ahead && straight;
        (fits && !query.contains(['\\', '#', '"', '<', '>'])).then(|| Self(text.to_owned()))
    }

    /// What a person is on the way to, if it is anything in particular.
    pub(crate) fn purpose(&self) -> Option<&'static str> {
        if self.0.starts_with("/authorize/") {
            Some(
                "An application asks for access to this gateway. Sign in first; on the next page \
                 you see what it asks for, and decide.",
            )
        } else if self.0.starts_with("/connect/") {
            Some("Sign in first; on the next page you connect an account of yours.")
        } else {
            None
        }
    }

    /// The path and query.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The sign-in page that leads there.
    pub(crate) fn by_login(&self) -> String {
        self.by("/login")
    }

    /// The same for somebody who is signed in and has to prove it anew.
    pub(crate) fn by_login_again(&self) -> String {
        self.by_again("/login")
    }

    /// Another page of ours on the way there, on which they still have to.
    pub(crate) fn by_again(&self, page: &str) -> String {
        format!("{}&again=1", self.by(page))
    }

    /// Whether a query says so.
    pub(crate) fn is_again(query: Option<&str>) -> bool {
        let query = query.unwrap_or_default();
        url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "again")
    }

    /// Another page of ours that leads there.
    pub(crate) fn by(&self, page: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("return_to", &self.0);
        format!("{page}?{}", query.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_ours_are_returned_to() {
        for good in [
            "/connect",
            "/connect/github",
            "/connect/github?for=abc&x=1",
            "/authorize/0123",
            "/authorize/0123?a=%2F%2Fevil.test",
        ] {
            assert_eq!(ReturnTo::of(Some(good)).as_str(), good);
        }
        let back = ReturnTo::of_query(Some("a=b&return_to=%2Fconnect%2Fgithub%3Ffor%3Dx"));
        assert_eq!(back.as_str(), "/connect/github?for=x");
        assert_eq!(
            back.by_login(),
            "/login?return_to=%2Fconnect%2Fgithub%3Ffor%3Dx"
        );
    }

    /// UI-08.
    #[test]
    fn nothing_leads_to_another_origin() {
        for evil in [
            "",
            "//evil.test",
            "//evil.test/connect",
            "/\\evil.test",
            "\\\\evil.test",
            "https://evil.test/connect",
            "https:evil.test",
            "javascript:alert(1)",
            "/connect/../../evil",
            "/connect//evil.test",
            "/connect/%2e%2e/x",
            "/connect/..",
            "/connect\t/x",
            "/connect\n",
            "/connect#x",
            "/connect?x=\\",
            "/connect@evil.test",
            "/connected",
            "/key/list",
            "/mcp",
            "/logout",
            "connect",
            " /connect",
            "/connect/é",
        ] {
            assert_eq!(ReturnTo::of(Some(evil)).as_str(), "/connect", "{evil}");
        }
        let twice = ReturnTo::of_query(Some("return_to=/connect/a&return_to=/connect/b"));
        assert_eq!(twice.as_str(), "/connect");
        let long = format!("/connect?{}", "a".repeat(LONGEST));
        assert_eq!(ReturnTo::of(Some(&long)).as_str(), "/connect");
    }
}

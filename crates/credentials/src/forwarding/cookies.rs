//! `cookie_passthrough`: which of a caller's cookies a server gets.

use std::collections::BTreeSet;

use portcullis_core::ForwardedHeader;

/// Most bytes of cookies that are handed on; more, and none are.
const MOST: usize = 8 * 1024;

/// Names compare exactly, case included (RFC 6265 §5.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CookieRule {
    /// `cookie_names`
    pub names: BTreeSet<String>,
    /// `cookie_prefix`: every cookie whose name begins so.
    pub prefix: Option<String>,
    /// Every cookie (`extra_headers: [Cookie]`).
    pub all: bool,
}

impl CookieRule {
    fn admits(&self, name: &str) -> bool {
        self.all
            || self.names.contains(name)
            || self
                .prefix
                .as_ref()
                .is_some_and(|prefix| name.starts_with(prefix.as_str()))
    }

    /// The `Cookie` header with what is admitted (RFC 6265 §4.2.1), written anew.
    pub(super) fn header(&self, cookies: &[ForwardedHeader]) -> Option<ForwardedHeader> {
        let mut text = String::new();
        for cookie in cookies.iter().filter(|cookie| self.admits(&cookie.name)) {
            if !text.is_empty() {
                text.push_str("; ");
            }
            text.push_str(&cookie.name);
            text.push('=');
            text.push_str(cookie.value.expose());
        }
        (!text.is_empty() && text.len() <= MOST).then(|| ForwardedHeader::new("cookie", text))
    }
}

//! A caller's cookies, read strictly: whatever two readers could take for two different things is
//! not handed on (RFC 6265 §4.1.1, §4.2.1).

use std::collections::BTreeMap;

/// Cookies that only we set, and LiteLLM's, whose users' browsers may still have them: however they
/// are spelled.
const OWN: [&str; 6] = [
    "portcullis",
    "__host-portcullis",
    "__secure-portcullis",
    "mcp_oauth_state_",
    "mcp_connect_flow_",
    "llm_session_",
];

/// What the `Cookie` lines say.
#[derive(Debug, Default)]
pub(crate) struct Read<'h> {
    /// Names and values, each name once.
    pub(crate) cookies: Vec<(&'h str, &'h str)>,
    /// A name stood more than once; no copy of it is among them.
    pub(crate) ambiguous: bool,
}

/// Reads all lines: HTTP/2 clients may send one for each cookie (RFC 9113 §8.2.3).
pub(crate) fn read<'h>(lines: impl IntoIterator<Item = &'h str>) -> Read<'h> {
    let mut order = Vec::new();
    let mut found: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    let pairs = lines.into_iter().flat_map(|line| line.split(';'));
    for pair in pairs {
        let Some((name, value)) = pair.trim_matches([' ', '\t']).split_once('=') else {
            continue;
        };
        // Another reader may stop at the blank before `=`: it is a copy all the same.
        let key = name.trim_end();
        if found.contains_key(key) {
            found.insert(key, None);
        } else if is_name(key) && !is_own(key) {
            let sound = key == name && is_value(value);
            order.push(key);
            found.insert(key, sound.then_some(value));
        }
    }
    let mut read = Read::default();
    for name in order {
        match found.get(name) {
            Some(Some(value)) => read.cookies.push((name, value)),
            _ => read.ambiguous = true,
        }
    }
    read
}

/// A token (RFC 9110 §5.6.2).
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        // The attributes of RFC 2965.
        && !name.starts_with('$')
}

fn is_own(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    OWN.iter().any(|own| name.starts_with(own))
}

/// *cookie-octet*, perhaps in quotes.
fn is_value(value: &str) -> bool {
    let inner = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value);
    inner
        .bytes()
        .all(|byte| matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies<'h>(lines: &[&'h str]) -> Vec<(&'h str, &'h str)> {
        read(lines.iter().copied()).cookies
    }

    #[test]
    fn cookies_of_one_line_and_of_many_are_the_same() {
        let expected = vec![("sid", "1"), ("theme", "\"dark\""), ("q", "a=b")];
        assert_eq!(cookies(&["sid=1; theme=\"dark\";  q=a=b"]), expected);
        assert_eq!(cookies(&["sid=1", "theme=\"dark\"", "q=a=b"]), expected);
    }

    /// HDR-12.
    #[test]
    fn what_two_readers_could_read_differently_is_not_handed_on() {
        for lines in [
            &["sid=1; sid=2"][..],
            &["sid=1", "sid=2"],
            &["sid=1; sid =2"],
            &["sid =1; sid=2"],
            &["sid =1"],
            &["sid"],
            &["=sid"],
            &["$Version=1; sid"],
            &["sid=\"a;b\""],
            &["sid=a,b"],
            &["sid=a b"],
            &["sid=\"a"],
            &["sid=a\\b"],
            &["si d=1"],
            &["sid;=1"],
        ] {
            let read = cookies(lines);
            assert!(
                !read.iter().any(|(name, _)| *name == "sid"),
                "{lines:?}: {read:?}"
            );
        }
        assert!(read(["sid=1; sid=2"]).ambiguous);
        assert_eq!(cookies(&["sid=1; sid=1; a=b"]), [("a", "b")]);
        assert_eq!(cookies(&["$Version=1; a=b"]), [("a", "b")]);
    }

    /// HDR-11.
    #[test]
    fn cookies_of_ours_stay() {
        for own in [
            "portcullis_session=1",
            "__Host-portcullis-session=1",
            "__HOST-Portcullis=1",
            "__Secure-portcullis_csrf=1",
            "mcp_oauth_state_abc=1",
            "MCP_connect_flow_x=1",
        ] {
            assert_eq!(cookies(&[own]), [], "{own}");
        }
    }
}

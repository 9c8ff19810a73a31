//! Names of scopes: as little as the request needs, and no two things under one name.

use std::fmt::Write;

/// Longest name of a method or tool.
const LONGEST_NAME: usize = 256;

/// A name that is too long to stand in a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name of more than {LONGEST_NAME} bytes")]
pub struct NameTooLong;

/// What one request needs: the method, and of `tools/call` the one tool.
pub fn errand_scope(method: &str, tool: Option<&str>) -> Result<String, NameTooLong> {
    let method = escaped(method, b"/")?;
    match tool {
        Some(tool) if method == "tools/call" => Ok(format!("mcp:tools/call {}", tool_scope(tool)?)),
        _ => Ok(format!("mcp:{method}")),
    }
}

/// The same for servers that expect LiteLLM's three scopes on every request.
pub fn full_scope(tool: Option<&str>) -> Result<String, NameTooLong> {
    let general = "mcp:tools/call mcp:tools/list";
    match tool {
        Some(tool) => Ok(format!("{general} {}", tool_scope(tool)?)),
        None => Ok(general.to_owned()),
    }
}

fn tool_scope(tool: &str) -> Result<String, NameTooLong> {
    Ok(format!("mcp:tools/{}:call", escaped(tool, b"")?))
}

/// Percent-encoded (RFC 3986 §2.1) but for what is unreserved (§2.3): one scope token (RFC 6749
/// §3.3) whatever the name is, and decoding gives the name back.
fn escaped(name: &str, also: &[u8]) -> Result<String, NameTooLong> {
    if name.len() > LONGEST_NAME {
        return Err(NameTooLong);
    }
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.contains(&byte) {
            text.push(byte.into());
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use portcullis_core::ScopeSet;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_gets_the_scope_of_its_method_and_tool_and_no_other() {
        for (method, tool, expected) in [
            (
                "tools/call",
                Some("search"),
                "mcp:tools/call mcp:tools/search:call",
            ),
            (
                "tools/call",
                Some("a.b"),
                "mcp:tools/call mcp:tools/a.b:call",
            ),
            (
                "tools/call",
                Some("a_b"),
                "mcp:tools/call mcp:tools/a_b:call",
            ),
            (
                "tools/call",
                Some("a%2Eb"),
                "mcp:tools/call mcp:tools/a%252Eb:call",
            ),
            ("tools/call", None, "mcp:tools/call"),
            ("tools/list", None, "mcp:tools/list"),
            // A list that a call needs is a list.
            ("tools/list", Some("search"), "mcp:tools/list"),
            ("prompts/get", None, "mcp:prompts/get"),
            ("resources/read", None, "mcp:resources/read"),
            ("completion/complete", None, "mcp:completion/complete"),
            ("initialize", None, "mcp:initialize"),
            ("odd method", None, "mcp:odd%20method"),
        ] {
            assert_eq!(errand_scope(method, tool).unwrap(), expected);
        }
        assert_eq!(full_scope(None).unwrap(), "mcp:tools/call mcp:tools/list");
        assert_eq!(
            full_scope(Some("a b")).unwrap(),
            "mcp:tools/call mcp:tools/list mcp:tools/a%20b:call"
        );
    }

    /// SIGN-02.
    #[test]
    fn no_tool_names_its_way_into_another_scope() {
        let mut seen = BTreeSet::new();
        for tool in [
            "x mcp:tools/delete_all:call",
            "x\nmcp:tools/delete_all:call",
            "x:call mcp:tools/y",
            "*",
            "",
            "call",
            "/",
            "..",
            "\"",
            "\\",
            "é",
            "e\u{301}",
            "日本語",
            "A",
            "a",
        ] {
            let scope = errand_scope("tools/call", Some(tool)).unwrap();
            let tokens: ScopeSet = scope.parse().unwrap();
            assert_eq!(tokens.iter().count(), 2, "{tool:?}");
            assert!(seen.insert(scope), "{tool:?}");
        }
        let long = "x".repeat(LONGEST_NAME + 1);
        assert_eq!(errand_scope("tools/call", Some(&long)), Err(NameTooLong));
    }

    proptest! {
        #[test]
        fn two_tools_never_share_a_scope(one in ".{0,20}", other in ".{0,20}") {
            let scope = |tool: &str| errand_scope("tools/call", Some(tool)).unwrap();
            prop_assert_eq!(scope(&one) == scope(&other), one == other);
            prop_assert_eq!(scope(&one).split(' ').count(), 2);
        }
    }
}

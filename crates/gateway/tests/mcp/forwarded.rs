//! What of a caller's own request goes upstream, and what does not.

mod cookies;
mod delegated;
mod discovery;
mod headers;
mod passthrough;
mod tokens;

use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply};

use super::support::{Answer, Client};

/// Calls `echo` in the era that the server speaks.
async fn echo(client: &Client, upstream: &FakeUpstream) -> Answer {
    let tool = if client.path == "/mcp" {
        "a-echo"
    } else {
        "echo"
    };
    if speaks_modern(upstream) {
        client.modern_call(tool, "{}").await
    } else {
        client.call(tool, "{}").await
    }
}

fn speaks_modern(upstream: &FakeUpstream) -> bool {
    format!("{upstream:?}").contains("Modern")
}

/// A server that lets in only who brings one of these bearer tokens, and challenges the others.
fn judging(upstream: &FakeUpstream, tokens: &'static [&'static str]) {
    upstream.first(move |request: &Recorded| {
        let known = tokens
            .iter()
            .any(|token| request.header("authorization") == Some(&format!("Bearer {token}")));
        if known {
            return Reply::Default;
        }
        Reply::json(401, r#"{"error":"canary-body"}"#)
            .header("www-authenticate", THEIR_CHALLENGE)
            .header("set-cookie", "gw_session=evil")
    });
}

const THEIR_CHALLENGE: &str = r#"Bearer error="invalid_token", error_description="canary-prose", resource_metadata="https://mcp.test/.well-known/oauth-protected-resource""#;
/// What of it is passed on.
const PASSED_ON: &str = r#"Bearer error="invalid_token", resource_metadata="https://mcp.test/.well-known/oauth-protected-resource""#;

/// Nothing that the server got holds any of these.
fn holds_none_of(upstream: &FakeUpstream, secrets: &[&str]) {
    for request in upstream.requests() {
        let text = format!("{request:?}");
        for secret in secrets {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}

/// A key of ours with its last character wrong.
fn mistyped(key: &str) -> String {
    let (rest, last) = key.split_at(key.len() - 1);
    format!("{rest}{}", if last == "a" { "b" } else { "a" })
}

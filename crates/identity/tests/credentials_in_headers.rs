//! What callers and attackers put into headers, and which credential the gateway sees in it.

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::sha256;
use portcullis_identity::{AuthnErrorKind, CredentialSource, Presented, extract};

const KEY: &str = "x-litellm-api-key";
const ALIAS: &str = "x-portcullis-api-key";
const AUTH: &str = "authorization";

#[derive(Debug, PartialEq)]
enum Seen {
    Key(&'static str),
    Bearer(&'static str),
    Nothing(AuthnErrorKind),
}
use AuthnErrorKind::{Ambiguous, Malformed, Missing};
use Seen::{Bearer, Key, Nothing};

fn is(presented: &Presented, source: CredentialSource, text: &str) -> bool {
    presented.source() == source
        && presented.key().expose() == text
        && *presented.fingerprint() == sha256(text.as_bytes())
}

#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn check(lines: &[(&'static str, &'static str)], expected: &Seen) {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.append(HeaderName::from_static(name), value);
    }
    let matches = match (extract(&headers), expected) {
        (Ok(presented), Key(text)) => is(&presented, CredentialSource::KeyHeader, text),
        (Ok(presented), Bearer(text)) => is(&presented, CredentialSource::Bearer, text),
        (Err(error), Nothing(kind)) => error.kind == *kind,
        _ => false,
    };
    assert!(matches, "{lines:?} should be {expected:?}");
}

#[test]
fn auth_01_nothing_sent_is_missing() {
    check(&[], &Nothing(Missing));
    check(
        &[("cookie", "session=1"), ("x-api-key", "sk-1")],
        &Nothing(Missing),
    );
    check(&[(AUTH, "")], &Nothing(Missing));
    check(&[(AUTH, "Bearer")], &Nothing(Missing));
    check(&[(AUTH, "Bearer ")], &Nothing(Missing));
    check(&[(KEY, "")], &Nothing(Missing));
    check(&[(KEY, "Bearer ")], &Nothing(Missing));
}

#[test]
fn auth_06_the_scheme_is_parsed_to_the_letter() {
    check(&[(AUTH, "Bearer T")], &Bearer("T"));
    check(&[(AUTH, "bearer T")], &Bearer("T"));
    check(&[(AUTH, "BEARER T")], &Bearer("T"));
    for bad in [
        "Bearer\tT",
        "Bearer  T",
        "BearerT",
        "Bearer T extra",
        "Bearer T ",
        " Bearer T",
        "Basic T",
        "Token T",
        "T",
        "Bearer T\tU",
        "Bearer  ",
        "Bearer tök",
    ] {
        check(&[(AUTH, bad)], &Nothing(Malformed));
    }
    check(&[(AUTH, "Bearer T,Bearer U")], &Nothing(Ambiguous));
}

#[test]
fn auth_07_two_lines_of_a_credential_header_are_ambiguous() {
    check(
        &[(AUTH, "Bearer T"), (AUTH, "Bearer U")],
        &Nothing(Ambiguous),
    );
    check(
        &[(AUTH, "Bearer T"), (AUTH, "Bearer T")],
        &Nothing(Ambiguous),
    );
    check(
        &[(AUTH, "Basic T"), (AUTH, "Bearer T")],
        &Nothing(Ambiguous),
    );
    check(&[(AUTH, "Bearer T"), (AUTH, "")], &Nothing(Ambiguous));
    for name in [KEY, ALIAS] {
        check(&[(name, "T"), (name, "U")], &Nothing(Ambiguous));
        check(&[(name, "T"), (name, "T")], &Nothing(Ambiguous));
        check(&[(name, "T,U")], &Nothing(Ambiguous));
        check(&[(name, "Bearer T, Bearer U")], &Nothing(Ambiguous));
    }
    check(&[(AUTH, "Bearer T, Bearer U")], &Nothing(Ambiguous));
    check(&[(AUTH, "Basic T, Bearer U")], &Nothing(Ambiguous));
}

#[test]
fn auth_07_two_authorization_lines_are_ambiguous_beside_a_key_header_too() {
    check(
        &[(KEY, "K"), (AUTH, "Bearer T"), (AUTH, "Bearer U")],
        &Nothing(Ambiguous),
    );
}

#[test]
fn a_key_header_wins_and_leaves_authorization_to_the_upstream() {
    for upstream in [
        "Bearer upstream",
        "Basic dXNlcjpwdw==",
        "Digest a=b, c=d",
        "",
    ] {
        check(&[(KEY, "K"), (AUTH, upstream)], &Key("K"));
        check(&[(ALIAS, "Bearer K"), (AUTH, upstream)], &Key("K"));
    }
}

#[test]
fn a_key_header_takes_its_value_with_or_without_bearer() {
    for value in ["sk-1", "Bearer sk-1", "bearer sk-1"] {
        check(&[(KEY, value)], &Key("sk-1"));
        check(&[(ALIAS, value)], &Key("sk-1"));
    }
    for bad in [
        "Basic sk-1",
        "sk-1 sk-2",
        "Bearer  sk-1",
        "sk-1\t",
        "sk-\u{e9}",
    ] {
        check(&[(KEY, bad)], &Nothing(Malformed));
    }
}

#[test]
fn both_key_headers_must_agree() {
    check(&[(KEY, "K"), (ALIAS, "Bearer K")], &Key("K"));
    check(&[(KEY, "K"), (ALIAS, "L")], &Nothing(Ambiguous));
    check(&[(KEY, "K"), (ALIAS, "")], &Nothing(Ambiguous));
    check(&[(KEY, ""), (ALIAS, "K")], &Nothing(Ambiguous));
}

#[test]
fn an_empty_key_header_does_not_turn_the_upstream_token_into_ours() {
    check(&[(KEY, ""), (AUTH, "Bearer T")], &Nothing(Missing));
}

#[test]
fn a_credential_never_prints_itself() {
    let mut headers = HeaderMap::new();
    headers.insert(AUTH, HeaderValue::from_static("Bearer canary-5151"));
    let presented = extract(&headers).unwrap();
    assert!(!format!("{presented:?}").contains("canary"));
    headers.insert(AUTH, HeaderValue::from_static("Basic canary-5151"));
    let error = extract(&headers).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"));
}

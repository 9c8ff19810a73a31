use proptest::prelude::*;

use super::*;

fn parse(values: &[&str]) -> Option<Challenge> {
    let values: Vec<HeaderValue> = values
        .iter()
        .map(|value| HeaderValue::from_bytes(value.as_bytes()).unwrap())
        .collect();
    Challenge::parse_bearer(&values)
}

#[test]
fn rfc_9728_5_1_a_challenge_names_the_metadata_and_the_scopes() {
    let challenge = Challenge {
        error: Some("insufficient_scope"),
        scope: Some("b a".parse().unwrap()),
        resource_metadata: Some("https://gw.example/.well-known/x".to_owned()),
        ..Challenge::default()
    };
    assert_eq!(
        challenge.to_header_value().unwrap(),
        "Bearer error=\"insufficient_scope\", scope=\"a b\", \
         resource_metadata=\"https://gw.example/.well-known/x\""
    );
    assert_eq!(Challenge::default().to_header_value().unwrap(), "Bearer");
}

#[test]
fn nothing_breaks_out_of_a_built_challenge() {
    let quoted = Challenge {
        realm: Some(r#"a"b\c, Basic realm="x"#.to_owned()),
        ..Challenge::default()
    };
    assert_eq!(
        quoted.to_header_value().unwrap(),
        r#"Bearer realm="a\"b\\c, Basic realm=\"x""#
    );
    for evil in ["a\r\nset-cookie: x", "a\nb", "a\u{0}", "a\tb", "\u{e4}"] {
        let challenge = Challenge {
            error_description: Some(evil.to_owned()),
            ..Challenge::default()
        };
        assert_eq!(
            challenge.to_header_value().unwrap_err(),
            InvalidChallenge("error_description")
        );
    }
}

#[test]
fn a_bearer_challenge_is_found_among_others() {
    let metadata = "https://mcp.example/.well-known/oauth-protected-resource";
    for values in [
        vec![
            r#"Bearer resource_metadata="https://mcp.example/.well-known/oauth-protected-resource""#,
        ],
        vec![
            r#"bearer realm="a, b=\"c\"",resource_metadata = "https://mcp.example/.well-known/oauth-protected-resource""#,
        ],
        vec!["Bearer resource_metadata=https://mcp.example/.well-known/oauth-protected-resource"],
        vec![
            r#"Basic realm="Bearer resource_metadata=evil", Bearer resource_metadata="https://mcp.example/.well-known/oauth-protected-resource", Digest qop="auth""#,
        ],
        vec![
            r#"Negotiate YII=, , Bearer Resource_Metadata="https://mcp.example/.well-known/oauth-protected-resource""#,
        ],
        vec![
            "Negotiate",
            r#"Bearer resource_metadata="https://mcp.example/.well-known/oauth-protected-resource""#,
        ],
        vec![
            r#"Negotiate, Bearer resource_metadata="https://mcp.example/.well-known/oauth-protected-resource""#,
        ],
    ] {
        let challenge = parse(&values).unwrap_or_else(|| panic!("{values:?}"));
        assert_eq!(
            challenge.resource_metadata.as_deref(),
            Some(metadata),
            "{values:?}"
        );
    }
}

#[test]
fn what_is_no_bearer_challenge_is_none() {
    for value in [
        "",
        ",,",
        "Basic realm=\"x\"",
        "=",
        "\"Bearer\"",
        "Bearerx a=b",
        "Basic Bearer",
    ] {
        assert_eq!(parse(&[value]), None, "{value}");
    }
}

#[test]
fn only_registered_errors_valid_scopes_and_unrepeated_parameters_are_believed() {
    let challenge = parse(&[
        r#"Bearer error="invalid_token", error_description="canary", scope="a b", realm=x, realm=y"#,
    ])
    .unwrap();
    assert_eq!(
        challenge,
        Challenge {
            error: Some("invalid_token"),
            scope: Some("a b".parse().unwrap()),
            ..Challenge::default()
        }
    );
    let odd = parse(&[r#"Bearer error="canary", scope="\"""#]).unwrap();
    assert_eq!(odd, Challenge::default());
}

#[test]
fn a_value_that_breaks_off_is_read_up_to_there() {
    let challenge = parse(&[r#"Bearer realm="x", resource_metadata="https://unfinished"#]).unwrap();
    assert_eq!(challenge.realm.as_deref(), Some("x"));
    assert_eq!(challenge.resource_metadata, None);
}

proptest! {
    #[test]
    fn any_header_value_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            let _ = Challenge::parse_bearer([&value]);
        }
    }

    #[test]
    fn anything_challenge_like_is_survived(text in "[ ,=\"\\\\aBearer/+;\t]{0,80}") {
        if let Ok(value) = HeaderValue::from_str(&text) {
            let _ = Challenge::parse_bearer([&value]);
        }
    }

    #[test]
    fn what_we_build_we_read_again(realm in "[ -~]{0,40}", metadata in "[ -~]{0,40}") {
        let challenge = Challenge {
            realm: Some(realm),
            error: Some("invalid_token"),
            resource_metadata: Some(metadata),
            ..Challenge::default()
        };
        let value = challenge.to_header_value().unwrap();
        prop_assert_eq!(Challenge::parse_bearer([&value]), Some(challenge));
    }
}

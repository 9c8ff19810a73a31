//! Arguments as headers, written and compared.

use super::*;

#[test]
fn arguments_are_mirrored_as_the_client_scenario_expects() {
    let params = ParamHeaders::from_schema(&tool(&json!({
        "region": {"type": "string", "x-mcp-header": "Region"},
        "priority": {"type": "integer", "x-mcp-header": "Priority"},
        "verbose": {"type": "boolean", "x-mcp-header": "Verbose"},
        "debug": {"type": "boolean", "x-mcp-header": "Debug"},
        "empty_val": {"type": "string", "x-mcp-header": "EmptyVal"},
        "method_val": {"type": "string", "x-mcp-header": "Method"},
        "float_val": {"type": "number"},
        "non_ascii_val": {"type": "string", "x-mcp-header": "NonAscii"},
        "options": {"type": "object", "properties": {"deep": {"type": "string", "x-mcp-header": "Deep"}}},
        "query": {"type": "string"},
    })))
    .unwrap();
    let arguments = json!({
        "region": "us-west1", "priority": 42, "verbose": false, "debug": true, "empty_val": "",
        "method_val": "test-method", "float_val": 2.5, "non_ascii_val": "Hello, 世界",
        "options": {"deep": " d"}, "query": "SELECT 1",
    });
    let mut headers = written(&params, &arguments);
    headers.sort();
    let expected = [
        ("mcp-param-debug", "true"),
        ("mcp-param-deep", "=?base64?IGQ=?="),
        ("mcp-param-emptyval", ""),
        ("mcp-param-method", "test-method"),
        ("mcp-param-nonascii", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        ("mcp-param-priority", "42"),
        ("mcp-param-region", "us-west1"),
        ("mcp-param-verbose", "false"),
    ];
    assert_eq!(
        headers,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );

    let as_sent: HeaderMap = params
        .headers_for(Some(&raw(&arguments)))
        .into_iter()
        .collect();
    assert_eq!(
        params.check(&as_sent, Some(&raw(&arguments))),
        Ok(()),
        "what we send we also accept"
    );
}

#[test]
fn null_and_missing_arguments_have_no_header() {
    for arguments in [
        json!({"region": null}),
        json!({}),
        json!(null),
        json!([]),
        json!("region"),
    ] {
        assert_eq!(written(&region(), &arguments), [], "{arguments}");
        assert_eq!(
            region().check(&HeaderMap::new(), Some(&raw(&arguments))),
            Ok(()),
            "{arguments}"
        );
    }
}

#[test]
fn integers_are_written_in_decimal_and_only_when_every_reader_agrees_on_them() {
    let cases = [
        (json!(0), Some("0")),
        (json!(-7), Some("-7")),
        (json!(42.0), Some("42")),
        (json!(-0.0), Some("0")),
        (json!(9_007_199_254_740_991_i64), Some("9007199254740991")),
        (json!(-9_007_199_254_740_991_i64), Some("-9007199254740991")),
        (json!(9_007_199_254_740_992_i64), None),
        (json!(-9_007_199_254_740_992_i64), None),
        (json!(u64::MAX), None),
        (json!(1e300), None),
        (json!(3.5), None),
    ];
    for (value, expected) in cases {
        let headers = written(&priority(), &json!({"priority": value}));
        assert_eq!(
            headers.first().map(|(_, text)| text.as_str()),
            expected,
            "{value}"
        );
    }
}

#[test]
fn integers_compare_by_value_and_everything_else_by_text() {
    let agree = [
        ("42", json!(42)),
        ("42.0", json!(42)),
        ("42", json!(42.0)),
        ("4.2e1", json!(42)),
        ("-0", json!(0)),
    ];
    for (header, value) in agree {
        let headers = sent(&[("mcp-param-priority", header)]);
        assert_eq!(
            priority().check(&headers, Some(&raw(&json!({"priority": value})))),
            Ok(()),
            "{header}"
        );
    }
    let name = HeaderName::from_static("mcp-param-priority");
    let differ = [
        ("43", json!(42)),
        ("042", json!(42)),
        ("+42", json!(42)),
        ("42x", json!(42)),
        ("", json!(0)),
        ("0x2a", json!(42)),
        ("3.5", json!(3.5)),
        ("9007199254740993", json!(9_007_199_254_740_993_i64)),
        ("9007199254740992", json!(9_007_199_254_740_993_i64)),
        ("1", json!(true)),
        ("True", json!(true)),
        ("42.0", json!("42")),
        ("{}", json!({})),
        ("[]", json!([])),
    ];
    for (header, value) in differ {
        let headers = sent(&[("mcp-param-priority", header)]);
        let expected = Err(HeaderMismatch::Differs(name.clone()));
        assert_eq!(
            priority().check(&headers, Some(&raw(&json!({"priority": value})))),
            expected,
            "{header} against {value}"
        );
    }
}

/// The cases of the conformance scenario `http-custom-header-server-validation`, and their kin.
#[test]
fn a_call_whose_headers_contradict_its_body_is_refused() {
    let name = || HeaderName::from_static("mcp-param-region");
    let unreadable = |source| {
        Err(HeaderMismatch::Unreadable {
            name: name(),
            source,
        })
    };
    let cases = [
        (vec!["=?base64?SGVsbG8=?="], json!("Hello"), Ok(())),
        (vec!["SGVsbG8="], json!("SGVsbG8="), Ok(())),
        (
            vec!["=?base64?SGVsbG8="],
            json!("=?base64?SGVsbG8="),
            Ok(()),
        ),
        (vec![" us-west1 "], json!("us-west1"), Ok(())),
        (vec![""], json!(""), Ok(())),
        (
            vec!["=?base64?SGVsbG8?="],
            json!("Hello"),
            unreadable(HeaderValueError::InvalidBase64),
        ),
        (
            vec!["=?base64?SGVs!!!bG8=?="],
            json!("Hello"),
            unreadable(HeaderValueError::InvalidBase64),
        ),
        (
            vec!["=?BASE64?SGVsbG8=?="],
            json!("Hello"),
            Err(HeaderMismatch::Differs(name())),
        ),
        (
            vec!["us-east1"],
            json!("us-west1"),
            Err(HeaderMismatch::Differs(name())),
        ),
        (
            vec!["US-WEST1"],
            json!("us-west1"),
            Err(HeaderMismatch::Differs(name())),
        ),
        (
            vec![],
            json!("us-west1"),
            Err(HeaderMismatch::Missing(name())),
        ),
        (vec![], json!(""), Err(HeaderMismatch::Missing(name()))),
        (
            vec![],
            json!(["us-west1"]),
            Err(HeaderMismatch::Missing(name())),
        ),
        (
            vec!["us-west1"],
            json!(null),
            Err(HeaderMismatch::Unexpected(name())),
        ),
        (
            vec![""],
            json!(null),
            Err(HeaderMismatch::Unexpected(name())),
        ),
        (
            vec!["a", "a"],
            json!("a"),
            unreadable(HeaderValueError::Repeated),
        ),
    ];
    for (values, value, expected) in cases {
        let headers: Vec<_> = values
            .iter()
            .map(|value| ("Mcp-Param-Region", *value))
            .collect();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_static(value));
        }
        assert_eq!(
            region().check(&map, Some(&raw(&json!({"region": value})))),
            expected,
            "{values:?} against {value}"
        );
    }
}

#[test]
fn headers_that_the_schema_does_not_know_are_ignored() {
    let headers = sent(&[
        ("mcp-param-region", "a"),
        ("mcp-param-other", "=?base64?!?="),
    ]);
    assert_eq!(
        region().check(&headers, Some(&raw(&json!({"region": "a"})))),
        Ok(())
    );
}

#[test]
fn a_mismatch_names_the_header_and_not_the_value() {
    let headers = sent(&[("mcp-param-region", "s3cret-header")]);
    let mismatch = region()
        .check(&headers, Some(&raw(&json!({"region": "s3cret-body"}))))
        .unwrap_err();
    assert!(!format!("{mismatch} {mismatch:?}").contains("s3cret"));
    assert_eq!(mismatch.error_kind(), ErrorKind::Invalid);
}

/// Bytes as no value tree would keep them.
#[test]
fn arguments_are_read_where_they_stand_and_a_second_reading_is_refused() {
    let nested = ParamHeaders::from_schema(&tool(&json!({"where": {
        "type": "object",
        "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
    }})))
    .unwrap();
    let name = || HeaderName::from_static("mcp-param-region");
    let cases = [
        (r#"{"where":{"region":"eu"},"other":1e400}"#, Ok(())),
        (r#"{ "where" : { "r\u0065gion" : "\u0065u" } }"#, Ok(())),
        (r#"{"where":{"region":"eu","other":{"a":1,"a":2}}}"#, Ok(())),
        (
            r#"{"where":{"region":"us"},"where":{"region":"eu"}}"#,
            Err(HeaderMismatch::Ambiguous(name())),
        ),
        (
            r#"{"where":{"region":"us","r\u0065gion":"eu"}}"#,
            Err(HeaderMismatch::Ambiguous(name())),
        ),
        (
            r#"{"where":{"region":1e400}}"#,
            Err(HeaderMismatch::Differs(name())),
        ),
        (
            r#"{"where":["eu"]}"#,
            Err(HeaderMismatch::Unexpected(name())),
        ),
    ];
    let headers = sent(&[("mcp-param-region", "eu")]);
    for (arguments, expected) in cases {
        let arguments: &RawValue = serde_json::from_str(arguments).unwrap();
        assert_eq!(
            nested.check(&headers, Some(arguments)),
            expected,
            "{arguments}"
        );
        let mirrored: HeaderMap = nested.headers_for(Some(arguments)).into_iter().collect();
        assert_eq!(mirrored == headers, expected.is_ok(), "{arguments}");
    }
    assert_eq!(
        nested.check(&headers, None),
        Err(HeaderMismatch::Unexpected(name()))
    );
    assert_eq!(nested.check(&HeaderMap::new(), None), Ok(()));
}

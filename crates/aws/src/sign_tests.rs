//! AWS's own cases, and what the connection may still change.

use super::*;

use aws_sigv4::http_request::{PercentEncodingMode, UriPathNormalizationMode};
use http::header::HOST;
use portcullis_core::SecretValue;
use serde_json::Value;

const CASES: &str = include_str!("../tests/fixtures/aws-signing-test-suite-v4.json");

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

/// The head and the body of a request as the suite writes them; continued lines are joined as the
/// suite's canonical form has them.
fn request(written: &str) -> (Method, Uri, HeaderMap, String) {
    let (head, body) = written.split_once("\n\n").unwrap_or((written, ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap();
    let (method, rest) = first.split_once(' ').unwrap();
    let target = rest.strip_suffix(" HTTP/1.1").unwrap();
    let mut pairs: Vec<(String, String)> = Vec::new();
    for line in lines {
        match line.split_once(':') {
            Some((name, value)) if !line.starts_with(' ') => {
                pairs.push((name.to_owned(), value.trim().to_owned()));
            }
            _ => {
                let last = &mut pairs.last_mut().unwrap().1;
                *last = format!("{last} {}", line.trim());
            }
        }
    }
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    let host = headers.get(HOST).unwrap().to_str().unwrap();
    // A URI takes no blanks and nothing beyond ASCII: sent they are escaped.
    let target: String = target
        .bytes()
        .map(|byte| match byte {
            b'!'..=b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let uri = format!("https://{host}{target}").parse().unwrap();
    (method.parse().unwrap(), uri, headers, body.to_owned())
}

#[test]
fn awss_own_cases_have_the_signatures_that_aws_gives_them() {
    let suite: Value = serde_json::from_str(CASES).unwrap();
    let mut checked = 0;
    for case in suite["cases"].as_array().unwrap() {
        let context = &case["context"];
        let given = &context["credentials"];
        // The token beside the signature, not under it: no service that we call wants it so.
        if context["omit_session_token"] == true {
            continue;
        }
        let token = given["token"].as_str().map(SecretValue::new);
        let keys = AccessKeys::new(
            text(given, "access_key_id"),
            &SecretValue::new(text(given, "secret_access_key")),
            token,
        );
        let scope = Scope {
            region: text(context, "region").to_owned(),
            service: text(context, "service").to_owned(),
        };
        let (method, uri, headers, body) = request(text(case, "request"));
        let mut settings = SigningSettings::default();
        // The suite writes paths as they are before they are escaped for the way.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode =
            UriPathNormalizationMode::from(context["normalize"].as_bool().unwrap());
        if context["sign_body"] == true {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let now = text(context, "timestamp").parse().unwrap();
        let signed = signature(
            &method,
            &uri,
            &headers,
            body.as_bytes(),
            &keys,
            &scope,
            now,
            settings,
        )
        .unwrap();
        let (_, authorization) = signed
            .iter()
            .find(|(name, _)| *name == AUTHORIZATION)
            .unwrap();
        let wanted = format!("Signature={}", text(case, "signature"));
        assert!(
            authorization.to_str().unwrap().ends_with(&wanted),
            "{}",
            text(case, "name")
        );
        checked += 1;
    }
    assert_eq!(checked, 37);
}

/// A path that is escaped for the way is escaped once more where it is signed: what most servers of
/// AWS do, and where a runtime's ARN stands in the path.
#[test]
fn an_escaped_path_is_signed_as_awss_own_case_has_it() {
    let secret = SecretValue::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    let signed = signature(
        &Method::POST,
        &Uri::from_static(
            "https://lambda.us-east-2.amazonaws.com/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-west-2%3A892717189312%3Afunction%3Amy-rusty-fun/invocations",
        ),
        &HeaderMap::new(),
        b"",
        &AccessKeys::new("AKIDEXAMPLE", &secret, None),
        &Scope {
            region: "us-east-2".to_owned(),
            service: "lambda".to_owned(),
        },
        "2021-05-11T15:40:45Z".parse().unwrap(),
        SigningSettings::default(),
    )
    .unwrap();
    let wanted = "Signature=4b93abbcc68be32bd64c18e2c71150660ab4c29bbd6c32a383a7517a88fc1804";
    let found = signed
        .iter()
        .any(|(_, value)| value.to_str().unwrap().ends_with(wanted));
    assert!(found, "{signed:?}");
}

fn keys() -> AccessKeys {
    let token = SecretValue::new("canary-session-token");
    AccessKeys::new(
        "AKIDEXAMPLE",
        &SecretValue::new("canary-secret"),
        Some(token),
    )
}

fn signed(headers: &mut HeaderMap) -> Result<(), SigningError> {
    let scope = Scope {
        region: "us-east-1".to_owned(),
        service: "bedrock-agentcore".to_owned(),
    };
    let uri = Uri::from_static("https://mcp.example.com:8443/a%2Fb?q=1");
    let now = Timestamp::from_secs(1_440_938_160);
    sign(&Method::POST, &uri, headers, b"{}", &keys(), &scope, now)
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).unwrap().to_str().unwrap()
}

#[test]
fn every_header_is_covered_but_those_that_a_hop_writes_itself() {
    let mut headers = HeaderMap::new();
    for name in [
        "mcp-session-id",
        "content-type",
        "accept",
        "traceparent",
        "user-agent",
    ] {
        headers.insert(name, HeaderValue::from_static("x"));
    }
    signed(&mut headers).unwrap();
    let authorization = header(&headers, "authorization");
    assert!(
        authorization.contains(
            "SignedHeaders=accept;content-type;host;mcp-session-id;x-amz-content-sha256;x-amz-date;x-amz-security-token,"
        ),
        "{authorization}"
    );
    assert_eq!(header(&headers, "x-amz-date"), "20150830T123600Z");
    assert_eq!(
        header(&headers, "x-amz-security-token"),
        "canary-session-token"
    );
    for name in ["authorization", "x-amz-security-token"] {
        assert!(headers[name].is_sensitive(), "{name}");
    }
    assert!(headers.get("host").is_none(), "the connection writes it");
}

#[test]
fn a_second_signature_replaces_the_first_and_is_the_same() {
    let mut headers = HeaderMap::new();
    signed(&mut headers).unwrap();
    let once = headers.clone();
    signed(&mut headers).unwrap();
    assert_eq!(headers, once);
}

#[test]
fn what_is_not_text_is_not_signed_and_not_sent() {
    let mut headers = HeaderMap::new();
    headers.insert("mcp-name", HeaderValue::from_bytes(b"\xff").unwrap());
    assert_eq!(signed(&mut headers).unwrap_err(), SigningError::NotText);
    assert!(headers.get("authorization").is_none());
}

#[test]
fn keys_do_not_print_themselves() {
    let shown = format!("{:?}", keys());
    assert!(!shown.contains("canary"), "{shown}");
}

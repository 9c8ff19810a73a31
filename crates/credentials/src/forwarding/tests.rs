//! Each row of the README's table.

use portcullis_core::{SecretValue, ServerId};

use super::*;
use crate::{StaticHeader, WithoutBearer};

fn secret(text: &str) -> SecretValue {
    SecretValue::new(text)
}

fn of(auth: UpstreamAuth) -> ServerAuth {
    ServerAuth::new(ServerId::from("a"), auth)
}

/// A server that takes everything that may be taken.
fn open(auth: UpstreamAuth) -> ServerAuth {
    let mut server = of(auth);
    server.forwarding = Forwarding {
        extra_headers: ["authorization", "x-api-key", "x-team"]
            .map(HeaderName::from_static)
            .into(),
        cookies: Some(CookieRule {
            names: ["sid".to_owned()].into(),
            prefix: Some("app_".to_owned()),
            all: false,
        }),
        caller_headers: CallerHeaders::Any,
    };
    server
}

fn m2m() -> UpstreamAuth {
    let client = crate::ClientCredentials {
        token_endpoint: crate::TokenEndpoint::Configured("https://as.test/token".parse().unwrap()),
        client: crate::TokenClient {
            client_id: "c".to_owned(),
            proof: crate::ClientProof::SecretPost(portcullis_core::ClientSecret::new("s")),
        },
        scopes: portcullis_core::ScopeSet::default(),
        audience: None,
        resource: None,
        rules: portcullis_oauth::TokenRules::default(),
        chosen_by: portcullis_egress::Destination::Operator {
            allow_insecure_http: false,
        },
    };
    UpstreamAuth::ClientCredentials(Box::new(client))
}

fn signed() -> UpstreamAuth {
    let keys = portcullis_aws::AccessKeys::new("AKID", &secret("of-the-file"), None);
    UpstreamAuth::AwsSigV4(Box::new(crate::AwsSignature {
        identity: portcullis_aws::Identity {
            source: portcullis_aws::Source::Keys(keys),
            role: None,
            sts: portcullis_aws::StsEndpoint {
                url: "https://sts.test/".parse().unwrap(),
                region: "eu-west-1".to_owned(),
                chosen_by: portcullis_egress::Destination::Operator {
                    allow_insecure_http: false,
                },
            },
        },
        scope: portcullis_aws::Scope {
            region: "eu-west-1".to_owned(),
            service: "bedrock-agentcore".to_owned(),
        },
    }))
}

fn bearer_token() -> UpstreamAuth {
    UpstreamAuth::bearer_token(&secret("of-the-file")).unwrap()
}

fn brought(headers: &[(&str, &str)]) -> Brought {
    Brought {
        headers: headers
            .iter()
            .map(|(name, value)| ForwardedHeader::new(name, *value))
            .collect(),
        ..Brought::default()
    }
}

/// What goes out, and whether it replaces our credential.
fn chosen(
    server: &ServerAuth,
    brought: &Brought,
    addressed: &[(&str, &str)],
    request_wide: Option<&str>,
) -> (Vec<String>, bool) {
    let headers: Vec<_> = addressed
        .iter()
        .map(|(name, value)| (*name, ForwardedHeader::new(name, *value)))
        .collect();
    let request_wide = request_wide.map(|value| ForwardedHeader::new("x-mcp-auth", value));
    let addressed = Addressed {
        headers: headers
            .iter()
            .map(|(name, header)| (*name, header))
            .collect(),
        request_wide: request_wide.as_ref(),
    };
    let Some(forwarded) = Forwarding::select(server, brought, &addressed) else {
        return (Vec::new(), false);
    };
    let lines = forwarded
        .iter()
        .map(|header| format!("{}: {}", header.name, header.value.expose()));
    (lines.collect(), forwarded.authenticates())
}

/// Rows 1 and 7: what the file fixes is nobody's to change, however they spell it (HDR-02, HDR-05).
#[test]
fn a_static_header_is_never_replaced() {
    let mut server = open(UpstreamAuth::None);
    server.static_headers = vec![
        StaticHeader::new("X-Gateway-User", &secret("us")).unwrap(),
        StaticHeader::new("Authorization", &secret("Bearer us")).unwrap(),
    ];
    server
        .forwarding
        .extra_headers
        .push(HeaderName::from_static("x_gateway_user"));
    let sent = brought(&[("x_gateway_user", "me"), ("authorization", "Bearer me")]);
    let addressed = [
        ("x-gateway-user", "me"),
        ("x_gateway.user", "me"),
        ("x.gateway_user", "me"),
        ("authorization", "Bearer me"),
    ];
    let nothing = (Vec::new(), false);
    assert_eq!(chosen(&server, &sent, &addressed, Some("me")), nothing);
}

/// Row 2.
#[test]
fn a_caller_s_bearer_is_passed_through_untouched_and_nothing_takes_its_place() {
    for without in [WithoutBearer::Challenged, WithoutBearer::Asked] {
        let server = open(UpstreamAuth::Passthrough(without));
        let own = brought(&[("authorization", "Bearer mine"), ("x-team", "a")]);
        let other = [("authorization", "Bearer other"), ("x-other", "b")];
        let expected = (
            vec![
                "authorization: Bearer mine".to_owned(),
                "x-team: a".to_owned(),
            ],
            true,
        );
        assert_eq!(chosen(&server, &own, &other, Some("third")), expected);
        for none in [brought(&[]), brought(&[("authorization", "Basic bTpt")])] {
            let nothing = (Vec::new(), false);
            assert_eq!(chosen(&server, &none, &other, Some("third")), nothing);
        }
    }
}

/// Row 3: a caller who says for which server a credential is, is called with it and with no other.
#[test]
fn what_is_addressed_to_a_server_stands_in_for_our_credential() {
    for auth in [UpstreamAuth::None, bearer_token(), m2m()] {
        let server = open(auth);
        let sent = brought(&[("authorization", "Bearer elsewhere")]);
        let addressed = [("authorization", "Bearer mine"), ("x-org", "o")];
        let expected = vec![
            "authorization: Bearer mine".to_owned(),
            "x-org: o".to_owned(),
        ];
        assert_eq!(
            chosen(&server, &sent, &addressed, Some("wide")),
            (expected, true)
        );
        let key = [("x-api-key", "mine")];
        let (lines, authenticates) = chosen(&server, &brought(&[]), &key, None);
        assert_eq!(lines, ["x-api-key: mine"]);
        assert!(
            authenticates,
            "two identities in one request are one too many"
        );
        let plain = [("x-org", "o")];
        let (lines, authenticates) = chosen(&server, &brought(&[]), &plain, None);
        assert_eq!(lines, ["x-org: o"]);
        assert!(!authenticates);
    }
}

/// Row 3, closed (HDR-02).
#[test]
fn a_server_that_takes_nothing_gets_nothing() {
    let sent = brought(&[("authorization", "Bearer mine"), ("x-team", "a")]);
    for auth in [UpstreamAuth::None, bearer_token(), m2m()] {
        let addressed = [("authorization", "Bearer mine")];
        let nothing = (Vec::new(), false);
        assert_eq!(chosen(&of(auth), &sent, &addressed, Some("x")), nothing);
    }
}

/// Row 4.
#[test]
fn the_header_without_a_name_stands_where_the_credential_would() {
    let wide = |auth, value: &str| chosen(&open(auth), &brought(&[]), &[], Some(value));
    let one = |line: &str| (vec![line.to_owned()], true);
    let none = UpstreamAuth::None;
    assert_eq!(wide(none.clone(), "t"), one("authorization: Bearer t"));
    assert_eq!(wide(none, "Basic bTpt"), one("authorization: Basic bTpt"));
    assert_eq!(wide(bearer_token(), "t"), one("authorization: Bearer t"));
    let key = UpstreamAuth::api_key(&secret("of-the-file")).unwrap();
    assert_eq!(wide(key, "t"), one("x-api-key: t"));
}

/// Row 5: a header that the file lists replaces a fixed credential in its own place, and no token.
#[test]
fn a_listed_header_gives_way_to_a_token_and_replaces_a_fixed_value() {
    let sent = brought(&[("authorization", "Bearer mine"), ("x-team", "a")]);
    let both = vec![
        "authorization: Bearer mine".to_owned(),
        "x-team: a".to_owned(),
    ];
    for auth in [UpstreamAuth::None, bearer_token()] {
        let (lines, replaces) = chosen(&open(auth), &sent, &[], None);
        assert_eq!((lines, replaces), (both.clone(), true));
    }
    let (lines, replaces) = chosen(&open(m2m()), &sent, &[], None);
    assert_eq!((lines.as_slice(), replaces), (&both[1..], false));
    // In another place it stands beside the credential.
    let key = UpstreamAuth::api_key(&secret("of-the-file")).unwrap();
    let (lines, replaces) = chosen(&open(key), &sent, &[], None);
    assert_eq!((lines, replaces), (both, false));
}

/// Rows 3, 5 and 7: nobody stands in for a signature, nor writes what it writes, however they spell it.
#[test]
fn a_signature_is_never_replaced_and_writes_its_own_headers() {
    let mut server = open(signed());
    let own = ["x-amz-date", "x-amz-security-token", "x_amz_content_sha256"];
    let listed = own.map(HeaderName::from_static);
    server.forwarding.extra_headers.extend(listed);
    let mut sent = brought(&[("authorization", "Bearer mine"), ("x-team", "a")]);
    sent.headers
        .extend(own.map(|name| ForwardedHeader::new(name, "mine")));
    let addressed = [("authorization", "Bearer mine"), ("x-org", "o")];
    let expected = (vec!["x-team: a".to_owned()], false);
    assert_eq!(chosen(&server, &sent, &addressed, Some("wide")), expected);
}

#[test]
fn a_key_that_was_set_apart_for_the_caller_is_presented_alone() {
    let server = open(UpstreamAuth::MappedKey(Arc::new(
        crate::MappedKeys::new([]),
    )));
    let sent = brought(&[("authorization", "Bearer mine"), ("x-team", "a")]);
    let addressed = [("authorization", "Bearer mine")];
    let nothing = (Vec::new(), false);
    assert_eq!(chosen(&server, &sent, &addressed, Some("wide")), nothing);
}

/// Row 6.
#[test]
fn admitted_cookies_are_written_anew_and_stand_beside_the_credential() {
    let cookie = |name: &str, value: &str| ForwardedHeader::new(name, value);
    let mut sent = Brought {
        cookies: vec![
            cookie("sid", "1"),
            cookie("SID", "2"),
            cookie("sid2", "3"),
            cookie("app_theme", "dark"),
            cookie("other", "4"),
        ],
        ..Brought::default()
    };
    let (lines, replaces) = chosen(&open(m2m()), &sent, &[], None);
    assert_eq!(lines, ["cookie: sid=1; app_theme=dark"]);
    assert!(!replaces);
    sent.cookies.push(cookie("app_large", &"x".repeat(9000)));
    assert!(chosen(&open(m2m()), &sent, &[], None).0.is_empty());
}

#[test]
fn a_form_of_the_file_is_filled_with_what_the_caller_sent_in_that_header() {
    let mut server = of(UpstreamAuth::None);
    server.forwarding.caller_headers = CallerHeaders::Templates(vec![Template {
        header: AUTHORIZATION,
        before: "Bearer ".to_owned(),
        after: String::new(),
    }]);
    let filled = |value: &str| {
        let addressed = [("authorization", value), ("x-other", "b")];
        chosen(&server, &brought(&[]), &addressed, Some("wide"))
    };
    let expected = (vec!["authorization: Bearer t".to_owned()], true);
    assert_eq!(filled("t"), expected);
    assert_eq!(filled("Bearer t"), expected);
    let absent = chosen(&server, &brought(&[]), &[("x-other", "b")], Some("wide"));
    assert_eq!(absent, (Vec::new(), false));
}

/// HDR-04, HDR-09, HDR-10.
#[test]
fn what_frames_routes_or_speaks_for_a_proxy_is_never_handed_on() {
    for name in [
        "Connection",
        "transfer-encoding",
        "TE",
        "Upgrade",
        "Host",
        "x-forwarded-for",
        "X_Forwarded_For",
        "forwarded",
        "client-cert",
        "proxy-authorization",
        "mcp-session-id",
        "mcp-protocol-version",
        "x-mcp-servers",
        "x-litellm-api-key",
        "X.LiteLLM.Api_Key",
        "traceparent",
    ] {
        assert!(!is_forwardable(name), "{name}");
        let lower = name.to_ascii_lowercase();
        let addressed = [(lower.as_str(), "x")];
        let (lines, _) = chosen(&open(UpstreamAuth::None), &brought(&[]), &addressed, None);
        assert!(lines.is_empty(), "{name}");
    }
    for name in ["authorization", "x-api-key", "x-request-id", "cookie2"] {
        assert!(is_forwardable(name), "{name}");
    }
}

/// Row 0: where we vouch for callers, nobody writes their own letter, however they spell it.
#[test]
fn a_signers_headers_are_never_a_callers() {
    let mut server = open(UpstreamAuth::None);
    let clock = Arc::new(portcullis_core::ManualClock::at_millis(0));
    let terms = crate::SignerTerms {
        claims: portcullis_oauth::ClaimRules::default(),
        audience: crate::Audience("mcp".to_owned()),
        lifetime: std::time::Duration::from_mins(5),
        scopes: crate::Scopes::Least,
        header: HeaderName::from_static("x-team"),
        channel: None,
        debug: true,
        verification: None,
    };
    let book = Arc::new(crate::KeyBook::new(clock));
    server.signer = Some(Arc::new(crate::Signer::new(terms, book, None)));
    let sent = brought(&[("x-team", "mallory")]);
    let addressed = [
        ("x-team", "mallory"),
        ("x_team", "mallory"),
        ("x-litellm-mcp-debug", "true"),
        ("x-other", "b"),
    ];
    let expected = (vec!["x-other: b".to_owned()], false);
    assert_eq!(chosen(&server, &sent, &addressed, None), expected);
}

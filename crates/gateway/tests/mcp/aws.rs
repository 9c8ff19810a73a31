//! Requests that are signed for AWS, and the temporary keys that sign them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_testkit::aws::{self, Account, FORM, credentials, form, refusal, require, verify};
use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply, Step, event};

use super::support::{House, server};

const SCOPE: &str = "eu-west-1/bedrock-agentcore";
const ID: &str = "AKIDLASTING";
const SECRET: &str = "canary-secret-access-key";

fn signing<'k>(more: &[&'k str]) -> Vec<&'k str> {
    [
        &[
            "auth_type: aws_sigv4",
            "aws_access_key_id: AKIDLASTING",
            "aws_secret_access_key: canary-secret-access-key",
            "aws_region_name: eu-west-1",
        ],
        more,
    ]
    .concat()
}

fn role(token: usize) -> Account {
    Account {
        id: format!("ASIATEMPORARY{token}"),
        secret: format!("canary-temporary-secret-{token}"),
        session_token: Some(format!("canary-session-token-{token}")),
    }
}

/// A Security Token Service that gives `role(1)`, `role(2)`, … to whoever `sound` accepts.
async fn token_service(
    ends: &'static str,
    sound: impl Fn(&Recorded) -> bool + Send + Sync + 'static,
) -> FakeUpstream {
    let sts = FakeUpstream::modern().await;
    let given = Arc::new(AtomicUsize::new(0));
    sts.on(FORM, move |request| {
        if !sound(request) {
            return refusal(403, "AccessDenied");
        }
        let action = form(request, "Action").unwrap();
        credentials(
            &action,
            &role(given.fetch_add(1, Ordering::SeqCst) + 1),
            ends,
        )
    });
    sts
}

fn assumes(sts: &FakeUpstream) -> Vec<String> {
    vec![
        format!("aws_sts_endpoint: \"http://{}/\"", sts.address()),
        "aws_role_name: arn:aws:iam::123456789012:role/mcp".to_owned(),
        "aws_external_id: tenant-7".to_owned(),
    ]
}

async fn house_with_role(upstream: &FakeUpstream, sts: &FakeUpstream) -> House {
    let more = assumes(sts);
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    House::of(&[server("a", upstream, &signing(&more))]).await
}

/// Takes what any of these accounts signed.
fn take(upstream: &FakeUpstream, accounts: impl Fn() -> Vec<Account> + Send + Sync + 'static) {
    upstream.first(move |request| {
        let good = accounts()
            .iter()
            .any(|account| verify(request, account, SCOPE).is_ok());
        if good {
            Reply::Default
        } else {
            Reply::json(403, "{}")
                .header("x-amzn-errortype", "ExpiredTokenException:http://internal")
        }
    });
}

/// A session, a call, a stream, the stream for everything else and the end of the session: the
/// server executes nothing that is not signed as it arrived.
#[tokio::test]
async fn every_request_of_a_session_is_signed_as_it_arrives() {
    let upstream = FakeUpstream::legacy().await;
    require(&upstream, Account::lasting(ID, SECRET), SCOPE);
    upstream.on("tools/call", |request| {
        Reply::events(vec![
            Step::Bytes(event(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}"#)),
            Reply::result_event(request, r#"{"content":[]}"#),
        ])
    });
    let house = House::of(&[server("a", &upstream, &signing(&[]))]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let answer = alice.call("echo", r#"{"text":"grüße"}"#).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    house.end().await;
    for kind in [
        "initialize",
        "notifications/initialized",
        "tools/call",
        "DELETE",
    ] {
        let seen = upstream.seen(kind);
        assert!(!seen.is_empty(), "no {kind}");
        for request in seen {
            let account = Account::lasting(ID, SECRET);
            assert_eq!(verify(&request, &account, SCOPE), Ok(()), "{kind}");
            assert!(!format!("{request:?}").contains(SECRET));
        }
    }
}

/// What a caller brought is signed along, and what it says of signatures goes nowhere.
#[tokio::test]
async fn what_is_handed_on_of_a_callers_request_is_under_the_signature() {
    let upstream = FakeUpstream::modern().await;
    require(&upstream, Account::lasting(ID, SECRET), SCOPE);
    let more = ["extra_headers: [x-team, authorization]"];
    let house = House::of(&[server("a", &upstream, &signing(&more))]).await;
    let alice = house
        .caller("alice")
        .await
        .at("/mcp/a")
        .bringing("canary-mine")
        .with("x-team", "seven")
        .with("x-amz-date", "20000101T000000Z")
        .with("x-mcp-a-authorization", "Bearer canary-mine");
    let answer = alice.modern_call("echo", "{}").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let call = upstream.last("tools/call");
    assert_eq!(verify(&call, &Account::lasting(ID, SECRET), SCOPE), Ok(()));
    let covered = call.header("authorization").unwrap();
    assert!(covered.contains("x-team"), "{covered}");
    assert_eq!(call.header("x-team"), Some("seven"));
    assert!(!format!("{:?}", upstream.requests()).contains("canary-mine"));
}

#[tokio::test]
async fn a_stateless_call_is_signed_with_its_mirrored_headers() {
    let upstream = FakeUpstream::modern().await;
    require(&upstream, Account::lasting(ID, SECRET), SCOPE);
    let more = ["static_headers: {x-tenant: \"seven  of  nine\"}"];
    let house = House::of(&[server("a", &upstream, &signing(&more))]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let answer = alice.modern_call("echo", "{}").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let call = upstream.last("tools/call");
    let covered = call.header("authorization").unwrap();
    for name in ["mcp-method", "mcp-name", "x-tenant", "mcp-protocol-version"] {
        assert!(covered.contains(name), "{covered}");
    }
    assert_eq!(call.header("x-amz-security-token"), None);
    let event = house.events().await.pop().unwrap();
    assert!(format!("{event}").contains("aws-sigv4"), "{event}");
    house.end().await;
}

/// The region is part of what is signed: a server elsewhere believes nothing, and nothing is repeated.
#[tokio::test]
async fn a_signature_for_another_region_is_refused_once_and_not_repeated() {
    let upstream = FakeUpstream::modern().await;
    require(
        &upstream,
        Account::lasting(ID, SECRET),
        "us-east-1/bedrock-agentcore",
    );
    let house = House::of(&[server(
        "a",
        &upstream,
        &signing(&["protocol_version: 2026-07-28"]),
    )])
    .await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let before = upstream.requests().len();
    let answer = alice.modern_call("echo", "{}").await;
    assert_eq!(answer.code(), -32603, "{answer:?}");
    let calls = upstream.count("tools/call");
    assert!(
        calls <= 1,
        "{calls} of {} more",
        upstream.requests().len() - before
    );
    house.end().await;
}

#[tokio::test]
async fn a_role_is_assumed_once_with_its_external_id_and_signs_for_everybody() {
    let upstream = FakeUpstream::modern().await;
    let sts = token_service("2099-01-01T00:00:00Z", |request| {
        verify(request, &Account::lasting(ID, SECRET), "eu-west-1/sts").is_ok()
            && form(request, "ExternalId").as_deref() == Some("tenant-7")
            && form(request, "Action").as_deref() == Some("AssumeRole")
    })
    .await;
    take(&upstream, || vec![role(1)]);
    let house = house_with_role(&upstream, &sts).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let bob = house.caller("bob").await.at("/mcp/a");
    let calls = (0..50).map(|index| {
        let who = if index % 2 == 0 { &alice } else { &bob };
        who.modern_call("echo", "{}")
    });
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(sts.count(FORM), 1);
    house.end().await;
}

/// Keys that the server calls ended are asked for once more; a server that calls all keys ended costs
/// no more than that.
#[tokio::test]
async fn keys_that_ended_early_are_replaced_once_and_the_call_repeated_once() {
    let upstream = FakeUpstream::modern().await;
    let sts = token_service("2099-01-01T00:00:00Z", |_| true).await;
    take(&upstream, || vec![role(1)]);
    let house = house_with_role(&upstream, &sts).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    assert!(alice.modern_call("echo", "{}").await.json()["result"].is_object());
    take(&upstream, || vec![role(2)]);
    assert!(alice.modern_call("echo", "{}").await.json()["result"].is_object());
    assert_eq!(sts.count(FORM), 2);
    take(&upstream, Vec::new);
    for _ in 0..5 {
        assert_eq!(alice.modern_call("echo", "{}").await.code(), -32603);
    }
    assert!(sts.count(FORM) <= 3, "{}", sts.count(FORM));
    house.end().await;
}

/// The keys that may assume the role are never presented in its place, and what AWS says in words
/// reaches nobody.
#[tokio::test]
async fn without_the_role_nothing_is_sent_in_its_place() {
    let faults: &[fn(&Recorded) -> Reply] = &[
        |_| refusal(403, "AccessDenied"),
        |_| refusal(500, "InternalFailure"),
        |_| Reply::whole(200, "text/xml", "<AssumeRoleResponse/>"),
        |_| {
            Reply::whole(
                200,
                "text/xml",
                "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
            )
        },
        |_| Reply::whole(200, "text/html", "canary-prose-of-aws"),
        |request| {
            credentials(
                &form(request, "Action").unwrap(),
                &Account::lasting("A", "b"),
                "2099-01-01T00:00:00Z",
            )
        },
        |_| Reply::redirect(307, "http://127.0.0.1:1/canary-prose-of-aws"),
        |_| Reply::Close,
    ];
    for fault in faults {
        let upstream = FakeUpstream::modern().await;
        let sts = FakeUpstream::modern().await;
        sts.on(FORM, fault);
        let house = house_with_role(&upstream, &sts).await;
        let alice = house.caller("alice").await.at("/mcp/a");
        let answer = alice.modern_call("echo", "{}").await;
        assert_eq!(answer.code(), -32603, "{answer:?}");
        assert!(!format!("{answer:?}").contains("canary"), "{answer:?}");
        assert!(upstream.requests().is_empty(), "{:?}", upstream.requests());
        assert!(sts.count(FORM) >= 1);
        house.end().await;
    }
}

/// The token of a web identity is read anew, because whoever issued it renews it in place.
#[tokio::test]
async fn a_web_identity_is_exchanged_for_keys_and_its_token_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "token-one\n").unwrap();
    let upstream = FakeUpstream::modern().await;
    let sts = token_service("2099-01-01T00:00:00Z", |request| {
        form(request, "Action").as_deref() == Some("AssumeRoleWithWebIdentity")
            && request.header("authorization").is_none()
            && form(request, "RoleArn").as_deref() == Some("arn:aws:iam::123456789012:role/mcp")
    })
    .await;
    take(&upstream, || vec![role(1)]);
    let keys = [
        "auth_type: aws_sigv4".to_owned(),
        "aws_region_name: eu-west-1".to_owned(),
        format!("aws_web_identity_token_file: \"{}\"", file.display()),
        "aws_role_name: arn:aws:iam::123456789012:role/mcp".to_owned(),
        format!("aws_sts_endpoint: \"http://{}/\"", sts.address()),
    ];
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let house = House::of(&[server("a", &upstream, &keys)]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    assert_eq!(alice.modern_call("echo", "{}").await.status, 200);
    std::fs::write(&file, "token-two").unwrap();
    take(&upstream, || vec![role(2)]);
    assert_eq!(alice.modern_call("echo", "{}").await.status, 200);
    let tokens: Vec<_> = sts
        .seen(FORM)
        .iter()
        .map(|asked| form(asked, "WebIdentityToken").unwrap())
        .collect();
    assert_eq!(tokens, ["token-one", "token-two"]);
    house.end().await;
}

/// A server that echoes what it was sent would hand the session token to the caller.
#[tokio::test]
async fn a_session_token_in_an_answer_reaches_nobody() {
    let upstream = FakeUpstream::modern().await;
    let sts = token_service("2099-01-01T00:00:00Z", |_| true).await;
    upstream.on("tools/call", |request| {
        let token = request.header("x-amz-security-token").unwrap_or_default();
        let text = format!(r#"{{"content":[{{"type":"text","text":"{token}"}}]}}"#);
        Reply::result(request, &text)
    });
    let house = house_with_role(&upstream, &sts).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let answer = alice.modern_call("echo", "{}").await;
    assert_eq!(answer.code(), -32603, "{answer:?}");
    assert!(!format!("{answer:?}").contains("canary"), "{answer:?}");
    assert_eq!(
        aws::form(&sts.last(FORM), "RoleSessionName").as_deref(),
        Some("portcullis")
    );
    house.end().await;
}

//! Client-credentials tokens on the way to an upstream.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use portcullis_testkit::upstream::{FakeUpstream, Gate, Recorded, Reply};

use super::support::{House, m2m, server};

fn entry(name: &str, upstream: &FakeUpstream, more: &[&str]) -> String {
    let keys = m2m(upstream);
    let keys: Vec<&str> = keys
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied())
        .collect();
    server(name, upstream, &keys)
}

type Script = fn(&Recorded) -> Reply;

/// Only this token is good.
fn require(upstream: &FakeUpstream, good: impl Fn(&str) -> bool + Send + Sync + 'static) {
    upstream.first(move |request| {
        let bearer = request.header("authorization").unwrap_or_default();
        if request.kind == "TOKEN" || good(bearer) {
            Reply::Default
        } else {
            Reply::status(401).header("www-authenticate", "Bearer error=\"invalid_token\"")
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_calls_on_a_cold_cache_fetch_one_token() {
    let upstream = FakeUpstream::modern().await;
    let gate = Gate::closed();
    let held = gate.clone();
    upstream.on("TOKEN", move |_| {
        Reply::After(held.clone(), Box::new(Reply::Default))
    });
    let house = House::of(&[entry("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let calls = (0..1000).map(|_| alice.modern_call("echo", "{}"));
    let (answers, ()) = tokio::join!(join_all(calls), async {
        upstream.arrived("TOKEN", 1).await;
        gate.open();
    });
    for answer in answers {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(upstream.count("TOKEN"), 1);
    assert_eq!(upstream.count("tools/call"), 1000);
    assert!(upstream.count("tools/list") <= 2);
    assert!(
        upstream.count("server/discover") <= 2,
        "{}",
        upstream.count("server/discover")
    );
    let form = upstream.last("TOKEN");
    assert!(form.body.contains("grant_type=client_credentials"));
    let seen: BTreeSet<String> = upstream
        .seen("tools/call")
        .iter()
        .map(|one| one.header("authorization").unwrap().to_owned())
        .collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["Bearer token-1"]);
    house.end().await;
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_the_call_repeated_once() {
    for upstream in [FakeUpstream::legacy().await, FakeUpstream::modern().await] {
        let house = House::of(&[entry("a", &upstream, &[])]).await;
        let alice = house.caller("alice").await.at("/mcp/a");
        let is_modern = format!("{upstream:?}").contains("Modern");
        let call = async || {
            if is_modern {
                alice.modern_call("echo", "{}").await
            } else {
                alice.call("echo", "{}").await
            }
        };
        assert!(call().await.json()["result"].is_object());
        require(&upstream, |bearer| bearer == "Bearer token-2");
        let before = upstream.count("tools/call");
        assert!(call().await.json()["result"].is_object());
        assert_eq!(upstream.count("TOKEN"), 2);
        assert_eq!(upstream.count("tools/call"), before + 2);
        // For ever refused: one repetition, and no token per call.
        require(&upstream, |_| false);
        let before = upstream.count("tools/call");
        for _ in 0..5 {
            assert_eq!(call().await.code(), -32603);
        }
        assert!(upstream.count("TOKEN") <= 3, "{}", upstream.count("TOKEN"));
        assert!(upstream.count("tools/call") <= before + 6);
        house.end().await;
    }
}

#[tokio::test]
async fn what_a_token_endpoint_says_in_anger_reaches_nobody() {
    let faults: &[Script] = &[
        |_| {
            Reply::json(
                400,
                r#"{"error":"invalid_client","error_description":"the-client-secret is wrong: stack trace"}"#,
            )
        },
        |_| Reply::whole(500, "text/plain", "stack trace the-client-secret"),
        |_| Reply::whole(200, "text/html", "<html>stack trace"),
        |_| Reply::json(200, r#"{"access_token":"stack trace","token_type":"mac"}"#),
        |_| Reply::json(200, r#"{"error":"stack trace"}"#),
        |_| Reply::redirect(307, "http://127.0.0.1:1/stack trace"),
        |_| Reply::Close,
    ];
    for fault in faults {
        let upstream = FakeUpstream::legacy().await;
        upstream.on("TOKEN", fault);
        let house = House::of(&[entry("a", &upstream, &[])]).await;
        let alice = house.caller("alice").await;
        for _ in 0..3 {
            let mut client = alice.at("/mcp/a");
            for answer in [
                client.call("echo", "{}").await,
                client.initialize("{}").await,
                alice.rpc("tools/list", "{}").await,
                alice
                    .at("/mcp-rest/tools/call")
                    .post(r#"{"server_id":"a","name":"echo"}"#)
                    .await,
            ] {
                for secret in ["stack trace", "the-client-secret", "the-client"] {
                    assert!(!answer.text.contains(secret), "{answer:?}");
                }
                assert!(answer.text.contains("error"), "{answer:?}");
            }
        }
        // Neither is the endpoint hammered, nor the server asked without a token.
        let asked = upstream.count("TOKEN");
        assert!((1..=2).contains(&asked), "{asked}");
        assert_eq!(upstream.requests().len(), asked);
        let events = serde_json::to_string(&house.events().await).unwrap();
        assert!(!events.contains("the-client-secret") && !events.contains("stack trace"));
        house.end().await;
    }
}

#[tokio::test]
async fn a_token_of_an_odd_lifetime_is_used_and_not_fetched_in_a_loop() {
    for lifetime in [
        "0",
        "-5",
        "10",
        "\"3600\"",
        "null",
        "1e308",
        "1099511627776",
        "MISSING",
    ] {
        let upstream = FakeUpstream::modern().await;
        let body = if lifetime == "MISSING" {
            r#"{"access_token":"token-odd","token_type":"bearer"}"#.to_owned()
        } else {
            format!(
                r#"{{"access_token":"token-odd","token_type":"BEARER","expires_in":{lifetime}}}"#
            )
        };
        upstream.on("TOKEN", move |_| Reply::json(200, body.clone()));
        let house = House::of(&[entry("a", &upstream, &[])]).await;
        let alice = house.caller("alice").await.at("/mcp/a");
        let answers = join_all((0..20).map(|_| alice.modern_call("echo", "{}"))).await;
        for answer in answers {
            assert!(
                answer.json()["result"].is_object(),
                "{lifetime}: {answer:?}"
            );
        }
        for call in upstream.seen("tools/call") {
            assert_eq!(call.all("authorization"), ["Bearer token-odd"]);
        }
        assert!(alice.modern_call("echo", "{}").await.json()["result"].is_object());
        assert_eq!(upstream.count("TOKEN"), 1, "{lifetime}");
        house.end().await;
    }
}

#[tokio::test]
async fn two_clients_of_one_server_never_swap_tokens() {
    let upstream = FakeUpstream::modern().await;
    upstream.on("TOKEN", |request| {
        let who = if request.body.contains("client-two") {
            "two"
        } else {
            "one"
        };
        Reply::json(
            200,
            format!(
                r#"{{"access_token":"token-of-{who}","token_type":"Bearer","expires_in":3600}}"#
            ),
        )
    });
    let one = entry("one", &upstream, &[]);
    let two = entry("two", &upstream, &[]).replace("the-client\"", "client-two\"");
    let house = House::of(&[one, two]).await;
    let alice = house.caller("alice").await;
    let calls = (0..400).map(|number| {
        let name = if number % 2 == 0 { "one" } else { "two" };
        let alice = alice.at(&format!("/mcp/{name}"));
        async move {
            alice
                .modern_call("echo", &format!(r#"{{"who":"{name}"}}"#))
                .await
        }
    });
    for answer in join_all(calls).await {
        assert_eq!(answer.status, 200);
    }
    for call in upstream.seen("tools/call") {
        let who = call.text(&["params", "arguments", "who"]).unwrap();
        assert_eq!(
            call.all("authorization"),
            [format!("Bearer token-of-{who}")]
        );
    }
    assert_eq!(upstream.count("TOKEN"), 2);
    house.end().await;
}

#[tokio::test]
async fn callers_who_leave_do_not_take_the_token_request_with_them() {
    let upstream = FakeUpstream::modern().await;
    let gate = Gate::closed();
    let held = gate.clone();
    upstream.on("TOKEN", move |_| {
        Reply::After(held.clone(), Box::new(Reply::Default))
    });
    let house = House::of(&[entry("a", &upstream, &[])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let left = Arc::new(AtomicUsize::new(0));
    {
        let first = alice.modern_call("echo", "{}");
        tokio::select! {
            _ = first => panic!("there is no token yet"),
            () = upstream.arrived("TOKEN", 1) => { left.fetch_add(1, Ordering::SeqCst); }
        }
    }
    gate.open();
    assert_eq!(alice.modern_call("echo", "{}").await.status, 200);
    assert_eq!(
        (left.load(Ordering::SeqCst), upstream.count("TOKEN")),
        (1, 1)
    );
    house.end().await;
}

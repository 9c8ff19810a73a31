//! Callers who act in their own names: one key, several people, each with a token of their own.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply, event};

use super::support::{House, raw, server};

pub(crate) fn obo(name: &str, upstream: &FakeUpstream) -> String {
    let endpoint = format!("token_exchange_endpoint: \"{}\"", upstream.token_url());
    server(
        name,
        upstream,
        &[
            "auth_type: oauth2_token_exchange",
            "client_id: \"the-client\"",
            "client_secret: \"the-client-secret\"",
            "audience: \"the-api\"",
            &endpoint,
        ],
    )
}

pub(crate) fn jwt(who: &str) -> String {
    let claims = format!(r#"{{"sub":"{who}","exp":4000000000}}"#);
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
}

/// A token endpoint that exchanges `jwt(who)` for `for-who`.
fn exchanging(upstream: &FakeUpstream, people: &'static [&'static str]) {
    upstream.on("TOKEN", move |request: &Recorded| {
        let whose = people.iter().find(|who| {
            request
                .body
                .contains(&format!("subject_token={}", jwt(who)))
        });
        match whose {
            Some(who) => Reply::json(
                200,
                format!(
                    r#"{{"access_token":"for-{who}","token_type":"Bearer","expires_in":3600}}"#
                ),
            ),
            None => Reply::json(400, r#"{"error":"invalid_grant"}"#),
        }
    });
}

/// What only somebody else, or our own door, may know.
fn holds_nothing_else(upstream: &FakeUpstream, key: &str, people: &[&str]) {
    for request in upstream.requests() {
        let text = format!("{request:?}");
        assert!(!text.contains(key), "{text}");
        if request.kind != "TOKEN" {
            for who in people {
                assert!(!text.contains(&jwt(who)), "{text}");
            }
        }
    }
}

/// TOK-16, TOK-21.
#[tokio::test]
async fn people_who_share_a_key_reach_the_server_each_with_their_own_token_and_session() {
    for upstream in [FakeUpstream::legacy().await, FakeUpstream::modern().await] {
        exchanging(&upstream, &["alice", "bob"]);
        let is_modern = format!("{upstream:?}").contains("Modern");
        let house = House::of(&[obo("a", &upstream)]).await;
        let shared = house.caller("shared").await;
        for path in ["/mcp/a", "/mcp"] {
            let tool = if path == "/mcp" { "a-echo" } else { "echo" };
            for who in ["alice", "bob", "alice"] {
                let caller = shared.bringing(&jwt(who)).at(path);
                let answer = if is_modern {
                    caller.modern_call(tool, "{}").await
                } else {
                    caller.call(tool, "{}").await
                };
                assert!(answer.json()["result"].is_object(), "{answer:?}");
                let seen = upstream.last("tools/call");
                assert_eq!(seen.all("authorization"), [format!("Bearer for-{who}")]);
            }
        }
        assert_eq!(upstream.count("TOKEN"), 2);
        let mut owner = std::collections::HashMap::new();
        for request in upstream.requests() {
            let bearer = request.header("authorization").map(str::to_owned);
            if let Some(session) = request.header("mcp-session-id") {
                let first = owner.entry(session.to_owned()).or_insert(bearer.clone());
                assert_eq!(*first, bearer, "a session is never shared");
            }
        }
        assert_eq!(owner.is_empty(), is_modern);
        holds_nothing_else(&upstream, &shared.key, &["alice", "bob"]);
        house.end().await;
    }
}

#[tokio::test]
async fn what_one_caller_is_shown_another_is_not() {
    let upstream = FakeUpstream::legacy().await;
    exchanging(&upstream, &["alice", "bob"]);
    upstream.on("tools/list", |request| {
        let tool = match request.header("authorization") {
            Some("Bearer for-alice") => "of-alice",
            _ => "of-bob",
        };
        Reply::result(
            request,
            &format!(r#"{{"tools":[{{"name":"{tool}","inputSchema":{{"type":"object"}}}}]}}"#),
        )
    });
    let house = House::of(&[obo("a", &upstream)]).await;
    let shared = house.caller("shared").await;
    for (who, own, other) in [
        ("alice", "of-alice", "of-bob"),
        ("bob", "of-bob", "of-alice"),
    ] {
        let caller = shared.bringing(&jwt(who));
        assert!(caller.call(&format!("a-{own}"), "{}").await.json()["result"].is_object());
        assert_eq!(
            caller.call(&format!("a-{other}"), "{}").await.code(),
            -32602
        );
        for path in ["/mcp", "/mcp/a"] {
            let listed = caller.at(path).rpc("tools/list", "{}").await;
            assert!(listed.text.contains(own), "{listed:?}");
            assert!(!listed.text.contains(other), "{listed:?}");
        }
    }
    house.end().await;
}

/// TOK-13 to 15: never a stronger identity instead.
#[tokio::test]
async fn without_a_token_of_their_own_nobody_reaches_the_server() {
    let upstream = FakeUpstream::modern().await;
    exchanging(&upstream, &["alice"]);
    let house = House::of(&[obo("a", &upstream)]).await;
    let alone = house.caller("alone").await;
    let other = house.caller("other").await;
    let callers = [
        (alone.clone(), "send your own token"),
        // A key of ours is nobody's token, whoever's it is.
        (alone.bringing(&alone.key), "send your own token"),
        (alone.bringing(&other.key), "send your own token"),
        (alone.bringing("sk-somebody-elses"), "send your own token"),
        (
            alone.bringing(&jwt("mallory")),
            "your own token was refused",
        ),
    ];
    for (caller, said) in callers {
        let answer = caller.at("/mcp/a").modern_call("echo", "{}").await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(answer.text.contains(said), "{answer:?}");
    }
    assert_eq!(
        upstream.count("tools/call") + upstream.count("server/discover"),
        0
    );
    assert_eq!(upstream.count("TOKEN"), 1, "mallory's");
    for event in house.request_events().await {
        assert_eq!(event["outcome"], "unauthenticated", "{event}");
    }
    house.end().await;
}

#[tokio::test]
async fn a_token_goes_to_no_server_that_does_not_ask_for_it() {
    let (asks, plain) = (FakeUpstream::modern().await, FakeUpstream::modern().await);
    exchanging(&asks, &["alice"]);
    let house = House::of(&[obo("a", &asks), server("b", &plain, &[])]).await;
    let shared = house.caller("shared").await;
    let alice = shared.bringing(&jwt("alice"));
    for tool in ["a-echo", "b-echo"] {
        let answer = alice.modern_call(tool, "{}").await;
        assert!(answer.json()["result"].is_object(), "{answer:?}");
    }
    for request in plain.requests() {
        assert_eq!(request.header("authorization"), None);
    }
    holds_nothing_else(&plain, &shared.key, &["alice"]);
    let events = house.request_events().await;
    assert_eq!(events[0]["credential"], "token-exchange");
    assert_eq!(events[1]["credential"], "no-auth");
    house.end().await;
}

#[tokio::test]
async fn a_refused_token_is_exchanged_once_more_and_the_call_repeated_once() {
    let upstream = FakeUpstream::modern().await;
    let house = House::of(&[obo("a", &upstream)]).await;
    let alice = house
        .caller("shared")
        .await
        .bringing(&jwt("alice"))
        .at("/mcp/a");
    assert!(alice.modern_call("echo", "{}").await.json()["result"].is_object());
    upstream.first(|request| match request.header("authorization") {
        Some("Bearer token-1") => Reply::status(401),
        _ => Reply::Default,
    });
    assert!(alice.modern_call("echo", "{}").await.json()["result"].is_object());
    assert_eq!(upstream.count("TOKEN"), 2);
    assert_eq!(upstream.count("tools/call"), 3);
    house.end().await;
}

/// The key is the same and so is what the clients can do: only the tokens differ.
#[tokio::test]
async fn what_a_server_tells_one_person_no_other_with_the_same_key_hears_or_answers() {
    const ABLE: &str = r#"{"elicitation":{}}"#;
    let upstream = FakeUpstream::legacy().await;
    exchanging(&upstream, &["alice", "bob"]);
    let live = upstream.live("GET");
    let entry = obo("a", &upstream) + "    allow_elicitation: true\n";
    let house = House::of(&[entry]).await;
    let shared = house.caller("shared").await.at("/mcp/a");
    let mut alice = shared.bringing(&jwt("alice"));
    let mut bob = shared.bringing(&jwt("bob"));
    alice.initialize(ABLE).await;
    let mut of_alice = alice.get(&[]).await;
    live.opened(1).await;
    bob.initialize(ABLE).await;
    let mut of_bob = bob.get(&[]).await;
    live.opened(2).await;

    let news = |whom: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"data":"{whom}"}}}}"#
        )
    };
    live.bytes_on(0, &event(&news("alice")));
    assert_eq!(of_alice.data().await, news("alice"));
    live.bytes_on(
        0,
        &event(r#"{"jsonrpc":"2.0","id":5,"method":"elicitation/create","params":{"message":"sure?"}}"#),
    );
    let question = of_alice.data().await;
    let answer = format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{{"action":"accept"}}}}"#,
        raw(&question, &["id"]).unwrap()
    );
    let refused = bob.post(&answer).await;
    assert!(refused.text.contains("no request waits"), "{refused:?}");
    assert_eq!(upstream.count("RESPONSE"), 0);
    assert_eq!(alice.post(&answer).await.status, 202);
    let brought = upstream.last("RESPONSE");
    assert_eq!(brought.header("authorization"), Some("Bearer for-alice"));
    live.bytes_on(1, &event(&news("bob")));
    assert_eq!(of_bob.data().await, news("bob"), "and nothing before it");
    drop((of_alice, of_bob));
    house.end().await;
}

#[tokio::test]
async fn a_mirrored_parameter_is_compared_with_what_this_caller_was_listed() {
    let upstream = FakeUpstream::modern().await;
    exchanging(&upstream, &["alice"]);
    upstream.tools(&[
        r#"{"name":"route","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}"#,
    ]);
    let house = House::of(&[obo("a", &upstream)]).await;
    let shared = house.caller("shared").await;
    let alice = shared
        .bringing(&jwt("alice"))
        .at("/mcp/a")
        .with("mcp-param-region", "eu");
    assert_eq!(alice.modern("tools/list", "").await.names(), ["route"]);
    let lied = alice.modern_call("route", r#"{"region":"us"}"#).await;
    assert_eq!((lied.status, lied.code()), (400, -32020), "{lied:?}");
    assert_eq!(upstream.count("tools/call"), 0);
    let told = alice.modern_call("route", r#"{"region":"eu"}"#).await;
    assert!(told.json()["result"].is_object(), "{told:?}");
    house.end().await;
}

/// TOK-19: whatever a request says of scopes and audiences, the file says what is asked for.
#[tokio::test]
async fn a_request_cannot_ask_for_more_in_an_exchange() {
    let upstream = FakeUpstream::modern().await;
    exchanging(&upstream, &["alice"]);
    let entry = obo("a", &upstream) + "    scopes: [read]\n";
    let house = House::of(&[entry]).await;
    let alice = house.caller("shared").await.bringing(&jwt("alice"));
    let alice = alice
        .with("x-mcp-scope", "admin")
        .at("/mcp/a?scope=admin&audience=payroll&resource=https://payroll.example");
    let arguments = r#"{"message":"hi","scope":"admin","audience":"payroll"}"#;
    let answer = alice.modern_call("echo", arguments).await;
    assert!(answer.json()["result"].is_object(), "{answer:?}");
    let asked = upstream.last("TOKEN").body;
    assert!(asked.contains("scope=read&audience=the-api"), "{asked}");
    for more in ["admin", "payroll", "resource"] {
        assert!(!asked.contains(more), "{asked}");
    }
    house.end().await;
}

/// TOK-22: what the authorization server says in prose is not handed on, whatever it asks for.
#[tokio::test]
async fn a_step_up_that_the_exchange_asks_for_is_the_callers_to_do() {
    let upstream = FakeUpstream::modern().await;
    upstream.on("TOKEN", |_: &Recorded| {
        Reply::json(
            400,
            r#"{"error":"interaction_required","error_description":"canary-prose","claims":"{\"canary-claims\":1}"}"#,
        )
    });
    let house = House::of(&[obo("a", &upstream)]).await;
    let alice = house.caller("shared").await.bringing(&jwt("alice"));
    let answer = alice.at("/mcp/a").modern_call("echo", "{}").await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(
        answer.text.contains("your own token was refused"),
        "{answer:?}"
    );
    let challenge = answer.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Bearer"), "{challenge}");
    let rest = alice.at("/mcp-rest/tools/call");
    let by_rest = rest
        .post(r#"{"server_id":"a","name":"echo","arguments":{}}"#)
        .await;
    assert_eq!(by_rest.status, 401, "{by_rest:?}");
    assert!(
        by_rest.headers.contains_key("www-authenticate"),
        "{by_rest:?}"
    );
    assert!(!by_rest.text.contains("canary"), "{by_rest:?}");
    let told = format!("{answer:?} {:?}", house.request_events().await);
    assert!(!told.contains("canary"), "{told}");
    assert_eq!(upstream.count("tools/call"), 0);
    house.end().await;
}

/// TOK-22: what can be read as a claims request reaches the caller, who alone can sign in with more.
#[tokio::test]
async fn what_the_exchange_wants_proved_is_in_the_challenge() {
    const CLAIMS: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    for upstream in [FakeUpstream::legacy().await, FakeUpstream::modern().await] {
        upstream.on("TOKEN", |_: &Recorded| {
            let claims = serde_json::Value::from(CLAIMS);
            Reply::json(
                400,
                format!(
                    r#"{{"error":"interaction_required","error_description":"canary","claims":{claims}}}"#
                ),
            )
        });
        let is_modern = format!("{upstream:?}").contains("Modern");
        let house = House::of(&[obo("a", &upstream)]).await;
        let alice = house.caller("shared").await.bringing(&jwt("alice"));
        let at_a = alice.at("/mcp/a");
        let answer = if is_modern {
            at_a.modern_call("echo", "{}").await
        } else {
            at_a.call("echo", "{}").await
        };
        let rest = alice.at("/mcp-rest/tools/call");
        let by_rest = rest
            .post(r#"{"server_id":"a","name":"echo","arguments":{}}"#)
            .await;
        let encoded = base64::engine::general_purpose::STANDARD.encode(CLAIMS);
        let expected = format!(r#"error="insufficient_claims", claims="{encoded}""#);
        for answer in [&answer, &by_rest] {
            assert_eq!(answer.status, 401, "{answer:?}");
            let challenge = answer.headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains(&expected), "{challenge}");
            assert!(challenge.contains("resource_metadata="), "{challenge}");
        }
        let told = format!("{answer:?} {by_rest:?} {:?}", house.request_events().await);
        assert!(!told.contains("canary"), "{told}");
        assert_eq!(upstream.count("tools/call"), 0);
        house.end().await;
    }
}

/// M25, TOK-19: where both sides call their rights alike, nobody's exchange is worth more than what they
/// brought.
#[tokio::test]
async fn an_exchange_asks_for_no_scope_that_the_callers_token_does_not_carry() {
    fn scoped(scope: &str) -> String {
        let claims = format!(r#"{{"sub":"alice","exp":4000000000,{scope}}}"#);
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }
    let upstream = FakeUpstream::modern().await;
    upstream.on("TOKEN", |request: &Recorded| {
        let more = request.body.contains("scope=write");
        let scope = if more { "admin write" } else { "read" };
        Reply::json(
            200,
            format!(
                r#"{{"access_token":"t","token_type":"Bearer","expires_in":3600,"scope":"{scope}"}}"#
            ),
        )
    });
    let entry =
        obo("a", &upstream) + "    scopes: [read, write]\n    scopes_within_subject: true\n";
    let house = House::of(&[entry]).await;
    let shared = house.caller("shared").await;
    for (scopes, status, asked) in [
        (r#""scope":"admin read""#, 200, Some("scope=read&")),
        (
            r#""scp":["read"],"scope":"other""#,
            200,
            Some("scope=read&"),
        ),
        // More is granted than was asked for.
        (r#""scope":"write""#, 502, Some("scope=write&")),
        (r#""scope":"admin Read""#, 403, None),
        (r#""scope":"""#, 403, None),
        (r#""roles":"read""#, 403, None),
    ] {
        let before = upstream.count("TOKEN");
        let caller = shared.bringing(&scoped(scopes)).at("/mcp/a");
        let answer = caller.modern_call("echo", "{}").await;
        assert_eq!(answer.status, status, "{scopes}: {answer:?}");
        assert_eq!(
            upstream.count("TOKEN") > before,
            asked.is_some(),
            "{scopes}"
        );
        if let Some(asked) = asked {
            let form = upstream.last("TOKEN").body;
            assert!(form.contains(asked), "{scopes}: {form}");
        }
    }
    let opaque = shared.bringing("opaque").at("/mcp/a");
    assert_eq!(opaque.modern_call("echo", "{}").await.status, 403);
    house.end().await;
}

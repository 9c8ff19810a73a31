//! Callers with tokens of an issuer that we did not write, at the real binary.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::sync::{Arc, Mutex};

use portcullis_e2e::{Answer, Fixture, Gateway, Issuer, Judges, call_tool};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const RESOURCE: &str = "https://mcp.example/mcp";
const OPAQUE: &str = "https://mcp.example/opaque";
const TOOL: &str = "test_simple_text";

struct Street {
    issuer: Issuer,
    gateway: Gateway,
    _fixture: Fixture,
}

impl Street {
    /// The issuer's introspection endpoint knows opaque tokens only, so who asks there gets those.
    async fn open(asks: bool) -> Self {
        let judges = Judges::ready().unwrap();
        let issuer = Issuer::start(&judges).await.unwrap();
        let fixture = Fixture::start().await.unwrap();
        let mut trusted = json!({
            "issuer": issuer.url(),
            "audience": [RESOURCE, OPAQUE],
            "servers": ["conf"],
        });
        if asks {
            let introspection = json!({
                "url": format!("{}/token/introspection", issuer.url()),
                "client_id": "gateway",
                "client_secret": "the-secret-of-gateway",
            });
            let entry = trusted.as_object_mut().unwrap();
            entry.insert("introspection".to_owned(), introspection);
        }
        let gateway = Gateway::start(json!({
            "mcp_servers": {"conf": {"url": format!("http://127.0.0.1:{}/mcp", fixture.port())}},
            "identity": {"issuers": [trusted]},
        }));
        Self {
            issuer,
            gateway: gateway.await.unwrap(),
            _fixture: fixture,
        }
    }

    async fn call(&self, token: &str) -> Answer {
        call(self.gateway.port(), token).await
    }

    fn said(&self) -> String {
        self.gateway.process().said()
    }
}

async fn call(port: u16, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    call_tool(port, "/mcp/conf", "2026-07-28", TOOL, &headers)
        .await
        .unwrap()
}

fn is_good(answer: &Answer) -> bool {
    answer.status == 200 && answer.text.contains("This is a simple text response")
}

#[tokio::test]
async fn a_token_for_this_resource_is_admitted_and_one_for_another_is_not() {
    let street = Street::open(false).await;
    let token = street.issuer.token(RESOURCE).await.unwrap();
    assert_eq!(token.split('.').count(), 3, "a JWT");
    let answer = street.call(&token).await;
    assert!(is_good(&answer), "{answer:?}\n{}", street.said());

    let elsewhere = street
        .issuer
        .token("https://payroll.example/mcp")
        .await
        .unwrap();
    let answer = street.call(&elsewhere).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    let (message, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{message}.{}", elsewhere.rsplit_once('.').unwrap().1);
    assert_eq!(street.call(&forged).await.status, 401);
}

#[tokio::test]
async fn an_opaque_token_is_asked_about_and_judged_by_the_same_audience() {
    let street = Street::open(true).await;
    let token = street.issuer.token(OPAQUE).await.unwrap();
    assert!(!token.contains('.'), "opaque");
    let answer = street.call(&token).await;
    assert!(is_good(&answer), "{answer:?}\n{}", street.said());
    let elsewhere = "https://payroll.example/opaque";
    let elsewhere = street.issuer.token(elsewhere).await.unwrap();
    for bad in [elsewhere.as_str(), "an-opaque-token-that-nobody-issued"] {
        let answer = street.call(bad).await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_under_load_and_no_good_request_fails() {
    let street = Street::open(false).await;
    let first = street.issuer.token(RESOURCE).await.unwrap();
    let current = Arc::new(Mutex::new(first.clone()));
    let (told, mut answers) = mpsc::channel(1);
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let (current, told) = (current.clone(), told.clone());
        let port = street.gateway.port();
        callers.spawn(async move {
            loop {
                let token = current.lock().unwrap().clone();
                let answer = call(port, &token).await;
                if told.send((token, answer)).await.is_err() {
                    break;
                }
            }
        });
    }
    let mut with_new = 0;
    let mut second = None;
    for number in 0..400 {
        if number == 100 {
            street.issuer.rotate().await.unwrap();
            let token = street.issuer.token(RESOURCE).await.unwrap();
            assert_ne!(head(&token), head(&first), "another key signed it");
            current.lock().unwrap().clone_from(&token);
            second = Some(token);
        }
        let (token, answer) = answers.recv().await.unwrap();
        assert!(is_good(&answer), "{number}: {answer:?}\n{}", street.said());
        with_new += usize::from(second.as_ref() == Some(&token));
    }
    drop(answers);
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    assert!(with_new >= 200, "{with_new} calls with the new key's token");
    let answer = street.call(&first).await;
    assert!(is_good(&answer), "its key is still published: {answer:?}");
}

fn head(token: &str) -> &str {
    token.split('.').next().unwrap()
}

//! Thundering herds at the front door: however many calls come at once, each token is asked for once.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use portcullis_testkit::upstream::{FakeUpstream, Gate, Recorded, Reply};

use super::on_behalf::{jwt, obo};
use super::support::{Answer, House, m2m, server};

/// From now on the token endpoint answers when the gate opens: `for-{user}` to who brings
/// `jwt(user)`, and one token to the gateway itself.
fn slow_tokens(upstream: &FakeUpstream, users: usize) -> Gate {
    let gate = Gate::closed();
    let held = gate.clone();
    upstream.on("TOKEN", move |request: &Recorded| {
        let whose = (0..users).find(|user| request.body.contains(&jwt(&format!("user-{user}"))));
        let reply = whose.map_or(Reply::Default, |user| {
            let token = format!(
                r#"{{"access_token":"for-user-{user}","token_type":"Bearer","expires_in":3600}}"#
            );
            Reply::json(200, token)
        });
        Reply::After(held.clone(), Box::new(reply))
    });
    gate
}

fn all_answered(answers: &[Answer]) {
    for answer in answers {
        assert!(answer.json()["result"].is_object(), "{answer:?}");
    }
}

/// TOK-01.
#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_first_calls_of_many_people_make_one_token_request() {
    for upstream in [FakeUpstream::modern().await, FakeUpstream::legacy().await] {
        let is_modern = format!("{upstream:?}").contains("Modern");
        let gate = slow_tokens(&upstream, 0);
        let keys = m2m(&upstream);
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let house = House::of(&[server("a", &upstream, &keys)]).await;
        let mut callers = Vec::new();
        for person in 0..10 {
            callers.push(house.caller(&format!("person-{person}")).await.at("/mcp/a"));
        }
        let calls = (0..500).map(|call| {
            let caller = &callers[call % callers.len()];
            async move {
                if is_modern {
                    caller.modern_call("echo", "{}").await
                } else {
                    caller.call("echo", "{}").await
                }
            }
        });
        let (answers, ()) = tokio::join!(join_all(calls), async {
            upstream.arrived("TOKEN", 1).await;
            gate.open();
        });
        all_answered(&answers);
        assert_eq!(upstream.count("TOKEN"), 1);
        assert_eq!(upstream.count("tools/call"), 500);
        house.end().await;
    }
}

/// TOK-01, TOK-16.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_people_with_one_key_make_fifty_exchanges_in_five_hundred_calls() {
    let upstream = FakeUpstream::modern().await;
    let gate = slow_tokens(&upstream, 50);
    let house = House::of(&[obo("a", &upstream)]).await;
    let shared = house.caller("shared").await.at("/mcp/a");
    let calls = (0..500).map(|call| {
        let user = format!("user-{}", call % 50);
        let caller = shared.bringing(&jwt(&user));
        async move {
            let arguments = format!(r#"{{"message":"{user}"}}"#);
            caller.modern_call("echo", &arguments).await
        }
    });
    let (answers, ()) = tokio::join!(join_all(calls), async {
        upstream.arrived("TOKEN", 50).await;
        gate.open();
    });
    all_answered(&answers);
    assert_eq!(upstream.count("TOKEN"), 50);
    let seen = upstream.seen("tools/call");
    assert_eq!(seen.len(), 500);
    let mut people = BTreeSet::new();
    for call in &seen {
        let bearer = call.header("authorization").unwrap();
        let whose = bearer.strip_prefix("Bearer for-").unwrap();
        assert!(call.body.contains(&format!("\"{whose}\"")), "{call:?}");
        people.insert(whose.to_owned());
    }
    assert_eq!(people.len(), 50);
    house.end().await;
}

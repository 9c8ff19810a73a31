//! What those who are refused learn, and what of them is on record.

use super::*;

#[tokio::test]
async fn whoever_keeps_guessing_locks_nobody_out_and_everyone_is_told_how_to_come_in() {
    // AUTH-21
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let guesser = gateway.bearer("sk-guess-0123456789");
    for _ in 0..1_003 {
        let reply = guesser.ask(Ask::get("/mcp-rest/tools/list")).await;
        is_refused(&reply, Some("invalid_token"));
    }
    // Somebody else behind the same address, with a key of yesterday, is not told to go away.
    let honest = gateway.bearer("sk-of-yesterday-987");
    let reply = honest.ask(Ask::get("/mcp-rest/tools/list")).await;
    is_refused(&reply, Some("invalid_token"));
    assert_eq!(gateway.event_of(&reply).await["outcome"], "unauthenticated");
    assert_eq!(caller.echo("still here").await.status, 200);
    let reply = gateway
        .anonymous()
        .ask(Ask::get("/mcp-rest/tools/list"))
        .await;
    is_refused(&reply, None);
}

#[tokio::test]
async fn why_a_key_does_not_work_is_told_to_the_audit_trail_alone() {
    // AUTH-19
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let admin = gateway.admin().await;

    let revoked = gateway.key("revoked", &["support"]).await;
    assert_eq!(revoked.echo("still good").await.status, 200);
    let body = json!({"keys": [revoked.key_id()]});
    assert_eq!(admin.ask(Ask::post("/key/delete", &body)).await.status, 200);

    // The right prefix and length, another tail.
    let mut tail = caller.credential().to_owned();
    let last = if tail.ends_with('A') { 'B' } else { 'A' };
    tail.pop();
    tail.push(last);

    let mut answers = Vec::new();
    for (credential, reason) in [
        (revoked.credential(), "revoked"),
        (tail.as_str(), "malformed"),
        ("sk-nobody-has-this-one-0123456789", "unknown"),
    ] {
        let reply = gateway.bearer(credential).ask(Actor::echo_ask("hi")).await;
        let event = gateway.event_of(&reply).await;
        assert_eq!(event["authn"], reason, "{event}");
        assert!(event["principal"].is_null(), "{event}");
        answers.push(reply.comparable());
    }
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:?}"
    );
    gateway.stands().await;
}

#[tokio::test]
async fn what_a_key_may_not_see_answers_like_what_does_not_exist() {
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let owner = gateway.key("owner", &["private"]).await;
    let listed = owner.rpc("/mcp/private", "tools/list", json!({})).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    let pairs = [
        (
            Ask::rpc("/mcp/private", "tools/list", &json!({})),
            Ask::rpc("/mcp/absent", "tools/list", &json!({})),
        ),
        (
            Ask::rpc("/private/mcp", "tools/list", &json!({})),
            Ask::rpc("/absent/mcp", "tools/list", &json!({})),
        ),
        (
            Ask::get("/mcp-rest/tools/list?server_id=private"),
            Ask::get("/mcp-rest/tools/list?server_id=absent"),
        ),
        (
            Ask::get("/mcp-rest/tools/list").header("x-mcp-servers", "private"),
            Ask::get("/mcp-rest/tools/list").header("x-mcp-servers", "absent"),
        ),
        (
            Ask::rpc("/mcp", "tools/list", &json!({})).header("x-mcp-servers", "support,private"),
            Ask::rpc("/mcp", "tools/list", &json!({})).header("x-mcp-servers", "support,absent"),
        ),
    ];
    for (hidden, absent) in pairs {
        let (hidden, absent) = (caller.ask(hidden).await, caller.ask(absent).await);
        let without_id = |reply: &Reply| {
            let id = reply.header("x-request-id").unwrap().to_owned();
            (reply.status, reply.text().replace(&id, ""))
        };
        assert_eq!(without_id(&hidden), without_id(&absent));
        assert_eq!(hidden.status, 404);
    }
    // The aggregate of two servers with the same tools shows the caller its own only.
    let listed: Value = caller.ask(Ask::get("/mcp-rest/tools/list")).await.json();
    assert!(!listed.to_string().contains("private"), "{listed}");
    let tools = listed["tools"].as_array().unwrap();
    assert!(!tools.is_empty(), "{listed}");
    for tool in tools {
        assert_eq!(tool["mcp_info"]["server_name"], "support", "{listed}");
    }
    gateway.stands().await;
}

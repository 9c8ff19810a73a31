//! What a caller who asks is told of how its request was authenticated, and what it is not told.

use portcullis_testkit::gateway::{Actor, Ask, Reply, TestGateway};
use serde_json::json;

const NAMES: [&str; 5] = [
    "x-mcp-debug-inbound-auth",
    "x-mcp-debug-oauth2-token",
    "x-mcp-debug-auth-resolution",
    "x-mcp-debug-outbound-url",
    "x-mcp-debug-server-auth-type",
];

fn call() -> Ask {
    let params = json!({"name": "echo", "arguments": {"message": "hi"}});
    Ask::rpc("/mcp/support", "tools/call", &params)
}

fn asking(ask: Ask) -> Ask {
    ask.header("x-litellm-mcp-debug", "true")
}

fn told(reply: &Reply) -> Vec<&str> {
    NAMES.iter().filter_map(|name| reply.header(name)).collect()
}

fn masked(actor: &Actor) -> String {
    let key = actor.credential();
    format!("****{}", &key[key.len() - 4..])
}

async fn gateway(who: &str) -> TestGateway {
    TestGateway::with_support_and(&format!("server: {{debug_headers: {who}}}\n")).await
}

#[tokio::test]
async fn a_key_in_the_place_of_a_token_is_pointed_out_and_never_shown() {
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let mask = masked(&caller);
    let reply = caller.ask(asking(call())).await;
    assert_eq!(
        told(&reply),
        [
            format!("authorization=Bearer{mask}").as_str(),
            &format!("Bearer{mask} (SAME_AS_LITELLM_KEY - likely misconfigured)"),
            "m2m-client-credentials",
            // An ordinary caller does not learn where internal servers are.
            "(internal)",
            "oauth2",
        ]
    );
    gateway.stands().await;
}

#[tokio::test]
async fn a_key_of_its_own_header_leaves_the_token_to_its_place() {
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let (key, mask) = (caller.credential().to_owned(), masked(&caller));
    let stranger = gateway.anonymous();
    let keyed = || asking(call()).header("x-litellm-api-key", &format!("Bearer {key}"));
    let reply = stranger.ask(keyed()).await;
    assert_eq!(
        told(&reply)[..2],
        [&format!("x-litellm-api-key=Bearer{mask}"), "(none)"]
    );
    let token = "an-upstream-token-of-somebody-ef01";
    let reply = stranger.ask(keyed().bearer(token)).await;
    assert_eq!(
        told(&reply)[..2],
        [
            format!("authorization=Bearer****ef01; x-litellm-api-key=Bearer{mask}").as_str(),
            "Bearer****ef01",
        ]
    );
    let twice = stranger.ask(keyed().bearer(&key)).await;
    assert!(told(&twice)[1].contains("SAME_AS_LITELLM_KEY"), "{twice:?}");
    gateway.stands().await;
}

#[tokio::test]
async fn every_surface_of_the_tool_path_tells_and_an_aggregate_says_that_it_is_one() {
    let gateway = TestGateway::with_support().await;
    let admin = gateway.admin().await;
    let url = format!("{}/mcp", gateway.mock().url());
    let rest = json!({"name": "echo", "arguments": {"message": "hi"}, "server_id": "support"});
    let list = Ask::rpc("/mcp", "tools/list", &json!({}));
    for (ask, resolution, outbound) in [
        (call(), "m2m-client-credentials", url.as_str()),
        (
            Ask::rpc("/mcp/support", "tools/list", &json!({})),
            "m2m-client-credentials",
            &url,
        ),
        (
            Ask::post("/mcp-rest/tools/call", &rest),
            "m2m-client-credentials",
            &url,
        ),
        (list, "multiple", "(none)"),
        (
            Ask::rpc("/mcp/nowhere", "tools/list", &json!({})),
            "unresolved",
            "(none)",
        ),
    ] {
        let line = ask.line();
        let reply = admin.ask(asking(ask)).await;
        assert_eq!(
            reply.header(NAMES[2]),
            Some(resolution),
            "{line}: {reply:?}"
        );
        assert_eq!(reply.header(NAMES[3]), Some(outbound), "{line}: {reply:?}");
    }
    gateway.stands().await;
}

#[tokio::test]
async fn only_who_asks_and_may_is_told() {
    for (who, user, administrator) in [
        ("off", 0, 0),
        ("admin", 0, NAMES.len()),
        ("authenticated", NAMES.len(), NAMES.len()),
    ] {
        let gateway = gateway(who).await;
        let (caller, admin) = (gateway.working_key().await, gateway.admin().await);
        assert_eq!(told(&caller.ask(asking(call())).await).len(), user, "{who}");
        let reply = admin.ask(asking(call())).await;
        assert_eq!(told(&reply).len(), administrator, "{who}");
        let alias = call().header("x-portcullis-debug", "yes");
        assert_eq!(told(&admin.ask(alias).await).len(), administrator, "{who}");
        for not in [call(), call().header("x-litellm-mcp-debug", "false")] {
            assert!(told(&admin.ask(not).await).is_empty(), "{who}");
        }
        let forger = gateway.bearer("sk-nobody-has-this-key-at-all-000");
        for stranger in [gateway.anonymous(), forger] {
            let reply = stranger.ask(asking(call())).await;
            assert_eq!((reply.status, told(&reply).len()), (401, 0), "{who}");
        }
        gateway.stands().await;
    }
}

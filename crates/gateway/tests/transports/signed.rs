//! The signer on transports other than Streamable HTTP.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_testkit::gateway::TestGateway;
use portcullis_testkit::upstream::{FakeUpstream, Recorded};
use serde_json::{Value, json};

use super::support::{rest, text};

/// What the one token on a request says.
fn claims(request: &Recorded) -> Value {
    let bearers = request.all("authorization");
    assert_eq!(bearers.len(), 1, "{request:?}");
    let token = bearers[0].strip_prefix("Bearer ").unwrap();
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn over_http_and_sse_the_stream_and_each_message_have_a_token_of_their_own() {
    let upstream = FakeUpstream::legacy().await;
    upstream.over_sse("2025-06-18");
    let yaml = format!(
        "guardrails: [{{guardrail_name: s, litellm_params: {{guardrail: mcp_jwt_signer, mode: pre_mcp_call, default_on: true, algorithm: ES256, issuer: 'https://gateway.example'}}}}]\n\
         mcp_servers: {{old: {{url: '{}', transport: sse}}}}",
        upstream.url()
    );
    let gateway = TestGateway::start(&yaml).await;
    let alice = gateway.key("alice", &["old"]).await;
    for _ in 0..2 {
        let reply = rest(&alice, "old", "echo", json!({})).await;
        assert_eq!(text(&reply), "done");
    }
    let requests = upstream.requests();
    for request in &requests {
        let claims = claims(request);
        assert_eq!(claims["iss"], "https://gateway.example", "{}", request.kind);
    }
    for kind in [
        "GET",
        "initialize",
        "notifications/initialized",
        "tools/call",
    ] {
        assert!(
            requests.iter().any(|request| request.kind == kind),
            "{kind}"
        );
    }
    let scope = |request: &Recorded| claims(request)["scope"].as_str().unwrap().to_owned();
    let calls = upstream.seen("tools/call");
    assert_eq!(calls.len(), 2);
    for call in &calls {
        assert!(
            scope(call).contains("mcp:tools/echo:call"),
            "{}",
            scope(call)
        );
    }
    // What opens the stream may call nothing.
    assert!(
        !scope(&upstream.last("GET")).contains("call"),
        "{}",
        scope(&upstream.last("GET"))
    );
    let [one, other] = [0, 1].map(|at: usize| claims(&calls[at])["jti"].clone());
    assert_ne!(one, other);
    gateway.stands().await;
}

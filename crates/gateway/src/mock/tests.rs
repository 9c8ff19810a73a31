use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use portcullis_core::{ManualClock, SeededEntropy};
use portcullis_egress::{Destination, EgressPolicy, HttpClient, RequestBody};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use super::*;
use crate::loopback::Loopback;

struct Running {
    base: String,
    clock: Arc<ManualClock>,
}

struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Value,
}

async fn start() -> Running {
    let clock = Arc::new(ManualClock::at_millis(1_795_247_580_000));
    let settings = Settings {
        clock: Arc::<ManualClock>::clone(&clock),
        entropy: Arc::new(SeededEntropy::new(7)),
        ..Settings::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    TaskTracker::new().spawn(serve(listener, settings, Stop::default()));
    Running { base, clock }
}

async fn send(request: Request<RequestBody>) -> Answer {
    let policy = EgressPolicy::document(Destination::Operator {
        allow_insecure_http: false,
    });
    let response: Response<_> = Loopback.send(request, &policy).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    }
}

impl Running {
    async fn get(&self, path: &str) -> Value {
        let request = Request::get(format!("{}{path}", self.base));
        send(request.body(RequestBody::default()).unwrap())
            .await
            .body
    }

    async fn stats(&self) -> Stats {
        serde_json::from_value(self.get("/mock/stats").await).unwrap()
    }

    async fn ask_token(&self, form: &str, basic: Option<&str>) -> Answer {
        let mut request = Request::post(format!("{}/oauth/token", self.base))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(basic) = basic {
            request = request.header(header::AUTHORIZATION, format!("Basic {basic}"));
        }
        let body = RequestBody::new(Bytes::copy_from_slice(form.as_bytes()));
        send(request.body(body).unwrap()).await
    }

    async fn token(&self, scope: &str) -> String {
        let form = format!(
            "grant_type=client_credentials&client_id=test-client&client_secret=test-secret&scope={scope}"
        );
        let answer = self.ask_token(&form, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    async fn post(&self, token: Option<&str>, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut request = Request::post(format!("{}/mcp", self.base))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = RequestBody::new(Bytes::from(body.to_string()));
        send(request.body(body).unwrap()).await
    }

    async fn session(&self, token: &str, revision: &str) -> String {
        let answer = self.post(Some(token), &[], &initialize(revision)).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.body["result"]["protocolVersion"], revision);
        answer.headers[endpoint::SESSION_ID]
            .to_str()
            .unwrap()
            .to_owned()
    }

    async fn modern(&self, token: &str, method: &str, params: Value) -> Answer {
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        let mut headers = vec![
            (endpoint::PROTOCOL_VERSION, "2026-07-28"),
            ("mcp-method", method),
        ];
        if !name.is_empty() {
            headers.push(("mcp-name", &name));
        }
        self.post(Some(token), &headers, &modern_request(method, params))
            .await
    }
}

fn initialize(revision: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": revision, "capabilities": {},
        "clientInfo": { "name": "test", "version": "0" },
    } })
}

fn request(method: &str, params: impl Into<Value>) -> Value {
    json!({ "jsonrpc": "2.0", "id": "a", "method": method, "params": params.into() })
}

fn modern_request(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    request(method, params)
}

#[tokio::test]
async fn the_client_gets_a_token_by_post_and_by_basic_and_nothing_with_a_wrong_secret() {
    let mock = start().await;
    let by_post = mock
        .ask_token(
            "grant_type=client_credentials&client_id=test-client&client_secret=test-secret",
            None,
        )
        .await;
    assert_eq!(by_post.status, StatusCode::OK);
    assert_eq!(by_post.body["token_type"], "Bearer");
    assert_eq!(by_post.body["expires_in"], 3600);
    assert_eq!(
        by_post.body["scope"],
        "customer:read ticket:create account:calculate"
    );
    assert_eq!(by_post.headers[header::CACHE_CONTROL], "no-store");

    // test-client:test-secret
    let basic = "dGVzdC1jbGllbnQ6dGVzdC1zZWNyZXQ=";
    let form = "grant_type=client_credentials&scope=customer:read";
    let by_basic = mock.ask_token(form, Some(basic)).await;
    assert_eq!(by_basic.body["scope"], "customer:read");

    for (form, basic, error) in [
        (
            "grant_type=client_credentials&client_id=test-client&client_secret=wrong",
            None,
            "invalid_client",
        ),
        (
            "grant_type=client_credentials",
            Some("eDp5"),
            "invalid_client",
        ),
        ("grant_type=client_credentials", None, "invalid_client"),
        ("grant_type=password", Some(basic), "unsupported_grant_type"),
        ("scope=customer:read", Some(basic), "invalid_request"),
        (
            "grant_type=client_credentials&scope=admin",
            Some(basic),
            "invalid_scope",
        ),
        (
            "grant_type=client_credentials&resource=https://elsewhere.example/mcp",
            Some(basic),
            "invalid_target",
        ),
        (
            "grant_type=client_credentials&client_id=test-client&client_secret=test-secret",
            Some(basic),
            "invalid_request",
        ),
        (
            "grant_type=client_credentials&scope=a&scope=b",
            Some(basic),
            "invalid_request",
        ),
    ] {
        let refused = mock.ask_token(form, basic).await;
        assert_eq!(refused.body["error"], error, "{form}");
        assert!(refused.body.get("access_token").is_none());
    }
    assert_eq!(mock.stats().await.token_requests, 11);
    assert_eq!(mock.stats().await.tokens_issued, 2);
}

#[tokio::test]
async fn metadata_leads_a_stranger_from_the_challenge_to_the_token_endpoint() {
    let mock = start().await;
    let refused = mock.post(None, &[], &initialize("2025-11-25")).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let challenge = refused.headers[header::WWW_AUTHENTICATE].to_str().unwrap();
    let url = challenge
        .strip_prefix("Bearer resource_metadata=\"")
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap();
    let resource = mock.get(url.strip_prefix(&mock.base).unwrap()).await;
    assert_eq!(resource["resource"], format!("{}/mcp", mock.base));
    let issuer = resource["authorization_servers"][0].as_str().unwrap();
    assert_eq!(issuer, mock.base);
    let server = mock.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(server["issuer"], issuer);
    assert_eq!(
        server["token_endpoint"],
        format!("{}/oauth/token", mock.base)
    );
    let keys = mock.get("/.well-known/jwks.json").await;
    assert_eq!(keys["keys"][0]["kty"], "RSA");
    assert!(keys["keys"][0].get("d").is_none());
}

#[tokio::test]
async fn a_token_is_refused_when_expired_altered_or_signed_by_someone_else() {
    let mock = start().await;
    let other = start().await;
    let token = mock.token("customer:read").await;
    let mut altered = token.clone().into_bytes();
    let middle = altered.len() / 2;
    altered[middle] = if altered[middle] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    let (message, _) = token.rsplit_once('.').unwrap();
    let unsigned = format!("{message}.");
    for bad in [altered, unsigned, other.token("customer:read").await] {
        let refused = mock.post(Some(&bad), &[], &initialize("2025-11-25")).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        let challenge = refused.headers[header::WWW_AUTHENTICATE].to_str().unwrap();
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    }
    mock.session(&token, "2025-11-25").await;
    mock.clock.advance(Duration::from_hours(1));
    let refused = mock
        .post(Some(&token), &[], &initialize("2025-11-25"))
        .await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_foreign_web_page_is_turned_away_even_with_a_good_token() {
    let mock = start().await;
    let token = mock.token("customer:read").await;
    let origin = [("origin", "https://evil.example")];
    let refused = mock
        .post(Some(&token), &origin, &initialize("2025-11-25"))
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_legacy_client_of_any_revision_opens_a_session_calls_and_leaves() {
    let mock = start().await;
    let token = mock.token("").await;
    for revision in legacy::REVISIONS {
        let session = mock.session(&token, revision).await;
        let headers = [(endpoint::SESSION_ID, session.as_str())];
        let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let noted = mock.post(Some(&token), &headers, &note).await;
        assert_eq!(noted.status, StatusCode::ACCEPTED);
        let call = request(
            "tools/call",
            json!({ "name": "echo", "arguments": { "message": "hello" } }),
        );
        let answer = mock.post(Some(&token), &headers, &call).await;
        assert_eq!(answer.body["id"], "a");
        assert_eq!(answer.body["result"]["content"][0]["text"], "hello");
        assert!(answer.body["result"].get("resultType").is_none());

        let end = |session: String| {
            Request::delete(format!("{}/mcp", mock.base))
                .header(header::AUTHORIZATION, format!("Bearer {token}"))
                .header(endpoint::SESSION_ID, session)
                .body(RequestBody::default())
                .unwrap()
        };
        assert_eq!(send(end(session.clone())).await.status, StatusCode::OK);
        assert_eq!(
            send(end(session.clone())).await.status,
            StatusCode::NOT_FOUND
        );
        let after = mock.post(Some(&token), &headers, &call).await;
        assert_eq!(after.status, StatusCode::NOT_FOUND);
    }
    let stats = mock.stats().await;
    assert_eq!((stats.initialize, stats.calls), (4, 4));
}

#[tokio::test]
async fn without_a_session_or_with_a_strange_version_a_legacy_request_is_refused() {
    let mock = start().await;
    let token = mock.token("").await;
    let list = request("tools/list", json!({}));
    let refused = mock.post(Some(&token), &[], &list).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let session = mock.session(&token, "2025-06-18").await;
    let headers = [
        (endpoint::SESSION_ID, session.as_str()),
        (endpoint::PROTOCOL_VERSION, "1999-01-01"),
    ];
    let refused = mock.post(Some(&token), &headers, &list).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn only_the_revision_that_had_batches_answers_them() {
    let mock = start().await;
    let token = mock.token("").await;
    let batch = json!([request("ping", json!({})), { "jsonrpc": "2.0", "method": "notifications/initialized" }]);
    for (revision, status) in [
        ("2025-03-26", StatusCode::OK),
        ("2025-06-18", StatusCode::BAD_REQUEST),
    ] {
        let session = mock.session(&token, revision).await;
        let headers = [(endpoint::SESSION_ID, session.as_str())];
        let answer = mock.post(Some(&token), &headers, &batch).await;
        assert_eq!(answer.status, status, "{revision}");
    }
}

#[tokio::test]
async fn a_modern_client_discovers_lists_and_calls_without_a_session() {
    let mock = start().await;
    let token = mock.token("").await;
    let found = mock.modern(&token, "server/discover", json!({})).await;
    assert_eq!(found.body["result"]["supportedVersions"][0], "2026-07-28");
    assert_eq!(found.body["result"]["resultType"], "complete");
    assert!(found.headers.get(endpoint::SESSION_ID).is_none());
    let list = mock.modern(&token, "tools/list", json!({})).await;
    assert_eq!(list.body["result"]["tools"].as_array().unwrap().len(), 5);
    assert_eq!(list.body["result"]["ttlMs"], 60_000);
    assert_eq!(list.body["result"]["cacheScope"], "public");
    let call = json!({ "name": "get_customer_info", "arguments": { "customer_id": "JOHNDOE123" } });
    let answer = mock.modern(&token, "tools/call", call).await;
    let result = &answer.body["result"];
    assert_eq!(result["structuredContent"]["name"], "John Doe");
    assert_eq!(result["structuredContent"]["account_status"], "active");
    assert_eq!(
        result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "portcullis-mock"
    );
    let gone = mock.modern(&token, "ping", json!({})).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert_eq!(gone.body["error"]["code"], -32601);
}

#[tokio::test]
async fn a_modern_request_whose_headers_and_body_disagree_is_refused() {
    let mock = start().await;
    let token = mock.token("").await;
    let call = || json!({ "name": "echo", "arguments": { "message": "x" } });
    let version = (endpoint::PROTOCOL_VERSION, "2026-07-28");
    let method = ("mcp-method", "tools/call");
    for (headers, code) in [
        (vec![method, ("mcp-name", "echo")], -32020),
        (vec![version, ("mcp-name", "echo")], -32020),
        (
            vec![version, ("mcp-method", "tools/list"), ("mcp-name", "echo")],
            -32020,
        ),
        (vec![version, method], -32020),
        (
            vec![version, method, ("mcp-name", "create_support_ticket")],
            -32020,
        ),
    ] {
        let refused = mock
            .post(
                Some(&token),
                &headers,
                &modern_request("tools/call", call()),
            )
            .await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{headers:?}");
        assert_eq!(refused.body["error"]["code"], code, "{headers:?}");
    }
    let wrapped = [version, method, ("mcp-name", "=?base64?ZWNobw==?=")];
    let good = mock
        .post(
            Some(&token),
            &wrapped,
            &modern_request("tools/call", call()),
        )
        .await;
    assert_eq!(good.status, StatusCode::OK);

    let bare = mock
        .post(Some(&token), &[version], &request("tools/list", json!({})))
        .await;
    assert_eq!(bare.body["error"]["code"], -32602);
    let mut future = modern_request("tools/list", json!({}));
    future["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2999-01-01");
    let headers = [(endpoint::PROTOCOL_VERSION, "2999-01-01")];
    let refused = mock.post(Some(&token), &headers, &future).await;
    assert_eq!(refused.body["error"]["code"], -32022);
    assert_eq!(refused.body["error"]["data"]["requested"], "2999-01-01");
    assert_eq!(mock.stats().await.calls, 1);
}

#[tokio::test]
async fn a_tool_is_closed_to_a_token_without_its_scope_and_the_challenge_names_the_scope() {
    let mock = start().await;
    let token = mock.token("customer:read").await;
    let session = mock.session(&token, "2025-11-25").await;
    let headers = [(endpoint::SESSION_ID, session.as_str())];
    let arguments = json!({ "customer_id": "CUST67890", "purchases": [150, 300, 13, 89] });
    let call = json!({ "name": "calculate_account_value", "arguments": arguments });
    let refused = mock
        .post(Some(&token), &headers, &request("tools/call", call.clone()))
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let challenge = refused.headers[header::WWW_AUTHENTICATE].to_str().unwrap();
    assert!(
        challenge.contains("error=\"insufficient_scope\", scope=\"account:calculate\""),
        "{challenge}"
    );
    let wider = mock.token("account:calculate").await;
    let done = mock.modern(&wider, "tools/call", call).await;
    let value = &done.body["result"]["structuredContent"];
    assert_eq!(value["total"], 552.0);
    assert_eq!(value["qualifies_for_premium"], true);
}

#[tokio::test]
async fn a_wrong_argument_is_a_tool_error_and_an_unknown_tool_a_protocol_error() {
    let mock = start().await;
    let token = mock.token("").await;
    for arguments in [
        json!({}),
        json!({ "customer_id": "NOBODY" }),
        json!({ "customer_id": "JOHNDOE123", "also": 1 }),
    ] {
        let call = json!({ "name": "get_customer_info", "arguments": arguments });
        let answer = mock.modern(&token, "tools/call", call).await;
        assert_eq!(answer.body["result"]["isError"], true);
    }
    let call = json!({ "name": "drop_tables", "arguments": {} });
    let answer = mock.modern(&token, "tools/call", call).await;
    assert_eq!(answer.body["error"]["code"], -32602);
}

#[tokio::test]
async fn the_same_ticket_always_gets_the_same_number() {
    let mock = start().await;
    let token = mock.token("").await;
    let arguments = json!({ "customer_id": "CUST12345", "subject": "Login", "description": "Cannot log in", "priority": "high" });
    let call = json!({ "name": "create_support_ticket", "arguments": arguments });
    let first = mock.modern(&token, "tools/call", call.clone()).await;
    let again = mock.modern(&token, "tools/call", call).await;
    let ticket = &first.body["result"]["structuredContent"];
    assert_eq!(*ticket, again.body["result"]["structuredContent"]);
    assert_eq!(ticket["status"], "open");
    assert_eq!(ticket["created_at"], "2026-11-21T07:53:00.000Z");
}

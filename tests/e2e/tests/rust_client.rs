//! Rust programs arrive with the official SDK, in both eras, at every endpoint.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![expect(
    deprecated,
    reason = "sampling is deprecated by SEP-2577, yet has to be carried"
)]

use std::sync::{Arc, Mutex};

use portcullis_e2e::{Fixture, Stack};
use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, ErrorData, RoleClient,
    model::{
        CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, ContentBlock,
        CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult,
        GetPromptRequestParams, Implementation, ProgressNotificationParam, ProtocolVersion,
        ReadResourceRequestParams, RequestMetaObject,
    },
    service::{NotificationContext, RequestContext, RunningService},
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Value, json};

/// A user at a desk: answers what is asked and watches the progress bar.
#[derive(Debug, Clone, Default)]
struct Ada {
    progress: Arc<Mutex<Vec<f64>>>,
}

impl ClientHandler for Ada {
    fn get_info(&self) -> ClientConfig {
        let capabilities: ClientCapabilities =
            serde_json::from_value(json!({"elicitation": {}, "sampling": {}})).unwrap();
        ClientConfig::new(capabilities, Implementation::new("ada", "1.0.0"))
    }

    async fn create_elicitation(
        &self,
        _request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(typed(json!({"action": "accept",
            "content": {"username": "ada", "email": "ada@example.com"}})))
    }

    async fn create_message(
        &self,
        _params: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        Ok(typed(json!({"role": "assistant", "model": "none",
            "content": {"type": "text", "text": "forty-two"}})))
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.progress.lock().unwrap().push(params.progress);
    }
}

fn typed<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn eras() -> [ClientLifecycleMode; 2] {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    [
        ClientLifecycleMode::Initialize,
        ClientLifecycleMode::Discover { preferred_versions },
    ]
}

fn call(name: &str, arguments: &Value) -> CallToolRequestParams {
    serde_json::from_value(json!({"name": name, "arguments": arguments})).unwrap()
}

fn text_of(result: &CallToolResult) -> String {
    let texts = result.content.iter().filter_map(ContentBlock::as_text);
    texts
        .map(|block| block.text.clone())
        .collect::<Vec<_>>()
        .join(" ")
}

async fn visit(url: &str, key: &str, prefix: &str, era: ClientLifecycleMode) {
    let ada = Ada::default();
    let config =
        StreamableHttpClientTransportConfig::with_uri(url.to_owned()).auth_header(key.to_owned());
    let transport = StreamableHttpClientTransport::from_config(config);
    let client: RunningService<RoleClient, Ada> = ada
        .clone()
        .serve_with_lifecycle(transport, era)
        .await
        .unwrap();
    let name = |tool: &str| format!("{prefix}{tool}");

    let tools = client.list_all_tools().await.unwrap();
    assert!(
        tools
            .iter()
            .any(|tool| tool.name == name("test_simple_text")),
        "{tools:?}"
    );
    assert!(tools.iter().all(|tool| tool.name.starts_with(prefix)));

    let answer = client
        .call_tool(call(&name("greet"), &json!({"name": "Ada"})))
        .await
        .unwrap();
    assert_eq!(text_of(&answer), "Hello, Ada!");
    let mirrored = call(&name("test_custom_header"), &json!({"value": "Grüße"}));
    assert_eq!(text_of(&client.call_tool(mirrored).await.unwrap()), "Grüße");
    let failed = client
        .call_tool(call(&name("test_error_handling"), &json!({})))
        .await
        .unwrap();
    assert_eq!(failed.is_error, Some(true));

    let mut watched = call(&name("test_tool_with_progress"), &json!({}));
    watched.meta = Some(RequestMetaObject::new());
    client.call_tool(watched).await.unwrap();
    assert_eq!(*ada.progress.lock().unwrap(), [0.0, 50.0, 100.0]);

    let asks = call(
        &name("test_elicitation"),
        &json!({"message": "Who are you?"}),
    );
    let told = client.call_tool(asks).await.unwrap();
    assert!(text_of(&told).contains("ada@example.com"), "{told:?}");
    let samples = call(
        &name("test_sampling"),
        &json!({"prompt": "What is the answer?"}),
    );
    let said = client.call_tool(samples).await.unwrap();
    assert!(text_of(&said).contains("forty-two"), "{said:?}");

    let prompts = client.list_all_prompts().await.unwrap();
    assert!(
        prompts
            .iter()
            .any(|prompt| prompt.name == name("test_simple_prompt"))
    );
    let simple = GetPromptRequestParams::new(name("test_simple_prompt"));
    let prompt = client.get_prompt(simple).await.unwrap();
    assert_eq!(prompt.messages.len(), 1);

    let resources = client.list_all_resources().await.unwrap();
    let text = resources
        .iter()
        .find(|resource| resource.uri.contains("static-text"))
        .unwrap();
    let read = ReadResourceRequestParams::new(text.uri.clone());
    let contents = json!(client.read_resource(read).await.unwrap().contents);
    assert!(
        contents.to_string().contains("static text resource"),
        "{contents}"
    );

    client
        .call_tool(call(&name("no_such_tool"), &json!({})))
        .await
        .unwrap_err();
    let unknown = GetPromptRequestParams::new(name("no_such_prompt"));
    client.get_prompt(unknown).await.unwrap_err();
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn the_rust_client_is_content_with_the_fixture_itself() {
    let fixture = Fixture::start().await.unwrap();
    let url = format!("http://127.0.0.1:{}/mcp", fixture.port());
    for era in eras() {
        visit(&url, "sk-none", "", era).await;
    }
}

#[tokio::test]
async fn the_rust_client_finds_everything_at_a_named_endpoint() {
    let stack = Stack::start().await.unwrap();
    for path in ["/mcp/conf", "/conf/mcp"] {
        for era in eras() {
            visit(&stack.endpoint(path), stack.key(), "", era).await;
        }
    }
}

#[tokio::test]
async fn the_rust_client_finds_everything_at_the_aggregate_endpoint() {
    let stack = Stack::start().await.unwrap();
    for era in eras() {
        visit(&stack.endpoint("/mcp"), stack.key(), "conf-", era).await;
    }
}

#[tokio::test]
async fn without_the_key_the_door_stays_shut() {
    let stack = Stack::start().await.unwrap();
    for key in ["sk-wrong", ""] {
        let config = StreamableHttpClientTransportConfig::with_uri(stack.endpoint("/mcp/conf"))
            .auth_header(key);
        let transport = StreamableHttpClientTransport::from_config(config);
        let [legacy, _] = eras();
        let refused = Ada::default()
            .serve_with_lifecycle(transport, legacy)
            .await
            .unwrap_err();
        // Not that nobody answers: the gateway asks for a key.
        assert!(refused.to_string().contains("Auth required"), "{refused}");
    }
}

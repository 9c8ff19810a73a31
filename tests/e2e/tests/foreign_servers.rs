//! Servers that others wrote, reached by clients that others wrote, of either era.

use portcullis_e2e::{ForeignServers, Judges, visit_foreign};
use rmcp::{
    ClientLifecycleMode, ClientServiceExt,
    model::{CallToolRequestParams, ProtocolVersion},
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::json;

fn agree(failures: &[String], servers: &ForeignServers) {
    assert!(
        failures.is_empty(),
        "{}\nthe gateway said:\n{}",
        failures.join("\n"),
        servers.said()
    );
}

#[tokio::test]
async fn the_python_client_of_either_era_uses_every_foreign_server() {
    let judges = Judges::ready().unwrap();
    let servers = ForeignServers::start(&judges).await.unwrap();
    let mut failures = Vec::new();
    for name in servers.names() {
        for mode in ["legacy", "2026-07-28"] {
            let url = servers.endpoint(name);
            if let Err(error) = visit_foreign(&judges, &url, servers.key(), mode).await {
                failures.push(format!("{name} {mode}: {error:#}"));
            }
        }
    }
    agree(&failures, &servers);
}

async fn echo(url: String, key: &str, mode: ClientLifecycleMode) -> anyhow::Result<()> {
    let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(key);
    let transport = StreamableHttpClientTransport::from_config(config);
    let client = ().serve_with_lifecycle(transport, mode).await?;
    let call = json!({"name": "echo", "arguments": {"message": "Grüße"}});
    let call: CallToolRequestParams = serde_json::from_value(call)?;
    let result = serde_json::to_value(client.call_tool(call).await?)?;
    client.cancel().await?;
    let said = result.pointer("/content/0/text");
    anyhow::ensure!(said == Some(&json!("Echo: Grüße")), "{result}");
    Ok(())
}

#[tokio::test]
async fn the_rust_client_of_either_era_calls_every_foreign_server() {
    let judges = Judges::ready().unwrap();
    let servers = ForeignServers::start(&judges).await.unwrap();
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    let mut failures = Vec::new();
    for name in servers.names() {
        for mode in [
            ClientLifecycleMode::Initialize,
            ClientLifecycleMode::Discover {
                preferred_versions: preferred_versions.clone(),
            },
        ] {
            let era = format!("{mode:?}");
            if let Err(error) = echo(servers.endpoint(name), servers.key(), mode).await {
                failures.push(format!("{name} {era}: {error:#}"));
            }
        }
    }
    agree(&failures, &servers);
}

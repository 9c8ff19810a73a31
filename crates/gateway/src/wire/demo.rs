//! The demo's gateway: in memory, in front of the mock.

use portcullis_config::CommandLine;
use portcullis_core::{Role, ServerGrants};
use portcullis_server::HostRule;

use super::DemoGateway;
use super::embedded::Embedded;
use super::serve::{Listeners, state};
use crate::cli::exit::CommandError;
use crate::lifecycle::Lifecycle;
use crate::mock::{CLIENT_ID, CLIENT_SECRET};

/// Starts a gateway on loopback in front of the mock whose base URL is `mock`, as the server
/// `support` (M2M, with the mock's client). It runs on `lifecycle.tasks` and ends with its stop.
pub async fn demo_gateway(
    mock: &str,
    port: u16,
    lifecycle: &Lifecycle,
) -> Result<DemoGateway, CommandError> {
    let text = format!(
        "mcp_servers:\n  support:\n    url: \"{mock}/mcp\"\n    auth_type: oauth2\n    \
         oauth2_flow: client_credentials\n    client_id: \"{CLIENT_ID}\"\n    \
         client_secret: \"{CLIENT_SECRET}\"\n    token_url: \"{mock}/oauth/token\"\n"
    );
    let command_line = CommandLine {
        host: Some("127.0.0.1"),
        port: Some(port),
    };
    let stop = &lifecycle.stop;
    let embedded = Embedded::start(&text, command_line, &lifecycle.tasks, &stop.soft).await?;
    let listeners = Listeners::bind(embedded.config()).await?;
    let url = listeners.url(embedded.config())?;
    let all = ServerGrants {
        all: true,
        ..ServerGrants::default()
    };
    let admin = embedded.key("demo-admin", Role::Admin, all).await?;
    let support = ServerGrants {
        servers: ["support".into()].into(),
        ..ServerGrants::default()
    };
    let caller = embedded.key("demo-caller", Role::User, support).await?;
    let state = state(
        embedded.rooms(),
        embedded.config(),
        HostRule::Loopback,
        None,
        Some(embedded.server_book()),
    );
    let stop = stop.clone();
    lifecycle.tasks.spawn(async move {
        listeners
            .serve(portcullis_server::router(state), None, stop)
            .await;
        embedded.end().await;
    });
    Ok(DemoGateway { url, admin, caller })
}

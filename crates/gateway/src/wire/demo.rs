//! The demo's gateway: in memory, in front of the mock.

use std::sync::Arc;

use anyhow::Context;
use portcullis_config::CommandLine;
use portcullis_core::{ApiKey, Role, ScopeSet, ServerGrants};
use portcullis_identity::{MasterKey, NewKey};

use super::rooms::{Rooms, Storage};
use super::serve::{Listeners, end, state};
use super::{DemoGateway, files, housekeeping};
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
    let config = files::parse("demo.yaml", &text, command_line)
        .map_err(|errors| CommandError::Configuration(errors.to_string()))?
        .config;
    let listeners = Listeners::bind(&config).await?;
    let url = listeners.url(&config)?;
    let rooms = Rooms::build(
        &config,
        &Storage::Memory,
        &lifecycle.tasks,
        &lifecycle.stop.soft,
    )
    .await?;
    let rooms = Arc::new(rooms);
    let all = ServerGrants {
        all: true,
        ..ServerGrants::default()
    };
    let admin = key(&rooms, "demo-admin", Role::Admin, all).await?;
    let support = ServerGrants {
        servers: ["support".into()].into(),
        ..ServerGrants::default()
    };
    let caller = key(&rooms, "demo-caller", Role::User, support).await?;
    housekeeping::start(&rooms.gateway, &lifecycle.tasks, &lifecycle.stop.soft);
    let state = state(&rooms, &config, true);
    rooms.readiness.serve(1);
    let stop = lifecycle.stop.clone();
    lifecycle.tasks.spawn(async move {
        listeners.serve(state, stop).await;
        end(&rooms).await;
    });
    Ok(DemoGateway { url, admin, caller })
}

async fn key(
    rooms: &Rooms,
    alias: &str,
    role: Role,
    grants: ServerGrants,
) -> Result<ApiKey, CommandError> {
    let wish = NewKey {
        alias: Some(alias.to_owned()),
        user_id: None,
        team: None,
        org: None,
        role,
        grants,
        scopes: ScopeSet::default(),
        expires_in: None,
        metadata: serde_json::Map::new(),
    };
    let created = rooms
        .keys
        .create(wish, &MasterKey::principal())
        .await
        .context("the demo's key could not be made")?;
    Ok(created.key)
}

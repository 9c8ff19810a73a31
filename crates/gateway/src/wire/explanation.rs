//! `portcullis explain`: the same answer as `POST /v1/policy/explain`, from the file and the store alone.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use portcullis_config::CommandLine;
use portcullis_core::{Clock, Side};
use portcullis_engine::{Question, explain_on};
use portcullis_identity::Authentication;
use portcullis_policy::{Caller, Described, ServerPolicy};
use serde_json::Value;

use super::rooms::{Storage, Vaults};
use super::{files, identity, people, servers};
use crate::cli::exit::CommandError;

/// Answers under the rules of the file as it is now, whatever a running gateway has in force.
pub async fn explain(config: Option<&Path>, question: &Question) -> Result<Value, CommandError> {
    let file = files::path_of(config);
    let config = files::load(&file, CommandLine::default())?.config;
    // A question makes no files.
    let configured = Storage::of(&config);
    let storage = if configured.missing().is_none() {
        configured
    } else {
        Storage::Memory
    };
    let vaults = Vaults::open(&storage).await?;
    let (index, _) = vaults.keys().await?;
    let (revocations, _) = vaults.revocations().await?;
    let clock: Arc<dyn Clock> = Arc::clone(&vaults.clock);
    let keys = identity::keys(&config, &index, &clock)?;
    let (directory, _) = vaults.directory(people::directory(&config)).await?;
    let authentication = Authentication::new(keys, revocations).with_directory(directory);
    let principal = authentication
        .key_named(&question.key)
        .await
        .context("no caller comes with this key")?;
    let policies: Vec<ServerPolicy> = config
        .mcp_servers
        .iter()
        .map(|server| servers::policy(&config, server))
        .collect();
    let caller = Caller {
        principal: &principal,
        side: Side::of(question.address, &config.server.inside),
    };
    // No server is asked, so of no tool it is known that it only reads.
    let policies = policies.iter().map(|policy| (policy, Described::default()));
    explain_on(caller, question, clock.now(), policies).ok_or_else(|| {
        let server = question.server.as_deref().unwrap_or_default();
        CommandError::Usage(format!(
            "no server of {} is called {server}",
            file.display()
        ))
    })
}

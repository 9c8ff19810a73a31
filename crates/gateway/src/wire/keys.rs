//! Keys without a running gateway: straight into the store that the configuration names.

use std::path::Path;

use anyhow::Context;
use portcullis_config::CommandLine;
use portcullis_engine::audit::Target;
use portcullis_identity::{KeyAdminError, MasterKey};
use portcullis_server::key_bodies;
use serde_json::Value;

use super::desk::Desk;
use super::files;
use super::rooms::{Storage, Vaults};
use crate::cli::exit::CommandError;

/// Makes a key in the store that the configuration names; `wanted` and the answer are bodies of
/// `POST /key/generate`.
pub async fn generate_key(config: Option<&Path>, wanted: &Value) -> Result<Value, CommandError> {
    let file = files::path_of(config);
    let config = files::load(&file, CommandLine::default())?.config;
    let vaults = Vaults::open(&Storage::of(&config)).await?;
    let (_, admin) = vaults.keys().await?;
    let wish = key_bodies::wish(wanted.clone()).map_err(CommandError::Usage)?;
    let mut desk = Desk::open(&config, &vaults, "key/generate").await?;
    let created = admin.create(wish, &MasterKey::principal()).await;
    if let Ok(created) = &created {
        desk.event().target(Target::keys([&created.record.id]));
    }
    let failed = created.as_ref().err().map(KeyAdminError::error_kind);
    let recorded = desk.close(failed).await;
    let created = created.context("the key was not made")?;
    recorded?;
    Ok(key_bodies::created(&created))
}

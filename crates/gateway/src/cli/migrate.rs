//! `portcullis migrate`: the database as this program needs it.

use serde_json::json;

use super::Global;
use super::exit::{CommandError, Exit};
use super::output::Output;
use crate::wire;

pub(super) async fn run(global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let done = wire::migrate(global.config.as_deref()).await?;
    out.json(&json!({"database": done.database, "from": done.from, "to": done.to}))?;
    let wire::MigratedStore { database, from, to } = done;
    out.line(&match from {
        Some(from) if from == to => format!("{database} was up to date: migration {to}"),
        Some(from) => format!("{database} went from migration {from} to {to}"),
        None => format!("{database} is up to date: migration {to}"),
    })?;
    Ok(Exit::Done)
}

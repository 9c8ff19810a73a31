//! Whether everything that was answered is on record, in a chain that nobody touched.

use std::collections::HashSet;

use anyhow::Context;
use serde_json::Value;

use super::{stage::Stage, tally::Tally};

/// Request ids that callers were answered under and that the trail does not know.
pub(crate) async fn missing(stage: &mut Stage, tally: &Tally) -> anyhow::Result<Vec<String>> {
    let to = stage.folder().join("trail.jsonl");
    let file = to.to_string_lossy().into_owned();
    let [port, ..] = stage.ports;
    let url = format!("http://127.0.0.1:{port}");
    stage
        .command(&["audit", "export", "--to", &file, "--url", &url])
        .await?;
    // What the gateways still do would move the heads under the eyes of whoever verifies.
    stage.end_replicas().await?;
    stage.command(&["audit", "verify"]).await?;
    let trail = std::fs::read_to_string(&to)?;
    let mut recorded = HashSet::new();
    for line in trail.lines() {
        let event: Value = serde_json::from_str(line).context("no event")?;
        if let Some(id) = event.get("request_id").and_then(Value::as_str) {
            recorded.insert(id.to_owned());
        }
    }
    let mut ids = tally.ids();
    ids.retain(|id| !recorded.contains(id));
    Ok(ids)
}

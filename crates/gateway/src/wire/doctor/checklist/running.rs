//! What the running gateway says, if it runs.

use std::sync::Arc;

use url::Url;

use super::super::{Finding, State, Written, elsewhere};
use super::finding;
use crate::cli::client::GatewayClient;
use crate::cli::exit::CommandError;
use crate::cli::target::TargetArgs;
use crate::wire::rooms::Rooms;

pub(super) async fn end_to_end(written: &Written, rooms: &Rooms, target: &TargetArgs) -> Finding {
    let Some(url) = target.url.clone().or_else(|| own_url(written)) else {
        return finding(
            "end_to_end",
            State::Skipped,
            "where it listens is not known",
        );
    };
    let client = GatewayClient::new(
        Arc::clone(&rooms.client),
        url.clone(),
        target.key.clone(),
        target.allow_insecure_http,
    );
    let client = match client {
        Ok(client) => client,
        Err(error) => return finding("end_to_end", State::Broken, error.to_string()),
    };
    let base = client.base().to_owned();
    match client.get("/health/ready", &[]).await {
        Ok(_) => {}
        Err(CommandError::Unreachable { .. }) => {
            return finding(
                "end_to_end",
                State::Skipped,
                format!("no gateway answers at {base}"),
            )
            .with(elsewhere(
                "start it and ask again, with --url if it is elsewhere",
            ));
        }
        Err(error) => {
            return finding(
                "end_to_end",
                State::Broken,
                format!("the gateway at {base} is not ready: {error}"),
            )
            .with(elsewhere("look at its log and at /health/ready"));
        }
    }
    if target.key.is_none() {
        return finding(
            "end_to_end",
            State::Advice,
            format!("the gateway at {base} is ready; what callers see was not tried"),
        )
        .with(elsewhere(
            "give a caller's key as PORTCULLIS_API_KEY, and its tools are listed through the gateway",
        ));
    }
    match client.tools(None).await {
        Ok(listed) => {
            let count = listed
                .get("tools")
                .and_then(serde_json::Value::as_array)
                .map_or(0, Vec::len);
            finding(
                "end_to_end",
                State::Good,
                format!("the gateway at {base} lists {count} tools to the caller"),
            )
        }
        Err(error) => finding("end_to_end", State::Broken, error.to_string())
            .with(elsewhere("see `portcullis keys` for what the key may see")),
    }
}

/// Where the file says that it is.
fn own_url(written: &Written) -> Option<Url> {
    let server = &written.config.server;
    if let Some(url) = &server.public_url {
        return Some(url.clone());
    }
    let scheme = if server.tls.is_some() {
        "https"
    } else {
        "http"
    };
    Url::parse(&format!("{scheme}://localhost:{}", server.listen.port)).ok()
}

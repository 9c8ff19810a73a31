//! Lines to paste: the demo as a start, not an end.

use portcullis_core::ApiKey;
use serde_json::json;

use crate::cli::exit::CommandError;
use crate::cli::output::Output;

/// Prints them. The key is one of the demo's own, in a store that is gone with the demo.
pub(super) fn print(out: &mut Output, base: &str, key: &ApiKey) -> Result<(), CommandError> {
    let key = key.expose();
    out.heading("Try it yourself")?;
    out.line(&format!(
        "\ncurl {base}/mcp-rest/tools/list -H 'Authorization: Bearer {key}'"
    ))?;
    out.line(&format!(
        "\ncurl {base}/mcp-rest/tools/call -H 'Authorization: Bearer {key}' \\\n  \
         -H 'Content-Type: application/json' \\\n  \
         -d '{{\"name\": \"echo\", \"arguments\": {{\"message\": \"hello\"}}}}'"
    ))?;
    let client = json!({ "mcpServers": { "portcullis": {
        "type": "http",
        "url": format!("{base}/mcp"),
        "headers": { "Authorization": format!("Bearer {key}") },
    } } });
    out.heading("Or give it to an MCP client")?;
    out.line(&format!("\n{client:#}"))
}

//! `portcullis explain`: why, or why not, a caller may call a tool.

use std::net::IpAddr;

use clap::Args;
use portcullis_engine::Question;
use serde_json::Value;
use serde_json::value::RawValue;

use super::exit::{CommandError, Exit};
use super::output::{Column, Output};
use super::{Global, progress};
use crate::wire;

const STEPS: [Column; 4] = [
    ("step", "/check"),
    ("passed", "/passed"),
    ("by", "/by"),
    ("why", "/why"),
];

/// Options of `explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// The caller: the id or the alias of its key, never the key itself
    #[arg(long = "as", value_name = "KEY")]
    pub caller: String,
    /// The tool, as its server spells it
    #[arg(long, value_name = "NAME")]
    pub tool: String,
    /// On this server only [default: on each]
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// The arguments of the call, a JSON object
    #[arg(long, value_name = "JSON")]
    pub args: Option<String>,
    /// From this address [default: from where nobody can tell, which is outside]
    #[arg(long, value_name = "IP")]
    pub from: Option<IpAddr>,
}

pub(super) async fn run(
    global: &Global,
    args: ExplainArgs,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let arguments = args.args.map(RawValue::from_string).transpose();
    let arguments =
        arguments.map_err(|error| CommandError::Usage(format!("--args is no JSON: {error}")))?;
    let question = Question {
        key: args.caller,
        tool: args.tool,
        server: args.server,
        arguments,
        address: args.from,
    };
    let work = wire::explain(global.config.as_deref(), &question);
    let answer = Box::pin(progress::during("reading the configuration", work)).await?;
    out.json(&answer)?;
    let text = |value: &Value, at: &str| {
        let text = value.pointer(at).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let servers = answer.pointer("/servers").and_then(Value::as_array);
    let mut allowed = false;
    for server in servers.into_iter().flatten() {
        let decision = text(server, "/decision");
        allowed |= decision == "allow";
        let (id, rule) = (text(server, "/server"), text(server, "/rule"));
        out.heading(&format!("{id}: {decision} by {rule}"))?;
        let steps = server.pointer("/steps").and_then(Value::as_array);
        out.table(&STEPS, steps.map_or(&[], Vec::as_slice), "")?;
    }
    Ok(if allowed { Exit::Done } else { Exit::Failed })
}

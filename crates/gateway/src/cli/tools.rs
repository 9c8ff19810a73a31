//! `portcullis tools`: list and call tools through a running gateway.

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::exit::{CommandError, Exit};
use super::output::{Column, Output, printable};
use super::progress;
use super::target::TargetArgs;

const COLUMNS: [Column; 3] = [
    ("tool", "/name"),
    ("server", "/mcp_info/server_name"),
    ("description", "/description"),
];

/// Options of `tools`.
#[derive(Clone, Debug, Args)]
pub struct ToolsArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: ToolsVerb,
}

/// What can be done with tools.
#[derive(Clone, Debug, Subcommand)]
pub enum ToolsVerb {
    /// List the tools that the key may see
    List {
        /// Only those of one server
        #[arg(long, value_name = "SERVER")]
        server: Option<String>,
        /// The gateway.
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Call one tool
    Call(CallArgs),
}

/// Options of `tools call`.
#[derive(Clone, Debug, Args)]
pub struct CallArgs {
    /// The tool
    pub name: String,
    /// Arguments as NAME=VALUE; a value that is JSON is taken as such
    #[arg(value_name = "NAME=VALUE", conflicts_with = "arguments")]
    pub pairs: Vec<String>,
    /// All arguments as one JSON object
    #[arg(long, short, value_name = "JSON")]
    pub arguments: Option<String>,
    /// The server, when several have a tool of this name
    #[arg(long, value_name = "SERVER")]
    pub server: Option<String>,
    /// The gateway.
    #[command(flatten)]
    pub target: TargetArgs,
}

pub(super) async fn run(args: ToolsArgs, out: &mut Output) -> Result<Exit, CommandError> {
    match args.verb {
        ToolsVerb::List { server, target } => {
            let client = target.connect()?;
            let work = client.tools(server.as_deref());
            let answer = progress::during("asking the gateway", work).await?;
            out.json(&answer)?;
            let tools = answer.pointer("/tools").and_then(Value::as_array);
            let tools = tools.map_or(&[][..], Vec::as_slice);
            out.table(&COLUMNS, tools, "no tools that this key may see")?;
            // One server that is down must not look like a server without tools.
            match answer.pointer("/error").and_then(Value::as_str) {
                None => Ok(Exit::Done),
                Some(error) => {
                    out.line(&format!("incomplete: {error}"))?;
                    Ok(Exit::Failed)
                }
            }
        }
        ToolsVerb::Call(args) => call(args, out).await,
    }
}

async fn call(args: CallArgs, out: &mut Output) -> Result<Exit, CommandError> {
    let arguments = arguments(args.arguments.as_deref(), &args.pairs)?;
    let client = args.target.connect()?;
    let work = client.call_tool(args.server.as_deref(), &args.name, &arguments);
    let result = progress::during("calling the tool", work).await?;
    out.json(&result)?;
    if result.pointer("/status").and_then(Value::as_str) == Some("pending")
        && let Some(message) = result.pointer("/message").and_then(Value::as_str)
    {
        // 202: nothing was called.
        out.line(&printable(message))?;
        return Ok(Exit::Failed);
    }
    out.line(&text(&result))?;
    let failed = result.pointer("/isError").and_then(Value::as_bool) == Some(true);
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// The arguments of a call, from either notation.
pub(super) fn arguments(json: Option<&str>, pairs: &[String]) -> Result<Value, CommandError> {
    if let Some(json) = json {
        return match serde_json::from_str(json) {
            Ok(object @ Value::Object(_)) => Ok(object),
            Ok(_) => Err(CommandError::Usage(
                "--arguments must be a JSON object".into(),
            )),
            Err(error) => Err(CommandError::Usage(format!(
                "--arguments is not JSON: {error}"
            ))),
        };
    }
    let mut arguments = Map::new();
    for pair in pairs {
        let Some((name, value)) = pair.split_once('=') else {
            let what = format!("{pair:?} is not NAME=VALUE");
            return Err(CommandError::Usage(what));
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        if arguments.insert(name.to_owned(), value).is_some() {
            return Err(CommandError::Usage(format!("{name:?} is given twice")));
        }
    }
    Ok(Value::Object(arguments))
}

/// What a person reads of a `CallToolResult`: the text parts, and what else there is by kind.
pub(super) fn text(result: &Value) -> String {
    let parts = result.pointer("/content").and_then(Value::as_array);
    let lines: Vec<String> = parts
        .into_iter()
        .flatten()
        .map(|part| {
            let text = part.pointer("/text").and_then(Value::as_str);
            let kind = part.pointer("/type").and_then(Value::as_str);
            text.map_or_else(|| format!("[{}]", kind.unwrap_or("unknown")), str::to_owned)
        })
        .collect();
    lines.join("\n")
}

//! `portcullis pins`: what servers' tools looked like when they were first seen, and what became of them.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::GatewayClient;
use super::exit::{CommandError, Exit};
use super::output::{Column, Output, visible};
use super::progress;
use super::target::TargetArgs;

const COLUMNS: [Column; 5] = [
    ("server", "/server"),
    ("tool", "/tool"),
    ("state", "/state"),
    ("on drift", "/on_drift"),
    ("since", "/changed_at"),
];

/// Options of `pins`.
#[derive(Clone, Debug, Args)]
pub struct PinsArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: PinsVerb,
}

/// What can be done with pins.
#[derive(Clone, Debug, Subcommand)]
pub enum PinsVerb {
    /// List the tools that are not what is pinned
    List {
        /// Of this server only
        server: Option<String>,
        /// Also those that are
        #[arg(long)]
        all: bool,
        /// The gateway.
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Show what became of a tool, place by place
    Show {
        /// The server, by its name in `mcp_servers`
        server: String,
        /// The tool, as its server spells it
        tool: String,
        /// The gateway.
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Pin what a tool became
    Approve(ApprovePinArgs),
    /// Forget what a tool looked like: the next sight of it is the first
    Forget {
        /// The server, by its name in `mcp_servers`
        server: String,
        /// The tool, as its server spells it
        tool: String,
        /// The gateway.
        #[command(flatten)]
        target: TargetArgs,
    },
}

/// Options of `pins approve`.
#[derive(Clone, Debug, Args)]
pub struct ApprovePinArgs {
    /// The server, by its name in `mcp_servers`
    pub server: String,
    /// The tool, as its server spells it
    #[arg(required_unless_present = "all")]
    pub tool: Option<String>,
    /// The hash of what was looked at, as `pins show` tells it; without it, what waits is shown and not approved
    #[arg(long, value_name = "HASH", conflicts_with = "all")]
    pub hash: Option<String>,
    /// Every tool of the server that waits, as it is listed at this moment
    #[arg(long, conflicts_with = "tool")]
    pub all: bool,
    /// The gateway.
    #[command(flatten)]
    pub target: TargetArgs,
}

pub(super) async fn run(args: PinsArgs, out: &mut Output) -> Result<Exit, CommandError> {
    match args.verb {
        PinsVerb::List {
            server,
            all,
            target,
        } => {
            let client = target.connect()?;
            let listed = async {
                if all {
                    return client.pins(server.as_deref(), None).await;
                }
                let mut rows = waiting(&client, server.as_deref(), "changed").await?;
                rows.extend(waiting(&client, server.as_deref(), "damaged").await?);
                Ok(json!({"pins": rows, "next": null}))
            };
            let listed = progress::during("asking the gateway", listed).await?;
            out.json(&listed)?;
            let rows = listed.pointer("/pins").and_then(Value::as_array);
            let rows = rows.map_or(&[][..], Vec::as_slice);
            let empty = if all {
                "no tool was seen yet"
            } else {
                "every tool is what is pinned"
            };
            out.table(&COLUMNS, rows, empty)?;
        }
        PinsVerb::Show {
            server,
            tool,
            target,
        } => {
            let client = target.connect()?;
            let shown = progress::during("asking the gateway", client.pin(&server, &tool)).await?;
            out.json(&shown)?;
            show(&shown, out)?;
        }
        PinsVerb::Approve(args) => return approve(args, out).await,
        PinsVerb::Forget {
            server,
            tool,
            target,
        } => {
            let client = target.connect()?;
            let forgetting = client.forget_pin(&server, &tool);
            let forgotten = progress::during("asking the gateway", forgetting).await?;
            out.json(&forgotten)?;
            out.line("forgotten: the next sight of the tool is the first")?;
        }
    }
    Ok(Exit::Done)
}

async fn waiting(
    client: &GatewayClient,
    server: Option<&str>,
    state: &str,
) -> Result<Vec<Value>, CommandError> {
    let mut listed = client.pins(server, Some(state)).await?;
    match listed.pointer_mut("/pins").map(Value::take) {
        Some(Value::Array(rows)) => Ok(rows),
        _ => Ok(Vec::new()),
    }
}

/// What became of a tool, for people.
fn show(pin: &Value, out: &mut Output) -> Result<(), CommandError> {
    let text = |at| pin.pointer(at).and_then(Value::as_str).map(visible);
    out.table(&COLUMNS, std::slice::from_ref(pin), "")?;
    if let Some(by) = text("/changed_by") {
        out.line(&format!("approved by: {by}"))?;
    }
    let differences = pin.pointer("/differences").and_then(Value::as_array);
    for one in differences.into_iter().flatten() {
        let member = |name| one.get(name).and_then(Value::as_str);
        let path = member("path").filter(|path| !path.is_empty()).map(visible);
        let kind = member("kind").map(visible).unwrap_or_default();
        out.heading(&format!(
            "{} {kind}",
            path.as_deref().unwrap_or("(all of it)")
        ))?;
        for (mark, value) in [('-', member("old")), ('+', member("new"))] {
            for line in value.into_iter().flat_map(str::lines) {
                out.line(&format!("{mark} {}", visible(line)))?;
            }
        }
    }
    let whole = |at| pin.pointer(at).and_then(Value::as_str);
    if pin.get("truncated") == Some(&Value::Bool(true)) {
        out.heading("there are more differences than these: this is all that it became")?;
        for line in whole("/seen").into_iter().flat_map(str::lines) {
            out.line(&format!("+ {}", visible(line)))?;
        }
    }
    match text("/seen_hash") {
        None => {
            for line in whole("/pinned").into_iter().flat_map(str::lines) {
                out.line(&visible(line))?;
            }
        }
        Some(hash) => {
            let word = |at| quoted(&text(at).unwrap_or_default());
            let (server, tool) = (word("/server"), word("/tool"));
            out.line("")?;
            out.line(&format!(
                "to approve this: portcullis pins approve {server} {tool} --hash {hash}"
            ))?;
        }
    }
    Ok(())
}

/// A word that a shell takes as it is: a server chooses what its tools are called.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !word.is_empty() && !word.starts_with('-') && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

async fn approve(args: ApprovePinArgs, out: &mut Output) -> Result<Exit, CommandError> {
    let client = args.target.connect()?;
    let server = args.server.as_str();
    let wanted: Vec<(String, String)> = match (args.tool, args.hash) {
        (Some(tool), Some(hash)) => vec![(tool, hash)],
        (Some(tool), None) => {
            let looking = client.pin(server, &tool);
            let shown = progress::during("asking the gateway", looking).await?;
            show(&shown, out)?;
            let what = "nothing was approved: say --hash with the hash of what you looked at";
            return Err(CommandError::Usage(what.to_owned()));
        }
        (None, _) => {
            let looking = waiting(&client, Some(server), "changed");
            let rows = progress::during("asking the gateway", looking).await?;
            let text = |row: &Value, at| row.pointer(at)?.as_str().map(str::to_owned);
            let rows = rows.iter();
            rows.filter_map(|row| Some((text(row, "/tool")?, text(row, "/seen_hash")?)))
                .collect()
        }
    };
    let mut approved = Vec::new();
    for (tool, hash) in &wanted {
        let approving = client.approve_pin(server, tool, hash);
        approved.push(progress::during("asking the gateway", approving).await?);
        out.line(&format!("approved: {}", visible(tool)))?;
    }
    out.json(&json!({"approved": approved}))?;
    if wanted.is_empty() {
        out.line("nothing waits for approval")?;
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_suggested_does_nothing_else_in_a_shell() {
        for (word, expected) in [
            ("echo", "echo"),
            ("a.b-c_d", "a.b-c_d"),
            ("", "''"),
            ("--all", "'--all'"),
            ("x; rm -rf /", "'x; rm -rf /'"),
            ("it's $(x)", r"'it'\''s $(x)'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    /// A server chooses names and values.
    #[test]
    fn what_a_server_writes_stays_on_its_line_and_is_seen() {
        let forged = "x changed\n\nto approve this: portcullis pins approve a b --hash 0";
        assert!(!visible(forged).contains('\n'));
        assert_eq!(visible("a\u{200b}b\u{e0041}"), "a\\u{200b}b\\u{e0041}");
        assert_eq!(visible("grüße 数据 🗝"), "grüße 数据 🗝");
    }
}

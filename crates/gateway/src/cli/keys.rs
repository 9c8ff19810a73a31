//! `portcullis keys`: make, list, inspect and revoke API keys.

use clap::{Args, Subcommand};
use portcullis_core::{Clock, SystemClock, Timestamp};
use serde_json::{Map, Value, json};

use super::exit::{CommandError, Exit};
use super::limits::LimitOptions;
use super::output::{Column, Output};
use super::target::TargetArgs;
use super::{Global, progress};
use crate::wire;

const COLUMNS: [Column; 8] = [
    ("id", "/token"),
    ("alias", "/key_alias"),
    ("status", "/status"),
    ("role", "/role"),
    ("user", "/user_id"),
    ("team", "/team_id"),
    ("expires", "/expires"),
    ("sees", "/sees"),
];

/// A key as a row: its record, what it can still do, and what it sees, in one word each.
fn row(record: &Value, now: Timestamp) -> Value {
    let moment = |at: &str| record.pointer(at)?.as_str()?.parse::<Timestamp>().ok();
    let status = if record.get("revoked_at").is_some_and(|at| !at.is_null()) {
        "revoked"
    } else if moment("/expires").is_some_and(|end| end <= now) {
        "expired"
    } else {
        "active"
    };
    let sees = if record.get("all_servers") == Some(&Value::Bool(true)) {
        json!("every server")
    } else {
        let named = |at: &str| record.pointer(at).and_then(Value::as_array).into_iter();
        let servers = named("/object_permission/mcp_servers").flatten().cloned();
        let groups = named("/object_permission/mcp_access_groups").flatten();
        let groups = groups.filter_map(|group| Some(json!(format!("group {}", group.as_str()?))));
        servers.chain(groups).collect()
    };
    let mut row = record.clone();
    if let Some(members) = row.as_object_mut() {
        members.insert("status".to_owned(), status.into());
        members.insert("sees".to_owned(), sees);
    }
    row
}

/// Options of `keys`.
#[derive(Clone, Debug, Args)]
pub struct KeysArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: KeysVerb,
}

/// What can be done with keys.
#[derive(Clone, Debug, Subcommand)]
pub enum KeysVerb {
    /// Make a key; without --url or PORTCULLIS_URL directly in the store that the configuration names
    Create(CreateArgs),
    /// List all keys
    List {
        /// The gateway.
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Show one key
    Info {
        /// Its id, never the key itself
        id: String,
        /// The gateway.
        #[command(flatten)]
        target: TargetArgs,
    },
    /// End a key for good
    Revoke {
        /// Its id, never the key itself
        id: String,
        /// The gateway.
        #[command(flatten)]
        target: TargetArgs,
    },
}

/// Options of `keys create`.
#[derive(Clone, Debug, Args)]
pub struct CreateArgs {
    /// What people call it
    #[arg(long, value_name = "NAME")]
    pub alias: Option<String>,
    /// The user it acts for
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// The team it acts for
    #[arg(long, value_name = "ID")]
    pub team: Option<String>,
    /// The servers it may see, separated by commas; none without this or --access-groups
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub servers: Vec<String>,
    /// The access groups whose servers it may see, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub access_groups: Vec<String>,
    /// The OAuth scopes it carries, separated by commas, for servers with `tool_scopes`
    #[arg(long, value_name = "SCOPES", value_delimiter = ',')]
    pub scopes: Vec<String>,
    /// When it stops working, for example 12h or 30d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub expires: Option<String>,
    /// How much it may do, of a gateway that runs.
    #[command(flatten)]
    pub limits: LimitOptions,
    /// The gateway.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// A whole number and `s`, `m`, `h` or `d`, as `POST /key/generate` takes it.
fn duration(text: &str) -> Result<String, String> {
    let number = text.strip_suffix(['s', 'm', 'h', 'd']).unwrap_or_default();
    match number.parse::<u32>() {
        Ok(1..) => Ok(text.to_owned()),
        _ => Err("write a whole number and s, m, h or d, for example 30d".to_owned()),
    }
}

impl CreateArgs {
    /// The body of `POST /key/generate`.
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        for (name, value) in [
            ("key_alias", &self.alias),
            ("user_id", &self.user),
            ("team_id", &self.team),
            ("duration", &self.expires),
        ] {
            if let Some(value) = value {
                body.insert(name.to_owned(), value.as_str().into());
            }
        }
        let mut seen = Map::new();
        for (name, values) in [
            ("mcp_servers", &self.servers),
            ("mcp_access_groups", &self.access_groups),
        ] {
            if !values.is_empty() {
                seen.insert(name.to_owned(), json!(values));
            }
        }
        body.insert("object_permission".to_owned(), Value::Object(seen));
        if !self.scopes.is_empty() {
            body.insert("scopes".to_owned(), json!(self.scopes));
        }
        self.limits.say(&mut body);
        Value::Object(body)
    }
}

pub(super) async fn run(
    global: &Global,
    args: KeysArgs,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    match args.verb {
        KeysVerb::Create(args) => create(global, args, out).await,
        KeysVerb::List { target } => {
            let client = target.connect()?;
            let answer = progress::during("asking the gateway", client.keys()).await?;
            out.json(&answer)?;
            let now = SystemClock::start().now();
            let keys = answer.pointer("/keys").and_then(Value::as_array);
            let rows: Vec<Value> = keys
                .into_iter()
                .flatten()
                .map(|key| row(key, now))
                .collect();
            out.table(
                &COLUMNS,
                &rows,
                "no keys yet; make one with: portcullis keys create",
            )?;
            tell_damaged(&answer, "/key_id", out)
        }
        KeysVerb::Info { id, target } => {
            let client = target.connect()?;
            let answer = progress::during("asking the gateway", client.key_info(&id)).await?;
            out.json(&answer)?;
            let info = answer.pointer("/info").unwrap_or(&Value::Null);
            out.table(&COLUMNS, &[row(info, SystemClock::start().now())], "")?;
            Ok(Exit::Done)
        }
        KeysVerb::Revoke { id, target } => {
            let client = target.connect()?;
            let answer = progress::during("asking the gateway", client.delete_key(&id)).await?;
            out.json(&answer)?;
            out.line(&format!("revoked {id}"))?;
            Ok(Exit::Done)
        }
    }
}

/// Names the rows that could not be shown; a list with holes in it is no success.
pub(super) fn tell_damaged(
    listed: &Value,
    id: &str,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let damaged = listed.pointer("/damaged").and_then(Value::as_array);
    let mut exit = Exit::Done;
    for row in damaged.into_iter().flatten() {
        let text = |at: &str| row.pointer(at).and_then(Value::as_str).unwrap_or("?");
        out.line(&format!("damaged: {}: {}", text(id), text("/what")))?;
        exit = Exit::Failed;
    }
    Ok(exit)
}

async fn create(global: &Global, args: CreateArgs, out: &mut Output) -> Result<Exit, CommandError> {
    let body = args.body();
    let answer = if args.target.url.is_some() {
        let client = args.target.connect()?;
        progress::during("asking the gateway", client.generate_key(&body)).await?
    } else {
        wire::generate_key(global.config.as_deref(), &body).await?
    };
    out.json(&answer)?;
    let key = answer.pointer("/key").and_then(Value::as_str);
    out.line(&format!(
        "key, shown this once: {}",
        key.unwrap_or("(the gateway sent none)")
    ))?;
    if args.servers.is_empty() && args.access_groups.is_empty() {
        out.line("it sees no server: give --servers or --access-groups")?;
    }
    Ok(if key.is_some() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_keys_says_what_each_can_still_do_and_what_it_sees() {
        let now = Timestamp::from_secs(1_795_000_000);
        let key = |revoked: Value, expires: Value| {
            json!({
                "token": "a", "revoked_at": revoked, "expires": expires, "all_servers": false,
                "object_permission": {"mcp_servers": ["github"], "mcp_access_groups": ["support"]},
            })
        };
        let (past, future) = (
            json!("2020-01-01T00:00:00.000Z"),
            json!("2099-01-01T00:00:00.000Z"),
        );
        for (revoked, expires, status) in [
            (Value::Null, Value::Null, "active"),
            (Value::Null, future.clone(), "active"),
            (Value::Null, past.clone(), "expired"),
            (past, future, "revoked"),
        ] {
            let row = row(&key(revoked, expires), now);
            assert_eq!(row["status"], status);
            assert_eq!(row["sees"], json!(["github", "group support"]));
        }
        let all = row(&json!({"all_servers": true}), now);
        assert_eq!(all["sees"], "every server");
    }
}

//! `portcullis teams`, `users` and `organizations`: what stands above keys.

mod options;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::client::GatewayClient;
use super::exit::{CommandError, Exit};
use super::output::{Column, Output, printable};
use super::progress;
use super::target::TargetArgs;

use options::Said;

pub use options::{LevelOptions, OrganizationOptions, TeamOptions, UserOptions};

/// Options of `teams`, `users` and `organizations`; `O` is what only one of them has.
#[derive(Clone, Debug, Args)]
pub struct LevelsArgs<O: Args + Clone> {
    /// What to do.
    #[command(subcommand)]
    pub verb: LevelsVerb<O>,
}

/// What can be done with them.
#[derive(Clone, Debug, Subcommand)]
pub enum LevelsVerb<O: Args + Clone> {
    /// List all of them
    List {
        /// The gateway.
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Show one, what it may and what it spent
    Show {
        /// Its id
        id: String,
        /// The gateway.
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Define one
    Create(Box<ChangeArgs<O>>),
    /// Change one: what is not named stays
    Update(Box<UpdateArgs<O>>),
    /// Delete some, all of them or none: whoever names one is refused from then on
    Delete {
        /// Their ids
        #[arg(required = true, num_args = 1..=16)]
        ids: Vec<String>,
        /// The gateway.
        #[command(flatten)]
        target: TargetArgs,
    },
}

/// What is said of one.
#[derive(Clone, Debug, Args)]
pub struct ChangeArgs<O: Args + Clone> {
    /// Its id
    pub id: String,
    /// What all of them have.
    #[command(flatten)]
    pub options: LevelOptions,
    /// What this kind has.
    #[command(flatten)]
    pub own: O,
    /// The gateway.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// What is said anew of one.
#[derive(Clone, Debug, Args)]
pub struct UpdateArgs<O: Args + Clone> {
    /// What is said.
    #[command(flatten)]
    pub change: ChangeArgs<O>,
    /// Take away what is said of these, by their names in the API, separated by commas, for example
    /// max_budget,metadata
    #[arg(long, value_name = "MEMBERS", value_delimiter = ',')]
    pub unset: Vec<String>,
    /// Only if it is still this version, as `show` tells it
    #[arg(long, value_name = "VERSION")]
    pub if_version: Option<u64>,
}

/// What one kind is called.
#[derive(Debug)]
pub(super) struct Words {
    /// The first part of its paths.
    path: &'static str,
    id: &'static str,
    alias: &'static str,
    /// What a deletion calls ids.
    ids: &'static str,
    /// Where `info` has it.
    info: &'static str,
    empty: &'static str,
    columns: &'static [Column],
}

pub(super) const TEAMS: Words = Words {
    path: "team",
    id: "team_id",
    alias: "team_alias",
    ids: "team_ids",
    info: "/team_info",
    empty: "no teams are defined: the names of teams in keys are labels",
    columns: &[
        ("team", "/team_id"),
        ("alias", "/team_alias"),
        ("organization", "/organization_id"),
        ("status", "/status"),
        ("lets see", "/sees"),
        ("members", "/members"),
        ("rpm", "/rpm_limit"),
        ("parallel", "/max_parallel_requests"),
        ("budget_usd", "/budget"),
        ("spend_usd", "/spend"),
    ],
};

pub(super) const USERS: Words = Words {
    path: "user",
    id: "user_id",
    alias: "user_alias",
    ids: "user_ids",
    info: "/user_info",
    empty: "no users are defined: the names of users in keys are labels",
    columns: &[
        ("user", "/user_id"),
        ("alias", "/user_alias"),
        ("email", "/user_email"),
        ("status", "/status"),
        ("lets see", "/sees"),
        ("rpm", "/rpm_limit"),
        ("parallel", "/max_parallel_requests"),
        ("budget_usd", "/budget"),
        ("spend_usd", "/spend"),
    ],
};

pub(super) const ORGANIZATIONS: Words = Words {
    path: "organization",
    id: "organization_id",
    alias: "organization_alias",
    ids: "organization_ids",
    info: "",
    empty: "no organizations are defined: the names of organizations in keys are labels",
    columns: &[
        ("organization", "/organization_id"),
        ("alias", "/organization_alias"),
        ("status", "/status"),
        ("lets see", "/sees"),
        ("rpm", "/rpm_limit"),
        ("parallel", "/max_parallel_requests"),
        ("budget_usd", "/budget"),
        ("spend_usd", "/spend"),
    ],
};

pub(super) async fn run<O: Args + Clone + Said>(
    words: &Words,
    args: LevelsArgs<O>,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    match args.verb {
        LevelsVerb::List { target } => {
            let client = target.connect()?;
            let rows = progress::during("asking the gateway", all(words, &client)).await?;
            out.json(&json!(rows))?;
            return list(words, &rows, out);
        }
        LevelsVerb::Show { id, target } => {
            let client = target.connect()?;
            let path = format!("/{}/info", words.path);
            let query = [(words.id, id.as_str())];
            let answer = progress::during("asking the gateway", client.get(&path, &query)).await?;
            let shown = answer.pointer(words.info).cloned().unwrap_or(answer);
            tell(words, &shown, out)?;
        }
        LevelsVerb::Create(args) => {
            let body = args.body(words);
            let shown = ask(&args.target, words, "new", &body).await?;
            tell(words, &shown, out)?;
        }
        LevelsVerb::Update(args) => {
            let mut body = args.change.body(words);
            if let Some(version) = args.if_version {
                body.insert("version".to_owned(), version.into());
            }
            for member in &args.unset {
                let named = body.insert(member.clone(), Value::Null);
                if named.is_some() {
                    let what = format!("{member:?} is said and taken away");
                    return Err(CommandError::Usage(what));
                }
            }
            if body.len() == 1 {
                return Err(CommandError::Usage("say what is to change".to_owned()));
            }
            let shown = ask(&args.change.target, words, "update", &body).await?;
            tell(words, &shown, out)?;
        }
        LevelsVerb::Delete { ids, target } => {
            let mut body = Map::new();
            body.insert(words.ids.to_owned(), json!(ids));
            let answer = ask(&target, words, "delete", &body).await?;
            out.json(&answer)?;
            out.line(&format!("deleted {}", ids.join(", ")))?;
        }
    }
    Ok(Exit::Done)
}

async fn ask(
    target: &TargetArgs,
    words: &Words,
    verb: &str,
    body: &Map<String, Value>,
) -> Result<Value, CommandError> {
    let client = target.connect()?;
    let path = format!("/{}/{verb}", words.path);
    let body = Value::Object(body.clone());
    progress::during("asking the gateway", client.post(&path, &body)).await
}

/// Page by page.
async fn all(words: &Words, client: &GatewayClient) -> Result<Vec<Value>, CommandError> {
    const SIZE: usize = 1000;
    let path = format!("/{}/list", words.path);
    let mut rows: Vec<Value> = Vec::new();
    loop {
        let last = rows.last().and_then(|row| row.get(words.id)?.as_str());
        let last = last.map(str::to_owned);
        let size = SIZE.to_string();
        let mut query = vec![("size", size.as_str())];
        query.extend(last.as_deref().map(|last| ("after", last)));
        let answer = client.get(&path, &query).await?;
        let page = answer.pointer("/users").unwrap_or(&answer).as_array();
        let page = page.cloned().unwrap_or_default();
        let complete = page.len() < SIZE;
        rows.extend(page);
        if complete {
            return Ok(rows);
        }
    }
}

fn list(words: &Words, rows: &[Value], out: &mut Output) -> Result<Exit, CommandError> {
    let is_damaged = |row: &&Value| row.get("damaged") == Some(&Value::Bool(true));
    let sound: Vec<Value> = rows
        .iter()
        .filter(|row| !is_damaged(row))
        .map(readable)
        .collect();
    let columns: Vec<Column> = words
        .columns
        .iter()
        .filter(|(title, _)| *title != "spend_usd")
        .copied()
        .collect();
    out.table(&columns, &sound, words.empty)?;
    // A list with holes in it is no success.
    let mut exit = Exit::Done;
    for row in rows.iter().filter(is_damaged) {
        let id = row.get(words.id).and_then(Value::as_str).unwrap_or("?");
        out.line(&format!("damaged: {id}: delete it and define it anew"))?;
        exit = Exit::Failed;
    }
    Ok(exit)
}

/// One of them, as it stands.
fn tell(words: &Words, shown: &Value, out: &mut Output) -> Result<(), CommandError> {
    out.json(shown)?;
    out.table(words.columns, &[readable(shown)], "")?;
    let text = |at| shown.pointer(at).and_then(Value::as_str).map(printable);
    if let Some(resets_at) = text("/budget_reset_at") {
        out.line(&format!("its budget begins anew at {resets_at}"))?;
    }
    let version = shown.pointer("/version").unwrap_or(&Value::Null);
    out.line(&format!("version {version}"))
}

/// A row with what a table says in one word.
fn readable(row: &Value) -> Value {
    let named = |at: &str| row.pointer(at).and_then(Value::as_array).into_iter();
    let servers = named("/object_permission/mcp_servers").flatten().cloned();
    let of = |at: &str, kind: &str| -> Vec<Value> {
        let names = named(at).flatten().filter_map(Value::as_str);
        names.map(|name| json!(format!("{kind} {name}"))).collect()
    };
    let mut sees: Vec<Value> = servers.collect();
    sees.extend(of("/object_permission/mcp_access_groups", "group"));
    sees.extend(of("/object_permission/mcp_toolsets", "toolset"));
    if sees.is_empty() {
        sees.push(json!("whatever its keys see"));
    }
    let text = |at: &str| row.pointer(at).filter(|value| !value.is_null());
    let budget = text("/max_budget").map(|most| match text("/budget_duration") {
        Some(Value::String(duration)) => json!(format!("{most} each {duration}")),
        _ => most.clone(),
    });
    let members = row.pointer("/members_with_roles").and_then(Value::as_array);
    let is_blocked = row.get("blocked") == Some(&Value::Bool(true));
    let mut row = row.clone();
    if let Some(out) = row.as_object_mut() {
        let status = if is_blocked { "blocked" } else { "active" };
        out.insert("status".to_owned(), status.into());
        out.insert("sees".to_owned(), sees.into());
        out.insert("budget".to_owned(), budget.unwrap_or_default());
        out.insert("members".to_owned(), json!(members.map(Vec::len)));
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_in_a_word_what_the_api_says_in_many() {
        let row = readable(&json!({
            "team_id": "ops", "blocked": true, "max_budget": 2.5, "budget_duration": "30d",
            "members_with_roles": [{"user_id": "ann", "role": "admin"}],
            "object_permission": {
                "mcp_servers": ["github"], "mcp_access_groups": ["staff"], "mcp_toolsets": ["desk"],
            },
        }));
        assert_eq!(row["status"], "blocked");
        assert_eq!(
            row["sees"],
            json!(["github", "group staff", "toolset desk"])
        );
        assert_eq!(row["budget"], "2.5 each 30d");
        assert_eq!(row["members"], 1);
        let open = readable(&json!({"team_id": "ops", "blocked": false, "max_budget": null}));
        assert_eq!(open["sees"], json!(["whatever its keys see"]));
        assert_eq!(open["budget"], Value::Null);
    }
}

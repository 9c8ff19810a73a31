//! `portcullis revoke`: refuse a key, a token, a session or a subject from now on.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use portcullis_core::{ApiKey, Timestamp};
use serde_json::{Map, Value, json};
use url::Url;

use super::client::GatewayClient;
use super::exit::{CommandError, Exit};
use super::output::{Column, Output};
use super::target::TargetArgs;
use super::{Global, progress};
use crate::wire::{self, StoreOf};

const COLUMNS: [Column; 7] = [
    ("id", "/id"),
    ("kind", "/kind"),
    ("names", "/names"),
    ("issuer", "/issuer"),
    ("issued up to", "/before"),
    ("until", "/until"),
    ("reason", "/reason"),
];

/// Options of `revoke`.
#[derive(Clone, Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Without --url or PORTCULLIS_URL it works directly in the store that the configuration \
                  names, or in that of --store; gateways that run on it follow within a second."
)]
pub struct RevokeArgs {
    /// Look at the list, or take something back
    #[command(subcommand)]
    pub verb: Option<RevokeVerb>,
    /// What to refuse.
    #[command(flatten)]
    pub what: WhatArgs,
    /// The gateway.
    #[command(flatten)]
    pub through: Through,
}

/// Through which gateway; here `--key` is what is revoked, never who asks.
#[derive(Clone, Debug, Args)]
pub struct Through {
    /// Ask the gateway at this URL instead of working in the store
    #[arg(long, value_name = "URL", env = "PORTCULLIS_URL")]
    pub url: Option<Url>,
    /// An administrator's key for it; better given by the environment, where no process list shows it
    #[arg(
        long,
        value_name = "KEY",
        env = "PORTCULLIS_API_KEY",
        hide_env_values = true,
        value_parser = |text: &str| Ok::<_, Infallible>(ApiKey::new(text))
    )]
    pub api_key: Option<ApiKey>,
    /// Send the key over plain http to another machine
    #[arg(long)]
    pub allow_insecure_http: bool,
    /// Work in this store, such as the one of `portcullis proxy`, whatever else is configured
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
}

impl Through {
    /// A client, if a gateway is meant.
    fn client(&self) -> Result<Option<GatewayClient>, CommandError> {
        if self.store.is_some() {
            return Ok(None);
        }
        let target = TargetArgs {
            url: self.url.clone(),
            key: self.api_key.clone(),
            allow_insecure_http: self.allow_insecure_http,
        };
        target.url.is_some().then(|| target.connect()).transpose()
    }

    /// The store, if no gateway is asked.
    fn store<'a>(&'a self, config: Option<&'a Path>) -> StoreOf<'a> {
        let file = self.store.as_deref();
        file.map_or(StoreOf::Config(config), StoreOf::File)
    }
}

/// What else can be done with revocations.
#[derive(Clone, Debug, Subcommand)]
pub enum RevokeVerb {
    /// Show what is refused
    List {
        /// The gateway.
        #[command(flatten)]
        through: Through,
    },
    /// Take an entry back: what it named works again
    Lift {
        /// Its id, as `revoke list` shows it
        id: String,
        /// Lift it although its row is not as it was sealed: what it named before may be lost
        #[arg(long)]
        altered: bool,
        /// The gateway.
        #[command(flatten)]
        through: Through,
    },
}

/// What a new entry names.
#[derive(Clone, Debug, Default, Args)]
pub struct WhatArgs {
    /// One key, by its id (never the key itself); `file:ID` for one of the configuration file
    #[arg(long = "key", value_name = "ID")]
    pub key_id: Option<String>,
    /// Every key that acts for this user
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// The issuer of the tokens, as `identity.issuers` writes it
    #[arg(long, value_name = "ISSUER")]
    pub issuer: Option<String>,
    /// One token, by its `jti`
    #[arg(long, value_name = "JTI")]
    pub jti: Option<String>,
    /// Every token of one session, by its `sid`
    #[arg(long, value_name = "SID")]
    pub sid: Option<String>,
    /// Every token about one subject, by its `sub`
    #[arg(long, value_name = "SUB")]
    pub sub: Option<String>,
    /// Every token of the issuer
    #[arg(long)]
    pub all: bool,
    /// The cut-off of --sub, --user and --all: what was issued at or before it is refused (RFC 3339)
    /// [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub before: Option<Timestamp>,
    /// When the entry ends (RFC 3339) [default: when nothing that it names can be alive]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Timestamp>,
    /// Why, for whoever reads the list
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .map_err(|error| format!("{error}, for example 2026-11-21T07:53:00Z"))
}

impl WhatArgs {
    /// The body of `POST /v1/revocations`.
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        for (name, value) in [
            ("key_id", &self.key_id),
            ("user_id", &self.user),
            ("issuer", &self.issuer),
            ("jti", &self.jti),
            ("sid", &self.sid),
            ("sub", &self.sub),
            ("reason", &self.reason),
        ] {
            if let Some(value) = value {
                body.insert(name.to_owned(), value.as_str().into());
            }
        }
        for (name, at) in [("before", self.before), ("until", self.until)] {
            if let Some(at) = at {
                body.insert(name.to_owned(), at.to_string().into());
            }
        }
        if self.all {
            body.insert("all_subjects".to_owned(), true.into());
        }
        Value::Object(body)
    }

    /// What is meant must be said once and completely.
    fn check(&self) -> Result<(), CommandError> {
        let of_issuer = [&self.jti, &self.sid, &self.sub];
        let named = of_issuer.iter().filter(|name| name.is_some()).count() + usize::from(self.all);
        let good = match (&self.key_id, &self.user, &self.issuer) {
            (Some(_), None, None) | (None, Some(_), None) => named == 0,
            (None, None, Some(_)) => named == 1,
            _ => false,
        };
        if good {
            return Ok(());
        }
        let what = "say one of --key, --user, or --issuer with one of --jti, --sid, --sub or --all";
        Err(CommandError::Usage(what.to_owned()))
    }
}

pub(super) async fn run(
    global: &Global,
    args: RevokeArgs,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let config = global.config.as_deref();
    match args.verb {
        None => {
            args.what.check()?;
            let body = args.what.body();
            let made = match args.through.client()? {
                Some(client) => {
                    progress::during("asking the gateway", client.revoke(&body)).await?
                }
                None => Box::pin(wire::revoke(args.through.store(config), &body)).await?,
            };
            out.json(&made)?;
            let row = row(&made);
            out.table(&COLUMNS, std::slice::from_ref(&row), "")?;
            let id = row.pointer("/id").and_then(Value::as_str);
            let store = args.through.store.as_ref();
            out.line(&format!(
                "refused within a second on every gateway; take it back with: portcullis revoke lift {}{}",
                id.unwrap_or("ID"),
                store.map_or_else(String::new, |file| format!(" --store {}", file.display()))
            ))?;
            Ok(Exit::Done)
        }
        Some(RevokeVerb::List { through }) => {
            let listed = match through.client()? {
                Some(client) => {
                    progress::during("asking the gateway", client.revocations()).await?
                }
                None => wire::revocations(through.store(config)).await?,
            };
            list(&listed, out)
        }
        Some(RevokeVerb::Lift {
            id,
            altered,
            through,
        }) => {
            let lifted = match through.client()? {
                Some(client) => {
                    let lifting = client.lift_revocation(&id, altered);
                    progress::during("asking the gateway", lifting).await?
                }
                None => {
                    Box::pin(wire::lift_revocation(through.store(config), &id, altered)).await?
                }
            };
            out.json(&lifted)?;
            out.line(&format!("lifted {id}: what it named works again"))?;
            Ok(Exit::Done)
        }
    }
}

fn list(listed: &Value, out: &mut Output) -> Result<Exit, CommandError> {
    out.json(listed)?;
    let entries = listed.pointer("/revocations").and_then(Value::as_array);
    let rows: Vec<Value> = entries.into_iter().flatten().map(row).collect();
    out.table(&COLUMNS, &rows, "nothing is revoked by the list")?;
    super::keys::tell_damaged(listed, "/id", out)
}

/// An entry as a row: what it names stands in one column, whatever its kind.
fn row(entry: &Value) -> Value {
    let named = ["/key_id", "/user_id", "/jti", "/sid", "/sub"]
        .into_iter()
        .find_map(|at| entry.pointer(at));
    let mut row = entry.clone();
    if let Some(members) = row.as_object_mut() {
        let all = json!("every token");
        members.insert("names".to_owned(), named.unwrap_or(&all).clone());
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what() -> WhatArgs {
        WhatArgs::default()
    }

    #[test]
    fn what_is_meant_must_be_said_once_and_completely() {
        let issuer = || Some("https://idp.example".to_owned());
        for good in [
            WhatArgs {
                key_id: Some("a".to_owned()),
                ..what()
            },
            WhatArgs {
                user: Some("a".to_owned()),
                ..what()
            },
            WhatArgs {
                issuer: issuer(),
                sub: Some("a".to_owned()),
                ..what()
            },
            WhatArgs {
                issuer: issuer(),
                all: true,
                ..what()
            },
        ] {
            assert!(good.check().is_ok(), "{good:?}");
        }
        for bad in [
            what(),
            WhatArgs {
                issuer: issuer(),
                ..what()
            },
            WhatArgs {
                sub: Some("a".to_owned()),
                ..what()
            },
            WhatArgs {
                key_id: Some("a".to_owned()),
                all: true,
                ..what()
            },
            WhatArgs {
                issuer: issuer(),
                jti: Some("a".to_owned()),
                sub: Some("b".to_owned()),
                ..what()
            },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_row_says_what_an_entry_names_whatever_its_kind() {
        for (entry, named) in [
            (json!({"kind": "key", "key_id": "a"}), "a"),
            (
                json!({"kind": "sub", "issuer": "i", "sub": "alice"}),
                "alice",
            ),
            (json!({"kind": "issuer", "issuer": "i"}), "every token"),
        ] {
            assert_eq!(row(&entry)["names"], named);
        }
    }
}

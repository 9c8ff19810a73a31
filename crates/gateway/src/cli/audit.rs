//! `portcullis audit`: read the trail, and prove that nobody touched it.

mod export;
mod filters;

use std::collections::HashSet;
use std::time::Duration;

use clap::{Args, Subcommand};
use portcullis_core::Timestamp;
use serde_json::{Value, json};

use self::export::ExportArgs;
use self::filters::Filters;
use super::client::GatewayClient;
use super::exit::{CommandError, Exit};
use super::output::{Column, Output};
use super::target::TargetArgs;
use super::{Global, progress};
use crate::wire;

/// What a table of events shows.
pub(super) const COLUMNS: [Column; 8] = [
    ("time", "/at"),
    ("who", "/principal"),
    ("surface", "/surface"),
    ("server", "/server"),
    ("target", "/target/name"),
    ("decision", "/decision"),
    ("rule", "/rule"),
    ("outcome", "/outcome"),
];

/// Between two looks of `--follow`.
const PAUSE: Duration = Duration::from_secs(1);
/// How long after it came a request may end and still be shown by `--follow`.
const SLOWEST: Duration = Duration::from_mins(10);
/// What the gateway gives in one answer.
const MOST_AT_ONCE: usize = 1000;

/// Options of `audit`.
#[derive(Clone, Debug, Args)]
pub struct AuditArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: AuditVerb,
}

/// What can be done with the trail.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditVerb {
    /// Show the latest events of a running gateway
    Tail {
        /// How many
        #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        lines: u16,
        /// Go on as requests end, up to ten minutes after they came; JSON output is then one event a line
        #[arg(long, short)]
        follow: bool,
        /// Which events.
        #[command(flatten)]
        filters: Box<Filters>,
        /// The gateway.
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Write all events of a running gateway that match, oldest first, for other tools
    Export(Box<ExportArgs>),
    /// Find any edit, removal or reordering in the store that the configuration names
    Verify,
    /// Remove old events from the store that the configuration names; what is left still proves itself
    Prune {
        /// Events from before so many days; without it, `audit.retention_days`
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
        older_than_days: Option<u32>,
        /// Do it: without this, events are only counted
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn run(
    global: &Global,
    args: AuditArgs,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    match args.verb {
        AuditVerb::Tail {
            lines,
            follow,
            filters,
            target,
        } => {
            let client = target.connect()?;
            let filters = filters.query();
            if follow {
                follow_events(&client, lines, filters, out).await
            } else {
                let mut query = filters;
                query.push(("limit", lines.to_string()));
                let work = fetch(&client, &query);
                let found = progress::during("asking the gateway", work).await?;
                let since = &found.searched_since;
                out.json(&json!({ "events": found.events, "searched_since": since }))?;
                out.table(&COLUMNS, &found.events, "no such events yet")?;
                if let Some(since) = since {
                    out.line(&format!(
                        "only events since {since} were looked at: go on with --until {since}"
                    ))?;
                }
                Ok(Exit::Done)
            }
        }
        AuditVerb::Export(args) => export::run(*args, out).await,
        AuditVerb::Prune {
            older_than_days,
            yes,
        } => prune(global, older_than_days, yes, out).await,
        AuditVerb::Verify => {
            let work = wire::verify_audit(global.config.as_deref());
            let found = Box::pin(progress::during("verifying the audit trail", work)).await?;
            out.json(&json!({
                "verified": found.verified,
                "pruned_chains": found.pruned,
                "broken": found.broken,
            }))?;
            for what in &found.broken {
                out.line(what)?;
            }
            if found.pruned > 0 {
                out.line(&format!(
                    "{} chain(s) were pruned: their oldest events are gone, as a genuine mark says",
                    found.pruned
                ))?;
            }
            out.line(&format!(
                "{} event(s) verified, {} problem(s)",
                found.verified,
                found.broken.len()
            ))?;
            Ok(if found.broken.is_empty() {
                Exit::Done
            } else {
                Exit::Failed
            })
        }
    }
}

async fn prune(
    global: &Global,
    days: Option<u32>,
    really: bool,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let age = days.map(|days| Duration::from_hours(u64::from(days) * 24));
    let work = wire::prune_audit(global.config.as_deref(), age, really);
    let done = Box::pin(progress::during("pruning the audit trail", work)).await?;
    let before = done.before.to_string();
    out.json(&json!({
        "before": before,
        "events": done.events,
        "chains": done.chains,
        "unproven": done.unproven,
        "removed": really,
    }))?;
    for chain in &done.unproven {
        out.line(&format!(
            "{chain}: stays, because it is not what was written; see `portcullis audit verify`"
        ))?;
    }
    let (events, chains) = (done.events, done.chains);
    out.line(&if really {
        format!("{events} event(s) of {chains} chain(s) from before {before} were removed")
    } else {
        format!(
            "{events} event(s) of {chains} chain(s) are from before {before}; --yes removes them"
        )
    })?;
    Ok(if done.unproven.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// The newest events, oldest of them first.
pub(super) async fn latest(client: &GatewayClient, count: u16) -> Result<Vec<Value>, CommandError> {
    let found = fetch(client, &[("limit", count.to_string())]).await?;
    Ok(found.events)
}

/// What the gateway found.
struct Found {
    events: Vec<Value>,
    /// Nothing before this moment was looked at.
    searched_since: Option<String>,
}

async fn fetch(
    client: &GatewayClient,
    filter: &[(&'static str, String)],
) -> Result<Found, CommandError> {
    let mut query = vec![("order", "desc")];
    query.extend(filter.iter().map(|(name, value)| (*name, value.as_str())));
    let mut answer = client.audit(&query).await?;
    let Some(Value::Array(mut events)) = answer.pointer_mut("/events").map(Value::take) else {
        return Err(anyhow::anyhow!("the gateway's answer holds no events").into());
    };
    // The chain's own entries (a writer's start and end, anchors) are no requests.
    events.retain(|event| event.pointer("/event").and_then(Value::as_str) == Some("request"));
    events.reverse();
    let since = answer.pointer("/searched_since").and_then(Value::as_str);
    Ok(Found {
        events,
        searched_since: since.map(str::to_owned),
    })
}

async fn follow_events(
    client: &GatewayClient,
    lines: u16,
    filters: Vec<(&'static str, String)>,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let field = |event: &Value, at: &str| {
        let text = event.pointer(at).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let written = filters.iter().find(|(name, _)| *name == "since");
    let written: Option<Timestamp> = written.and_then(|(_, since)| since.parse().ok());
    let mut query = filters.clone();
    query.push(("limit", MOST_AT_ONCE.to_string()));
    let moment = |event: &Value| field(event, "/at").parse::<Timestamp>().ok();
    let mut events = fetch(client, &query).await?.events;
    // What was there before the last few is not news.
    let before = events.len().saturating_sub(usize::from(lines));
    let before = events.iter().take(before);
    let mut shown: HashSet<String> = before.map(|event| field(event, "/request_id")).collect();
    let mut newest: Option<Timestamp> = None;
    loop {
        if events.len() == MOST_AT_ONCE
            && let Some(event) = events.first()
            && newest.is_some_and(|newest| moment(event).is_some_and(|at| at > newest))
            && !out.is_json()
        {
            out.line("(more came than can be shown: the API has them all)")?;
        }
        for event in &events {
            if shown.contains(&field(event, "/request_id")) {
                continue;
            }
            if out.is_json() {
                out.raw(&event.to_string())?;
            } else {
                out.line(&one_line(event))?;
            }
        }
        // An event bears the moment at which its request came, and is there when the request has ended:
        // after others that came later.
        newest = newest.max(events.iter().filter_map(moment).max());
        let mut query = filters.clone();
        query.push(("limit", MOST_AT_ONCE.to_string()));
        if let Some(newest) = newest {
            query.retain(|(name, _)| *name != "since");
            let since = newest
                .before(SLOWEST)
                .max(written.unwrap_or(Timestamp::from_millis(0)));
            query.push(("since", since.to_string()));
        }
        let ids = events.iter().map(|event| field(event, "/request_id"));
        // Whatever the next answer repeats was in this one.
        shown = ids.collect();
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
        }
        events = fetch(client, &query).await?.events;
    }
}

fn one_line(event: &Value) -> String {
    let parts: Vec<String> = COLUMNS
        .iter()
        .filter_map(|(_, at)| event.pointer(at)?.as_str().map(str::to_owned))
        .collect();
    parts.join("  ")
}

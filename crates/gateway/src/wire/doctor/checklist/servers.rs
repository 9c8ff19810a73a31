//! What servers and issuers say when they are asked.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use portcullis_engine::{EngineError, ServerEntry};

use super::super::{Finding, State, Written, remedy};
use super::{counted, finding};
use crate::cli::exit::with_causes;
use crate::wire::issuers::Issuers;
use crate::wire::rooms::Rooms;

/// Beyond this a stolen token is good for long.
const SHORT_LIVED: Duration = Duration::from_hours(1);

/// Whether every credential can be had, and whether every server answers to it.
pub(super) async fn try_out(written: &Written, rooms: &Rooms) -> (Finding, Finding) {
    let snapshot = rooms.gateway.snapshot();
    let ours: Vec<&Arc<ServerEntry>> = snapshot
        .servers()
        .iter()
        .filter(|entry| !entry.auth.knows_callers_only())
        .collect();
    let others = snapshot.servers().len() - ours.len();
    let asking = ours.iter().map(|entry| async move {
        let credential = rooms.gateway.try_credential(entry).await.map(drop);
        let answer = match &credential {
            Ok(()) => Some(asked(rooms, entry).await),
            Err(_) => None,
        };
        (*entry, credential, answer)
    });
    let asked = join_all(asking).await;
    let of_credentials: Vec<Asked<'_>> = asked
        .iter()
        .map(|(entry, credential, _)| (*entry, Some(credential)))
        .collect();
    let of_servers: Vec<Asked<'_>> = asked
        .iter()
        .map(|(entry, _, answer)| (*entry, answer.as_ref()))
        .collect();
    let credentials = verdict(
        written,
        "credentials",
        &of_credentials,
        &format!("had for {}", counted(ours.len(), "server")),
        others,
    );
    let answers = verdict(
        written,
        "servers",
        &of_servers,
        &format!(
            "asked {}: each answers and lists its tools",
            counted(ours.len(), "server")
        ),
        others,
    );
    (credentials, answers)
}

async fn asked(rooms: &Rooms, entry: &Arc<ServerEntry>) -> Result<(), EngineError> {
    rooms.gateway.try_handshake(entry).await?;
    rooms.gateway.try_list(entry).await.map(drop)
}

/// A server, and what came of asking it; `None` where it was not asked.
type Asked<'a> = (&'a Arc<ServerEntry>, Option<&'a Result<(), EngineError>>);

fn verdict(
    written: &Written,
    name: &'static str,
    asked: &[Asked<'_>],
    good: &str,
    others: usize,
) -> Finding {
    let mut broken = asked.iter().filter_map(|(entry, answer)| {
        let error = answer.as_ref()?.as_ref().err()?;
        Some((*entry, error))
    });
    if let Some((entry, error)) = broken.next() {
        let more = match broken.count() {
            0 => String::new(),
            count => format!("; and {count} more"),
        };
        let key = |keys: &[&str], what: String| {
            let path: Vec<&str> = ["mcp_servers", entry.id.as_str()]
                .into_iter()
                .chain(keys.iter().copied())
                .collect();
            written.change(
                &path,
                format!("{what} (hop by hop: portcullis doctor {})", entry.id),
            )
        };
        let change = remedy::of_engine(error, key);
        let told = with_causes(error, "; because: ");
        return finding(name, State::Broken, format!("{told}{more}")).with(change);
    }
    if asked.is_empty() {
        return finding(
            name,
            State::Skipped,
            "there is no server to ask in our own name",
        );
    }
    if asked.iter().any(|(_, answer)| answer.is_none()) {
        return finding(name, State::Skipped, "not every credential can be had");
    }
    let others = match others {
        0 => String::new(),
        _ => format!(
            "; {} called in callers' own names only",
            counted(others, "server")
        ),
    };
    finding(name, State::Good, format!("{good}{others}"))
}

/// Whether tokens are short-lived, and whether their issuers can be asked for what proves them.
pub(super) async fn issuers(written: &Written, rooms: &Rooms) -> Finding {
    let issuers = &written.config.identity.issuers;
    if issuers.is_empty() {
        return finding(
            "issuers",
            State::Advice,
            "no issuer is trusted: callers have API keys, which live long and are shared",
        )
        .with(written.change(
            &["identity", "issuers"],
            "name your authorization server, so that people come with short-lived tokens of their own",
        ));
    }
    let trusted = Issuers::new(
        Arc::clone(&rooms.client),
        Arc::clone(&rooms.vaults.clock),
        tokio_util::task::TaskTracker::new(),
    );
    for (issuer, answer) in trusted.try_out(issuers).await {
        if let Err(problem) = answer {
            return finding("issuers", State::Broken, format!("{issuer}: {problem}")).with(
                written.change(
                    &["identity", "issuers"],
                    "correct `issuer` or `jwks_uri` (or the introspection client), or look at the \
                     issuer: while it does not answer, nobody new is admitted",
                ),
            );
        }
    }
    let long = issuers
        .iter()
        .find(|issuer| issuer.max_token_lifetime > SHORT_LIVED);
    match long {
        Some(long) => finding(
            "issuers",
            State::Advice,
            format!(
                "asked {}: each can be believed; tokens of {} may live for {} minutes",
                counted(issuers.len(), "issuer"),
                long.issuer,
                long.max_token_lifetime.as_secs() / 60
            ),
        )
        .with(written.change(
            &["identity", "issuers"],
            "issue tokens for an hour at most and write `max_token_lifetime: 1h`",
        )),
        None => finding(
            "issuers",
            State::Good,
            format!(
                "asked {}: each can be believed, and tokens are short-lived",
                counted(issuers.len(), "issuer")
            ),
        ),
    }
}

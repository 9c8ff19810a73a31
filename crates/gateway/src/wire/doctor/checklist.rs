//! What has to be so before others may come: the criteria of one guide and the checklist of another,
//! asked of the file, of the servers in it, and of the gateway if it runs.

mod file;
mod redis;
mod running;
mod servers;

use super::{Change, Finding, State, Written};
use crate::cli::target::TargetArgs;
use crate::wire::rooms::Rooms;

pub(super) async fn evaluate(
    written: &Written,
    rooms: &Rooms,
    target: &TargetArgs,
) -> Vec<Finding> {
    let (credentials, answers) = servers::try_out(written, rooms).await;
    let mut findings = vec![
        file::drop_in(written),
        file::server_auth(written),
        credentials,
        answers,
        file::tls(written),
        servers::issuers(written, rooms).await,
        file::mapping(written),
        file::logging(written),
        limits(written),
        file::secrets(written),
        file::relaxations(written),
    ];
    findings.extend(redis::answers(written).await);
    findings.push(running::end_to_end(written, rooms, target).await);
    findings
}

fn finding(name: &'static str, state: State, found: impl Into<String>) -> Finding {
    Finding {
        name,
        state,
        found: found.into(),
        took: None,
        change: None,
    }
}

impl Finding {
    fn with(self, change: Change) -> Self {
        Self {
            change: Some(change),
            ..self
        }
    }
}

/// `no server`, `1 server`, `2 servers`.
fn counted(count: usize, noun: &str) -> String {
    match count {
        0 => format!("no {noun}"),
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// Connections and sizes are bounded always; requests of one caller where the file says so.
fn limits(written: &Written) -> Finding {
    let defaults = &written.config.limits.defaults;
    let of_each = [&defaults.key, &defaults.user, &defaults.team];
    if of_each
        .iter()
        .any(|limits| limits.requests_per_minute.is_some())
    {
        let found = "connections, bodies, guesses and each caller's requests are bounded";
        return finding("limits", State::Good, found);
    }
    finding(
        "limits",
        State::Advice,
        "connections, bodies and guesses are bounded; how often one caller asks is not",
    )
    .with(super::elsewhere(
        "write `limits: {defaults: {key: {rpm_limit: 600}}}`, or what your callers need",
    ))
}

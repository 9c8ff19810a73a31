//! What has to be so before others may come: the criteria of one guide and the checklist of another,
//! asked of the file, of the servers in it, and of the gateway if it runs.

mod file;
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
    vec![
        file::drop_in(written),
        file::server_auth(written),
        credentials,
        answers,
        file::tls(written),
        servers::issuers(written, rooms).await,
        file::mapping(written),
        file::logging(written),
        limits(),
        file::secrets(written),
        file::relaxations(written),
        running::end_to_end(written, rooms, target).await,
    ]
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

/// This build bounds connections and sizes; requests of one caller it does not count.
fn limits() -> Finding {
    finding(
        "limits",
        State::Advice,
        "connections, bodies and guesses are bounded; how often one caller asks is not",
    )
    .with(super::elsewhere(
        "limit requests for each user or client at the ingress in front",
    ))
}

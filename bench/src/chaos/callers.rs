//! Callers that go on whatever happens, and tell what they met.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};

use super::{
    stage::{GOOD, WITHOUT_GRANTS},
    tally::{Met, Tally},
};
use crate::{
    load::{self, Settings as Load, now},
    work::Work,
};

/// Between two calls of one caller: a load that the machine carries with ease.
const PAUSE: Duration = Duration::from_millis(20);
/// How long an answer is waited for: longer than any limit of the gateway's own on the path.
const PATIENCE: Duration = Duration::from_secs(30);

/// With what somebody calls.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// Must be served.
    Good,
    /// Must never be.
    WithoutGrants,
}

/// One who calls one replica, one call after the other.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) port: u16,
    pub(crate) work: Work,
    pub(crate) credential: Credential,
}

impl Caller {
    pub(crate) async fn call_until(self, stop: watch::Receiver<bool>, tally: Arc<Tally>) {
        let key = match self.credential {
            Credential::Good => GOOD,
            Credential::WithoutGrants => WITHOUT_GRANTS,
        };
        let mut connection = None;
        let mut number = 0;
        while !*stop.borrow() {
            number += 1;
            let sent = now();
            let met = attempt(&mut connection, self.port, self.work, key, number).await;
            if !matches!(met, Met::Answered(_)) {
                connection = None;
            }
            match self.credential {
                Credential::Good => tally.note(met, sent.elapsed()),
                Credential::WithoutGrants if matches!(met, Met::Answered(_)) => {
                    tally.violation(format!(
                        "a key without grants was served on port {}",
                        self.port
                    ));
                }
                Credential::WithoutGrants => {}
            }
            sleep(PAUSE).await;
        }
    }
}

/// One call, over the connection that there is.
pub(crate) async fn attempt(
    connection: &mut Option<load::Caller>,
    port: u16,
    work: Work,
    key: &str,
    number: u64,
) -> Met {
    let calling = async {
        let caller = if let Some(caller) = connection {
            caller
        } else {
            let settings = Load {
                port,
                work,
                connections: 1,
                requests: 1,
                credential: key.to_owned(),
            };
            let Ok(caller) = load::Caller::connect(&settings).await else {
                return Met::Nobody;
            };
            connection.insert(caller)
        };
        match caller.answer(number).await {
            Ok(answer) if answer.right => Met::Answered(answer.request_id),
            Ok(answer) => Met::Refused(answer.status),
            Err(_) => Met::Nobody,
        }
    };
    tokio::time::timeout(PATIENCE, calling)
        .await
        .unwrap_or(Met::Silence)
}

//! What happens again and again, as long as the gateway serves.

use std::sync::Arc;
use std::time::Duration;

use portcullis_engine::Gateway;
use portcullis_vault::KeyRing;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::rooms::Rooms;

/// How often the revocation list is tidied, and compared with the store.
const REVOCATIONS: Duration = Duration::from_mins(1);
/// How soon a ring or a signing key that another process rotated is taken up.
const RING: Duration = Duration::from_secs(5);
/// How often values that were good once are forgotten, and how long after their time.
const ONE_TIME: Duration = Duration::from_mins(5);
/// How often grants, refresh tokens and clients that nobody uses are forgotten.
const GRANTS: Duration = Duration::from_hours(1);

pub(super) fn start(rooms: &Arc<Rooms>, tracker: &TaskTracker, stop: &CancellationToken) {
    let gateway: &Arc<Gateway> = &rooms.gateway;
    let ring = Arc::clone(&rooms.vaults.ring);
    let stopped = stop.clone();
    tracker.spawn(async move {
        let following = async {
            let mut ticks = tokio::time::interval(RING);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                follow_ring(&ring);
            }
        };
        stopped.run_until_cancelled(following).await;
    });
    let revocations = Arc::clone(&rooms.revocations);
    let stopped = stop.clone();
    tracker.spawn(async move {
        let tidying = async {
            let mut ticks = tokio::time::interval(REVOCATIONS);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if let Err(error) = revocations.keep_house().await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the revocation list is not tidied"
                    );
                }
            }
        };
        stopped.run_until_cancelled(tidying).await;
    });
    let (consents, id_tokens) = (
        Arc::clone(&rooms.vaults.stores.consents),
        Arc::clone(&rooms.vaults.stores.id_tokens),
    );
    let (one_time, clock) = (
        Arc::clone(&rooms.vaults.stores.one_time),
        Arc::clone(&rooms.vaults.clock),
    );
    let stopped = stop.clone();
    tracker.spawn(async move {
        let tidying = async {
            let mut ticks = tokio::time::interval(ONE_TIME);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let over = clock.now().before(ONE_TIME);
                for purged in [consents.purge(over).await, id_tokens.purge(over).await] {
                    if let Err(error) = purged {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "what signed-in people left is not tidied"
                        );
                    }
                }
                if let Err(error) = one_time.purge(over).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "values that were good once are not tidied"
                    );
                }
            }
        };
        stopped.run_until_cancelled(tidying).await;
    });
    let signing = Arc::clone(rooms);
    let stopped = stop.clone();
    tracker.spawn(async move {
        let following = async {
            let mut ticks = tokio::time::interval(RING);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                signing.signing.follow().await;
            }
        };
        stopped.run_until_cancelled(following).await;
    });
    let authorization = Arc::clone(rooms);
    let stopped = stop.clone();
    tracker.spawn(async move {
        let following = async {
            let mut ticks = tokio::time::interval(RING);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                authorization.authorization.follow().await;
            }
        };
        stopped.run_until_cancelled(following).await;
    });
    let (authorization, clock) = (Arc::clone(rooms), Arc::clone(&rooms.vaults.clock));
    let stopped = stop.clone();
    tracker.spawn(async move {
        let tidying = async {
            let mut ticks = tokio::time::interval(GRANTS);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                authorization.authorization.tidy(clock.now()).await;
            }
        };
        stopped.run_until_cancelled(tidying).await;
    });
    let warming = Arc::clone(gateway);
    let stopped = stop.clone();
    tracker.spawn(async move {
        stopped.run_until_cancelled(warming.warm_up()).await;
    });
    let gateway = Arc::clone(gateway);
    let stop = stop.clone();
    tracker.spawn(async move {
        let every_second = async {
            let mut ticks = tokio::time::interval(Duration::from_secs(1));
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                gateway.keep_house().await;
            }
        };
        stop.run_until_cancelled(every_second).await;
    });
}

/// Takes up a sealing key that `rotate ring` added. On any error the keys that are known stay.
pub(super) fn follow_ring(ring: &KeyRing) {
    match ring.reload() {
        Ok(true) => tracing::info!(key = %ring.active_key(), "the key ring was rotated"),
        Ok(false) => {}
        Err(error) => tracing::error!(
            error = &error as &dyn std::error::Error,
            "the key ring cannot be read again: the keys that are known stay in use"
        ),
    }
}

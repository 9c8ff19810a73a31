//! What happens again and again, as long as the gateway serves.

use std::sync::Arc;
use std::time::Duration;

use portcullis_engine::{BEAT, Gateway};
use portcullis_store::{StoreError, Topic};
use portcullis_vault::KeyRing;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::retention;
use super::rooms::{Rooms, Vaults};
use super::unclaimed;

/// How often the revocation list is tidied, and compared with the store.
const REVOCATIONS: Duration = Duration::from_mins(1);
/// How soon a ring or a signing key that another process rotated is taken up.
const RING: Duration = Duration::from_secs(5);
/// How often values that were good once are forgotten, and how long after their time.
const ONE_TIME: Duration = Duration::from_mins(5);
/// How often grants, refresh tokens, clients and connections that nobody uses are forgotten, and old audit
/// events.
const GRANTS: Duration = Duration::from_hours(1);

/// How soon it is put on record that nobody decided about a call.
const APPROVALS: Duration = Duration::from_secs(5);

/// What is announced many times in that time is looked at once.
const BREATH: Duration = Duration::from_millis(20);
/// How often the gateway looks at what it holds.
const HOUSE: Duration = Duration::from_secs(1);

pub(super) fn start(rooms: &Arc<Rooms>, tracker: &TaskTracker, stop: &CancellationToken) {
    while_serving(rooms, tracker, HOUSE, |gateway| async move {
        gateway.keep_limits().await;
    });
    while_serving(rooms, tracker, BEAT, |gateway| async move {
        gateway.replicas().beat().await;
    });
    let house = House {
        rooms,
        tracker,
        stop,
    };
    house.every(RING, |rooms| async move { follow_ring(&rooms.vaults.ring) });
    house.every(RING, |rooms| async move { rooms.signing.follow().await });
    house.every(
        RING,
        |rooms| async move { rooms.authorization.follow().await },
    );
    house.every(REVOCATIONS, |rooms| async move {
        tidied("the revocation list", rooms.revocations.keep_house().await);
    });
    house.every(
        ONE_TIME,
        |rooms| async move { tidy_people(&rooms.vaults).await },
    );
    house.every(GRANTS, |rooms| async move {
        let now = rooms.vaults.clock.now();
        rooms.authorization.tidy(now).await;
    });
    house.every(GRANTS, |rooms| async move {
        let ended = unclaimed::tidy(&rooms).await;
        tidied("what nobody claims of people's connections", ended);
    });
    house.every(APPROVALS, |rooms| async move {
        tidied(
            "what nobody decided about",
            rooms.gateway.end_approvals().await,
        );
    });
    house.every(GRANTS, |rooms| async move {
        let forgotten = rooms.gateway.forget_approvals().await;
        tidied("what was decided long ago", forgotten);
    });
    house.every(GRANTS, |rooms| async move {
        retention::keep_house(&rooms).await;
    });
    house.whenever(Topic::SESSIONS, |rooms| async move {
        rooms.gateway.follow_terminated().await;
    });
    let gateway = Arc::clone(&rooms.gateway);
    house.once(async move { gateway.warm_up().await });
    house.every(
        HOUSE,
        |rooms| async move { rooms.gateway.keep_house().await },
    );
}

/// Again and again for as long as anything is served, which is longer than until the stop. It has the gateway
/// and not the rooms, which may go before.
fn while_serving<W>(
    rooms: &Rooms,
    tracker: &TaskTracker,
    period: Duration,
    work: impl Fn(Arc<Gateway>) -> W + Send + 'static,
) where
    W: Future<Output = ()> + Send,
{
    let (gateway, closing) = (Arc::clone(&rooms.gateway), rooms.closing.clone());
    tracker.spawn(async move {
        let keeping = async move {
            let mut ticks = ticks(period);
            loop {
                ticks.tick().await;
                work(Arc::clone(&gateway)).await;
            }
        };
        closing.run_until_cancelled(keeping).await;
    });
}

fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks
}

/// What runs beside the requests, until the gateway stops.
struct House<'a> {
    rooms: &'a Arc<Rooms>,
    tracker: &'a TaskTracker,
    stop: &'a CancellationToken,
}

impl House<'_> {
    fn once(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            stop.run_until_cancelled(work).await;
        });
    }

    /// Each time that this is announced, and again no sooner than after a moment.
    fn whenever<W>(&self, topic: Topic, work: impl Fn(Arc<Rooms>) -> W + Send + 'static)
    where
        W: Future<Output = ()> + Send,
    {
        let rooms = Arc::clone(self.rooms);
        let mut heard = rooms.vaults.stores.announcements.hear(topic);
        self.once(async move {
            loop {
                heard.changed().await;
                tokio::time::sleep(BREATH).await;
                work(Arc::clone(&rooms)).await;
            }
        });
    }

    /// At once, and then again and again. What takes longer than that is not done twice at a time.
    fn every<W>(&self, period: Duration, work: impl Fn(Arc<Rooms>) -> W + Send + 'static)
    where
        W: Future<Output = ()> + Send,
    {
        let rooms = Arc::clone(self.rooms);
        self.once(async move {
            let mut ticks = ticks(period);
            loop {
                ticks.tick().await;
                work(Arc::clone(&rooms)).await;
            }
        });
    }
}

/// Forgets what signed-in people left, and values that were good once.
async fn tidy_people(vaults: &Vaults) {
    let (stores, over) = (&vaults.stores, vaults.clock.now().before(ONE_TIME));
    tidied("what people agreed to", stores.consents.purge(over).await);
    tidied(
        "what providers said of people",
        stores.id_tokens.purge(over).await,
    );
    tidied("what was good once", stores.one_time.purge(over).await);
}

/// What could not be tidied is tried again the next time, and harms nobody until then.
fn tidied<T>(what: &str, done: Result<T, StoreError>) {
    if let Err(error) = done {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "{what} is not tidied"
        );
    }
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

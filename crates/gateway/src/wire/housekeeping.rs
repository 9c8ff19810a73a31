//! What happens every second, as long as the gateway serves.

use std::sync::Arc;
use std::time::Duration;

use portcullis_engine::Gateway;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) fn start(gateway: &Arc<Gateway>, tracker: &TaskTracker, stop: &CancellationToken) {
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

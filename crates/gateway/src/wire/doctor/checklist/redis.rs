//! The Redis server, if there is one.

use std::sync::Arc;

use portcullis_core::{SystemClock, SystemEntropy};
use portcullis_store_redis::{RedisDeps, RedisState};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::{Change, Finding, State, Written, elsewhere};
use super::finding;
use crate::wire::beside;

/// Whether it answers, and whether it keeps what it is given. `None`: none is used.
pub(super) async fn answers(written: &Written) -> Option<Finding> {
    let settings = match beside::settings(&written.config) {
        Ok(settings) => settings?,
        Err(error) => return Some(broken(written, format!("{error:#}"))),
    };
    let deps = RedisDeps {
        clock: Arc::new(SystemClock::start()),
        entropy: Arc::new(SystemEntropy),
        tracker: TaskTracker::new(),
        stop: CancellationToken::new(),
    };
    let opened = beside::open(&settings, &deps).await;
    deps.stop.cancel();
    let at = &settings.url;
    Some(match opened {
        Err(error) => broken(written, format!("{error:#}")),
        Ok((_, RedisState::Down(why))) => {
            broken(written, format!("Redis at {at} cannot be used: {why}"))
        }
        Ok((_, RedisState::Up { version, evicts })) if evicts => finding(
            "redis",
            State::Advice,
            format!("{version} at {at} answers, and forgets what it has no room for"),
        )
        .with(elsewhere(
            "set `maxmemory-policy noeviction` there, or give the gateway a server of its own",
        )),
        Ok((_, RedisState::Up { version, .. })) => finding(
            "redis",
            State::Good,
            format!("{version} at {at} answers and is listened to"),
        ),
    })
}

fn broken(written: &Written, found: String) -> Finding {
    let change: Change = written.change(&["redis", "url"], "name a server that answers");
    finding("redis", State::Broken, found).with(change)
}

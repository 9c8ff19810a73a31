//! What the mock saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::Mock;

/// One number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) token_requests: Counter,
    pub(super) tokens_issued: Counter,
    pub(super) initialize: Counter,
    pub(super) discover: Counter,
    pub(super) lists: Counter,
    pub(super) calls: Counter,
    pub(super) unauthorized: Counter,
    pub(super) forbidden: Counter,
}

/// The answer of `GET /mock/stats`: counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Requests at the token endpoint, refused ones included.
    pub token_requests: u64,
    /// Access tokens given out.
    pub tokens_issued: u64,
    /// Legacy sessions begun.
    pub initialize: u64,
    /// Answered `server/discover`.
    pub discover: u64,
    /// Answered `tools/list`.
    pub lists: u64,
    /// Tools that were run.
    pub calls: u64,
    /// Requests without a usable token.
    pub unauthorized: u64,
    /// Calls whose token lacked a scope.
    pub forbidden: u64,
}

pub(super) async fn show(State(mock): State<Arc<Mock>>) -> Json<Stats> {
    let counters = &mock.counters;
    Json(Stats {
        token_requests: counters.token_requests.get(),
        tokens_issued: counters.tokens_issued.get(),
        initialize: counters.initialize.get(),
        discover: counters.discover.get(),
        lists: counters.lists.get(),
        calls: counters.calls.get(),
        unauthorized: counters.unauthorized.get(),
        forbidden: counters.forbidden.get(),
    })
}

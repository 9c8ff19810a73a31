//! Clients with sessions in front of servers that open none (2026-07-28 alone): requests are stamped
//! and made stateless, answers made legible, and what a server asks before it answers is asked of the
//! client on the stream of its call. What must be remembered for that is here, bounded; the wire
//! forms are pure (`portcullis_mcp::eras::legacy_client`).

mod asking;
mod conversation;
mod delivery;
mod hearing;
mod hello;
mod local;
mod questions;
mod recording;
mod request;
mod running;
mod state;
mod tape;
mod tapes;
mod told;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use portcullis_core::{PrincipalId, Timestamp};

use self::hearing::Hearings;
pub(super) use self::local::level_of;
use self::questions::Questions;
pub(super) use self::request::{Translated, is_ours};
use self::running::Running;
use self::state::SessionStates;
use self::tapes::Tapes;
use super::initialize::server_info;

/// Everything that is remembered of translated sessions.
#[derive(Debug, Default)]
pub(crate) struct Translation {
    attempts: AtomicI64,
    pub(super) running: Running,
    pub(super) questions: Questions,
    pub(super) states: SessionStates,
    pub(super) tapes: Tapes,
    pub(super) hearings: Hearings,
}

impl Translation {
    /// The id of another request to a stateless server.
    fn next_id(&self) -> i64 {
        self.attempts.fetch_add(1, Ordering::Relaxed)
    }

    /// A session is over: its calls end, and nothing is kept of it.
    pub(in crate::legacy) fn end(&self, principal: &PrincipalId, session: &[u8; 32]) {
        self.running.cancel_all(session);
        self.states.forget(principal, session);
        self.tapes.forget(session);
    }

    /// Forgets what nobody will come back for.
    pub(crate) fn expire(&self, now: Duration, today: Timestamp) {
        self.tapes.expire(now);
        self.states.expire(today);
    }
}

/// Who we say we are to servers.
fn own_info() -> &'static str {
    static INFO: LazyLock<String> = LazyLock::new(|| server_info().to_string());
    &INFO
}

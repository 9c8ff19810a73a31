//! What is kept of a call for a client that comes back.

use std::sync::Arc;

use super::tape::Tape;
use crate::gateway::Gateway;

/// The tape of a call, which ends with it, however that is.
pub(super) struct Recording {
    gateway: Arc<Gateway>,
    session: Option<[u8; 32]>,
    number: u64,
    pub(super) tape: Arc<Tape>,
    kept: bool,
}

impl Recording {
    pub(super) fn new(gateway: &Arc<Gateway>, session: Option<[u8; 32]>) -> Self {
        let (number, tape) = gateway.translation.tapes.blank(gateway.replica_id());
        Self {
            gateway: Arc::clone(gateway),
            session,
            number,
            tape,
            kept: false,
        }
    }

    /// From now on the client can come back to it, if it can come back at all.
    pub(super) fn keep(&mut self) -> bool {
        let Some(session) = self.session else {
            return false;
        };
        let tapes = &self.gateway.translation.tapes;
        tapes.keep(session, self.number, &self.tape);
        self.kept = true;
        true
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.tape.end(None);
        if let (true, Some(session)) = (self.kept, self.session) {
            let now = self.gateway.clock.monotonic();
            let tapes = &self.gateway.translation.tapes;
            tapes.ended(session, self.number, &self.tape, now);
        }
    }
}

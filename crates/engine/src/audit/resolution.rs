//! What a request came to, for a caller who asked to be told.

use std::sync::{Mutex, PoisonError};

use portcullis_core::ServerId;
use portcullis_credentials::CredentialKind;

/// Where a request led and with what, as far as that is known when somebody looks.
#[derive(Debug, Default)]
pub struct Resolution(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    server: Option<ServerId>,
    credential: Option<CredentialKind>,
    several: bool,
}

impl Resolution {
    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn server(&self, server: &ServerId) {
        self.change(|known| known.server = Some(server.clone()));
    }

    pub(super) fn credential(&self, kind: CredentialKind) {
        self.change(|known| known.credential = Some(kind));
    }

    pub(super) fn one_of_several(&self) {
        self.change(|known| known.several = true);
    }

    /// The one server that the request resolved to.
    pub fn the_server(&self) -> Option<ServerId> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.server.clone()
    }

    /// What was presented, in the words of the audit event; `multiple` for an aggregate, which asks
    /// each server with its own, and `unresolved` when it did not come to that.
    pub fn label(&self) -> &'static str {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (&known.server, known.credential) {
            (Some(_), Some(kind)) => kind.as_str(),
            (None, _) if known.several => "multiple",
            _ => "unresolved",
        }
    }
}

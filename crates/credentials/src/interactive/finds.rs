//! Whom the people of a server are sent to, as it was found a moment ago: a page and what its button
//! does see the same, and whoever presses it again and again asks nobody anything.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::ServerId;

use super::authorization_server::Found;
use super::connections::Inner;
use super::terms::AuthorizationCode;
use crate::ServerAuth;
use crate::error::Failure;

/// How long what was found counts.
const KEPT: Duration = Duration::from_mins(1);
/// How long a search that came to nothing is not repeated.
const FAILURE_KEPT: Duration = Duration::from_secs(30);

/// One search.
pub(super) struct Search {
    terms: Arc<AuthorizationCode>,
    until: Duration,
    outcome: Result<Found, Failure>,
}

/// Whoever holds it searches; whoever waits for it has what was found.
type Place = Arc<tokio::sync::Mutex<Option<Search>>>;

/// The last search of each server.
#[derive(Default)]
pub(super) struct Finds(Mutex<HashMap<ServerId, Place>>);

impl Finds {
    fn places(&self) -> MutexGuard<'_, HashMap<ServerId, Place>> {
        // Whole entries of a cache, whatever a panic left there.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, server: &ServerId) -> Place {
        let mut places = self.places();
        Arc::clone(places.entry(server.clone()).or_default())
    }

    /// The server is not happy with what comes from there: the next one who is sent away searches.
    pub(super) fn doubt(&self, server: &ServerId) {
        self.places().remove(server);
    }

    pub(super) fn keep_only(&self, servers: &BTreeSet<ServerId>) {
        self.places().retain(|server, _| servers.contains(server));
    }
}

impl Inner {
    /// The authorization server of a server, searched for once by all who want to know.
    pub(super) async fn found(
        &self,
        auth: &ServerAuth,
        terms: &Arc<AuthorizationCode>,
    ) -> Result<Found, Failure> {
        let place = self.finds.of(&auth.server);
        let mut last = place.lock().await;
        let now = self.moment().monotonic;
        if let Some(search) = &*last
            && search.terms == *terms
            && now < search.until
        {
            return search.outcome.clone();
        }
        let outcome = self.door.find(auth, terms).await;
        let kept = if outcome.is_ok() { KEPT } else { FAILURE_KEPT };
        *last = Some(Search {
            terms: Arc::clone(terms),
            until: self.moment().monotonic.saturating_add(kept),
            outcome: outcome.clone(),
        });
        outcome
    }
}

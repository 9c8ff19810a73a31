//! Token endpoints of issuers that the file names: looked up once for all callers, kept for an
//! hour, and forgotten when asking there failed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::Timestamp;
use portcullis_egress::Destination;
use url::Url;

use crate::broker::Door;
use crate::discovery::discover_issuer;
use crate::error::Failure;
use crate::token::Moment;
use crate::token_endpoint::Endpoint;

const KEPT: Duration = Duration::from_hours(1);
/// How long a failed look-up stands where nothing else is asked for.
const FAILURE_KEPT: Duration = Duration::from_secs(1);
/// What was found is doubted once in so long: callers who make servers refuse us must not make us look
/// up each time.
const DOUBTED_AFTER: Duration = Duration::from_mins(1);
/// Issuers come from the file, so only reloads without end could fill this.
const MOST: usize = 1_000;

/// Where an authorization server's token endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// Written in the file.
    Endpoint {
        /// The token endpoint.
        url: Url,
        /// The server's issuer, where it is known; an assertion of ours is then for it.
        issuer: Option<String>,
    },
    /// In the metadata of this issuer (RFC 8414), which must name itself exactly so.
    Issuer(String),
}

impl Authority {
    /// Everything about it, for a cache key.
    pub(crate) fn parts(&self) -> [&[u8]; 3] {
        match self {
            Self::Endpoint { url, issuer } => [
                b"endpoint",
                url.as_str().as_bytes(),
                issuer.as_deref().unwrap_or_default().as_bytes(),
            ],
            Self::Issuer(issuer) => [b"issuer", issuer.as_bytes(), b""],
        }
    }
}

struct Entry {
    until: Duration,
    /// The wall clock too: a machine that slept has an old answer.
    found: Timestamp,
    outcome: Result<Endpoint, Failure>,
}

/// One issuer's place; who holds the lock looks it up, and whoever waits has the outcome.
type Place = Arc<tokio::sync::Mutex<Known>>;

#[derive(Default)]
struct Known {
    entry: Option<Entry>,
    /// When it was doubted last.
    doubted: Option<Duration>,
}

#[derive(Default)]
pub(crate) struct Directory {
    places: Mutex<HashMap<(String, Destination), Place>>,
}

impl Directory {
    fn places(&self) -> MutexGuard<'_, HashMap<(String, Destination), Place>> {
        // Whole entries of a cache, whatever a panic left there.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, issuer: &str, chosen_by: Destination) -> Place {
        let mut places = self.places();
        if places.len() >= MOST {
            places.clear();
        }
        places
            .entry((issuer.to_owned(), chosen_by))
            .or_default()
            .clone()
    }

    /// The place stays: whoever waits there for a look-up has its outcome.
    fn forget(&self, issuer: &str, chosen_by: Destination, now: Duration) {
        let place = self.place(issuer, chosen_by);
        // Whoever holds it is looking it up.
        let Ok(mut known) = place.try_lock() else {
            return;
        };
        let lately = |at| now.saturating_sub(at) < DOUBTED_AFTER;
        if !known.doubted.is_some_and(lately) {
            *known = Known {
                entry: None,
                doubted: Some(now),
            };
        }
    }
}

impl Door {
    /// The token endpoint of an authorization server.
    pub(crate) async fn endpoint_of(
        &self,
        authority: &Authority,
        chosen_by: Destination,
    ) -> Result<Endpoint, Failure> {
        let issuer = match authority {
            Authority::Endpoint { url, issuer } => {
                return Ok(Endpoint {
                    url: url.clone(),
                    issuer: issuer.clone(),
                    destination: chosen_by,
                });
            }
            Authority::Issuer(issuer) => issuer,
        };
        let place = self.directory.place(issuer, chosen_by);
        let mut place = place.lock().await;
        let now = Moment::now(&*self.clock);
        if let Some(known) = &place.entry
            && now.monotonic < known.until
            && now.wall.since(known.found) < KEPT
        {
            return known.outcome.clone();
        }
        let outcome = discover_issuer(&*self.http, issuer, chosen_by).await;
        let now = Moment::now(&*self.clock);
        let kept = match &outcome {
            Ok(_) => KEPT,
            Err(failure) => failure.wait.unwrap_or(FAILURE_KEPT).min(KEPT),
        };
        place.entry = Some(Entry {
            until: now.monotonic.saturating_add(kept),
            found: now.wall,
            outcome: outcome.clone(),
        });
        outcome
    }

    /// Asking there failed in a way that a moved endpoint would explain.
    pub(crate) fn forget_endpoint(&self, authority: &Authority, chosen_by: Destination) {
        if let Authority::Issuer(issuer) = authority {
            let now = self.clock.monotonic();
            self.directory.forget(issuer, chosen_by, now);
        }
    }
}

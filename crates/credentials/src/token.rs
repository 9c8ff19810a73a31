//! A token and how long it is good for.

use std::time::Duration;

use http::HeaderValue;
use portcullis_aws::{AccessKeys, TemporaryKeys};
use portcullis_core::{AccessToken, Clock, Timestamp};
use portcullis_oauth::TokenResponse;

/// Kept back from every lifetime, so that a token does not end on its way.
const MARGIN: Duration = Duration::from_mins(1);
/// The lifetime of a token whose response names none.
const UNNAMED_LIFETIME: Duration = Duration::from_mins(5);
/// A token that ends within the margin serves those who waited for it and those who come in the
/// same second, so that the endpoint sees no more than one request a second.
const SHORTEST_USE: Duration = Duration::from_secs(1);
/// Shorter tokens are not refreshed ahead of time: it would double the requests.
const REFRESHED_AHEAD: Duration = Duration::from_secs(30);

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) wall: Timestamp,
    pub(crate) monotonic: Duration,
}

impl Moment {
    pub(crate) fn now(clock: &dyn Clock) -> Self {
        Self {
            wall: clock.now(),
            monotonic: clock.monotonic(),
        }
    }
}

/// What a token is, ready for use. Not `Debug`: it is the secret.
pub(crate) enum Presented {
    /// The value of `Authorization`.
    Bearer(HeaderValue),
    /// Keys that sign.
    AwsKeys(AccessKeys),
}

/// A token, or temporary keys.
pub(crate) struct Token {
    pub(crate) presented: Presented,
    pub(crate) fingerprint: [u8; 32],
    obtained: Moment,
    usable: Duration,
    /// A successor could last longer.
    renewable: bool,
}

impl Token {
    /// `requested` is the moment before the request was sent, when the lifetime cannot have begun
    /// later. `None` when the token does not fit into a header. `ends`: it is
    /// used no longer than until then.
    pub(crate) fn from_response(
        response: &TokenResponse,
        requested: Moment,
        ends: Option<Timestamp>,
    ) -> Option<Self> {
        let usable = response.expires_in.map_or(UNNAMED_LIFETIME, |lifetime| {
            lifetime.saturating_sub(MARGIN).max(SHORTEST_USE)
        });
        // What was got in exchange ends with what was given.
        let usable = ends.map_or(usable, |ends| usable.min(ends.since(requested.wall)));
        Some(Self {
            renewable: ends.is_none(),
            presented: Presented::Bearer(bearer(&response.access_token)?),
            fingerprint: response.access_token.fingerprint(),
            obtained: requested,
            usable,
        })
    }

    /// A token that another replica obtained. `None` when it does not fit into a header, or comes from a
    /// future that no two clocks are apart.
    pub(crate) fn shared(
        token: &AccessToken,
        obtained_at: Timestamp,
        usable: Duration,
        now: Moment,
    ) -> Option<Self> {
        if obtained_at.since(now.wall) > MARGIN {
            return None;
        }
        Some(Self {
            renewable: true,
            presented: Presented::Bearer(bearer(token)?),
            fingerprint: token.fingerprint(),
            obtained: Moment {
                wall: obtained_at,
                // As if it had been obtained here, as long ago as the wall clocks say.
                monotonic: now.monotonic.saturating_sub(now.wall.since(obtained_at)),
            },
            usable,
        })
    }

    /// Its text, when it was obtained and how long it is good from then on: what another replica needs.
    /// `None`: it is none that is shared.
    pub(crate) fn to_share(&self) -> Option<(String, Timestamp, Duration)> {
        let Presented::Bearer(value) = &self.presented else {
            return None;
        };
        let text = std::str::from_utf8(value.as_bytes()).ok()?;
        let token = text.strip_prefix("Bearer ")?;
        Some((token.to_owned(), self.obtained.wall, self.usable))
    }

    /// Keys that end.
    pub(crate) fn from_aws(temporary: TemporaryKeys, requested: Moment) -> Self {
        let lifetime = temporary.ends.since(requested.wall);
        Self {
            renewable: true,
            fingerprint: *temporary.keys.fingerprint(),
            presented: Presented::AwsKeys(temporary.keys),
            obtained: requested,
            usable: lifetime.saturating_sub(MARGIN).max(SHORTEST_USE),
        }
    }

    /// The greater of what both clocks say: a machine that slept is seen by the wall clock, a wall
    /// clock that was set back is seen through by the monotonic one.
    fn age(&self, now: Moment) -> Duration {
        let monotonic = now.monotonic.saturating_sub(self.obtained.monotonic);
        monotonic.max(now.wall.since(self.obtained.wall))
    }

    pub(crate) fn is_usable(&self, now: Moment) -> bool {
        self.age(now) < self.usable
    }

    /// Whether a successor should be fetched while this one still serves: at 80 % of its use.
    pub(crate) fn is_due(&self, now: Moment) -> bool {
        self.renewable && self.usable >= REFRESHED_AHEAD && self.age(now) >= self.usable / 5 * 4
    }
}

pub(crate) fn bearer(token: &AccessToken) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

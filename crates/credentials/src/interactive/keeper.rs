//! The token that is presented for one person at one server: theirs, or none.

use std::sync::Arc;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use portcullis_core::{PrincipalId, ServerId};
use portcullis_policy::{Evidence, Party};

use super::connections::{Connections, Inner};
use super::holder::Holder;
use super::place::{Granted, Live, Place};
use super::refresh::Renewed;
use super::row::Row;
use super::terms::AuthorizationCode;
use crate::CredentialErrorKind;
use crate::error::Failure;
use crate::token::Moment;

/// Whose token for what.
#[derive(Clone)]
pub(super) struct Wish {
    pub(super) principal: PrincipalId,
    pub(super) server: ServerId,
    pub(super) terms: Arc<AuthorizationCode>,
    pub(super) fingerprint: Arc<str>,
    /// Who has the principal's name now.
    pub(super) holder: Option<Holder>,
}

impl Wish {
    /// Whether a connection was made by whoever acts, under the terms of now.
    pub(super) fn is_met_by(&self, row: &Row) -> bool {
        row.is_of(&self.terms, &self.fingerprint) && row.holder == self.holder
    }
}

pub(super) const fn consent_required() -> Failure {
    Failure::new(CredentialErrorKind::ConsentRequired)
}

impl Connections {
    /// The header for whoever acts. Ourselves and strangers have no account anywhere.
    pub(crate) async fn present(
        &self,
        evidence: &Evidence,
        terms: &Arc<AuthorizationCode>,
    ) -> Result<((http::HeaderName, HeaderValue), Granted), Failure> {
        let Party::Principal(principal) = evidence.acting().party() else {
            return Err(consent_required());
        };
        let wish = Wish {
            holder: self.0.holder(&principal),
            principal,
            server: evidence.server().clone(),
            fingerprint: terms.fingerprint().into(),
            terms: Arc::clone(terms),
        };
        let live = self.0.live(&wish).await?;
        let granted = Granted {
            principal: wish.principal,
            fingerprint: live.fingerprint,
            account: live.row.account_mark(),
        };
        Ok(((AUTHORIZATION, live.bearer.clone()), granted))
    }
}

impl Inner {
    pub(super) fn moment(&self) -> Moment {
        Moment::now(&*self.door.clock)
    }

    async fn live(self: &Arc<Self>, wish: &Wish) -> Result<Arc<Live>, Failure> {
        let place = self.places().of(&wish.principal, &wish.server);
        let now = self.moment();
        let at_hand = place.current();
        if let Some(live) = at_hand.filter(|live| live.serves(wish, now)) {
            return Ok(live);
        }
        let (inner, wish) = (Arc::clone(self), wish.clone());
        // A caller who leaves must not leave a rotated token behind.
        let settled = self
            .tasks
            .spawn(async move { inner.settle(&place, &wish).await });
        settled
            .await
            .map_err(|error| Failure::new(CredentialErrorKind::Unavailable).because(error))?
    }

    async fn settle(self: &Arc<Self>, place: &Place, wish: &Wish) -> Result<Arc<Live>, Failure> {
        let _turn = if let Ok(turn) = Arc::clone(&place.turn).try_lock_owned() {
            turn
        } else {
            // Somebody renews it; what is at hand serves as long as it is good.
            let (now, at_hand) = (self.moment(), place.current());
            let good = |live: &Arc<Live>| {
                live.is_believed(now)
                    && wish.is_met_by(&live.row)
                    && live.row.is_usable(&wish.terms, now.wall)
            };
            if let Some(live) = at_hand.filter(good) {
                return Ok(live);
            }
            Arc::clone(&place.turn).lock_owned().await
        };
        let live = self.looked_at(place, wish).await?;
        let now = self.moment();
        if live.row.is_usable(&wish.terms, now.wall)
            && (!live.row.is_due(&wish.terms, now.wall) || live.is_paused(now))
        {
            return Ok(live);
        }
        if let Some(failure) = place.failure(live.version, now) {
            return if live.row.is_usable(&wish.terms, now.wall) {
                Ok(live)
            } else {
                Err(failure)
            };
        }
        let renewed = self.renew(place, wish, &live, false).await?;
        if let Renewed::NotNow(failure) = &renewed {
            place.fail(live.version, failure, self.moment());
        }
        match renewed {
            Renewed::Good(live) => Ok(live),
            Renewed::Over => Err(consent_required()),
            Renewed::NotNow(_) if live.row.is_usable(&wish.terms, now.wall) => {
                // It was read anew meanwhile.
                let live = place.current().unwrap_or(live);
                live.pause(now);
                Ok(live)
            }
            Renewed::NotNow(failure) => Err(failure),
        }
    }

    /// The connection as it is in the store now, made under these terms and not over.
    pub(super) async fn looked_at(&self, place: &Place, wish: &Wish) -> Result<Arc<Live>, Failure> {
        let now = self.moment();
        let live = match place.current() {
            Some(live) if live.is_believed(now) => live,
            known => {
                let version = match &known {
                    None => None,
                    Some(_) => self
                        .stores
                        .connections
                        .version(&wish.principal, &wish.server)
                        .await
                        .map_err(Failure::of_store)?,
                };
                match known.filter(|live| version == Some(live.version)) {
                    Some(live) => {
                        live.believe(now);
                        live
                    }
                    None => self.loaded(place, wish).await?,
                }
            }
        };
        if live.row.over || !wish.is_met_by(&live.row) {
            return Err(consent_required());
        }
        Ok(live)
    }

    /// Read anew, whatever is at hand.
    pub(super) async fn loaded(&self, place: &Place, wish: &Wish) -> Result<Arc<Live>, Failure> {
        place.put(None);
        let now = self.moment();
        let found = self.read(&wish.principal, &wish.server).await?;
        let (row, version) = found.ok_or_else(consent_required)?;
        let live = Live::new(row, version, now);
        let live = Arc::new(live.ok_or_else(consent_required)?);
        place.put(Some(Arc::clone(&live)));
        Ok(live)
    }
}

//! What becomes of a credential that its server refused.

use std::sync::Arc;

use http::HeaderValue;
use portcullis_core::ScopeSet;
use portcullis_oauth::Challenge;

use super::authorization_server::terms_of;
use super::connections::{Connections, Inner};
use super::keeper::{Wish, consent_required};
use super::place::Granted;
use super::refresh::Renewed;
use super::row::Row;
use super::scopes::joined;
use crate::ServerAuth;
use crate::error::Failure;

/// How a server refused a request.
#[derive(Clone, Copy, Debug)]
pub enum Refusal<'a> {
    /// It does not take the credential: 401, or ended keys of AWS.
    Credential {
        /// `WWW-Authenticate`
        challenge: &'a [HeaderValue],
        /// Whether another credential was refused for the same request before.
        again: bool,
    },
    /// It takes the credential, but not for this: 403.
    Operation {
        /// `WWW-Authenticate`
        challenge: &'a [HeaderValue],
    },
}

impl Refusal<'_> {
    /// The scopes that are missing, all of them (RFC 6750 §3.1).
    fn missing(&self) -> Option<ScopeSet> {
        let Self::Operation { challenge } = self else {
            return None;
        };
        let challenge = Challenge::parse_bearer(*challenge)?;
        let scopes = challenge.scope.filter(|scopes| !scopes.is_empty())?;
        (challenge.error == Some("insufficient_scope")).then_some(scopes)
    }
}

impl Connections {
    /// Whether asking again can help, because another token is at hand; an error is what is told
    /// instead of the refusal.
    pub(crate) async fn rejected(
        &self,
        auth: &ServerAuth,
        granted: &Granted,
        refusal: Refusal<'_>,
    ) -> Result<bool, Failure> {
        let Some(terms) = terms_of(auth) else {
            return Ok(false);
        };
        let wish = Wish {
            holder: self.0.holder(&granted.principal),
            principal: granted.principal.clone(),
            server: auth.server.clone(),
            fingerprint: terms.fingerprint().into(),
            terms: Arc::clone(terms),
        };
        let fingerprint = granted.fingerprint;
        let inner = Arc::clone(&self.0);
        let task = match refusal {
            Refusal::Credential { again, .. } => self
                .0
                .tasks
                .spawn(async move { inner.refused(&wish, &fingerprint, again).await }),
            Refusal::Operation { .. } => {
                let Some(missing) = refusal.missing() else {
                    return Ok(false);
                };
                self.0
                    .tasks
                    .spawn(async move { inner.short_of(&wish, &missing).await })
            }
        };
        task.await
            .map_err(|error| Failure::new(crate::CredentialErrorKind::Unavailable).because(error))?
    }
}

impl Inner {
    /// After a 401: a token is renewed once; whoever refuses a fresh one too wants another consent, perhaps
    /// at another authorization server, which the next flow finds out.
    async fn refused(
        self: &Arc<Self>,
        wish: &Wish,
        fingerprint: &[u8; 32],
        again: bool,
    ) -> Result<bool, Failure> {
        let place = self.places().of(&wish.principal, &wish.server);
        let _turn = Arc::clone(&place.turn).lock_owned().await;
        let live = self.loaded(&place, wish).await?;
        if live.row.over {
            return Err(consent_required());
        }
        if live.fingerprint != *fingerprint {
            // Somebody renewed it meanwhile.
            return Ok(!again);
        }
        // Perhaps another authorization server is the right one by now.
        self.finds.doubt(&wish.server);
        let (account, now) = (live.row.account_mark(), self.moment());
        let renewed = if again || live.row.refresh.is_none() {
            if !live.row.may_ask_again(now.wall) {
                place.refuse(account, now.monotonic);
                return Ok(false);
            }
            self.over(&place, wish, &live).await?
        } else if place.is_refused(&account, now.monotonic) {
            return Ok(false);
        } else {
            self.renew(&place, wish, &live, true).await?
        };
        match renewed {
            Renewed::Good(_) => Ok(!again),
            Renewed::Over => Err(consent_required()),
            Renewed::NotNow(failure) => Err(failure),
        }
    }

    /// After a 403 with scopes the connection stays as good as it was for everything else.
    async fn short_of(&self, wish: &Wish, missing: &ScopeSet) -> Result<bool, Failure> {
        let place = self.places().of(&wish.principal, &wish.server);
        let _turn = Arc::clone(&place.turn).lock_owned().await;
        let live = self.loaded(&place, wish).await?;
        let row = &live.row;
        let written = &wish.terms.scopes;
        // The file says what may be asked for, and it was.
        let nothing_more =
            !written.is_empty() && (!written.covers(missing) || row.requested.covers(missing));
        if nothing_more || !row.may_ask_again(self.door.clock.now()) {
            return Ok(false);
        }
        // More than anybody is asked for is no reason to ask.
        if joined(&row.wanted, missing).is_none() {
            return Ok(false);
        }
        // Beside a refresh that another replica is at: what it writes stays.
        let account = row.account_mark();
        let wanting = |row: &Row| {
            let wanted = joined(&row.wanted, missing).filter(|wanted| *wanted != row.wanted)?;
            (row.account_mark() == account).then(|| Row {
                wanted,
                ..row.clone()
            })
        };
        self.followed(&place, wish, Arc::clone(&live), wanting)
            .await?;
        Err(consent_required())
    }
}

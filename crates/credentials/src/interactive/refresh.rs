//! Renewing a token before it ends: by one replica, and kept before it is used, because a refresh
//! token that was rotated and lost ends the connection.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{AccessToken, RefreshToken, Sha256, Timestamp, hex};
use portcullis_oauth::{TokenRequest, TokenResponse};

use super::client::Source;
use super::connections::Inner;
use super::keeper::{Wish, consent_required};
use super::place::{Live, Place};
use super::row::Row;
use super::terms::AuthorizationCode;
use crate::document::Answer;
use crate::error::Failure;
use crate::token_endpoint::{Endpoint, check, read};
use crate::{CredentialErrorKind, TokenClient};

/// Longer than any request takes; a replica that died in one is waited for no longer.
const LEASE: Duration = Duration::from_mins(1);
/// How often a replica looks whether another one is done, and how many times.
const LOOKS_EVERY: Duration = Duration::from_millis(100);
const LOOKS: usize = 350;
/// How often a change is made anew because another one came first.
const TRIES: usize = 16;

/// What renewing came to.
pub(super) enum Renewed {
    /// This is what is presented from now on.
    Good(Arc<Live>),
    /// Nothing but a new consent helps.
    Over,
    /// Nothing was decided; trying later may help.
    NotNow(Failure),
}

/// What a change of the row came to.
pub(super) struct Followed {
    renewed: Renewed,
    /// Whether it is in the store.
    written: bool,
}

/// What a refresh request came to.
enum Fresh {
    /// With the moment before it was asked for.
    Response(Box<TokenResponse>, Timestamp),
    /// The authorization server does not know the grant, or us, any more.
    Refused,
    Broken(Failure),
}

impl Inner {
    /// Renews what is at hand, or finds out that somebody did. The place's turn is held. A token that
    /// its server refused serves nobody, however long it would be good: `is_refused` waits.
    pub(super) async fn renew(
        self: &Arc<Self>,
        place: &Place,
        wish: &Wish,
        live: &Arc<Live>,
        is_refused: bool,
    ) -> Result<Renewed, Failure> {
        if live.row.refresh.is_none() {
            return self.over(place, wish, live).await;
        }
        let name = lease_name(wish);
        // One name for each time: two tasks of one replica are two, too.
        let holder = self.secret()?;
        for _ in 0..LOOKS {
            let now = self.door.clock.now();
            let until = now.after(LEASE);
            let leases = &self.stores.leases;
            let acquired = leases.acquire(&name, &holder, now, until).await;
            if acquired.map_err(Failure::of_store)? {
                let renewed = self.renew_alone(place, wish, live.version).await;
                // One that is not given back ends by itself.
                if let Err(error) = leases.release(&name, &holder).await {
                    tracing::warn!(%error, "a lease was not given back");
                }
                return renewed;
            }
            let current = self.loaded(place, wish).await?;
            if current.version != live.version {
                return Ok(judged(current, wish));
            }
            if !is_refused && current.row.is_usable(&wish.terms, self.door.clock.now()) {
                return Ok(Renewed::NotNow(unavailable()));
            }
            tokio::time::sleep(LOOKS_EVERY).await;
        }
        Ok(Renewed::NotNow(unavailable()))
    }

    async fn renew_alone(
        self: &Arc<Self>,
        place: &Place,
        wish: &Wish,
        version: u64,
    ) -> Result<Renewed, Failure> {
        let current = self.loaded(place, wish).await?;
        if current.version != version {
            return Ok(judged(current, wish));
        }
        let (response, requested_at) = match self.refresh(wish, &current.row).await {
            Fresh::Response(response, requested_at) => (*response, requested_at),
            Fresh::Refused => return self.over(place, wish, &current).await,
            Fresh::Broken(failure) if failure.kind == CredentialErrorKind::RuleBroken => {
                // The account is another one than the operator wants; the old token may be too.
                self.over(place, wish, &current).await?;
                return Err(failure);
            }
            Fresh::Broken(failure) => return Ok(Renewed::NotNow(failure)),
        };
        // Somebody may write beside us what is no token, and must not undo what came of a refresh
        // token that is used up now.
        let (account, spent) = (current.row.account_mark(), current.row.refresh.clone());
        let fresh = |row: &Row| {
            let same = row.account_mark() == account
                && row.refresh.as_ref().map(RefreshToken::expose)
                    == spent.as_ref().map(RefreshToken::expose);
            same.then(|| {
                let mut row = row.clone();
                row.take(response.clone(), &wish.terms, requested_at);
                row
            })
        };
        let followed = self.followed(place, wish, current.clone(), fresh).await;
        let is_lost = match &followed {
            Ok(followed) => !followed.written,
            // Removed meanwhile. After any other failure it may be there all the same.
            Err(failure) => failure.kind == CredentialErrorKind::ConsentRequired,
        };
        if is_lost {
            let why = "their connection ended while they were renewed";
            self.give_back_fresh(wish, &current.row, response.clone(), why);
        }
        followed.map(|followed| followed.renewed)
    }

    /// Gives back what a refresh brought, and nothing of what was there before: that has its own end.
    fn give_back_fresh(
        self: &Arc<Self>,
        wish: &Wish,
        before: &Row,
        response: TokenResponse,
        why: &'static str,
    ) {
        let fresh = Row {
            access: response.access_token,
            refresh: response.refresh_token,
            ..before.clone()
        };
        self.give_back(&wish.terms, &wish.server, fresh, why);
    }

    /// Changes what is there, as it is by then; `None` of the change: that is not what it is for, and
    /// what is there counts.
    pub(super) async fn followed(
        &self,
        place: &Place,
        wish: &Wish,
        mut live: Arc<Live>,
        change: impl Fn(&Row) -> Option<Row> + Send,
    ) -> Result<Followed, Failure> {
        let came_to = |renewed, written| Followed { renewed, written };
        for _ in 0..TRIES {
            let Some(row) = change(&live.row) else {
                return Ok(came_to(judged(live, wish), false));
            };
            let (principal, server) = (&wish.principal, &wish.server);
            let written = self.follow(principal, server, &row, live.version).await?;
            if let Some(version) = written {
                let live = Live::new(row, version, self.moment()).ok_or_else(consent_required)?;
                let live = Arc::new(live);
                place.put(Some(Arc::clone(&live)));
                return Ok(came_to(judged(live, wish), true));
            }
            live = self.loaded(place, wish).await?;
        }
        Ok(came_to(Renewed::NotNow(unavailable()), false))
    }

    /// The connection is good for nothing any more. It stays where it is, so that its person sees
    /// that there was one, and what it was for.
    pub(super) async fn over(
        &self,
        place: &Place,
        wish: &Wish,
        live: &Arc<Live>,
    ) -> Result<Renewed, Failure> {
        tracing::info!(
            mcp.server.id = %wish.server,
            principal = %wish.principal,
            "a connection is over; its person has to connect again"
        );
        let token = live.fingerprint;
        let account = live.row.account_mark();
        let over = |row: &Row| {
            let same = AccessToken::fingerprint(&row.access) == token;
            (same && row.account_mark() == account && !row.over).then(|| Row {
                over: true,
                ..row.clone()
            })
        };
        let followed = self.followed(place, wish, Arc::clone(live), over).await?;
        Ok(followed.renewed)
    }

    /// What a refresh token is worth, and in which words: no rule was looked at yet.
    pub(super) async fn redeemed(
        &self,
        terms: &AuthorizationCode,
        row: &Row,
        client: &TokenClient,
        token: &RefreshToken,
    ) -> Result<(TokenResponse, Answer), Failure> {
        let endpoint = Endpoint {
            url: row.token_endpoint.clone(),
            issuer: row.named_issuer.clone(),
            destination: terms.trust().destination(&row.token_endpoint),
        };
        let (clock, entropy) = (&*self.door.clock, &*self.door.entropy);
        let form = client.authenticate(&endpoint, clock, entropy, |client| {
            TokenRequest::refresh(client, token, row.resource.as_deref())
        })?;
        let answer = self.door.posted(form, &endpoint).await?;
        let response = read(&answer, TokenResponse::parse)?;
        Ok((response, answer))
    }

    async fn refresh(self: &Arc<Self>, wish: &Wish, row: &Row) -> Fresh {
        let Some(token) = &row.refresh else {
            return Fresh::Refused;
        };
        // The file has another client now: what this one was granted is nothing to that one.
        let Some(client) = row.client.able(&wish.terms) else {
            return Fresh::Refused;
        };
        let requested_at = self.door.clock.now();
        let asked = async {
            let (response, answer) = self.redeemed(&wish.terms, row, &client, token).await?;
            if let Err(failure) = check(&wish.terms.rules, &answer, &client.client_id) {
                self.give_back_fresh(wish, row, response, "they break token_validation");
                return Err(failure);
            }
            Ok(response)
        };
        let failure: Failure = match asked.await {
            Ok(response) => {
                return Fresh::Response(Box::new(response), requested_at);
            }
            Err(failure) => failure,
        };
        if failure.says("invalid_client") {
            let forgotten = self.forget_client(&row.client, &row.issuer, &row.redirect_uri);
            if let Err(failure) = forgotten.await {
                return Fresh::Broken(failure);
            }
        }
        let of_client = failure.says("invalid_client") || failure.says("unauthorized_client");
        let is_gone = of_client && matches!(row.client.source, Source::Registered(_));
        if is_gone || failure.says("invalid_grant") {
            return Fresh::Refused;
        }
        if of_client {
            // Says nothing of anybody's grant: a secret that is being changed on one side only would
            // end the connections of everybody.
            tracing::error!(
                mcp.server.id = %wish.server,
                client_id = row.client.id,
                kind = %failure.kind,
                "the authorization server refuses our client: look at client_id and client_secret; connections stay, and are not renewed until then"
            );
        }
        tracing::warn!(mcp.server.id = %wish.server, kind = %failure.kind, "no fresh token");
        Fresh::Broken(failure)
    }
}

/// What is there now, as the one who waits for it needs it.
fn judged(live: Arc<Live>, wish: &Wish) -> Renewed {
    if live.row.over || !wish.is_met_by(&live.row) {
        Renewed::Over
    } else {
        Renewed::Good(live)
    }
}

const fn unavailable() -> Failure {
    Failure::new(CredentialErrorKind::Unavailable)
}

/// Without the names themselves: a lease's name is written to logs of databases.
fn lease_name(wish: &Wish) -> String {
    let digest = Sha256::new()
        .part(wish.principal.as_str().as_bytes())
        .part(wish.server.as_str().as_bytes())
        .finish();
    format!("upstream-refresh/{}", hex(&digest))
}

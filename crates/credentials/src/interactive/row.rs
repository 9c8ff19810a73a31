//! One connection, as it is sealed: opened at another place than its own, it is nothing.

use std::time::Duration;

use portcullis_core::{
    AccessToken, PrincipalId, RefreshToken, ScopeSet, ServerId, Sha256, Timestamp,
};
use portcullis_oauth::TokenResponse;
use portcullis_store::ConnectionRecord;
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::client::{self, Client};
use super::connections::Inner;
use super::holder::Holder;
use super::terms::AuthorizationCode;
use crate::error::Failure;

const TABLE: &str = "connections";
const COLUMN: &str = "grant";

/// A token is renewed this long before it ends, a short-lived one a fifth of its life before.
const AHEAD: Duration = Duration::from_mins(1);

/// How long a consent counts among those that servers asked for one after the other.
const REMEMBERED: Duration = Duration::from_hours(1);
/// Most consents of one person for one server within that time that a refusal of the server may lead
/// to: the first, and two more. Whoever refuses what its own authorization server granted would ask
/// for ever.
const MOST_CONSENTS: usize = 3;

/// What one person granted us at one server.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Who held the principal's name when it was made, where a name can get another holder.
    pub(crate) holder: Option<Holder>,
    /// Under which terms.
    pub(crate) terms: String,
    /// At which authorization server: what our clients there are kept by.
    pub(crate) issuer: String,
    /// Its issuer, which our assertions are for; `None`: the file wrote its endpoints, and no issuer.
    pub(crate) named_issuer: Option<String>,
    pub(crate) token_endpoint: Url,
    pub(crate) revocation_endpoint: Option<Url>,
    pub(crate) redirect_uri: String,
    /// To which client of ours.
    pub(crate) client: Client,
    /// `resource`
    pub(crate) resource: Option<String>,
    pub(crate) requested: ScopeSet,
    /// What the server said that it granted, where that differs.
    pub(crate) granted: Option<ScopeSet>,
    pub(crate) access: AccessToken,
    pub(crate) refresh: Option<RefreshToken>,
    pub(crate) obtained_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) connected_at: Timestamp,
    pub(crate) account: Option<String>,
    /// Nothing but a new consent helps.
    pub(crate) over: bool,
    /// Scopes that the server asked for since.
    pub(crate) wanted: ScopeSet,
    /// When consents were given lately.
    pub(crate) consents: Vec<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    holder: Option<String>,
    terms: String,
    issuer: String,
    named_issuer: Option<String>,
    token_endpoint: Url,
    revocation_endpoint: Option<Url>,
    redirect_uri: String,
    client: client::Wire,
    resource: Option<String>,
    requested: String,
    granted: Option<String>,
    access: String,
    refresh: Option<String>,
    obtained_at: i64,
    expires_at: Option<i64>,
    connected_at: i64,
    account: Option<String>,
    over: bool,
    wanted: String,
    consents: Vec<i64>,
}

impl Row {
    fn to_text(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let wire = Wire {
            holder: self.holder.map(Holder::to_text),
            terms: self.terms.clone(),
            issuer: self.issuer.clone(),
            named_issuer: self.named_issuer.clone(),
            token_endpoint: self.token_endpoint.clone(),
            revocation_endpoint: self.revocation_endpoint.clone(),
            redirect_uri: self.redirect_uri.clone(),
            client: (&self.client).into(),
            resource: self.resource.clone(),
            requested: self.requested.to_string(),
            granted: self.granted.as_ref().map(ScopeSet::to_string),
            access: self.access.expose().to_owned(),
            refresh: self.refresh.as_ref().map(|token| token.expose().to_owned()),
            obtained_at: self.obtained_at.as_millis(),
            expires_at: self.expires_at.map(Timestamp::as_millis),
            connected_at: self.connected_at.as_millis(),
            account: self.account.clone(),
            over: self.over,
            wanted: self.wanted.to_string(),
            consents: self.consents.iter().map(|at| at.as_millis()).collect(),
        };
        let text = serde_json::to_vec(&wire).map_err(Failure::of_defect)?;
        Ok(Zeroizing::new(text))
    }

    fn of_text(text: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(text).ok()?;
        Some(Self {
            holder: match wire.holder {
                Some(holder) => Some(Holder::of_text(&holder)?),
                None => None,
            },
            terms: wire.terms,
            issuer: wire.issuer,
            named_issuer: wire.named_issuer,
            token_endpoint: wire.token_endpoint,
            revocation_endpoint: wire.revocation_endpoint,
            redirect_uri: wire.redirect_uri,
            client: wire.client.into(),
            resource: wire.resource,
            requested: wire.requested.parse().ok()?,
            granted: match wire.granted {
                Some(granted) => Some(granted.parse().ok()?),
                None => None,
            },
            access: AccessToken::new(wire.access),
            refresh: wire.refresh.map(RefreshToken::new),
            obtained_at: Timestamp::from_millis(wire.obtained_at),
            expires_at: wire.expires_at.map(Timestamp::from_millis),
            connected_at: Timestamp::from_millis(wire.connected_at),
            account: wire.account,
            over: wire.over,
            wanted: wire.wanted.parse().ok()?,
            consents: wire
                .consents
                .into_iter()
                .map(Timestamp::from_millis)
                .collect(),
        })
    }

    /// Takes over what a token response brought. `requested_at` is before the request was sent, when
    /// the token's life cannot have begun later.
    pub(crate) fn take(
        &mut self,
        response: TokenResponse,
        terms: &AuthorizationCode,
        requested_at: Timestamp,
    ) {
        let life = match (response.lifetime, terms.storage_ttl) {
            (Some(named), Some(most)) => Some(named.min(most)),
            (named, most) => named.or(most),
        };
        self.access = response.access_token;
        // Whoever does not rotate leaves the old one in force (RFC 6749 §6).
        if let Some(refresh) = response.refresh_token {
            self.refresh = Some(refresh);
        }
        if let Some(scope) = response.scope {
            self.granted = Some(scope);
        }
        self.obtained_at = requested_at;
        self.expires_at = life.map(|life| requested_at.after(life));
    }

    /// Tells one consent from the next, whatever is renewed in between.
    pub(crate) fn account_mark(&self) -> [u8; 32] {
        Sha256::new()
            .part(self.issuer.as_bytes())
            .part(self.client.id.as_bytes())
            .part(&self.connected_at.as_millis().to_be_bytes())
            .part(&self.consents.len().to_be_bytes())
            .finish()
    }

    /// Whether it was made under these terms, and for no more than they ask for. A file that asks for
    /// more finds out at the server that it is not enough.
    pub(crate) fn is_of(&self, terms: &AuthorizationCode, fingerprint: &str) -> bool {
        let scopes = &terms.scopes;
        self.terms == fingerprint && (scopes.is_empty() || scopes.covers(&self.requested))
    }

    /// When the token ends: as its server said, and no later than the operator wants it now.
    fn ends(&self, terms: &AuthorizationCode) -> Option<Timestamp> {
        let most = terms.storage_ttl.map(|most| self.obtained_at.after(most));
        match (self.expires_at, most) {
            (Some(said), Some(most)) => Some(said.min(most)),
            (said, most) => said.or(most),
        }
    }

    /// Whether the token may be presented.
    pub(crate) fn is_usable(&self, terms: &AuthorizationCode, now: Timestamp) -> bool {
        !self.over && self.ends(terms).is_none_or(|ends| now < ends)
    }

    /// Whether it is time for its successor, where it can have one.
    pub(crate) fn is_due(&self, terms: &AuthorizationCode, now: Timestamp) -> bool {
        let ends = self.ends(terms).filter(|_| self.refresh.is_some());
        ends.is_some_and(|ends| {
            let ahead = AHEAD.min(ends.since(self.obtained_at) / 5);
            now >= ends.before(ahead)
        })
    }

    /// The consents that still count.
    pub(crate) fn lately(&self, now: Timestamp) -> Vec<Timestamp> {
        let counted = |at: &&Timestamp| now.since(**at) < REMEMBERED;
        let mut lately: Vec<_> = self.consents.iter().filter(counted).copied().collect();
        let old = lately.len().saturating_sub(MOST_CONSENTS);
        lately.drain(..old);
        lately
    }

    /// Whether a refusal of the server may lead to another consent.
    pub(crate) fn may_ask_again(&self, now: Timestamp) -> bool {
        self.lately(now).len() < MOST_CONSENTS
    }
}

/// The row of a place: lengths keep names apart that end where others begin.
fn place(principal: &PrincipalId, server: &ServerId) -> String {
    let (principal, server) = (principal.as_str(), server.as_str());
    format!("{} {principal} {server}", principal.len())
}

impl Inner {
    /// What is at a place, and its version. What does not open was not sealed for it: it is as if
    /// nothing were there, and somebody should look who moved it. Nor is there anything for somebody
    /// who has the name of whoever made the connection, and is another.
    pub(super) async fn read(
        &self,
        principal: &PrincipalId,
        server: &ServerId,
    ) -> Result<Option<(Row, u64)>, Failure> {
        let found = self.stores.connections.get(principal, server).await;
        let Some(record) = found.map_err(Failure::of_store)? else {
            return Ok(None);
        };
        let version = record.version;
        let holder = self.holder(principal);
        let own = self.opened_row(record)?.filter(|row| row.holder == holder);
        Ok(own.map(|row| (row, version)))
    }

    /// What a record says, whoever has its principal's name now.
    pub(super) fn opened_row(&self, record: ConnectionRecord) -> Result<Option<Row>, Failure> {
        let (principal, server) = (&record.principal, &record.server);
        let text = self.unsealed(TABLE, &place(principal, server), COLUMN, record.sealed)?;
        let row = text.and_then(|text| Row::of_text(&text));
        if row.is_none() {
            tracing::error!(
                mcp.server.id = %server,
                principal = %principal,
                "a stored connection does not open: it was moved here from another row, or damaged; whose it is has to connect again"
            );
        }
        Ok(row)
    }

    fn sealed(
        &self,
        principal: &PrincipalId,
        server: &ServerId,
        row: &Row,
    ) -> Result<ConnectionRecord, Failure> {
        let text = row.to_text()?;
        let place = place(principal, server);
        let sealed = self.ring.seal_row(TABLE, &place, COLUMN, &text);
        Ok(ConnectionRecord {
            principal: principal.clone(),
            server: server.clone(),
            sealed: sealed.map_err(Failure::of_seal)?.as_bytes().to_vec(),
            version: self.version()?,
        })
    }

    /// Writes a connection that was just made, and returns what it replaces: its tokens serve nobody any
    /// more. What does not open is gone all the same.
    pub(super) async fn write(
        &self,
        principal: &PrincipalId,
        server: &ServerId,
        row: &Row,
    ) -> Result<Option<Row>, Failure> {
        let record = self.sealed(principal, server, row)?;
        let written = self.stores.connections.put(&record).await;
        let former = written.map_err(Failure::of_store)?;
        self.places().forget(principal, server);
        Ok(former.and_then(|record| self.opened_row(record).ok().flatten()))
    }

    /// Writes the state that follows another; `None`: that one is not there any more.
    pub(super) async fn follow(
        &self,
        principal: &PrincipalId,
        server: &ServerId,
        row: &Row,
        follows: u64,
    ) -> Result<Option<u64>, Failure> {
        let record = self.sealed(principal, server, row)?;
        let replaced = self.stores.connections.replace(&record, follows).await;
        let replaced = replaced.map_err(Failure::of_store)?;
        Ok(replaced.then_some(record.version))
    }
}

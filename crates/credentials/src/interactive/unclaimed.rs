//! Connections that nobody can use any more: of servers that are not in the file, and of people whose key
//! has ended. They are kept for a while, because a file is mended and a server comes back; then they go,
//! and their tokens are given back.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use portcullis_core::{PrincipalId, ServerId, Timestamp};
use portcullis_store::{ConnectionPlace, PageRequest, StoreError};

use super::authorization_server::terms_of;
use super::connections::Connections;
use crate::ServerAuth;

/// How long nobody may claim a connection before it goes.
const GRACE: Duration = Duration::from_hours(30 * 24);
/// Since when nobody claims what: one named value for all replicas.
const SINCE: &str = "connections-unclaimed-since";
/// One replica looks at a time, and no other before this is over.
const LEASE: &str = "connections-unclaimed";
const LOOKS_EVERY: Duration = Duration::from_mins(50);
/// Connections that are looked at in one go.
const PAGE: usize = 500;
/// Most connections that end in one look; the rest ends in the next ones.
const AT_ONCE: usize = super::giving_back::AT_A_TIME;

/// Who still has a claim to a connection.
pub struct Claims {
    /// The servers of the file, and how they are authenticated to.
    pub servers: HashMap<ServerId, ServerAuth>,
    /// Whether nobody can be this principal again.
    pub has_ended: Box<dyn Fn(&PrincipalId) -> bool + Send + Sync>,
}

impl Claims {
    /// What is not there any more of those whose connection this is.
    fn lost(&self, place: &ConnectionPlace) -> Option<String> {
        let auth = self.servers.get(&place.server);
        if auth.and_then(terms_of).is_none() {
            return Some(format!("server {}", place.server));
        }
        (self.has_ended)(&place.principal).then(|| format!("principal {}", place.principal))
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("servers", &self.servers.len())
            .finish_non_exhaustive()
    }
}

impl Connections {
    /// Ends the connections that nobody has claimed for thirty days, and says how many. At once with other
    /// replicas, one of them does.
    pub async fn tidy(&self, claims: &Claims) -> Result<usize, StoreError> {
        let (inner, now) = (&self.0, self.0.door.clock.now());
        let Ok(holder) = inner.secret() else {
            return Ok(0);
        };
        let until = now.after(LOOKS_EVERY);
        if !inner
            .stores
            .leases
            .acquire(LEASE, &holder, now, until)
            .await?
        {
            return Ok(0);
        }
        let known = inner.stores.meta.get(SINCE).await?;
        let before: BTreeMap<String, i64> = known
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        let (mut since, mut over) = (BTreeMap::new(), Vec::new());
        let mut request = PageRequest::first(PAGE);
        loop {
            let page = inner.stores.connections.places(&request).await?;
            for place in page.items {
                let Some(lost) = claims.lost(&place) else {
                    continue;
                };
                let first = before.get(&lost).copied().unwrap_or(now.as_millis());
                since.insert(lost, first);
                if Timestamp::from_millis(first).after(GRACE) <= now && over.len() < AT_ONCE {
                    over.push(place);
                }
            }
            match page.next {
                Some(after) => request.after = Some(after),
                None => break,
            }
        }
        let text = serde_json::to_vec(&since);
        let text = text.map_err(|error| StoreError::corrupt("connections.tidy", error))?;
        inner.stores.meta.put(SINCE, &text).await?;
        let mut ended = 0;
        for place in over {
            ended += usize::from(self.end_unclaimed(claims, &place).await?);
        }
        Ok(ended)
    }

    /// Ends every connection to a server that was taken away, and says how many; `auth` is how it was
    /// authenticated to, if that is known: tokens are given back then.
    pub async fn end_server(
        &self,
        server: &ServerId,
        auth: Option<&ServerAuth>,
    ) -> Result<usize, StoreError> {
        let (mut ended, mut request) = (0, PageRequest::first(PAGE));
        loop {
            let page = self.0.stores.connections.places(&request).await?;
            for place in page.items.iter().filter(|place| place.server == *server) {
                let Some(record) = self.0.stores.connections.remove_state(place).await? else {
                    continue;
                };
                ended += 1;
                self.0.places().forget(&place.principal, &place.server);
                if let Ok(Some(row)) = self.0.opened_row(record) {
                    let terms = auth.and_then(terms_of).cloned();
                    let why = "their server was taken away";
                    self.0.give_back_by(terms, &place.server, row, why);
                }
            }
            match page.next {
                Some(after) => request.after = Some(after),
                None => return Ok(ended),
            }
        }
    }

    async fn end_unclaimed(
        &self,
        claims: &Claims,
        place: &ConnectionPlace,
    ) -> Result<bool, StoreError> {
        let removed = self.0.stores.connections.remove_state(place).await?;
        let Some(record) = removed else {
            return Ok(false);
        };
        self.0.places().forget(&place.principal, &place.server);
        tracing::info!(mcp.server.id = %place.server, principal = %place.principal, "a connection that nobody has claimed for thirty days was ended");
        let terms = claims.servers.get(&place.server).and_then(terms_of);
        if let Ok(Some(row)) = self.0.opened_row(record) {
            let why = "nobody claims their connection";
            self.0.give_back_by(terms.cloned(), &place.server, row, why);
        }
        Ok(true)
    }
}

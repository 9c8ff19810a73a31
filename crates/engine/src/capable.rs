//! Tools that a server of sessions lists only to clients that declared enough, because they ask a client
//! something. The registry is asked for without any capability and does not know them: before such a name is
//! unknown, it is looked for in what the server lists in its caller's own session.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::{ServerId, Shares};
use portcullis_mcp::{ClientCapabilities, Members, Method, digest_of};
use portcullis_policy::{Acting, Evidence, OnDrift, Operation, Party, authorize_service};
use portcullis_upstream::{SessionWish, UpstreamErrorKind};
use serde_json::value::RawValue;

use crate::aggregate::{Asker, SHARE};
use crate::catalog::{Kind, Page, bad_answer, failed, own_params, rpc_code};
use crate::error::EngineError;
use crate::exchange::Speech;
use crate::gateway::Gateway;
use crate::pins::{Listed, Sighted};
use crate::routing::{Claim, claims};
use crate::snapshot::ServerEntry;
use crate::view::View;

/// How long a name is believed that was listed, and how often one is looked for that was not.
const FRESH: Duration = Duration::from_mins(1);
const RETRY: Duration = Duration::from_secs(1);
/// Most sessions of which it is remembered, of all parties together and of one.
const MOST: usize = 1024;
const MOST_OF_ONE: usize = 64;
/// Most pages and names of one list.
const MOST_PAGES: usize = 100;
const MOST_NAMES: usize = 10_000;
/// Most bytes of the names that are kept of one list.
const MOST_BYTES: usize = 512 * 1024;

/// Whose session: a server lists by what was declared to it.
type Key = (ServerId, Acting, SessionWish);
/// What was listed there, and when; held while it is asked for.
type Seen = Arc<tokio::sync::Mutex<Option<(Duration, HashSet<String>)>>>;

/// The names that servers list in sessions.
#[derive(Debug)]
pub(crate) struct SessionTools(Mutex<Shares<Party, Key, Seen>>);

impl Default for SessionTools {
    fn default() -> Self {
        Self(Mutex::new(Shares::new(MOST, MOST_OF_ONE)))
    }
}

impl SessionTools {
    fn kept(&self) -> MutexGuard<'_, Shares<Party, Key, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, key: &Key) -> Seen {
        let mut kept = self.kept();
        let owner = key.1.party();
        if let Some(seen) = kept.get(&owner, key) {
            return Arc::clone(seen);
        }
        let seen = Seen::default();
        kept.insert(&owner, key.clone(), Arc::clone(&seen));
        seen
    }
}

impl Gateway {
    /// The server and own name of a tool that the registry does not know; `None`: it is unknown. Whether
    /// the caller may use it, the policy says, as of any other.
    pub(crate) async fn resolve_in_session(
        self: &Arc<Self>,
        view: &View,
        asker: Asker<'_>,
        name: &str,
    ) -> Option<(Arc<ServerEntry>, String)> {
        for (entry, claim) in claims(view, name) {
            let limit = SHARE.min(entry.upstream.server().timeout);
            let looked = self.lists_in_session(view, entry, asker, name, &claim);
            let looked = tokio::time::timeout(limit, looked)
                .await
                .unwrap_or_else(|_| Err(failed(entry, UpstreamErrorKind::Timeout)));
            match looked {
                Ok(Some(own)) => return Some((Arc::clone(entry), own)),
                Ok(None) => {}
                Err(error) => {
                    tracing::info!(mcp.server.id = %entry.id, error = %error, "tools not listed in a caller's session");
                    // Of several the first owns the name: if it cannot say, the next would be a guess.
                    return None;
                }
            }
        }
        None
    }

    async fn lists_in_session(
        self: &Arc<Self>,
        view: &View,
        entry: &Arc<ServerEntry>,
        asker: Asker<'_>,
        name: &str,
        claim: &Claim<'_>,
    ) -> Result<Option<String>, EngineError> {
        let Ok(mut permit) = view.authorize(entry, Operation::Use) else {
            return Ok(None);
        };
        if entry.auth.discovery.is_some() {
            // The caller may use it; what it lists, it is asked in our own name.
            permit = authorize_service(&entry.id);
        }
        let evidence = permit.evidence();
        let Some(wish) = self.session_of(entry, evidence, asker).await? else {
            return Ok(None);
        };
        let key = (entry.id.clone(), evidence.acting().clone(), wish);
        let seen = self.session_tools.of(&key);
        let mut seen = seen.lock().await;
        if let Some((at, names)) = &*seen {
            let found = claim.own_among(entry, name, names);
            let age = self.clock.monotonic().saturating_sub(*at);
            if age < if found.is_some() { FRESH } else { RETRY } {
                return Ok(found);
            }
        }
        let (_, _, wish) = key;
        let names = self.names_in_session(entry, evidence, wish).await?;
        let found = claim.own_among(entry, name, &names);
        *seen = Some((self.clock.monotonic(), names));
        drop(seen);
        Ok(found)
    }

    /// The session that the caller's requests go into; `None` where none does, or where the registry was
    /// shown the same.
    async fn session_of(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        asker: Asker<'_>,
    ) -> Result<Option<SessionWish>, EngineError> {
        if entry.upstream.opened_no_session_last() {
            return Ok(None);
        }
        let wish = match asker {
            Asker::Session(client) => client.wish(entry.upstream.server().push)?,
            Asker::Stateless(_) if self.speaks_modern(entry, evidence).await? => return Ok(None),
            Asker::Stateless(declared) => crate::modern::wish(entry, declared)?,
        };
        Ok(Some(wish).filter(|wish| wish.capabilities != ClientCapabilities::none()))
    }

    /// Pins what the registry does not know, and holds it against its pin. Where what is not pinned is
    /// withheld, what cannot be held against anything is not there.
    async fn sighted_in_session(
        &self,
        entry: &ServerEntry,
        named: &[(String, &RawValue)],
    ) -> Result<(), EngineError> {
        let known = entry.catalog.seen(Kind::Tools);
        let is_known = |one: &Sighted<'_>| {
            let item = known.as_ref().and_then(|known| known.get(one.name));
            item.is_some_and(|item| item.digest == one.digest)
        };
        let seen: Vec<Sighted<'_>> = named
            .iter()
            .map(|(name, raw)| Sighted {
                name,
                raw,
                digest: digest_of(raw),
            })
            .filter(|one| !is_known(one))
            .collect();
        let written = self
            .pins
            .sight(&entry.id, entry.on_drift, &seen, Listed::ToCaller);
        if let Err(error) = written.await {
            tracing::error!(
                mcp.server.id = %entry.id,
                error = &error as &dyn std::error::Error,
                "what a server lists in a session is not compared with what is pinned"
            );
            if entry.on_drift == OnDrift::Block {
                return Err(EngineError::PinsUnavailable);
            }
        }
        Ok(())
    }

    async fn names_in_session(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        wish: SessionWish,
    ) -> Result<HashSet<String>, EngineError> {
        let method = Method::ToolsList;
        let speech = Speech::Legacy(wish, None);
        let mut names = HashSet::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let params = own_params(false, cursor.as_deref());
            let text = self
                .ask(entry, evidence, &speech, method, &params, None)
                .await?;
            let Some(page) = Page::read(&text, method) else {
                return match rpc_code(&text) {
                    Some(portcullis_mcp::code::METHOD_NOT_FOUND) => Ok(names),
                    _ => Err(bad_answer(entry)),
                };
            };
            let named: Vec<(String, &RawValue)> = page
                .items
                .into_iter()
                .filter_map(|raw| {
                    let tool = Members::of(raw).ok()?;
                    Some((tool.string("name")?.into_owned(), raw))
                })
                .collect();
            self.sighted_in_session(entry, &named).await?;
            names.extend(named.into_iter().map(|(name, _)| name));
            let bytes: usize = names.iter().map(String::len).sum();
            if names.len() > MOST_NAMES || bytes > MOST_BYTES {
                return Err(bad_answer(entry));
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(names),
            }
        }
        Err(bad_answer(entry))
    }
}

//! One token for all replicas: whoever needs it first fetches it, the others find it, sealed under the ring.
//!
//! It saves requests and decides nothing: where the place of shared tokens cannot be asked, or what is in it
//! does not open, each replica fetches its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{AccessToken, Clock, Entropy, Timestamp, hex};
use portcullis_store::{LeaseStore, SharedTokenRecord, SharedTokenStore, StoreError};
use portcullis_vault::{KeyRing, MacPurpose, SealedBox};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::slot::{Outcome, Slot};
use crate::token::{Moment, Token};

const TABLE: &str = "shared_tokens";
const COLUMN: &str = "token";

/// A replica that died while it fetched is waited for no longer.
const LEASE: Duration = Duration::from_secs(10);
/// How often a replica looks whether the one that fetches is done, and how many times: then it fetches too.
const LOOKS_EVERY: Duration = Duration::from_millis(50);
const LOOKS: usize = 60;

/// Where replicas find each other's tokens.
#[derive(Clone)]
pub struct SharedTokens {
    /// The tokens, sealed.
    pub store: Arc<dyn SharedTokenStore>,
    /// Who of all fetches one.
    pub leases: Arc<dyn LeaseStore>,
    /// What seals them, and names their places so that nobody else can say what they are for.
    pub ring: Arc<KeyRing>,
}

/// What a look came to.
enum Look {
    Found(Arc<Token>),
    Nothing,
}

/// One token's place.
pub(crate) struct SharedPlace<'s> {
    shared: &'s SharedTokens,
    key: [u8; 32],
    clock: &'s dyn Clock,
    entropy: &'s dyn Entropy,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    token: String,
    obtained_at: i64,
    usable_ms: u64,
}

impl SharedTokens {
    /// The place of the token that depends on this.
    pub(crate) fn place<'s>(
        &'s self,
        depends_on: &[u8; 32],
        clock: &'s dyn Clock,
        entropy: &'s dyn Entropy,
    ) -> SharedPlace<'s> {
        SharedPlace {
            shared: self,
            key: self.ring.mac(MacPurpose::SharedToken, &[depends_on]),
            clock,
            entropy,
        }
    }
}

impl SharedPlace<'_> {
    /// The token that another replica fetched, or the one that `fetch` brings.
    pub(crate) async fn token_or<F>(&self, slot: &Slot, fetch: F) -> Outcome
    where
        F: AsyncFnOnce() -> Outcome,
    {
        match self.found_or_leased(slot).await {
            Ok(Leased::Found(token)) => Ok(token),
            Ok(Leased::Ours(holder)) => {
                let outcome = fetch().await;
                if let Ok(token) = &outcome {
                    told("kept", self.put(token).await);
                }
                let released = self.shared.leases.release(&self.lease(), &holder).await;
                told("given back", released);
                outcome
            }
            Ok(Leased::Waited) => fetch().await,
            Err(error) => {
                told("looked for", Err(error));
                fetch().await
            }
        }
    }

    async fn found_or_leased(&self, slot: &Slot) -> Result<Leased, StoreError> {
        let mut random = [0_u8; 16];
        if self.entropy.fill(&mut random).is_err() {
            return Ok(Leased::Waited);
        }
        let holder = hex(&random);
        for _ in 0..LOOKS {
            if let Look::Found(token) = self.look(slot).await? {
                return Ok(Leased::Found(token));
            }
            let now = self.clock.now();
            let (name, until) = (self.lease(), now.after(LEASE));
            let leases = &self.shared.leases;
            if leases.acquire(&name, &holder, now, until).await? {
                // Whoever had it before may have been done a moment ago.
                let looked = self.look(slot).await;
                if let Ok(Look::Nothing) = looked {
                    return Ok(Leased::Ours(holder));
                }
                told("given back", leases.release(&name, &holder).await);
                if let Look::Found(token) = looked? {
                    return Ok(Leased::Found(token));
                }
            }
            tokio::time::sleep(LOOKS_EVERY).await;
        }
        Ok(Leased::Waited)
    }

    /// What is there, if it can be used and is not what was refused here.
    async fn look(&self, slot: &Slot) -> Result<Look, StoreError> {
        let now = Moment::now(self.clock);
        let Some(sealed) = self.shared.store.get(&self.key, now.wall).await? else {
            return Ok(Look::Nothing);
        };
        let token = self.open(&sealed, now);
        let token = token.filter(|token| !slot.was_rejected(&token.fingerprint));
        let Some(token) = token else {
            // Refused, or none of ours: it is in everybody's way.
            self.shared.store.forget(&self.key, &sealed).await?;
            return Ok(Look::Nothing);
        };
        if token.is_due(now) || !token.is_usable(now) {
            return Ok(Look::Nothing);
        }
        Ok(Look::Found(Arc::new(token)))
    }

    async fn put(&self, token: &Token) -> Result<(), StoreError> {
        const OPERATION: &str = "shared_tokens.put";
        let Some((text, obtained_at, usable)) = token.to_share() else {
            return Ok(());
        };
        let wire = Wire {
            token: text,
            obtained_at: obtained_at.as_millis(),
            usable_ms: u64::try_from(usable.as_millis()).unwrap_or(u64::MAX),
        };
        let text = serde_json::to_vec(&wire).map(Zeroizing::new);
        let text = text.map_err(|error| StoreError::corrupt(OPERATION, error))?;
        let sealed = self
            .shared
            .ring
            .seal_row(TABLE, &hex(&self.key), COLUMN, &text)
            .map_err(|error| StoreError::unavailable(OPERATION, error))?;
        let record = SharedTokenRecord {
            key: self.key,
            sealed: sealed.as_bytes().to_vec(),
            expires_at: obtained_at.after(usable),
        };
        self.shared.store.put(&record, self.clock.now()).await
    }

    fn open(&self, sealed: &[u8], now: Moment) -> Option<Token> {
        let sealed = SealedBox::from_bytes(sealed.to_vec());
        let ring = &self.shared.ring;
        let text = ring
            .open_row(TABLE, &hex(&self.key), COLUMN, &sealed)
            .ok()?;
        let wire: Wire = serde_json::from_slice(&text).ok()?;
        let obtained_at = Timestamp::from_millis(wire.obtained_at);
        let usable = Duration::from_millis(wire.usable_ms);
        Token::shared(&AccessToken::new(wire.token), obtained_at, usable, now)
    }

    fn lease(&self) -> String {
        format!("token/{}", hex(&self.key))
    }
}

/// It harms nobody: the token is fetched once more somewhere.
fn told(what: &'static str, done: Result<(), StoreError>) {
    if let Err(error) = done {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "a shared token was not {what}"
        );
    }
}

/// Who fetches.
enum Leased {
    /// Nobody has to.
    Found(Arc<Token>),
    /// We do, alone, under this name.
    Ours(String),
    /// Whoever does takes too long.
    Waited,
}

impl fmt::Debug for SharedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedTokens")
    }
}

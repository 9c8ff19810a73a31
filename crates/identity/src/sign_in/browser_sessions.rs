//! Browsers in which somebody is signed in.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{
    Clock, Entropy, EntropyUnavailable, Purpose, SealError, Sealer, SecretValue, Sha256, Timestamp,
};
use portcullis_store::{SessionStore, StoreError, TerminatedSession};
use serde::{Deserialize, Serialize};

use crate::{Person, Proved};

/// Longest sealed session: with the cookie's name and attributes a browser keeps 4,096 bytes (RFC
/// 6265 §6.1), and drops a longer one without a word.
const LONGEST: usize = 3_700;

/// Begins, opens and ends sessions of browsers. Every replica opens what any of them sealed.
#[derive(Clone, Debug)]
pub struct BrowserSessions {
    pub(super) sealer: Arc<dyn Sealer>,
    ended: Arc<dyn SessionStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    ttl: Duration,
}

/// A session that stands at this moment.
#[derive(Clone, Debug)]
pub struct BrowserSession {
    /// Who signed in.
    pub person: Person,
    /// When it ends by itself.
    pub ends: Timestamp,
    /// When its cookie stops to open, whatever is configured.
    sealed_until: Timestamp,
}

/// What the cookie holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    person: Person,
    ends: Timestamp,
}

/// A session can neither be begun nor judged: the closed answer.
#[derive(Debug, thiserror::Error)]
pub enum NoSession {
    /// The store does not say whether it was ended.
    #[error("the store does not say which sessions were ended")]
    Store(#[from] StoreError),
    /// The key ring cannot be used.
    #[error("the session cannot be sealed")]
    Seal(#[from] SealError),
    /// The random source failed.
    #[error("the random source failed")]
    Entropy(#[from] EntropyUnavailable),
    /// What is known of the person does not fit into a cookie.
    #[error(
        "what the provider says of the person takes {0} bytes, more than a cookie may have: let \
         `identity.login.claims.groups` name a claim with fewer groups"
    )]
    TooLarge(usize),
    /// What is known of the person cannot be written down.
    #[error("the session cannot be written")]
    Unwritable(#[from] serde_json::Error),
}

impl BrowserSessions {
    /// Sessions of this length, of which the store says which were ended.
    pub fn new(
        sealer: Arc<dyn Sealer>,
        ended: Arc<dyn SessionStore>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        ttl: Duration,
    ) -> Self {
        Self {
            sealer,
            ended,
            clock,
            entropy,
            ttl,
        }
    }

    /// How long a session lasts.
    pub const fn ttl(&self) -> Duration {
        self.ttl
    }

    /// A new session with an id of its own, whatever the browser had before (no fixation), and the
    /// value of its cookie.
    pub fn begin(&self, proved: Proved) -> Result<(BrowserSession, SecretValue), NoSession> {
        let mut id = [0_u8; 32];
        self.entropy.fill(&mut id)?;
        let now = self.clock.now();
        let session = BrowserSession {
            person: Person {
                session: URL_SAFE_NO_PAD.encode(id),
                signed_in_at: now,
                proved,
            },
            ends: now.after(self.ttl),
            sealed_until: now.after(self.ttl),
        };
        let text = serde_json::to_vec(&Sealed {
            person: session.person.clone(),
            ends: session.ends,
        })?;
        let purpose = Purpose::BrowserSession;
        let sealed = self.sealer.seal(purpose, b"", session.ends, &text)?;
        if sealed.len() > LONGEST {
            return Err(NoSession::TooLarge(sealed.len()));
        }
        Ok((session, SecretValue::new(sealed)))
    }

    /// The session of a cookie. `None`: it is forged, over or ended, which is the same to everybody.
    pub async fn open(&self, cookie: &str) -> Result<Option<BrowserSession>, NoSession> {
        if cookie.len() > LONGEST {
            return Ok(None);
        }
        let now = self.clock.now();
        let purpose = Purpose::BrowserSession;
        let text = match self.sealer.open(purpose, b"", now, cookie) {
            Ok(text) => text,
            Err(SealError::Invalid | SealError::Expired) => return Ok(None),
            Err(error @ SealError::Unavailable) => return Err(error.into()),
        };
        let Ok(Sealed {
            person,
            ends: sealed_until,
        }) = serde_json::from_slice(&text)
        else {
            return Ok(None);
        };
        // A shorter life that was configured since counts too.
        let ends = sealed_until.min(person.signed_in_at.after(self.ttl));
        if now >= ends || self.ended.is_terminated(&digest(&person.session)).await? {
            return Ok(None);
        }
        Ok(Some(BrowserSession {
            person,
            ends,
            sealed_until,
        }))
    }

    /// Ends a session on every replica. Repeating it changes nothing.
    pub async fn end(&self, session: &BrowserSession) -> Result<(), NoSession> {
        let ended = TerminatedSession {
            digest: digest(&session.person.session),
            // A longer life may be configured later; the seal's own end cannot be changed.
            expires_at: session.sealed_until.after(Duration::from_hours(1)),
        };
        Ok(self.ended.terminate(&ended).await?)
    }
}

/// Sessions of MCP clients are in the same list, by the digest of their sealed ids.
fn digest(session: &str) -> [u8; 32] {
    Sha256::new()
        .part(b"browser session")
        .part(session.as_bytes())
        .finish()
}

//! Making, listing and lifting revocations, for `/v1/revocations` and the command line.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{
    Clock, Entropy, ErrorKind, KeyId, Principal, RevocationId, Role, Timestamp, hex,
};
use portcullis_store::{
    ApiKeyStore, Inserted, Lifted, Page, PageRequest, RevocationRecord, RevocationStore,
    RevokedTarget, StoreError, StoreErrorKind,
};
use portcullis_vault::KeyRing;

use crate::Revocations;
use crate::revocation_seal::{is_genuine, revocation_seal};

/// Longest name in an entry: no credential that fits into a request's head has a longer one.
const LONGEST_NAME: usize = 8192;
/// How long a session stays refused after its grant is over.
const PAST_THE_END: Duration = Duration::from_mins(10);
/// Who ends sessions of our own authorization server's: no principal has this id.
const OURSELVES: &str = "authorization-server";
/// Longest reason.
const LONGEST_REASON: usize = 1024;

/// What shall be refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoke {
    /// A key: the id of a store key, or `file:` and the id of one in the file.
    Key(KeyId),
    /// The keys that act for this user.
    User(String),
    /// One token of an issuer, by its `jti`.
    Token {
        /// `iss`.
        issuer: String,
        /// `jti`.
        jti: String,
    },
    /// The tokens of one session at an issuer, by its `sid`.
    Session {
        /// `iss`.
        issuer: String,
        /// `sid`.
        sid: String,
    },
    /// The tokens about one subject of an issuer.
    Subject {
        /// `iss`.
        issuer: String,
        /// `sub`.
        sub: String,
    },
    /// All tokens of an issuer.
    Issuer(String),
}

impl Revoke {
    fn names(&self) -> Vec<&str> {
        match self {
            Self::Key(id) => vec![id.as_str()],
            Self::User(name) | Self::Issuer(name) => vec![name],
            Self::Token { issuer, jti: name }
            | Self::Session { issuer, sid: name }
            | Self::Subject { issuer, sub: name } => vec![issuer, name],
        }
    }

    /// The issuer whose tokens are meant.
    pub fn issuer(&self) -> Option<&str> {
        match self {
            Self::Key(_) | Self::User(_) => None,
            Self::Token { issuer, .. }
            | Self::Session { issuer, .. }
            | Self::Subject { issuer, .. }
            | Self::Issuer(issuer) => Some(issuer),
        }
    }
}

/// What a new entry shall be.
#[derive(Clone, Debug)]
pub struct NewRevocation {
    /// What it refuses.
    pub what: Revoke,
    /// The cut-off where several credentials are meant; `None`: now, and for tokens as much later as
    /// their issuer's clock may be ahead, because one that was issued by now may say so.
    pub before: Option<Timestamp>,
    /// When it ends; `None`: with the key that it refuses, if that ends. No moment is known at which
    /// every token is dead: one that does not say when it was issued may say any end.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
}

/// What becomes of a wish to lift a row that is not as it was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Altered {
    /// It is refused.
    Refuse,
    /// The row is lifted, whatever it named.
    Lift,
}

/// An entry as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedRevocation {
    /// As it was made.
    Sound(RevocationRecord),
    /// Its row is not as it was sealed; it may have said something else.
    Altered(RevocationRecord),
    /// Its row cannot be read.
    Unreadable(RevocationId),
}

/// A wish about revocations that was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum RevocationError {
    /// Not for this principal.
    #[error("revocations are for administrators")]
    Forbidden,
    /// There is no such entry in force.
    #[error("no such revocation is in force")]
    NotFound,
    /// Its row is not as it was sealed.
    #[error(
        "this revocation's row is not as it was sealed: it may have named something else; revoke \
         that anew where it can be known, and lift the row by saying that it is altered"
    )]
    Altered,
    /// There is no such key; who mistyped it would believe it revoked.
    #[error(
        "there is no such key: say the id that `keys list` shows, or file: and an id of the file"
    )]
    UnknownKey,
    /// Nobody believes this issuer's tokens; who mistyped it would believe them revoked.
    #[error("no such issuer is trusted: say it character by character as identity.issuers does")]
    UnknownIssuer,
    /// It cannot mean anything.
    #[error("{0}")]
    Invalid(&'static str),
    /// The store is broken.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No random numbers.
    #[error("no random numbers")]
    Entropy,
}

impl RevocationError {
    /// How a surface reports it.
    pub const fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Forbidden => ErrorKind::Forbidden,
            Self::NotFound => ErrorKind::NotFound,
            Self::Altered => ErrorKind::Conflict,
            Self::UnknownKey | Self::UnknownIssuer | Self::Invalid(_) => ErrorKind::Invalid,
            Self::Store(error) => error.error_kind(),
            Self::Entropy => ErrorKind::Unavailable,
        }
    }
}

/// The revocation list, to those who may change it.
#[derive(Clone, Debug)]
pub struct RevocationAdmin {
    store: Arc<dyn RevocationStore>,
    keys: Arc<dyn ApiKeyStore>,
    list: Arc<Revocations>,
    ring: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl RevocationAdmin {
    /// Administers this store; what is changed here is in force in `list` at once.
    pub fn new(
        store: Arc<dyn RevocationStore>,
        keys: Arc<dyn ApiKeyStore>,
        list: Arc<Revocations>,
        ring: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            store,
            keys,
            list,
            ring,
            clock,
            entropy,
        }
    }

    /// Refuses something from now on. `known` says whether a key of the file or an issuer is one of the
    /// configuration's, and how far the issuer's clock may differ.
    pub async fn add(
        &self,
        new: NewRevocation,
        known: impl Fn(&Revoke) -> Option<Duration> + Send,
        by: &Principal,
    ) -> Result<RevocationRecord, RevocationError> {
        may(by)?;
        check(&new)?;
        let now = self.clock.now();
        if new.until.is_some_and(|until| until <= now) {
            return Err(RevocationError::Invalid("until is over already"));
        }
        let known = known(&new.what);
        let leeway = known.unwrap_or_default();
        let of_tokens = new.before.unwrap_or_else(|| now.after(leeway));
        let (target, end) = match new.what {
            Revoke::Key(id) => {
                let end = match known {
                    Some(_) => None,
                    None => self.key_end(&id).await?,
                };
                (RevokedTarget::Key { id }, end)
            }
            Revoke::User(user_id) => {
                let before = new.before.unwrap_or(now);
                (RevokedTarget::User { user_id, before }, None)
            }
            _ if known.is_none() => return Err(RevocationError::UnknownIssuer),
            Revoke::Token { issuer, jti } => (RevokedTarget::Token { issuer, jti }, None),
            Revoke::Session { issuer, sid } => (RevokedTarget::Session { issuer, sid }, None),
            Revoke::Subject { issuer, sub } => {
                let before = of_tokens;
                let target = RevokedTarget::Subject {
                    issuer,
                    sub,
                    before,
                };
                (target, None)
            }
            Revoke::Issuer(issuer) => {
                let before = of_tokens;
                (RevokedTarget::Issuer { issuer, before }, None)
            }
        };
        self.put(target, new.reason, new.until.or(end), by.id.as_str())
            .await
    }

    /// Refuses the tokens of one session of our own authorization server's, until they are all over.
    /// Nobody's right is asked about: whoever ends a grant has seen that it may be ended.
    pub(crate) async fn end_session(
        &self,
        issuer: &str,
        sid: &str,
        until: Timestamp,
        why: &str,
    ) -> Result<(), RevocationError> {
        let target = RevokedTarget::Session {
            issuer: issuer.to_owned(),
            sid: sid.to_owned(),
        };
        // Clocks differ, and tokens are believed for a while after their end.
        let until = Some(until.after(PAST_THE_END));
        self.put(target, Some(why.to_owned()), until, OURSELVES)
            .await
            .map(drop)
    }

    async fn put(
        &self,
        target: RevokedTarget,
        reason: Option<String>,
        until: Option<Timestamp>,
        by: &str,
    ) -> Result<RevocationRecord, RevocationError> {
        let now = self.clock.now();
        let mut record = RevocationRecord {
            id: self.new_id(now)?,
            target,
            reason,
            created_at: now,
            created_by: by.to_owned(),
            until,
            lifted: None,
            seal: [0; 32],
        };
        record.seal = revocation_seal(&self.ring, &record);
        if self.store.add(&record).await? != Inserted::Stored {
            return Err(RevocationError::Entropy);
        }
        self.list.learn(record.clone()).await;
        Ok(record)
    }

    /// When a store key ends by itself.
    async fn key_end(&self, id: &KeyId) -> Result<Option<Timestamp>, RevocationError> {
        match self.keys.get(id).await {
            Ok(None) => Err(RevocationError::UnknownKey),
            Ok(Some(record)) => Ok(record.expires_at),
            // It exists, and being damaged must not save it.
            Err(error) if error.kind == StoreErrorKind::Corrupt => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// In order of their making, so that the newest stand at the end of the last page.
    fn new_id(&self, now: Timestamp) -> Result<RevocationId, RevocationError> {
        let mut random = [0_u8; 6];
        self.entropy
            .fill(&mut random)
            .map_err(|_| RevocationError::Entropy)?;
        let id = format!("rv-{:012x}-{}", now.as_millis().max(0), hex(&random));
        Ok(RevocationId::from(id))
    }

    /// Whether the list that callers are judged by is fresh enough to let any of them in.
    pub fn is_fresh(&self) -> bool {
        self.list.is_fresh()
    }

    /// What is in force.
    pub async fn list(
        &self,
        page: &PageRequest,
        by: &Principal,
    ) -> Result<Page<ListedRevocation>, RevocationError> {
        may(by)?;
        let page = self.store.list(self.clock.now(), page).await?;
        let listed = |read| match read {
            Ok(record) if is_genuine(&self.ring, &record) => ListedRevocation::Sound(record),
            Ok(record) => ListedRevocation::Altered(record),
            Err(portcullis_store::UnreadableRevocation { id, .. }) => {
                ListedRevocation::Unreadable(id)
            }
        };
        Ok(Page {
            items: page.items.into_iter().map(listed).collect(),
            next: page.next,
        })
    }

    /// Takes an entry back before its time: what it refused is believed again, if nothing else
    /// refuses it. A row that is not as it was sealed may have named something else: it is lifted as it
    /// stands only for those who say so, and whoever has read the real one goes on refusing that.
    pub async fn lift(
        &self,
        id: &RevocationId,
        altered: Altered,
        by: &Principal,
    ) -> Result<RevocationRecord, RevocationError> {
        may(by)?;
        let found = self.store.get(id).await?;
        let now = self.clock.now();
        let genuine = found
            .as_ref()
            .is_none_or(|record| is_genuine(&self.ring, record));
        if !genuine && altered == Altered::Refuse {
            return Err(RevocationError::Altered);
        }
        let mut record = found
            // An end that somebody else wrote is not in force.
            .filter(|record| !genuine || record.until.is_none_or(|until| now < until))
            .ok_or(RevocationError::NotFound)?;
        let lifted = Lifted {
            at: now,
            by: by.id.as_str().to_owned(),
        };
        record.lifted = Some(lifted.clone());
        record.seal = revocation_seal(&self.ring, &record);
        if !self.store.lift(id, &lifted, &record.seal).await? {
            return Err(RevocationError::NotFound);
        }
        self.list.learn(record.clone()).await;
        Ok(record)
    }
}

fn may(by: &Principal) -> Result<(), RevocationError> {
    if by.role < Role::Admin {
        return Err(RevocationError::Forbidden);
    }
    Ok(())
}

fn check(new: &NewRevocation) -> Result<(), RevocationError> {
    let names = new.what.names();
    if names.iter().any(|name| name.is_empty()) {
        return Err(RevocationError::Invalid("a name is empty"));
    }
    if names.iter().any(|name| name.len() > LONGEST_NAME) {
        return Err(RevocationError::Invalid("a name is too long"));
    }
    let reason = new.reason.as_deref().unwrap_or_default();
    if reason.len() > LONGEST_REASON {
        return Err(RevocationError::Invalid("the reason is too long"));
    }
    let one = matches!(
        new.what,
        Revoke::Key(_) | Revoke::Token { .. } | Revoke::Session { .. }
    );
    if one && new.before.is_some() {
        return Err(RevocationError::Invalid(
            "before is a cut-off for a sub, a user or a whole issuer",
        ));
    }
    Ok(())
}

//! Keys that the operator wrote into the configuration file.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::{
    ApiKey, Clock, ErrorKind, KeyId, Principal, PrincipalId, PrincipalKind, Role, ScopeSet,
    ServerGrants, Sha256, Timestamp,
};

use crate::person::StillHeld;
use crate::{
    Authenticated, Authenticator, AuthnError, AuthnErrorKind, KeyHolder, Presented, Revoke,
};

/// One key of the configuration file.
#[derive(Clone, Debug)]
pub struct FileKey {
    /// Its name in the file: public, unique.
    pub name: KeyId,
    /// How it is recognised.
    pub secret: FileKeySecret,
    /// The user that it acts for.
    pub user_id: Option<String>,
    /// Team.
    pub team: Option<String>,
    /// Organization.
    pub org: Option<String>,
    /// Rights over the gateway.
    pub role: Role,
    /// Which servers it sees.
    pub grants: ServerGrants,
    /// OAuth scopes that it carries.
    pub scopes: ScopeSet,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// A key in the file, in the clear or hashed.
#[derive(Clone)]
pub enum FileKeySecret {
    /// The key itself, or what a secret reference led to.
    Plain(ApiKey),
    /// Its SHA-256, so that the file holds no secret. Only for keys of high entropy.
    Sha256([u8; 32]),
}

impl std::fmt::Debug for FileKeySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKeySecret(redacted)")
    }
}

impl FileKeySecret {
    /// `sha256:<64 hexadecimal digits>` is a hash, everything else is the key itself. `None`: it says
    /// `sha256:` and is no such hash.
    pub fn parse(text: &str) -> Option<Self> {
        let Some(digits) = text.strip_prefix("sha256:") else {
            return Some(Self::Plain(ApiKey::new(text)));
        };
        let mut digest = [0_u8; 32];
        let mut nibbles = digits.chars().map(|digit| digit.to_digit(16));
        for byte in &mut digest {
            let (high, low) = (nibbles.next()??, nibbles.next()??);
            *byte = u8::try_from(high << 4 | low).ok()?;
        }
        nibbles.next().is_none().then_some(Self::Sha256(digest))
    }

    fn fingerprint(&self) -> [u8; 32] {
        match self {
            Self::Plain(key) => key.fingerprint(),
            Self::Sha256(digest) => *digest,
        }
    }
}

/// The file's keys cannot be used together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileKeyError {
    /// An empty key would recognise nobody, or everybody.
    #[error("key `{0}` is empty")]
    Empty(KeyId),
    /// A name must lead to one key.
    #[error("there are two keys named `{0}`")]
    DuplicateName(KeyId),
    /// A key must lead to one name.
    #[error("keys `{0}` and `{1}` have the same value")]
    DuplicateValue(KeyId, KeyId),
}

impl FileKeyError {
    /// The file is wrong.
    pub const fn error_kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// Recognises the file's keys, whatever they look like.
#[derive(Debug)]
pub struct FileKeys {
    keys: HashMap<[u8; 32], Arc<Principal>>,
    clock: Arc<dyn Clock>,
}

impl FileKeys {
    /// Compiles the list.
    pub fn new(keys: Vec<FileKey>, clock: Arc<dyn Clock>) -> Result<Self, FileKeyError> {
        let mut names = HashSet::new();
        let mut compiled: HashMap<[u8; 32], Arc<Principal>> = HashMap::new();
        for key in keys {
            if matches!(&key.secret, FileKeySecret::Plain(key) if key.expose().trim().is_empty()) {
                return Err(FileKeyError::Empty(key.name));
            }
            if !names.insert(key.name.clone()) {
                return Err(FileKeyError::DuplicateName(key.name));
            }
            let fingerprint = key.secret.fingerprint();
            if let Some(other) = compiled.get(&fingerprint) {
                let other = KeyId::from(other.subject.as_ref());
                return Err(FileKeyError::DuplicateValue(other, key.name));
            }
            compiled.insert(fingerprint, Arc::new(principal(key)));
        }
        Ok(Self {
            keys: compiled,
            clock,
        })
    }

    fn in_time(&self, principal: &Arc<Principal>) -> Result<Arc<Principal>, AuthnErrorKind> {
        let end = principal.expires_at;
        if end.is_some_and(|end| self.clock.now() >= end) {
            return Err(AuthnErrorKind::Expired);
        }
        Ok(Arc::clone(principal))
    }
}

impl FileKey {
    /// Ids of store keys hold no colon: a file key cannot take the place of one.
    pub fn principal_id(&self) -> PrincipalId {
        PrincipalId::from(format!("key:file:{}", self.name))
    }

    /// Tells who has the name from whoever has it after them: the person, where the file says who that
    /// is, whose key may be changed; else the key itself.
    pub fn holder(&self) -> [u8; 32] {
        match &self.user_id {
            Some(person) => Sha256::new()
                .part(b"person")
                .part(person.as_bytes())
                .finish(),
            None => Sha256::new()
                .part(b"key")
                .part(&self.secret.fingerprint())
                .finish(),
        }
    }
}

fn principal(key: FileKey) -> Principal {
    Principal {
        id: key.principal_id(),
        subject: Arc::from(key.name.as_str()),
        kind: PrincipalKind::ApiKey,
        user_id: key.user_id.map(Arc::from),
        client_id: None,
        email: None,
        team: key.team.map(Arc::from),
        org: key.org.map(Arc::from),
        groups: BTreeSet::new(),
        scopes: key.scopes,
        key_id: Some(key.name),
        issuer: None,
        role: key.role,
        grants: key.grants,
        expires_at: key.expires_at,
        marks: portcullis_core::CredentialMarks::default(),
        subject_kind: portcullis_core::SubjectKind::Holder,
        levels: Vec::new(),
    }
}

#[async_trait]
impl Authenticator for FileKeys {
    fn knows(&self, what: &Revoke) -> Option<Duration> {
        let Revoke::Key(id) = what else { return None };
        let id = format!("key:{id}");
        let mut keys = self.keys.values();
        keys.any(|key| key.id.as_str() == id)
            .then_some(Duration::ZERO)
    }

    async fn authenticate(
        &self,
        presented: &Presented,
    ) -> Result<Option<Authenticated>, AuthnError> {
        // A look-up by hash tells nobody anything by its time: what it compares are fingerprints.
        let Some(principal) = self.keys.get(presented.fingerprint()) else {
            return Ok(None);
        };
        let principal = self.in_time(principal)?;
        Ok(Some(Authenticated { principal }))
    }

    async fn still(&self, holder: &KeyHolder) -> StillHeld {
        let principal = self.keys.get(&holder.fingerprint)?;
        (principal.id == holder.principal).then(|| self.in_time(principal))
    }

    fn named(&self, name: &str) -> StillHeld {
        let mut keys = self.keys.values();
        let principal = keys.find(|key| key.subject.as_ref() == name)?;
        Some(self.in_time(principal))
    }
}

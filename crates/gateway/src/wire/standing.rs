//! Whether the principal behind an open stream still stands.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use portcullis_config::Config;
use portcullis_core::{Clock, Principal, PrincipalKind, Role, ServerGrants, Timestamp};
use portcullis_engine::Standing;
use portcullis_identity::{KeyIndex, certificate_id};

/// Streams look every second; after this long none that was opened before a change is left.
const NOTICE: Duration = Duration::from_secs(5);

/// The store's keys through their index, the file's keys and issuers through what the last reload
/// changed.
#[derive(Debug)]
pub(super) struct Standings {
    index: Arc<KeyIndex>,
    clock: Arc<dyn Clock>,
    /// Ids whose key left the file or is another now, and issuers that are not trusted as they were,
    /// with the moment until when their streams are ended.
    ended: RwLock<HashMap<String, Duration>>,
}

impl Standings {
    pub(super) fn new(index: Arc<KeyIndex>, clock: Arc<dyn Clock>) -> Self {
        Self {
            index,
            clock,
            ended: RwLock::default(),
        }
    }

    /// Ends the streams of every key, of every issuer's bearers, and of every rule's certificate, that
    /// is not in the new file as it was in the old one.
    pub(super) fn changed(&self, before: &Config, now: &Config) {
        let kept = keys(now);
        let until = self.clock.monotonic() + NOTICE;
        let gone = keys(before)
            .into_iter()
            .filter(|(id, key)| kept.get(id) != Some(key));
        let distrusted = before
            .identity
            .issuers
            .iter()
            .filter(|issuer| !now.identity.issuers.contains(issuer))
            .map(|issuer| (of_issuer(&issuer.issuer), until));
        let unmapped = before
            .identity
            .client_certificates
            .iter()
            .filter(|rule| !now.identity.client_certificates.contains(rule))
            .map(|rule| (certificate_id(&rule.ca, &rule.san).to_string(), until));
        self.ended
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(
                gone.map(|(id, _)| (id, until))
                    .chain(distrusted)
                    .chain(unmapped),
            );
    }
}

/// No principal's id looks like this.
fn of_issuer(issuer: &str) -> String {
    format!("issuer:{issuer}")
}

/// What a stream of a key was opened with: its secret, and what it may. A stream holds the rights of
/// its beginning, so it ends when they change.
#[derive(PartialEq, Eq)]
struct Opened<'a> {
    fingerprint: [u8; 32],
    rights: Option<Rights<'a>>,
}

#[derive(PartialEq, Eq)]
struct Rights<'a> {
    grants: &'a ServerGrants,
    role: Role,
    expires_at: Option<Timestamp>,
}

fn keys(config: &Config) -> HashMap<String, Opened<'_>> {
    let master = config.identity.master_key.iter().map(|key| {
        let fingerprint = key.value.fingerprint();
        let opened = Opened {
            fingerprint,
            rights: None,
        };
        ("master".to_owned(), opened)
    });
    let keys = config.identity.keys.iter().map(|key| {
        let opened = Opened {
            fingerprint: key.key.sha256(),
            rights: Some(Rights {
                grants: &key.grants,
                role: key.role,
                expires_at: key.expires_at,
            }),
        };
        (format!("key:file:{}", key.id), opened)
    });
    master.chain(keys).collect()
}

impl Standing for Standings {
    fn holds(&self, principal: &Principal) -> bool {
        let ended = self.ended.read().unwrap_or_else(PoisonError::into_inner);
        let is_ended = |id: &str| {
            ended
                .get(id)
                .is_some_and(|until| self.clock.monotonic() < *until)
        };
        if is_ended(principal.id.as_str()) {
            return false;
        }
        if let Some(issuer) = &principal.issuer
            && is_ended(&of_issuer(issuer))
        {
            return false;
        }
        match (&principal.kind, &principal.key_id) {
            (PrincipalKind::ApiKey, Some(id))
                if !principal.id.as_str().starts_with("key:file:") =>
            {
                self.index.stands(id)
            }
            _ => true,
        }
    }
}

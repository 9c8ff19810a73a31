//! Whether a caller who was let in would be let in still.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use portcullis_config::{Config, FileKey};
use portcullis_core::{Principal, PrincipalKind, Role, ScopeSet, ServerGrants, Side, Timestamp};
use portcullis_engine::{Admission, Standing};
use portcullis_identity::{Directory, KeyIndex, Revocations, certificate_id};
use portcullis_server::Frontage;

/// The store's keys through their index, everybody through the revocation list and the directory, the file's keys, issuers
/// and ways to sign in through what reloads changed.
#[derive(Debug)]
pub(super) struct Standings {
    index: Arc<KeyIndex>,
    revocations: Arc<Revocations>,
    directory: Arc<Directory>,
    frontage: Arc<ArcSwap<Frontage>>,
    /// Ids whose key left the file or is another now, and issuers that are not trusted as they were,
    /// with the generation of the configuration that ended them: whoever was recognised by an
    /// earlier one does not stand, however long its request already takes.
    ended: ArcSwap<HashMap<String, u64>>,
}

impl Standings {
    pub(super) fn new(
        index: Arc<KeyIndex>,
        revocations: Arc<Revocations>,
        directory: Arc<Directory>,
        frontage: Arc<ArcSwap<Frontage>>,
    ) -> Self {
        Self {
            index,
            revocations,
            directory,
            frontage,
            ended: ArcSwap::default(),
        }
    }

    /// Ends what began with any key, any issuer's tokens, any rule's certificate, and any token of our
    /// own, behind which the new file does not stand as the old one did. Reloads happen one after
    /// another.
    pub(super) fn changed(&self, before: &Config, now: &Config, generation: u64) {
        let kept = keys(now);
        let gone = keys(before)
            .into_iter()
            .filter(|(id, key)| kept.get(id) != Some(key));
        let distrusted = before
            .identity
            .issuers
            .iter()
            .filter(|issuer| !now.identity.issuers.contains(issuer))
            .map(|issuer| (of_issuer(&issuer.issuer), generation));
        let unmapped = before
            .identity
            .client_certificates
            .iter()
            .filter(|rule| !now.identity.client_certificates.contains(rule))
            .map(|rule| (certificate_id(&rule.ca, &rule.san).to_string(), generation));
        let signed_in = signed_in(before, now).map(|id| (id, generation));
        let mut ended = HashMap::clone(&self.ended.load());
        let gone = gone.map(|(id, _)| (id, generation));
        // Whoever had no list and saw everything may be anybody.
        let closed = before.people.ungranted_sees_all && !now.people.ungranted_sees_all;
        ended.extend(closed.then(|| (EVERYBODY.to_owned(), generation)));
        ended.extend(gone.chain(distrusted).chain(unmapped).chain(signed_in));
        self.ended.store(Arc::new(ended));
    }

    fn was_ended(&self, principal: &Principal, admission: &Admission) -> bool {
        let ended = self.ended.load();
        if ended.is_empty() {
            return false;
        }
        let by = |id: &str| {
            let generation = ended.get(id);
            generation.is_some_and(|generation| admission.generation < *generation)
        };
        let issuer = principal.issuer.as_deref();
        let signed_in = principal.kind == PrincipalKind::SignedIn;
        by(EVERYBODY)
            || by(principal.id.as_str())
            || issuer.is_some_and(|issuer| by(&of_issuer(issuer)))
            || (signed_in && by(SIGNED_IN))
            || (signed_in && issuer.is_some_and(|issuer| by(&of_provider(issuer))))
    }
}

/// Everybody, whoever recognised them.
const EVERYBODY: &str = "everybody";

/// Everybody who comes with a token of our own. No principal's id looks like this, nor like the others.
const SIGNED_IN: &str = "signed in";

/// Everybody who comes with a token of this issuer's.
fn of_issuer(issuer: &str) -> String {
    format!("issuer:{issuer}")
}

/// Everybody who comes with a token of our own, and signed in with this provider.
fn of_provider(issuer: &str) -> String {
    format!("{SIGNED_IN} with:{issuer}")
}

/// Of whom the new file says something else, who came by tokens of our own: of all, where it speaks
/// otherwise of our authorization server, and of those whom a provider knows, where it does of that.
fn signed_in(before: &Config, now: &Config) -> impl Iterator<Item = String> {
    let (before, now) = (&before.identity, &now.identity);
    let all = before.authorization_server != now.authorization_server
        || before.scopes_supported != now.scopes_supported;
    let provider = before.login.provider.as_ref();
    let provider = provider.filter(|one| Some(*one) != now.login.provider.as_ref());
    let provider = provider.map(|one| of_provider(&one.issuer));
    all.then(|| SIGNED_IN.to_owned())
        .into_iter()
        .chain(provider)
}

/// What a stream of a key was opened with: its secret, what it may, and for whom it acts. A stream
/// holds the rights of its beginning, so it ends when they change.
#[derive(PartialEq, Eq)]
struct Opened<'a> {
    fingerprint: [u8; 32],
    rights: Option<Rights<'a>>,
}

#[derive(PartialEq, Eq)]
struct Rights<'a> {
    grants: &'a ServerGrants,
    scopes: &'a ScopeSet,
    role: Role,
    names: [Option<&'a str>; 4],
    expires_at: Option<Timestamp>,
}

impl<'a> Rights<'a> {
    /// Everything that the file says of a key but its secret; what is added to it must be thought of
    /// here.
    fn of(key: &'a FileKey) -> Self {
        let FileKey {
            id: _,
            key: _,
            grants,
            scopes,
            role,
            user_id,
            email,
            team,
            org,
            expires_at,
        } = key;
        Self {
            grants,
            scopes,
            role: *role,
            names: [user_id, email, team, org].map(Option::as_deref),
            expires_at: *expires_at,
        }
    }
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
            rights: Some(Rights::of(key)),
        };
        (format!("key:file:{}", key.id), opened)
    });
    master.chain(keys).collect()
}

impl Standing for Standings {
    fn holds(&self, principal: &Principal, admission: &Admission) -> bool {
        if self.was_ended(principal, admission)
            || !self.revocations.stands(principal)
            || !self.directory.stands(principal)
        {
            return false;
        }
        match (&principal.kind, &principal.key_id) {
            (PrincipalKind::ApiKey | PrincipalKind::SignedIn, Some(id))
                if !principal.id.as_str().starts_with("key:file:") =>
            {
                self.index.stands_as(id, principal)
            }
            _ => true,
        }
    }

    fn side(&self, address: Option<IpAddr>) -> Side {
        Side::of(address, &self.frontage.load().inside)
    }
}

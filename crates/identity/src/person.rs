//! Who signed in: enough to say at any later moment who that is, and what they may see by then.
//!
//! A sign-in outlives the request that it was made in, as a browser's session or as what a client was
//! granted. What it keeps is who was proved, never the proof itself and never their rights: those are
//! looked up anew each time, so that a key that is revoked, a person that is refused and a grant that
//! the operator takes away end with the next request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_core::{
    CredentialMarks, KeyId, Principal, PrincipalId, PrincipalKind, Role, ScopeSet, SubjectKind,
    Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::issuer::principal_id;
use crate::{AuthnErrorKind, IssuerGrants};

/// One sign-in. It is sealed wherever it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Which sign-in: random, unique, and good for nothing by itself.
    pub session: String,
    /// When it happened.
    pub signed_in_at: Timestamp,
    /// Who was proved.
    pub proved: Proved,
}

/// Who was proved, by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proved {
    /// The holder of a key of ours, who typed it in.
    Key(KeyHolder),
    /// Somebody whom an identity provider knows.
    Provider(Box<Asserted>),
}

/// The holder of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyHolder {
    /// Whom the key stood for.
    pub principal: PrincipalId,
    /// The key's id; the master key has none.
    pub key_id: Option<KeyId>,
    /// The key's SHA-256: another key under the same name is not this holder's.
    pub fingerprint: [u8; 32],
}

/// How an identity provider's word on a person came here. The same issuer can be asked in both ways, and
/// what its people see by one of them says nothing about the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Vouching {
    /// They signed in there, with a browser.
    SignIn,
    /// A client brought an assertion of it (ID-JAG).
    Assertion,
}

/// What an identity provider said of a person when they signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asserted {
    /// How it was said.
    pub by: Vouching,
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `sid`, if there is one: what a logout at the provider names.
    pub sid: Option<String>,
    /// The person's id, as the claims are mapped.
    pub user_id: Option<String>,
    /// Their e-mail address.
    pub email: Option<String>,
    /// Their team.
    pub team: Option<String>,
    /// Their organization.
    pub org: Option<String>,
    /// Their groups.
    pub groups: BTreeSet<String>,
    /// The scopes that an identity assertion granted, which are all that there are then. `None`: the
    /// person signed in, and the operator says which scopes they have.
    #[serde(default)]
    pub scopes: Option<ScopeSet>,
}

/// Whose word on people is taken, and what those people see.
#[derive(Clone, Debug)]
pub struct TrustedProvider {
    /// In which way its word is taken.
    pub by: Vouching,
    /// Its `iss`.
    pub issuer: String,
    /// What the people it knows see.
    pub grants: IssuerGrants,
    /// Which scopes they have.
    pub scopes: PersonScopes,
}

/// Scopes of the people who sign in with a provider. Without any, they and the clients that act for
/// them have none: which of them may be asked for is no word on who has them.
#[derive(Clone, Debug, Default)]
pub struct PersonScopes {
    /// All of them.
    pub everybody: ScopeSet,
    /// In addition, those of a group.
    pub groups: BTreeMap<String, ScopeSet>,
    /// In addition, those of a team.
    pub teams: BTreeMap<String, ScopeSet>,
}

impl PersonScopes {
    fn of(&self, asserted: &Asserted) -> ScopeSet {
        let groups = asserted.groups.iter();
        let groups = groups.filter_map(|group| self.groups.get(group));
        let team = asserted.team.as_ref();
        let team = team.and_then(|team| self.teams.get(team));
        let all = [&self.everybody].into_iter().chain(groups).chain(team);
        // Each of them was judged before.
        ScopeSet::from_tokens(all.flat_map(ScopeSet::iter)).unwrap_or_default()
    }
}

impl TrustedProvider {
    /// Who a person is whom this provider knows. `None`: it was another provider that said so, or in
    /// another way.
    pub(crate) fn principal(&self, person: &Person, asserted: &Asserted) -> Option<Principal> {
        if asserted.issuer != self.issuer || asserted.by != self.by {
            return None;
        }
        let text = |text: &Option<String>| text.as_deref().map(Arc::<str>::from);
        Some(Principal {
            // The same person as one who comes with a token of this issuer's.
            id: principal_id(
                PrincipalKind::Jwt,
                false,
                &asserted.issuer,
                &asserted.subject,
            ),
            subject: Arc::from(asserted.subject.as_str()),
            subject_kind: SubjectKind::Holder,
            levels: Vec::new(),
            kind: PrincipalKind::SignedIn,
            user_id: text(&asserted.user_id),
            client_id: None,
            email: text(&asserted.email),
            org: text(&asserted.org),
            grants: self.grants.of(&asserted.groups, asserted.team.as_deref()),
            team: text(&asserted.team),
            groups: asserted.groups.clone(),
            scopes: match &asserted.scopes {
                Some(scopes) => scopes.clone(),
                None => self.scopes.of(asserted),
            },
            key_id: None,
            issuer: Some(Arc::from(asserted.issuer.as_str())),
            // No provider can make administrators.
            role: Role::User,
            expires_at: None,
            marks: CredentialMarks {
                jti: None,
                sid: text(&asserted.sid),
                issued_at: Some(person.signed_in_at),
                beside: None,
            },
        })
    }
}

/// The holder of a key as somebody who signed in with it.
pub(crate) fn signed_in(holder: &Principal) -> Principal {
    Principal {
        kind: PrincipalKind::SignedIn,
        ..holder.clone()
    }
}

/// What an authenticator says of the holder of one of its keys: `None`, it is not one of its keys.
pub(crate) type StillHeld = Option<Result<Arc<Principal>, AuthnErrorKind>>;

//! Whom the revocation list refuses: pure, asked with every authentication.

use std::collections::HashMap;
use std::sync::Arc;

use portcullis_core::{Principal, PrincipalKind, Timestamp, TokenMarks};
use portcullis_store::{RevocationRecord, RevokedTarget};

/// The list in a form that is quick to ask. Never changed: a change makes another.
#[derive(Debug, Default)]
pub(crate) struct RevocationSet {
    keys: Named,
    users: Named,
    issuers: HashMap<Box<str>, OfIssuer>,
}

type Named = HashMap<Box<str>, Vec<Reach>>;

#[derive(Debug, Default)]
struct OfIssuer {
    all: Vec<Reach>,
    tokens: Named,
    sessions: Named,
    subjects: Named,
}

/// How far an entry reaches.
#[derive(Clone, Copy, Debug)]
struct Reach {
    /// Credentials that were issued later are not meant.
    before: Option<Timestamp>,
    /// When it ends by itself.
    until: Option<Timestamp>,
}

impl Reach {
    fn goes_on(self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    fn covers(self, issued_at: Option<Timestamp>, now: Timestamp) -> bool {
        // What does not say when it was issued may have been issued before.
        let meant = match (self.before, issued_at) {
            (Some(before), Some(issued_at)) => issued_at <= before,
            _ => true,
        };
        self.goes_on(now) && meant
    }
}

impl RevocationSet {
    pub(crate) fn of<'a>(entries: impl Iterator<Item = &'a RevocationRecord>) -> Self {
        let mut set = Self::default();
        for entry in entries {
            set.add(entry);
        }
        set
    }

    fn add(&mut self, entry: &RevocationRecord) {
        let reach = |before| Reach {
            before,
            until: entry.until,
        };
        let (named, name, reach) = match &entry.target {
            RevokedTarget::Key { id } => (&mut self.keys, id.as_str(), reach(None)),
            RevokedTarget::User { user_id, before } => {
                (&mut self.users, user_id.as_str(), reach(Some(*before)))
            }
            RevokedTarget::Token { issuer, jti } => {
                (&mut self.issuer(issuer).tokens, jti.as_str(), reach(None))
            }
            RevokedTarget::Session { issuer, sid } => {
                (&mut self.issuer(issuer).sessions, sid.as_str(), reach(None))
            }
            RevokedTarget::Subject {
                issuer,
                sub,
                before,
            } => (
                &mut self.issuer(issuer).subjects,
                sub.as_str(),
                reach(Some(*before)),
            ),
            RevokedTarget::Issuer { issuer, before } => {
                let reach = reach(Some(*before));
                self.issuer(issuer).all.push(reach);
                return;
            }
        };
        named.entry(name.into()).or_default().push(reach);
    }

    fn issuer(&mut self, issuer: &str) -> &mut OfIssuer {
        self.issuers.entry(issuer.into()).or_default()
    }

    /// Whether any token is refused at `now` of an issuer other than this one.
    pub(crate) fn names_tokens_but_of(&self, issuer: Option<&str>, now: Timestamp) -> bool {
        let others = self.issuers.iter();
        let mut others = others.filter(|(name, _)| Some(&***name) != issuer);
        others.any(|(_, of)| {
            let named = [&of.tokens, &of.sessions, &of.subjects];
            let named = named.into_iter().flat_map(|named| named.values().flatten());
            named.chain(&of.all).any(|reach| reach.goes_on(now))
        })
    }

    /// Whether a token of these names is refused at `now`.
    pub(crate) fn refuses_token(&self, token: &TokenMarks, now: Timestamp) -> bool {
        let Some(of) = self.issuers.get(&*token.issuer) else {
            return false;
        };
        let covers = |reaches: &[Reach]| {
            let mut reaches = reaches.iter();
            reaches.any(|reach| reach.covers(token.issued_at, now))
        };
        let named = |named: &Named, name: &Option<Arc<str>>| {
            name.as_deref()
                .and_then(|name| named.get(name))
                .is_some_and(|reaches| covers(reaches))
        };
        covers(&of.all)
            || named(&of.tokens, &token.jti)
            || named(&of.sessions, &token.sid)
            || named(&of.subjects, &token.subject)
    }

    /// Whether this caller's credential is refused at `now`, or the token that it brought beside it to
    /// act with.
    pub(crate) fn refuses(&self, principal: &Principal, now: Timestamp) -> bool {
        let beside = principal.marks.beside.as_deref();
        self.refuses_credential(principal, now)
            || beside.is_some_and(|token| self.refuses_token(token, now))
    }

    fn refuses_credential(&self, principal: &Principal, now: Timestamp) -> bool {
        let marks = &principal.marks;
        let covers = |reaches: &[Reach]| {
            let mut reaches = reaches.iter();
            reaches.any(|reach| reach.covers(marks.issued_at, now))
        };
        let named = |named: &Named, name: Option<&str>| {
            name.and_then(|name| named.get(name))
                .is_some_and(|reaches| covers(reaches))
        };
        match principal.kind {
            // Of a stranger nothing is known that a list could name.
            PrincipalKind::MasterKey | PrincipalKind::Delegated => false,
            PrincipalKind::ApiKey => {
                named(&self.keys, key_name(principal))
                    || named(&self.users, principal.user_id.as_deref())
            }
            // An operator's file maps it to the person, as a key's maker does.
            PrincipalKind::ClientCertificate => named(&self.users, principal.user_id.as_deref()),
            PrincipalKind::SignedIn => {
                named(&self.keys, key_name(principal))
                    || named(&self.users, principal.user_id.as_deref())
                    || self.refuses_token_of(principal, now)
            }
            PrincipalKind::Jwt | PrincipalKind::IntrospectedToken => {
                self.refuses_token_of(principal, now)
            }
        }
    }

    fn refuses_token_of(&self, principal: &Principal, now: Timestamp) -> bool {
        let marks = &principal.marks;
        let token = principal.issuer.as_ref().map(|issuer| TokenMarks {
            issuer: Arc::clone(issuer),
            subject: Some(Arc::clone(&principal.subject)),
            jti: marks.jti.clone(),
            sid: marks.sid.clone(),
            issued_at: marks.issued_at,
        });
        token.is_some_and(|token| self.refuses_token(&token, now))
    }
}

/// What a key is called in the list: the id of a store key, or `file:` and the id of one in the file,
/// which may be some store key's id.
fn key_name(principal: &Principal) -> Option<&str> {
    principal.id.as_str().strip_prefix("key:")
}

#[cfg(test)]
mod tests {
    use portcullis_core::{CredentialMarks, KeyId, RevocationId};

    use super::*;
    use crate::MasterKey;

    const IDP: &str = "https://idp.example";

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn entry(target: RevokedTarget, until: Option<Timestamp>) -> RevocationRecord {
        RevocationRecord {
            id: RevocationId::from("r"),
            target,
            reason: None,
            created_at: at(0),
            created_by: "master".to_owned(),
            until,
            lifted: None,
            seal: [0; 32],
        }
    }

    fn bearer(issuer: &str, sub: &str, marks: CredentialMarks) -> Principal {
        Principal {
            id: format!("jwt:{issuer} {sub}").into(),
            subject: sub.into(),
            kind: PrincipalKind::Jwt,
            issuer: Some(issuer.into()),
            marks,
            ..MasterKey::principal()
        }
    }

    fn marks(jti: &str, sid: &str, issued_at: Option<i64>) -> CredentialMarks {
        CredentialMarks {
            jti: Some(jti.into()),
            sid: Some(sid.into()),
            issued_at: issued_at.map(at),
            beside: None,
        }
    }

    fn key(name: &str, user_id: Option<&str>, made: Option<i64>) -> Principal {
        Principal {
            id: format!("key:{name}").into(),
            kind: PrincipalKind::ApiKey,
            user_id: user_id.map(Arc::from),
            marks: CredentialMarks {
                issued_at: made.map(at),
                ..CredentialMarks::default()
            },
            ..MasterKey::principal()
        }
    }

    fn refuses(target: RevokedTarget, principal: &Principal) -> bool {
        let entries = [entry(target, None)];
        RevocationSet::of(entries.iter()).refuses(principal, at(1000))
    }

    fn subject(sub: &str, before: i64) -> RevokedTarget {
        RevokedTarget::Subject {
            issuer: IDP.to_owned(),
            sub: sub.to_owned(),
            before: at(before),
        }
    }

    #[test]
    fn a_subject_is_refused_up_to_the_cut_off_and_without_a_date_always() {
        let alice = |issued_at| bearer(IDP, "alice", marks("j", "s", issued_at));
        for (issued_at, refused) in [
            (Some(499), true),
            (Some(500), true),
            (Some(501), false),
            (None, true),
        ] {
            let answer = refuses(subject("alice", 500), &alice(issued_at));
            assert_eq!(answer, refused, "{issued_at:?}");
        }
        let one_millisecond_later = Principal {
            marks: CredentialMarks {
                issued_at: Some(Timestamp::from_millis(500_001)),
                ..CredentialMarks::default()
            },
            ..alice(None)
        };
        assert!(!refuses(subject("alice", 500), &one_millisecond_later));
    }

    #[test]
    fn a_persons_certificates_end_with_their_keys_up_to_the_cut_off() {
        let certificate = |user: &str, starts| Principal {
            kind: PrincipalKind::ClientCertificate,
            ..key("unused", Some(user), Some(starts))
        };
        let user = |user: &str| RevokedTarget::User {
            user_id: user.to_owned(),
            before: at(500),
        };
        assert!(refuses(user("alice"), &certificate("alice", 500)));
        assert!(!refuses(user("alice"), &certificate("alice", 501)));
        assert!(!refuses(user("alice"), &certificate("bob", 1)));
    }

    #[test]
    fn names_are_compared_character_by_character_and_belong_to_their_issuer() {
        let token = |issuer: &str, jti: &str| RevokedTarget::Token {
            issuer: issuer.to_owned(),
            jti: jti.to_owned(),
        };
        let session = |sid: &str| RevokedTarget::Session {
            issuer: IDP.to_owned(),
            sid: sid.to_owned(),
        };
        let alice = bearer(IDP, "alice", marks("j1", "s1", Some(1)));
        assert!(refuses(token(IDP, "j1"), &alice));
        assert!(refuses(session("s1"), &alice));
        for other in [
            token("https://idp.example/", "j1"),
            token("https://IDP.example", "j1"),
            token(IDP, "J1"),
            token(IDP, "j1 "),
            token(IDP, "j"),
            token(IDP, "s1"),
            token(IDP, "alice"),
            session("j1"),
            session("S1"),
            subject("Alice", 500),
            subject("alice\u{301}", 500),
            subject("alic", 500),
            RevokedTarget::Key {
                id: KeyId::from("j1"),
            },
            RevokedTarget::User {
                user_id: "alice".to_owned(),
                before: at(500),
            },
        ] {
            assert!(!refuses(other.clone(), &alice), "{other:?}");
        }
    }

    #[test]
    fn a_key_of_the_file_is_another_than_the_stores_of_that_name() {
        let target = |id: &str| RevokedTarget::Key {
            id: KeyId::from(id),
        };
        let (stored, written) = (key("ci", None, Some(1)), key("file:ci", None, None));
        assert!(refuses(target("ci"), &stored));
        assert!(!refuses(target("ci"), &written));
        assert!(refuses(target("file:ci"), &written));
        assert!(!refuses(target("file:ci"), &stored));
        let impostor = bearer("key", "ci", CredentialMarks::default());
        assert!(!refuses(target("ci"), &impostor));
    }

    #[test]
    fn the_keys_of_a_user_are_refused_if_they_were_made_by_then() {
        let target = || RevokedTarget::User {
            user_id: "alice".to_owned(),
            before: at(500),
        };
        assert!(refuses(target(), &key("a", Some("alice"), Some(500))));
        assert!(refuses(target(), &key("file:a", Some("alice"), None)));
        assert!(!refuses(target(), &key("a", Some("alice"), Some(501))));
        assert!(!refuses(target(), &key("a", Some("bob"), Some(1))));
        assert!(!refuses(target(), &key("alice", None, Some(1))));
    }

    /// RL-12: a cut-off for everybody and one for a subject are both in force.
    #[test]
    fn of_several_cut_offs_the_latest_counts() {
        let everybody = RevokedTarget::Issuer {
            issuer: IDP.to_owned(),
            before: at(300),
        };
        let entries = [
            entry(everybody, None),
            entry(subject("alice", 200), None),
            entry(subject("alice", 400), None),
        ];
        let set = RevocationSet::of(entries.iter());
        for (sub, issued_at, refused) in [
            ("alice", 300, true),
            ("alice", 400, true),
            ("alice", 401, false),
            ("bob", 300, true),
            ("bob", 301, false),
        ] {
            let who = bearer(IDP, sub, marks("j", "s", Some(issued_at)));
            assert_eq!(set.refuses(&who, at(1000)), refused, "{sub} of {issued_at}");
        }
        let stranger = bearer("https://other.example", "alice", marks("j", "s", Some(1)));
        assert!(!set.refuses(&stranger, at(1000)));
    }

    #[test]
    fn an_entry_ends_by_itself_and_the_master_key_is_never_in_one() {
        let target = RevokedTarget::Key {
            id: KeyId::from("a"),
        };
        let entries = [entry(target, Some(at(600)))];
        let set = RevocationSet::of(entries.iter());
        let who = key("a", None, Some(1));
        assert!(set.refuses(&who, Timestamp::from_millis(599_999)));
        assert!(!set.refuses(&who, at(600)));
        let master = Principal {
            id: "key:a".into(),
            ..MasterKey::principal()
        };
        assert!(!set.refuses(&master, at(1)));
    }
}

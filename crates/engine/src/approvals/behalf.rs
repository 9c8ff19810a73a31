//! On whose behalf a call goes out, where the caller alone does not say it: several people may share a key,
//! each with a token of their own.

use portcullis_core::{ForwardedHeader, ForwardedHeaders, OnBehalf, Principal, Sha256};
use serde::{Deserialize, Serialize};

/// The longest name that is shown, in characters.
const LONGEST: usize = 200;

/// Somebody whose token, or whose headers, came beside the credential that admitted the caller, and go to the
/// server.
#[derive(Clone, Debug)]
pub(crate) struct Behalf {
    digest: [u8; 32],
    says: Says,
}

/// What the token says of itself. It need not be true before the server, or whoever exchanges it, has
/// believed it: good for telling people apart and for refusing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Says {
    issuer: Option<String>,
    subject: Option<String>,
}

impl Behalf {
    /// Of what the server is asked with; `None`: the caller is all there is to know. `reads_subject`: the
    /// server is asked with the token that came beside the key. One that names its person is told by that name,
    /// which another token of the same person has too.
    pub(crate) fn of(
        brought: Option<&OnBehalf>,
        reads_subject: bool,
        headers: Option<&ForwardedHeaders>,
    ) -> Option<Self> {
        let headers = headers.filter(|headers| headers.authenticates());
        let bearer = headers.and_then(|headers| {
            let named =
                |header: &&ForwardedHeader| header.name.eq_ignore_ascii_case("authorization");
            headers.iter().find(named)
        });
        let brought = brought.filter(|brought| brought.beside_key);
        let brought = brought.filter(|_| reads_subject || bearer.is_some());
        let claimed = brought.and_then(|brought| brought.claimed.as_deref());
        let named = claimed.and_then(|marks| Some((&marks.issuer, marks.subject.as_ref()?)));
        let digest = Sha256::new();
        if let Some((issuer, subject)) = named {
            let digest = digest.part(b"named").part(issuer.as_bytes());
            return Some(Self {
                digest: digest.part(subject.as_bytes()).finish(),
                says: Says {
                    issuer: Some(issuer.to_string()),
                    subject: Some(subject.to_string()),
                },
            });
        }
        let digest = match (brought, bearer, headers) {
            (Some(brought), ..) => digest.part(b"token").part(brought.subject.fingerprint()),
            (None, Some(bearer), _) => digest
                .part(b"bearer")
                .part(bearer.value.expose().as_bytes()),
            (None, None, Some(headers)) => digest.part(b"headers").part(headers.fingerprint()),
            (None, None, None) => return None,
        };
        Some(Self {
            digest: digest.finish(),
            says: Says::default(),
        })
    }

    /// Tells it from everybody else.
    pub(super) const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    pub(super) fn says(&self) -> Says {
        self.says.clone()
    }
}

impl Says {
    /// For those who decide.
    pub(super) fn shown(&self) -> String {
        let (Some(issuer), Some(subject)) = (&self.issuer, &self.subject) else {
            return "somebody whom a token beside the key stands for".to_owned();
        };
        let name: String = format!("{subject} of {issuer}")
            .chars()
            .filter(|one| !one.is_control())
            .take(LONGEST)
            .collect();
        format!("{name}, as their token says")
    }

    /// Whether that may be this principal: in doubt it is.
    pub(super) fn may_be(&self, principal: &Principal) -> bool {
        let (Some(issuer), Some(subject)) = (self.issuer.as_deref(), self.subject.as_deref())
        else {
            return false;
        };
        let admitted =
            principal.issuer.as_deref() == Some(issuer) && *principal.subject == *subject;
        let beside = principal.marks.beside.as_ref().is_some_and(|marks| {
            *marks.issuer == *issuer && marks.subject.as_deref() == Some(subject)
        });
        admitted || beside || principal.user_id.as_deref() == Some(subject)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portcullis_core::{AccessToken, SecretValue, SubjectToken, TokenMarks};

    use super::*;

    fn brought(token: &str, subject: Option<&str>, beside_key: bool) -> OnBehalf {
        let marks = |subject: &str| TokenMarks {
            issuer: "https://idp.example".into(),
            subject: Some(subject.into()),
            jti: None,
            sid: None,
            issued_at: None,
        };
        OnBehalf {
            subject: SubjectToken::new(AccessToken::new(token)),
            beside_key,
            claimed: subject.map(|subject| Arc::new(marks(subject))),
        }
    }

    #[test]
    fn a_person_is_told_by_name_and_a_token_without_one_by_itself() {
        let digest = |brought: OnBehalf| *Behalf::of(Some(&brought), true, None).unwrap().digest();
        let alice = digest(brought("one", Some("alice"), true));
        assert_eq!(alice, digest(brought("refreshed", Some("alice"), true)));
        assert_ne!(alice, digest(brought("one", Some("bob"), true)));
        let opaque = digest(brought("one", None, true));
        assert_ne!(opaque, alice);
        assert_ne!(opaque, digest(brought("two", None, true)));
        // A server that is not asked with it does not see it; the token that admitted its bearer is the caller.
        let unread = brought("one", Some("alice"), true);
        assert!(Behalf::of(Some(&unread), false, None).is_none());
        assert!(Behalf::of(Some(&brought("one", None, false)), true, None).is_none());
    }

    #[test]
    fn a_bearer_that_is_passed_through_says_for_whom_and_what_else_goes_along_does_not() {
        let header = |name: &str, value: &str| ForwardedHeader {
            name: name.into(),
            value: SecretValue::new(value),
        };
        let of = |brought: Option<&OnBehalf>, bearer: &str, trace: &str| {
            let headers = vec![header("authorization", bearer), header("x-trace", trace)];
            let headers = ForwardedHeaders::new(headers, true);
            *Behalf::of(brought, false, Some(&headers)).unwrap().digest()
        };
        assert_eq!(of(None, "Bearer a", "1"), of(None, "Bearer a", "2"));
        assert_ne!(of(None, "Bearer a", "1"), of(None, "Bearer b", "1"));
        let alice = brought("a", Some("alice"), true);
        assert_eq!(
            of(Some(&alice), "Bearer a", "1"),
            of(Some(&alice), "Bearer b", "2")
        );
        let anonymous = ForwardedHeaders::new(vec![header("x-trace", "1")], false);
        assert!(Behalf::of(None, false, Some(&anonymous)).is_none());
    }

    #[test]
    fn what_is_shown_of_a_token_moves_no_terminal() {
        let says = |subject: &str| {
            let brought = brought("one", Some(subject), true);
            Behalf::of(Some(&brought), true, None)
                .unwrap()
                .says()
                .shown()
        };
        assert_eq!(
            says("alice"),
            "alice of https://idp.example, as their token says"
        );
        assert!(!says("a\u{1b}[2J\n").contains(char::is_control));
        assert!(says(&"x".repeat(9999)).len() < 300);
    }
}

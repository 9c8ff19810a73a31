//! A caller whom we do not know, for a server that judges its callers itself
//! (`delegate_auth_to_upstream`).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use portcullis_core::{
    ApiKey, CredentialMarks, Principal, PrincipalId, PrincipalKind, Role, ScopeSet, ServerGrants,
    ServerId, Sha256, hex,
};

use crate::extract::{AUTHORIZATION, KEY_HEADERS};
use crate::on_behalf::KEY_PREFIX;
use crate::{AuthnError, AuthnErrorKind, CredentialSource, extract};

/// Somebody who tried nothing at our own door.
pub struct Stranger {
    /// Their bearer token, which is none of ours.
    bearer: Option<ApiKey>,
}

impl Stranger {
    /// Who was refused for this reason with these headers, if that is a stranger: somebody who
    /// presented nothing, or a bearer token of somebody else's. Whoever tried a key of ours, or
    /// could have, is not (DLG-11).
    pub fn of(headers: &HeaderMap, refusal: &AuthnError) -> Option<Self> {
        if KEY_HEADERS.iter().any(|name| headers.contains_key(name)) {
            return None;
        }
        if refusal.kind == AuthnErrorKind::Missing {
            return (!headers.contains_key(AUTHORIZATION)).then_some(Self { bearer: None });
        }
        if !refusal.kind.is_foreign() {
            return None;
        }
        let presented = extract(headers).ok()?;
        let bearer = presented.key().clone();
        (presented.source() == CredentialSource::Bearer && !bearer.expose().starts_with(KEY_PREFIX))
            .then_some(Self {
                bearer: Some(bearer),
            })
    }

    /// Whom sessions, lists and cursors are bound to: the bearer token, with rights on these servers
    /// alone, as far as they delegate.
    pub fn principal(&self, addressed: BTreeSet<ServerId>) -> Principal {
        let of_bearer = match &self.bearer {
            None => "none".to_owned(),
            Some(bearer) => {
                let digest = Sha256::new().part(b"delegated bearer");
                hex(&digest.part(bearer.expose().as_bytes()).finish())
            }
        };
        Principal {
            id: PrincipalId::from(format!("delegated:{of_bearer}")),
            subject: Arc::from("anonymous"),
            kind: PrincipalKind::Delegated,
            user_id: None,
            client_id: None,
            email: None,
            team: None,
            org: None,
            groups: BTreeSet::new(),
            scopes: ScopeSet::default(),
            key_id: None,
            issuer: None,
            role: Role::User,
            grants: ServerGrants {
                servers: addressed,
                ..ServerGrants::default()
            },
            expires_at: None,
            marks: CredentialMarks::default(),
            subject_kind: portcullis_core::SubjectKind::Holder,
            levels: Vec::new(),
        }
    }
}

impl fmt::Debug for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stranger")
            .field("bearer", &self.bearer)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn whoever_showed_a_certificate_that_does_not_count_tried_our_door() {
        let nothing = HeaderMap::new();
        assert!(Stranger::of(&nothing, &AuthnErrorKind::Missing.into()).is_some());
        for refused in [
            AuthnErrorKind::CertificateUnknown,
            AuthnErrorKind::CertificateOver,
            AuthnErrorKind::Revoked,
            AuthnErrorKind::Unavailable,
        ] {
            assert!(Stranger::of(&nothing, &refused.into()).is_none());
        }
        let mut bearer = HeaderMap::new();
        bearer.insert(AUTHORIZATION, HeaderValue::from_static("Bearer e30.a.c2ln"));
        assert!(Stranger::of(&bearer, &AuthnErrorKind::Unknown.into()).is_some());
        assert!(Stranger::of(&bearer, &AuthnErrorKind::Revoked.into()).is_none());
    }
}

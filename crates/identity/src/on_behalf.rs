//! The caller's own token, as far as it may be used to act for the caller upstream.
//!
//! This is the one way for a caller's token out of this room, and no key of ours takes it: a key
//! opens our door for everybody who holds it, so no authorization server gets to see one.

use std::sync::Arc;

use http::HeaderMap;
use portcullis_core::{
    AccessToken, ApiKey, OnBehalf, Principal, PrincipalKind, SubjectToken, Withheld,
};
use portcullis_oauth::jose::claimed_marks;

use crate::extract::{AUTHORIZATION, bearer, has_key_header};
use crate::{Authentication, AuthnErrorKind, CredentialSource, Presented, extract};

/// How LiteLLM's keys and ours begin, those of another installation included.
pub(crate) const KEY_PREFIX: &str = "sk-";

impl Authentication {
    /// What an authenticated caller brought to act with: the bearer token beside the key that
    /// admitted it, or the token that admitted it. Any doubt is nothing, and a token that says of
    /// itself what the revocation list refuses is withheld.
    pub async fn on_behalf(
        &self,
        headers: &HeaderMap,
        principal: &Principal,
    ) -> Result<Option<Arc<OnBehalf>>, Withheld> {
        // Nearly everybody: a key of ours and nothing beside it.
        if is_key_of_ours(principal.kind) && !has_key_header(headers) {
            return Ok(None);
        }
        let Ok(presented) = extract(headers) else {
            return Ok(None);
        };
        let (token, beside_key) = match presented.source() {
            CredentialSource::Bearer if is_key_of_ours(principal.kind) => return Ok(None),
            CredentialSource::Bearer => (presented.key().clone(), false),
            CredentialSource::KeyHeader => {
                let token = headers.get(&AUTHORIZATION);
                let Some(token) = token.and_then(|value| bearer(value).ok()) else {
                    return Ok(None);
                };
                if self.is_ours(&token).await {
                    return Ok(None);
                }
                (token, true)
            }
        };
        // The token that admitted its bearer was judged at the door, verified.
        let claimed = beside_key.then(|| claimed_marks(token.expose())).flatten();
        if let Some(claimed) = &claimed {
            let judged = self.revocations().judge_token(claimed).await;
            judged.map_err(|error| match error {
                AuthnErrorKind::Revoked => Withheld::Revoked,
                _ => Withheld::Unjudged,
            })?;
        }
        Ok(Some(Arc::new(OnBehalf {
            subject: SubjectToken::new(AccessToken::new(token.expose())),
            beside_key,
            claimed: claimed.map(Arc::new),
        })))
    }

    /// Whether a token is, or could be, a key of ours.
    async fn is_ours(&self, token: &ApiKey) -> bool {
        if token.expose().starts_with(KEY_PREFIX) || self.is_own_token(token.expose()) {
            return true;
        }
        let presented = Presented::new(CredentialSource::Bearer, token.clone());
        match self.recognise_key(&presented).await {
            Ok(_) => true,
            // Only what none of them knows is somebody else's.
            Err(error) => error.kind != AuthnErrorKind::Unknown,
        }
    }
}

/// Keys prove nothing of a person to anybody but us.
const fn is_key_of_ours(kind: PrincipalKind) -> bool {
    match kind {
        // Whoever came by certificate presented no bearer: one that is there is not theirs. Neither is
        // a stranger's token for us to use: it is for the servers that it addresses.
        PrincipalKind::MasterKey
        | PrincipalKind::ApiKey
        | PrincipalKind::ClientCertificate
        | PrincipalKind::SignedIn
        | PrincipalKind::Delegated => true,
        // Its issuer gave it to the caller, to be shown.
        PrincipalKind::Jwt | PrincipalKind::IntrospectedToken => false,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use async_trait::async_trait;
    use http::HeaderValue;
    use portcullis_core::{ManualClock, SystemEntropy};
    use portcullis_vault::KeyRing;

    use super::*;
    use crate::{Authenticated, Authenticator, AuthnError, FreshnessSettings, Revocations};

    /// Knows one key, and one that was revoked.
    #[derive(Debug)]
    struct Keys(Arc<Principal>);

    #[async_trait]
    impl Authenticator for Keys {
        async fn authenticate(
            &self,
            presented: &Presented,
        ) -> Result<Option<Authenticated>, AuthnError> {
            match presented.key().expose() {
                "the-master-key" => Ok(Some(Authenticated {
                    principal: Arc::clone(&self.0),
                })),
                "a-revoked-key" => Err(AuthnErrorKind::Revoked.into()),
                _ => Ok(None),
            }
        }
    }

    /// Sends whatever it is shown to somebody else's endpoint.
    #[derive(Debug)]
    struct Introspection;

    #[async_trait]
    impl Authenticator for Introspection {
        fn knows_keys(&self) -> bool {
            false
        }

        async fn authenticate(&self, _: &Presented) -> Result<Option<Authenticated>, AuthnError> {
            panic!("a token for somebody else was shown around")
        }
    }

    fn master() -> Arc<Principal> {
        Arc::new(Principal {
            id: "master".into(),
            subject: "master".into(),
            kind: PrincipalKind::MasterKey,
            user_id: None,
            client_id: None,
            email: None,
            team: None,
            org: None,
            groups: std::collections::BTreeSet::default(),
            scopes: portcullis_core::ScopeSet::default(),
            key_id: None,
            issuer: None,
            role: portcullis_core::Role::Admin,
            grants: portcullis_core::ServerGrants::default(),
            expires_at: None,
            marks: portcullis_core::CredentialMarks::default(),
            subject_kind: portcullis_core::SubjectKind::Holder,
            levels: Vec::new(),
        })
    }

    pub(crate) fn nobody_revoked() -> Arc<Revocations> {
        let ring = KeyRing::in_memory(Arc::new(SystemEntropy)).unwrap();
        Arc::new(Revocations::new(
            portcullis_store::memory::stores().revocations,
            Arc::new(ring),
            Arc::new(ManualClock::at_millis(0)),
            FreshnessSettings::default(),
        ))
    }

    async fn brought(lines: &[(&'static str, &'static str)]) -> Option<Arc<OnBehalf>> {
        let principal = master();
        let authentication = Authentication::new(
            vec![
                Arc::new(Keys(Arc::clone(&principal))),
                Arc::new(Introspection),
            ],
            nobody_revoked(),
        );
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        authentication
            .on_behalf(&headers, &principal)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn only_a_foreign_bearer_beside_a_key_is_a_subject() {
        let key = ("x-litellm-api-key", "the-master-key");
        let found = brought(&[key, ("authorization", "Bearer a.b.c")]).await;
        let found = found.unwrap();
        assert_eq!(found.subject.token().expose(), "a.b.c");
        assert!(found.beside_key);
        assert!(!format!("{found:?}").contains("a.b.c"));
        for lines in [
            &[key][..],
            &[("authorization", "Bearer the-master-key")],
            &[key, ("authorization", "Bearer the-master-key")],
            &[key, ("authorization", "Bearer a-revoked-key")],
            &[key, ("authorization", "Bearer sk-of-somebody-else")],
            &[key, ("authorization", "Basic dXNlcjpwYXNz")],
            &[key, ("authorization", "Bearer ")],
            &[key, ("authorization", "Bearer a b")],
            &[
                key,
                ("authorization", "Bearer a"),
                ("authorization", "Bearer b"),
            ],
            &[],
        ] {
            assert!(brought(lines).await.is_none(), "{lines:?}");
        }
    }
}

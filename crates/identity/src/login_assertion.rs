//! What the provider said of a person when they signed in, as far as it may be used to act for them
//! upstream (draft-ietf-oauth-identity-assertion-authz-grant §4.1: the subject of the first leg).

use std::sync::Arc;

use http::HeaderMap;
use portcullis_core::{AccessToken, OnBehalf, Principal, PrincipalKind, SubjectToken};
use portcullis_oauth::jose::claimed_marks;

use crate::{Authentication, Proved, extract};

impl Authentication {
    /// The ID token of the sign-in in which a caller let their client in, while it is good. It is that
    /// sign-in's and no other's: not one of the same person's from another browser, and nothing that
    /// came with the request. Any doubt is nothing, and with nothing nobody is acted for.
    pub async fn login_assertion(
        &self,
        headers: &HeaderMap,
        principal: &Principal,
    ) -> Option<Arc<OnBehalf>> {
        let (tokens, server) = (self.id_tokens()?, self.own_tokens()?);
        if principal.kind != PrincipalKind::SignedIn {
            return None;
        }
        let presented = extract(headers).ok()?;
        // The very token that admitted the caller, looked at anew.
        let behind = server.person_behind(presented.key().expose(), self).await;
        let (person, holder) = behind.ok()??;
        let by_provider = matches!(person.proved, Proved::Provider(_));
        if holder.id != principal.id || !by_provider {
            return None;
        }
        let token = tokens.of(&person).await;
        let token = token.inspect_err(|error| {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "an ID token cannot be read: nobody is acted for with it"
            );
        });
        let token = token.ok()??;
        let claimed = claimed_marks(token.expose())?;
        let judged = self.revocations().judge_token(&claimed).await;
        if let Err(why) = judged {
            tracing::info!(reason = why.as_str(), "an ID token is not acted with");
            return None;
        }
        Some(Arc::new(OnBehalf {
            subject: SubjectToken::new(AccessToken::new(token.expose())),
            beside_key: false,
            claimed: None,
        }))
    }
}

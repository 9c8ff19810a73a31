//! Who is signed in in a browser.

use std::sync::Arc;

use axum::http::request::Parts;
use portcullis_core::{ErrorKind, Principal, Role};
use portcullis_identity::{BrowserSession, NoSession, Person};

use super::Trouble;
use super::cookies::{self, cookie};
use crate::state::ServerState;

/// Somebody who signed in earlier, and who that is by now.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    /// The sign-in.
    pub(crate) session: BrowserSession,
    /// Whom it stands for at this moment.
    pub(crate) principal: Arc<Principal>,
}

impl SignedIn {
    /// Who was proved, for what outlives this session.
    pub(crate) const fn person(&self) -> &Person {
        &self.session.person
    }

    /// A token for a form that does this, as this person, in this browser.
    pub(crate) fn form_token(&self, state: &ServerState, act: &str) -> Result<String, Trouble> {
        let sessions = &state.sign_in.load().sessions;
        Ok(sessions.form_token(&self.person().session, act)?)
    }

    /// Whether a form was filled in on a page that was made for this.
    pub(crate) fn require_form_token(
        &self,
        state: &ServerState,
        act: &str,
        token: Option<&str>,
    ) -> Result<(), Trouble> {
        let sessions = &state.sign_in.load().sessions;
        let token = token.unwrap_or_default();
        if sessions.is_form_token(&self.person().session, act, token) {
            Ok(())
        } else {
            Err(Trouble::foreign_form())
        }
    }

    /// What the person is called on pages.
    pub(crate) fn name(&self) -> String {
        let principal = &self.principal;
        let key = || principal.key_id.as_ref().map(|id| format!("key {id}"));
        let name = principal.email.as_deref().or(principal.user_id.as_deref());
        let name = name.map(str::to_owned).or_else(key);
        match principal.role {
            Role::Admin if principal.key_id.is_none() && principal.issuer.is_none() => {
                "the operator".to_owned()
            }
            _ => name.unwrap_or_else(|| principal.subject.to_string()),
        }
    }
}

/// Who is signed in in the browser that sent this. Every look asks anew who that is by now: a key that
/// was revoked, a person whom the list refuses and a session that was ended anywhere are nobody, and
/// where that cannot be told nobody is let in.
pub(crate) async fn session(
    state: &ServerState,
    parts: &Parts,
) -> Result<Option<SignedIn>, Trouble> {
    let Some(value) = cookie(&parts.headers, cookies::SESSION) else {
        return Ok(None);
    };
    let opened = state.sign_in.load_full().sessions.open(value).await?;
    let Some(session) = opened else {
        return Ok(None);
    };
    let authentication = state.authentication.load_full();
    match authentication.person(&session.person).await {
        Ok(principal) => Ok(Some(SignedIn { session, principal })),
        Err(error) if error.error_kind() == ErrorKind::Unauthenticated => Ok(None),
        Err(_) => Err(Trouble::unavailable()),
    }
}

impl From<NoSession> for Trouble {
    fn from(error: NoSession) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a session of a browser can neither be begun nor judged"
        );
        match error {
            NoSession::TooLarge(_) => Self::too_many_groups(),
            _ => Self::unavailable(),
        }
    }
}

//! How people sign in with a browser, and how long that lasts.
//!
//! A sign-in proves a person by a key of ours that they type in, or by an OpenID provider that the
//! operator trusts. What the browser keeps is a sealed [`Person`](crate::Person): who was proved, and
//! nothing that could be shown to anybody else.

mod browser_sessions;
mod consents;
mod fault;
mod form_tokens;
mod id_tokens;
mod key;
mod provider;
mod provider_document;
mod provider_state;

pub use browser_sessions::{BrowserSession, BrowserSessions, NoSession};
pub use consents::{Consent, ConsentError, Consents};
pub use fault::SignInFault;
pub use id_tokens::IdTokens;
pub use provider::{Arrived, Provider, ProviderSettings};

use std::sync::Arc;

/// Sign-in as one configuration has it.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Whether a key of ours may be typed in.
    pub with_key: bool,
    /// The sessions that sign-ins begin.
    pub sessions: BrowserSessions,
    /// What the people agreed to.
    pub consents: Consents,
    /// What a provider said of them when they signed in.
    pub id_tokens: IdTokens,
    /// Who else vouches for people.
    pub provider: Option<Arc<Provider>>,
}

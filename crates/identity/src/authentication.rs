//! The one helper that every surface calls first.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use portcullis_core::Principal;

use crate::authorization_server::AuthorizationServer;
use crate::end_user::end_user;
use crate::extract::presents;
use crate::person::signed_in;
use crate::{
    Arrival, Authenticated, Authenticator, AuthnError, AuthnErrorKind, ClientCertificates,
    Directory, IdTokens, KeyHolder, Person, Presented, Proved, Revocations, Revoke,
    TrustedProvider, extract,
};

/// All ways of recognising callers, in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct Authentication {
    authenticators: Vec<Arc<dyn Authenticator>>,
    /// Those of them that know keys of ours.
    keys: Vec<Arc<dyn Authenticator>>,
    /// For those who present nothing.
    certificates: Option<ClientCertificates>,
    /// Whose tokens are believed of somebody who brings them beside a key.
    issuer_of_subjects: Option<(Arc<str>, Duration)>,
    /// Whose word on people who sign in is taken.
    providers: Vec<Arc<TrustedProvider>>,
    /// Who issues tokens of our own.
    own_tokens: Option<AuthorizationServer>,
    /// What providers said of people who signed in.
    id_tokens: Option<IdTokens>,
    revocations: Arc<Revocations>,
    /// What stands above credentials.
    directory: Option<Arc<Directory>>,
    generation: u64,
}

impl Authentication {
    /// Tries these in this order: master key, file keys, store keys, tokens of issuers. Whoever they
    /// recognise, this list may refuse.
    pub fn new(authenticators: Vec<Arc<dyn Authenticator>>, revocations: Arc<Revocations>) -> Self {
        let mut keys = authenticators.clone();
        keys.retain(|one| one.knows_keys());
        Self {
            authenticators,
            keys,
            certificates: None,
            issuer_of_subjects: None,
            providers: Vec::new(),
            own_tokens: None,
            id_tokens: None,
            revocations,
            directory: None,
            generation: 0,
        }
    }

    /// And puts whom it recognises under what this says of teams, organizations, people and end users.
    #[must_use]
    pub fn with_directory(self, directory: Arc<Directory>) -> Self {
        Self {
            directory: Some(directory),
            ..self
        }
    }

    /// And last, certificates of connections.
    #[must_use]
    pub fn with_certificates(self, certificates: ClientCertificates) -> Self {
        Self {
            certificates: Some(certificates),
            ..self
        }
    }

    /// Whoever acts with tokens of this issuer may be refused by name too.
    #[must_use]
    pub fn with_issuer_of_subjects(self, issuer: &str, leeway: Duration) -> Self {
        Self {
            issuer_of_subjects: Some((issuer.into(), leeway)),
            ..self
        }
    }

    /// And people who sign in with this provider.
    #[must_use]
    pub fn with_provider(mut self, provider: Arc<TrustedProvider>) -> Self {
        self.providers.push(provider);
        self
    }

    /// And clients, by the access tokens that this authorization server of ours issues.
    #[must_use]
    pub fn with_authorization_server(self, server: AuthorizationServer) -> Self {
        Self {
            own_tokens: Some(server),
            ..self
        }
    }

    /// And acts for people by what their provider said when they signed in, where a server asks for it.
    #[must_use]
    pub fn with_id_tokens(self, tokens: IdTokens) -> Self {
        Self {
            id_tokens: Some(tokens),
            ..self
        }
    }

    pub(crate) const fn id_tokens(&self) -> Option<&IdTokens> {
        self.id_tokens.as_ref()
    }

    pub(crate) const fn own_tokens(&self) -> Option<&AuthorizationServer> {
        self.own_tokens.as_ref()
    }

    /// The same, made of this generation of the configuration.
    #[must_use]
    pub fn of_generation(self, generation: u64) -> Self {
        Self { generation, ..self }
    }

    /// Which generation of the configuration callers are recognised by.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether a key of the file or an issuer is one of the configuration's, and how far the issuer's
    /// clock may differ.
    pub fn knows(&self, what: &Revoke) -> Option<Duration> {
        let subjects = self.issuer_of_subjects.as_ref();
        let subjects = subjects
            .filter(|(issuer, _)| what.issuer() == Some(issuer))
            .map(|(_, leeway)| *leeway);
        let own = self.own_tokens.as_ref();
        let own = own.and_then(|server| server.issues_as(what.issuer()?));
        let known = self.authenticators.iter().map(|one| one.knows(what));
        known.chain([subjects, own]).flatten().max()
    }

    /// Who sent these headers. The connection's certificate speaks for a caller who presents nothing
    /// else: a credential that is presented and bad is never rescued by it.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        arrival: &Arrival,
    ) -> Result<Authenticated, AuthnError> {
        if let Some(certificates) = &self.certificates
            && let Some(certificate) = &arrival.certificate
            && !presents(headers)
        {
            let principal = certificates.recognise(certificate)?;
            self.revocations.judge(&principal).await?;
            let principal = self.placed(principal, end_user(headers)?).await?;
            return Ok(Authenticated { principal });
        }
        let presented = extract(headers)?.arriving(arrival);
        let principal = self.known(&presented).await?;
        let principal = self.placed(principal, end_user(headers)?).await?;
        Ok(Authenticated { principal })
    }

    /// Whose credential this is. The first authenticator that knows its form decides; a credential
    /// that no one knows is nobody's. However it was verified, anew or from what is remembered, the
    /// revocation list has the last word.
    pub async fn recognise(&self, presented: &Presented) -> Result<Authenticated, AuthnError> {
        let known = self.known(presented).await?;
        let principal = self.placed(known, None).await?;
        Ok(Authenticated { principal })
    }

    /// The same, before anything that stands above the credential is looked at.
    async fn known(&self, presented: &Presented) -> Result<Arc<Principal>, AuthnError> {
        if let Some(server) = &self.own_tokens
            && let Some(principal) = server.recognise(presented, self).await?
        {
            self.revocations.judge(&principal).await?;
            return Ok(principal);
        }
        let authenticated = first(&self.authenticators, presented).await?;
        self.revocations.judge(&authenticated.principal).await?;
        Ok(authenticated.principal)
    }

    async fn placed(
        &self,
        principal: Arc<Principal>,
        end_user: Option<&str>,
    ) -> Result<Arc<Principal>, AuthnErrorKind> {
        match &self.directory {
            Some(directory) => {
                directory.ask_if_old().await;
                directory.place(principal, end_user)
            }
            None => Ok(principal),
        }
    }

    /// Who somebody is by now who signed in earlier. A key that is gone, a provider that is not asked
    /// any more and a person whom the revocation list names are refused.
    pub async fn person(&self, person: &Person) -> Result<Arc<Principal>, AuthnError> {
        let principal = match &person.proved {
            Proved::Key(holder) => Arc::new(signed_in(&*self.holder(holder).await?)),
            Proved::Provider(asserted) => {
                let mut providers = self.providers.iter();
                let principal = providers.find_map(|one| one.principal(person, asserted));
                Arc::new(principal.ok_or(AuthnErrorKind::Unknown)?)
            }
        };
        self.revocations.judge(&principal).await?;
        Ok(self.placed(principal, None).await?)
    }

    /// Whom the key of this id, or under this alias, stands for: told to administrators who ask what it
    /// may do. A key that is gone or revoked is refused like its holder.
    pub async fn key_named(&self, name: &str) -> Result<Arc<Principal>, AuthnError> {
        let found = self.keys.iter().find_map(|one| one.named(name));
        let principal = found.ok_or(AuthnErrorKind::Unknown)??;
        self.revocations.judge(&principal).await?;
        Ok(self.placed(principal, None).await?)
    }

    async fn holder(&self, holder: &KeyHolder) -> Result<Arc<Principal>, AuthnErrorKind> {
        for authenticator in &self.keys {
            if let Some(found) = authenticator.still(holder).await {
                return found;
            }
        }
        Err(AuthnErrorKind::Unknown)
    }

    /// Whether a text is an access token of our own, good or bad.
    pub(crate) fn is_own_token(&self, text: &str) -> bool {
        let server = self.own_tokens.as_ref();
        server.is_some_and(|server| server.knows_token(text))
    }

    pub(crate) fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    pub(crate) fn authenticators(&self) -> impl Iterator<Item = &dyn Authenticator> {
        self.authenticators.iter().map(|one| &**one)
    }

    /// The same among keys of ours alone. Nobody else is shown the credential.
    pub(crate) async fn recognise_key(
        &self,
        presented: &Presented,
    ) -> Result<Authenticated, AuthnError> {
        first(&self.keys, presented).await
    }
}

async fn first(
    authenticators: &[Arc<dyn Authenticator>],
    presented: &Presented,
) -> Result<Authenticated, AuthnError> {
    for authenticator in authenticators {
        if let Some(authenticated) = authenticator.authenticate(presented).await? {
            return Ok(authenticated);
        }
    }
    Err(AuthnErrorKind::Unknown.into())
}

//! The broker: static values as they are, tokens from their slots.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use async_trait::async_trait;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use portcullis_aws::{AccessKeys, Identity};
use portcullis_core::{Clock, Entropy, ServerId, SubjectToken};
use portcullis_egress::HttpClient;
use portcullis_policy::Evidence;
use tokio_util::task::TaskTracker;

use crate::actor::Actors;
use crate::aws;
use crate::credential::Signing;
use crate::directory::Directory;
use crate::discovery::{Anchor, discover, not_discovered};
use crate::error::Failure;
use crate::shared::SharedTokens;
use crate::slot::{Grant, Next, Outcome, Slot};
use crate::subjects::Subjects;
use crate::token::{Moment, Presented, Token};
use crate::token_endpoint::Endpoint;
use crate::{
    ClientCredentials, Connections, CredentialBroker, CredentialError, CredentialErrorKind,
    CredentialKind, Errand, JudgesSubjects, Refusal, ServerAuth, StaticHeader, TokenEndpoint,
    TokenExchange, UpstreamAuth, UpstreamCredential,
};

/// A server has one client, two while a reload is under way, and another for discovery; what goes
/// beyond is forgotten, oldest first.
const CLIENTS_PER_SERVER: usize = 4;

/// The credential broker of one process.
pub struct Broker {
    door: Arc<Door>,
    tasks: TaskTracker,
    registry: RwLock<Registry>,
    subjects: Mutex<Subjects>,
    judge: Option<Arc<dyn JudgesSubjects>>,
    connections: Option<Connections>,
    shared: Option<SharedTokens>,
}

/// What a token request needs of the world.
pub(crate) struct Door {
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) directory: Directory,
    pub(crate) actors: Actors,
}

#[derive(Default)]
struct Registry {
    /// By everything that a token depends on: servers with equal clients share one token.
    slots: HashMap<[u8; 32], Arc<Slot>>,
    /// By server, so that a call compares a few strings and hashes nothing.
    by_server: HashMap<ServerId, Vec<Arc<Slot>>>,
}

impl Registry {
    /// Drops slots that no server refers to any more: the map's own reference is the last.
    fn forget_unused(&mut self) {
        self.slots.retain(|_, slot| Arc::strong_count(slot) > 1);
    }
}

/// What every caller of a server shares.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    Client(&'a ClientCredentials),
    Aws(&'a Identity),
}

impl Wanted<'_> {
    fn is(self, grant: &Grant) -> bool {
        match (self, grant) {
            (Self::Client(wanted), Grant::ClientCredentials(known)) => *wanted == **known,
            (Self::Aws(wanted), Grant::Aws(known)) => *wanted == **known,
            _ => false,
        }
    }

    fn cache_key(self) -> [u8; 32] {
        match self {
            Self::Client(client) => client.cache_key(),
            Self::Aws(identity) => aws::cache_key(identity),
        }
    }

    fn grant(self) -> Grant {
        match self {
            Self::Client(client) => Grant::ClientCredentials(Box::new(client.clone())),
            Self::Aws(identity) => Grant::Aws(Box::new(identity.clone())),
        }
    }
}

impl Broker {
    /// An empty broker. Token requests run on `tasks`, so that a caller who leaves strands nobody
    /// who waits for the same token.
    pub fn new(
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            door: Arc::new(Door {
                http,
                clock,
                entropy,
                directory: Directory::default(),
                actors: Actors::default(),
            }),
            tasks,
            registry: RwLock::default(),
            subjects: Mutex::default(),
            judge: None,
            connections: None,
            shared: None,
        }
    }

    /// The same, which acts with no token that this one refuses.
    #[must_use]
    pub fn judged_by(self, judge: Arc<dyn JudgesSubjects>) -> Self {
        Self {
            judge: Some(judge),
            ..self
        }
    }

    /// The same, for servers that know people. Without connections nobody reaches those.
    #[must_use]
    pub fn with_connections(mut self, connections: Connections) -> Self {
        self.connections = Some(connections);
        self
    }

    /// The same, whose tokens for clients of ours serve other replicas too, and theirs this one.
    #[must_use]
    pub fn sharing(mut self, shared: Option<SharedTokens>) -> Self {
        self.shared = shared;
        self
    }

    /// The caller's own token, if it may be acted with.
    async fn subject<'e>(
        &self,
        evidence: &'e Evidence,
        terms: &TokenExchange,
    ) -> Result<&'e SubjectToken, Failure> {
        let none = || {
            Failure::new(if terms.takes_login_assertion() {
                CredentialErrorKind::NoSignIn
            } else {
                CredentialErrorKind::NoSubject
            })
        };
        let subject = evidence.subject().ok_or_else(none)?;
        // Whichever admitted its bearer was judged at the door.
        if let (Some(judge), true) = (&self.judge, evidence.has_subject_beside_key()) {
            judge.judge(subject).await?;
        }
        Ok(subject)
    }

    fn slot(&self, server: &ServerId, wanted: Wanted<'_>) -> Arc<Slot> {
        let known = self
            .registry
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .by_server
            .get(server)
            .and_then(|slots| slots.iter().find(|slot| wanted.is(&slot.grant)))
            .cloned();
        known.unwrap_or_else(|| self.new_slot(server, wanted))
    }

    fn new_slot(&self, server: &ServerId, wanted: Wanted<'_>) -> Arc<Slot> {
        let mut guard = self
            .registry
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let registry = &mut *guard;
        let slot = registry
            .slots
            .entry(wanted.cache_key())
            .or_insert_with(|| Arc::new(Slot::new(wanted.grant())))
            .clone();
        let of_server = registry.by_server.entry(server.clone()).or_default();
        if !of_server.iter().any(|known| Arc::ptr_eq(known, &slot)) {
            of_server.insert(0, slot.clone());
            of_server.truncate(CLIENTS_PER_SERVER);
            registry.forget_unused();
        }
        slot
    }

    fn subjects(&self) -> MutexGuard<'_, Subjects> {
        // Whatever a panic left there is a cache, and whole places of it.
        self.subjects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn token(&self, slot: &Arc<Slot>) -> Outcome {
        let now = Moment::now(&*self.door.clock);
        if slot.grant.ends().is_some_and(|ends| ends <= now.wall) {
            return Err(Failure::new(CredentialErrorKind::SubjectEnded));
        }
        if let Some(token) = slot.usable(now) {
            if token.is_due(now)
                && let Next::Fetch(sender) = slot.next(now)
            {
                self.fetch(slot, sender);
            }
            return Ok(token);
        }
        let mut outcome = match slot.next(now) {
            Next::Use(token) => return Ok(token),
            Next::Fail(failure) => return Err(failure),
            Next::Wait(outcome) => outcome,
            Next::Fetch(sender) => {
                let outcome = sender.subscribe();
                self.fetch(slot, sender);
                outcome
            }
        };
        let settled = outcome.wait_for(Option::is_some).await;
        match settled.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            // The task ended without an outcome: we are shutting down.
            _ => Err(Failure::new(CredentialErrorKind::Unavailable)),
        }
    }

    /// The keys of an identity, and where they were fetched to if they are temporary.
    async fn keys(
        &self,
        server: &ServerId,
        identity: &Identity,
    ) -> Result<(AccessKeys, Option<(Arc<Slot>, [u8; 32])>), CredentialError> {
        if let Some(fixed) = identity.fixed() {
            return Ok((fixed.clone(), None));
        }
        let slot = self.slot(server, Wanted::Aws(identity));
        let token = self.token(&slot).await;
        let token = token.map_err(|failure| failure.for_server(server))?;
        match &token.presented {
            Presented::AwsKeys(keys) => Ok((keys.clone(), Some((slot, token.fingerprint)))),
            Presented::Bearer(_) => Err(not_of_its_kind(server)),
        }
    }

    fn fetch(&self, slot: &Arc<Slot>, sender: tokio::sync::watch::Sender<Option<Outcome>>) {
        let (door, slot, shared) = (self.door.clone(), slot.clone(), self.shared.clone());
        self.tasks.spawn(async move {
            let outcome = match (&shared, &slot.grant) {
                // What is got for a caller is for this caller's replica.
                (Some(shared), Grant::ClientCredentials(client)) => {
                    let key = client.cache_key();
                    let place = shared.place(&key, &*door.clock, &*door.entropy);
                    place.token_or(&slot, async || door.fetch(&slot).await).await
                }
                _ => door.fetch(&slot).await,
            };
            if let Err(failure) = &outcome {
                // A refresh ahead of time has no caller to tell.
                tracing::warn!(client_id = slot.grant.client_id(), kind = %failure.kind, "no token");
            }
            slot.settle(&outcome, Moment::now(&*door.clock), door.jitter());
            let _ = sender.send(Some(outcome));
        });
    }
}

impl Door {
    async fn fetch(&self, slot: &Slot) -> Outcome {
        let (response, requested) = match &slot.grant {
            Grant::ClientCredentials(client) => {
                let endpoint = self.endpoint(slot, client).await?;
                let requested = Moment::now(&*self.clock);
                (self.request_token(client, &endpoint).await?, requested)
            }
            Grant::Aws(identity) => return self.assume(identity).await,
            Grant::Exchange(bargain) => {
                let requested = Moment::now(&*self.clock);
                (self.exchange(bargain).await?, requested)
            }
        };
        Token::from_response(&response, requested, slot.grant.ends())
            .map(Arc::new)
            .ok_or(Failure::new(CredentialErrorKind::BadResponse))
    }

    async fn endpoint(&self, slot: &Slot, client: &ClientCredentials) -> Result<Endpoint, Failure> {
        let (server_url, issuer) = match &client.token_endpoint {
            TokenEndpoint::Configured(url) => {
                return Ok(Endpoint {
                    url: url.clone(),
                    issuer: None,
                    destination: client.chosen_by,
                });
            }
            TokenEndpoint::Discover { server_url, issuer } => (server_url, issuer.as_ref()),
        };
        let now = Moment::now(&*self.clock);
        if let Some(known) = slot.discovered(now) {
            return Ok(known.endpoint);
        }
        let found = discover(
            &*self.http,
            &Anchor {
                server_url,
                issuer,
                chosen_by: client.chosen_by,
            },
        )
        .await?;
        if !slot.remember(&found, now) {
            tracing::warn!(
                client_id = client.client.client_id,
                "the server names another authorization server than before; refused"
            );
            return Err(not_discovered());
        }
        Ok(found.endpoint)
    }

    /// Between 0 and 1; without randomness there is no jitter, which harms nobody.
    fn jitter(&self) -> f64 {
        let mut random = [0_u8; 2];
        match self.entropy.fill(&mut random) {
            Ok(()) => f64::from(u16::from_be_bytes(random)) / f64::from(u16::MAX),
            Err(_) => 0.0,
        }
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Broker")
    }
}

#[async_trait]
impl CredentialBroker for Broker {
    async fn obtain(
        &self,
        evidence: &Evidence,
        auth: &ServerAuth,
        _errand: Errand<'_>,
    ) -> Result<UpstreamCredential, CredentialError> {
        if *evidence.server() != auth.server {
            return Err(
                Failure::new(CredentialErrorKind::OtherServer).for_server(evidence.server())
            );
        }
        // Where two want the same header, the last one stays: a static header of the file beats a
        // fixed credential of the file, and a token beats both.
        let fixed = auth.static_headers.iter().map(pair);
        if let Some(of_caller) = crate::forwarded::instead(evidence, auth) {
            return of_caller;
        }
        let credential = match auth.of(evidence.acting()) {
            UpstreamAuth::None => {
                UpstreamCredential::new(CredentialKind::NoAuth, fixed.collect(), None)
            }
            UpstreamAuth::Static(header) => {
                let headers = std::iter::once(pair(header)).chain(fixed).collect();
                UpstreamCredential::new(CredentialKind::StaticToken, headers, None)
                    .holding(header.name.clone())
            }
            UpstreamAuth::ClientCredentials(client) => {
                let slot = self.slot(&auth.server, Wanted::Client(client));
                let token = self
                    .token(&slot)
                    .await
                    .map_err(|failure| failure.for_server(&auth.server))?;
                let bearer = bearer(&auth.server, &token)?;
                UpstreamCredential::new(
                    CredentialKind::M2mClientCredentials,
                    fixed.chain([bearer]).collect(),
                    Some((slot, token.fingerprint)),
                )
            }
            UpstreamAuth::MappedKey(keys) => keys
                .credential(evidence, fixed)
                .map_err(|failure| failure.for_server(&auth.server))?,
            UpstreamAuth::AwsSigV4(signature) => {
                let (keys, fetched) = self.keys(&auth.server, &signature.identity).await?;
                UpstreamCredential::new(CredentialKind::AwsSigV4, fixed.collect(), fetched).signing(
                    Signing {
                        keys,
                        scope: signature.scope.clone(),
                        clock: self.door.clock.clone(),
                    },
                )
            }
            // Never another identity in the caller's place: without a token there is nothing.
            UpstreamAuth::TokenExchange(terms) => {
                let subject = self.subject(evidence, terms).await;
                let subject = subject.map_err(|failure| failure.for_server(&auth.server))?;
                let slot = self.subjects().slot(
                    &auth.server,
                    terms,
                    &evidence.acting().party(),
                    subject,
                    Moment::now(&*self.door.clock),
                );
                let token = self
                    .token(&slot)
                    .await
                    .map_err(|failure| failure.for_server(&auth.server))?;
                let bearer = bearer(&auth.server, &token)?;
                UpstreamCredential::new(
                    terms.kind(),
                    fixed.chain([bearer]).collect(),
                    Some((slot, token.fingerprint)),
                )
            }
            UpstreamAuth::AuthorizationCode(terms) => {
                let nobody = Failure::new(CredentialErrorKind::ConsentRequired);
                let presented = match &self.connections {
                    Some(connections) => connections.present(evidence, terms).await,
                    None => Err(nobody),
                };
                let (bearer, granted) =
                    presented.map_err(|failure| failure.for_server(&auth.server))?;
                let headers = fixed.chain([bearer]).collect();
                UpstreamCredential::new(CredentialKind::AuthorizationCode, headers, None)
                    .granted_by(granted)
            }
            UpstreamAuth::Passthrough(without) => {
                crate::forwarded::without_bearer(*without, evidence, auth)?
            }
        };
        Ok(crate::forwarded::joined(credential, evidence))
    }

    async fn rejected(
        &self,
        auth: &ServerAuth,
        credential: &UpstreamCredential,
        refusal: Refusal<'_>,
    ) -> Result<bool, CredentialError> {
        if let (Some(granted), Some(connections)) = (credential.granted(), &self.connections) {
            let rejected = connections.rejected(auth, granted, refusal).await;
            return rejected.map_err(|failure| failure.for_server(&auth.server));
        }
        let Refusal::Credential { again: false, .. } = refusal else {
            return Ok(false);
        };
        let Some((slot, fingerprint)) = credential.fetched() else {
            return Ok(false);
        };
        Ok(slot.reject(fingerprint, Moment::now(&*self.door.clock)))
    }

    fn keep_only(&self, servers: &BTreeSet<ServerId>) {
        self.subjects().keep_only(servers);
        if let Some(connections) = &self.connections {
            connections.keep_only(servers);
        }
        self.door.actors.clear();
        let mut registry = self
            .registry
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        registry
            .by_server
            .retain(|server, _| servers.contains(server));
        registry.forget_unused();
    }
}

fn bearer(server: &ServerId, token: &Token) -> Result<(HeaderName, HeaderValue), CredentialError> {
    match &token.presented {
        Presented::Bearer(value) => Ok((AUTHORIZATION, value.clone())),
        Presented::AwsKeys(_) => Err(not_of_its_kind(server)),
    }
}

/// A slot holds what its own grant asks for, so nobody should ever see this.
fn not_of_its_kind(server: &ServerId) -> CredentialError {
    Failure::new(CredentialErrorKind::BadResponse).for_server(server)
}

pub(crate) fn pair(header: &StaticHeader) -> (HeaderName, HeaderValue) {
    (header.name.clone(), header.value.clone())
}

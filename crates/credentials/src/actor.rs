//! Who acts for the caller (RFC 8693 §2.1, `actor_token`): a token of the file, or one that our
//! client gets for itself, once for all callers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_core::{SecretValue, Sha256};

use crate::broker::Door;
use crate::error::Failure;
use crate::token::{Moment, Token};
use crate::token_endpoint::Endpoint;
use crate::{ClientCredentials, CredentialErrorKind, TokenEndpoint};

/// What is said of who acts for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// `actor_token`
    pub token: ActorToken,
    /// `actor_token_type`
    pub kind: String,
}

/// Where an actor's token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActorToken {
    /// Written in the file.
    Fixed(SecretValue),
    /// Of the client-credentials grant, at an endpoint of the file.
    OfClient(Box<ClientCredentials>),
}

impl Actor {
    pub(crate) fn digest(&self, key: Sha256) -> Sha256 {
        let key = match &self.token {
            ActorToken::Fixed(token) => key.part(b"fixed").part(&token.fingerprint()),
            ActorToken::OfClient(client) => key.part(b"client").part(&client.cache_key()),
        };
        key.part(self.kind.as_bytes())
    }
}

/// How long a failure stands where nothing else is asked for.
const FAILURE_KEPT: Duration = Duration::from_secs(1);
/// A token that the exchange may have been refused for is got anew, but only so often: a caller
/// with a bad token of their own must not make us ask for ours.
const DOUBTED_AFTER: Duration = Duration::from_mins(1);
/// Actors come from the file, so only reloads without end could fill this.
const MOST: usize = 1_000;

enum Kept {
    Token {
        text: SecretValue,
        life: Box<Token>,
        since: Duration,
    },
    Failure {
        failure: Failure,
        until: Duration,
    },
}

/// One client's place; who holds the lock asks, and whoever waits has the outcome.
type Place = Arc<tokio::sync::Mutex<Option<Kept>>>;

#[derive(Default)]
pub(crate) struct Actors {
    places: Mutex<HashMap<[u8; 32], Place>>,
}

impl Actors {
    /// What a file no longer names is not kept; what it still names is asked for again.
    pub(crate) fn clear(&self) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.clear();
    }

    fn place(&self, client: &ClientCredentials) -> Place {
        // Whole entries of a cache, whatever a panic left there.
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MOST {
            places.clear();
        }
        places.entry(client.cache_key()).or_default().clone()
    }
}

impl Door {
    /// The token of who acts.
    pub(crate) async fn actor_token(&self, actor: &Actor) -> Result<SecretValue, Failure> {
        let client = match &actor.token {
            ActorToken::Fixed(token) => return Ok(token.clone()),
            ActorToken::OfClient(client) => client,
        };
        let place = self.actors.place(client);
        let mut kept = place.lock().await;
        let now = Moment::now(&*self.clock);
        match &*kept {
            Some(Kept::Token { text, life, .. }) if life.is_usable(now) => return Ok(text.clone()),
            Some(Kept::Failure { failure, until }) if now.monotonic < *until => {
                return Err(failure.clone());
            }
            _ => {}
        }
        match self.own_token(client, now).await {
            Ok((text, life)) => {
                *kept = Some(Kept::Token {
                    text: text.clone(),
                    life: Box::new(life),
                    since: now.monotonic,
                });
                Ok(text)
            }
            Err(failure) => {
                let pause = failure.wait.unwrap_or(FAILURE_KEPT);
                let now = Moment::now(&*self.clock);
                *kept = Some(Kept::Failure {
                    failure: failure.clone(),
                    until: now.monotonic.saturating_add(pause),
                });
                Err(failure)
            }
        }
    }

    async fn own_token(
        &self,
        client: &ClientCredentials,
        requested: Moment,
    ) -> Result<(SecretValue, Token), Failure> {
        let TokenEndpoint::Configured(url) = &client.token_endpoint else {
            return Err(Failure::new(CredentialErrorKind::NotDiscovered));
        };
        let endpoint = Endpoint {
            url: url.clone(),
            issuer: None,
            destination: client.chosen_by,
        };
        let response = self.request_token(client, &endpoint).await?;
        let life = Token::from_response(&response, requested, None)
            .ok_or(Failure::new(CredentialErrorKind::BadResponse))?;
        Ok((SecretValue::new(response.access_token.expose()), life))
    }

    /// An exchange was refused; the actor's token may be why.
    pub(crate) async fn doubt_actor(&self, actor: &Actor) {
        let ActorToken::OfClient(client) = &actor.token else {
            return;
        };
        let place = self.actors.place(client);
        let mut kept = place.lock().await;
        let now = Moment::now(&*self.clock);
        if let Some(Kept::Token { since, .. }) = &*kept
            && now.monotonic.saturating_sub(*since) >= DOUBTED_AFTER
        {
            *kept = None;
        }
    }
}

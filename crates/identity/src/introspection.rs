//! Tokens that only their authorization server can read (RFC 7662).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use portcullis_core::{ClientSecret, Clock, Principal, PrincipalKind};
use portcullis_egress::{Destination, HttpClient, RequestBody};
use portcullis_oauth::jose::{Claims, TokenFault, Verified, read_introspected};
use portcullis_oauth::{ClientAuthentication, TokenRequest};
use url::Url;

use crate::document::exchange;
use crate::turns::Turns;
use crate::{Arrival, AuthnError, AuthnErrorKind, ClientCertificate, Presented, TrustedIssuer};

/// How long an answer is believed, if the token does not end sooner.
const KEPT: Duration = Duration::from_mins(1);
/// And a refusal: a token does not become active, but a new one may be presented too early.
const REFUSAL_KEPT: Duration = Duration::from_secs(10);
/// And a failure: those who waited for the same answer do not each wait for their own.
const FAILURE_KEPT: Duration = Duration::from_secs(1);
/// Answers that are kept.
const MOST_ANSWERS: usize = 10_000;

/// Where to ask, and as whom.
#[derive(Clone, Debug)]
pub struct IntrospectionSettings {
    /// The introspection endpoint.
    pub endpoint: Url,
    /// The operator accepted plain http for it.
    pub allow_insecure_http: bool,
    /// Our client at the authorization server.
    pub client_id: String,
    /// Its secret.
    pub client_secret: ClientSecret,
    /// How the secret is presented.
    pub client_auth: ClientAuth,
}

/// Client authentication at the introspection endpoint (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_secret_basic`
    Basic,
    /// `client_secret_post`
    Post,
}

/// Asks an authorization server about tokens, and remembers what it said for a short while under
/// the hash of the whole token and of the certificate that it came with.
pub struct Introspection {
    pub(crate) issuer: TrustedIssuer,
    pub(crate) settings: IntrospectionSettings,
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) clock: Arc<dyn Clock>,
    answers: Mutex<BTreeMap<Asked, Slot>>,
    turns: Turns,
}

/// A token, and the certificate with which its bearer came: what is said of a token that is bound to a
/// certificate is true for that bearer alone.
type Asked = ([u8; 32], Option<[u8; 32]>);

/// One token's answer; whoever presents the same token meanwhile waits for it.
type Slot = Arc<tokio::sync::Mutex<Option<Answer>>>;

#[derive(Clone)]
struct Answer {
    said: Result<Arc<Verified<Claims>>, AuthnErrorKind>,
    /// Monotonic.
    until: Duration,
}

impl Introspection {
    /// Asks for tokens of this issuer, whose algorithms and types do not matter here.
    pub fn new(
        issuer: TrustedIssuer,
        settings: IntrospectionSettings,
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            issuer,
            settings,
            http,
            clock,
            answers: Mutex::default(),
            turns: Turns::default(),
        }
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer.rules.issuer
    }

    /// Whose token this is.
    pub(crate) async fn principal(
        &self,
        presented: &Presented,
    ) -> Result<Arc<Principal>, AuthnError> {
        let token = presented.key().expose();
        let fingerprint = presented.fingerprint();
        let claims = self.claims(fingerprint, token, presented.arrival()).await?;
        let kind = PrincipalKind::IntrospectedToken;
        let principal = self.issuer.principal(&claims, kind, presented.arrival());
        Ok(Arc::new(principal))
    }

    /// What the token with this fingerprint says, to whoever came like this.
    pub(crate) async fn claims(
        &self,
        fingerprint: &[u8; 32],
        token: &str,
        arrival: &Arrival,
    ) -> Result<Arc<Verified<Claims>>, AuthnError> {
        let proved = arrival.proved(self.clock.now());
        let holder = proved.map(ClientCertificate::thumbprint);
        let slot = self.slot((*fingerprint, holder.copied()));
        let mut answer = slot.lock().await;
        if let Some(answer) = self.usable(answer.as_ref()) {
            return answer;
        }
        let said = self.ask(token, arrival, holder).await;
        let kept = match &said {
            Ok(_) => KEPT,
            Err(AuthnErrorKind::Unavailable) => FAILURE_KEPT,
            Err(_) => REFUSAL_KEPT,
        };
        *answer = Some(Answer {
            said: said.clone(),
            until: self.clock.monotonic() + kept,
        });
        Ok(said?)
    }

    /// Whether the issuer was asked lately about this token, whoever came with it, and did not say
    /// that it is none of ours.
    pub(crate) fn vouched_for(&self, fingerprint: &[u8; 32]) -> bool {
        let asked = (*fingerprint, None)..=(*fingerprint, Some([u8::MAX; 32]));
        let slots: Vec<Slot> = self
            .answers()
            .range(asked)
            .map(|(_, slot)| Arc::clone(slot))
            .collect();
        // Somebody is asking about it just now: it was presented to us.
        slots.iter().any(|slot| match slot.try_lock() {
            Ok(answer) => self
                .usable(answer.as_ref())
                .is_some_and(|said| said.map_or_else(|error| !error.kind.is_foreign(), |_| true)),
            Err(_) => true,
        })
    }

    /// What is remembered; never beyond the token's own end, by the clock that judges it.
    fn usable(&self, answer: Option<&Answer>) -> Option<Result<Arc<Verified<Claims>>, AuthnError>> {
        let answer = answer.filter(|answer| self.clock.monotonic() < answer.until)?;
        match &answer.said {
            Ok(claims) if self.is_over(claims) => Some(Err(TokenFault::Expired.into())),
            Ok(claims) => Some(Ok(Arc::clone(claims))),
            Err(fault) => Some(Err((*fault).into())),
        }
    }

    fn is_over(&self, claims: &Claims) -> bool {
        let end = claims.expires_at();
        end.is_some_and(|end| self.clock.now() >= end.after(self.issuer.rules.leeway))
    }

    async fn ask(
        &self,
        token: &str,
        arrival: &Arrival,
        holder: Option<&[u8; 32]>,
    ) -> Result<Arc<Verified<Claims>>, AuthnErrorKind> {
        let unavailable = || AuthnErrorKind::Unavailable;
        let _turn = self.turns.take(arrival.address).await.ok_or_else(|| {
            tracing::warn!(issuer = %self.issuer(), "too many tokens to ask about at one time");
            unavailable()
        })?;
        let request = self.request(token).ok_or_else(unavailable)?;
        let destination = Destination::Operator {
            allow_insecure_http: self.settings.allow_insecure_http,
        };
        let body = exchange(&*self.http, &self.settings.endpoint, destination, request)
            .await
            .map_err(|error| self.failed(&error))?;
        match read_introspected(&body, &self.issuer.rules, holder, self.clock.now()) {
            // Not what an authorization server answers: nothing is known of the token.
            Err(TokenFault::Malformed) => Err(self.failed(&TokenFault::Malformed)),
            Err(fault) => Err(AuthnErrorKind::Token(fault)),
            Ok(claims) => Ok(Arc::new(claims)),
        }
    }

    fn failed(&self, error: &(dyn std::error::Error + 'static)) -> AuthnErrorKind {
        tracing::error!(
            issuer = %self.issuer(),
            error,
            "the authorization server does not say whether a token is active"
        );
        AuthnErrorKind::Unavailable
    }

    pub(crate) fn request(&self, token: &str) -> Option<Request<RequestBody>> {
        let (client_id, client_secret) = (
            self.settings.client_id.as_str(),
            &self.settings.client_secret,
        );
        let client = match self.settings.client_auth {
            ClientAuth::Basic => ClientAuthentication::Basic {
                client_id,
                client_secret,
            },
            ClientAuth::Post => ClientAuthentication::Post {
                client_id,
                client_secret,
            },
        };
        let form = TokenRequest::introspection(&client, token).ok()?;
        let mut request = Request::new(RequestBody::default());
        *request.method_mut() = Method::POST;
        let headers = request.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static(TokenRequest::CONTENT_TYPE),
        );
        if let Some(value) = form.authorization() {
            headers.insert(AUTHORIZATION, value.clone());
        }
        *request.body_mut() = RequestBody::new(Bytes::from(form.into_form()));
        Some(request)
    }

    /// The place of one token's answer. When there are too many, what is over makes room, and then
    /// whatever nobody waits for.
    fn slot(&self, asked: Asked) -> Slot {
        let mut answers = self.answers();
        if let Some(slot) = answers.get(&asked) {
            return Arc::clone(slot);
        }
        if answers.len() >= MOST_ANSWERS {
            let now = self.clock.monotonic();
            answers.retain(|_, slot| {
                let settled = slot.try_lock();
                settled.map_or(true, |answer| {
                    answer.as_ref().is_some_and(|answer| now < answer.until)
                })
            });
        }
        if answers.len() >= MOST_ANSWERS {
            answers.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(answers.entry(asked).or_default())
    }

    fn answers(&self) -> MutexGuard<'_, BTreeMap<Asked, Slot>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection")
            .field("issuer", &self.issuer.rules.issuer)
            .finish_non_exhaustive()
    }
}

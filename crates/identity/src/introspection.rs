//! Tokens that only their authorization server can read (RFC 7662).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use portcullis_core::{ClientSecret, Clock, Principal, PrincipalKind, SubjectToken, TokenMarks};
use portcullis_egress::{Destination, HttpClient, RequestBody};
use portcullis_oauth::jose::{Claims, TokenFault, Verified, read_introspected};
use portcullis_oauth::{ClientAuthentication, TokenRequest};
use url::Url;

use crate::answers::{Answer, Answers, Asked};
use crate::document::exchange;
use crate::turns::{Place, Turns};
use crate::{
    Arrival, AuthnError, AuthnErrorKind, ClientCertificate, Presented, Told, TrustedIssuer,
};

/// How long an answer is believed, if the token does not end sooner.
const KEPT: Duration = Duration::from_mins(1);
/// And a refusal: a token does not become active, but a new one may be presented too early.
const REFUSAL_KEPT: Duration = Duration::from_secs(10);
/// And a failure: those who waited for the same answer do not each wait for their own.
const FAILURE_KEPT: Duration = Duration::from_secs(1);

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
    answers: Mutex<Answers>,
    /// Of those who have a turn or wait for one, which are few.
    asking: Mutex<BTreeMap<Asked, Slot>>,
    turns: Turns,
}

/// A question that is under way; whoever presents the same token meanwhile waits for it.
type Slot = Arc<tokio::sync::Mutex<()>>;

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
            asking: Mutex::default(),
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

    /// Whose a token is that came beside a key. It was made for somebody else, and no certificate
    /// proves that its bearer may hold it: what cannot be read of it for such a reason is no good.
    pub(crate) async fn tells_of(&self, subject: &SubjectToken) -> Result<Told, AuthnError> {
        let arrival = Arrival {
            address: subject.address(),
            certificate: None,
            addressed: None,
        };
        let text = subject.token().expose();
        match self.claims(subject.fingerprint(), text, &arrival).await {
            Ok(claims) => Ok(Told::Own(TokenMarks {
                issuer: self.issuer().into(),
                subject: Some(claims.subject().into()),
                jti: claims.token_id().map(Arc::from),
                sid: claims.session_id().map(Arc::from),
                issued_at: claims.issued_at(),
            })),
            Err(error) if error.kind == AuthnErrorKind::Token(TokenFault::Inactive) => {
                Ok(Told::Other)
            }
            Err(error) => Err(error),
        }
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
        let asked = (*fingerprint, holder.copied());
        if let Some(answer) = self.usable(&asked) {
            return answer;
        }
        let (question, place) = Question::about(self, asked, arrival)?;
        let only = question.slot.lock().await;
        if let Some(answer) = self.usable(&asked) {
            return answer;
        }
        // Whoever asked before may have gone away without an answer.
        let place = match place {
            Some(place) => place,
            None => self.line_up(arrival)?,
        };
        let said = self.ask(token, place, holder).await;
        let kept = match &said {
            Ok(_) => KEPT,
            Err(AuthnErrorKind::Unavailable | AuthnErrorKind::NoTurn) => FAILURE_KEPT,
            Err(_) => REFUSAL_KEPT,
        };
        let now = self.clock.monotonic();
        let answer = Answer {
            said: said.clone(),
            until: now + kept,
        };
        self.answers().keep(asked, answer, now);
        drop(only);
        Ok(said?)
    }

    /// Whether the issuer was asked lately about this token, whoever came with it, and did not say
    /// that it is none of ours.
    pub(crate) fn vouched_for(&self, fingerprint: &[u8; 32]) -> bool {
        // Somebody is asking about it just now: it was presented to us.
        let asked = (*fingerprint, None)..=(*fingerprint, Some([u8::MAX; 32]));
        if self.asking().range(asked).next().is_some() {
            return true;
        }
        let answers = self.answers();
        let mut about = answers.about(fingerprint);
        about.any(|answer| {
            let said = self.still(answer);
            said.is_some_and(|said| said.map_or_else(|error| !error.kind.is_foreign(), |_| true))
        })
    }

    fn line_up(&self, arrival: &Arrival) -> Result<Place<'_>, AuthnErrorKind> {
        self.turns.line_up(arrival.address).ok_or_else(|| {
            tracing::warn!(issuer = %self.issuer(), "too many wait to have tokens asked about");
            AuthnErrorKind::NoTurn
        })
    }

    fn usable(&self, asked: &Asked) -> Option<Result<Arc<Verified<Claims>>, AuthnError>> {
        self.still(self.answers().get(asked)?)
    }

    /// What is remembered; never beyond the token's own end, by the clock that judges it.
    fn still(&self, answer: &Answer) -> Option<Result<Arc<Verified<Claims>>, AuthnError>> {
        if self.clock.monotonic() >= answer.until {
            return None;
        }
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
        place: Place<'_>,
        holder: Option<&[u8; 32]>,
    ) -> Result<Arc<Verified<Claims>>, AuthnErrorKind> {
        let unavailable = || AuthnErrorKind::Unavailable;
        let _turn = place.turn().await.ok_or_else(|| {
            tracing::warn!(issuer = %self.issuer(), "too many tokens to ask about at one time");
            AuthnErrorKind::NoTurn
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

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asking(&self) -> MutexGuard<'_, BTreeMap<Asked, Slot>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who asks, or waits for whoever asks the same.
struct Question<'a> {
    introspection: &'a Introspection,
    asked: Asked,
    slot: Slot,
}

impl<'a> Question<'a> {
    /// Only who asks something new needs a place for it: with that it is bounded how many there are.
    fn about(
        introspection: &'a Introspection,
        asked: Asked,
        arrival: &Arrival,
    ) -> Result<(Self, Option<Place<'a>>), AuthnErrorKind> {
        let mut asking = introspection.asking();
        let (slot, place) = if let Some(slot) = asking.get(&asked) {
            (Arc::clone(slot), None)
        } else {
            let place = introspection.line_up(arrival)?;
            let slot = Slot::default();
            asking.insert(asked, Arc::clone(&slot));
            (slot, Some(place))
        };
        let question = Self {
            introspection,
            asked,
            slot,
        };
        Ok((question, place))
    }
}

impl Drop for Question<'_> {
    /// The last one leaves nothing behind. Each takes and gives back its part under the lock.
    fn drop(&mut self) {
        let mut asking = self.introspection.asking();
        self.slot = Slot::default();
        if asking
            .get(&self.asked)
            .is_some_and(|slot| Arc::strong_count(slot) == 1)
        {
            asking.remove(&self.asked);
        }
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection")
            .field("issuer", &self.issuer.rules.issuer)
            .finish_non_exhaustive()
    }
}

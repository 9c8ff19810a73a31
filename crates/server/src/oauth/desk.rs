//! What every endpoint does: one event, one body, one form of refusal.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, PRAGMA,
    RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use portcullis_core::{ErrorKind, Side};
use portcullis_engine::Quota;
use portcullis_engine::audit::{AuditGuard, CallerText, Outcome, Surface, Target};
use portcullis_identity::authorization_server::{
    AuthorizationServer, ClientCredentials, TokenRefusal,
};
use portcullis_oauth::authorization_server::{InvalidParameters, OAuthFault, Parameters};
use serde_json::{Value, json};

use crate::listen::peer;
use crate::reply::{json as reply, text_error};
use crate::state::ServerState;

/// No form and no registration is longer.
const LONGEST: usize = 16 * 1024;

/// The reason on record of a request that comes too soon after too many others of its network.
pub(crate) const TOO_OFTEN: &str = "too_many_requests";

/// One request at an endpoint, on record from its beginning.
pub(super) struct Desk {
    pub(super) state: ServerState,
    pub(super) parts: Parts,
    pub(super) audit: AuditGuard,
    pub(super) server: AuthorizationServer,
    /// Our origin, as the client addressed it.
    pub(super) origin: String,
}

/// Why a client gets nothing.
pub(super) enum NotGiven {
    /// In the words of the endpoint.
    Token(TokenRefusal),
    /// The body is no form, or no JSON, or too long.
    Body(StatusCode, OAuthFault),
}

impl From<TokenRefusal> for NotGiven {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Token(refusal)
    }
}

impl Desk {
    /// Opens the event and counts the request, whoever sends it; the response, if there is one, is the
    /// refusal.
    pub(super) async fn open(
        state: ServerState,
        request: Request,
        method: &'static str,
        quota: Quota,
    ) -> Result<(Self, Body), Box<Response<Body>>> {
        let (parts, body) = request.into_parts();
        let mut audit = state.open_event(&parts, Surface::OAuth, state.client_address(&parts))?;
        audit.method(CallerText::new(method));
        let frontage = state.frontage.load_full();
        let side = Side::of(state.client_address(&parts), &frontage.inside);
        let server = frontage.authorization_server.clone();
        let server = server.map(|server| server.seen_from(side));
        let origin = state.public_origin(&parts);
        let (Some(server), Some(origin)) = (server, origin) else {
            let recorded = audit.finish_before_answer(ErrorKind::NotFound.into());
            return Err(Box::new(match recorded.await {
                Ok(()) => text_error(StatusCode::NOT_FOUND, "not_found"),
                Err(_) => text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            }));
        };
        let desk = Self {
            state,
            parts,
            audit,
            server,
            origin,
        };
        match desk.state.one_more(quota, &desk.parts) {
            Ok(()) => Ok((desk, body)),
            Err(wait) => Err(Box::new(desk.too_often(wait).await)),
        }
    }

    /// RFC 6585 §4, in the words that clients of these endpoints read.
    async fn too_often(mut self, wait: u64) -> Response<Body> {
        self.audit.denied(TOO_OFTEN);
        let recorded = self
            .audit
            .finish_before_answer(ErrorKind::RateLimited.into());
        if recorded.await.is_err() {
            return text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
        }
        let body = json!({
            "error": "temporarily_unavailable",
            "error_description": "too many requests come from this network; wait as long as Retry-After says",
        });
        let mut response = never_kept(reply(StatusCode::TOO_MANY_REQUESTS, body.to_string()));
        response.headers_mut().insert(RETRY_AFTER, wait.into());
        response
    }

    /// Reads the form.
    pub(super) async fn form(&mut self, body: Body) -> Result<Parameters, NotGiven> {
        if !is_of_type(&self.parts.headers, "application/x-www-form-urlencoded") {
            return Err(NotGiven::Body(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                OAuthFault::request("the body must be application/x-www-form-urlencoded"),
            ));
        }
        let body = self.body(body).await?;
        let text = std::str::from_utf8(&body);
        let text = text.map_err(|_| bad_body("the body is not UTF-8"))?;
        Parameters::parse(text).map_err(|error| {
            bad_body(match error {
                InvalidParameters::Repeated => "a parameter is there more than once",
                InvalidParameters::TooLong => "the form is too long",
            })
        })
    }

    /// Reads a JSON body.
    pub(super) async fn json(&mut self, body: Body) -> Result<Bytes, NotGiven> {
        if !is_of_type(&self.parts.headers, "application/json") {
            return Err(NotGiven::Body(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                OAuthFault::new(
                    "invalid_client_metadata",
                    "the body must be application/json",
                ),
            ));
        }
        self.body(body).await
    }

    async fn body(&mut self, body: Body) -> Result<Bytes, NotGiven> {
        let longest = LONGEST.min(self.state.max_body);
        let reading = Limited::new(body, longest).collect();
        let read = match tokio::time::timeout(self.state.body_timeout, reading).await {
            Err(_) => Err((
                StatusCode::REQUEST_TIMEOUT,
                "the body took too long to arrive",
            )),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                Err((StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"))
            }
            Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "the body broke off")),
            Ok(Ok(read)) => Ok(read.to_bytes()),
        };
        let read =
            read.map_err(|(status, words)| NotGiven::Body(status, OAuthFault::request(words)))?;
        self.audit
            .request_bytes(u64::try_from(read.len()).unwrap_or(u64::MAX));
        Ok(read)
    }

    /// The value of `Authorization`. `Err`: there are several, or it is no text.
    pub(super) fn authorization(&self) -> Result<Option<&str>, NotGiven> {
        let value = crate::mcp::sole(&self.parts.headers, &AUTHORIZATION);
        value.map_err(|()| bad_body("one Authorization header at most"))
    }

    /// Puts on record who somebody claims to be, before it is seen whether they are.
    pub(super) fn claimed(audit: &mut AuditGuard, credentials: &ClientCredentials<'_>) {
        if let Some(client) = credentials.claimed_client() {
            audit.target(Target::client(&client));
        }
    }

    /// Ends well.
    pub(super) async fn answer(self, status: StatusCode, body: &Value) -> Response<Body> {
        match self.audit.finish_before_answer(Outcome::Ok).await {
            Ok(()) => never_kept(reply(status, body.to_string())),
            Err(_) => text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        }
    }

    /// Ends with an empty answer (RFC 7009 §2.2).
    pub(super) async fn done(self) -> Response<Body> {
        match self.audit.finish_before_answer(Outcome::Ok).await {
            Ok(()) => never_kept(Response::new(Body::empty())),
            Err(_) => text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        }
    }

    /// Ends with a refusal. Whoever keeps guessing a client's secret gets it late.
    pub(super) async fn refuse(mut self, refusal: NotGiven) -> Response<Body> {
        let (status, kind, fault) = match &refusal {
            NotGiven::Token(refusal) => {
                let kind = refusal.error_kind();
                (status_of(kind), kind, refusal.fault())
            }
            NotGiven::Body(status, fault) => (*status, ErrorKind::Invalid, *fault),
        };
        if let NotGiven::Token(TokenRefusal::Failed(error)) = &refusal {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "the authorization server failed"
            );
        }
        let rule = match &refusal {
            NotGiven::Token(TokenRefusal::Theft(theft)) => {
                tracing::warn!(
                    grant = theft.grant,
                    client.id = theft.client,
                    rule = theft.rule,
                    "what was used up came again: one of two holders stole it, and the grant has ended"
                );
                if let Some(principal) = &theft.principal {
                    self.audit.principal(principal);
                }
                self.audit.target(Target::client(&theft.client));
                theft.rule
            }
            _ => fault.code,
        };
        let guessed = matches!(&refusal, NotGiven::Token(TokenRefusal::Client { .. }));
        let mut response = self.refuse_by(status, kind, (fault, rule), guessed).await;
        if let NotGiven::Token(TokenRefusal::Client { by_basic: true }) = refusal {
            let basic = HeaderValue::from_static(r#"Basic realm="portcullis""#);
            response.headers_mut().insert(WWW_AUTHENTICATE, basic);
        }
        response
    }

    pub(super) async fn refuse_as(
        self,
        status: StatusCode,
        kind: ErrorKind,
        fault: OAuthFault,
        guessed: bool,
    ) -> Response<Body> {
        self.refuse_by(status, kind, (fault, fault.code), guessed)
            .await
    }

    async fn refuse_by(
        mut self,
        status: StatusCode,
        kind: ErrorKind,
        (fault, rule): (OAuthFault, &'static str),
        guessed: bool,
    ) -> Response<Body> {
        self.audit.denied(rule);
        let wait = if guessed {
            let address = self.state.client_address(&self.parts);
            let address = address.or_else(|| peer(&self.parts));
            let now = self.state.clock.monotonic();
            self.state.failures.failed(address, now)
        } else {
            std::time::Duration::ZERO
        };
        if self.audit.finish_before_answer(kind.into()).await.is_err() {
            return text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
        }
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let body = json!({"error": fault.code, "error_description": fault.description});
        let mut response = never_kept(reply(status, body.to_string()));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

/// RFC 6749 §5.1 and §5.2.
fn never_kept(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

fn bad_body(words: &'static str) -> NotGiven {
    NotGiven::Body(StatusCode::BAD_REQUEST, OAuthFault::request(words))
}

/// RFC 6749 §5.2: 400, and 401 where the client did not authenticate.
const fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn is_of_type(headers: &HeaderMap, wanted: &str) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let essence = value.to_str().unwrap_or_default().split(';').next();
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(wanted))
        && !headers.contains_key(CONTENT_ENCODING)
}

//! People whom an OpenID provider vouches for (OpenID Connect Core 1.0 §3.1).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use portcullis_core::{ClientSecret, Clock, Entropy, SecretValue, Timestamp};
use portcullis_egress::{HttpClient, RequestBody};
use portcullis_oauth::jose::{
    Claims, Jwks, Jws, SignInMarks, TokenFault, Unverified, Verified, verify_id_token,
};
use portcullis_oauth::{
    ClientAuthentication, CodeResponse, OpenIdProvider, SignInRequest, TokenRequest,
};
use portcullis_store::OneTimeStore;
use portcullis_vault::KeyRing;
use url::Url;

use super::SignInFault;
use super::provider_document::Known;
use super::provider_state::UnderWay;
use crate::document::exchange;
use crate::{Asserted, ClientAuth, JwksCache, Proved, TrustedIssuer, Vouching};

/// Which provider, and who we are there.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// What its ID tokens must be like, where their claims are, and what the people see. Audiences and
    /// types of the rules are not looked at: an ID token's are fixed.
    pub trusted: TrustedIssuer,
    /// What people call it.
    pub name: String,
    /// Our client.
    pub client_id: String,
    /// Its secret and how it is presented; `None` for a public client.
    pub client_secret: Option<(ClientSecret, ClientAuth)>,
    /// `scope`, with `openid`.
    pub scope: String,
}

/// A provider that people sign in with.
pub struct Provider {
    pub(super) settings: ProviderSettings,
    pub(super) keys: Arc<JwksCache>,
    pub(super) http: Arc<dyn HttpClient>,
    pub(super) one_time: Arc<dyn OneTimeStore>,
    pub(super) ring: Arc<KeyRing>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) known: Mutex<Known>,
    /// Held while asking for the metadata.
    pub(super) flight: tokio::sync::Mutex<()>,
}

/// Somebody who came back.
#[derive(Debug)]
pub struct Arrived {
    /// Who.
    pub proved: Proved,
    /// What said so, for acting as them towards whoever trusts the same provider.
    pub id_token: SecretValue,
    /// When that ends.
    pub id_token_ends: Timestamp,
    /// Where they wanted to go.
    pub return_to: String,
}

/// What the way back says (RFC 6749 §4.1.2, RFC 9207 §2). Nobody vouches for any of it.
#[derive(Default)]
struct Response {
    state: Option<String>,
    issuer: Option<String>,
    code: Option<SecretValue>,
    is_error: bool,
}

impl Provider {
    /// A provider, its keys, and where those are remembered who are on their way.
    pub fn new(
        settings: ProviderSettings,
        keys: Arc<JwksCache>,
        http: Arc<dyn HttpClient>,
        (one_time, ring): (Arc<dyn OneTimeStore>, Arc<KeyRing>),
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            settings,
            keys,
            http,
            one_time,
            ring,
            clock,
            entropy,
            known: Mutex::default(),
            flight: tokio::sync::Mutex::default(),
        }
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Where to send a person whose browser has this name. `anew`: a session that they have there already
    /// does not do.
    pub async fn depart(
        &self,
        browser: &str,
        redirect_uri: &str,
        return_to: &str,
        anew: bool,
    ) -> Result<Url, SignInFault> {
        let document = self.document().await?;
        let begun = self.begin(browser, redirect_uri, return_to, anew).await?;
        Ok(document.authorization_url(&SignInRequest {
            client_id: &self.settings.client_id,
            redirect_uri,
            scope: &self.settings.scope,
            state: begun.state.expose(),
            nonce: &begun.nonce,
            verifier: &begun.verifier,
            anew,
        }))
    }

    /// Who came back with this query, in the browser of this name. First it is seen that we sent this
    /// browser there, then who answers, and only then is the code shown to anybody.
    pub async fn arrive(&self, query: &str, browser: Option<&str>) -> Result<Arrived, SignInFault> {
        let response = Response::read(query).ok_or(SignInFault::Malformed)?;
        let state = response.state.as_deref().ok_or(SignInFault::Malformed)?;
        let under_way = self.resume(state, browser).await?;
        let document = self.document().await?;
        let expected = &self.settings.trusted.rules.issuer;
        match &response.issuer {
            Some(issuer) if issuer == expected => {}
            None if !document.authorization_response_iss_parameter_supported => {}
            _ => return Err(SignInFault::OtherIssuer),
        }
        if response.is_error {
            return Err(SignInFault::Refused);
        }
        let code = response.code.ok_or(SignInFault::Malformed)?;
        let answer = self.redeem(&document, &code, &under_way).await?;
        let claims = self.believe(&answer, &under_way.nonce).await?;
        if let Some(since) = under_way.anew_since
            && signed_in_before(&claims, since.before(self.settings.trusted.rules.leeway))
        {
            return Err(SignInFault::NotAnew);
        }
        Ok(Arrived {
            proved: Proved::Provider(Box::new(self.asserted(&claims))),
            id_token: answer.id_token,
            // Always there in a JWT that is believed.
            id_token_ends: claims.expires_at().unwrap_or_else(|| self.clock.now()),
            return_to: under_way.return_to,
        })
    }

    /// Where a person ends their session at the provider too, if it offers that.
    pub async fn end_session_url(&self, back_to: &str) -> Option<Url> {
        let document = self.document().await.ok()?;
        document.end_session_url(&self.settings.client_id, back_to)
    }

    async fn redeem(
        &self,
        document: &OpenIdProvider,
        code: &SecretValue,
        under_way: &UnderWay,
    ) -> Result<CodeResponse, SignInFault> {
        let client_id = self.settings.client_id.as_str();
        let client = match &self.settings.client_secret {
            None => ClientAuthentication::Public { client_id },
            Some((client_secret, ClientAuth::Basic)) => ClientAuthentication::Basic {
                client_id,
                client_secret,
            },
            Some((client_secret, ClientAuth::Post)) => ClientAuthentication::Post {
                client_id,
                client_secret,
            },
        };
        let (redirect_uri, verifier) = (&under_way.redirect_uri, under_way.verifier());
        let form = TokenRequest::authorization_code(&client, code, redirect_uri, &verifier, None)
            .map_err(|error| self.failed(&error))?;
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
        let endpoint = &document.token_endpoint;
        let destination = self.keys.source().destination(endpoint);
        let body = exchange(&*self.http, endpoint, destination, request)
            .await
            .map_err(|error| self.failed(&error))?;
        CodeResponse::parse(&body).ok_or_else(|| self.failed(&TokenFault::Malformed))
    }

    async fn believe(
        &self,
        answer: &CodeResponse,
        nonce: &str,
    ) -> Result<Verified<Claims>, SignInFault> {
        let text = answer.id_token.expose();
        let token = Unverified::<Jws<'_>>::parse(text).map_err(SignInFault::Token)?;
        let keys = self.keys.keys().await.map_err(|_| SignInFault::Provider)?;
        let marks = SignInMarks {
            client_id: &self.settings.client_id,
            nonce,
            access_token: &answer.access_token,
        };
        let rules = &self.settings.trusted.rules;
        let judge = |keys: &Jwks| verify_id_token(&token, keys, rules, &marks, self.clock.now());
        let judged = match judge(&keys) {
            Err(TokenFault::UnknownKey) => match self.keys.newer_than(&keys).await {
                Some(newer) => judge(&newer),
                None => Err(TokenFault::UnknownKey),
            },
            judged => judged,
        };
        judged.map_err(|fault| {
            tracing::warn!(issuer = %rules.issuer, %fault, "an ID token of the provider is not believed");
            SignInFault::Token(fault)
        })
    }

    fn asserted(&self, claims: &Claims) -> Asserted {
        let names = &self.settings.trusted.claims;
        let text = |name: &Option<String>| claims.text(name.as_deref()?).map(str::to_owned);
        let groups: BTreeSet<String> = names
            .groups
            .iter()
            .flat_map(|name| claims.texts(name))
            .map(str::to_owned)
            .collect();
        Asserted {
            by: Vouching::SignIn,
            issuer: self.settings.trusted.rules.issuer.clone(),
            subject: claims.subject().to_owned(),
            sid: claims.session_id().map(str::to_owned),
            user_id: text(&names.user_id),
            // An address that the provider has not seen proved is whatever its user typed.
            email: match claims.flag("email_verified") {
                None | Some(true) => text(&names.email),
                Some(false) => None,
            },
            team: text(&names.team),
            org: text(&names.org),
            groups,
            scopes: None,
        }
    }

    fn failed(&self, error: &(dyn std::error::Error + 'static)) -> SignInFault {
        tracing::error!(
            issuer = %self.settings.trusted.rules.issuer,
            error,
            "the provider does not say who signed in"
        );
        SignInFault::Provider
    }
}

/// Whether the provider says that the person proved who they are before this (`auth_time`, OpenID Connect
/// Core §2). One that says nothing of it was asked, and is believed.
fn signed_in_before(claims: &Claims, since: Timestamp) -> bool {
    let said = claims.member("auth_time");
    said.is_some_and(|at| {
        let at = at.as_i64().map(Timestamp::from_secs);
        at.is_none_or(|at| at < since)
    })
}

impl Response {
    /// `None`: a parameter that counts stands twice, and two readers could take two different ones.
    fn read(query: &str) -> Option<Self> {
        let mut read = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            let twice = match &*name {
                "state" => read.state.replace(value).is_some(),
                "iss" => read.issuer.replace(value).is_some(),
                "code" => read.code.replace(SecretValue::new(value)).is_some(),
                "error" => std::mem::replace(&mut read.is_error, true),
                _ => false,
            };
            if twice {
                return None;
            }
        }
        Some(read)
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("issuer", &self.settings.trusted.rules.issuer)
            .finish_non_exhaustive()
    }
}

//! The authorization endpoint, up to the moment at which a person is needed (RFC 6749 §4.1.1).

use std::fmt;
use std::time::Duration;

use portcullis_core::{ErrorKind, ScopeSet, Timestamp, sha256};
use portcullis_oauth::authorization_server::{
    AuthorizationRequest, InvalidParameters, NativeRedirects, OAuthFault, Parameters,
    PkceChallenge, RedirectUri,
};
use portcullis_store::{OneTimeRecord, OneTimeUse, Put};
use portcullis_vault::SealedBox;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

use super::clients::{Client, ClientStanding};
use super::resource::aggregate;
use super::{AuthorizationError, AuthorizationServer, Endpoint, secrets};

/// How long a person may take.
const PARKED: Duration = Duration::from_mins(10);
/// Most requests that wait for their people at a time, whoever made them: anybody may.
const ROOM: u64 = 20_000;
/// Longest `client_id`.
const LONGEST_CLIENT_ID: usize = 2048;

/// What the browser holds while its person decides: it names the parked request, and is good for
/// nothing without a signed-in person.
#[derive(Clone, PartialEq, Eq)]
pub struct FlowHandle(String);

impl FlowHandle {
    /// One that came back. Whether it names anything is found out later.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (text.len() == 43 && text.bytes().all(plain)).then(|| Self(text.to_owned()))
    }

    /// The text, for a URL or a form of ours.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}

impl fmt::Debug for FlowHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlowHandle(redacted)")
    }
}

/// What a browser gets instead of a decision.
#[derive(Debug)]
pub enum Refusal {
    /// Nobody vouches for where the browser would be sent, so it is told here (OAuth 2.1 §4.1.2.1).
    Page {
        /// What is wrong; its words are ours.
        fault: OAuthFault,
        /// How a surface reports it.
        kind: ErrorKind,
    },
    /// The client, one that the operator wrote down, is told by the browser.
    Redirect {
        /// Where to.
        to: Url,
        /// What is wrong.
        fault: OAuthFault,
    },
    /// The authorization server failed.
    Failed(AuthorizationError),
}

impl From<AuthorizationError> for Refusal {
    fn from(error: AuthorizationError) -> Self {
        Self::Failed(error)
    }
}

impl Refusal {
    const fn page(fault: OAuthFault) -> Self {
        Self::Page {
            fault,
            kind: ErrorKind::Invalid,
        }
    }
}

/// A parked request: judged, and waiting for its person.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parked {
    pub(super) client: String,
    pub(super) client_name: Option<String>,
    pub(super) standing: ClientStanding,
    pub(super) client_fingerprint: [u8; 32],
    pub(super) loopback_only: bool,
    /// Whether the client may have refresh tokens.
    pub(super) refreshes: bool,
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) challenge: PkceChallenge,
    pub(super) origin: String,
    /// What the client knows us by, where that is not the origin.
    #[serde(default)]
    pub(super) issuer: Option<String>,
    pub(super) resource: String,
    pub(super) endpoint: Endpoint,
    pub(super) scopes: ScopeSet,
    pub(super) sign_in: bool,
    pub(super) consent: bool,
    pub(super) expires_at: Timestamp,
}

impl Parked {
    /// Back to the client, with these parameters, `state` and `iss` (RFC 9207 §2).
    pub(super) fn redirect(&self, parameters: &[(&str, &str)]) -> Option<Url> {
        back(
            &self.redirect_uri,
            parameters,
            self.state.as_deref(),
            self.issuer.as_deref().unwrap_or(&self.origin),
        )
    }

    pub(super) fn refuse(&self, fault: OAuthFault) -> Option<Url> {
        let words = [
            ("error", fault.code),
            ("error_description", fault.description),
        ];
        self.redirect(&words)
    }
}

fn back(
    redirect_uri: &str,
    parameters: &[(&str, &str)],
    state: Option<&str>,
    issuer: &str,
) -> Option<Url> {
    let mut url = Url::parse(redirect_uri).ok()?;
    url.query_pairs_mut()
        .extend_pairs(parameters)
        .extend_pairs(state.map(|state| ("state", state)))
        .append_pair("iss", issuer);
    Some(url)
}

impl AuthorizationServer {
    /// Judges the query of an authorization request that came to this origin of ours, and parks it.
    /// Nothing that was not registered is ever redirected to.
    pub async fn begin(&self, query: &str, origin: &str) -> Result<FlowHandle, Refusal> {
        let parameters = Parameters::parse(query).map_err(|error| {
            Refusal::page(OAuthFault::request(match error {
                InvalidParameters::Repeated => "a parameter is there more than once",
                InvalidParameters::TooLong => "the request is too long",
            }))
        })?;
        let client = self.asking(&parameters).await?;
        let redirect_uri = redirect_uri(&client, &parameters, &self.terms.natives)?;
        let state = AuthorizationRequest::state(&parameters).map_err(Refusal::page)?;
        let issuer = issuer(&parameters, origin)?;
        let parked = self
            .judge(&client, redirect_uri, state, &parameters, origin)
            .map(|parked| Parked {
                issuer: issuer.map(str::to_owned),
                ..parked
            })
            .map_err(|error| match error {
                Judged::Failed(error) => Refusal::Failed(error),
                Judged::Fault(fault) => {
                    let words = [
                        ("error", fault.code),
                        ("error_description", fault.description),
                    ];
                    // Whoever registered it, or wrote its document, chose where this would lead, and nobody
                    // has signed in yet: the browser would be sent there by our name (RFC 9700 §4.11.2).
                    if client.standing != ClientStanding::Listed {
                        return Refusal::page(fault);
                    }
                    match back(redirect_uri, &words, state, issuer.unwrap_or(origin)) {
                        Some(to) => Refusal::Redirect { to, fault },
                        None => Refusal::page(fault),
                    }
                }
            })?;
        Ok(self.park(&parked).await?)
    }

    async fn asking(&self, parameters: &Parameters) -> Result<Client, Refusal> {
        let unknown = || {
            Refusal::page(OAuthFault::new(
                "invalid_client",
                "unknown or malformed client_id",
            ))
        };
        let id = parameters.get("client_id").ok_or_else(unknown)?;
        if id.len() > LONGEST_CLIENT_ID {
            return Err(unknown());
        }
        self.client(id).await?.ok_or_else(unknown)
    }

    fn judge(
        &self,
        client: &Client,
        redirect_uri: &str,
        state: Option<&str>,
        parameters: &Parameters,
        origin: &str,
    ) -> Result<Parked, Judged> {
        let request = AuthorizationRequest::read(parameters).map_err(Judged::Fault)?;
        let resource = match request.resource {
            Some(resource) => resource,
            None => aggregate(origin).into_owned(),
        };
        // Which names there are is told nobody who has not signed in.
        let endpoint = Endpoint::of_resource(&resource, origin).ok_or(Judged::Fault(
            OAuthFault::target("resource is none of this gateway's endpoints"),
        ))?;
        Ok(Parked {
            client: client.id.clone(),
            client_name: client.metadata.name.clone(),
            standing: client.standing.clone(),
            client_fingerprint: client.fingerprint().map_err(Judged::Failed)?,
            loopback_only: client.is_on_loopback_only(),
            refreshes: client.metadata.refreshes(),
            redirect_uri: redirect_uri.to_owned(),
            state: state.map(str::to_owned),
            challenge: request.challenge,
            origin: origin.to_owned(),
            issuer: None,
            resource,
            endpoint,
            scopes: self.grantable(&request.scopes, client.metadata.scope.as_ref()),
            sign_in: request.prompt.sign_in,
            consent: request.prompt.consent,
            expires_at: self.deps.clock.now().after(PARKED),
        })
    }

    async fn park(&self, parked: &Parked) -> Result<FlowHandle, AuthorizationError> {
        let handle = FlowHandle(secrets::random(&*self.deps.entropy, "")?);
        let usage = OneTimeUse::AuthorizationRequest;
        let record = self.sealed(usage, handle.digest(), parked, parked.expires_at)?;
        let (values, now) = (&self.deps.one_time, self.deps.clock.now());
        match values.put_within(&record, ROOM, now).await? {
            Put::Kept => Ok(handle),
            Put::Taken => Err(portcullis_core::EntropyUnavailable.into()),
            Put::Full => Err(AuthorizationError::Full),
        }
    }

    /// Keeps a value that is good once, sealed for its digest.
    pub(super) async fn put(
        &self,
        usage: OneTimeUse,
        digest: [u8; 32],
        value: &impl Serialize,
        expires_at: Timestamp,
    ) -> Result<(), AuthorizationError> {
        let record = self.sealed(usage, digest, value, expires_at)?;
        // A digest that is there already would be that of another value.
        if self.deps.one_time.put(&record).await? {
            Ok(())
        } else {
            Err(portcullis_core::EntropyUnavailable.into())
        }
    }

    fn sealed(
        &self,
        usage: OneTimeUse,
        digest: [u8; 32],
        value: &impl Serialize,
        expires_at: Timestamp,
    ) -> Result<OneTimeRecord, AuthorizationError> {
        let text = serde_json::to_vec(value)?;
        let row = portcullis_core::hex(&digest);
        let sealed = self
            .deps
            .ring
            .seal_row(ONE_TIME, &row, usage.as_str(), &text)?;
        Ok(OneTimeRecord {
            usage,
            digest,
            sealed: sealed.as_bytes().to_vec(),
            expires_at,
        })
    }

    /// Opens what [`put`](Self::put) kept.
    pub(super) fn opened<T: DeserializeOwned>(
        &self,
        usage: OneTimeUse,
        digest: &[u8; 32],
        sealed: Vec<u8>,
    ) -> Result<T, AuthorizationError> {
        let row = portcullis_core::hex(digest);
        let sealed = SealedBox::from_bytes(sealed);
        let text = self
            .deps
            .ring
            .open_row(ONE_TIME, &row, usage.as_str(), &sealed)?;
        Ok(serde_json::from_slice(&text)?)
    }
}

const ONE_TIME: &str = "one_time_values";

enum Judged {
    Fault(OAuthFault),
    Failed(AuthorizationError),
}

/// What the client takes us for, by the document that sent it here; `None`: for the origin. Nobody is
/// answered in the name of anything else (RFC 9207).
fn issuer<'p>(parameters: &'p Parameters, origin: &str) -> Result<Option<&'p str>, Refusal> {
    let asked = parameters.get("issuer").filter(|asked| *asked != origin);
    match asked {
        Some(asked) if Endpoint::of_resource(asked, origin).is_none() => Err(Refusal::page(
            OAuthFault::request("issuer is none of this gateway's"),
        )),
        asked => Ok(asked),
    }
}

fn redirect_uri<'p>(
    client: &Client,
    parameters: &'p Parameters,
    natives: &NativeRedirects,
) -> Result<&'p str, Refusal> {
    let asked = parameters.get("redirect_uri");
    let asked = asked.ok_or(Refusal::page(OAuthFault::request(
        "redirect_uri is missing",
    )))?;
    let registered: Option<&RedirectUri> = client.metadata.redirect(asked);
    // What was taken once by other rules is judged by those of today.
    let stands = |registered: &&RedirectUri| {
        let application = client.metadata.application_type;
        client.standing == ClientStanding::Listed
            || RedirectUri::register(registered.as_str(), application, natives).is_ok()
    };
    registered
        .filter(stands)
        .map(|_| asked)
        .ok_or(Refusal::page(OAuthFault::request(
            "redirect_uri is not registered for this client",
        )))
}

//! What joins a browser that comes back with the flow that sent it away.

use std::time::Duration;

use portcullis_core::{PrincipalId, ScopeSet, ServerId, Sha256, hex, sha256};
use portcullis_oauth::CodeVerifier;
use portcullis_store::{OneTimeRecord, OneTimeUse, Redeemed};
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::client::{self, Client};
use super::connections::Inner;
use super::holder::Holder;
use crate::CredentialErrorKind;
use crate::error::Failure;

const TABLE: &str = "one_time_values";
const COLUMN: &str = "upstream-state";
/// How long a person may take at the authorization server.
pub(super) const LONGEST: Duration = Duration::from_mins(10);
/// The cookie's name, before what tells several flows of one browser apart. The prefix binds it to
/// this host and to https (RFC 6265bis §4.1.3.2).
const COOKIE: &str = "__Host-portcullis_connect_";

/// One flow. Its verifier is ours and never the client's.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) principal: PrincipalId,
    /// Who held that name when it began.
    pub(super) holder: Option<Holder>,
    pub(super) server: ServerId,
    /// The terms that it began under.
    pub(super) terms: String,
    pub(super) key: String,
    pub(super) issuer: Option<String>,
    pub(super) announces_issuer: bool,
    pub(super) token_endpoint: Url,
    pub(super) revocation_endpoint: Option<Url>,
    pub(super) userinfo_endpoint: Option<Url>,
    pub(super) client: Client,
    pub(super) verifier: CodeVerifier,
    pub(super) resource: Option<String>,
    pub(super) scopes: ScopeSet,
    pub(super) redirect_uri: String,
    pub(super) return_to: String,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    principal: PrincipalId,
    holder: Option<String>,
    server: ServerId,
    terms: String,
    key: String,
    issuer: Option<String>,
    announces_issuer: bool,
    token_endpoint: Url,
    revocation_endpoint: Option<Url>,
    userinfo_endpoint: Option<Url>,
    client: client::Wire,
    verifier: String,
    resource: Option<String>,
    scopes: String,
    redirect_uri: String,
    return_to: String,
}

impl Flow {
    fn to_text(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let flow = self.clone();
        let wire = Wire {
            principal: flow.principal,
            holder: flow.holder.map(Holder::to_text),
            server: flow.server,
            terms: flow.terms,
            key: flow.key,
            issuer: flow.issuer,
            announces_issuer: flow.announces_issuer,
            token_endpoint: flow.token_endpoint,
            revocation_endpoint: flow.revocation_endpoint,
            userinfo_endpoint: flow.userinfo_endpoint,
            client: (&flow.client).into(),
            verifier: flow.verifier.expose().to_owned(),
            resource: flow.resource,
            scopes: flow.scopes.to_string(),
            redirect_uri: flow.redirect_uri,
            return_to: flow.return_to,
        };
        let text = serde_json::to_vec(&wire).map_err(Failure::of_defect)?;
        Ok(Zeroizing::new(text))
    }

    fn of_text(text: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(text).ok()?;
        Some(Self {
            principal: wire.principal,
            holder: match wire.holder {
                Some(holder) => Some(Holder::of_text(&holder)?),
                None => None,
            },
            server: wire.server,
            terms: wire.terms,
            key: wire.key,
            issuer: wire.issuer,
            announces_issuer: wire.announces_issuer,
            token_endpoint: wire.token_endpoint,
            revocation_endpoint: wire.revocation_endpoint,
            userinfo_endpoint: wire.userinfo_endpoint,
            client: wire.client.into(),
            verifier: CodeVerifier::kept(wire.verifier),
            resource: wire.resource,
            scopes: wire.scopes.parse().ok()?,
            redirect_uri: wire.redirect_uri,
            return_to: wire.return_to,
        })
    }
}

/// The cookie of a flow. Its name says which flow, its value is the browser's half of the secret.
pub(super) fn cookie_name(state: &str) -> String {
    let digest = hex(&sha256(state.as_bytes()));
    format!("{COOKIE}{}", digest.get(..16).unwrap_or_default())
}

/// `Set-Cookie` of a browser that is sent away.
pub(super) fn set_cookie(state: &str, secret: &str) -> String {
    let (name, age) = (cookie_name(state), LONGEST.as_secs());
    format!("{name}={secret}; Path=/; Max-Age={age}; Secure; HttpOnly; SameSite=Lax")
}

/// `Set-Cookie` of one that came back.
pub(super) fn forget_cookie(state: &str) -> String {
    let name = cookie_name(state);
    format!("{name}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax")
}

/// Both halves together: with one of them alone there is nothing to be found, and nothing to be used
/// up.
fn digest(state: &str, cookie: &str) -> [u8; 32] {
    Sha256::new()
        .part(state.as_bytes())
        .part(cookie.as_bytes())
        .finish()
}

impl Inner {
    pub(super) async fn park(&self, flow: &Flow, state: &str, cookie: &str) -> Result<(), Failure> {
        let digest = digest(state, cookie);
        let text = flow.to_text()?;
        let sealed = self.ring.seal_row(TABLE, &hex(&digest), COLUMN, &text);
        let record = OneTimeRecord {
            usage: OneTimeUse::UpstreamState,
            digest,
            sealed: sealed.map_err(Failure::of_seal)?.as_bytes().to_vec(),
            expires_at: self.door.clock.now().after(LONGEST),
        };
        let kept = self.stores.one_time.put(&record).await;
        if kept.map_err(Failure::of_store)? {
            Ok(())
        } else {
            // Two random values of 256 bits were the same: the source is no source.
            Err(Failure::new(CredentialErrorKind::Unavailable))
        }
    }

    /// The flow of a browser that has both halves, once; `None`: there is none, or not any more. One
    /// that cannot be opened now is not used up: it can be when the ring is whole.
    pub(super) async fn resume(&self, state: &str, cookie: &str) -> Result<Option<Flow>, Failure> {
        let digest = digest(state, cookie);
        let (values, now) = (&self.stores.one_time, self.door.clock.now());
        let parked = values.peek(OneTimeUse::UpstreamState, &digest, now).await;
        let Some(sealed) = parked.map_err(Failure::of_store)? else {
            return Ok(None);
        };
        let text = self.unsealed(TABLE, &hex(&digest), COLUMN, sealed)?;
        let redeemed = values.redeem(OneTimeUse::UpstreamState, &digest, now).await;
        let Redeemed::Value(_) = redeemed.map_err(Failure::of_store)? else {
            return Ok(None);
        };
        Ok(text.and_then(|text| Flow::of_text(&text)))
    }
}

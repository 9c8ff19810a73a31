//! What is remembered of a person who went to a provider, until they come back.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{SecretValue, Timestamp, constant_time_eq, hex, sha256};
use portcullis_oauth::CodeVerifier;
use portcullis_store::{OneTimeRecord, OneTimeUse, Put, Redeemed};
use portcullis_vault::SealedBox;
use serde::{Deserialize, Serialize};

use super::{Provider, SignInFault};

/// Longest that somebody may take to sign in there.
const LONGEST: Duration = Duration::from_mins(10);
/// Most sign-ins that are under way at a time, whoever began them: anybody may.
const ROOM: u64 = 20_000;
/// Where such a value lies, which its seal is bound to.
const TABLE: &str = "one_time_values";
const USE: OneTimeUse = OneTimeUse::SignInState;

/// A sign-in under way.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnderWay {
    pub(super) issuer: String,
    pub(super) nonce: String,
    pub(super) redirect_uri: String,
    pub(super) return_to: String,
    /// Since when they have to have proved it there, if that was asked for.
    pub(super) anew_since: Option<Timestamp>,
    verifier: String,
    /// SHA-256 of the name of the browser that began it.
    browser: [u8; 32],
}

impl UnderWay {
    pub(super) fn verifier(&self) -> CodeVerifier {
        CodeVerifier::kept(self.verifier.clone())
    }
}

/// What goes along with the person.
pub(super) struct Begun {
    pub(super) state: SecretValue,
    pub(super) nonce: String,
    pub(super) verifier: CodeVerifier,
}

impl Provider {
    fn random(&self) -> Result<[u8; 32], SignInFault> {
        let mut bytes = [0_u8; 32];
        let filled = self.entropy.fill(&mut bytes);
        filled.map_err(|error| unavailable(&error))?;
        Ok(bytes)
    }

    /// Remembers somebody who goes to the provider with this browser.
    pub(super) async fn begin(
        &self,
        browser: &str,
        redirect_uri: &str,
        return_to: &str,
        anew: bool,
    ) -> Result<Begun, SignInFault> {
        let state = URL_SAFE_NO_PAD.encode(self.random()?);
        let nonce = URL_SAFE_NO_PAD.encode(self.random()?);
        let verifier = CodeVerifier::from_random(&self.random()?);
        let under_way = UnderWay {
            issuer: self.settings.trusted.rules.issuer.clone(),
            nonce: nonce.clone(),
            redirect_uri: redirect_uri.to_owned(),
            return_to: return_to.to_owned(),
            anew_since: anew.then(|| self.clock.now()),
            verifier: verifier.expose().to_owned(),
            browser: sha256(browser.as_bytes()),
        };
        let text = serde_json::to_vec(&under_way).map_err(|error| unavailable(&error))?;
        let digest = sha256(state.as_bytes());
        let sealed = self
            .ring
            .seal_row(TABLE, &hex(&digest), USE.as_str(), &text)
            .map_err(|error| unavailable(&error))?;
        let record = OneTimeRecord {
            usage: USE,
            digest,
            sealed: sealed.as_bytes().to_vec(),
            expires_at: self.clock.now().after(LONGEST),
        };
        let now = self.clock.now();
        match self.one_time.put_within(&record, ROOM, now).await {
            Ok(Put::Kept) => Ok(Begun {
                state: SecretValue::new(state),
                nonce,
                verifier,
            }),
            // 256 random bits that were there before are no random bits.
            Ok(Put::Taken) => Err(SignInFault::Unavailable),
            Ok(Put::Full) => {
                tracing::warn!("too many sign-ins are under way: no further one begins");
                Err(SignInFault::Unavailable)
            }
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// What was begun with this `state` in this browser, and is used now. Another browser's return
    /// uses nothing up: who began it can still finish.
    pub(super) async fn resume(
        &self,
        state: &str,
        browser: Option<&str>,
    ) -> Result<UnderWay, SignInFault> {
        let digest = sha256(state.as_bytes());
        let looked = self.one_time.peek(USE, &digest, self.clock.now()).await;
        let sealed = looked
            .map_err(|error| unavailable(&error))?
            .ok_or(SignInFault::Unknown)?;
        let place = hex(&digest);
        let text = self
            .ring
            .open_row(TABLE, &place, USE.as_str(), &SealedBox::from_bytes(sealed))
            .map_err(|_| SignInFault::Unknown)?;
        let under_way: UnderWay =
            serde_json::from_slice(&text).map_err(|_| SignInFault::Unknown)?;
        let came_back = sha256(browser.ok_or(SignInFault::OtherBrowser)?.as_bytes());
        if !constant_time_eq(&came_back, &under_way.browser) {
            return Err(SignInFault::OtherBrowser);
        }
        // The operator has trusted another one since.
        if under_way.issuer != self.settings.trusted.rules.issuer {
            return Err(SignInFault::Unknown);
        }
        let redeemed = self.one_time.redeem(USE, &digest, self.clock.now()).await;
        match redeemed.map_err(|error| unavailable(&error))? {
            Redeemed::Value(_) => Ok(under_way),
            Redeemed::Unknown | Redeemed::AlreadyUsed(_) | Redeemed::Expired => {
                Err(SignInFault::Unknown)
            }
        }
    }
}

fn unavailable(error: &(dyn std::error::Error + 'static)) -> SignInFault {
    tracing::error!(error, "sign-ins under way cannot be kept");
    SignInFault::Unavailable
}

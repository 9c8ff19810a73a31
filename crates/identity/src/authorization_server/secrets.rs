//! What clients and browsers hold: random texts, of which we keep hashes.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{Entropy, EntropyUnavailable, RefreshToken, Timestamp};
use portcullis_vault::{KeyRing, MacPurpose};

/// An authorization code.
pub(super) const CODE: &str = "pc_code_";
/// A refresh token.
const REFRESH: &str = "pc_refresh_";
/// A client's id.
pub(super) const CLIENT: &str = "pc_client_";
/// A client's secret.
pub(super) const CLIENT_SECRET: &str = "pc_secret_";

/// 256 bits, behind a prefix by which scanners for secrets know it.
pub(super) fn random(entropy: &dyn Entropy, prefix: &str) -> Result<String, EntropyUnavailable> {
    let mut bytes = [0_u8; 32];
    entropy.fill(&mut bytes)?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// 128 bits: for names that are unique and no secret.
pub(super) fn name(entropy: &dyn Entropy, prefix: &str) -> Result<String, EntropyUnavailable> {
    let mut bytes = [0_u8; 16];
    entropy.fill(&mut bytes)?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// A refresh token. It says which grant it is for and when it ends, and what is kept of it is a keyed
/// digest over both: whoever writes to the database makes none, moves none to another grant, and makes
/// none last longer.
pub(super) struct RefreshText {
    pub(super) grant: String,
    pub(super) ends: Timestamp,
    text: String,
}

impl RefreshText {
    /// A fresh one for this grant, which is good until then.
    pub(super) fn new(
        entropy: &dyn Entropy,
        grant: &str,
        ends: Timestamp,
    ) -> Result<Self, EntropyUnavailable> {
        let millis = ends.as_millis();
        Ok(Self {
            grant: grant.to_owned(),
            ends,
            text: random(entropy, &format!("{REFRESH}{grant}.{millis:012x}."))?,
        })
    }

    /// One that a client presents. `None`: none of ours has this form.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (grant, rest) = text.strip_prefix(REFRESH)?.split_once('.')?;
        let (ends, random) = rest.split_once('.')?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_ours = |part: &str, long: usize| part.len() == long && part.bytes().all(plain);
        let is_form = is_ours(grant, 22) && is_ours(ends, 12) && is_ours(random, 43);
        let ends = i64::from_str_radix(ends, 16).ok().filter(|_| is_form)?;
        Some(Self {
            grant: grant.to_owned(),
            ends: Timestamp::from_millis(ends),
            text: text.to_owned(),
        })
    }

    /// What is kept of it.
    pub(super) fn digest(&self, ring: &KeyRing) -> [u8; 32] {
        let parts = [self.grant.as_bytes(), self.text.as_bytes()];
        ring.mac(MacPurpose::RefreshToken, &parts)
    }

    /// For the client, and nobody else.
    pub(super) fn into_token(self) -> RefreshToken {
        RefreshToken::new(self.text)
    }
}

impl fmt::Debug for RefreshText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshText(redacted)")
    }
}

//! What clients and browsers hold: random texts, of which we keep hashes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{Entropy, EntropyUnavailable};

/// An authorization code.
pub(super) const CODE: &str = "pc_code_";
/// A refresh token.
pub(super) const REFRESH: &str = "pc_refresh_";
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

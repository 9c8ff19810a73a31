//! Values that travel: `base64url(key id 4 ‖ nonce 12 ‖ AEAD(expiry 6 ‖ plaintext) ‖ tag 16)`.

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{Entropy, Purpose, SealError, Sealer, Timestamp};

use crate::KeyRing;
use crate::key_ring::RingKeyId;

/// Bytes of the key id and the nonce, which precede the ciphertext in the clear.
const HEAD: usize = RingKeyId::LEN + NONCE_LEN;
/// Bytes of the expiry: milliseconds that last until the year 10889. Two fewer than an `i64` has.
const EXPIRY: usize = 6;
const LATEST: i64 = (1 << 48) - 1;

/// Seals `plaintext` under `key`; the result starts with the key's id and the nonce.
pub(crate) fn seal_with(
    key: &LessSafeKey,
    id: RingKeyId,
    entropy: &dyn Entropy,
    aad: &[u8],
    plaintext: &[&[u8]],
) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0_u8; NONCE_LEN];
    entropy
        .fill(&mut nonce)
        .map_err(|_| SealError::Unavailable)?;
    let length: usize = plaintext.iter().map(|part| part.len()).sum();
    let mut sealed = Vec::with_capacity(HEAD + length + key.algorithm().tag_len());
    sealed.extend_from_slice(&id.to_bytes());
    sealed.extend_from_slice(&nonce);
    for part in plaintext {
        sealed.extend_from_slice(part);
    }
    let (_, text) = sealed.split_at_mut(HEAD);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(aad), text)
        .map_err(|_| SealError::Unavailable)?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

/// The id of the key that a value names, if the value is long enough to name one.
pub(crate) fn key_id_of(sealed: &[u8]) -> Option<RingKeyId> {
    sealed.first_chunk().copied().map(RingKeyId::from_bytes)
}

/// Opens what [`seal_with`] made; the plaintext is the returned buffer.
pub(crate) fn open_with(
    key: &LessSafeKey,
    aad: &[u8],
    mut sealed: Vec<u8>,
) -> Result<Vec<u8>, SealError> {
    let head = sealed.get(RingKeyId::LEN..HEAD).ok_or(SealError::Invalid)?;
    let nonce = Nonce::try_assume_unique_for_key(head).map_err(|_| SealError::Invalid)?;
    let length = key
        .open_within(nonce, Aad::from(aad), &mut sealed, HEAD..)
        .map_err(|_| SealError::Invalid)?
        .len();
    sealed.truncate(length);
    Ok(sealed)
}

/// Purpose names hold no NUL byte, so no two pairs run together.
fn associated(purpose: Purpose, binding: &[u8]) -> Vec<u8> {
    [purpose.as_str().as_bytes(), b"\0", binding].concat()
}

impl Sealer for KeyRing {
    fn seal(
        &self,
        purpose: Purpose,
        binding: &[u8],
        expires: Timestamp,
        plaintext: &[u8],
    ) -> Result<String, SealError> {
        let keys = self.keys();
        let active = keys.active();
        // What lies beyond either end of the field expires at that end: never later than asked.
        let expires = expires.as_millis().clamp(0, LATEST).to_be_bytes();
        let (_, expires) = expires.split_at(8 - EXPIRY);
        let sealed = seal_with(
            active.sealing(purpose),
            active.id,
            self.entropy(),
            &associated(purpose, binding),
            &[expires, plaintext],
        )?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    fn open(
        &self,
        purpose: Purpose,
        binding: &[u8],
        now: Timestamp,
        sealed: &str,
    ) -> Result<Vec<u8>, SealError> {
        let sealed = URL_SAFE_NO_PAD
            .decode(sealed)
            .map_err(|_| SealError::Invalid)?;
        let id = key_id_of(&sealed).ok_or(SealError::Invalid)?;
        if self.keys().find(id).is_none() {
            self.look_again(now);
        }
        let keys = self.keys();
        let key = keys.find(id).ok_or(SealError::Invalid)?;
        let mut opened = open_with(key.sealing(purpose), &associated(purpose, binding), sealed)?;
        let expires = opened
            .first_chunk::<EXPIRY>()
            .ok_or(SealError::Invalid)?
            .iter()
            .fold(0_i64, |millis, byte| (millis << 8) | i64::from(*byte));
        if now.as_millis() >= expires {
            return Err(SealError::Expired);
        }
        opened.drain(..EXPIRY);
        Ok(opened)
    }
}

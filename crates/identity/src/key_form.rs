//! The form of the keys that we issue: `sk-pc-<id>-<random>-<checksum>`.

use portcullis_core::{ApiKey, Entropy, EntropyUnavailable, KeyId};
use portcullis_vault::{KeyRing, MacPurpose};

/// What every key that we issue starts with.
pub const PREFIX: &str = "sk-pc-";

const ID_LENGTH: usize = 12;
const RANDOM_LENGTH: usize = 26;
const CHECKSUM_LENGTH: usize = 7;

/// RFC 4648 base32 in lower case: survives double clicks, case folding and reading aloud.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// What a text is, as far as its form tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// Of our form, checksum included; whose it is only the index knows.
    Ours(KeyId),
    /// Starts like ours, and is mistyped or cut off.
    Malformed,
    /// Something else: a master key, a key from a file, a token.
    Foreign,
}

impl KeyForm {
    /// Looks at the form alone.
    pub fn of(text: &str) -> Self {
        let Some(rest) = text.strip_prefix(PREFIX) else {
            return Self::Foreign;
        };
        let parse = || {
            let (body, checksum) = text.rsplit_once('-')?;
            let (id, random) = rest
                .strip_suffix(checksum)?
                .strip_suffix('-')?
                .split_once('-')?;
            let well_formed = is_base32(id, ID_LENGTH)
                && is_base32(random, RANDOM_LENGTH)
                && checksum == checksum_of(body);
            well_formed.then(|| KeyId::from(id))
        };
        parse().map_or(Self::Malformed, Self::Ours)
    }
}

/// A new key; the text exists here and in the answer that shows it once.
#[derive(Debug)]
pub struct MintedKey {
    /// The secret.
    pub key: ApiKey,
    /// Its public part.
    pub id: KeyId,
    /// What is stored of it.
    pub mac: [u8; 32],
}

/// Makes a new key.
pub fn mint(entropy: &dyn Entropy, ring: &KeyRing) -> Result<MintedKey, EntropyUnavailable> {
    let id = random_text(entropy, ID_LENGTH)?;
    let random = random_text(entropy, RANDOM_LENGTH)?;
    let mut text = format!("{PREFIX}{id}-{random}");
    let checksum = checksum_of(&text);
    text.push('-');
    text.push_str(&checksum);
    let key = ApiKey::new(text);
    let mac = key_mac(ring, &key);
    Ok(MintedKey {
        key,
        id: KeyId::from(id),
        mac,
    })
}

/// What is stored of a key: HMAC-SHA-256 of the whole text under the ring's pepper.
pub fn key_mac(ring: &KeyRing, key: &ApiKey) -> [u8; 32] {
    ring.mac(MacPurpose::ApiKey, &[key.expose().as_bytes()])
}

fn is_base32(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

/// Five random bits a character; 32 divides 256, so no character is likelier than another.
fn random_text(entropy: &dyn Entropy, length: usize) -> Result<String, EntropyUnavailable> {
    let mut bytes = vec![0_u8; length];
    entropy.fill(&mut bytes)?;
    Ok(bytes.into_iter().map(|byte| digit(byte.into())).collect())
}

fn digit(value: u32) -> char {
    let position = usize::try_from(value & 31).unwrap_or_default();
    ALPHABET.get(position).copied().map_or('a', char::from)
}

/// CRC-32 in seven base32 digits, the most significant first.
fn checksum_of(body: &str) -> String {
    let crc = crc32(body.as_bytes());
    (0..CHECKSUM_LENGTH)
        .rev()
        .map(|place| digit(crc >> (5 * place)))
        .collect()
}

/// CRC-32/ISO-HDLC, the one of zip and Ethernet: finds every error within 32 neighbouring bits.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 * (crc & 1))
        })
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portcullis_core::{SeededEntropy, SystemEntropy};

    use super::*;

    fn minted() -> MintedKey {
        let ring = KeyRing::in_memory(Arc::new(SystemEntropy)).unwrap();
        mint(&SeededEntropy::new(7), &ring).unwrap()
    }

    #[test]
    fn the_checksum_is_the_well_known_crc_32() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_minted_key_has_the_documented_form() {
        let minted = minted();
        let parts: Vec<_> = minted.key.expose().split('-').collect();
        let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
        assert_eq!(lengths, [2, 2, 12, 26, 7]);
        assert_eq!(parts[2], minted.id.as_str());
        assert_eq!(KeyForm::of(minted.key.expose()), KeyForm::Ours(minted.id));
    }

    #[test]
    fn every_single_typo_is_noticed_without_a_look_up() {
        let key = minted().key;
        let text = key.expose();
        for position in PREFIX.len()..text.len() {
            for wrong in ["a", "7", "A", "-", "1", "", "ab"] {
                let typo = format!("{}{wrong}{}", &text[..position], &text[position + 1..]);
                if typo != text {
                    assert_eq!(KeyForm::of(&typo), KeyForm::Malformed, "{position} {wrong}");
                }
            }
        }
    }

    #[test]
    fn other_keys_and_tokens_are_foreign_not_malformed() {
        for text in [
            "",
            "sk-1234",
            "sk-p",
            "SK-PC-a",
            "eyJhbGciOiJSUzI1NiJ9.e30.x",
            "x sk-pc-",
        ] {
            assert_eq!(KeyForm::of(text), KeyForm::Foreign, "{text}");
        }
        for text in [
            "sk-pc-",
            "sk-pc--",
            "sk-pc---",
            "sk-pc-a-b-c",
            "sk-pc-日本-語-x",
        ] {
            assert_eq!(KeyForm::of(text), KeyForm::Malformed, "{text}");
        }
    }
}

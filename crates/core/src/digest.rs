//! SHA-256, its printed form, and comparison that takes the same time whatever differs.

use aws_lc_rs::digest::{Context, SHA256, digest};
use subtle::ConstantTimeEq;

/// The SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0_u8; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// A SHA-256 over several parts, each preceded by its length so that no two lists of parts collide.
#[expect(missing_debug_implementations, reason = "what is hashed may be secret")]
pub struct Sha256(Context);

impl Sha256 {
    /// An empty hash.
    pub fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// Adds one part.
    #[must_use]
    pub fn part(mut self, bytes: &[u8]) -> Self {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    /// The hash of all parts so far.
    pub fn finish(self) -> [u8; 32] {
        let mut out = [0_u8; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        out
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether two byte strings are equal; only their lengths influence how long this takes.
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 0xf));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_matches_the_fips_180_example() {
        assert_eq!(
            hex(&sha256(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(
            Sha256::new().part(b"ab").part(b"c").finish(),
            Sha256::new().part(b"a").part(b"bc").finish()
        );
    }
}

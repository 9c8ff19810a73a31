//! Proof that a key ring belongs to a database, looked at before anything is served.
//!
//! At start: `stored = meta.put_if_absent("key-ring-canary", ring.canary_seal()?)`, then
//! `ring.canary_check(&stored)?`. A foreign ring would know no API key and break the audit chain.

use portcullis_core::{SealError, constant_time_eq};

use crate::{KeyRing, MacPurpose, SealedBox};

impl KeyRing {
    /// A value that only this ring can have made.
    pub fn canary_seal(&self) -> Result<Vec<u8>, SealError> {
        self.seal_row("meta", "key-ring-canary", "value", &self.canary())
            .map(|sealed| sealed.as_bytes().to_vec())
    }

    /// Whether this ring made the value: it holds the sealing key, and its root is the same.
    pub fn canary_check(&self, stored: &[u8]) -> Result<(), SealError> {
        let sealed = SealedBox::from_bytes(stored.to_vec());
        let opened = self.open_row("meta", "key-ring-canary", "value", &sealed)?;
        if constant_time_eq(&opened, &self.canary()) {
            Ok(())
        } else {
            Err(SealError::Invalid)
        }
    }

    fn canary(&self) -> [u8; 32] {
        self.mac(MacPurpose::Canary, &[])
    }
}

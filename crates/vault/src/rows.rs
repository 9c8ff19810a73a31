//! Secrets at rest, bound to the place where they are stored.

use portcullis_core::SealError;
use zeroize::Zeroizing;

use crate::sealing::{key_id_of, open_with, seal_with};
use crate::{KeyRing, RingKeyId};

/// A sealed value as a store keeps it: key id, nonce, ciphertext and tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedBox(Vec<u8>);

impl SealedBox {
    /// What was read from a store. Nothing is checked before it is opened.
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// What goes into a store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Which key sealed it: what a rewrap after a rotation looks at.
    pub fn key_id(&self) -> Option<RingKeyId> {
        key_id_of(&self.0)
    }
}

impl KeyRing {
    /// Seals a value that lives in this column of this row.
    pub fn seal_row(
        &self,
        table: &str,
        row: &str,
        column: &str,
        plaintext: &[u8],
    ) -> Result<SealedBox, SealError> {
        let keys = self.keys();
        let active = keys.active();
        seal_with(
            &active.rows,
            active.id,
            self.entropy(),
            &place(table, row, column),
            &[plaintext],
        )
        .map(SealedBox)
    }

    /// Whether a value names a key that this ring does not hold: whether it would open is not known.
    pub fn is_of_unknown_key(&self, sealed: &SealedBox) -> bool {
        sealed
            .key_id()
            .is_some_and(|id| self.keys().find(id).is_none())
    }

    /// Opens a value that was sealed for exactly this place. One of a key that is not known is a reason
    /// to read the ring again, once.
    pub fn open_row(
        &self,
        table: &str,
        row: &str,
        column: &str,
        sealed: &SealedBox,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        // Another replica may have rotated the ring a moment ago. Where it cannot be read again, the
        // key stays unknown.
        if self.is_of_unknown_key(sealed) && self.reload().is_err() {
            return Err(SealError::Invalid);
        }
        let keys = self.keys();
        let key = sealed
            .key_id()
            .and_then(|id| keys.find(id))
            .ok_or(SealError::Invalid)?;
        open_with(&key.rows, &place(table, row, column), sealed.0.clone()).map(Zeroizing::new)
    }
}

/// The place as associated data; lengths keep neighbouring names apart.
fn place(table: &str, row: &str, column: &str) -> Vec<u8> {
    let mut aad = Vec::with_capacity(24 + table.len() + row.len() + column.len());
    for part in [table, row, column] {
        aad.extend_from_slice(&(part.len() as u64).to_be_bytes());
        aad.extend_from_slice(part.as_bytes());
    }
    aad
}

//! What a seal over a stored row is made of.

use portcullis_vault::{KeyRing, MacPurpose};

/// What the MAC is over. Each part is preceded by its length there; what may be absent or repeated
/// is preceded by how often it occurs, so that no two rows are the same list.
#[derive(Default)]
pub(crate) struct Parts(Vec<Vec<u8>>);

impl Parts {
    /// The MAC over them.
    pub(crate) fn seal(&self, ring: &KeyRing, purpose: MacPurpose) -> [u8; 32] {
        let parts: Vec<&[u8]> = self.0.iter().map(Vec::as_slice).collect();
        ring.mac(purpose, &parts)
    }

    pub(crate) fn push(&mut self, part: impl AsRef<[u8]>) {
        self.0.push(part.as_ref().to_vec());
    }

    pub(crate) fn optional(&mut self, part: Option<impl AsRef<[u8]>>) {
        self.set(part.into_iter());
    }

    pub(crate) fn set(&mut self, parts: impl Iterator<Item = impl AsRef<[u8]>>) {
        let before = self.0.len();
        self.0.push(Vec::new());
        for part in parts {
            self.push(part);
        }
        let count = (self.0.len() - before - 1) as u64;
        if let Some(place) = self.0.get_mut(before) {
            *place = count.to_be_bytes().to_vec();
        }
    }
}

//! The key ring's MACs, as the engine asks for them.

use std::sync::Arc;

use portcullis_engine::audit::ChainMac;
use portcullis_vault::{KeyRing, MacPurpose};

/// One purpose of the ring.
#[derive(Debug)]
pub(super) struct RingMac {
    ring: Arc<KeyRing>,
    purpose: MacPurpose,
}

impl RingMac {
    pub(super) fn new(ring: &Arc<KeyRing>, purpose: MacPurpose) -> Arc<Self> {
        Arc::new(Self {
            ring: Arc::clone(ring),
            purpose,
        })
    }
}

impl ChainMac for RingMac {
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.ring.mac(self.purpose, parts)
    }
}

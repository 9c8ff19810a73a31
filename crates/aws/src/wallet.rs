//! Keys at hand, for one who asks rarely.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::Clock;
use portcullis_egress::HttpClient;
use tokio::sync::Mutex;

use crate::{AccessKeys, AwsError, Identity, TemporaryKeys};

/// Kept back from every lifetime, so that keys do not end on their way.
const MARGIN: Duration = Duration::from_mins(1);

/// An identity and the temporary keys that it has just now.
pub struct Wallet {
    identity: Identity,
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    /// Held while asking: one request at a time.
    current: Mutex<Option<TemporaryKeys>>,
}

impl Wallet {
    /// Nothing is asked yet.
    pub fn new(identity: Identity, http: Arc<dyn HttpClient>, clock: Arc<dyn Clock>) -> Self {
        Self {
            identity,
            http,
            clock,
            current: Mutex::default(),
        }
    }

    /// Keys that serve for at least a minute.
    pub async fn keys(&self) -> Result<AccessKeys, AwsError> {
        if let Some(fixed) = self.identity.fixed() {
            return Ok(fixed.clone());
        }
        let mut current = self.current.lock().await;
        if let Some(known) = &*current
            && self.clock.now().after(MARGIN) < known.ends
        {
            return Ok(known.keys.clone());
        }
        let fresh = self.identity.assume(&*self.http, &*self.clock).await?;
        let fresh = fresh.ok_or(AwsError::BadResponse)?;
        Ok(current.insert(fresh).keys.clone())
    }

    /// Forgets the keys, because they were refused.
    pub async fn refused(&self, keys: &AccessKeys) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|known| known.keys == *keys) {
            *current = None;
        }
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wallet")
    }
}

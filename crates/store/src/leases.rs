//! Who of several replicas does something that one should do.

use async_trait::async_trait;
use portcullis_core::Timestamp;

use crate::StoreError;

/// Leases by name. A lease keeps others from starting, it does not stop a holder that outlives it:
/// what must not happen twice is checked where it is written.
#[async_trait]
pub trait LeaseStore: Send + Sync + std::fmt::Debug {
    /// Takes the lease until `until`, or prolongs it if `holder` has it, and says whether it did. It
    /// is free when nobody has it or its end is `now` or earlier. Of several concurrent holders
    /// exactly one takes it.
    async fn acquire(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Gives the lease back; whoever does not have it changes nothing.
    async fn release(&self, name: &str, holder: &str) -> Result<(), StoreError>;
}

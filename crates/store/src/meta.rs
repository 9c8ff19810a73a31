//! Single named values of the installation.

use async_trait::async_trait;

use crate::StoreError;

/// Named bytes, each written once or replaced as a whole.
#[async_trait]
pub trait MetaStore: Send + Sync + std::fmt::Debug {
    /// The value, if there is one.
    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Stores the value unless one is there, and returns what is stored afterwards. Of several
    /// concurrent callers all get the same answer.
    async fn put_if_absent(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError>;
    /// Replaces the value.
    async fn put(&self, name: &str, value: &[u8]) -> Result<(), StoreError>;
}

//! Keys that a server's operator set apart for single callers. Which one it is was decided by policy
//! and stands in the evidence; here is only what it looks like on the wire.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use portcullis_policy::{Acting, Evidence};

use crate::error::Failure;
use crate::{CredentialErrorKind, CredentialKind, StaticHeader, UpstreamCredential};

/// The keys of one server, by the names that its policy calls them.
#[derive(Clone, Debug, PartialEq)]
pub struct MappedKeys(BTreeMap<Arc<str>, StaticHeader>);

impl MappedKeys {
    /// These.
    pub fn new(keys: impl IntoIterator<Item = (Arc<str>, StaticHeader)>) -> Self {
        Self(keys.into_iter().collect())
    }

    /// The caller's key, over what is sent for everybody. Nobody else's stands in for it, and we have
    /// none of our own.
    pub(crate) fn credential(
        &self,
        evidence: &Evidence,
        fixed: impl Iterator<Item = (HeaderName, HeaderValue)>,
    ) -> Result<UpstreamCredential, Failure> {
        let none = || Failure::new(CredentialErrorKind::NoKey);
        let Acting::Keyed(_, name) = evidence.acting() else {
            return Err(none());
        };
        let key = self.0.get(name).ok_or_else(none)?;
        let headers = fixed.chain([(key.name.clone(), key.value.clone())]);
        Ok(
            UpstreamCredential::new(CredentialKind::MappedKey, headers.collect(), None)
                .holding(key.name.clone()),
        )
    }
}

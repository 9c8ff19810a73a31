//! Identifiers, each its own type so that none is passed where another belongs.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::hex;
use crate::entropy::{Entropy, EntropyUnavailable};
use crate::time::Timestamp;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// One upstream MCP server: the key of its entry in `mcp_servers`.
    ServerId
}
text_id! {
    /// A tool's name as its own server spells it. Compares byte by byte.
    ToolName
}
text_id! {
    /// Who a request acts for, unique over all ways of authenticating: `key:…`, `user:…`, `master`.
    PrincipalId
}
text_id! {
    /// The public part of a virtual key: safe to log and to list.
    KeyId
}
text_id! {
    /// One entry of the revocation list.
    RevocationId
}

text_id! {
    /// One call that waits for somebody's approval. No secret: who may see it is asked of whoever comes.
    ApprovalId
}

text_id! {
    /// One process of the gateway, for as long as it runs. No secret: it stands in handles that clients
    /// get, so that they find their way back.
    ReplicaId
}

impl ReplicaId {
    /// Most characters of one, whoever wrote it.
    const LONGEST: usize = 32;

    /// A name that no other process chooses, also of those that run after this one.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyUnavailable> {
        let mut random = [0_u8; 8];
        entropy.fill(&mut random)?;
        Ok(Self::from(hex(&random)))
    }

    /// Reads one that comes from outside; `None` when it cannot be one.
    pub fn read(text: &str) -> Option<Self> {
        let plausible = !text.is_empty()
            && text.len() <= Self::LONGEST
            && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        plausible.then(|| Self::from(text))
    }
}

/// One request at our door, in the answer's `x-request-id`, in every log line and audit event.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(uuid::Uuid);

impl RequestId {
    /// A time-ordered identifier (UUID version 7, RFC 9562 §5.7).
    pub fn generate(now: Timestamp, entropy: &dyn Entropy) -> Result<Self, EntropyUnavailable> {
        let mut random = [0_u8; 10];
        entropy.fill(&mut random)?;
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        Ok(Self(
            uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid(),
        ))
    }
}

impl RequestId {
    /// The 32 hexadecimal digits of its printed form, without an allocation.
    pub fn digits(&self) -> [u8; 32] {
        let mut digits = [0_u8; 32];
        self.0.as_simple().encode_lower(&mut digits);
        digits
    }

    /// Reads the printed form.
    pub fn read(text: &str) -> Option<Self> {
        uuid::Uuid::try_parse(text).ok().map(Self)
    }

    /// Its printed form, without a formatter.
    pub fn text(&self) -> String {
        let mut digits = [0_u8; 32];
        self.0.as_simple().encode_lower(&mut digits).to_owned()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_simple().fmt(f)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

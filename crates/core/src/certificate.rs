//! The names that a client certificate carries.

use std::fmt;

/// A subject alternative name (RFC 5280 §4.2.1.6) of a kind that says who somebody is. Compared whole:
/// a `*` in one is a character like any other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CertificateName {
    /// `dNSName`, in lower case.
    Dns(String),
    /// `uniformResourceIdentifier`, such as a SPIFFE id.
    Uri(String),
    /// `rfc822Name`.
    Email(String),
}

impl CertificateName {
    /// A name of this kind, as [`Self::kind`] says it; DNS names have no case (RFC 4343).
    pub fn of_kind(kind: &str, value: &str) -> Option<Self> {
        Some(match kind {
            "dns" => Self::Dns(value.to_ascii_lowercase()),
            "uri" => Self::Uri(value.to_owned()),
            "email" => Self::Email(value.to_owned()),
            _ => return None,
        })
    }

    /// `dns`, `uri` or `email`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Dns(_) => "dns",
            Self::Uri(_) => "uri",
            Self::Email(_) => "email",
        }
    }

    /// The name itself.
    pub fn value(&self) -> &str {
        let (Self::Dns(value) | Self::Uri(value) | Self::Email(value)) = self;
        value
    }
}

/// `kind:value`, as the configuration writes it.
impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.value())
    }
}

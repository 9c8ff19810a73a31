//! A client certificate that a listener verified.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_core::{CertificateName, Timestamp, sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Most names that are looked at; a certificate of one caller has a handful.
const MOST_NAMES: usize = 100;

/// Whose certificate a connection was opened with, after its chain was verified. Possession of its key
/// was proved by the TLS handshake.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    thumbprint: [u8; 32],
    names: BTreeSet<CertificateName>,
    authorities: BTreeSet<PathBuf>,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// TLS took it, and we cannot read it: it is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client certificate cannot be read")]
pub struct UnreadableCertificate;

impl ClientCertificate {
    /// Reads the leaf of a chain that was verified up to the authorities in these files.
    pub fn read(der: &[u8], authorities: BTreeSet<PathBuf>) -> Result<Self, UnreadableCertificate> {
        let (rest, read) = X509Certificate::from_der(der).map_err(|_| UnreadableCertificate)?;
        // An extension that stands twice would be read by one and overlooked by another.
        let names = read
            .subject_alternative_name()
            .map_err(|_| UnreadableCertificate)?;
        let names = names.map_or(&[][..], |names| &names.value.general_names);
        if !rest.is_empty() || names.len() > MOST_NAMES {
            return Err(UnreadableCertificate);
        }
        let validity = read.validity();
        Ok(Self {
            thumbprint: sha256(der),
            names: names.iter().filter_map(name).collect(),
            authorities,
            not_before: Timestamp::from_secs(validity.not_before.timestamp()),
            not_after: Timestamp::from_secs(validity.not_after.timestamp()),
        })
    }

    /// `x5t#S256` (RFC 8705 §3.1): the SHA-256 of the whole certificate.
    pub const fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    /// The first moment at which it holds: what a cut-off is compared with.
    pub const fn starts(&self) -> Timestamp {
        self.not_before
    }

    /// The first moment at which it is over. Its last second belongs to it (RFC 5280 §4.1.2.5).
    pub fn ends(&self) -> Timestamp {
        self.not_after.after(Duration::from_secs(1))
    }

    /// Whether it holds at this moment.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.ends()
    }

    /// Whether an authority in this file stands behind it, and it carries exactly this name.
    pub fn is(&self, authority: &Path, name: &CertificateName) -> bool {
        self.authorities.contains(authority) && self.names.contains(name)
    }
}

/// The first moment at which a certificate that somebody has verified is over, a server's also.
pub fn certificate_end(der: &[u8]) -> Result<Timestamp, UnreadableCertificate> {
    let (_, read) = X509Certificate::from_der(der).map_err(|_| UnreadableCertificate)?;
    let last = Timestamp::from_secs(read.validity().not_after.timestamp());
    Ok(last.after(Duration::from_secs(1)))
}

fn name(name: &GeneralName<'_>) -> Option<CertificateName> {
    match name {
        GeneralName::DNSName(name) => CertificateName::of_kind("dns", name),
        GeneralName::URI(name) => CertificateName::of_kind("uri", name),
        GeneralName::RFC822Name(name) => CertificateName::of_kind("email", name),
        _ => None,
    }
}

/// Neither the certificate nor its names: who somebody is belongs into the audit trail alone.
impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(redacted)")
    }
}

//! How a request came: what a listener knows of it and no header can say.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_core::Timestamp;

use crate::ClientCertificate;
use crate::authorization_server::Addressed;

/// What is known of the way that a request came.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    /// Where its caller is, if that can be told.
    pub address: Option<IpAddr>,
    /// With which certificate its connection was opened, where TLS ends here and one was asked for.
    /// What a header says of a certificate is nothing.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// Which endpoint of ours it addresses: our own access tokens are for one each.
    pub addressed: Option<Arc<Addressed>>,
}

impl Arrival {
    /// The certificate whose possession is proved at this moment (RFC 8705 §3).
    pub(crate) fn proved(&self, now: Timestamp) -> Option<&ClientCertificate> {
        let certificate = self.certificate.as_deref()?;
        certificate.is_valid(now).then_some(certificate)
    }
}

//! Certificates of clients: whom the handshake takes, and by which of the operator's authorities.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_core::{PrincipalKind, Timestamp};
use portcullis_engine::Proof;
use portcullis_identity::{AuthnErrorKind, ClientCertificate};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};

use super::tls::Current;
use super::{ClientCa, ListenError, ServerTls};

/// The operator's authorities, each by itself, so that it can be told which of them vouches.
pub(super) struct Authorities {
    each: Vec<(PathBuf, Arc<dyn ClientCertVerifier>)>,
    /// For the handshake.
    pub(super) any: Arc<dyn ClientCertVerifier>,
    /// Whether whoever has none of theirs is refused.
    required: bool,
}

impl Authorities {
    pub(super) fn read(
        client_ca: &ClientCa,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, ListenError> {
        let mut all = RootCertStore::empty();
        let mut each = Vec::new();
        for path in &client_ca.files {
            let unreadable = |source| ListenError::Pem {
                what: "a certificate authority",
                path: path.clone(),
                source,
            };
            let unusable = |source| ListenError::Authority {
                path: path.clone(),
                source,
            };
            let certificates = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(unreadable)?;
            if certificates.is_empty() {
                return Err(unreadable(rustls_pki_types::pem::Error::NoItemsFound));
            }
            let mut own = RootCertStore::empty();
            for certificate in certificates {
                own.add(certificate.clone()).map_err(unusable)?;
                all.add(certificate).map_err(unusable)?;
            }
            let own =
                WebPkiClientVerifier::builder_with_provider(Arc::new(own), Arc::clone(provider));
            let own = own.build().map_err(|source| ListenError::Verifier {
                path: path.clone(),
                source,
            })?;
            each.push((path.clone(), own));
        }
        let mut any =
            WebPkiClientVerifier::builder_with_provider(Arc::new(all), Arc::clone(provider));
        if !client_ca.required {
            any = any.allow_unauthenticated();
        }
        let any = any.build().map_err(|source| ListenError::Verifier {
            path: client_ca.files.first().cloned().unwrap_or_default(),
            source,
        })?;
        Ok(Self {
            each,
            any,
            required: client_ca.required,
        })
    }

    /// The files of those that vouch for a chain at this moment.
    fn vouching(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> BTreeSet<PathBuf> {
        let (Some((leaf, rest)), Ok(seconds)) = (chain.split_first(), u64::try_from(now.as_secs()))
        else {
            return BTreeSet::new();
        };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        self.each
            .iter()
            .filter(|(_, verifier)| verifier.verify_client_cert(leaf, rest, now).is_ok())
            .map(|(path, _)| path.clone())
            .collect()
    }
}

/// The certificate chain, perhaps empty, with which a TLS connection was opened, as a request
/// extension: it travels as the peer's address does, and no header can say it.
#[derive(Clone)]
pub(crate) struct PeerCertificate(Arc<Held>);

struct Held {
    chain: Vec<CertificateDer<'static>>,
    tls: Arc<ServerTls>,
    judged: Mutex<Option<Judged>>,
}

/// How long a verdict is believed: a certificate between leaf and authority can end before the leaf.
const VERDICT: Duration = Duration::from_mins(1);

/// Whose it is by the authorities of one reading of the files.
struct Judged {
    by: Arc<Current>,
    at: Timestamp,
    certificate: Option<Arc<ClientCertificate>>,
}

impl Judged {
    /// Whether it need not be judged again. One that is over itself stays what it is: that tells why it
    /// counts for nothing.
    fn holds(&self, now: Timestamp) -> bool {
        let over = self.certificate.as_ref();
        let over = over.is_some_and(|certificate| certificate.ends() <= now);
        over || (self.at <= now && now < self.at.after(VERDICT))
    }
}

impl PeerCertificate {
    pub(crate) fn new(chain: Option<&[CertificateDer<'_>]>, tls: &Arc<ServerTls>) -> Self {
        let chain = chain
            .unwrap_or_default()
            .iter()
            .map(|one| one.clone().into_owned())
            .collect();
        Self(Arc::new(Held {
            chain,
            tls: Arc::clone(tls),
            judged: Mutex::default(),
        }))
    }

    /// The chain as it was presented.
    pub(crate) fn chain(&self) -> Vec<Vec<u8>> {
        self.0.chain.iter().map(|one| one.to_vec()).collect()
    }

    /// The certificate, if one of the authorities that are believed now vouches for it: one that was
    /// taken out of the files vouches for no connection any more, however long it has been open.
    pub(crate) fn certificate(&self, now: Timestamp) -> Option<Arc<ClientCertificate>> {
        let current = self.0.tls.current();
        let mut judged = self.0.judged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(judged) = &*judged
            && Arc::ptr_eq(&judged.by, &current)
            && judged.holds(now)
        {
            return judged.certificate.clone();
        }
        let certificate = self.judge(&current, now);
        *judged = Some(Judged {
            by: current,
            at: now,
            certificate: certificate.clone(),
        });
        certificate
    }

    /// The certificate, if its possession proves something at this moment.
    fn proved(&self, now: Timestamp) -> Option<Arc<ClientCertificate>> {
        self.certificate(now).filter(|one| one.is_valid(now))
    }

    fn is_required(&self) -> bool {
        let current = self.0.tls.current();
        current.clients.as_ref().is_some_and(|ca| ca.required)
    }

    /// Why a handshake would refuse this connection now, as it did not when it was opened.
    pub(crate) fn refusal(&self, now: Timestamp) -> Option<AuthnErrorKind> {
        if !self.is_required() {
            return None;
        }
        match self.certificate(now) {
            None => Some(AuthnErrorKind::CertificateUnknown),
            Some(one) if !one.is_valid(now) => Some(AuthnErrorKind::CertificateOver),
            Some(_) => None,
        }
    }

    /// What somebody who was let in with this certificate rests on: it holds for as long as the
    /// certificate does. Keys need none, unless the listener does.
    pub(crate) fn proof(
        &self,
        kind: PrincipalKind,
        certificate: Option<Arc<ClientCertificate>>,
    ) -> Arc<dyn Proof> {
        let by_key = matches!(kind, PrincipalKind::ApiKey | PrincipalKind::MasterKey);
        Arc::new(Proved {
            by: self.clone(),
            certificate: certificate.filter(|_| !by_key),
        })
    }

    fn judge(&self, current: &Current, now: Timestamp) -> Option<Arc<ClientCertificate>> {
        let authorities = current.clients.as_ref()?.vouching(&self.0.chain, now);
        if authorities.is_empty() {
            return None;
        }
        let leaf = self.0.chain.first()?;
        match ClientCertificate::read(leaf, authorities) {
            Ok(certificate) => Some(Arc::new(certificate)),
            Err(error) => {
                tracing::warn!(%error, "a client comes without one that can be used");
                None
            }
        }
    }
}

/// A connection, and its certificate where somebody was let in by it.
#[derive(Debug)]
struct Proved {
    by: PeerCertificate,
    certificate: Option<Arc<ClientCertificate>>,
}

impl Proof for Proved {
    fn holds(&self, now: Timestamp) -> bool {
        // Not another one's, nor vouched for by others: whose it is follows from who vouches.
        self.certificate
            .as_ref()
            .is_none_or(|proved| self.by.proved(now).as_ref() == Some(proved))
            && self.by.refusal(now).is_none()
    }
}

impl fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerCertificate")
    }
}

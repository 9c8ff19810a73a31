//! Which certificate authorities we believe.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Where root certificates come from.
#[derive(Clone, Debug)]
pub struct RootSource {
    /// The operating system's store.
    pub native: bool,
    /// Files whose certificates are believed in addition.
    pub extra_pem_files: Vec<PathBuf>,
    /// Only this file's certificates (and the extra ones) are believed; `native` is not consulted.
    pub exclusive: Option<PathBuf>,
}

impl Default for RootSource {
    fn default() -> Self {
        Self {
            native: true,
            extra_pem_files: Vec::new(),
            exclusive: None,
        }
    }
}

/// Why the roots cannot be had. A missing file is an error and never a fall-back to other roots.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The file cannot be read, or is not PEM.
    #[error("cannot read root certificates from {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// The file holds no certificate.
    #[error("{} holds no certificate", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// A certificate cannot serve as a root.
    #[error("a certificate in {origin} cannot serve as a root")]
    Unusable {
        /// Where it is from.
        origin: String,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The operating system's store exists and cannot be read.
    #[error("cannot load the operating system's root certificates")]
    Native(#[source] rustls_native_certs::Error),
    /// The crypto library refused our protocol versions.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}

/// The TLS client that believes `source` and `extra`: TLS 1.3, and 1.2 with AEAD suites only (the
/// only ones that the library has).
pub(crate) fn client_config(
    source: &RootSource,
    extra: Vec<CertificateDer<'static>>,
) -> Result<Arc<ClientConfig>, RootsError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &source.exclusive {
        add_file(&mut roots, path)?;
    } else if source.native {
        add_native(&mut roots)?;
    }
    for path in &source.extra_pem_files {
        add_file(&mut roots, path)?;
    }
    for certificate in extra {
        add(&mut roots, certificate, || "the settings".to_owned())?;
    }
    if roots.is_empty() {
        tracing::warn!("no root certificates: every https connection will be refused");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(RootsError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn add_native(roots: &mut RootCertStore) -> Result<(), RootsError> {
    let mut found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty()
        && let Some(error) = found.errors.pop()
    {
        return Err(RootsError::Native(error));
    }
    // Systems carry a few certificates that nobody can parse any more; the rest still counts.
    let (_, unusable) = roots.add_parsable_certificates(found.certs);
    if unusable > 0 || !found.errors.is_empty() {
        tracing::debug!(
            unusable,
            errors = found.errors.len(),
            "some native roots were skipped"
        );
    }
    Ok(())
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), RootsError> {
    let unreadable = |source| RootsError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut any = false;
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        let certificate = certificate.map_err(unreadable)?;
        add(roots, certificate, || path.display().to_string())?;
        any = true;
    }
    if any {
        Ok(())
    } else {
        Err(RootsError::Empty {
            path: path.to_owned(),
        })
    }
}

fn add(
    roots: &mut RootCertStore,
    certificate: CertificateDer<'static>,
    origin: impl FnOnce() -> String,
) -> Result<(), RootsError> {
    roots
        .add(certificate)
        .map_err(|source| RootsError::Unusable {
            origin: origin(),
            source,
        })
}

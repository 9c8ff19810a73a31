//! Certificates that can be exchanged while connections run.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::client_ca::Authorities;
use super::{ClientCa, ListenError, TlsFiles};

/// The TLS side of a listener: TLS 1.3, and 1.2 with AEAD suites only.
pub struct ServerTls {
    current: RwLock<Arc<Current>>,
}

/// What one reading of the files came to.
pub(super) struct Current {
    files: TlsFiles,
    pub(super) config: Arc<ServerConfig>,
    pub(super) clients: Option<Authorities>,
}

impl ServerTls {
    /// Reads the files; refuses a certificate and a key that do not belong together.
    pub fn load(files: TlsFiles) -> Result<Self, ListenError> {
        let current = RwLock::new(Arc::new(read(files)?));
        Ok(Self { current })
    }

    /// Reads the files again. New connections use the new pair, and clients
    /// are verified by the new authorities, on old connections too; on any error the old ones stay.
    pub fn reload(&self) -> Result<(), ListenError> {
        self.reload_with(self.files().client_ca)
    }

    /// The same, with other files of authorities from now on.
    pub fn reload_with(&self, client_ca: Option<ClientCa>) -> Result<(), ListenError> {
        let files = TlsFiles {
            client_ca,
            ..self.files()
        };
        let fresh = Arc::new(read(files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// The files that are in force.
    pub fn files(&self) -> TlsFiles {
        self.current().files.clone()
    }

    pub(super) fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls")
            .field("files", &self.files())
            .finish_non_exhaustive()
    }
}

fn read(files: TlsFiles) -> Result<Current, ListenError> {
    let no_certificate = |source| ListenError::Pem {
        what: "a certificate",
        path: files.certificate.clone(),
        source,
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(no_certificate)?;
    if chain.is_empty() {
        return Err(no_certificate(rustls_pki_types::pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| ListenError::Pem {
        what: "a private key",
        path: files.key.clone(),
        source,
    })?;
    let unusable = |source| ListenError::Pair {
        certificate: files.certificate.clone(),
        source,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let clients = match &files.client_ca {
        Some(client_ca) => Some(Authorities::read(client_ca, &provider)?),
        None => None,
    };
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match &clients {
        Some(authorities) => builder.with_client_cert_verifier(Arc::clone(&authorities.any)),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Current {
        files,
        config: Arc::new(config),
        clients,
    })
}

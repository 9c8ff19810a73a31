//! Why a listener cannot be had.

use std::path::PathBuf;

use portcullis_core::ErrorKind;

/// A listener, or its certificate, that cannot be set up. Never holds key material.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken, not ours, or needs more rights.
    #[error("cannot listen on {host}:{port}")]
    Bind {
        /// The host as configured.
        host: String,
        /// The port as configured.
        port: u16,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The socket does not say its own address.
    #[error("cannot use the listening socket")]
    Socket(#[source] std::io::Error),
    /// A certificate or key file cannot be read, or holds nothing of the kind.
    #[error("cannot read {what} from {}", path.display())]
    Pem {
        /// `a certificate` or `a private key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// What a file of authorities holds cannot be one.
    #[error("no authority for clients can be made of {}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What the TLS library said.
        #[source]
        source: rustls::Error,
    },
    /// Authorities for clients that cannot be asked by.
    #[error("clients cannot be verified by {}", path.display())]
    Verifier {
        /// The file.
        path: PathBuf,
        /// What the TLS library said.
        #[source]
        source: rustls::server::VerifierBuilderError,
    },
    /// Certificate and key do not belong together, or TLS cannot use them.
    #[error("certificate {} and its key cannot be used together", certificate.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// What the TLS library said.
        #[source]
        source: rustls::Error,
    },
}

impl ListenError {
    /// How a surface reports it.
    pub const fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Bind { .. } | Self::Socket(_) => ErrorKind::Unavailable,
            Self::Pem { .. }
            | Self::Pair { .. }
            | Self::Authority { .. }
            | Self::Verifier { .. } => ErrorKind::Invalid,
        }
    }
}

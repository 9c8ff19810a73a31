//! The one HTTP client, with the operator's own certification authorities.

use std::path::PathBuf;
use std::sync::Arc;

use portcullis_egress::{Hops, HttpClient, RootSource, RootsError, Settings};

use crate::cli::exit::CommandError;

/// The client through which everything reaches out.
///
/// `SSL_CERT_FILE` replaces the system's roots; `TLS_CA_CERT_PATH` and the file's
/// `server.ca_file` are trusted beside them. A file that is named and missing is an error: falling
/// back to other roots would be a decision of ours.
pub fn http_client() -> Result<Arc<dyn HttpClient>, CommandError> {
    client(None)
}

/// The client of a gateway whose file names further roots.
pub(super) fn client(ca_file: Option<PathBuf>) -> Result<Arc<dyn HttpClient>, CommandError> {
    settings(ca_file)
        .build()
        .map(|client| Arc::new(client) as Arc<dyn HttpClient>)
        .map_err(unreadable)
}

/// What walks to a host one hop at a time, with the same roots.
pub(super) fn hops(ca_file: Option<PathBuf>) -> Result<Hops, CommandError> {
    settings(ca_file).hops().map_err(unreadable)
}

fn unreadable(error: RootsError) -> CommandError {
    let error =
        anyhow::Error::new(error).context("the trusted certification authorities cannot be read");
    CommandError::Configuration(format!("{error:#}"))
}

fn settings(ca_file: Option<PathBuf>) -> Settings {
    let exclusive = variable("SSL_CERT_FILE");
    let roots = RootSource {
        native: exclusive.is_none(),
        extra_pem_files: variable("TLS_CA_CERT_PATH")
            .into_iter()
            .chain(ca_file)
            .collect(),
        exclusive,
    };
    Settings {
        roots,
        ..Settings::default()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the binary reads the environment"
)]
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

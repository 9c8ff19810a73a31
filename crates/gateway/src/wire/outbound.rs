//! The one HTTP client, with the operator's own certification authorities.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use portcullis_egress::{HttpClient, RootSource, Settings};

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
    let exclusive = variable("SSL_CERT_FILE");
    let roots = RootSource {
        native: exclusive.is_none(),
        extra_pem_files: variable("TLS_CA_CERT_PATH")
            .into_iter()
            .chain(ca_file)
            .collect(),
        exclusive,
    };
    let client = Settings {
        roots,
        ..Settings::default()
    }
    .build()
    .context("the trusted certification authorities cannot be read")
    .map_err(|error| CommandError::Configuration(format!("{error:#}")))?;
    Ok(Arc::new(client))
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

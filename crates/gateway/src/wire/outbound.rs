//! The one HTTP client, with the operator's own certification authorities.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use portcullis_egress::{Dialer, Hops, HttpClient, RootSource, RootsError, Settings};

use crate::cli::exit::CommandError;

/// How long whoever calls a gateway keeps an idle connection: a gateway closes it after ten seconds
/// (`header_timeout`), and a request that meets the end of its connection is lost.
const IDLE_AT_A_GATEWAY: Duration = Duration::from_secs(5);

/// The client of commands that call a gateway, and of what has no file.
///
/// `SSL_CERT_FILE` replaces the system's roots; `TLS_CA_CERT_PATH` and the file's
/// `server.ca_file` are trusted beside them. A file that is named and missing is an error: falling
/// back to other roots would be a decision of ours.
pub fn http_client() -> Result<Arc<dyn HttpClient>, CommandError> {
    let settings = Settings {
        pool_idle_timeout: IDLE_AT_A_GATEWAY,
        ..settings(None)
    };
    built(settings)
}

/// The client of a gateway whose file names further roots.
pub(super) fn client(ca_file: Option<PathBuf>) -> Result<Arc<dyn HttpClient>, CommandError> {
    built(settings(ca_file))
}

fn built(settings: Settings) -> Result<Arc<dyn HttpClient>, CommandError> {
    settings
        .build()
        .map(|client| Arc::new(client) as Arc<dyn HttpClient>)
        .map_err(unreadable)
}

/// What walks to a host one hop at a time, with the same roots.
pub(super) fn hops(ca_file: Option<PathBuf>) -> Result<Hops, CommandError> {
    settings(ca_file).hops().map_err(unreadable)
}

/// What sends without HTTP, with the same roots.
pub(super) fn dialer(ca_file: Option<PathBuf>) -> Result<Dialer, CommandError> {
    settings(ca_file).dialer().map_err(unreadable)
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

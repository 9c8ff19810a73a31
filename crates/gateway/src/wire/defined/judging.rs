//! Whether a definition can be served: by the reader of the file and by making what would serve it.

use portcullis_config::{ConfigError, Definition};
use portcullis_engine::ServerEntry;
use portcullis_server::BookError;

use super::{Book, servers};
use crate::wire::servers::Making;
use crate::wire::stored::Why;

/// The largest entry. Every replica reads each of them whenever any changes.
const MOST_BYTES: usize = 64 * 1024;

impl Book {
    /// Judges a definition beside everything else that is in force, and makes its entry.
    pub(super) async fn judge(&self, definition: &Definition) -> Result<ServerEntry, BookError> {
        if definition.text.len() > MOST_BYTES {
            return Err(BookError::Invalid(format!(
                "a server of the admin API has at most {MOST_BYTES} bytes"
            )));
        }
        let line = self.command_line();
        let judged = self.stored.judge(definition, line, Why::Asked).await;
        let (config, judged) = judged.map_err(|error| {
            tracing::error!(error = %error, "the configuration in force cannot be read again");
            BookError::Unavailable
        })?;
        if !judged.errors.is_empty() {
            let told: Vec<String> = judged.errors.iter().map(sentence).collect();
            return Err(BookError::Invalid(told.join("\n")));
        }
        let mut servers = config.mcp_servers.iter();
        let server = servers
            .find(|server| server.defined && server.id.as_str() == definition.name)
            .ok_or_else(|| {
                BookError::Invalid("a value of it cannot be had from its secret store".to_owned())
            })?;
        let rooms = &self.rooms;
        let signer = rooms.signing.prepare(&config).await.map_err(|error| {
            tracing::error!(error = %error, "the signer in force cannot be made again");
            BookError::Unavailable
        })?;
        let making = Making {
            means: &rooms.means,
            metrics: &rooms.metrics,
            signer: signer.as_ref(),
        };
        servers::entry(&config, server, &making)
            .map_err(|error| BookError::Invalid(format!("{error:#}")))
    }
}

/// What is wrong, where, and what to write instead; never what was written.
pub(super) fn sentence(error: &ConfigError) -> String {
    let help = error.help.as_ref();
    let help = help.map(|help| format!(" ({help})")).unwrap_or_default();
    if error.path.is_empty() {
        format!("{}{help}", error.message)
    } else {
        format!("`{}`: {}{help}", error.path, error.message)
    }
}

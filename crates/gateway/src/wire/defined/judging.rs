//! Whether a definition can be served: by the reader of the file, by where its addresses lead, and by making what
//! would serve it.

use portcullis_config::{ConfigError, Definition, addresses_of_server};
use portcullis_egress::{AddressClass, class};
use portcullis_engine::ServerEntry;
use portcullis_server::BookError;
use serde_json::{Map, Value};
use url::{Host, Url};

use super::{Book, servers};
use crate::wire::servers::Making;
use crate::wire::stored::Why;

impl Book {
    /// Judges a definition beside everything else that is in force, and makes its entry.
    pub(super) async fn judge(
        &self,
        definition: &Definition,
        entry: &Map<String, Value>,
    ) -> Result<ServerEntry, BookError> {
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
        if !config.server.defined.private_addresses {
            for (path, address) in addresses_of_server(entry) {
                if !is_public(&address) {
                    return Err(BookError::Invalid(format!(
                        "`{path}`: a server of the admin API is at a public address, by https: \
                         `server.api_private_addresses` lets it be anywhere"
                    )));
                }
            }
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

/// Whether an address is one that anybody could reach, as far as its text says. What a name leads to is judged when
/// it is connected to.
fn is_public(address: &str) -> bool {
    let Ok(url) = Url::parse(address.trim()) else {
        return false;
    };
    let host = match url.host() {
        None => return false,
        Some(Host::Ipv4(address)) => {
            return url.scheme() == "https" && is_public_ip(address.into());
        }
        Some(Host::Ipv6(address)) => {
            return url.scheme() == "https" && is_public_ip(address.into());
        }
        Some(Host::Domain(host)) => host.trim_end_matches('.').to_ascii_lowercase(),
    };
    let inside = host == "localhost"
        || [".localhost", ".local", ".internal"]
            .iter()
            .any(|end| host.ends_with(end))
        || !host.contains('.');
    url.scheme() == "https" && !inside
}

fn is_public_ip(address: std::net::IpAddr) -> bool {
    class(address) == AddressClass::Public
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SSRF-01, SSRF-08.
    #[test]
    fn addresses_inside_are_told_by_every_way_of_writing_them() {
        for inside in [
            "http://mcp.example.com/mcp",
            "https://127.0.0.1/mcp",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://017700000001/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://10.1.2.3/",
            "https://192.168.0.1/",
            "https://169.254.169.254/latest/",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://[::]/",
            "https://localhost/",
            "https://localhost./",
            "https://a.localhost/",
            "https://metadata.google.internal/",
            "https://intranet/",
            "https://\u{ff11}\u{ff12}\u{ff17}.0.0.1/",
            "ftp://mcp.example.com/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "",
        ] {
            assert!(!is_public(inside), "{inside}");
        }
        for public in [
            "https://mcp.example.com/mcp",
            "https://93.184.215.14/",
            "https://[2606:2800::1]/",
        ] {
            assert!(is_public(public), "{public}");
        }
    }
}

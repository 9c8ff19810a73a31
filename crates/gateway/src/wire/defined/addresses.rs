//! Where the servers of the admin API may be, as far as the text of their addresses says.

use portcullis_config::{ConfigError, Definition, Loaded, addresses_of_server};
use portcullis_egress::{AddressClass, class};
use serde_json::{Map, Value};
use url::{Host, Url};

/// Takes out whatever the operator's file does not let be where it is, and says why. At every reading: what was
/// defined while `server.api_private_addresses` was on does not stay behind when it is off again.
pub(in crate::wire) fn keep_outside(loaded: &mut Loaded, definitions: &[Definition]) {
    if loaded.config.server.defined.private_addresses {
        return;
    }
    for (definition, judged) in definitions.iter().zip(&mut loaded.judged) {
        let inside = match serde_json::from_str::<Map<String, Value>>(&definition.text) {
            Ok(entry) => inside(&definition.name, &entry),
            Err(_) => vec![ConfigError::found_later(
                format!("mcp_servers.{}", definition.name),
                "not a map of keys",
            )],
        };
        if inside.is_empty() {
            continue;
        }
        if judged.is_used {
            judged.is_used = false;
            let servers = &mut loaded.config.mcp_servers;
            servers.retain(|one| !one.defined || one.id.as_str() != judged.name);
        }
        judged.errors.extend(inside);
    }
}

fn inside(name: &str, entry: &Map<String, Value>) -> Vec<ConfigError> {
    let addresses = addresses_of_server(entry).into_iter();
    let inside = addresses.filter(|(_, address)| !is_public(address));
    let told = inside.map(|(path, _)| ConfigError {
        help: Some("`server.api_private_addresses` lets it be anywhere".to_owned()),
        ..ConfigError::found_later(
            format!("mcp_servers.{name}.{path}"),
            "a server of the admin API is at a public address, by https",
        )
    });
    told.collect()
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

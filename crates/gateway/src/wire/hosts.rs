//! Which names each listener answers to: what stops DNS rebinding.

use std::collections::BTreeSet;
use std::net::IpAddr;

use portcullis_config::Config;
use portcullis_server::HostRule;

/// The rule of the data listener.
pub(super) fn data(config: &Config, loopback: bool) -> HostRule {
    let server = &config.server;
    let mut names = listed(config);
    names.extend(
        server
            .public_url
            .iter()
            .filter_map(|url| Some(url.host_str()?.to_owned())),
    );
    if !names.is_empty() {
        HostRule::Listed(names)
    } else if loopback {
        HostRule::Loopback
    } else {
        HostRule::Any
    }
}

/// The rule of the administrators' listener: its own address and the names that the operator
/// listed. Where the data is found (`server.public_url`) says nothing about where it is.
pub(super) fn admin(config: &Config, bound: IpAddr) -> HostRule {
    let mut names = listed(config);
    if bound.is_loopback() {
        return if names.is_empty() {
            HostRule::Loopback
        } else {
            HostRule::Listed(names)
        };
    }
    if !bound.is_unspecified() {
        names.insert(match bound {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        });
        // A name was written and an address bound.
        names.extend(config.server.admin_listen.iter().filter_map(|listen| {
            let named = listen.host.parse::<IpAddr>().is_err();
            named.then(|| listen.host.to_ascii_lowercase())
        }));
    }
    if names.is_empty() {
        HostRule::Any
    } else {
        HostRule::Listed(names)
    }
}

/// What the operator should know where callers choose what we are called: the issuer of our tokens, and
/// where people are sent, come from it.
pub(super) fn who_names_us(config: &Config, data: &HostRule) -> Option<&'static str> {
    let issues = config.identity.authorization_server.enabled;
    (issues && *data == HostRule::Any).then_some(
        "clients sign in at whatever name a request's Host says, because this listener is open and no \
         name was written: set server.public_url to the https address that people use (or \
         server.allowed_hosts); until then nobody can connect accounts of their own, and a token is good \
         only at the name that it was got at",
    )
}

/// `server.allowed_hosts` without ports.
fn listed(config: &Config) -> BTreeSet<String> {
    let without_port = |host: &String| {
        host.rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
            .map_or(host.as_str(), |(name, _)| name)
            .to_owned()
    };
    config
        .server
        .allowed_hosts
        .iter()
        .map(without_port)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::config;

    const KEYED: &str = "identity: {keys: [{id: a, key: sk-pc-7Qm2vT9dKx4RzP1sWn8uYb3}]}\n";

    fn rule(names: &[&str]) -> HostRule {
        HostRule::Listed(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn the_public_name_of_the_data_is_no_name_of_the_administration() {
        let config = config("server: {public_url: 'https://mcp.example.com'}");
        assert_eq!(data(&config, true), rule(&["mcp.example.com"]));
        let loopback = "127.0.0.1".parse().unwrap();
        assert_eq!(admin(&config, loopback), HostRule::Loopback);
    }

    #[test]
    fn an_internal_address_answers_to_itself_and_to_what_is_listed() {
        let config = config(&format!(
            "{KEYED}server: {{admin_listen: '10.0.0.5:4001', allowed_hosts: ['admin.internal:4001']}}"
        ));
        let bound = "10.0.0.5".parse().unwrap();
        assert_eq!(admin(&config, bound), rule(&["10.0.0.5", "admin.internal"]));
        assert_eq!(
            admin(&super::tests::config(""), "fd00::5".parse().unwrap()),
            rule(&["[fd00::5]"])
        );
    }

    #[test]
    fn a_listener_on_every_address_without_names_answers_to_all() {
        let config = config(&format!("{KEYED}server: {{host: 0.0.0.0}}"));
        let open = data(&config, false);
        assert_eq!(open, HostRule::Any);
        let warning = who_names_us(&config, &open).unwrap();
        assert!(warning.contains("server.public_url"), "{warning}");
        assert_eq!(who_names_us(&config, &data(&config, true)), None);
        assert_eq!(admin(&config, "0.0.0.0".parse().unwrap()), HostRule::Any);
    }
}

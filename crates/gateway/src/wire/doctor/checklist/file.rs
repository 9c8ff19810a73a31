//! What the file alone tells.

use portcullis_config::{Auth, CallerHeaders, Forwarding, Level, McpServer};
use portcullis_server::listen::ServerTls;

use super::super::{Finding, State, Written, elsewhere};
use super::{counted, finding};
use crate::cli::exit::with_causes;
use crate::wire::serve::tls_files;

/// It takes the place of what was there before, with the file that is there.
pub(super) fn drop_in(written: &Written) -> Finding {
    let warnings = written
        .notices
        .iter()
        .filter(|notice| notice.level == Level::Warning)
        .count();
    let loaded = format!("{} loads without errors", written.file.display());
    if warnings == 0 {
        return finding("configuration", State::Good, loaded);
    }
    finding(
        "configuration",
        State::Advice,
        format!("{loaded}, with {}", counted(warnings, "warning")),
    )
    .with(elsewhere(format!(
        "read them: portcullis check {}",
        written.file.display()
    )))
}

/// No server stands open behind us.
pub(super) fn server_auth(written: &Written) -> Finding {
    let servers = &written.config.mcp_servers;
    let open = servers
        .iter()
        .find(|server| is_bare(server) && !takes_along(&server.forwarding));
    let brought = servers
        .iter()
        .any(|server| is_bare(server) && takes_along(&server.forwarding));
    match open {
        None if servers.is_empty() => finding("server_auth", State::Advice, "there is no server")
            .with(written.change(&["mcp_servers"], "name the servers behind")),
        None => finding(
            "server_auth",
            State::Good,
            format!(
                "{}, each called with a credential{}",
                counted(servers.len(), "server"),
                if brought { " or what its callers bring" } else { "" }
            ),
        ),
        Some(open) => finding(
            "server_auth",
            State::Advice,
            format!(
                "`{}` is called without any credential{}, so others than this gateway can call it too",
                open.id,
                match open.forwarding.caller_headers {
                    CallerHeaders::Any => " unless a caller brings one",
                    _ => "",
                }
            ),
        )
        .with(written.change(
            &["mcp_servers", open.id.as_str(), "auth_type"],
            "have the server ask for a credential and say here which it is",
        )),
    }
}

/// We present nothing of our own: no credential, no header of the file, no token that we sign.
fn is_bare(server: &McpServer) -> bool {
    matches!(server.auth, Auth::None) && server.static_headers.is_empty() && !server.signed
}

/// The file says which headers or cookies of the caller's go along. That any may, as where it says
/// nothing, is no sign that the server asks for one.
fn takes_along(forwarding: &Forwarding) -> bool {
    !forwarding.extra_headers.is_empty()
        || forwarding.cookies.is_some()
        || matches!(forwarding.caller_headers, CallerHeaders::Templates(_))
}

/// Nothing crosses a network in the clear.
pub(super) fn tls(written: &Written) -> Finding {
    let server = &written.config.server;
    if let Some(tls) = &server.tls {
        return match ServerTls::load(tls_files(tls)) {
            Ok(_) => finding(
                "tls",
                State::Good,
                "certificate and key load and belong together",
            ),
            Err(error) => finding("tls", State::Broken, with_causes(&error, "; because: ")).with(
                written.change(
                    &["server", "tls"],
                    "name a readable PEM certificate and its key",
                ),
            ),
        };
    }
    let host = server.listen.host.trim_matches(['[', ']']);
    let local = host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    let https = server
        .public_url
        .as_ref()
        .is_some_and(|url| url.scheme() == "https");
    match (local, https) {
        (_, true) => finding(
            "tls",
            State::Good,
            "`public_url` is https: what is in front terminates TLS",
        ),
        (true, false) => finding("tls", State::Good, "listens on loopback only"),
        (false, false) => finding(
            "tls",
            State::Broken,
            format!("listens on {host} in the clear: keys and tokens can be read on the way"),
        )
        .with(written.change(
            &["server", "tls"],
            "write `tls: {cert: …, key: …}`, or `public_url: https://…` if an ingress terminates TLS",
        )),
    }
}

/// Who may do what was written down, and not left to a default.
pub(super) fn mapping(written: &Written) -> Finding {
    let config = &written.config;
    let everything = config.identity.keys.iter().find(|key| key.grants.all);
    if let Some(key) = everything {
        return finding(
            "mapping",
            State::Advice,
            format!("the key `{}` sees every server, now and later", key.id),
        )
        .with(written.change(&["identity", "keys"], "name the servers that it needs"));
    }
    let everybody = config
        .identity
        .issuers
        .iter()
        .find(|issuer| issuer.grants.everybody.all);
    if let Some(issuer) = everybody {
        return finding(
            "mapping",
            State::Advice,
            format!("every bearer of {} sees every server", issuer.issuer),
        )
        .with(written.change(
            &["identity", "issuers"],
            "name servers, groups or teams in place of `all_servers`",
        ));
    }
    if let Some(server) = config
        .mcp_servers
        .iter()
        .find(|server| server.allow_all_keys)
    {
        return finding(
            "mapping",
            State::Advice,
            format!("everybody with any key may use `{}`", server.id),
        )
        .with(written.change(
            &["mcp_servers", server.id.as_str(), "allow_all_keys"],
            "grant it to the keys that need it",
        ));
    }
    let unscoped = config
        .mcp_servers
        .iter()
        .find(|server| server.scopes.is_none() && server.allowed_tools.is_none());
    match unscoped {
        Some(server) if !config.identity.issuers.is_empty() => finding(
            "mapping",
            State::Advice,
            format!(
                "whoever may use `{}` may call each of its tools, whatever scopes their token has",
                server.id
            ),
        )
        .with(written.change(
            &["mcp_servers", server.id.as_str(), "tool_scopes"],
            "say which tool needs which scope",
        )),
        _ => finding("mapping", State::Good, "every grant names what it grants"),
    }
}

/// Somebody will be able to tell what happened.
pub(super) fn logging(written: &Written) -> Finding {
    let audit = &written.config.audit;
    if !audit.sinks.is_empty() {
        let names: Vec<&str> = audit.sinks.iter().map(|sink| sink.name.as_str()).collect();
        let told = format!(
            "each request is on record, and copied ({})",
            names.join(", ")
        );
        return finding("logging", State::Good, told);
    }
    match (&audit.jsonl_path, audit.log_requests) {
        (None, false) => finding(
            "logging",
            State::Advice,
            "each request is on record in the store, and nothing leaves this machine",
        )
        .with(written.change(
            &["audit", "jsonl_path"],
            "write `sinks`, or `jsonl_path`, or `log_requests: true` and have the lines collected",
        )),
        (Some(path), _) => finding(
            "logging",
            State::Good,
            format!("each request is on record, also in {}", path.display()),
        ),
        (None, true) => finding(
            "logging",
            State::Good,
            "each request is on record, also as a line of the log",
        ),
    }
}

/// No secret lies where the file lies.
pub(super) fn secrets(written: &Written) -> Finding {
    let literal: Vec<_> = written
        .notices
        .iter()
        .filter(|notice| notice.is_literal_secret())
        .collect();
    let Some(first) = literal.first() else {
        return finding(
            "secrets",
            State::Good,
            "the file refers to its secrets and holds none",
        );
    };
    let mut change = elsewhere(
        "write `os.environ/NAME` or `file:/run/secrets/…` and give it a new value: the old one has \
         been read by whoever read the file",
    );
    change.key = Some(first.path.clone());
    change.line = (first.line > 0).then_some(first.line);
    finding(
        "secrets",
        State::Advice,
        format!("{} in the file", counted(literal.len(), "secret")),
    )
    .with(change)
}

/// What was relaxed on purpose is still on purpose.
pub(super) fn relaxations(written: &Written) -> Finding {
    let relaxed = &written.config.insecure_choices;
    let Some(first) = relaxed.first() else {
        return finding("relaxations", State::Good, "nothing is relaxed");
    };
    let more = match relaxed.len() {
        1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    finding("relaxations", State::Advice, format!("{first}{more}")).with(elsewhere(
        "see whether each is still wanted: portcullis check --explain",
    ))
}

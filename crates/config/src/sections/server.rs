//! `server`: how we listen and what we call ourselves.

use std::path::PathBuf;
use std::time::Duration;

use portcullis_core::TrustedOrigin;
use url::Url;

use crate::fields::{At, Fields};
use crate::findings::Place;
use crate::model::{ClientCa, DebugHeaders, DefinedServers, Limits, Listen, Server, Tls};
use crate::references::STORE_SCHEMES;
use crate::sections::addresses;
use crate::validate::exposure::{is_every_address, is_loopback};
use crate::validate::urls::{Origin, origin};

const MEBIBYTE: u64 = 1024 * 1024;

pub(crate) fn read(fields: &Fields<'_, '_>, general: &Fields<'_, '_>) -> Server {
    let command_line = fields.findings.sources().command_line;
    let written_host = fields.text("host").map(|host| host.value);
    let written_port = fields
        .whole("port")
        .and_then(|port| u16::try_from(port).ok());
    let server = Server {
        listen: Listen {
            host: command_line
                .host
                .map(str::to_owned)
                .or(written_host)
                .unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: command_line.port.or(written_port).unwrap_or(4000),
        },
        admin_listen: fields
            .text("admin_listen")
            .and_then(|text| listen_address(fields, &text)),
        replica_listen: fields
            .text("replica_listen")
            .and_then(|text| listen_address(fields, &text)),
        replica_url: replica_url(fields),
        public_url: public_url(fields),
        client_metadata_url: client_metadata_url(fields),
        forwarded: addresses::forwarded(general),
        inside: addresses::inside(general),
        defined: defined(fields),
        debug_headers: match fields.choice("debug_headers") {
            Some("off") => DebugHeaders::Off,
            Some("admin") => DebugHeaders::Admin,
            _ => DebugHeaders::Authenticated,
        },
        registry: general.flag("enable_mcp_registry") == Some(true),
        tls: tls(fields),
        allowed_hosts: allowed_hosts(fields),
        allowed_origins: allowed_origins(fields),
        trusted_redirect_origins: trusted_redirect_origins(fields),
        ca_file: fields.file_path("ca_file"),
        max_body: fields.size("max_body").unwrap_or(4 * MEBIBYTE),
        max_connections: fields.whole("max_connections").unwrap_or(10_000),
        max_connections_per_address: fields.whole("max_connections_per_address"),
        strangers_per_minute: fields
            .whole("strangers_per_minute")
            .and_then(|most| u32::try_from(most).ok())
            .unwrap_or(600),
        limits: limits(fields),
        header_timeout: fields
            .span("header_timeout")
            .unwrap_or(Duration::from_secs(10)),
        body_timeout: fields
            .span("body_timeout")
            .unwrap_or(Duration::from_secs(30)),
        grace: fields.span("grace_seconds").unwrap_or(Duration::ZERO),
        drain: fields
            .span("drain_seconds")
            .unwrap_or(Duration::from_secs(30)),
    };
    check_replicas(fields, &server);
    let name = &server.listen.host;
    let valid = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:_".contains(&byte));
    if !valid {
        fields.findings.error(
            fields.place("host"),
            "not an address to listen on",
            "write for example `127.0.0.1`, `0.0.0.0` or `::1`",
        );
    }
    for (name, value) in [
        ("header_timeout", server.header_timeout),
        ("body_timeout", server.body_timeout),
    ] {
        if value.is_zero() {
            fields.findings.error(
                fields.place(name),
                "a time-out of zero refuses every request",
                (),
            );
        }
    }
    if !is_loopback(&server.listen)
        && server.public_url.is_none()
        && server.allowed_hosts.is_empty()
    {
        fields.findings.relaxed(
            fields.place("host"),
            "any Host is answered, which lets DNS rebinding in: set `public_url` or `allowed_hosts`",
        );
    }
    if let Some(admin) = &server.admin_listen
        && !is_loopback(admin)
    {
        fields.findings.relaxed(
            fields.place("admin_listen"),
            "the admin listener can be reached from the network",
        );
        if is_every_address(admin) && server.allowed_hosts.is_empty() {
            fields.findings.relaxed(
                fields.place("admin_listen"),
                "any Host is answered, which lets DNS rebinding in: set `allowed_hosts`",
            );
        }
    }
    server
}

/// Where the other replicas find us. A listener on every address has none of its own.
fn replica_url(fields: &Fields<'_, '_>) -> Option<Url> {
    const RULE: &str = "write scheme, host and port as the other replicas reach this one, without a path: `http://10.0.0.5:4010`";
    let text = fields.text("replica_url")?;
    if !fields.has("replica_listen") {
        fields.findings.error(
            text.place,
            "nobody listens there",
            "write `replica_listen: HOST:PORT` too, or remove the key",
        );
        return None;
    }
    match origin(&text.value) {
        Ok(Origin { url, .. }) => Some(url),
        Err(problem) => {
            fields.findings.error(text.place, problem, RULE);
            None
        }
    }
}

fn check_replicas(fields: &Fields<'_, '_>, server: &Server) {
    let Some(listen) = &server.replica_listen else {
        return;
    };
    let Some(url) = &server.replica_url else {
        if is_every_address(listen) && !fields.has("replica_url") {
            fields.findings.error(
                fields.place("replica_listen"),
                "the other replicas cannot tell where this is",
                "write `replica_url` too, or an address that they reach this replica at",
            );
        }
        return;
    };
    if url.scheme() == "https" && server.tls.is_none() && !fields.has("tls") {
        fields.findings.error(
            fields.place("replica_url"),
            "https, and there is no certificate",
            "write `tls`, or `http://` where the network between the replicas is yours",
        );
    }
}

fn limits(fields: &Fields<'_, '_>) -> Limits {
    let section = fields.section("limits");
    let of = |name: &str, default| {
        let written = section.as_ref().and_then(|limits| limits.whole(name));
        written
            .and_then(|most| u32::try_from(most).ok())
            .unwrap_or(default)
    };
    Limits {
        register_per_minute: of("register_per_minute", 240),
        token_per_minute: of("token_per_minute", 1200),
        authorize_per_minute: of("authorize_per_minute", 600),
        introspect_per_minute: of("introspect_per_minute", 6000),
        sign_in_per_minute: of("sign_in_per_minute", 600),
    }
}

fn listen_address(fields: &Fields<'_, '_>, text: &At<String>) -> Option<Listen> {
    let parts = text.value.rsplit_once(':').and_then(|(host, port)| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().ok()?;
        (!host.is_empty()).then(|| Listen {
            host: host.to_owned(),
            port,
        })
    });
    if parts.is_none() {
        fields.findings.error(
            text.place.clone(),
            "expected `host:port`",
            "write for example `127.0.0.1:4001`",
        );
    }
    parts
}

/// Ours is a mistake when it is invalid; LiteLLM's variable is ignored with a warning, as there.
fn public_url(fields: &Fields<'_, '_>) -> Option<Url> {
    const RULE: &str = "write scheme, host and port as clients see them, without a path: `https://mcp.example.com`";
    if let Some(text) = fields.text("public_url") {
        return match origin(&text.value) {
            Ok(Origin { url, .. }) => {
                warn_plain(fields, &url, &text.place);
                Some(url)
            }
            Err(problem) => {
                fields.findings.error(text.place, problem, RULE);
                None
            }
        };
    }
    let value = fields.findings.variable("PROXY_BASE_URL")?;
    let place = Place {
        path: "PROXY_BASE_URL".to_owned(),
        ..Place::default()
    };
    match origin(&value) {
        Ok(Origin { url, .. }) => {
            warn_plain(fields, &url, &place);
            Some(url)
        }
        Err(problem) => {
            let text = format!("{problem}; it is ignored. {RULE}");
            fields.findings.warning(place, text);
            None
        }
    }
}

/// The URL is the client's id: whoever reads it compares it as it is written, so it is one spelling
/// and has a path (Client ID Metadata Documents §3).
fn client_metadata_url(fields: &Fields<'_, '_>) -> Option<Url> {
    let text = fields.text("client_metadata_url")?;
    let url = Url::parse(&text.value).ok().filter(|url| {
        let plain = url.username().is_empty() && url.password().is_none();
        url.scheme() == "https"
            && plain
            && url.path() != "/"
            && url.fragment().is_none()
            && url.as_str() == text.value
    });
    if url.is_none() {
        fields.findings.error(
            text.place,
            "not the URL of a client document: https, with a path, without user name, fragment or dots in the path",
            "write it as it is published: `https://gateway.example.com/oauth/client-metadata.json`",
        );
    }
    url
}

fn warn_plain(fields: &Fields<'_, '_>, url: &Url, place: &Place) {
    if url.scheme() == "http" && !crate::validate::urls::is_loopback(url) {
        fields.findings.warning(
            place.clone(),
            "clients will send their keys over plain http; use https beyond loopback",
        );
    }
}

fn tls(fields: &Fields<'_, '_>) -> Option<Tls> {
    let tls = fields.section("tls")?;
    let cert = tls.require("cert", tls.file_path("cert"));
    let key = tls.require("key", tls.file_path("key"));
    let client_ca = client_ca(&tls);
    // What is written and cannot be used is not taken for absent.
    if tls.has("client_ca") && client_ca.is_none() {
        return None;
    }
    Some(Tls {
        cert: cert?,
        key: key?,
        client_ca,
    })
}

/// Whoever names an authority expects callers without a certificate to be kept out, so that is what
/// happens unless the file says otherwise.
fn client_ca(tls: &Fields<'_, '_>) -> Option<ClientCa> {
    let required = match tls.choice("client_certificate") {
        Some("optional") => false,
        None if tls.has("client_certificate") => return None,
        _ => true,
    };
    if !tls.has("client_ca") {
        if tls.has("client_certificate") {
            tls.findings.error(
                tls.place("client_certificate"),
                "no authority vouches for client certificates",
                "write `client_ca: FILE`, or remove the key",
            );
        }
        return None;
    }
    let texts = tls.texts("client_ca")?;
    if texts.is_empty() {
        tls.findings.error(
            tls.place("client_ca"),
            "an empty list of authorities",
            "write at least one file, or remove the key",
        );
        return None;
    }
    let files = texts.into_iter().map(|text| PathBuf::from(text.value));
    Some(ClientCa {
        files: files.collect(),
        required,
    })
}

fn allowed_hosts(fields: &Fields<'_, '_>) -> Vec<String> {
    let mut hosts = Vec::new();
    for At { value, place } in fields.texts("allowed_hosts").unwrap_or_default() {
        let bare = !value.contains(['/', '@', '*', '?', '#', ' ']);
        let parsed = Url::parse(&format!("http://{value}"))
            .ok()
            .filter(|url| bare && url.host_str().is_some());
        if parsed.is_some() {
            hosts.push(value.to_ascii_lowercase());
        } else {
            fields.findings.error(
                place,
                "not a host name",
                "write `host` or `host:port`, without scheme, path or `*`",
            );
        }
    }
    hosts
}

/// Ours is a mistake when it is invalid; an entry of LiteLLM's variable is ignored with a warning, and
/// so trusted by nobody.
fn trusted_redirect_origins(fields: &Fields<'_, '_>) -> Vec<TrustedOrigin> {
    const NAME: &str = "MCP_TRUSTED_REDIRECT_ORIGINS";
    const RULE: &str =
        "write `host`, `host:port` or `*.example.com`, without a scheme: only https is trusted";
    if let Some(texts) = fields.texts("trusted_redirect_origins") {
        let read = texts.into_iter().filter_map(|At { value, place }| {
            let origin = value.parse();
            if let Err(problem) = &origin {
                fields.findings.error(place, format!("{problem}"), RULE);
            }
            origin.ok()
        });
        return read.collect();
    }
    let Some(list) = fields.findings.variable(NAME) else {
        return Vec::new();
    };
    let entries = list
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    let read = entries.filter_map(|entry| {
        let origin: Result<TrustedOrigin, _> = entry.parse();
        if let Err(problem) = &origin {
            let shown: String = entry.chars().take(80).collect();
            let place = Place {
                path: NAME.to_owned(),
                ..Place::default()
            };
            let text = format!("`{shown}` is {problem}; it is ignored. {RULE}");
            fields.findings.warning(place, text);
        }
        origin.ok()
    });
    read.collect()
}

fn allowed_origins(fields: &Fields<'_, '_>) -> Vec<String> {
    let mut origins = Vec::new();
    for At { value, place } in fields.texts("allowed_origins").unwrap_or_default() {
        match origin(&value) {
            Ok(Origin { serialized, .. }) => origins.push(serialized),
            Err(_) if value == "*" => fields.findings.error(
                place,
                "`*` would let every web page call",
                "list the origins: `https://app.example.com`",
            ),
            Err(problem) => fields.findings.error(
                place,
                problem,
                "write scheme, host and port: `https://app.example.com`",
            ),
        }
    }
    origins
}

/// What the admin API may ask for in a definition.
fn defined(fields: &Fields<'_, '_>) -> DefinedServers {
    let private_addresses = fields.flag("api_private_addresses") == Some(true);
    if private_addresses {
        fields.findings.relaxed(
            fields.place("api_private_addresses"),
            "servers that the admin API defines may be in private networks",
        );
    }
    let mut secret_stores = Vec::new();
    for written in fields.texts("api_secret_stores").unwrap_or_default() {
        let known = STORE_SCHEMES.iter().find(|known| **known == written.value);
        let Some(known) = known else {
            fields.findings.error(
                written.place,
                "not a store of secrets that the admin API could be let at",
                format!("write one of {}", STORE_SCHEMES.join(", ")),
            );
            continue;
        };
        fields.findings.relaxed(
            written.place,
            format!("administrators may send what `{known}:` holds to servers that the admin API defines"),
        );
        secret_stores.push(*known);
    }
    DefinedServers {
        secret_stores,
        private_addresses,
    }
}

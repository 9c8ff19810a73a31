//! The hops to one server: file, host, metadata, token endpoint, credential, handshake, lists.

use std::sync::Arc;

use portcullis_config::{Auth, McpServer};
use portcullis_credentials::{UpstreamAuth, find_authorization_server, find_token_endpoint};
use portcullis_egress::Destination;
use portcullis_engine::ServerEntry;
use url::Url;

use super::walk::{Names, Walk};
use super::{Change, Finding, State, Written, remedy};
use crate::cli::exit::CommandError;
use crate::wire::outbound;
use crate::wire::rooms::Rooms;

const SERVER: Names = Names {
    dns: "dns",
    tcp: "tcp",
    tls: "tls",
};
const TOKEN: Names = Names {
    dns: "token_dns",
    tcp: "token_tcp",
    tls: "token_tls",
};

pub(super) async fn walk(
    written: &Written,
    rooms: &Rooms,
    wanted: &str,
) -> Result<Vec<Finding>, CommandError> {
    let server = find(written, wanted)?;
    let snapshot = rooms.gateway.snapshot();
    let entry = snapshot
        .servers()
        .iter()
        .find(|entry| entry.id == server.id)
        .ok_or_else(|| CommandError::Usage(format!("no server `{wanted}`")))?;
    let id = server.id.as_str();
    let key = |keys: &[&str], what: String| {
        let path: Vec<&str> = ["mcp_servers", id]
            .into_iter()
            .chain(keys.iter().copied())
            .collect();
        written.change(&path, what)
    };
    let url = |what: String| key(&["url"], what);
    let ca = |what: String| written.change(&["server", "ca_file"], what);
    let hops = outbound::hops(written.config.server.ca_file.clone())?;

    let mut walk = Walk::begin(Arc::clone(&rooms.vaults.clock));
    let place = key(&[], String::new());
    let line = place
        .line
        .map_or_else(String::new, |line| format!(", line {line}"));
    walk.note(
        "configuration",
        State::Good,
        format!(
            "mcp_servers.{id}{line}: {}, {}",
            server
                .url()
                .map_or_else(|| server.transport.name().to_owned(), plain),
            server.auth.auth_type()
        ),
    );
    let destination = Destination::Operator {
        allow_insecure_http: server.allow_insecure_http,
    };
    if let Some(address) = server.url() {
        walk.host(&SERVER, &hops, address, destination, url, ca)
            .await;
    }
    if let Some((token_url, destination)) =
        token_endpoint(&mut walk, rooms, server, entry, key).await
    {
        let token = |what: String| key(&[token_key(&server.auth)], what);
        walk.host(&TOKEN, &hops, &token_url, destination, token, ca)
            .await;
    }
    if matches!(entry.auth.auth, UpstreamAuth::AuthorizationCode(_)) {
        for_people(&mut walk, rooms, entry, key).await;
    }
    as_ourselves(&mut walk, rooms, entry, key).await;
    Ok(walk.end())
}

fn find<'w>(written: &'w Written, wanted: &str) -> Result<&'w McpServer, CommandError> {
    let servers = &written.config.mcp_servers;
    let named = |server: &&McpServer| server.id.as_str() == wanted || server.prefix() == wanted;
    servers.iter().find(named).ok_or_else(|| {
        let known: Vec<&str> = servers.iter().map(|server| server.id.as_str()).collect();
        let known = if known.is_empty() {
            "has no servers".to_owned()
        } else {
            format!("has {}", known.join(", "))
        };
        CommandError::Usage(format!(
            "no server `{wanted}`: {} {known}",
            written.file.display()
        ))
    })
}

/// Where tokens come from, if the server is called with any.
async fn token_endpoint(
    walk: &mut Walk,
    rooms: &Rooms,
    server: &McpServer,
    entry: &ServerEntry,
    key: impl Fn(&[&str], String) -> Change,
) -> Option<(Url, Destination)> {
    match (&server.auth, &entry.auth.auth) {
        (Auth::ClientCredentials(_), UpstreamAuth::ClientCredentials(client)) => {
            walk.hop(
                "metadata",
                find_token_endpoint(&*rooms.client, &server.id, client),
                |(url, _)| format!("the token endpoint is {}", plain(url)),
                |error| remedy::of_credential(error, key),
            )
            .await
        }
        (Auth::TokenExchange(exchange), _) => {
            let destination = Destination::Operator {
                allow_insecure_http: server.allow_insecure_http,
            };
            Some((exchange.endpoint.clone(), destination))
        }
        _ => None,
    }
}

/// Whom people are sent to. What they connect with is theirs, and nothing that can be tried here.
async fn for_people(
    walk: &mut Walk,
    rooms: &Rooms,
    entry: &ServerEntry,
    key: impl Fn(&[&str], String) -> Change,
) {
    let vaults = &rooms.vaults;
    walk.hop(
        "authorization_server",
        find_authorization_server(&rooms.client, &vaults.clock, &vaults.entropy, &entry.auth),
        |found| {
            format!(
                "people connect their accounts at {} (client: {}); each caller has to connect before the first call",
                found.authorization_server, found.client
            )
        },
        |error| remedy::of_credential(error, key),
    )
    .await;
}

const fn token_key(auth: &Auth) -> &'static str {
    match auth {
        Auth::TokenExchange(_) => "token_exchange_endpoint",
        _ => "token_url",
    }
}

/// What the gateway itself does with a server.
async fn as_ourselves(
    walk: &mut Walk,
    rooms: &Rooms,
    entry: &Arc<ServerEntry>,
    key: impl Fn(&[&str], String) -> Change,
) {
    if entry.auth.knows_callers_only() {
        for name in ["credential", "handshake", "tools_list"] {
            walk.note(
                name,
                State::Skipped,
                "the server is called in callers' own names only",
            );
        }
        return;
    }
    let gateway = &rooms.gateway;
    walk.hop(
        "credential",
        gateway.try_credential(entry),
        |kind| kind.as_str().to_owned(),
        |error| remedy::of_engine(error, &key),
    )
    .await;
    walk.hop(
        "handshake",
        gateway.try_handshake(entry),
        |revision| format!("speaks {revision}"),
        |error| remedy::of_engine(error, &key),
    )
    .await;
    walk.hop(
        "tools_list",
        gateway.try_list(entry),
        |count| match count {
            1 => "1 tool".to_owned(),
            count => format!("{count} tools"),
        },
        |error| remedy::of_engine(error, &key),
    )
    .await;
}

/// A URL without what may be a secret in it.
fn plain(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

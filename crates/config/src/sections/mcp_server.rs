//! `mcp_servers` and `servers`: the upstream MCP servers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use portcullis_core::ServerId;

use crate::compat::auth_map;
use crate::compat::default_oauth2::{self, DefaultOauth2};
use crate::fields::{At, Fields};
use crate::findings::{Findings, Place};
use crate::keys::servers::{MCP_SERVER, REVISIONS};
use crate::model::{Auth, Compat, McpServer, Revision, Transport};
use crate::sections::signer::{self, Draft};
use crate::sections::transport::{self, StdioRules};
use crate::sections::upstream_auth::{self, ResourceOwner};
use crate::sections::{
    approval, argument_schemas, delegation, discovery_auth, drift, forwarding, headers, limits,
    openapi, scopes,
};
use crate::tree::Node;
use crate::validate::names::Names;
use crate::validate::urls::PlainHttp;

const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);
const DEFAULT_TOTAL: Duration = Duration::from_hours(1);

/// A server by name, also when it is too broken to use: grants may still name it.
pub(crate) struct NamedServer {
    pub(crate) name: String,
    pub(crate) server: Option<McpServer>,
}

pub(crate) fn all(
    root: &Fields<'_, '_>,
    litellm: &Fields<'_, '_>,
    compat: Compat,
    signer: Option<&Draft>,
    stdio: &StdioRules,
    names: &mut Names,
) -> Vec<NamedServer> {
    let default = default_oauth2::read(root);
    let mut aliases = aliases(litellm);
    let mut servers = Vec::new();
    // Names first: a name beats an alias, whatever their order.
    let entries: Vec<_> = ["mcp_servers", "servers"]
        .into_iter()
        .flat_map(|key| root.named(key))
        .collect();
    for (name, place, _) in &entries {
        let owner = format!("{name} at {}", place.path);
        names.claim(root.findings, place, name, &owner);
    }
    for (name, place, node) in entries {
        let owner = format!("{name} at {}", place.path);
        let fields = Fields::open(root.findings, &MCP_SERVER, node, place.path.clone());
        let alias = alias(&fields, aliases.remove(name));
        if let Some(alias) = &alias {
            if alias.value.is_empty() {
                names.claim_bareness(root.findings, &alias.place, &owner);
            } else {
                names.claim(root.findings, &alias.place, &alias.value, &owner);
            }
        }
        let unasked = root.findings.unasked();
        let server = read(
            &fields,
            name,
            alias.map(|alias| alias.value),
            default.as_ref(),
            compat,
            signer,
            stdio,
        )
        // Without one of its values it would be called as somebody else.
        .filter(|_| root.findings.unasked() == unasked);
        servers.push(NamedServer {
            name: name.to_owned(),
            server,
        });
    }
    for (target, alias) in aliases {
        root.findings.error(
            alias.place,
            format!(
                "`{}` stands for `{target}`, and there is no such server",
                alias.value
            ),
            "write the name of an entry of `mcp_servers`",
        );
    }
    servers
}

/// A server that the admin API defined, read as if it stood in the file behind all others: what the operator
/// wrote has its names first. What reads this machine, or starts something on it, is the operator's alone.
pub(crate) fn defined(
    findings: &Findings<'_>,
    name: &str,
    node: &Node,
    names: &mut Names,
    compat: Compat,
    signer: Option<&Draft>,
) -> Option<McpServer> {
    let place = Place {
        path: format!("mcp_servers.{name}"),
        span: node.span,
    };
    let owner = format!("{name}, which the admin API defined,");
    names.claim(findings, &place, name, &owner);
    let fields = Fields::open(findings, &MCP_SERVER, node, place.path);
    if transport::is_stdio(&fields) {
        findings.error(
            fields.own_place(),
            "programs are started for servers of the file alone",
            "define the server in the file, or give its `url`",
        );
        return None;
    }
    if let Some(path) = fields.text("spec_path")
        && !path.value.contains("://")
    {
        findings.error(
            path.place,
            "a document on the gateway's machine is read for servers of the file alone",
            "write the https address of the document",
        );
        return None;
    }
    let alias = fields.text("alias");
    match &alias {
        Some(alias) if alias.value.is_empty() => {
            names.claim_bareness(findings, &alias.place, &owner);
        }
        Some(alias) => {
            names.claim(findings, &alias.place, &alias.value, &owner);
        }
        None => {}
    }
    let unasked = findings.unasked();
    let server = read(
        &fields,
        name,
        alias.map(|alias| alias.value),
        // The operator's own client is presented to the operator's servers.
        None,
        compat,
        signer,
        &StdioRules::default(),
    )
    // Without one of its values it would be called as somebody else.
    .filter(|_| findings.unasked() == unasked)?;
    Some(McpServer {
        defined: true,
        ..server
    })
}

/// `mcp_aliases` turned round: server to its first alias.
fn aliases(litellm: &Fields<'_, '_>) -> BTreeMap<String, At<String>> {
    let mut by_server = BTreeMap::new();
    for (alias, At { value, place }) in litellm.text_map("mcp_aliases") {
        if by_server.contains_key(&value) {
            litellm.findings.warning(
                place,
                format!("`{value}` has an alias already; only the first is used"),
            );
            continue;
        }
        by_server.insert(
            value,
            At {
                value: alias,
                place,
            },
        );
    }
    by_server
}

/// The server's own alias wins over `mcp_aliases`.
fn alias(fields: &Fields<'_, '_>, from_settings: Option<At<String>>) -> Option<At<String>> {
    let own = fields.text("alias");
    if let (Some(_), Some(other)) = (&own, &from_settings) {
        fields.findings.info(
            other.place.clone(),
            "the server's own `alias` is used instead",
        );
    }
    own.or(from_settings)
}

fn read(
    fields: &Fields<'_, '_>,
    name: &str,
    alias: Option<String>,
    default: Option<&DefaultOauth2>,
    compat: Compat,
    signer: Option<&Draft>,
    stdio: &StdioRules,
) -> Option<McpServer> {
    let plain = plain_http(fields, compat);
    let protocol_version = revision(fields);
    let written = transport::written(fields);
    let transport = transport::read(fields, written, protocol_version, stdio, plain);
    let url = transport.as_ref().and_then(Transport::url);
    // What is said on HTTP only is refused on stdio where its transport is read.
    let on_http = written != transport::STDIO;
    let headers = headers::read(fields);
    let mut map = auth_map::read(fields, plain, ResourceOwner::Server(url));
    let cookies = map.cookies.take();
    let auth = if on_http {
        upstream_auth::read(fields, &headers, url, map, default, plain)
    } else {
        Some(Auth::None)
    };
    let discovery_auth = discovery_auth::read(fields, url, plain);
    if let Some(auth) = &auth {
        openapi::require_address(fields, auth);
        refuse_shared_header(fields, auth, &headers.names);
    }
    let (allowed_tools, disallowed_tools) = tools(fields);
    let access_groups = fields.text_set("access_groups").unwrap_or_default();
    let timeout = fields.span("timeout").unwrap_or(DEFAULT_TIMEOUT);
    if timeout.is_zero() {
        fields.findings.error(
            fields.place("timeout"),
            "a time-out of zero fails every call",
            (),
        );
    }
    let total_timeout = fields.span("total_timeout").unwrap_or(DEFAULT_TOTAL);
    let text = |name: &str| fields.text(name).map(|text| text.value);
    let description = text("description");
    let instructions = text("instructions");
    let allowed_params = fields.texts_map("allowed_params");
    let argument_schemas = argument_schemas::read(fields);
    let scopes = scopes::read(
        fields,
        name,
        alias.as_deref().filter(|alias| !alias.is_empty()),
    );
    let inside_only = fields.flag("available_on_public_internet") == Some(false);
    let forwarding = match (&transport, &auth) {
        (Some(Transport::Stdio(command)), _) => Some(command.forwarding()),
        (_, Some(auth)) => Some(forwarding::read(fields, auth, &headers, cookies, compat)),
        (_, None) => None,
    };
    let delegation = auth
        .as_ref()
        .map(|auth| delegation::delegation(fields, auth, inside_only, compat));
    let wish = signer::wish(fields, signer);
    let signed = signer.map_or(Some(false), |signer| {
        let slots = signer::Slots {
            auth: [auth.as_ref(), discovery_auth.as_ref()],
            fixed: &headers.names,
            forwarding: forwarding.as_ref(),
            delegation: delegation.unwrap_or_default(),
        };
        signer.signs_for(fields, wish, &slots)
    });
    if !on_http && signed == Some(true) {
        fields.findings.error(
            fields.place("jwt_signer"),
            "no token can be sent on stdio, where there is no request to put it on",
            "write `jwt_signer: false` if the server need not see one",
        );
    }
    let flag = |name: &str| fields.flag(name).unwrap_or(false);
    let (allow_all_keys, allow_sampling, allow_elicitation) = (
        flag("allow_all_keys"),
        flag("allow_sampling"),
        flag("allow_elicitation"),
    );
    Some(McpServer {
        id: ServerId::from(name),
        defined: false,
        alias: alias.filter(|alias| alias != name),
        description,
        instructions,
        transport: transport?,
        protocol_version,
        auth: auth?,
        signed: signed?,
        discovery_auth,
        forwarding: forwarding?,
        delegation: delegation?,
        static_headers: headers.headers,
        access_groups,
        allow_all_keys,
        inside_only,
        allowed_tools,
        disallowed_tools,
        allowed_params,
        argument_schemas,
        approval: approval::read(fields),
        on_drift: drift::read(fields),
        scopes,
        allow_sampling,
        allow_elicitation,
        timeout,
        total_timeout: total_timeout.max(timeout),
        allow_insecure_http: plain != PlainHttp::Refused,
        mcp_info: fields.anything("mcp_info"),
        limits: limits::server(fields),
    })
}

fn plain_http(fields: &Fields<'_, '_>, compat: Compat) -> PlainHttp {
    match fields.flag("allow_insecure_http") {
        Some(true) => PlainHttp::Accepted("`allow_insecure_http: true`"),
        None if compat == Compat::LiteLlm => PlainHttp::Accepted("`compat: litellm`"),
        _ => PlainHttp::Refused,
    }
}

fn revision(fields: &Fields<'_, '_>) -> Revision {
    match fields.choice("protocol_version") {
        Some(date) if date != "auto" => REVISIONS
            .iter()
            .find(|known| **known == date)
            .map_or(Revision::Auto, |known| Revision::Exactly(known)),
        _ => Revision::Auto,
    }
}

/// Two things that want the same header would mean that one is dropped in silence.
fn refuse_shared_header(fields: &Fields<'_, '_>, auth: &Auth, header_names: &[String]) {
    let Some(header) = auth.header_name() else {
        return;
    };
    if header_names.contains(&header) {
        let key = if fields.has("static_headers") {
            "static_headers"
        } else {
            "headers"
        };
        fields.findings.error(
            Place {
                path: fields.place(key).path,
                span: fields.place(key).span,
            },
            format!(
                "`{header}` is written here and is also what `auth_type: {}` sends",
                auth.auth_type()
            ),
            "remove one of them",
        );
    }
}

/// LiteLLM's switch among the free facts; anything but a flag is refused, for it is meant to close.
fn allowlist_enforced(fields: &Fields<'_, '_>) -> bool {
    const NAME: &str = "tool_allowlist_enforced";
    let info = fields.anything("mcp_info");
    match info.as_ref().and_then(|info| info.get(NAME)) {
        None => false,
        Some(serde_json::Value::Bool(enforced)) => *enforced,
        Some(_) => {
            let mut place = fields.place("mcp_info");
            place.path = format!("{}.{NAME}", place.path);
            fields.findings.error(
                place,
                "expected `true` or `false`",
                "write it without quotes",
            );
            true
        }
    }
}

/// `allowed_tools` and `disallowed_tools`; deny wins.
fn tools(fields: &Fields<'_, '_>) -> (Option<BTreeSet<String>>, BTreeSet<String>) {
    let mut allowed = fields.text_set("allowed_tools");
    let denied = fields.text_set("disallowed_tools").unwrap_or_default();
    if allowlist_enforced(fields) && allowed.is_none() {
        allowed = Some(BTreeSet::new());
    }
    match &allowed {
        Some(tools) if tools.is_empty() => fields.findings.warning(
            fields.place("allowed_tools"),
            "an empty list allows no tool; LiteLLM would allow all. Remove the key to allow all",
        ),
        Some(tools) => {
            for tool in tools.intersection(&denied) {
                fields.findings.warning(
                    fields.place("disallowed_tools"),
                    format!("`{tool}` is allowed and disallowed; it stays disallowed"),
                );
            }
        }
        None => {}
    }
    (allowed, denied)
}

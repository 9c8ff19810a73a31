//! Where the gateway listens, and whom it takes to be where.

use super::page::{Page, quoted, seconds};
use crate::model::{Config, DebugHeaders, Listen};

pub(super) fn server(page: &mut Page<'_>, config: &Config) {
    let server = &config.server;
    page.heading(0, "server");
    page.value(2, "host", quoted(&server.listen.host));
    page.value(2, "port", server.listen.port);
    if let Some(url) = &server.public_url {
        page.value(2, "public_url", url.origin().ascii_serialization());
    }
    if let Some(Listen { host, port }) = &server.admin_listen {
        page.value(2, "admin_listen", quoted(format!("{host}:{port}")));
    }
    if let Some(Listen { host, port }) = &server.replica_listen {
        page.value(2, "replica_listen", quoted(format!("{host}:{port}")));
    }
    if let Some(url) = &server.replica_url {
        page.value(2, "replica_url", url.origin().ascii_serialization());
    }
    if let Some(tls) = &server.tls {
        page.heading(2, "tls");
        page.path(4, "cert", Some(&tls.cert));
        page.path(4, "key", Some(&tls.key));
        if let Some(client_ca) = &tls.client_ca {
            let files = client_ca.files.iter().map(|file| file.display());
            page.list(4, "client_ca", files);
            let required = if client_ca.required {
                "required"
            } else {
                "optional"
            };
            page.value(4, "client_certificate", required);
        }
    }
    page.list(2, "allowed_hosts", &server.allowed_hosts);
    page.list(2, "allowed_origins", &server.allowed_origins);
    let trusted = &server.trusted_redirect_origins;
    page.list(2, "trusted_redirect_origins", trusted);
    page.path(2, "ca_file", server.ca_file.as_deref());
    let debug_headers = match server.debug_headers {
        DebugHeaders::Off => "off",
        DebugHeaders::Admin => "admin",
        DebugHeaders::Authenticated => "authenticated",
    };
    page.value(2, "debug_headers", debug_headers);
    page.value(2, "max_body", server.max_body);
    page.value(2, "max_connections", server.max_connections);
    if let Some(most) = server.max_connections_per_address {
        page.value(2, "max_connections_per_address", most);
    }
    page.value(2, "strangers_per_minute", server.strangers_per_minute);
    let limits = &server.limits;
    page.heading(2, "limits");
    page.value(4, "register_per_minute", limits.register_per_minute);
    page.value(4, "token_per_minute", limits.token_per_minute);
    page.value(4, "authorize_per_minute", limits.authorize_per_minute);
    page.value(4, "introspect_per_minute", limits.introspect_per_minute);
    page.value(4, "sign_in_per_minute", limits.sign_in_per_minute);
    page.value(2, "header_timeout", seconds(server.header_timeout));
    page.value(2, "body_timeout", seconds(server.body_timeout));
    page.value(2, "grace_seconds", seconds(server.grace));
    page.value(2, "drain_seconds", seconds(server.drain));
}

/// What of LiteLLM's general settings is about addresses.
pub(super) fn addresses(page: &mut Page<'_>, config: &Config) {
    page.heading(0, "general_settings");
    if let Some(forwarded) = &config.server.forwarded {
        page.value(2, "use_x_forwarded_for", true);
        page.list(2, "mcp_trusted_proxy_ranges", &forwarded.proxies);
        if let Some(hops) = forwarded.hops {
            page.value(2, "mcp_xff_num_trusted_hops", hops);
        }
    }
    if config.server.registry {
        page.value(2, "enable_mcp_registry", true);
    }
    page.restriction(2, "mcp_internal_ip_ranges", &config.server.inside);
}
